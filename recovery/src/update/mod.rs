//! "Update this appliance", from the booted medium or in recovery: what is on the medium, or a
//! package, goes into the other slot of an installation. Settings and recordings stay; the rules are those of any
//! update, and so is the order of the writes (`vigie_update::apply`).

pub mod command;
mod installation;
mod medium;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vigie_disk::ext4::Health;
use vigie_installer::layout::Purpose;
use vigie_installer::payload::{ON_MEDIUM, Payload};
use vigie_update::apply::ApplyError;
use vigie_update::commands::apply::{self, Applied, Asked, Order};
use vigie_update::history::Door;
use vigie_update::progress::Progress;
use vigie_update::running::{Mode, Running};

use crate::check::whose::is_same_system;
use crate::choose::runs_from;
use crate::guard::guard;
use crate::refusal::Refusal;
use crate::site::{Does, Site, Which, running};
use crate::volumes::{Content, Installation};
pub(crate) use installation::starts_from;
pub use installation::{Chosen, Opened};
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

/// The installation that a person means: the one that is named, or the only one there is. Nothing of it is
/// opened for writing.
///
/// # Errors
/// This is an installed appliance, or there is no medium where it is wanted; there is none, or more
/// than one; its state volume must be mended, and this system is of another major version.
pub fn choose(which: &Which, source: &Source) -> Result<Chosen> {
    let running = running()?;
    check_source(&running, source)?;
    // An update to another major version is none of the guard's business: the licence decides on it.
    let site = Site::open(which, Does::Reads)?;
    let found = &site.inventory.installations;
    let runs_from = runs_from(&running, found, &site.installation);
    let may_mend = guard(
        site.medium,
        site.installation.version(),
        which.other_version,
    );
    before_asking(found, &site.installation, &may_mend)?;
    Chosen::new(site, runs_from, may_mend)
}

/// Refuses before a person is asked what would be refused afterwards: a state volume that was not unmounted in
/// good order, on one of the disks of the system, and a medium that may not mend it. What another major version
/// leaves in good order is not read or repaired by any program that does not know it.
fn before_asking(
    found: &[Installation],
    chosen: &Installation,
    may_mend: &Result<(), Refusal>,
) -> Result<(), Refusal> {
    let disks = found.iter().filter(|one| is_same_system(one, chosen));
    let mut states = disks
        .flat_map(|one| &one.volumes)
        .filter(|volume| volume.name == Purpose::State);
    match states.all(|volume| is_clean(&volume.content)) {
        true => Ok(()),
        false => may_mend.clone(),
    }
}

fn is_clean(content: &Content) -> bool {
    matches!(content, Content::Ext4 { superblock } if superblock.health == Health::Clean)
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
    use vigie_disk::{Bytes, MemoryDevice, SectorSize, ext4::Superblock};
    use vigie_update::Version;

    use crate::volumes::Volume;

    /// A state volume whose superblock says so of itself (ext4.h, s_state), or says nothing.
    fn state(s_state: Option<u16>) -> Volume {
        let mut device = MemoryDevice::new(Bytes::mib(4), SectorSize::S512);
        let mut block = vec![0; 1024];
        block[0x04..0x08].copy_from_slice(&4096_u32.to_le_bytes());
        block[0x38..0x3A].copy_from_slice(&[0x53, 0xEF]);
        block[0x3A..0x3C].copy_from_slice(&s_state.unwrap_or_default().to_le_bytes());
        vigie_disk::BlockDevice::write_at(&mut device, Bytes::kib(1), &block).unwrap();
        let superblock = Superblock::read(&device).unwrap().unwrap();
        Volume {
            name: Purpose::State,
            node: "/dev/vigiea7".into(),
            size: Bytes::mib(4),
            array: None,
            content: s_state.map_or(Content::Missing, |_| Content::Ext4 { superblock }),
        }
    }

    #[test]
    fn a_medium_of_another_major_version_mends_no_state_volume() {
        let on = |disk: &str, array: Option<&str>, volume| Installation {
            disk: disk.into(),
            array: array.map(str::to_owned),
            volumes: vec![volume],
            ..Installation::default()
        };
        let version = |major| Version([major, 0, 0, 0]);
        for (first, second, array, medium, expert, may) in [
            (Some(1), Some(1), None, 6, false, true),
            (Some(0), Some(1), None, 5, false, true),
            (Some(0), Some(1), None, 6, false, false),
            (Some(0), Some(1), None, 6, true, true),
            (Some(2), Some(1), None, 4, false, false),
            (None, Some(1), None, 6, false, false),
            // Another machine's disk, and the other half of a mirror.
            (Some(1), Some(0), None, 6, false, true),
            (Some(1), Some(0), Some("md"), 6, false, false),
        ] {
            let found = [
                on("/dev/vigiea", array, state(first)),
                on("/dev/vigieb", array, state(second)),
            ];
            let may_mend = guard(version(medium), Some(version(5)), expert);
            let found = before_asking(&found, &found[0], &may_mend);
            assert_eq!(
                found.is_ok(),
                may,
                "{first:?} {second:?} {array:?} {medium}"
            );
        }
    }

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
