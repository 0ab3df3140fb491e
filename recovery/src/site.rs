//! The installation that an action is about, on the machine that runs this.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::toolbox::HostTools;
use vigie_update::Version;
use vigie_update::apply::target::Appliance;
use vigie_update::machine::Machine;
use vigie_update::running::{BOOT_JSON, Mode, Running};

use crate::choose::choose;
use crate::disks::seen::Seen;
use crate::guard::guard;
use crate::refusal::Refusal;
use crate::state::State;
use crate::stop;
use crate::tell::Tell;
use crate::volumes::{self, Installation, Inventory};
use crate::waiting::Waiting;

/// Which installation, and whether this medium may work on it.
#[derive(clap::Args, Clone, Debug)]
pub struct Which {
    /// The system disk of the installation, where there are several.
    #[arg(long, value_parser = crate::choose::named)]
    pub disk: Option<PathBuf>,
    /// For experts: also where the medium is of another major version than the installation.
    #[arg(long)]
    pub other_version: bool,
}

/// An installation, seen from the medium.
pub struct Site {
    /// The disks of the machine.
    pub sysfs: Sysfs,
    /// They before anything was looked for on them.
    seen: Seen,
    /// Everything of ours on them.
    pub inventory: Inventory,
    /// The installation.
    pub installation: Installation,
    /// The version of the medium.
    pub medium: Version,
}

impl Site {
    /// Finds the installation. With `writes` the medium must be of its major version.
    ///
    /// # Errors
    /// A [`Refusal`]; this is neither an appliance nor a medium.
    pub fn open(which: &Which, writes: bool) -> Result<Self> {
        if Running::load(Path::new(BOOT_JSON))?.mode != Mode::Live {
            return Err(Refusal::Installed.into());
        }
        let sysfs = Sysfs::default();
        let seen = Seen::now(&sysfs);
        let medium = medium_version()?;
        let serial = machine_serial();
        let inventory = volumes::inventory(&sysfs, &volumes::open_kernel, serial.as_deref());
        let installation = choose(&inventory.installations, which.disk.as_deref())
            .map_err(|refusal| refusal.because_of(&inventory.cut))?
            .clone();
        if writes {
            guard(medium, installation.version(), which.other_version)?;
        }
        Ok(Self {
            sysfs,
            seen,
            inventory,
            installation,
            medium,
        })
    }

    /// The disks of the installation, as the updater sees those it runs on.
    #[must_use]
    pub fn appliance(&self, state: Option<PathBuf>) -> Appliance {
        let running = Running {
            mode: Mode::Installed,
            slot: None,
            disk: Some(self.installation.disk.clone()),
            state_device: state,
            medium: None,
        };
        Appliance::new(running, self.sysfs.clone())
    }

    /// Whether a device lies on the disk that it was found on: a person who was asked may have taken long.
    ///
    /// # Errors
    /// [`Refusal::Replaced`].
    pub fn still(&self, device: &Path) -> Result<(), Refusal> {
        Ok(self.seen.still(&self.sysfs, device)?)
    }

    /// The device of its state volume; an array is started where it does not run.
    ///
    /// # Errors
    /// There is none, or it is on another disk than when it was chosen.
    pub fn state_device(&self) -> Result<PathBuf> {
        self.still(&self.installation.disk)?;
        let device = self.appliance(None).device("state")?;
        self.still(&device)?;
        Ok(device)
    }

    /// Its state volume, mounted; from now on no signal keeps it from being unmounted.
    ///
    /// # Errors
    /// It needs a repair.
    pub fn state(&self, tell: &Tell) -> Result<State> {
        let device = self.state_device()?;
        stop::hold_off();
        let mut waiting = Waiting::new(tell.json, tell.language);
        State::open(&device, &HostTools, &mut waiting)
    }

    /// Its version; that of the medium where nobody knows it.
    #[must_use]
    pub fn running(&self) -> Version {
        self.installation.version().unwrap_or(self.medium)
    }

    /// Its host name; the default one where nobody knows it.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.installation.facts.host.clone();
        host.unwrap_or_else(|| vigie_settings::HostName::default().to_string())
    }
}

/// The version of the medium.
///
/// # Errors
/// Its description cannot be read.
pub fn medium_version() -> Result<Version> {
    let machine = Machine::load(Path::new("/"));
    Ok(machine
        .context("reading the version of this system")?
        .version)
}

/// The serial number on the label of this machine, where its maker wrote it into the firmware.
#[must_use]
pub fn machine_serial() -> Option<String> {
    vigie_machine::Machine::this().dmi.serial
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn nothing_is_opened_on_a_disk_that_has_taken_the_place_of_the_chosen_one() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join("block").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("vigiea/size", "1000");
        put("vigiea/diskseq", "7");
        put("vigieb/size", "1000");
        put("vigieb/diskseq", "8");
        put("vigieb/vigieb1/partition", "1");
        let sysfs = Sysfs::new(dir.path());
        let site = Site {
            seen: Seen::now(&sysfs),
            sysfs,
            inventory: Inventory::default(),
            installation: Installation {
                disk: "/dev/vigiea".into(),
                ..Installation::default()
            },
            medium: Version([5, 0, 0, 0]),
        };
        let refused = || {
            let error = site.state_device().unwrap_err();
            error.downcast_ref::<Refusal>().cloned()
        };
        assert_eq!(refused(), None, "it has no such volume");
        put("vigiea/diskseq", "9");
        assert_eq!(refused(), Some(Refusal::Replaced("/dev/vigiea".into())));
        let recordings = Path::new("/dev/vigieb1");
        assert_eq!(site.still(recordings), Ok(()));
        put("vigieb/diskseq", "10");
        assert_eq!(
            site.still(recordings),
            Err(Refusal::Replaced("/dev/vigieb".into()))
        );
    }
}
