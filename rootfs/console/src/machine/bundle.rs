//! Where a support bundle is kept: one, for root alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// On the state volume: the root of the system is read-only, and `/run` is memory.
pub const FOLDER: &str = "/var/lib/vigie/support";

/// Keeps a file in place of those that were kept there before: the state volume is small.
///
/// # Errors
/// The name is none of a file, or there is no room.
pub fn keep(folder: &Path, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let is_name = !name.is_empty() && !name.starts_with('.') && name.bytes().all(good);
    ensure!(is_name, "\"{name}\" is no name of a file");
    let writing = || format!("keeping {name} in {}", folder.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)))
        .with_context(writing)?;
    for old in fs::read_dir(folder).with_context(writing)?.flatten() {
        // What stays takes room, and nothing else.
        let _ = fs::remove_file(old.path());
    }
    // Under its name it is whole, or not there: a line may break meanwhile.
    let (part, path) = (folder.join(format!(".{name}.part")), folder.join(name));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .with_context(writing)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&part, &path))
        .with_context(writing)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_for_root_alone() {
        let root = tempfile::tempdir().expect("folder");
        let folder = root.path().join("support");
        keep(&folder, "old.tar.gz", b"old").expect("kept");
        // What a cut left behind goes with the next one.
        fs::write(folder.join(".new.tar.gz.part"), "ne").expect("written");
        let path = keep(&folder, "new.tar.gz", b"new").expect("kept");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).expect("read").count(), 1);
        for name in ["", ".x", "../x", "a/b", "a\n"] {
            assert!(keep(&folder, name, b"x").is_err(), "{name:?}");
        }
        assert!(path.exists());
    }
}
