//! Every kind of damage with many seeds.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use vigie_disk::{FileDevice, SectorSize};
use vigie_installer::toolbox::TreeTools;
use vigie_recovery::check::backups::has_sound_groups;
use vigie_recovery::check::groups;
use vigie_recovery::check::ladder::{Groups, Primary};
use vigie_recovery::check::look::look;
use vigie_recovery::check::verdict::Reason;
use vigie_recovery::check::{Mode, Silent, Verdict, VolumeReport};

use crate::damage::{Kind, damage};
use crate::image::{File, Image, Shape, digest, fill_up};
use crate::support::{ask, check, is_clean, repair_even_full, seeds, tools};

/// With copies of the superblock, with a journal to replay, and with one group of blocks alone,
/// of which nothing has a copy.
pub const SHAPES: [Shape; 3] = [
    Shape {
        block: 1024,
        mebibytes: 16,
        unclean: false,
    },
    Shape {
        block: 1024,
        mebibytes: 16,
        unclean: true,
    },
    Shape {
        block: 4096,
        mebibytes: 8,
        unclean: false,
    },
];

#[test]
fn sound_volumes_are_seen_as_such() {
    let Some(tools) = tools() else { return };
    for shape in SHAPES {
        let folder = tempfile::tempdir().unwrap();
        let image = Image::make(&tools, folder.path(), shape);
        let found = look(&image.path, Mode::Repair).unwrap().found;
        let expected = Primary::There {
            needs_replay: shape.unclean,
            marked: false,
            groups: Groups::Sound,
        };
        assert_eq!(found.primary, expected);
        assert_eq!(found.backups.is_empty(), !image.has_copies);
        let device = FileDevice::open_read_only(&image.path, SectorSize::S512).unwrap();
        assert_eq!(groups::primary_sound(&device), Some(true));
        for backup in found.backups {
            assert!(has_sound_groups(&device, backup), "{backup:?}");
        }
    }
}

/// How the damages of a kind ended.
#[derive(Debug, Default)]
struct Ends {
    clean: usize,
    repaired: usize,
    fewer: usize,
    lost: usize,
    files: usize,
    unjudged: usize,
}

#[test]
fn damaged_volumes_are_clean_afterwards_or_declared_lost() {
    let Some(tools) = tools() else { return };
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<Image> = SHAPES
        .iter()
        .enumerate()
        .map(|(number, shape)| {
            let folder = folder.path().join(number.to_string());
            fs::create_dir(&folder).unwrap();
            Image::make(&tools, &folder, *shape)
        })
        .collect();
    for kind in Kind::ALL {
        let mut ends = Ends::default();
        for seed in 0..seeds() {
            let image = &images[(seed % images.len() as u64) as usize];
            one(&tools, image, kind, seed, folder.path(), &mut ends);
        }
        println!("{kind:?}: {} damages, {ends:?}", seeds());
        assert!(ends.clean + ends.repaired > 0, "{kind:?}: {ends:?}");
    }
}

/// Volumes without a free block, on which e2fsck can add nothing. Where it would need room nothing is decided;
/// where a person has it go on all the same, what is gone is in the verdict. Where a folder must be written
/// anew and there is no room for that, e2fsck 1.47.2 says that it has repaired it, and has not: such a volume
/// is lost in our words, too, and never called clean.
#[test]
fn a_full_volume_is_repaired_or_declared_lost() {
    let Some(tools) = tools() else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = Image::make(&tools, folder.path(), SHAPES[0]);
    fill_up(&tools, folder.path(), &image.path);
    let path = folder.path().join("damaged");
    let (mut good, mut part, mut left, mut lost) = (0, 0, 0, 0);
    for kind in Kind::ALL {
        for seed in 0..seeds().min(60) {
            let what = format!("{kind:?} seed {seed}");
            let mut bytes = fs::read(&image.path).unwrap();
            let touched = damage(&image, &mut bytes, kind, seed);
            fs::write(&path, &bytes).unwrap();
            let mut report = check(&tools, Mode::Repair, &path, &mut Silent);
            let reason = Reason::NoRoom;
            if report.verdict == (Verdict::Damaged { reason }) {
                left += 1;
                report = repair_even_full(&tools, &path, &mut Silent);
            }
            if let Verdict::Lost { .. } = report.verdict {
                lost += 1;
                continue;
            }
            assert!(report.verdict.is_good(), "{what}: {}", told(&report));
            assert_eq!(is_clean(&tools, &path), Ok(()), "{what}");
            if report.verdict == Verdict::RepairedInPart {
                part += 1;
                assert!(report.findings().no_room.count > 0, "{what}");
                continue;
            }
            good += 1;
            if !meets(&touched, &image.resize) {
                files_are_there(&tools, &image, &touched, &path, &what, &report);
            }
        }
    }
    println!("full: {good} good, {part} in part, {lost} lost; {left} were left at first");
    assert!(good > 10 * lost, "{good} good, {lost} lost");
}

fn one(tools: &TreeTools, image: &Image, kind: Kind, seed: u64, folder: &Path, ends: &mut Ends) {
    let what = format!("{kind:?} seed {seed}");
    let mut bytes = fs::read(&image.path).unwrap();
    let touched = damage(image, &mut bytes, kind, seed);
    let path = folder.join("damaged");
    fs::write(&path, &bytes).unwrap();
    let looked = check(tools, Mode::Inspect, &path, &mut Silent);
    assert!(
        fs::read(&path).unwrap() == bytes,
        "{what}: a look has written"
    );
    let report = check(tools, Mode::Repair, &path, &mut Silent);
    let content = is_clean(tools, &path);
    match &report.verdict {
        Verdict::Clean => ends.clean += 1,
        Verdict::Repaired => ends.repaired += 1,
        // Said where it is so, and only there.
        Verdict::FewerFiles { .. } => {
            ends.fewer += 1;
            assert!(!image.has_copies, "{what}: {}", told(&report));
            return assert_eq!(content, Ok(()), "{what}: {}", told(&report));
        }
        Verdict::Lost { .. } => {
            ends.lost += 1;
            assert!(!image.has_copies, "{what}: {}", told(&report));
            return;
        }
        _ => panic!("{what}: {}", told(&report)),
    }
    assert_eq!(content, Ok(()), "{what}: {}", told(&report));
    if looked.verdict == Verdict::Clean {
        assert_eq!(report.verdict, Verdict::Clean, "{what}: {}", told(&report));
    }
    // What has no copy and leads to all files touches all files; where only the descriptors were, it is known
    // whether they were found.
    let leads_to_all = matches!(kind, Kind::Superblock | Kind::Random);
    let is_led_astray = meets(&touched, &image.resize);
    if is_led_astray || (leads_to_all && !image.has_copies) {
        ends.unjudged += 1;
    } else {
        ends.files += files_are_there(tools, image, &touched, &path, &what, &report);
    }
}

fn meets(touched: &[Range<u64>], ranges: &[Range<u64>]) -> bool {
    let meets = |a: &Range<u64>| touched.iter().any(|b| a.start < b.end && b.start < a.end);
    ranges.iter().any(meets)
}

/// Everything that was found and done, for a test that fails.
fn told(report: &VolumeReport) -> String {
    let outputs = report.steps.iter().map(|ran| {
        let arguments = ran.step.arguments().join(" ");
        format!("e2fsck {arguments} ({:?}):\n{}\n", ran.outcome, ran.output)
    });
    format!("{:?}\n{}", report.verdict, outputs.collect::<String>())
}

/// Each file that the damage did not touch is there: at its place where no folder above it was
/// touched, else anywhere. How many were looked for.
fn files_are_there(
    tools: &TreeTools,
    image: &Image,
    touched: &[Range<u64>],
    path: &Path,
    what: &str,
    report: &VolumeReport,
) -> usize {
    let untouched = image.files.iter().filter(|file| !meets(touched, &file.own));
    let wanted: Vec<&File> = untouched.collect();
    let there = contents(tools, path, &wanted);
    for file in &wanted {
        let gone = |why| panic!("{what}: {} {why}\n{}", file.path, told(report));
        match there.by_inode.get(&file.inode) {
            Some(digest) if *digest == file.digest => {}
            _ => gone("is gone or is another"),
        }
        // Below a folder that was touched it may be in lost+found now: e2fsck was content, so it
        // is somewhere.
        let is_found = there.by_path.get(&file.path) == Some(&file.inode);
        if !is_found && !meets(touched, &file.way) {
            gone("is not at its place");
        }
    }
    wanted.len()
}

/// What is on a volume of some files.
struct There {
    by_inode: BTreeMap<u64, [u8; 32]>,
    by_path: BTreeMap<String, u64>,
}

/// Asks debugfs for files by inode and by path. Only those of the right length are read: a damaged
/// inode of another file may say that it has terabytes.
fn contents(tools: &TreeTools, image: &Path, wanted: &[&File]) -> There {
    let out = image.with_extension("files");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir(&out).unwrap();
    let stats = wanted
        .iter()
        .map(|file| format!("stat <{}>\nstat {}\n", file.inode, file.path));
    let told = script(tools, image, &stats.collect::<String>());
    let of = |asked: &str| -> Option<(u64, u64)> {
        let (_, text) = told.split_once(&format!("debugfs: stat {asked}\n"))?;
        let text = text.split("debugfs: ").next()?;
        let after = |words: &str| {
            text.split_once(words)?
                .1
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        let links: u64 = after("Links: ")?;
        (links > 0).then_some((after("Inode: ")?, after("Size: ")?))
    };
    let is_whole =
        |file: &&&File| of(&format!("<{}>", file.inode)) == Some((file.inode, file.length));
    let whole: Vec<&&File> = wanted.iter().filter(is_whole).collect();
    let dump = |file: &&&File| format!("dump <{0}> {1}/{0}\n", file.inode, out.display());
    script(tools, image, &whole.iter().map(dump).collect::<String>());
    let read = |file: &&File| (file.inode, digest(&out.join(file.inode.to_string())));
    let place = |file: &&File| Some((file.path.clone(), of(&file.path)?.0));
    There {
        by_inode: whole.into_iter().map(read).collect(),
        by_path: wanted.iter().filter_map(place).collect(),
    }
}

fn script(tools: &TreeTools, image: &Path, words: &str) -> String {
    let path = image.with_extension("script");
    fs::write(&path, words).unwrap();
    ask(tools, "debugfs", &["-f", path.to_str().unwrap()], image)
}
