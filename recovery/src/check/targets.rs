//! Which volumes a person means: the system volume of an installation first, then its data
//! volumes; members of an array are one volume. A disk of recordings alone belongs to the installation whose
//! settings list it, and another one is left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vigie_disk::KernelDevice;
use vigie_disk::md::{Superblock, Uuid};
use vigie_disk::sysfs::{Sysfs, node};
use vigie_installer::layout::Purpose;

use super::whose::{Whose, is_same_system, whose};
use crate::volumes::{self, Cut, Installation, Inventory};

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

impl Target {
    /// Its device node or image file.
    #[must_use]
    pub fn node(&self) -> &Path {
        match self {
            Self::Ours(part) => &part.node,
            Self::Named(path) => path,
        }
    }

    /// The partition of ours.
    #[must_use]
    pub const fn part(&self) -> Option<&Part> {
        match self {
            Self::Ours(part) => Some(part),
            Self::Named(_) => None,
        }
    }
}

/// What is to be checked, and what a person must know of the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// In this order.
    pub targets: Vec<Target>,
    /// Volumes of which nobody can say whose they are, taken for those of the only system.
    pub assumed: Vec<Part>,
    /// Volumes that no installation lists, left out.
    pub left_out: Vec<Part>,
}

/// Why nothing is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is nothing of ours.
    None,
    /// Which installation is meant is open; these disks have one.
    Several(Vec<String>),
    /// There is no installation on that disk; these have one.
    NoDisk(PathBuf, Vec<String>),
    /// The end of that disk is missing; these have an installation.
    CutShort(Cut, Vec<String>),
    /// There is no such volume; these there are.
    UnknownVolume(PathBuf, Vec<String>),
    /// The only volume of that name is on this disk, and not of the system.
    NotOfSystem(PathBuf, PathBuf),
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
pub fn choose(asked: &Asked, found: &Inventory, parts: &[Part]) -> Result<Choice, Wrong> {
    let (paths, names): (Vec<&PathBuf>, Vec<&PathBuf>) =
        asked.volumes.iter().partition(|volume| is_path(volume));
    let mut choice = Choice::default();
    if paths.is_empty() || !names.is_empty() || asked.all {
        choice = named(&names, meant(asked, found, parts)?)?;
    }
    let paths = paths.into_iter().cloned().map(Target::Named);
    choice.targets.extend(paths);
    Ok(choice)
}

/// The volumes of one system, and those that may or may not be.
#[derive(Default)]
struct Meant {
    parts: Vec<Part>,
    assumed: Vec<Part>,
    left_out: Vec<Part>,
}

/// The volumes of the installations that are meant.
fn meant(asked: &Asked, found: &Inventory, parts: &[Part]) -> Result<Meant, Wrong> {
    let mut meant = Meant::default();
    if asked.all {
        meant.parts = some(ordered(parts.to_vec()))?;
        return Ok(meant);
    }
    let system = system(asked, found)?;
    for part in parts {
        let list = match whose(part, system, found) {
            Whose::Ours => &mut meant.parts,
            Whose::Assumed => &mut meant.assumed,
            Whose::Nobodys => &mut meant.left_out,
            Whose::Anothers => continue,
        };
        list.push(part.clone());
    }
    meant.parts.extend(meant.assumed.iter().cloned());
    for list in [&mut meant.parts, &mut meant.assumed, &mut meant.left_out] {
        *list = ordered(std::mem::take(list));
    }
    meant.parts = some(meant.parts)?;
    Ok(meant)
}

/// The installation that is meant.
fn system<'a>(asked: &Asked, inventory: &'a Inventory) -> Result<&'a Installation, Wrong> {
    let (found, cut) = (&inventory.installations[..], &inventory.cut);
    let disks = || found.iter().map(Installation::title).collect::<Vec<_>>();
    match (&asked.disk, found) {
        (_, []) => Err(Wrong::None),
        (Some(disk), _) => {
            let system = found.iter().find(|one| one.disk == *disk);
            system.ok_or_else(|| {
                let cut = cut.iter().find(|one| one.disk == *disk).cloned();
                match cut {
                    Some(cut) => Wrong::CutShort(cut, disks()),
                    None => Wrong::NoDisk(disk.clone(), disks()),
                }
            })
        }
        (None, [first, others @ ..]) => {
            let alone = others.iter().all(|one| is_same_system(first, one));
            alone
                .then_some(first)
                .ok_or_else(|| Wrong::Several(disks()))
        }
    }
}

fn some(parts: Vec<Part>) -> Result<Vec<Part>, Wrong> {
    match parts.is_empty() {
        true => Err(Wrong::None),
        false => Ok(parts),
    }
}

/// System volumes first, then data volumes by number; of an array the first member.
pub(super) fn ordered(mut parts: Vec<Part>) -> Vec<Part> {
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
fn named(names: &[&PathBuf], meant: Meant) -> Result<Choice, Wrong> {
    let is = |part: &Part, name: &Path| Path::new(&part.purpose.name()) == name;
    for name in names {
        if meant.parts.iter().any(|part| is(part, name)) {
            continue;
        }
        let other = meant.left_out.iter().find(|part| is(part, name));
        return Err(match other {
            Some(part) => Wrong::NotOfSystem(name.to_path_buf(), part.disk.clone()),
            None => {
                let known = meant.parts.iter().map(|part| part.purpose.name()).collect();
                Wrong::UnknownVolume(name.to_path_buf(), known)
            }
        });
    }
    let wanted = |part: &Part| names.is_empty() || names.iter().any(|name| is(part, name));
    let mut choice = Choice {
        targets: Vec::new(),
        assumed: meant.assumed.into_iter().filter(wanted).collect(),
        left_out: meant.left_out,
    };
    // Who names volumes wants no others.
    if !names.is_empty() {
        choice.left_out.clear();
    }
    let parts = meant.parts.into_iter().filter(wanted);
    choice.targets = parts.map(Target::Ours).collect();
    Ok(choice)
}

/// What is on this machine, for [`choose`].
#[must_use]
pub fn inventory(sysfs: &Sysfs) -> Inventory {
    volumes::inventory(sysfs, &volumes::open_kernel, None)
}

#[cfg(test)]
mod tests;
