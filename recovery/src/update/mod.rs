//! "Update this appliance", from the booted medium: what is on the medium, or a package, goes into
//! the other slot of an installation. Settings and recordings stay; the rules are those of any
//! update, and so is the order of the writes (`vigie_update::apply`).

mod installation;
mod medium;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::payload::{ON_MEDIUM, Payload};
use vigie_update::apply::ApplyError;
use vigie_update::commands::apply::{self, Applied, Asked, Order};
use vigie_update::history::Door;
use vigie_update::progress::Progress;
use vigie_update::running::{BOOT_JSON, Mode, Running};

use crate::choose::choose;
use crate::volumes;
pub use installation::Opened;
pub(crate) use installation::starts_from;
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
    Opened::open(choose(&found, disk)?, sysfs)
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
