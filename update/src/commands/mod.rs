//! What the command line does, a file each.

pub mod apply;
pub mod automatic;
pub mod check;
pub mod forget;
pub mod list;
pub mod password;
pub mod serve;
pub mod show;
pub mod slots;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};

/// A package to read: a file, or `-` for standard input.
///
/// # Errors
/// It cannot be opened, is a folder or a terminal.
pub fn open_package(path: &Path) -> Result<File> {
    if path == Path::new("-") {
        anyhow::ensure!(
            !io::stdin().is_terminal(),
            "standard input is a terminal; send a package to it, or name a file"
        );
        let input = io::stdin().as_fd().try_clone_to_owned();
        return Ok(input.context("taking standard input")?.into());
    }
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let about = file.metadata();
    let about = about.with_context(|| format!("looking at {}", path.display()))?;
    anyhow::ensure!(!about.is_dir(), "{} is a folder", path.display());
    Ok(file)
}
