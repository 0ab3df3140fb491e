//! Which installation a person means.

use std::path::{Path, PathBuf};

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
    let disks = || -> Vec<PathBuf> { found.iter().map(|one| one.disk.clone()).collect() };
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

/// Whether the disks are members of one system: their state volumes are of one array.
fn one_system(found: &[Installation]) -> bool {
    let array = |one: &Installation| one.array.clone();
    let first = found.first().and_then(array);
    first.is_some() && found.iter().all(|one| array(one) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(disk: &str, array: Option<&str>) -> Installation {
        Installation {
            disk: disk.into(),
            array: array.map(str::to_owned),
            ..Installation::default()
        }
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
