//! How often a package was tried without being asked for, on the state volume.
//!
//! It is written down before each attempt, and read before the next: where that cannot be done
//! nothing is tried, for else a package that fails would be tried, and restarted into, without end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::reached;

const FILE: &str = "attempts.json";
/// The oldest are forgotten beyond so many.
const KEPT: usize = 64;
/// Longest file that is read, in bytes: several times what is kept.
const LONGEST: u64 = 64 << 10;

/// The packages that were tried, once for each time, by the SHA-256 of their signed header.
///
/// # Errors
/// The state volume cannot be read. A file that is damaged counts as empty: it is written anew.
pub fn load(folder: &Path) -> io::Result<Vec<String>> {
    let mut text = Vec::new();
    match File::open(folder.join(FILE)) {
        Ok(file) => file.take(LONGEST).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(serde_json::from_slice(&text).unwrap_or_default())
}

/// Writes down that a package is about to be tried.
///
/// # Errors
/// The state volume refuses: then it must not be tried.
pub fn add(folder: &Path, package: &str) -> io::Result<()> {
    let mut all = load(folder)?;
    all.push(package.to_owned());
    let kept = &all[all.len().saturating_sub(KEPT)..];
    reached::write(folder, FILE, &(serde_json::to_string(kept)? + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_counts_and_the_oldest_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).unwrap().is_empty());
        for package in ["a", "b", "a"] {
            add(dir.path(), package).unwrap();
        }
        assert_eq!(load(dir.path()).unwrap(), ["a", "b", "a"]);
        std::fs::write(dir.path().join(FILE), "[\"a\"").unwrap();
        add(dir.path(), "c").unwrap();
        assert_eq!(load(dir.path()).unwrap(), ["c"]);
        for number in 0..KEPT {
            add(dir.path(), &number.to_string()).unwrap();
        }
        let all = load(dir.path()).unwrap();
        assert_eq!((all.len(), &*all[0]), (KEPT, "0"));
    }

    #[test]
    fn c90_what_cannot_be_written_down_or_read_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(add(&file.path().join("update"), "a").is_err());
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(FILE)).unwrap();
        assert!(load(dir.path()).is_err());
        assert!(add(dir.path(), "a").is_err());
    }
}
