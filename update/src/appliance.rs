//! The running appliance, put together from what it says of itself.

use std::path::{Path, PathBuf};

use anyhow::Result;
use vigie_disk::sysfs::Sysfs;
use vigie_settings::{Loaded, Origin, Store};

use crate::apply::target::{Appliance, Target};
use crate::apply::{ApplyError, Context};
use crate::boot_state::BootState;
use crate::fate;
use crate::machine::{self, Machine};
use crate::package::Keyring;
use crate::policy::{Standing, Waiting};
use crate::reached::{self, Floor};
use crate::running::{BOOT_JSON, Mode, Running};
use crate::slot::Slot;
use crate::spoken::Spoken;
use crate::version::Version;

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
    pub licensed_major: u32,
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
            return Err(ApplyError::Live.into());
        }
        let slot = running.slot.ok_or_else(no_slot)?;
        let machine = Machine::load(root)?;
        // Where the state volume is not mounted, /var is in memory and has no settings.
        let lost = running.state_device.is_none();
        let settings = Store::of_system(root).load();
        let licensed_major = licensed_major(&settings, lost, machine.version);
        let folder = reached::folder(root);
        Ok(Self {
            target: Appliance::new(running, Sysfs::default()),
            slot,
            machine,
            keys: keys(root)?,
            folder,
            licensed_major,
        })
    }

    /// How things stand now.
    ///
    /// # Errors
    /// The boot state cannot be read.
    pub fn context(&self, reinstall: bool) -> Result<Context, ApplyError> {
        let state = self.target.load()?;
        let standing = standing(self, &state, reinstall);
        Ok(Context {
            machine: self.machine.clone(),
            standing,
            running: self.slot,
        })
    }
}

fn no_slot() -> Spoken {
    Spoken::new(
        format!("{BOOT_JSON} names no slot"),
        format!("{BOOT_JSON} ne nomme aucun emplacement"),
    )
}

/// Whose packages the system whose root is `root` takes: the list of its image, less whatever was ever
/// revoked on this machine, by an image that may be newer.
///
/// # Errors
/// The image's list cannot be read, or has no use.
pub fn keys(root: &Path) -> Result<Keyring> {
    let mut keys = machine::keys(root)?;
    keys.revoked
        .extend(Floor::load(&reached::folder(root)).revoked);
    Ok(keys)
}

/// The highest major version that the licence allows, by the settings. Where they name none, cannot
/// be read, or are `lost` with the state volume, it is that which runs: it was installed with what it
/// may run, and neither silence nor damage buys a licence.
#[must_use]
pub fn licensed_major(settings: &Loaded, lost: bool, running: Version) -> u32 {
    let named = named_licence(settings, running).filter(|_| !lost);
    named.unwrap_or_else(|| running.major())
}

/// What settings must say of a licence that are written in place of these: the same, and so nothing
/// where these say nothing. Where these cannot be read, that which runs.
#[must_use]
pub fn named_licence(settings: &Loaded, running: Version) -> Option<u32> {
    let unreadable = matches!(
        settings.origin,
        Origin::Defaults { .. } | Origin::Unmigrated { .. }
    );
    if unreadable {
        return Some(running.major());
    }
    settings.settings.update.licence_major
}

/// What the settings say of updates; the defaults where they cannot be read.
#[must_use]
pub fn settings(root: &Path) -> vigie_settings::Update {
    Store::of_system(root).load().settings.update
}

fn standing(this: &This, state: &BootState, reinstall: bool) -> Standing {
    let waiting = fate::waiting(state, this.slot).then(|| {
        let held = fate::facts(&this.folder);
        let version = held.get(&this.slot.other()).map(|held| held.version);
        Waiting { version }
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
    fn the_licence_is_that_of_the_settings_or_else_what_runs() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::of_system(root.path());
        let running = Version([2, 5, 0, 0]);
        let licensed = |lost| licensed_major(&store.load(), lost, running);
        // Nobody has said anything of a licence: major version 3 needs one.
        assert_eq!((licensed(false), licensed(true)), (2, 2));
        assert_eq!(named_licence(&store.load(), running), None);
        let text = "version = 1\n[update]\nlicence_major = 3\n";
        let document = vigie_settings::Settings::from_text(text).unwrap();
        store.save(&document).unwrap();
        assert_eq!((licensed(false), licensed(true)), (3, 2));
        assert_eq!(named_licence(&store.load(), running), Some(3));
        // Damage is no licence for all versions.
        spoil(root.path());
        assert!(matches!(store.load().origin, Origin::Defaults { .. }));
        assert_eq!(licensed(false), 2);
        assert_eq!(named_licence(&store.load(), running), Some(2));
    }

    /// Spoils every document below a folder.
    fn spoil(folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                spoil(&path);
            } else if path.extension().is_some_and(|kind| kind == "toml") {
                std::fs::write(path, "licence_major = ").unwrap();
            }
        }
    }

    #[test]
    fn an_unmigrated_document_is_no_licence_either() {
        let settings = Loaded {
            settings: vigie_settings::Settings::default(),
            origin: Origin::Unmigrated {
                from: 1,
                why: "damaged".into(),
            },
            unused: None,
        };
        let running = Version([2, 5, 0, 0]);
        assert_eq!(licensed_major(&settings, false, running), 2);
    }
}
