//! An installation's volumes, what their first blocks say about them, and what the installation says
//! of itself. Nothing is mounted, nothing is written, no array is started.

mod arrays;
pub mod command;
mod cut;
mod drive;
mod facts;
pub mod slot;

use std::path::{Path, PathBuf};

use serde::Serialize;
use vigie_disk::ext4::{Health, Superblock};
use vigie_disk::probe::{Kind, probe};
use vigie_disk::sysfs::{KernelPartition, Sysfs, node};
use vigie_disk::{BlockDevice, Bytes, KernelDevice};
use vigie_installer::layout::Purpose;
use vigie_update::{BootState, Slot, SlotState, esp};

pub use arrays::{ArrayFacts, Arrays};
pub use cut::{Cut, cut};
pub use drive::Drive;
pub use facts::{Facts, SlotSays, UPDATES};

/// Everything of ours on a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inventory {
    /// The installations.
    pub installations: Vec<Installation>,
    /// Volumes on other disks that no installation knows, such as recordings of another machine.
    pub others: Vec<Volume>,
    /// The md arrays under all of these.
    pub arrays: Vec<ArrayFacts>,
    /// Disks of ours whose end is missing, so that they have no volumes.
    pub cut: Vec<Cut>,
}

/// One installation: a disk with our partitions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Installation {
    /// The disk's device node.
    pub disk: PathBuf,
    /// What that disk says of itself.
    pub drive: Drive,
    /// The id of the array that its state volume lies on, where it lies on several disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// What GRUB will do, where the boot state can be read.
    pub boot: Option<Boot>,
    /// What it says of itself; nothing until that was asked for.
    #[serde(flatten)]
    pub facts: Facts,
    /// The volumes, in the order of their numbers; then those on other disks that are its own.
    pub volumes: Vec<Volume>,
}

/// The boot state in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Boot {
    /// The slot that is tried first.
    pub first: Slot,
    /// Slot A.
    pub a: SlotState,
    /// Slot B.
    pub b: SlotState,
}

/// One partition of an installation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Volume {
    /// What it is for; in JSON its name.
    pub name: Purpose,
    /// Its device node.
    pub node: PathBuf,
    /// Its size.
    pub size: Bytes,
    /// The id of the array that it is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// What is in it.
    #[serde(flatten)]
    pub content: Content,
}

/// What a look at a volume found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "content", rename_all = "kebab-case")]
pub enum Content {
    /// An ext4 file system.
    Ext4 {
        /// What its superblock says.
        superblock: Superblock,
    },
    /// A squashfs image: a slot that is filled.
    Image,
    /// A FAT file system.
    Fat,
    /// GRUB's core image, or anything else that has no signature.
    Unmarked,
    /// Nothing that is known where something must be.
    Missing,
    /// It could not be opened or read.
    Unreadable {
        /// Why.
        error: String,
    },
}

impl Content {
    /// Whether a person should look at this volume.
    pub fn needs_attention(&self) -> bool {
        match self {
            Self::Ext4 { superblock } => {
                superblock.health != Health::Clean || superblock.errors > 0
            }
            Self::Missing | Self::Unreadable { .. } => true,
            Self::Image | Self::Fat | Self::Unmarked => false,
        }
    }
}

/// How a device is opened for reading; tests bring their own.
pub type Open<'a> = &'a dyn Fn(&Path) -> vigie_disk::Result<Box<dyn BlockDevice>>;

/// Opens a device of the kernel.
pub fn open_kernel(path: &Path) -> vigie_disk::Result<Box<dyn BlockDevice>> {
    Ok(Box::new(KernelDevice::open_read_only(path)?))
}

/// All installations on a machine, without what they say of themselves.
pub fn find(sysfs: &Sysfs, open: Open) -> Vec<Installation> {
    let disks = disks(sysfs);
    let machine = Machine::new(sysfs, &disks, open);
    machine.installations(&disks)
}

/// Opens a volume for reading: that of an array from its members, where the kernel does not run it.
///
/// # Errors
/// It cannot be opened; too few members are there.
pub fn open_volume(
    volume: &Volume,
    sysfs: &Sysfs,
    open: Open,
) -> Result<Box<dyn BlockDevice>, String> {
    let machine = Machine::new(sysfs, &disks(sysfs), open);
    machine.device(&volume.node, volume.array.as_deref(), volume.name)
}

/// Everything of ours on a machine, and what it says of itself. `serial` is the machine's serial
/// number.
pub fn inventory(sysfs: &Sysfs, open: Open, serial: Option<&str>) -> Inventory {
    let disks = disks(sysfs);
    let machine = Machine::new(sysfs, &disks, open);
    let mut installations = machine.installations(&disks);
    for one in &mut installations {
        one.facts = facts::of(one, &machine, serial);
    }
    let is_other = |ours: &[(Purpose, KernelPartition)]| !is_installation(ours);
    let mut others = Vec::new();
    for (_, ours) in disks.iter().filter(|(_, ours)| is_other(ours)) {
        for volume in ours.iter().map(|part| machine.volume(part)) {
            let owners = owners(&volume, &mut installations);
            if owners.is_empty() {
                others.push(volume);
                continue;
            }
            for installation in owners {
                installation.volumes.push(volume.clone());
            }
        }
    }
    Inventory {
        installations,
        others,
        arrays: machine.arrays.facts(open),
        cut: cut(sysfs, open),
    }
}

/// The installation whose settings list a volume, as it is found on each of its disks. Where several
/// list it, as when a disk was copied, it is nobody's.
fn owners<'a>(volume: &Volume, all: &'a mut [Installation]) -> Vec<&'a mut Installation> {
    let Content::Ext4 { superblock } = &volume.content else {
        return Vec::new();
    };
    let lists = |one: &Installation| one.facts.data.contains(&superblock.uuid);
    let mut owners: Vec<_> = all.iter_mut().filter(|one| lists(one)).collect();
    let mirrors = |one: &Installation| one.array.is_some() && one.array == owners[0].array;
    if owners.len() > 1 && !owners.iter().all(|one| mirrors(one)) {
        owners.clear();
    }
    owners
}

type Ours = Vec<(Purpose, KernelPartition)>;

/// The disks that have partitions of ours.
fn disks(sysfs: &Sysfs) -> Vec<(String, Ours)> {
    let disks = sysfs.disks().into_iter();
    let with = disks.map(|disk| {
        let ours = ours(sysfs.partitions(&disk));
        (disk, ours)
    });
    with.filter(|(_, ours)| !ours.is_empty()).collect()
}

/// How this machine's volumes are read.
struct Machine<'a> {
    sysfs: &'a Sysfs,
    arrays: Arrays,
    open: Open<'a>,
}

impl<'a> Machine<'a> {
    fn new(sysfs: &'a Sysfs, disks: &[(String, Ours)], open: Open<'a>) -> Self {
        let parts = disks.iter().flat_map(|(_, ours)| ours);
        // Neither is ever a member.
        let may = parts.filter(|(purpose, _)| !matches!(purpose, Purpose::BiosBoot | Purpose::Esp));
        let arrays = Arrays::read(may.map(|(_, part)| part.node.as_path()), open);
        Self {
            sysfs,
            arrays,
            open,
        }
    }

    fn installations(&self, disks: &[(String, Ours)]) -> Vec<Installation> {
        let installed = disks.iter().filter(|(_, ours)| is_installation(ours));
        installed
            .map(|(disk, ours)| self.look(disk, ours))
            .collect()
    }

    fn look(&self, disk: &str, ours: &Ours) -> Installation {
        let node_of = |wanted| ours.iter().find(|(purpose, _)| *purpose == wanted);
        let boot_state = node_of(Purpose::Esp).and_then(|(_, partition)| {
            let device = (self.open)(&partition.node).ok()?;
            esp::load(device.as_ref()).ok()
        });
        let array = node_of(Purpose::State).and_then(|(_, part)| self.arrays.id_of(&part.node));
        Installation {
            disk: node(disk),
            drive: Drive::of(self.sysfs, disk),
            array: array.map(str::to_owned),
            boot: boot_state.as_ref().map(boot),
            facts: Facts::default(),
            volumes: ours.iter().map(|part| self.volume(part)).collect(),
        }
    }

    fn volume(&self, (purpose, partition): &(Purpose, KernelPartition)) -> Volume {
        let array = self.arrays.id_of(&partition.node).map(str::to_owned);
        let node = partition.node.clone();
        let content = match self.device(&node, array.as_deref(), *purpose) {
            Ok(device) => content(*purpose, device.as_ref()),
            Err(error) => Content::Unreadable { error },
        };
        Volume {
            name: *purpose,
            node,
            size: partition.size,
            array,
            content,
        }
    }

    /// What is in a volume. Firmware and GRUB read a slot from its own disk, and so do we.
    fn device(
        &self,
        node: &Path,
        array: Option<&str>,
        purpose: Purpose,
    ) -> Result<Box<dyn BlockDevice>, String> {
        match array {
            Some(id) if purpose.is_read_by_linux_alone() => {
                self.arrays.open(id, self.sysfs, self.open)
            }
            _ => (self.open)(node).map_err(|error| error.to_string()),
        }
    }
}

/// The partitions that have a name of ours.
fn ours(partitions: Vec<KernelPartition>) -> Vec<(Purpose, KernelPartition)> {
    let named = partitions.into_iter().filter_map(|partition| {
        let purpose = Purpose::try_from(partition.name.clone()?).ok()?;
        Some((purpose, partition))
    });
    named.collect()
}

/// A disk with only a state or data volume of ours is a part of one, not one.
fn is_installation(ours: &[(Purpose, KernelPartition)]) -> bool {
    [Purpose::Esp, Purpose::System(Slot::A), Purpose::State]
        .iter()
        .all(|needed| ours.iter().any(|(purpose, _)| purpose == needed))
}

fn boot(state: &BootState) -> Boot {
    Boot {
        first: state.first,
        a: state.slot(Slot::A),
        b: state.slot(Slot::B),
    }
}

/// Looks at a volume, expecting what its purpose wants there.
fn content(purpose: Purpose, device: &dyn BlockDevice) -> Content {
    let has = |kind: Kind| probe(device).iter().any(|found| found.kind == kind);
    match purpose {
        Purpose::BiosBoot => Content::Unmarked,
        Purpose::Esp if has(Kind::Fat) => Content::Fat,
        Purpose::Boot(_) | Purpose::System(_) if has(Kind::Squashfs) => Content::Image,
        Purpose::State | Purpose::Data(_) => match Superblock::read(device) {
            Ok(Some(superblock)) => Content::Ext4 { superblock },
            Ok(None) => Content::Missing,
            Err(error) => Content::Unreadable {
                error: error.to_string(),
            },
        },
        // The slot that was never filled.
        Purpose::Boot(Slot::B) | Purpose::System(Slot::B) => nothing(device, Content::Unmarked),
        _ => nothing(device, Content::Missing),
    }
}

/// What is said of a device on which nothing was found; a probe does not tell that from a device that
/// cannot be read.
fn nothing(device: &dyn BlockDevice, said: Content) -> Content {
    let mut first = vec![0; 4096.min(device.size().get()) as usize];
    match device.read_at(Bytes::ZERO, &mut first) {
        Ok(()) => said,
        Err(error) => Content::Unreadable {
            error: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use vigie_disk::{Error, MemoryDevice, SectorSize};

    const NAMES: [&str; 8] = [
        "vigie-bios",
        "vigie-esp",
        "boot-a",
        "boot-b",
        "system-a",
        "system-b",
        "state",
        "data-1",
    ];

    fn machine(names: &[&str]) -> (tempfile::TempDir, Sysfs) {
        let dir = tempfile::tempdir().unwrap();
        for (name, number) in names.iter().zip(1..) {
            let folder = dir.path().join(format!("block/vda/vda{number}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("partition"), number.to_string()).unwrap();
            fs::write(folder.join("uevent"), format!("PARTNAME={name}\n")).unwrap();
            fs::write(folder.join("size"), "8192\n").unwrap();
        }
        let sysfs = Sysfs::new(dir.path());
        (dir, sysfs)
    }

    /// A volume that begins as the test says: squashfs, ext4 with a state, or nothing.
    fn device(path: &Path) -> vigie_disk::Result<Box<dyn BlockDevice>> {
        let mut disk = MemoryDevice::new(Bytes::mib(4), SectorSize::S512);
        match path.to_str().unwrap() {
            "/dev/vda3" | "/dev/vda5" => disk.write_at(Bytes::ZERO, b"hsqs")?,
            "/dev/vda7" => {
                let mut block = vec![0; 1024];
                block[0x38..0x3C].copy_from_slice(&[0x53, 0xEF, 3, 0]);
                disk.write_at(Bytes::kib(1), &block)?;
            }
            "/dev/vda8" => return Err(Error::Parse("gone".to_owned())),
            _ => {}
        }
        Ok(Box::new(disk))
    }

    #[test]
    fn an_installation_is_told_volume_by_volume() {
        let (_dir, sysfs) = machine(&NAMES);
        let found = find(&sysfs, &device);
        let [installation] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (installation.disk.as_path(), installation.boot),
            (Path::new("/dev/vda"), None)
        );
        let attention: Vec<String> = installation
            .volumes
            .iter()
            .filter(|volume| volume.content.needs_attention())
            .map(|volume| volume.name.name())
            .collect();
        assert_eq!(attention, ["vigie-esp", "state", "data-1"]);
        let kinds: Vec<&Content> = installation
            .volumes
            .iter()
            .map(|one| &one.content)
            .collect();
        assert!(matches!(
            kinds[2..6],
            [
                Content::Image,
                Content::Unmarked,
                Content::Image,
                Content::Unmarked
            ]
        ));
        assert!(
            matches!(kinds[6], Content::Ext4 { superblock } if superblock.health == Health::Errors)
        );
        let json = serde_json::to_value(installation).unwrap();
        assert_eq!(json["volumes"][6]["name"], "state");
        assert_eq!(json["volumes"][6]["superblock"]["health"], "errors");
    }

    #[test]
    fn other_disks_are_none() {
        for names in [&NAMES[6..], &["data-1"], &["root", "home"], &[]] {
            let (_dir, sysfs) = machine(names);
            assert_eq!(find(&sysfs, &device), []);
        }
    }
}
