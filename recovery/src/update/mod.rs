//! "Update this appliance", from the booted medium: what is on the medium, or a package, goes into
//! the other slot of an installation. Settings and recordings stay; the rules are those of any
//! update, and so is the order of the writes (`vigie_update::apply`).

mod installation;
mod medium;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::payload::{ON_MEDIUM, Payload};
use vigie_update::Version;
use vigie_update::apply::ApplyError;
use vigie_update::commands::apply::{self, Applied, Asked, Order};
use vigie_update::history::Door;
use vigie_update::machine::Machine;
use vigie_update::progress::Progress;
use vigie_update::running::{BOOT_JSON, Mode, Running};

use crate::volumes::{self, Installation};
pub use installation::Opened;
use medium::Medium;

/// The program that unpacks packages.
const UPDATER: &str = "/usr/bin/vigie-update";

/// What is to be installed.
pub enum Source {
    /// The system of the medium.
    Medium,
    /// A package.
    Package(PathBuf),
}

/// Opens the installation that a person means: the one on `disk`, or the only one there is.
///
/// # Errors
/// This is no medium; there is none, or more than one; its state volume is damaged.
pub fn open(disk: Option<&Path>) -> Result<Opened> {
    let running = Running::load(Path::new(BOOT_JSON))?;
    ensure!(
        running.mode == Mode::Live,
        "this is an installed appliance; `vigie-update apply` updates it"
    );
    let sysfs = Sysfs::default();
    let found = volumes::find(&sysfs, &volumes::open_kernel);
    Opened::open(chosen(&found, disk)?, sysfs)
}

fn chosen<'a>(found: &'a [Installation], disk: Option<&Path>) -> Result<&'a Installation> {
    let listed = || {
        let disks = found.iter().map(|one| one.disk.display().to_string());
        disks.collect::<Vec<_>>().join(", ")
    };
    match (disk, found) {
        (_, []) => bail!("no installation was found on the disks of this machine"),
        (None, [only]) => Ok(only),
        (None, all) if one_system(all) => Ok(&all[0]),
        (None, _) => bail!(
            "there are several installations, on {}; name one with --disk",
            listed()
        ),
        (Some(disk), all) => all.iter().find(|one| one.disk == disk).with_context(|| {
            let disk = disk.display();
            format!(
                "there is no installation on {disk}; there is one on {}",
                listed()
            )
        }),
    }
}

/// Whether the disks are members of one system: their state volumes are of one array.
fn one_system(found: &[Installation]) -> bool {
    let array = |one: &Installation| one.array.clone();
    let first = found.first().and_then(array);
    first.is_some() && found.iter().all(|one| array(one) == first)
}

/// The version of the medium.
///
/// # Errors
/// Its description cannot be read.
pub fn medium_version() -> Result<Version> {
    Ok(Machine::load(Path::new("/"))?.version)
}

/// Installs it into the other slot.
///
/// # Errors
/// It was refused, or could not be written; what started before starts as before.
pub fn run(
    opened: &mut Opened,
    source: &Source,
    who: Option<String>,
    progress: &mut Progress,
) -> Result<Applied> {
    let asked = Asked {
        door: Door::Medium,
        who,
        reinstall: false,
    };
    let this = &mut opened.this;
    let applied = match source {
        Source::Package(path) => {
            let package =
                File::open(path).with_context(|| format!("opening {}", path.display()))?;
            let order = Order {
                package,
                expected: None,
                asked,
            };
            apply::run(this, Path::new(UPDATER), &order, progress)?
        }
        Source::Medium => {
            let medium = Medium::open(Payload::open(Path::new(ON_MEDIUM))?, Path::new("/"))?;
            let open = |_: &_| Ok::<_, ApplyError>((medium.opened(), medium));
            apply::from(this, &asked, open, progress)?
        }
    };
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(disk: &str, array: Option<&str>) -> Installation {
        Installation {
            disk: disk.into(),
            array: array.map(str::to_owned),
            boot: None,
            volumes: Vec::new(),
        }
    }

    #[test]
    fn one_installation_is_chosen_or_none() {
        let disk = |found: &[Installation], named: Option<&str>| {
            let chosen = chosen(found, named.map(Path::new));
            chosen.map(|one| one.disk.display().to_string())
        };
        let (a, b) = (on("/dev/sda", None), on("/dev/sdb", None));
        let ok = |found: &[Installation], named| disk(found, named).unwrap();
        let error = |found: &[Installation], named| disk(found, named).unwrap_err().to_string();
        assert_eq!(ok(std::slice::from_ref(&a), None), "/dev/sda");
        assert!(error(&[], None).contains("no installation"));
        let two = [a, b];
        assert!(error(&two, None).contains("/dev/sda, /dev/sdb"));
        assert_eq!(ok(&two, Some("/dev/sdb")), "/dev/sdb");
        assert!(error(&two, Some("/dev/sdc")).contains("no installation on /dev/sdc"));
        // The disks of a mirror are one system; two mirrors are two.
        let mirror = [on("/dev/sda", Some("1")), on("/dev/sdb", Some("1"))];
        assert_eq!(ok(&mirror, None), "/dev/sda");
        let mirrors = [on("/dev/sda", Some("1")), on("/dev/sdb", Some("2"))];
        assert!(error(&mirrors, None).contains("several"));
    }
}
