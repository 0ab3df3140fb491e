//! Power cuts while the updater writes what it keeps on the state volume: floor, attempts, what the
//! slots hold, history.
//!
//! Each is written by the updater once; from what that changed, every folder is made that a cut may
//! have left. Files are replaced by renaming, which the test demands: so each is the old one or the
//! new one, and what was being written beside it is there as far as it came. The history grows: its
//! new line is there as far as it came.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use vigie_disk::crash;
use vigie_update::fate::{self, SlotFacts};
use vigie_update::history::{self, Outcome, Record};
use vigie_update::policy::Reached;
use vigie_update::reached::Floor;
use vigie_update::{Slot, Version, attempts};

/// What lies in a folder.
type Files = BTreeMap<String, Vec<u8>>;

/// One of the things that are kept.
struct Kept {
    name: &'static str,
    /// Whether it grows where it lies.
    grows: bool,
    /// Writes the number.
    write: fn(&Path, u32),
    /// What is read of it.
    read: fn(&Path) -> String,
}

const KEPT: [Kept; 4] = [
    Kept {
        name: "the floor",
        grows: false,
        write: |folder, number| {
            let reached = Reached {
                version: Version([number, 0, 0, 0]),
                security_epoch: number,
            };
            let revoked = Default::default();
            Floor::raise(folder, &Floor { reached, revoked }).unwrap();
        },
        read: |folder| format!("{:?}", Floor::load(folder)),
    },
    Kept {
        name: "attempts",
        grows: false,
        write: |folder, number| attempts::add(folder, &number.to_string()).unwrap(),
        read: |folder| format!("{:?}", attempts::load(folder).unwrap()),
    },
    Kept {
        name: "what the slots hold",
        grows: false,
        write: |folder, number| {
            let held = SlotFacts {
                version: Version([number, 0, 0, 0]),
                security_epoch: 0,
            };
            fate::remember(folder, Slot::B, held).unwrap();
        },
        read: |folder| format!("{:?}", fate::facts(folder)),
    },
    Kept {
        name: "the history",
        grows: true,
        write: |folder, number| {
            let record = Record {
                to: Some(Version([number, 0, 0, 0])),
                ..Record::now(Outcome::Installed, Version([1, 0, 0, 0]))
            };
            history::append(folder, &record).unwrap();
        },
        read: |folder| {
            let records = history::load(folder);
            let told = records.iter().map(|record| (record.outcome, record.to));
            format!("{:?}", told.collect::<Vec<_>>())
        },
    },
];

fn files(folder: &Path) -> Files {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

/// A folder with these files.
fn folder_of(files: &Files) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Every folder that a cut may leave where files are replaced.
fn of_renames(old: &Files, new: &Files) -> Vec<Files> {
    let changed = new
        .iter()
        .filter(|(name, content)| old.get(*name) != Some(*content));
    let changed: Vec<_> = changed.collect();
    let mut states = Vec::new();
    for arrived in 0..1_u32 << changed.len() {
        let there = changed
            .iter()
            .enumerate()
            .filter(|(bit, _)| arrived >> bit & 1 == 1);
        let there = there.map(|(_, (name, content))| ((*name).clone(), (*content).clone()));
        let state: Files = old.clone().into_iter().chain(there).collect();
        for (_, content) in &changed {
            for length in [0, 1, content.len() / 2, content.len() - 1, content.len()] {
                let beside = (".tmpQx7kT2".to_owned(), content[..length].to_vec());
                states.push(state.clone().into_iter().chain([beside]).collect());
            }
        }
        states.push(state);
    }
    states
}

/// Every folder that a cut may leave where a file grows.
fn of_growth(old: &Files, new: &Files) -> Vec<Files> {
    let [(name, content)] = new.iter().collect::<Vec<_>>()[..] else {
        panic!("one file");
    };
    let before = old.get(name).map_or(&[][..], Vec::as_slice);
    assert!(content.starts_with(before));
    let torn = (before.len()..=content.len())
        .map(|length| Files::from([(name.clone(), content[..length].to_vec())]));
    [old.clone()].into_iter().chain(torn).collect()
}

fn inodes(folder: &Path, files: &Files) -> BTreeMap<String, u64> {
    let inode = |name: &String| std::fs::metadata(folder.join(name)).unwrap().ino();
    files
        .keys()
        .map(|name| (name.clone(), inode(name)))
        .collect()
}

/// Nothing is kept where no appliance runs, and an empty answer would be a wrong one.
#[test]
fn outside_an_appliance_nothing_is_told_of_what_is_kept() {
    for (language, reason) in [
        ("en", "this must run on an appliance"),
        ("fr", "ceci doit tourner sur un appareil"),
    ] {
        for command in ["history", "floor"] {
            let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_vigie-update"));
            let output = program.args([command, "--language", language]).output();
            let output = output.unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{command}: {said}");
            assert!(said.contains(reason), "{command}: {said}");
            assert!(output.stdout.is_empty(), "{command}");
        }
    }
}

#[test]
fn c65_c66_no_cut_of_writing_what_is_kept_loses_what_was_there() {
    for Kept {
        name,
        grows,
        write,
        read,
    } in KEPT
    {
        let mut count = 0;
        for before in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            (1..=before).for_each(|number| write(folder.path(), number));
            let (old, old_read) = (files(folder.path()), read(folder.path()));
            let places = inodes(folder.path(), &old);
            write(folder.path(), before + 1);
            let (new, new_read) = (files(folder.path()), read(folder.path()));
            assert_ne!(old_read, new_read, "{name}");
            for (file, place) in inodes(folder.path(), &new) {
                let changed = old.get(&file).is_some_and(|content| *content != new[&file]);
                let stays = places.get(&file) == Some(&place);
                assert!(
                    !changed || stays == grows,
                    "{name}: {file} is not replaced by renaming"
                );
            }
            write(folder.path(), before + 1);
            let twice_read = read(folder.path());
            let states = if grows {
                of_growth(&old, &new)
            } else {
                of_renames(&old, &new)
            };
            count += states.len();
            for state in states {
                let folder = folder_of(&state);
                let found = read(folder.path());
                assert!(
                    found == old_read || found == new_read,
                    "{name}: {found} of {state:?}"
                );
                // What it was at is done once more, whatever the cut left.
                write(folder.path(), before + 1);
                let found = read(folder.path());
                assert!(found == new_read || found == twice_read, "{name}: {found}");
            }
        }
        crash::tell(count, &format!("of writing {name}"));
    }
}
