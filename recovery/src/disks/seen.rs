//! The disks as they were when a person chose something on them. A check of all may take hours, and a
//! person who is asked may take as long: where one disk was pulled out and another plugged in meanwhile,
//! the kernel may give that the same name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vigie_disk::sysfs::{Sysfs, node};

use super::under;

/// The disks and arrays of a machine, each with the number that the kernel never gives twice ("diskseq", since 5.15;
/// none in an older one).
#[derive(Clone, Debug, Default)]
pub struct Seen(BTreeMap<String, Option<String>>);

/// The disk of this name is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced(pub PathBuf);

impl Seen {
    /// As they are now.
    #[must_use]
    pub fn now(sysfs: &Sysfs) -> Self {
        let disks = sysfs.disks().into_iter();
        Self(
            disks
                .map(|disk| (disk.clone(), number(sysfs, &disk)))
                .collect(),
        )
    }

    /// Whether a volume is still on the disk that was seen, or on an array that was started since. Members of
    /// arrays may come and go: the kernel sees to it that they are of that array. Who has a volume open
    /// keeps its name from being given to another.
    ///
    /// # Errors
    /// It is on another one.
    pub fn still(&self, sysfs: &Sysfs, volume: &Path) -> Result<(), Replaced> {
        let Some(disk) = under::disk_of(sysfs, volume) else {
            return Ok(());
        };
        let is_same = match self.0.get(&disk) {
            Some(seen) => *seen == number(sysfs, &disk),
            None => !under::all(sysfs).contains(&disk),
        };
        match is_same {
            true => Ok(()),
            false => Err(Replaced(node(&disk))),
        }
    }
}

fn number(sysfs: &Sysfs, disk: &str) -> Option<String> {
    sysfs.attribute(disk, "diskseq")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn another_disk_of_the_same_name_is_not_the_one_that_was_chosen() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join("block").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("vigiea/size", "1000");
        put("vigiea/vigiea7/partition", "7");
        put("vigieb/size", "1000");
        put("vigieb/diskseq", "12");
        put("vigieb/vigieb1/partition", "1");
        let sysfs = Sysfs::new(dir.path());
        let seen = Seen::now(&sysfs);
        // An array that is started afterwards, with a member that has come since.
        put("vigied/size", "1000");
        put("md99/size", "900");
        put("md99/slaves/vigiea/x", "");
        put("md99/slaves/vigied/x", "");
        let still = |path: &str| seen.still(&sysfs, Path::new(path));
        for path in ["/dev/vigiea7", "/dev/vigieb1", "/dev/md99", "/dev/nothing"] {
            assert_eq!(still(path), Ok(()), "{path}");
        }
        put("vigieb/diskseq", "13");
        let replaced = |disk: &str| Err(Replaced(disk.into()));
        assert_eq!(still("/dev/vigiea7"), Ok(()));
        assert_eq!(still("/dev/vigieb1"), replaced("/dev/vigieb"));
        // Such as a copy that a link leads to now.
        assert_eq!(still("/dev/vigied"), replaced("/dev/vigied"));
    }
}
