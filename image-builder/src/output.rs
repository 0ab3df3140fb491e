//! Files that appear whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use crate::cache::sha256_file;
use crate::interrupt::HalfMade;

/// Replaces a file in one step: the old content stays until the new one is on the disk.
///
/// # Errors
/// The folder cannot be written, or the disk is full; the old file is then untouched.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    write_file(path, 0o644, |file| Ok(file.write_all(content)?))
}

/// Replaces a file in one step by what `write` writes.
///
/// # Errors
/// What `write` fails with, or as [`replace_file`].
pub fn write_file(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let mut temporary = temporary(path, mode)?;
    let _half = HalfMade::at(temporary.path());
    write(temporary.as_file_mut()).with_context(|| format!("writing {}", path.display()))?;
    temporary.as_file().sync_all()?;
    temporary
        .persist(path)
        .with_context(|| format!("putting {} in its place", path.display()))?;
    Ok(())
}

/// Copies a file, by a shared extent or hard link where the file system can, and puts it in place whole.
///
/// # Errors
/// As [`replace_file`].
pub fn place_file(from: &Path, to: &Path) -> Result<()> {
    let temporary = temporary(to, 0o644)?;
    let _half = HalfMade::at(temporary.path());
    let mut source = File::open(from).with_context(|| format!("opening {}", from.display()))?;
    std::io::copy(&mut source, &mut temporary.as_file())
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    temporary
        .persist(to)
        .with_context(|| format!("putting {} in its place", to.display()))?;
    Ok(())
}

/// An empty file beside `path`, whose folder is made where it is missing.
///
/// # Errors
/// The folder cannot be written.
pub fn temporary(path: &Path, mode: u32) -> Result<NamedTempFile> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
        .tempfile_in(folder)
        .with_context(|| format!("making a file in {}", folder.display()))
}

/// A path with a suffix behind its name.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The list of checksums in an output folder.
pub const SUMS: &str = "SHA256SUMS";

/// Puts a new or changed file into the checksums of its folder, if the folder has them.
///
/// # Errors
/// A file that cannot be read or written.
pub fn note_sum(file: &Path) -> Result<()> {
    let sums = file.with_file_name(SUMS);
    if !sums.exists() {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let text =
        std::fs::read_to_string(&sums).with_context(|| format!("reading {}", sums.display()))?;
    let others = text
        .lines()
        .filter(|line| line.split_once("  ").is_none_or(|(_, of)| of != name));
    let mut lines: String = others.flat_map(|line| [line, "\n"]).collect();
    lines.push_str(&sum_line(file, &name)?);
    replace_file(&sums, lines.as_bytes())
}

/// A line of sha256sum(1).
///
/// # Errors
/// The file cannot be read.
pub fn sum_line(file: &Path, name: &str) -> Result<String> {
    Ok(format!("{}  {name}\n", hex::encode(sha256_file(file)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_keeps_one_line_in_the_checksums() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("b");
        std::fs::write(&file, "1").unwrap();
        note_sum(&file).unwrap();
        assert!(!folder.path().join(SUMS).exists());
        std::fs::write(folder.path().join(SUMS), "00  a\n11  b\n22  bb\n").unwrap();
        for text in ["1", "2"] {
            std::fs::write(&file, text).unwrap();
            note_sum(&file).unwrap();
        }
        let sums = std::fs::read_to_string(folder.path().join(SUMS)).unwrap();
        let of_2 = "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35";
        assert_eq!(sums, format!("00  a\n22  bb\n{of_2}  b\n"));
    }

    #[test]
    fn what_fails_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "old").unwrap();
        let failed = write_file(&file, 0o644, |out| {
            out.write_all(b"new")?;
            anyhow::bail!("no")
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
