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

use anyhow::{Result, bail};

use crate::spoken::Spoken;

/// A package to read: a file, or `-` for standard input.
///
/// # Errors
/// It cannot be opened, is a folder or a terminal.
pub fn open_package(path: &Path) -> Result<File> {
    if path == Path::new("-") {
        return from_input();
    }
    let shown = path.display();
    let (file, is_folder) = opened(path).map_err(|error| {
        Spoken::new(
            format!("opening {shown}: {error}"),
            format!("ouverture de {shown} : {error}"),
        )
    })?;
    if is_folder {
        bail!(Spoken::new(
            format!("{shown} is a folder; name a package in it"),
            format!("{shown} est un dossier ; nommez un paquet qui s'y trouve"),
        ));
    }
    Ok(file)
}

fn opened(path: &Path) -> io::Result<(File, bool)> {
    let file = File::open(path)?;
    let is_folder = file.metadata()?.is_dir();
    Ok((file, is_folder))
}

fn from_input() -> Result<File> {
    if io::stdin().is_terminal() {
        bail!(Spoken::new(
            "standard input is a terminal; send a package to it, or name a file",
            "l'entrée standard est un terminal ; envoyez-lui un paquet, ou nommez un fichier",
        ));
    }
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(|error| {
        Spoken::new(
            format!("taking standard input: {error}"),
            format!("lecture de l'entrée standard : {error}"),
        )
    })?;
    Ok(input.into())
}
