//! The installation that an action is about, on the machine that runs this.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::toolbox::HostTools;
use vigie_update::Version;
use vigie_update::apply::target::Appliance;
use vigie_update::machine::Machine;
use vigie_update::running::{BOOT_JSON, Mode, Running};

use crate::check::whose::is_same_system;
use crate::choose::choose;
use crate::disks::ask::{LIMIT, ask};
use crate::disks::seen::Seen;
use crate::disks::{Disk, Health, words};
use crate::guard::guard;
use crate::message::{Failed, Message};
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

/// What an action does to an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Nothing is written to it.
    Reads,
    /// Something is: the medium must be of its major version.
    Writes,
}

/// The disks of the machine, seen from the medium.
pub struct Disks {
    /// The disks.
    pub sysfs: Sysfs,
    /// They before anything was looked for on them.
    seen: Seen,
    /// Everything of ours on them.
    pub inventory: Inventory,
    /// The version of the medium.
    pub medium: Version,
}

impl Disks {
    /// Looks at them.
    ///
    /// # Errors
    /// This is an installed appliance, or neither that nor a medium.
    pub fn look() -> Result<Self> {
        if running()?.mode != Mode::Live {
            return Err(Refusal::Installed.into());
        }
        let sysfs = Sysfs::default();
        let seen = Seen::now(&sysfs);
        let medium = medium_version()?;
        let serial = machine_serial();
        let inventory = volumes::inventory(&sysfs, &volumes::open_kernel, serial.as_deref());
        Ok(Self {
            sysfs,
            seen,
            inventory,
            medium,
        })
    }
}

/// The installation that a person means, where a medium of this version may do that to it.
///
/// # Errors
/// There is none, or more than one; it is of another major version.
pub fn chosen<'a>(
    found: &'a Inventory,
    medium: Version,
    which: &Which,
    does: Does,
) -> Result<&'a Installation, Refusal> {
    let one = choose(&found.installations, which.disk.as_deref());
    let one = one.map_err(|refusal| refusal.because_of(&found.cut))?;
    if does == Does::Writes {
        guard(medium, one.version(), which.other_version)?;
    }
    Ok(one)
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
    /// Finds the installation. Where something is to be written the medium must be of its major version.
    ///
    /// # Errors
    /// A [`Refusal`]; this is neither an appliance nor a medium.
    pub fn open(which: &Which, does: Does) -> Result<Self> {
        let Disks {
            sysfs,
            seen,
            inventory,
            medium,
        } = Disks::look()?;
        let installation = chosen(&inventory, medium, which, does)?.clone();
        Ok(Self {
            sysfs,
            seen,
            inventory,
            installation,
            medium,
        })
    }

    /// Warns of the disks of its system that are not well, as they tell of it themselves: before anything is
    /// written to them.
    pub fn warn_of_disks(&self, tell: &mut Tell) {
        for warning in self.disk_warnings() {
            tell.warn(&warning);
        }
    }

    /// The same, for who says it.
    #[must_use]
    pub fn disk_warnings(&self) -> Vec<Message> {
        let nodes = system_disks(&self.installation, &self.inventory.installations);
        warnings(&ask(&HostTools, &nodes, LIMIT))
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
        self.installation.host()
    }
}

/// The disks of an installation's system; those of a mirror are several.
fn system_disks(chosen: &Installation, found: &[Installation]) -> Vec<PathBuf> {
    let disks = found.iter().filter(|one| is_same_system(one, chosen));
    disks.map(|one| one.disk.clone()).collect()
}

/// What is to be said of disks that are not well, and what to do.
fn warnings(disks: &[Disk]) -> Vec<Message> {
    let unwell: Vec<Disk> = disks
        .iter()
        .filter(|disk| disk.health >= Health::Worrying)
        .cloned()
        .collect();
    let lines = unwell.iter().map(words::line);
    lines.chain(words::advice(&unwell)).collect()
}

/// What this machine runs.
///
/// # Errors
/// It is neither an appliance nor a medium.
pub fn running() -> Result<Running> {
    let running = Running::load(Path::new(BOOT_JSON));
    running.map_err(|error| Failed(Message::new("act.no-boot").because(&error)).into())
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

    use vigie_update::Slot;

    use crate::volumes::SlotSays;

    fn of_version(version: Option<&str>) -> Inventory {
        let mut one = Installation {
            disk: "/dev/vda".into(),
            ..Installation::default()
        };
        let says = SlotSays {
            version: version.map(|version| version.parse().unwrap()),
            wholeness: None,
        };
        one.facts.slots.insert(Slot::A, says);
        Inventory {
            installations: vec![one],
            ..Inventory::default()
        }
    }

    #[test]
    fn nothing_is_written_by_a_medium_of_another_major_version() {
        for (medium, installation, other_version, may_write) in [
            ("5.1.0.0", Some("5.0.0.0"), false, true),
            ("5.1.0.0", Some("4.9.0.0"), false, false),
            ("4.9.0.0", Some("5.1.0.0"), false, false),
            ("5.1.0.0", Some("4.9.0.0"), true, true),
            ("4.9.0.0", Some("5.1.0.0"), true, true),
            ("5.1.0.0", None, false, true),
        ] {
            let found = of_version(installation);
            let which = Which {
                disk: None,
                other_version,
            };
            let may = |does| chosen(&found, medium.parse().unwrap(), &which, does).map(drop);
            let case = format!("{medium} on {installation:?}, {other_version}");
            assert_eq!(may(Does::Reads), Ok(()), "{case}");
            let is_other = matches!(may(Does::Writes), Err(Refusal::OtherMajor { .. }));
            assert_eq!(
                (may(Does::Writes).is_ok(), is_other),
                (may_write, !may_write),
                "{case}"
            );
        }
    }

    #[test]
    fn who_runs_this_elsewhere_is_told_in_both_languages() {
        use crate::message::words_of;
        use vigie_settings::Language;
        if Path::new(BOOT_JSON).exists() {
            return;
        }
        let error = running().unwrap_err();
        assert!(words_of(&error, Language::En).contains("on an appliance or its medium"));
        assert!(words_of(&error, Language::Fr).contains("sur un appareil ou son support"));
    }

    #[test]
    fn who_sets_a_password_hears_of_disks_that_are_not_well() {
        let one = |disk: &str, array: Option<&str>| Installation {
            disk: disk.into(),
            array: array.map(str::to_owned),
            ..Installation::default()
        };
        let mirror = [one("/dev/sda", Some("1")), one("/dev/sdb", Some("1"))];
        let all = [&mirror[..], &[one("/dev/sdc", None)]].concat();
        let disks = |chosen| system_disks(chosen, &all);
        assert_eq!(
            disks(&all[1]),
            [Path::new("/dev/sda"), Path::new("/dev/sdb")]
        );
        assert_eq!(disks(&all[2]), [Path::new("/dev/sdc")]);
        let of = |node: &str, health| Disk {
            health,
            ..Disk::untold(Path::new(node), None)
        };
        let good = [of("/dev/sda", Health::Good), of("/dev/sdb", Health::Untold)];
        assert_eq!(warnings(&good), []);
        let said = warnings(&[good[0].clone(), of("/dev/sdc", Health::Failing)]);
        let said: Vec<String> = said
            .iter()
            .map(|one| one.to(vigie_settings::Language::En))
            .collect();
        assert!(said[0].starts_with("Disk /dev/sdc: FAILING"), "{said:?}");
        assert!(
            said.len() == 2 && said[1].contains("copy it onto a new disk first"),
            "{said:?}"
        );
        // Before anything is asked or written.
        for (source, words) in [
            (include_str!("password/command.rs"), "site.disk_warnings()"),
            (
                include_str!("rollback/command.rs"),
                "site.warn_of_disks(tell)",
            ),
            (include_str!("reset/command.rs"), "site.warn_of_disks(tell)"),
        ] {
            let warns = source.find(words).unwrap();
            assert!(warns < source.find("held::hold_off(").unwrap());
        }
    }

    /// The sources of the commands that write; the others may be of any version.
    #[test]
    fn the_commands_that_write_say_so() {
        for (source, does) in [
            (include_str!("password/command.rs"), "Does::Writes"),
            (include_str!("rollback/command.rs"), "Does::Writes"),
            (include_str!("reset/command.rs"), "Does::Writes"),
            (include_str!("export/command.rs"), "Does::Reads"),
        ] {
            let opens: Vec<&str> = source.split("Site::open(").skip(1).collect();
            assert_eq!(opens.len(), 1);
            let asked = opens[0].split(')').next().unwrap();
            assert!(asked.ends_with(does), "{asked}");
        }
    }

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
