//! The folder of the generations: what the store does to it, one operation at a time, so that a
//! power cut can be tried between any two.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A document is a few kilobytes; more is damage.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// What is done to the files of a folder.
pub trait Files {
    /// Where they are, for messages.
    fn path(&self, name: &str) -> PathBuf;
    /// Reads one, at most a byte more than a document may have; nothing where there is none.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// The names of all.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Makes the folder.
    fn make(&self) -> io::Result<()>;
    /// Writes a new file with mode 0600 in place of any of this name; its content is on the disk
    /// afterwards.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()>;
    /// Gives a file another name, in place of any that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file away; one that is not there is no error.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// All names are on the disk afterwards.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of the running system.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

/// Reads a file, at most a byte more than a document may have.
pub(crate) fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Files for Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match read_bounded(&self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&self.0)
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.remove(name)?;
        let path = self.path(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(content)?;
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}
