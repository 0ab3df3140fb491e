//! The floor: the highest version and security epoch that were ever marked good here, and the
//! keys that were ever revoked, on the state volume.
//!
//! Two files take turns, each complete with a generation and a CRC, so that a cut or a bad block
//! leaves the other. Where both are lost, the running image is the floor.

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
        newest(folder)
            .map(|(_, _, floor)| floor)
            .unwrap_or_default()
    }

    /// Raises the floor; never lowers it. Returns what holds now.
    ///
    /// # Errors
    /// The state volume refuses; the old floor is still there.
    pub fn raise(folder: &Path, by: &Self) -> io::Result<Self> {
        let newest = newest(folder);
        let old = newest
            .as_ref()
            .map(|(.., floor)| floor.clone())
            .unwrap_or_default();
        let raised = Self {
            reached: Reached {
                version: old.reached.version.max(by.reached.version),
                security_epoch: old.reached.security_epoch.max(by.reached.security_epoch),
            },
            revoked: old.revoked.union(&by.revoked).copied().collect(),
        };
        let (place, generation) =
            newest.map_or((0, 0), |(place, generation, _)| (1 - place, generation + 1));
        if generation == 0 || raised != old {
            write(folder, FILES[place], &raised.encode(generation))?;
        }
        Ok(raised)
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

    /// The generation and the floor of an intact copy.
    fn decode(text: &str) -> Option<(u64, Self)> {
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
        Some((generation, Self { reached, revoked }))
    }
}

/// Place, generation and contents of the newest intact copy.
fn newest(folder: &Path) -> Option<(usize, u64, Floor)> {
    let copies = FILES.iter().enumerate().filter_map(|(place, name)| {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        let (generation, floor) = Floor::decode(&text)?;
        Some((place, generation, floor))
    });
    copies.max_by_key(|(_, generation, _)| *generation)
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
        Floor::raise(dir.path(), &floor("1.1.0.0", 0, &[])).unwrap();
        let paths = FILES.map(|name| dir.path().join(name));
        let whole = paths.clone().map(|path| std::fs::read(path).unwrap());
        for (damaged, left) in [(0, "1.1.0.0"), (1, "1.0.0.0")] {
            for at in 0..whole[damaged].len() {
                let mut bytes = whole[damaged].clone();
                bytes[at] ^= 1;
                std::fs::write(&paths[damaged], &bytes).unwrap();
                assert_eq!(Floor::load(dir.path()).reached.version.to_string(), left);
                std::fs::write(&paths[damaged], &whole[damaged][..at]).unwrap();
                assert_eq!(Floor::load(dir.path()).reached.version.to_string(), left);
            }
            std::fs::write(&paths[damaged], &whole[damaged]).unwrap();
        }
        // What is written next replaces the older one.
        std::fs::write(&paths[1], "").unwrap();
        Floor::raise(dir.path(), &floor("1.2.0.0", 0, &[])).unwrap();
        assert_eq!(std::fs::read(&paths[0]).unwrap(), whole[0]);
        assert_eq!(
            Floor::load(dir.path()).reached.version.to_string(),
            "1.2.0.0"
        );
    }
}
