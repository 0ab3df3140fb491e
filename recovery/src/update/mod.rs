//! "Update this appliance", from the booted medium or in recovery: what is on the medium, or a
//! package, goes into the other slot of an installation. Settings and recordings stay; the rules are those of any
//! update, and so is the order of the writes (`vigie_update::apply`).

mod installation;
mod medium;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::payload::{ON_MEDIUM, Payload};
use vigie_update::apply::ApplyError;
use vigie_update::commands::apply::{self, Applied, Asked, Order};
use vigie_update::history::Door;
use vigie_update::progress::Progress;
use vigie_update::running::{BOOT_JSON, Mode, Running};

use crate::check::Watch;
use crate::choose::{choose, runs_from};
use crate::refusal::Refusal;
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
/// This is an installed appliance, or there is no medium where it is wanted; there is none, or more
/// than one; its state volume is damaged.
pub fn open(disk: Option<&Path>, source: &Source, watch: &mut dyn Watch) -> Result<Opened> {
    let running = Running::load(Path::new(BOOT_JSON))?;
    check_source(&running, source)?;
    let sysfs = Sysfs::default();
    let found = volumes::find(&sysfs, &volumes::open_kernel);
    let cut = || volumes::cut(&sysfs, &volumes::open_kernel);
    let installation = choose(&found, disk).map_err(|refusal| refusal.because_of(&cut()))?;
    let runs_from = runs_from(&running, &found, installation);
    Opened::open(installation, runs_from, sysfs, watch)
}

/// Whether this system may update an installation, and has what to.
fn check_source(running: &Running, source: &Source) -> Result<(), Refusal> {
    match (running.mode, source) {
        (Mode::Installed, _) => Err(Refusal::UpdateInstalled),
        (Mode::Live, Source::Medium) if running.medium.is_none() => Err(Refusal::NoMedium),
        (Mode::Live, _) => Ok(()),
    }
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

    #[test]
    fn without_a_medium_there_is_only_a_package() {
        let running = |json: &str| serde_json::from_str::<Running>(json).unwrap();
        let medium = running(r#"{"mode":"live","slot":null,"medium":"/run/medium"}"#);
        let recovery =
            running(r#"{"mode":"live","slot":"a","disk":"/dev/vda","medium":null,"arrays":[]}"#);
        let installed = running(r#"{"mode":"installed","slot":"a","disk":"/dev/vda"}"#);
        let package = || Source::Package("x.tgz".into());
        for (running, source, expected) in [
            (&medium, Source::Medium, Ok(())),
            (&medium, package(), Ok(())),
            (&recovery, Source::Medium, Err(Refusal::NoMedium)),
            (&recovery, package(), Ok(())),
            (&installed, Source::Medium, Err(Refusal::UpdateInstalled)),
            (&installed, package(), Err(Refusal::UpdateInstalled)),
        ] {
            assert_eq!(check_source(running, &source), expected, "{running:?}");
        }
    }
}
