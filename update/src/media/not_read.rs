//! Sticks and discs that are plugged in and were not mounted, and why: a file each in a folder in
//! memory, for whoever lists packages. It goes with the medium.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AT_ONCE, Facts, LeftAlone, is_name};
use crate::printable::printable;

/// The folder, root's alone; each file has the kernel's name of its medium.
pub const NOT_READ: &str = "/run/vigie/media-not-read";

/// Longest label or model in characters.
const LONGEST: usize = 64;
/// Longest file that is read, in bytes.
const MOST: u64 = 4096;

/// A medium that was not mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRead {
    /// The kernel's name of the partition or disk, with model and label as far as they are known.
    pub name: String,
    /// Why, in English.
    pub reason: String,
    /// The same in French.
    pub reason_fr: String,
}

impl NotRead {
    fn new(facts: &Facts, why: &LeftAlone) -> Self {
        let about: Vec<String> = [&facts.model, &facts.label]
            .into_iter()
            .flatten()
            .map(|word| printable(word.trim(), LONGEST))
            .filter(|word| !word.is_empty())
            .collect();
        let name = &facts.name;
        Self {
            name: match about.is_empty() {
                true => name.clone(),
                false => format!("{name} ({})", about.join(", ")),
            },
            reason: why.to_string(),
            reason_fr: why.french(),
        }
    }
}

/// Remembers that a medium was not mounted, or that it was, or is none of which anybody would expect
/// it.
///
/// # Errors
/// The folder in memory cannot be written.
pub fn settle(folder: &Path, facts: &Facts, why: Option<&LeftAlone>) -> io::Result<()> {
    let Some(why) = why.filter(|why| why.is_told(facts)) else {
        return forget(folder, &facts.name);
    };
    let text = serde_json::to_vec(&NotRead::new(facts, why))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, &text)?;
    file.persist(folder.join(&facts.name))?;
    Ok(())
}

/// Forgets a medium: it has gone.
///
/// # Errors
/// The folder in memory cannot be written.
pub fn forget(folder: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(folder.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// All that are plugged in, by name, no more than are mounted at once.
#[must_use]
pub fn all(folder: &Path) -> Vec<NotRead> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_name(name)).collect();
    names.sort();
    let found = names.into_iter().filter_map(|name| {
        let file = fs::File::open(folder.join(name)).ok()?;
        serde_json::from_reader(io::Read::take(file, MOST)).ok()
    });
    found.take(AT_ONCE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stick(name: &str) -> Facts {
        Facts {
            name: name.into(),
            disk: "sdb".into(),
            usb: true,
            model: Some(" USB DISK ".into()),
            label: Some("BACK\u{1b}[2JUP".into()),
            ..Facts::default()
        }
    }

    fn told(folder: &Path) -> Vec<String> {
        all(folder).into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn what_is_not_read_is_told_until_it_goes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("media-not-read");
        assert_eq!(all(&folder), []);
        let ntfs = LeftAlone::OtherFileSystem("ntfs".into());
        settle(&folder, &stick("sdb1"), Some(&ntfs)).unwrap();
        let found = all(&folder).remove(0);
        assert_eq!(found.name, "sdb1 (USB DISK, BACK[2JUP)");
        assert!(found.reason.contains("it holds ntfs"), "{found:?}");
        assert!(found.reason_fr.contains("contient ntfs"), "{found:?}");
        let bare = Facts {
            model: None,
            label: Some(" ".into()),
            ..stick("sda")
        };
        settle(&folder, &bare, Some(&LeftAlone::NoFileSystem)).unwrap();
        assert_eq!(told(&folder), ["sda", "sdb1 (USB DISK, BACK[2JUP)"]);
        // Put in anew, with a file system that is mounted.
        settle(&folder, &bare, None).unwrap();
        forget(&folder, "sdb1").unwrap();
        forget(&folder, "sdb1").unwrap();
        assert_eq!(all(&folder), []);
    }

    #[test]
    fn only_what_somebody_would_expect_is_told() {
        let stick = stick("sdb1");
        let of_several = Facts {
            partitions: vec!["".into(), "".into()],
            ..stick.clone()
        };
        let words = || "x".to_owned();
        for (facts, why, expected) in [
            (&stick, LeftAlone::NoFileSystem, true),
            (&of_several, LeftAlone::NoFileSystem, false),
            (&of_several, LeftAlone::OtherFileSystem(words()), true),
            (&stick, LeftAlone::TooMany, true),
            (&stick, LeftAlone::Live, false),
            (&stick, LeftAlone::Fixed, false),
            (&stick, LeftAlone::OfSystem(words()), false),
            (&stick, LeftAlone::Partitioned, false),
        ] {
            assert_eq!(why.is_told(facts), expected, "{why}");
            assert_ne!(why.to_string(), why.french());
        }
    }

    #[test]
    fn files_that_are_none_of_ours_tell_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("sdb1", "{"), (".tmpAbc", "x"), ("notes", "x")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        assert_eq!(all(dir.path()), []);
        for number in 0..40 {
            let facts = stick(&format!("sdb{number}"));
            settle(dir.path(), &facts, Some(&LeftAlone::TooMany)).unwrap();
        }
        assert_eq!(all(dir.path()).len(), AT_ONCE);
    }
}
