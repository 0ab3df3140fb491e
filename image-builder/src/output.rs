//! Files that appear whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::interrupt::HalfMade;

/// Replaces a file in one step: the old content stays until the new one is on the disk.
///
/// # Errors
/// The folder cannot be written, or the disk is full; the old file is then untouched.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(|| format!("making a file in {}", folder.display()))?;
    let _half = HalfMade::at(temporary.path());
    temporary
        .write_all(content)
        .with_context(|| format!("writing {}", path.display()))?;
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
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    let temporary = tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(|| format!("making a file in {}", folder.display()))?;
    let _half = HalfMade::at(temporary.path());
    let mut source = File::open(from).with_context(|| format!("opening {}", from.display()))?;
    std::io::copy(&mut source, &mut temporary.as_file())
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    temporary
        .persist(to)
        .with_context(|| format!("putting {} in its place", to.display()))?;
    Ok(())
}
