//! The folder of the generations: what the store does to it, one operation at a time, so that a
//! power cut can be tried between any two.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

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
    bounded(File::open(file)?)
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a folder and those above it, where they are missing, for all to look into whatever the umask
/// says.
pub(crate) fn make_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folders(parent)?;
    }
    match fs::create_dir(path) {
        // Another one was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o755)),
    }
}

/// Opens a generation: a plain file that nobody but root, or who runs this, can have written. A
/// link, or a pipe that would never end, is none.
fn open_trusted(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let file = options.open(path)?;
    let found = file.metadata()?;
    let own = rustix::process::geteuid().as_raw();
    match distrust(found.is_file(), found.uid(), found.mode(), own) {
        Some(why) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
        None => Ok(file),
    }
}

/// Why a file is not taken for a generation.
fn distrust(is_file: bool, owner: u32, mode: u32, own: u32) -> Option<String> {
    if !is_file {
        return Some("is no plain file".to_owned());
    }
    if owner != 0 && owner != own {
        return Some(format!(
            "belongs to user {owner}, who may not write settings; look at it, then give it to root"
        ));
    }
    (mode & 0o022 != 0).then(|| {
        format!(
            "may be written by others (mode {:04o}); look at it, then give it mode 0600",
            mode & 0o7777
        )
    })
}

impl Files for Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match open_trusted(&self.path(name)).and_then(bounded) {
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
        make_folders(&self.0)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn whose_files_are_taken() {
        for (is_file, owner, mode, trusted) in [
            (true, 0, 0o100_600, true),
            (true, 7, 0o100_600, true),
            (true, 0, 0o100_644, true),
            (true, 8, 0o100_600, false),
            (true, 0, 0o100_602, false),
            (true, 7, 0o100_620, false),
            (false, 0, 0o010_600, false),
        ] {
            let why = distrust(is_file, owner, mode, 7);
            assert_eq!(why.is_none(), trusted, "{owner} {mode:o} {why:?}");
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let folder = Folder(dir.path().to_owned());
        folder.write("a", b"x").expect("written");
        assert_eq!(folder.read("a").expect("read"), Some(b"x".to_vec()));
        assert_eq!(folder.read("b").expect("nothing"), None);
        symlink("a", dir.path().join("link")).expect("a link");
        assert!(folder.read("link").is_err());
        assert!(folder.read(".").is_err());
        let open = fs::Permissions::from_mode(0o666);
        fs::set_permissions(dir.path().join("a"), open).expect("a mode");
        assert!(folder.read("a").is_err());
        folder.write("a", b"x").expect("written");
        // Only root can give a file away; the table above holds without it.
        if chown(dir.path().join("a"), Some(12_345), None).is_ok() {
            assert_eq!(
                folder.read("a").is_ok(),
                rustix::process::geteuid().as_raw() == 12_345
            );
        }
    }
}
