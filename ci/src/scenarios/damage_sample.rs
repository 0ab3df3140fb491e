//! A sample of damage to volumes of recordings, through the medium: many volumes on one disk, each spoilt
//! in another way by a seed, repaired at once. Afterwards e2fsck of this host finds nothing, and every file
//! that the damage did not touch is there byte for byte. `recovery/tests/repair` tries hundreds of each kind.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::bad_disks::{events, result, shell_of};
use super::recovery::{QUESTION, medium};
use super::{disk_scenario, table};
use crate::context::Context;
use crate::process;
use crate::step::Step;
use crate::vm::command::{Bus, Disk};
use crate::vm::{images, sparse};

const MIB: u64 = 1 << 20;
/// Each volume: two groups of blocks, so that there are copies of what leads to all.
const VOLUME: u64 = 256 * MIB;
/// Block of the volumes, in bytes.
const BLOCK: u64 = 4096;
/// Inode, in bytes.
const INODE: u64 = 256;
/// Cameras, and recordings of each.
const CAMERAS: u64 = 4;
const FILES: u64 = 8;
/// Each kind of damage is done by each of these.
const SEEDS: [u64; 2] = [1, 2];
/// The one volume that stays as it is.
const SOUND: &str = "data-1";

/// What is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Superblock,
    Groups,
    Inodes,
    Folders,
    Journal,
    Anything,
}

const KINDS: [Kind; 6] = [
    Kind::Superblock,
    Kind::Groups,
    Kind::Inodes,
    Kind::Folders,
    Kind::Journal,
    Kind::Anything,
];

pub(super) fn step() -> Step {
    disk_scenario(
        "damage-sample",
        "volumes that were damaged in six ways are repaired at once, and what was not hit is there",
        run,
    )
}

/// A volume, and where it was hit, in bytes of it.
struct Damaged {
    name: String,
    kind: Kind,
    hits: Vec<Range<u64>>,
}

fn run(ctx: &Context) -> Result<()> {
    let path = ctx.folder().join("disk.raw");
    let names = partition(ctx, &path)?;
    let sound = Layout::make(ctx, &path)?;
    let mut damaged = Vec::new();
    let kinds = SEEDS
        .iter()
        .flat_map(|seed| KINDS.map(|kind| (kind, *seed)));
    for (name, (kind, seed)) in names.iter().skip(1).zip(kinds) {
        let hits = damage(&path, name, kind, seed, &sound)?;
        let name = name.clone();
        damaged.push(Damaged { name, kind, hits });
    }
    repair(ctx, &path, &damaged)?;
    let mut there = 0;
    for one in &damaged {
        there += check(ctx, &path, one, &sound)
            .with_context(|| format!("{} ({:?})", one.name, one.kind))?;
    }
    ctx.note(format!("{there} files were not hit, and are there"));
    Ok(())
}

/// A disk with a partition for each volume.
fn partition(ctx: &Context, path: &Path) -> Result<Vec<String>> {
    let count = 1 + KINDS.len() * SEEDS.len();
    images::empty(path, VOLUME * count as u64 + 2 * MIB)?;
    let names: Vec<String> = (1..=count).map(|number| format!("data-{number}")).collect();
    let line = |name: &String| format!("size={}, name=\"{name}\"\n", VOLUME / 512);
    let script = format!("label: gpt\n{}", names.iter().map(line).collect::<String>());
    let mut sfdisk = ctx.programs()?.command("sfdisk");
    let mut child = sfdisk
        .arg("--quiet")
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .context("starting sfdisk")?;
    let mut input = child.stdin.take().context("sfdisk has no input")?;
    input
        .write_all(script.as_bytes())
        .context("telling sfdisk")?;
    drop(input);
    ensure!(child.wait()?.success(), "sfdisk made no table");
    Ok(names)
}

/// Where what is on the sound volume lies, in bytes of it.
struct Layout {
    files: Vec<Recording>,
    inodes: Vec<Range<u64>>,
    folders: Vec<Range<u64>>,
    journal: Vec<Range<u64>>,
}

/// A file.
struct Recording {
    /// Its path from the volume's root.
    path: String,
    /// Its inode's number.
    number: u64,
    length: u64,
    digest: [u8; 32],
    /// Its inode and blocks.
    own: Vec<Range<u64>>,
    /// Those of the folders that lead to it.
    way: Vec<Range<u64>>,
}

impl Layout {
    /// Fills the sound volume.
    fn make(ctx: &Context, disk: &Path) -> Result<Layout> {
        let source = ctx.folder().join("recordings");
        let digests = record(&source)?;
        let at = images::partition_named(disk, 512, SOUND)?.offset;
        let mut mke2fs = ctx.programs()?.command("mke2fs");
        mke2fs.args(["-q", "-F", "-t", "ext4", "-b", &BLOCK.to_string()]);
        mke2fs.args(["-I", &INODE.to_string()]);
        // A wrong number in the resize inode, which has no checksum, has e2fsck clear numbers in files.
        mke2fs.args(["-O", "^resize_inode", "-E", &format!("offset={at}"), "-d"]);
        mke2fs
            .arg(&source)
            .arg(disk)
            .arg(format!("{}k", VOLUME / 1024));
        process::output("making a volume", &mut mke2fs)?;
        Layout::read(ctx, disk, digests)
    }

    fn read(
        ctx: &Context,
        disk: &Path,
        digests: BTreeMap<String, (u64, [u8; 32])>,
    ) -> Result<Layout> {
        let folders = (0..CAMERAS).map(|camera| format!("/cam-{camera}"));
        let folders: Vec<String> = ["/".to_owned()].into_iter().chain(folders).collect();
        let journal = "<8>".to_owned();
        let asked = folders.iter().chain(digests.keys()).chain([&journal]);
        let places = places(ctx, disk, asked)?;
        let place = |path: &str| {
            places
                .get(path)
                .with_context(|| format!("no place of {path}"))
        };
        let mut layout = Layout {
            files: Vec::new(),
            inodes: places.values().map(|place| place.inode.clone()).collect(),
            folders: Vec::new(),
            journal: place(&journal)?.blocks.clone(),
        };
        for folder in &folders {
            layout.folders.extend(place(folder)?.blocks.clone());
        }
        for (path, (length, digest)) in digests {
            let above = path.rsplit_once('/').map_or("/", |(above, _)| above);
            let way = [place("/")?.all(), place(above)?.all()].concat();
            let this = place(&path)?;
            layout.files.push(Recording {
                number: this.number,
                own: this.all(),
                path,
                length,
                digest,
                way,
            });
        }
        Ok(layout)
    }

    /// What a kind of damage may hit.
    fn parts(&self, kind: Kind) -> Vec<Range<u64>> {
        let files = self.files.iter().flat_map(|file| &file.own);
        let end = files.map(|range| range.end).max().unwrap_or(VOLUME);
        let one = |range: Range<u64>| std::iter::once(range).collect();
        match kind {
            Kind::Superblock => one(1024..2048),
            // Two descriptors, of 64 bytes at most.
            Kind::Groups => one(BLOCK..BLOCK + 128),
            Kind::Inodes => self.inodes.clone(),
            Kind::Folders => self.folders.clone(),
            // What is in use of it lies at its beginning.
            Kind::Journal => self.journal.iter().take(8).cloned().collect(),
            Kind::Anything => one(0..end),
        }
    }
}

/// Files as recorders write them; their digests by path.
fn record(source: &Path) -> Result<BTreeMap<String, (u64, [u8; 32])>> {
    let mut digests = BTreeMap::new();
    for camera in 0..CAMERAS {
        let folder = source.join(format!("cam-{camera}"));
        fs::create_dir_all(&folder).context("making a folder of recordings")?;
        for number in 0..FILES {
            let seed = camera * FILES + number;
            let words = 500 + 4000 * usize::try_from(number)?;
            let numbers = sparse::numbers(seed).take(words);
            let bytes: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
            let name = format!("{number}.rec");
            fs::write(folder.join(&name), &bytes).context("writing a recording")?;
            let digest = Sha256::digest(&bytes).into();
            let length = bytes.len() as u64;
            digests.insert(format!("/cam-{camera}/{name}"), (length, digest));
        }
    }
    Ok(digests)
}

/// Where something lies.
struct Place {
    number: u64,
    inode: Range<u64>,
    blocks: Vec<Range<u64>>,
}

impl Place {
    fn all(&self) -> Vec<Range<u64>> {
        let inode = std::iter::once(self.inode.clone());
        inode.chain(self.blocks.iter().cloned()).collect()
    }
}

/// Asks debugfs for inodes and blocks.
fn places<'a>(
    ctx: &Context,
    disk: &Path,
    paths: impl Iterator<Item = &'a String> + Clone,
) -> Result<BTreeMap<String, Place>> {
    let lines = paths
        .clone()
        .map(|path| format!("imap {path}\nblocks {path}\n"));
    let volume = table::volume(disk, 512, SOUND)?;
    let said = ask(ctx, &volume, &lines.collect::<String>())?;
    let one = |path: &String| {
        let place = place(&said, path).with_context(|| format!("{path} in: {said}"))?;
        Ok((path.clone(), place))
    };
    paths.map(one).collect()
}

/// From "located at block 46, offset 0x0b00" below the one command, and the numbers below the other.
fn place(said: &str, path: &str) -> Option<Place> {
    let (_, imap) = said.split_once(&format!("debugfs: imap {path}\n"))?;
    let number = imap
        .strip_prefix("Inode ")?
        .split(' ')
        .next()?
        .parse()
        .ok()?;
    let (_, at) = imap.split_once("located at block ")?;
    let (block, rest) = at.split_once(", offset 0x")?;
    let offset = u64::from_str_radix(rest.lines().next()?.trim(), 16).ok()?;
    let inode = block.parse::<u64>().ok()? * BLOCK + offset;
    let (_, blocks) = said.split_once(&format!("debugfs: blocks {path}\n"))?;
    let numbers = blocks.lines().next()?.split_whitespace();
    let range = |number: &str| {
        let number: u64 = number.parse().ok()?;
        Some(number * BLOCK..(number + 1) * BLOCK)
    };
    Some(Place {
        number,
        inode: inode..inode + INODE,
        blocks: numbers.map(range).collect::<Option<_>>()?,
    })
}

/// Copies the sound volume and spoils the copy; gives where it was hit.
fn damage(
    disk: &Path,
    name: &str,
    kind: Kind,
    seed: u64,
    sound: &Layout,
) -> Result<Vec<Range<u64>>> {
    let from = images::partition_named(disk, 512, SOUND)?;
    let to = images::partition_named(disk, 512, name)?;
    sparse::copy_within(disk, &from, &to)?;
    // Seeds that are alike begin alike.
    let mut random = sparse::numbers((seed << 8) | kind as u64).skip(16);
    let mut below = |end: u64| random.next().map_or(0, |number| number % end);
    let parts = sound.parts(kind);
    let most = if kind == Kind::Anything { 40 } else { 8 };
    let mut hits = Vec::new();
    for _ in 0..=below(most) {
        let part = &parts[usize::try_from(below(parts.len() as u64))?];
        let begin = part.start + below(part.end - part.start);
        let longest = [1, 4, 64, 512][usize::try_from(below(4))?];
        let end = part.end.min(begin + longest);
        let length = usize::try_from(end - begin)?;
        let mut bytes = images::read_at(disk, to.offset + begin, length)?;
        match below(4) {
            0 => bytes[0] ^= 1 << below(8),
            1 => bytes.fill(0),
            2 => bytes.fill(0xFF),
            _ => bytes.fill_with(|| below(256).to_le_bytes()[0]),
        }
        images::write_at(disk, to.offset + begin, &bytes)?;
        hits.push(begin..end);
    }
    Ok(hits)
}

/// The medium repairs everything at once.
fn repair(ctx: &Context, path: &Path, damaged: &[Damaged]) -> Result<()> {
    let vm = medium(ctx, "vm", &[Disk::new(path, Bus::Virtio)])?;
    let done = || -> Result<()> {
        let mut person = shell_of(&vm)?;
        let command = "vigie-recovery check --all --repair --json";
        let (ended, results) = events(&mut person, command, "result")?;
        ensure!(ended == "ended-1", "{ended}: {results:?}");
        let verdict = &result(&results, SOUND)?["verdict"];
        ensure!(verdict == "clean", "the sound volume is {verdict}");
        for one in damaged {
            let result = result(&results, &one.name)?;
            let verdict = result["verdict"].as_str().unwrap_or_default();
            ensure!(
                ["clean", "repaired"].contains(&verdict),
                "{:?}: {result}",
                one.kind
            );
            ctx.note(format!("{:?} {verdict}", one.kind));
        }
        Ok(())
    };
    done().map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.press_power()?;
    vm.wait_poweroff(QUESTION)
}

/// e2fsck finds nothing, and what was not hit is there; how many files that are.
fn check(ctx: &Context, disk: &Path, one: &Damaged, sound: &Layout) -> Result<usize> {
    let volume = table::volume(disk, 512, &one.name)?;
    let mut e2fsck = ctx.programs()?.command("e2fsck");
    process::output("judging the repair", e2fsck.args(["-f", "-n", &volume]))?;
    let untouched = sound.files.iter();
    let untouched: Vec<&Recording> = untouched
        .filter(|file| !meets(&one.hits, &file.own))
        .collect();
    let asked = untouched
        .iter()
        .map(|file| format!("stat <{}>\nstat {}\n", file.number, file.path));
    let said = ask(ctx, &volume, &asked.collect::<String>())?;
    let copy = ctx.folder().join("copy");
    for file in &untouched {
        let (path, number) = (&file.path, file.number);
        // An inode that was hit may say that it has terabytes: only what has the right length is read.
        let there = found(&said, &format!("<{number}>"));
        ensure!(
            there == Some((number, file.length)),
            "{path} is gone: {there:?}"
        );
        ask(
            ctx,
            &volume,
            &format!("dump <{number}> {}\n", copy.display()),
        )?;
        let bytes = fs::read(&copy).with_context(|| format!("reading {path}"))?;
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        ensure!(digest == file.digest, "{path} is another");
        // Below a folder that was hit it may be in lost+found: e2fsck was content, so it is somewhere.
        let place = found(&said, path).map(|(number, _)| number);
        ensure!(
            place == Some(number) || meets(&one.hits, &file.way),
            "{path} is not at its place"
        );
    }
    Ok(untouched.len())
}

/// Has debugfs do something on a volume.
fn ask(ctx: &Context, volume: &str, words: &str) -> Result<String> {
    let script = ctx.folder().join("debugfs.txt");
    fs::write(&script, words).context("writing a script")?;
    let mut debugfs = ctx.programs()?.command("debugfs");
    debugfs.arg("-f").arg(&script).arg(volume);
    process::output("looking into the volume", &mut debugfs)
}

/// Number and length of an inode in use, from what `stat` says of it.
fn found(said: &str, asked: &str) -> Option<(u64, u64)> {
    let (_, text) = said.split_once(&format!("debugfs: stat {asked}\n"))?;
    let text = text.split("debugfs: ").next()?;
    let after = |words: &str| -> Option<u64> {
        let (_, rest) = text.split_once(words)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    (after("Links: ")? > 0).then_some(())?;
    Some((after("Inode: ")?, after("Size: ")?))
}

fn meets(hits: &[Range<u64>], ranges: &[Range<u64>]) -> bool {
    let hit = |range: &Range<u64>| {
        hits.iter()
            .any(|hit| hit.start < range.end && range.start < hit.end)
    };
    ranges.iter().any(hit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let said = "debugfs: imap /a\nInode 12 is part of block group 0\n\
                    \tlocated at block 46, offset 0x0b00\ndebugfs: blocks /a\n100 101 \n\
                    debugfs: imap /a/b\nInode 13 is part of block group 0\n\
                    \tlocated at block 46, offset 0x0c00\ndebugfs: blocks /a/b\n\n";
        let folder = place(said, "/a").unwrap();
        assert_eq!(folder.number, 12);
        assert_eq!(folder.inode, 46 * 4096 + 0xB00..46 * 4096 + 0xC00);
        assert_eq!(
            folder.blocks,
            [100 * 4096..101 * 4096, 101 * 4096..102 * 4096]
        );
        assert_eq!(place(said, "/a/b").unwrap().all().len(), 1);
        assert!(place(said, "/b").is_none());
    }

    #[test]
    fn what_is_in_use_is_found() {
        let stat = |number: u64, links: u64| {
            format!(
                "Inode: {number}   Type: regular    Mode:  0644   Flags: 0x80000\n\
                 User:     0   Group:     0   Project:     0   Size: 4000\n\
                 Links: {links}   Blockcount: 8\n"
            )
        };
        let said = format!(
            "debugfs: stat <12>\n{}debugfs: stat <13>\n{}debugfs: stat /gone\n\
             /gone: File not found by ext2_lookup\n",
            stat(12, 1),
            stat(13, 0)
        );
        assert_eq!(found(&said, "<12>"), Some((12, 4000)));
        assert_eq!(found(&said, "<13>"), None, "it is free");
        assert_eq!(found(&said, "/gone"), None);
        assert_eq!(found(&said, "/a"), None, "nobody has asked");
    }

    #[test]
    fn a_hit_meets_what_it_overlaps() {
        let hits = [10..20, 30..31];
        for (range, expected) in [
            (0..10, false),
            (19..25, true),
            (20..30, false),
            (0..99, true),
        ] {
            assert_eq!(
                meets(&hits, std::slice::from_ref(&range)),
                expected,
                "{range:?}"
            );
        }
    }
}
