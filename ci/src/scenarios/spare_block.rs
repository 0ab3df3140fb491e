//! A block of the system image that holds a file which no boot reads.
//!
//! squashfs does not tell where a file's blocks lie. So blocks of a copy are spoiled, one
//! after another, until unpacking the copy gives exactly one wrong file, of firmware for
//! hardware that the machine does not have.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::context::Context;
use crate::vm::images;

/// A place in the image.
pub(super) struct Spare {
    /// Offset in the image, in bytes.
    pub offset: u64,
    /// The file that it is a part of.
    pub file: String,
}

/// Files that are for network cards which QEMU does not emulate.
const UNUSED: &str = "usr/lib/firmware";
/// Places that are tried.
const TRIES: u64 = 48;

/// Finds such a block.
pub(super) fn find(ctx: &Context, image: &Path) -> Result<Spare> {
    let good = ctx.folder().join("spare-good");
    unpack(ctx, image, &good)?;
    let length = fs::metadata(image)
        .context("looking at the system image")?
        .len();
    let copy = ctx.folder().join("spare.img");
    for number in 1..TRIES {
        let offset = length / TRIES * number;
        images::copy_flipped(image, &copy, offset, 0x10)?;
        let bad = ctx.folder().join("spare-bad");
        // Unpacking fails where it meets the damage, after all other files.
        let _ = unpack(ctx, &copy, &bad);
        let wrong = differing(&good, &bad)?;
        fs::remove_dir_all(&bad).or_else(ignore_absence)?;
        if let [file] = &wrong[..] {
            fs::remove_dir_all(&good)?;
            fs::remove_file(&copy)?;
            return Ok(Spare {
                offset,
                file: file.display().to_string(),
            });
        }
    }
    bail!(
        "no block of {} belongs to one file of {UNUSED}",
        image.display()
    )
}

fn ignore_absence(error: std::io::Error) -> std::io::Result<()> {
    match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

fn unpack(ctx: &Context, image: &Path, to: &Path) -> Result<()> {
    let mut command = ctx.programs()?.command("unsquashfs");
    command.args([
        "-quiet",
        "-no-progress",
        "-no-xattrs",
        "-ignore-errors",
        "-d",
    ]);
    command.arg(to).arg(image).arg(UNUSED);
    crate::process::output("unpacking the system image", &mut command).map(drop)
}

/// Files of `good` that are otherwise or not at all in `bad`.
fn differing(good: &Path, bad: &Path) -> Result<Vec<PathBuf>> {
    let mut wrong = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(good.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if entry.file_type()?.is_file()
                && fs::read(entry.path())? != fs::read(bad.join(&path)).unwrap_or_default()
            {
                wrong.push(path);
            }
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_files_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
        for (root, words) in [(&good, ["1", "2", "3"]), (&bad, ["1", "x", "3"])] {
            fs::create_dir_all(root.join("a/b")).unwrap();
            for (name, word) in ["a/one", "a/b/two", "three"].iter().zip(words) {
                fs::write(root.join(name), word).unwrap();
            }
        }
        assert_eq!(differing(&good, &bad).unwrap(), [Path::new("a/b/two")]);
        fs::remove_file(bad.join("three")).unwrap();
        assert_eq!(differing(&good, &bad).unwrap().len(), 2);
    }
}
