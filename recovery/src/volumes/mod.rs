//! An installation's volumes and what their first blocks say about them.

use std::path::{Path, PathBuf};

use serde::Serialize;
use vigie_disk::ext4::{Health, Superblock};
use vigie_disk::md;
use vigie_disk::probe::{Kind, probe};
use vigie_disk::sysfs::{KernelPartition, Sysfs, node};
use vigie_disk::{BlockDevice, Bytes, KernelDevice};
use vigie_installer::layout::Purpose;
use vigie_update::{BootState, Slot, SlotState, esp};

/// One installation: a disk with our partitions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Installation {
    /// The disk's device node.
    pub disk: PathBuf,
    /// The id of the array that its state volume lies on, where it lies on several disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// What GRUB will do, where the boot state can be read.
    pub boot: Option<Boot>,
    /// The volumes, in the order of their numbers.
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

/// All installations on a machine.
pub fn find(sysfs: &Sysfs, open: Open) -> Vec<Installation> {
    let disks = sysfs.disks().into_iter();
    disks
        .filter_map(|disk| {
            let ours = ours(sysfs.partitions(&disk));
            is_installation(&ours).then(|| look(&disk, &ours, open))
        })
        .collect()
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

fn look(disk: &str, ours: &[(Purpose, KernelPartition)], open: Open) -> Installation {
    let volume = |(purpose, partition): &(Purpose, KernelPartition)| Volume {
        name: *purpose,
        node: partition.node.clone(),
        size: partition.size,
        content: content(*purpose, open(&partition.node)),
    };
    let esp = ours.iter().find(|(purpose, _)| *purpose == Purpose::Esp);
    let state = esp.and_then(|(_, partition)| {
        let device = open(&partition.node).ok()?;
        esp::load(device.as_ref()).ok()
    });
    let part = ours.iter().find(|(purpose, _)| *purpose == Purpose::State);
    let array = part.and_then(|(_, partition)| {
        let device = open(&partition.node).ok()?;
        let superblock = md::Superblock::read(device.as_ref()).ok()??;
        Some(superblock.uuid.to_string())
    });
    Installation {
        disk: node(disk),
        array,
        boot: state.as_ref().map(boot),
        volumes: ours.iter().map(volume).collect(),
    }
}

fn boot(state: &BootState) -> Boot {
    Boot {
        first: state.first,
        a: state.slot(Slot::A),
        b: state.slot(Slot::B),
    }
}

/// Looks at a volume, expecting what its purpose wants there.
fn content(purpose: Purpose, device: vigie_disk::Result<Box<dyn BlockDevice>>) -> Content {
    let device = match device {
        Ok(device) => device,
        Err(error) => {
            let error = error.to_string();
            return Content::Unreadable { error };
        }
    };
    let has = |kind: Kind| {
        probe(device.as_ref())
            .iter()
            .any(|found| found.kind == kind)
    };
    match purpose {
        Purpose::BiosBoot => Content::Unmarked,
        Purpose::Esp if has(Kind::Fat) => Content::Fat,
        Purpose::Boot(_) | Purpose::System(_) if has(Kind::Squashfs) => Content::Image,
        Purpose::State | Purpose::Data(_) => match Superblock::read(device.as_ref()) {
            Ok(Some(superblock)) => Content::Ext4 { superblock },
            Ok(None) => Content::Missing,
            Err(error) => Content::Unreadable {
                error: error.to_string(),
            },
        },
        // The slot that was never filled.
        Purpose::Boot(Slot::B) | Purpose::System(Slot::B) => Content::Unmarked,
        _ => Content::Missing,
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
