//! A small file that processes change one after the other: under a lock beside it, and by a new file in its
//! place, so that one that is killed in between loses nothing.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The lock on a file; it is let go when this is dropped.
#[derive(Debug)]
pub struct Kept<'a> {
    path: &'a Path,
    _lock: File,
}

impl<'a> Kept<'a> {
    /// Waits for all others who change the file.
    ///
    /// # Errors
    /// The lock cannot be made.
    pub fn lock(path: &'a Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(beside(path, ".changing"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Self { path, _lock: lock })
    }

    /// What is in it; nothing where there is none yet.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        match fs::read(self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }

    /// Puts another in its place; where that fails, the old one stays.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let new = beside(self.path, ".new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&new)?.write_all(bytes)?;
        fs::rename(new, self.path)
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_one_is_whole_until_the_new_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("file"), dir.path().join("old"));
        let kept = Kept::lock(&path).unwrap();
        assert_eq!(kept.read().unwrap(), b"");
        kept.write(b"one").unwrap();
        fs::hard_link(&path, &old).unwrap();
        kept.write(b"two").unwrap();
        assert_eq!(fs::read(&old).unwrap(), b"one", "it was never written to");
        // There is no room for the new one.
        fs::create_dir(beside(&path, ".new")).unwrap();
        assert!(kept.write(b"three").is_err());
        assert_eq!(kept.read().unwrap(), b"two");
    }
}
