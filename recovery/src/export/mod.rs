//! Taking things out of an installation: a backup of its settings, its logs for whoever helps, and
//! recordings. The installation is mounted read-only, and nothing is written to it.

pub mod bundle;
pub mod command;
pub mod copy;
mod live;
pub mod recordings;
pub mod secrets;
pub mod sources;
pub mod take;
pub mod time;
pub mod unread;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use vigie_settings::{Loaded, Origin, Store};

use crate::refusal::Refusal;

/// Writes the settings that are in use on a state volume (its root is the folder `state`) into a new
/// file that only its owner may read: the hashes of passwords are in it.
///
/// # Errors
/// A [`Refusal`]: there are none, or the file is there already; it cannot be written.
pub fn settings(state: &Path, to: &Path) -> Result<Loaded> {
    let loaded = Store::on_state_volume(state).load();
    let found = !matches!(
        loaded.origin,
        Origin::Absent | Origin::Defaults { .. } | Origin::Unmigrated { .. }
    );
    if !found {
        return Err(Refusal::NothingFound.into());
    }
    let text = loaded.settings.to_text().context("writing the settings")?;
    let mut file = create(to)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.with_context(|| format!("writing {}", to.display()))?;
    Ok(loaded)
}

/// A new file that only its owner may read.
///
/// # Errors
/// [`Refusal::Exists`], or it cannot be made.
pub(crate) fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Refusal::Exists(path.to_owned()).into())
        }
        opened => opened.with_context(|| format!("making {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use vigie_settings::Settings;

    #[test]
    fn a_backup_is_the_settings_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("backup.toml");
        let refused = |error: anyhow::Error| error.downcast::<Refusal>().unwrap();
        assert_eq!(
            refused(settings(dir.path(), &to).unwrap_err()),
            Refusal::NothingFound
        );
        let mut saved = Settings::default();
        saved.system.hostname = "hall".parse().unwrap();
        Store::on_state_volume(dir.path()).save(&saved).unwrap();
        settings(dir.path(), &to).unwrap();
        assert_eq!(Settings::from_file(&to).unwrap(), saved);
        assert_eq!(
            fs::metadata(&to).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let again = refused(settings(dir.path(), &to).unwrap_err());
        assert_eq!(again, Refusal::Exists(to));
    }
}
