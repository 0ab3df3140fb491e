//! What e2fsck found, counted by kind, from the English text that it prints (e2fsck/problem.c).
//!
//! The text names files of the volume, which are hostile: a line is judged by how it begins
//! before it is judged by what is in it, and a line that nothing is known of counts as
//! [`Kind::Other`] only where e2fsck asks something in it. The text itself is kept by the caller.

mod lines;

use std::collections::BTreeMap;

use serde::Serialize;

use super::ladder::Blame;
use lines::{answered_yes, kind};

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The disk could not be read or written in a place.
    Disk,
    /// The superblock: size, features, times.
    Superblock,
    /// Group descriptors: where bitmaps and inode tables lie, their checksums.
    Groups,
    /// The journal.
    Journal,
    /// Files that were deleted while they were open.
    Orphans,
    /// Inodes: what a file is, how long it is, which blocks it has.
    Inodes,
    /// Blocks that more than one file claims.
    Shared,
    /// Directories and their entries.
    Directories,
    /// Files and folders that no folder names: they go to lost+found.
    Unattached,
    /// Bitmaps of what is in use.
    Bitmaps,
    /// Counts of free space, folders and links.
    Counts,
    /// Anything else that e2fsck asks about.
    Other,
}

/// Lines of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How many.
    pub count: u64,
    /// The first of them, as e2fsck says them.
    pub examples: Vec<String>,
}

impl Finding {
    fn is_none(&self) -> bool {
        self.count == 0
    }

    fn note(&mut self, text: &str) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example(text));
        }
    }

    /// Adds that of another run.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        let examples = other.examples.iter().take(room).cloned();
        self.examples.extend(examples);
    }
}

/// What a run found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// By kind.
    pub kinds: BTreeMap<Kind, Finding>,
    /// How many changes e2fsck said that it made.
    pub changes: u64,
    /// What e2fsck found no room for, and so may have thrown away.
    #[serde(skip_serializing_if = "Finding::is_none")]
    pub no_room: Finding,
    /// The file that e2fsck speaks of, as it named it last.
    #[serde(skip)]
    file: String,
    /// The disk itself could not be read or written in a place. That e2fsck tries to read a block that
    /// there is not, which damaged numbers lead to, is no fault of the disk.
    #[serde(skip)]
    pub disk_failed: bool,
}

/// strerror(3) of EIO.
const EIO: &str = "Input/output error";
const EXAMPLES: usize = 3;
/// A list of blocks may be as long as the volume has blocks.
const EXAMPLE_CHARS: usize = 160;

/// How lines begin that say that there is no room (e2fsck 1.47.2). That there is none in lost+found is not
/// among them: it is made larger, and where that cannot be done it is said.
const NO_ROOM: [&str; 6] = [
    "Couldn't clone file",
    "Could not expand /lost+found",
    "Cannot allocate space for /lost+found",
    "Insufficient space to recover",
    "ext2fs_new_block: ",
    "ext2fs_new_inode: ",
];
/// How lines begin that name the file of which the next ones speak.
const FILE: [&str; 3] = ["File ", "Unattached inode", "Unconnected directory inode"];

impl Findings {
    /// Takes a line in. `name` is what e2fsck puts before each line of a preen: the volume's
    /// label, or its path where it has none.
    pub fn take(&mut self, line: &str, name: &str) {
        let line = line
            .strip_prefix(name)
            .map_or(line, |rest| rest.strip_prefix(": ").unwrap_or(line));
        let text = line.trim();
        if answered_yes(text) {
            self.changes += 1;
        }
        let Some(kind) = kind(line) else { return };
        self.disk_failed |= kind == Kind::Disk && line.contains(EIO);
        self.kinds.entry(kind).or_default().note(text);
        let begins = |words: &[&str]| words.iter().any(|one| line.starts_with(one));
        if begins(&FILE) {
            self.file = example(text);
        } else if begins(&NO_ROOM) {
            let of = match self.file.is_empty() {
                true => text.to_owned(),
                false => std::mem::take(&mut self.file),
            };
            self.no_room.note(&of);
        }
    }

    /// Whether what was found is mended with room that must be free: blocks that are copied, lost+found and
    /// folders that grow or are written anew.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        [Kind::Shared, Kind::Unattached, Kind::Directories]
            .iter()
            .any(|kind| self.kinds.contains_key(kind))
    }

    /// How many findings of all kinds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.kinds.values().map(|finding| finding.count).sum()
    }

    /// What of it weighs most.
    #[must_use]
    pub fn blame(&self) -> Blame {
        if self.disk_failed {
            Blame::Disk
        } else if self.kinds.is_empty() {
            Blame::Nothing
        } else {
            Blame::Volume
        }
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.changes += other.changes;
        self.disk_failed |= other.disk_failed;
        self.no_room.add(&other.no_room);
        for (kind, more) in &other.kinds {
            self.kinds.entry(*kind).or_default().add(more);
        }
    }
}

fn example(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(EXAMPLE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_counted_with_the_first_examples() {
        let mut findings = Findings::default();
        for number in 0..5 {
            let line = format!("state: Inode {number}, i_size is 1, should be 2.  FIXED.");
            findings.take(&line, "state");
        }
        findings.take(
            "Entry '\u{1b}[2Jx' in / (2) has a zero-length name.",
            "state",
        );
        findings.take(
            &format!("Block bitmap differences: {}", "-1 ".repeat(1000)),
            "state",
        );
        findings.take("Fix? yes", "state");
        let inodes = &findings.kinds[&Kind::Inodes];
        assert_eq!((inodes.count, inodes.examples.len()), (5, 3));
        assert_eq!(
            inodes.examples[0],
            "Inode 0, i_size is 1, should be 2.  FIXED."
        );
        let entry = &findings.kinds[&Kind::Directories].examples[0];
        assert_eq!(entry, "Entry '[2Jx' in / (2) has a zero-length name.");
        let bitmap = &findings.kinds[&Kind::Bitmaps].examples[0];
        assert_eq!(bitmap.chars().count(), EXAMPLE_CHARS);
        assert_eq!((findings.count(), findings.changes), (7, 6));
        let mut twice = findings.clone();
        twice.add(&findings);
        assert_eq!((twice.count(), twice.changes), (14, 12));
        assert_eq!(twice.kinds[&Kind::Inodes].examples, inodes.examples);
    }

    #[test]
    fn what_found_no_room_is_named_by_its_file() {
        let mut findings = Findings::default();
        for line in [
            "File /cam-1/a.rec (inode #12, mod time Sat Nov 22 10:00:00 2025) ",
            "  has 3 multiply-claimed block(s), shared with 1 file(s):",
            "\t/cam-1/b.rec (inode #13, mod time Sat Nov 22 10:00:00 2025)",
            "Clone multiply-claimed blocks? yes",
            "",
            "Couldn't clone file: Could not allocate block in ext2 filesystem",
            "Delete file? yes",
            // It grows, and nothing is lost.
            "No room in lost+found directory.  Expand? yes",
            "Insufficient space to recover lost files!",
            "Entry 'Insufficient space to recover' in / (2) has a zero-length name.",
        ] {
            findings.take(line, "data-1");
        }
        assert_eq!(findings.no_room.count, 2);
        let examples = &findings.no_room.examples;
        assert!(examples[0].starts_with("File /cam-1/a.rec (inode #12"));
        assert_eq!(examples[1], "Insufficient space to recover lost files!");
        assert!(findings.wants_room());
        let json = serde_json::to_value(&findings).unwrap();
        assert_eq!(json["no_room"]["count"], 2);
        let none = serde_json::to_value(Findings::default()).unwrap();
        assert_eq!(none.get("no_room"), None);
    }
}
