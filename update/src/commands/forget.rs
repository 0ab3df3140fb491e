//! `vigie-update forget`: what somebody sent by scp or sftp is deleted, because somebody asks.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result};
use vigie_settings::Language;

use crate::doors::places::{self, SCP};

/// Deletes a file of the folder of scp and sftp; gives the words for a person.
///
/// # Errors
/// There is no such file.
pub fn run(name: &OsStr, language: Language) -> Result<String> {
    let shown = name.display();
    let doing = match language {
        Language::En => format!("deleting {shown} from {SCP}"),
        Language::Fr => format!("suppression de {shown} dans {SCP}"),
    };
    places::delete(Path::new(SCP), name).context(doing)?;
    Ok(match language {
        Language::En => format!("{shown} is deleted"),
        Language::Fr => format!("{shown} est supprimé"),
    })
}
