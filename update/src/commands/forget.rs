//! `vigie-update forget`: what somebody sent by scp or sftp is deleted, because somebody asks.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::Result;
use vigie_settings::Language;

use crate::doors::places::{self, SCP};
use crate::spoken::{Spoken, of_io};

/// Deletes a file of the folder of scp and sftp; gives the words for a person.
///
/// # Errors
/// There is no such file.
pub fn run(name: &OsStr, language: Language) -> Result<String> {
    let shown = name.display();
    places::delete(Path::new(SCP), name).map_err(|error| {
        let why = of_io(&error);
        Spoken::new(
            format!("deleting {shown} from {SCP}: {why}"),
            format!(
                "suppression de {shown} dans {SCP} : {}",
                why.to(Language::Fr)
            ),
        )
    })?;
    Ok(match language {
        Language::En => format!("{shown} is deleted"),
        Language::Fr => format!("{shown} est supprimé"),
    })
}
