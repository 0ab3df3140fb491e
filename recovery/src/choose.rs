//! Which installation a person means, and whether this machine runs from it.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use vigie_update::Slot;
use vigie_update::running::Running;

use crate::refusal::Refusal;
use crate::volumes::Installation;

/// The installation on `disk`, or the only one there is.
///
/// # Errors
/// There is none, or more than one.
pub fn choose<'a>(
    found: &'a [Installation],
    disk: Option<&Path>,
) -> Result<&'a Installation, Refusal> {
    let disks = || found.iter().map(Installation::title).collect();
    match (disk, found) {
        (_, []) => Err(Refusal::NoInstallation),
        (None, [only]) => Ok(only),
        (None, [first, ..]) if one_system(found) => Ok(first),
        (None, _) => Err(Refusal::Several(disks())),
        (Some(disk), all) => {
            let missing = || Refusal::NoDisk(disk.to_owned(), disks());
            all.iter().find(|one| one.disk == disk).ok_or_else(missing)
        }
    }
}

/// The slot of the chosen installation that this machine runs from: in recovery without a medium,
/// where the disk that started is one of its disks.
pub fn runs_from(running: &Running, found: &[Installation], chosen: &Installation) -> Option<Slot> {
    let disk = running.disk.as_deref()?;
    let started = found.iter().find(|one| one.disk == disk)?;
    let same =
        started.disk == chosen.disk || started.array.is_some() && started.array == chosen.array;
    running.slot.filter(|_| same)
}

/// The disk that a person names: a link to it, as those of `/dev/disk/by-id`, is followed.
///
/// # Errors
/// None: what is not there stays as it was typed, and is refused under this name.
pub fn named(disk: &str) -> Result<PathBuf, Infallible> {
    Ok(Path::new(disk)
        .canonicalize()
        .unwrap_or_else(|_| disk.into()))
}

/// Whether the disks are members of one system: their state volumes are of one array.
fn one_system(found: &[Installation]) -> bool {
    let array = |one: &Installation| one.array.clone();
    let first = found.first().and_then(array);
    first.is_some() && found.iter().all(|one| array(one) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("vda");
        let link = folder.path().join("by-id");
        std::fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(named(link.to_str().unwrap()), Ok(real));
        assert_eq!(named("/dev/none"), Ok(PathBuf::from("/dev/none")));
    }

    fn on(disk: &str, array: Option<&str>) -> Installation {
        Installation {
            disk: disk.into(),
            array: array.map(str::to_owned),
            ..Installation::default()
        }
    }

    #[test]
    fn the_slot_that_runs_belongs_to_the_disks_of_one_installation() {
        let running = |json: &str| serde_json::from_str::<Running>(json).unwrap();
        let recovery = running(r#"{"mode":"live","slot":"b","disk":"/dev/sda","medium":null}"#);
        let medium = running(r#"{"mode":"live","slot":null,"disk":"/dev/sdz"}"#);
        let found = [
            on("/dev/sda", Some("1")),
            on("/dev/sdb", Some("1")),
            on("/dev/sdc", Some("2")),
            on("/dev/sdd", None),
        ];
        let slots = |running: &Running| {
            let of = |chosen| runs_from(running, &found, chosen);
            found.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(slots(&recovery), [Some(Slot::B), Some(Slot::B), None, None]);
        assert_eq!(slots(&medium), [None; 4]);
        // Without arrays two disks have nothing in common.
        let alone = running(r#"{"mode":"live","slot":"a","disk":"/dev/sdd"}"#);
        assert_eq!(slots(&alone), [None, None, None, Some(Slot::A)]);
    }

    #[test]
    fn one_installation_is_chosen_or_none() {
        let disk = |found: &[Installation], named: Option<&str>| {
            let chosen = choose(found, named.map(Path::new));
            chosen.map(|one| one.disk.display().to_string())
        };
        let (a, b) = (on("/dev/sda", None), on("/dev/sdb", None));
        let ok = |found: &[Installation], named| disk(found, named).unwrap();
        let error = |found: &[Installation], named| disk(found, named).unwrap_err().to_string();
        assert_eq!(ok(std::slice::from_ref(&a), None), "/dev/sda");
        assert!(error(&[], None).contains("No installation"));
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
