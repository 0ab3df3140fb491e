//! Which volumes a person means: the system volume of an installation first, then its data
//! volumes; members of an array are one volume. A disk of recordings alone belongs to the installation whose
//! settings list it, and another one is left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vigie_disk::KernelDevice;
use vigie_disk::md::{Superblock, Uuid};
use vigie_disk::sysfs::{Sysfs, node};
use vigie_installer::layout::Purpose;

use crate::volumes::{self, Content, Cut, Installation, Inventory};

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
    Several(Vec<PathBuf>),
    /// There is no installation on that disk; these have one.
    NoDisk(PathBuf, Vec<PathBuf>),
    /// The end of that disk is missing; these have an installation.
    CutShort(Cut, Vec<PathBuf>),
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
    let disks = || found.iter().map(|one| one.disk.clone()).collect::<Vec<_>>();
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

/// Whose a volume is, as one system sees it.
enum Whose {
    Ours,
    Anothers,
    Assumed,
    Nobodys,
}

fn whose(part: &Part, system: &Installation, found: &Inventory) -> Whose {
    let all = || found.installations.iter();
    if let Some(owner) = owner(part, &found.installations) {
        return match is_same_system(system, owner) {
            true => Whose::Ours,
            false => Whose::Anothers,
        };
    }
    let is_only = all().all(|one| is_same_system(system, one));
    // Settings that cannot be read list nothing, and a damaged volume does not say which it is.
    let lists = all().any(|one| is_same_system(system, one) && !one.facts.data.is_empty());
    let others = found.others.iter();
    let mut same = others.filter(|volume| volume.node == part.node);
    let says = same.any(|volume| matches!(volume.content, Content::Ext4 { .. }));
    match is_only && !(lists && says) {
        true => Whose::Assumed,
        false => Whose::Nobodys,
    }
}

/// The installation on whose disk a volume is, or whose settings list it.
fn owner<'a>(part: &Part, found: &'a [Installation]) -> Option<&'a Installation> {
    let lists = |one: &&Installation| one.volumes.iter().any(|volume| volume.node == part.node);
    let on_disk = found.iter().find(|one| one.disk == part.disk);
    on_disk.or_else(|| found.iter().find(lists))
}

/// The state volume of the one system that the targets are of; of an array its first member. Where they are
/// of several systems there is none, and where nobody knows whose they are it is that of the only system.
#[must_use]
pub fn state_of(targets: &[Target], found: &[Installation], parts: &[Part]) -> Option<Part> {
    let mut ours = targets.iter().filter_map(Target::part).peekable();
    ours.peek()?;
    let owned: Vec<&Installation> = ours.filter_map(|part| owner(part, found)).collect();
    let candidates = match owned.is_empty() {
        true => found.iter().collect(),
        false => owned,
    };
    let (first, others) = candidates.split_first()?;
    if !others.iter().all(|one| is_same_system(first, one)) {
        return None;
    }
    let is_state = |part: &&Part| {
        part.purpose == Purpose::State
            && owner(part, found).is_some_and(|one| is_same_system(first, one))
    };
    let states = parts.iter().filter(is_state).cloned().collect();
    ordered(states).into_iter().next()
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
mod tests {
    use super::*;
    use crate::volumes::Volume;
    use vigie_disk::Bytes;
    use vigie_disk::ext4::Superblock as Ext4;

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

    fn chosen(asked: &Asked, found: &Inventory, parts: &[Part]) -> Result<String, Wrong> {
        let targets = choose(asked, found, parts)?.targets.into_iter();
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

    fn named(name: Purpose, node: &str, content: Content) -> Volume {
        Volume {
            name,
            node: node.into(),
            size: Bytes::gib(1),
            array: None,
            content,
        }
    }

    fn ext4() -> Content {
        let mut block = vec![0; 1024];
        block[0x38..0x3C].copy_from_slice(&[0x53, 0xEF, 1, 0]);
        let superblock = Ext4::parse(&block).unwrap();
        Content::Ext4 { superblock }
    }

    fn inventory(installations: &[Installation]) -> Inventory {
        Inventory {
            installations: installations.to_vec(),
            ..Inventory::default()
        }
    }

    /// A mirror with a disk of recordings of its own and an array over two more, each of which the
    /// settings list, and a disk of another machine.
    fn mirror() -> (Inventory, Vec<Part>) {
        let mut found = [system("/dev/sda", Some("1")), system("/dev/sdb", Some("1"))];
        for one in &mut found {
            one.facts.data = vec!["a".to_owned(), "b".to_owned()];
            one.volumes = vec![
                named(Purpose::Data(2), "/dev/sdd1", ext4()),
                named(Purpose::Data(3), "/dev/sde1", ext4()),
                named(Purpose::Data(3), "/dev/sdf1", ext4()),
            ];
        }
        let mut found = inventory(&found);
        found.others = vec![named(Purpose::Data(10), "/dev/sdc1", ext4())];
        let parts = [
            part("/dev/sda", 8, Purpose::Data(1), Some(2)),
            part("/dev/sda", 7, Purpose::State, Some(1)),
            part("/dev/sdb", 8, Purpose::Data(1), Some(2)),
            part("/dev/sdb", 7, Purpose::State, Some(1)),
            part("/dev/sdc", 1, Purpose::Data(10), None),
            part("/dev/sdd", 1, Purpose::Data(2), None),
            part("/dev/sde", 1, Purpose::Data(3), Some(3)),
            part("/dev/sdf", 1, Purpose::Data(3), Some(3)),
        ];
        (found, parts.to_vec())
    }

    fn nodes(parts: &[Part]) -> String {
        let nodes = parts.iter().map(|part| part.node.display().to_string());
        nodes.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_system_comes_first_and_an_array_is_one_volume() {
        let (found, parts) = mirror();
        let own = "/dev/sda7 /dev/sda8 /dev/sdd1 /dev/sde1";
        let choose = |asked: Asked| chosen(&asked, &found, &parts);
        assert_eq!(choose(asked(false, None, &[])).unwrap(), own);
        assert_eq!(choose(asked(false, Some("/dev/sdb"), &[])).unwrap(), own);
        let all = format!("{own} /dev/sdc1");
        assert_eq!(choose(asked(true, None, &[])).unwrap(), all);
        let two = choose(asked(false, None, &["data-2", "state", "/tmp/x.img"])).unwrap();
        assert_eq!(two, "/dev/sda7 /dev/sdd1 /tmp/x.img");
        let unknown = choose(asked(false, None, &["data-4"])).unwrap_err();
        let names = ["state", "data-1", "data-2", "data-3"].map(str::to_owned);
        assert_eq!(unknown, Wrong::UnknownVolume("data-4".into(), names.into()));
    }

    #[test]
    fn what_no_settings_list_is_left_out_and_named() {
        let (mut found, parts) = mirror();
        let choose = |found: &Inventory, names: &[&str]| {
            super::choose(&asked(false, None, names), found, &parts)
        };
        let choice = choose(&found, &[]).unwrap();
        assert_eq!(nodes(&choice.left_out), "/dev/sdc1");
        assert_eq!(choice.assumed, []);
        let two = choose(&found, &["data-1"]).unwrap();
        assert_eq!(two.left_out, []);
        let foreign = Wrong::NotOfSystem("data-10".into(), "/dev/sdc".into());
        assert_eq!(choose(&found, &["data-10"]), Err(foreign));
        // A volume whose superblock is damaged does not say whose it is.
        found.others[0].content = Content::Missing;
        let choice = choose(&found, &[]).unwrap();
        assert_eq!(nodes(&choice.assumed), "/dev/sdc1");
        assert_eq!((choice.targets.len(), choice.left_out.len()), (5, 0));
        // Neither do settings that cannot be read.
        found.others[0].content = ext4();
        for one in &mut found.installations {
            one.facts.data.clear();
        }
        let choice = choose(&found, &["data-10"]).unwrap();
        assert_eq!(nodes(&choice.assumed), "/dev/sdc1");
        assert_eq!(choice.targets.len(), 1);
    }

    #[test]
    fn the_report_of_one_volume_goes_to_the_state_volume_of_its_system() {
        let (found, parts) = mirror();
        let of = |found: &[Installation], nodes: &[&str]| {
            let targets: Vec<Target> = nodes
                .iter()
                .map(
                    |node| match parts.iter().find(|part| part.node == Path::new(node)) {
                        Some(part) => Target::Ours(part.clone()),
                        None => Target::Named(node.into()),
                    },
                )
                .collect();
            let state = state_of(&targets, found, &parts)?;
            Some(state.node.display().to_string())
        };
        let mirror = &found.installations;
        for nodes in [
            &["/dev/sdb8"][..],
            &["/dev/sde1", "/dev/sda8"],
            &["/dev/sdc1"],
        ] {
            assert_eq!(of(mirror, nodes).as_deref(), Some("/dev/sda7"), "{nodes:?}");
        }
        assert_eq!(of(mirror, &["/tmp/x.img"]), None);
        let two = [system("/dev/sda", None), system("/dev/sdb", None)];
        assert_eq!(of(&two, &["/dev/sdb8"]).as_deref(), Some("/dev/sdb7"));
        assert_eq!(of(&two, &["/dev/sda8", "/dev/sdb8"]), None);
        assert_eq!(of(&two, &["/dev/sdc1"]), None);
        assert_eq!(of(&[], &["/dev/sdc1"]), None);
    }

    #[test]
    fn which_of_several_must_be_said() {
        let found = inventory(&[system("/dev/sda", None), system("/dev/sdb", None)]);
        let parts = [
            part("/dev/sda", 7, Purpose::State, None),
            part("/dev/sdb", 7, Purpose::State, None),
            part("/dev/sdc", 1, Purpose::Data(1), None),
        ];
        let all = found.installations.iter();
        let disks: Vec<PathBuf> = all.map(|one| one.disk.clone()).collect();
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
        let cut = Cut {
            disk: "/dev/sdc".into(),
            table: Bytes::gb(8),
            size: Bytes::gb(7),
        };
        let mut beside = found.clone();
        beside.cut = vec![cut.clone()];
        let named = |disk: &str| chosen(&asked(false, Some(disk), &[]), &beside, &parts);
        let disks = found.installations.iter().map(|one| one.disk.clone());
        let is_cut = Wrong::CutShort(cut, disks.collect());
        assert_eq!(named("/dev/sdc"), Err(is_cut));
        assert_eq!(named("/dev/sdb").unwrap(), "/dev/sdb7");
        // A path needs no installation.
        assert_eq!(choose(asked(false, None, &["/x/y"])).unwrap(), "/x/y");
        let nothing = |asked: Asked| chosen(&asked, &Inventory::default(), &[]);
        assert_eq!(nothing(asked(false, None, &["/x/y"])).unwrap(), "/x/y");
        assert_eq!(nothing(asked(true, None, &[])), Err(Wrong::None));
        assert_eq!(nothing(asked(false, None, &[])), Err(Wrong::None));
    }
}
