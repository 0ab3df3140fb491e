//! The floor: the highest version and security epoch that were ever marked good here, and the
//! keys that were ever revoked, on the state volume.
//!
//! Two files hold the same, each complete with a generation and a CRC, and are written one after
//! the other: a cut leaves one whole, and a bad block in either lowers nothing. Where both are lost,
//! the running image is the floor.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::package::signature::KeyId;
use crate::policy::Reached;
use crate::version::Version;

/// Folder of what the updater keeps, on the state volume.
pub const FOLDER: &str = "/var/lib/vigie/update";
const FILES: [&str; 2] = ["floor.0", "floor.1"];
const MAGIC: &str = "vigie-floor 1";

/// The floor as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// Version and epoch.
    pub reached: Reached,
    /// Keys that an image revoked which was marked good.
    pub revoked: BTreeSet<KeyId>,
}

impl Floor {
    /// The newest intact copy in `folder`; the lowest floor where there is none.
    #[must_use]
    pub fn load(folder: &Path) -> Self {
        let copies = read(folder).into_iter().filter_map(Result::ok);
        newest(copies.flatten()).floor
    }

    /// Raises the floor; never lowers it. Returns what holds now.
    ///
    /// # Errors
    /// The state volume refuses. A copy that is there and cannot be read is such a refusal: it may
    /// be the higher one. The old floor is still there.
    pub fn raise(folder: &Path, by: &Self) -> io::Result<Self> {
        let mut copies = Vec::new();
        for copy in read(folder) {
            copies.push(copy?);
        }
        let old = newest(copies.iter().flatten().cloned());
        let floor = old.floor.raised(by);
        let rises = u64::from(floor != old.floor || old.generation == 0);
        let new = Kept {
            generation: old.generation + rises,
            floor,
        };
        // The older copy first, so that the newest is there until another is whole. What is already
        // so stays untouched; what was damaged is mended.
        let mut places: Vec<_> = FILES.iter().zip(&copies).collect();
        places.sort_by_key(|(_, copy)| copy.as_ref().map(|copy| copy.generation));
        for (name, copy) in places {
            if copy.as_ref() != Some(&new) {
                write(folder, name, &new.floor.encode(new.generation))?;
            }
        }
        Ok(new.floor)
    }

    fn raised(&self, by: &Self) -> Self {
        Self {
            reached: Reached {
                version: self.reached.version.max(by.reached.version),
                security_epoch: self.reached.security_epoch.max(by.reached.security_epoch),
            },
            revoked: self.revoked.union(&by.revoked).copied().collect(),
        }
    }

    fn encode(&self, generation: u64) -> String {
        let revoked: Vec<String> = self.revoked.iter().map(ToString::to_string).collect();
        let text = format!(
            "{MAGIC}\ngeneration {generation}\nversion {}\nsecurity-epoch {}\nrevoked {}\n",
            self.reached.version,
            self.reached.security_epoch,
            revoked.join(",")
        );
        format!("{text}crc32 {:08x}\n", crc32fast::hash(text.as_bytes()))
    }

    /// What an intact copy holds.
    fn decode(text: &str) -> Option<Kept> {
        let (body, crc) = text.strip_suffix('\n')?.rsplit_once("\ncrc32 ")?;
        let body = format!("{body}\n");
        if format!("{:08x}", crc32fast::hash(body.as_bytes())) != crc {
            return None;
        }
        let mut lines = body.strip_prefix(MAGIC)?.strip_prefix('\n')?.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let generation = field("generation")?.parse().ok()?;
        let version: Version = field("version")?.parse().ok()?;
        let security_epoch = field("security-epoch")?.parse().ok()?;
        let revoked = field("revoked")?.split(',').filter(|id| !id.is_empty());
        let revoked = revoked.map(|id| id.parse().ok()).collect::<Option<_>>()?;
        let reached = Reached {
            version,
            security_epoch,
        };
        let floor = Self { reached, revoked };
        Some(Kept { generation, floor })
    }
}

/// A floor and how often it rose until then; from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    generation: u64,
    floor: Floor,
}

/// Both copies: none where there is none, or a damaged one; an error where the disk does not tell.
fn read(folder: &Path) -> [io::Result<Option<Kept>>; 2] {
    FILES.map(|name| match std::fs::read(folder.join(name)) {
        Ok(bytes) => Ok(str::from_utf8(&bytes).ok().and_then(Floor::decode)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    })
}

fn newest(copies: impl Iterator<Item = Kept>) -> Kept {
    copies
        .max_by_key(|copy| copy.generation)
        .unwrap_or_default()
}

/// Puts a complete, synced file in its place by renaming it.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(name);
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    std::fs::File::open(folder)?.sync_all()
}

/// The folder below another root.
#[must_use]
pub fn folder(root: &Path) -> PathBuf {
    crate::machine::below(root, FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(version: &str, security_epoch: u32, revoked: &[u8]) -> Floor {
        Floor {
            reached: Reached {
                version: version.parse().unwrap(),
                security_epoch,
            },
            revoked: revoked.iter().map(|byte| KeyId([*byte; 8])).collect(),
        }
    }

    #[test]
    fn it_only_rises() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new");
        assert_eq!(Floor::load(&folder), Floor::default());
        for (by, expected) in [
            (floor("1.0.0.0", 0, &[]), floor("1.0.0.0", 0, &[])),
            (floor("1.2.0.0", 0, &[1]), floor("1.2.0.0", 0, &[1])),
            (floor("1.1.0.0", 3, &[]), floor("1.2.0.0", 3, &[1])),
            (floor("1.3.0.0", 2, &[2]), floor("1.3.0.0", 3, &[1, 2])),
        ] {
            assert_eq!(Floor::raise(&folder, &by).unwrap(), expected);
            assert_eq!(Floor::load(&folder), expected);
        }
    }

    #[test]
    fn c65_one_damaged_copy_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        Floor::raise(dir.path(), &floor("1.0.0.0", 0, &[])).unwrap();
        Floor::raise(dir.path(), &floor("1.1.0.0", 2, &[7])).unwrap();
        let newer = floor("1.1.0.0", 2, &[7]);
        let paths = FILES.map(|name| dir.path().join(name));
        let whole = paths.clone().map(|path| std::fs::read(path).unwrap());
        for damaged in [0, 1] {
            for at in 0..whole[damaged].len() {
                let mut bytes = whole[damaged].clone();
                bytes[at] ^= 1;
                for bytes in [&bytes[..], &whole[damaged][..at], &[0xFF; 40]] {
                    std::fs::write(&paths[damaged], bytes).unwrap();
                    assert_eq!(Floor::load(dir.path()), newer);
                }
            }
            // The next time it is mended, also where nothing rises.
            Floor::raise(dir.path(), &floor("1.0.0.0", 0, &[])).unwrap();
            assert_eq!(std::fs::read(&paths[damaged]).unwrap(), whole[damaged]);
        }
    }

    #[test]
    fn c65_copies_of_different_age_are_the_newer_one() {
        // As a cut between the two leaves them, and as they were when they took turns.
        for (first, second) in [(1, 2), (2, 1)] {
            let dir = tempfile::tempdir().unwrap();
            for (name, generation) in FILES.iter().zip([first, second]) {
                let version = format!("1.{generation}.0.0");
                let text = floor(&version, 0, &[]).encode(generation);
                write(dir.path(), name, &text).unwrap();
            }
            assert_eq!(Floor::load(dir.path()), floor("1.2.0.0", 0, &[]));
            let same = floor("1.0.0.0", 0, &[]);
            assert_eq!(
                Floor::raise(dir.path(), &same).unwrap(),
                floor("1.2.0.0", 0, &[])
            );
            let texts = FILES.map(|name| std::fs::read(dir.path().join(name)).unwrap());
            assert_eq!(texts[0], texts[1]);
        }
    }

    #[test]
    fn c70_a_copy_that_cannot_be_read_is_not_taken_for_none() {
        for unreadable in [0, 1] {
            let dir = tempfile::tempdir().unwrap();
            Floor::raise(dir.path(), &floor("1.1.0.0", 2, &[])).unwrap();
            let paths = FILES.map(|name| dir.path().join(name));
            // A folder in its place: what a read of it answers is an error other than "not there".
            std::fs::remove_file(&paths[unreadable]).unwrap();
            std::fs::create_dir(&paths[unreadable]).unwrap();
            let before = std::fs::read(&paths[1 - unreadable]).unwrap();
            assert_eq!(Floor::load(dir.path()), floor("1.1.0.0", 2, &[]));
            Floor::raise(dir.path(), &floor("1.2.0.0", 0, &[])).unwrap_err();
            assert_eq!(std::fs::read(&paths[1 - unreadable]).unwrap(), before);
        }
    }
}
