//! The running appliance, put together from what it says of itself.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use vigie_disk::sysfs::Sysfs;
use vigie_settings::Store;

use crate::apply::Context;
use crate::apply::target::{Appliance, Target};
use crate::boot_state::BootState;
use crate::fate;
use crate::machine::{self, Machine};
use crate::package::Keyring;
use crate::policy::Standing;
use crate::reached::{self, Floor};
use crate::running::{BOOT_JSON, Mode, Running};
use crate::slot::Slot;

/// Everything that a command needs.
pub struct This {
    /// Its disks.
    pub target: Appliance,
    /// The slot that runs.
    pub slot: Slot,
    /// What it is.
    pub machine: Machine,
    /// Whose packages it takes: the image's list, less whatever was ever revoked here.
    pub keys: Keyring,
    /// Where the updater keeps its files.
    pub folder: PathBuf,
    /// The highest major version that the licence allows.
    pub licensed_major: Option<u32>,
}

impl This {
    /// Reads it all.
    ///
    /// # Errors
    /// This is no installed appliance; its description or its keys cannot be read.
    pub fn load() -> Result<Self> {
        let root = Path::new("/");
        let running = Running::load(Path::new(BOOT_JSON))?;
        if running.mode == Mode::Live {
            bail!("this is the live system, it has no slots; choose the installed one");
        }
        let slot = running
            .slot
            .with_context(|| format!("{BOOT_JSON} names no slot"))?;
        let folder = reached::folder(root);
        let mut keys = machine::keys(root)?;
        keys.revoked.extend(Floor::load(&folder).revoked);
        Ok(Self {
            target: Appliance::new(running, Sysfs::default()),
            slot,
            machine: Machine::load(root)?,
            keys,
            folder,
            licensed_major: settings(root).licence_major,
        })
    }

    /// How things stand now.
    ///
    /// # Errors
    /// The boot state cannot be read.
    pub fn context(&self, reinstall: bool) -> Result<Context> {
        let state = self.target.load()?;
        let standing = standing(self, &state, reinstall);
        Ok(Context {
            machine: self.machine.clone(),
            standing,
            running: self.slot,
        })
    }
}

/// What the settings say of updates; the defaults where they cannot be read.
#[must_use]
pub fn settings(root: &Path) -> vigie_settings::Update {
    Store::of_system(root).load().settings.update
}

fn standing(this: &This, state: &BootState, reinstall: bool) -> Standing {
    let waiting = fate::waiting(state, this.slot).then(|| {
        let held = fate::facts(&this.folder);
        let held = held.get(&this.slot.other());
        held.map_or_else(Default::default, |held| held.version)
    });
    Standing {
        reached: Floor::load(&this.folder).reached,
        confirmed: state.slot(this.slot).good,
        waiting,
        licensed_major: this.licensed_major,
        reinstall,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_licence_is_that_of_the_settings() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(settings(root.path()).licence_major, None);
        let text = "version = 1\n[update]\nlicence_major = 3\n";
        let document = vigie_settings::Settings::from_text(text).unwrap();
        Store::of_system(root.path()).save(&document).unwrap();
        assert_eq!(settings(root.path()).licence_major, Some(3));
    }
}
