//! Which volumes a person means: the system volume of an installation first, then its data
//! volumes; members of an array are one volume.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vigie_disk::KernelDevice;
use vigie_disk::md::{Superblock, Uuid};
use vigie_disk::sysfs::{Sysfs, node};
use vigie_installer::layout::Purpose;

use crate::volumes::{self, Installation};

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Every volume of ours on every disk.
    pub all: bool,
    /// The installation on this disk.
    pub disk: Option<PathBuf>,
    /// Volumes by name ("state", "data-1"), device node or image file.
    pub volumes: Vec<PathBuf>,
}

impl Asked {
    /// Whether the machine's disks must be searched: not where all volumes are named by a path.
    #[must_use]
    pub fn needs_a_search(&self) -> bool {
        self.all || self.volumes.is_empty() || !self.volumes.iter().all(|volume| is_path(volume))
    }
}

fn is_path(volume: &Path) -> bool {
    volume.components().count() > 1 || volume.exists()
}

/// A partition of ours that holds a file system, alone or with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its disk's node.
    pub disk: PathBuf,
    /// What it is for.
    pub purpose: Purpose,
    /// Its node.
    pub node: PathBuf,
    /// The array that it is a member of.
    pub array: Option<Uuid>,
}

/// What is to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A partition or array of ours.
    Ours(Part),
    /// A device or image file that was named.
    Named(PathBuf),
}

/// Why nothing is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is nothing of ours.
    None,
    /// Which installation is meant is open; these disks have one.
    Several(Vec<PathBuf>),
    /// There is no installation on that disk; these have one.
    NoDisk(PathBuf, Vec<PathBuf>),
    /// There is no such volume; these there are.
    UnknownVolume(PathBuf, Vec<String>),
}

/// The partitions of ours with file systems, on all disks.
#[must_use]
pub fn parts(sysfs: &Sysfs) -> Vec<Part> {
    let of_disk = |disk: String| {
        let partitions = sysfs.partitions(&disk).into_iter();
        partitions.filter_map(move |partition| {
            let purpose = Purpose::try_from(partition.name?).ok()?;
            let ours = matches!(purpose, Purpose::State | Purpose::Data(_));
            ours.then(|| Part {
                disk: node(&disk),
                purpose,
                array: array(&partition.node),
                node: partition.node,
            })
        })
    };
    sysfs.disks().into_iter().flat_map(of_disk).collect()
}

fn array(partition: &Path) -> Option<Uuid> {
    let device = KernelDevice::open_read_only(partition).ok()?;
    Some(Superblock::read(&device).ok()??.uuid)
}

/// The volumes that are meant, in the order in which they are to be checked.
///
/// # Errors
/// There are none, or which is open.
pub fn choose(asked: &Asked, found: &[Installation], parts: &[Part]) -> Result<Vec<Target>, Wrong> {
    let (paths, names): (Vec<&PathBuf>, Vec<&PathBuf>) =
        asked.volumes.iter().partition(|volume| is_path(volume));
    let mut targets = Vec::new();
    if paths.is_empty() || !names.is_empty() || asked.all {
        let meant = meant(asked, found, parts)?;
        targets = named(&names, meant)?;
    }
    targets.extend(paths.into_iter().cloned().map(Target::Named));
    Ok(targets)
}

/// The volumes of the installations that are meant.
fn meant(asked: &Asked, found: &[Installation], parts: &[Part]) -> Result<Vec<Part>, Wrong> {
    if asked.all {
        return some(ordered(parts.to_vec()));
    }
    let disks = || found.iter().map(|one| one.disk.clone()).collect::<Vec<_>>();
    let system = match (&asked.disk, found) {
        (_, []) => return Err(Wrong::None),
        (Some(disk), _) => found.iter().find(|one| one.disk == *disk),
        (None, [first, others @ ..]) => {
            let alone = others.iter().all(|one| is_same_system(first, one));
            alone
                .then_some(first)
                .ok_or_else(|| Wrong::Several(disks()))
                .map(Some)?
        }
    };
    let missing = || Wrong::NoDisk(asked.disk.clone().unwrap_or_default(), disks());
    let system = system.ok_or_else(missing)?;
    let belongs = |part: &Part| match found.iter().find(|one| one.disk == part.disk) {
        Some(other) => is_same_system(system, other),
        // A disk of recordings alone does not say whose it is: it is that of the only system.
        None => found.iter().all(|one| is_same_system(system, one)),
    };
    some(ordered(
        parts.iter().filter(|part| belongs(part)).cloned().collect(),
    ))
}

fn some(parts: Vec<Part>) -> Result<Vec<Part>, Wrong> {
    match parts.is_empty() {
        true => Err(Wrong::None),
        false => Ok(parts),
    }
}

/// Whether two disks carry one system: they are one, or members of one array.
fn is_same_system(one: &Installation, other: &Installation) -> bool {
    one.disk == other.disk || (one.array.is_some() && one.array == other.array)
}

/// System volumes first, then data volumes by number; of an array the first member.
fn ordered(mut parts: Vec<Part>) -> Vec<Part> {
    let rank = |part: &Part| match part.purpose {
        Purpose::Data(number) => (1, number),
        _ => (0, 0),
    };
    parts.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.node.cmp(&b.node)));
    let mut known = BTreeSet::new();
    parts.retain(|part| {
        part.array
            .is_none_or(|array| known.insert(array.to_string()))
    });
    parts
}

/// Those of the names, or all where there are none.
fn named(names: &[&PathBuf], parts: Vec<Part>) -> Result<Vec<Target>, Wrong> {
    let is = |part: &Part, name: &Path| Path::new(&part.purpose.name()) == name;
    for name in names {
        if !parts.iter().any(|part| is(part, name)) {
            let known = parts.iter().map(|part| part.purpose.name()).collect();
            return Err(Wrong::UnknownVolume(name.to_path_buf(), known));
        }
    }
    let wanted = |part: &Part| names.is_empty() || names.iter().any(|name| is(part, name));
    Ok(parts.into_iter().filter(wanted).map(Target::Ours).collect())
}

/// The installations of this machine, for [`choose`].
#[must_use]
pub fn installations(sysfs: &Sysfs) -> Vec<Installation> {
    volumes::find(sysfs, &volumes::open_kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(disk: &str, array: Option<&str>) -> Installation {
        Installation {
            disk: disk.into(),
            array: array.map(str::to_owned),
            ..Installation::default()
        }
    }

    fn part(disk: &str, number: u32, purpose: Purpose, array: Option<u8>) -> Part {
        Part {
            disk: disk.into(),
            purpose,
            node: format!("{disk}{number}").into(),
            array: array.map(|byte| Uuid([byte; 16])),
        }
    }

    fn chosen(asked: &Asked, found: &[Installation], parts: &[Part]) -> Result<String, Wrong> {
        let targets = choose(asked, found, parts)?.into_iter();
        let nodes = targets.map(|target| match target {
            Target::Ours(part) => part.node.display().to_string(),
            Target::Named(path) => path.display().to_string(),
        });
        Ok(nodes.collect::<Vec<_>>().join(" "))
    }

    fn asked(all: bool, disk: Option<&str>, volumes: &[&str]) -> Asked {
        Asked {
            all,
            disk: disk.map(PathBuf::from),
            volumes: volumes.iter().map(PathBuf::from).collect(),
        }
    }

    #[test]
    fn the_system_comes_first_and_an_array_is_one_volume() {
        let found = [system("/dev/sda", Some("1")), system("/dev/sdb", Some("1"))];
        let parts = [
            part("/dev/sda", 8, Purpose::Data(1), Some(2)),
            part("/dev/sda", 7, Purpose::State, Some(1)),
            part("/dev/sdb", 8, Purpose::Data(1), Some(2)),
            part("/dev/sdb", 7, Purpose::State, Some(1)),
            part("/dev/sdc", 1, Purpose::Data(10), None),
            part("/dev/sdd", 1, Purpose::Data(2), None),
        ];
        let all = "/dev/sda7 /dev/sda8 /dev/sdd1 /dev/sdc1";
        let choose = |asked: Asked| chosen(&asked, &found, &parts);
        assert_eq!(choose(asked(false, None, &[])).unwrap(), all);
        assert_eq!(choose(asked(true, None, &[])).unwrap(), all);
        assert_eq!(choose(asked(false, Some("/dev/sdb"), &[])).unwrap(), all);
        let two = choose(asked(false, None, &["data-2", "state", "/tmp/x.img"])).unwrap();
        assert_eq!(two, "/dev/sda7 /dev/sdd1 /tmp/x.img");
        let unknown = choose(asked(false, None, &["data-3"])).unwrap_err();
        let names = ["state", "data-1", "data-2", "data-10"].map(str::to_owned);
        assert_eq!(unknown, Wrong::UnknownVolume("data-3".into(), names.into()));
    }

    #[test]
    fn which_of_several_must_be_said() {
        let found = [system("/dev/sda", None), system("/dev/sdb", None)];
        let parts = [
            part("/dev/sda", 7, Purpose::State, None),
            part("/dev/sdb", 7, Purpose::State, None),
            part("/dev/sdc", 1, Purpose::Data(1), None),
        ];
        let disks: Vec<PathBuf> = found.iter().map(|one| one.disk.clone()).collect();
        let choose = |asked: Asked| chosen(&asked, &found, &parts);
        let several = Wrong::Several(disks.clone());
        assert_eq!(choose(asked(false, None, &[])), Err(several.clone()));
        assert_eq!(choose(asked(false, None, &["state"])), Err(several));
        // Whose the third disk is nobody knows.
        assert_eq!(
            choose(asked(false, Some("/dev/sdb"), &[])).unwrap(),
            "/dev/sdb7"
        );
        let all = choose(asked(true, None, &[])).unwrap();
        assert_eq!(all, "/dev/sda7 /dev/sdb7 /dev/sdc1");
        let none = Wrong::NoDisk("/dev/sdc".into(), disks);
        assert_eq!(choose(asked(false, Some("/dev/sdc"), &[])), Err(none));
        // A path needs no installation.
        assert_eq!(choose(asked(false, None, &["/x/y"])).unwrap(), "/x/y");
        assert_eq!(
            chosen(&asked(false, None, &["/x/y"]), &[], &[]).unwrap(),
            "/x/y"
        );
        assert_eq!(chosen(&asked(true, None, &[]), &[], &[]), Err(Wrong::None));
        assert_eq!(chosen(&asked(false, None, &[]), &[], &[]), Err(Wrong::None));
    }
}
