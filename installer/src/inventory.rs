//! The machine's disks, what they are and what is on them.
//!
//! An inventory is a plain value: recorded as JSON it is the input of the
//! planner's tests. Names, sizes and sectors come from the kernel.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use vigie_disk::probe::{Found, probe};
use vigie_disk::sysfs::{Sysfs, node};
use vigie_disk::{BlockDevice, Bytes, KernelDevice, SectorSize};

use crate::messages::Text;

/// What the planner may choose from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// How the machine was started.
    pub firmware: Firmware,
    /// Its disks.
    pub disks: Vec<Disk>,
}

/// The firmware that started the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// The old one; it cannot start from disks with sectors of 4096 bytes.
    Bios,
    /// UEFI.
    Uefi,
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Its device node.
    pub path: String,
    /// Links to it below /dev/disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// Model, as it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number, as it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// World-wide name, as it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Size.
    pub size: Bytes,
    /// Logical sector size; another number than 512 or 4096 is kept as it is.
    pub sector_size: u64,
    /// A medium that people pull out.
    #[serde(default)]
    pub removable: bool,
    /// Write-protected.
    #[serde(default)]
    pub read_only: bool,
    /// The running live system comes from it.
    #[serde(default)]
    pub boot_medium: bool,
    /// What uses it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_use: Vec<Use>,
    /// What is on it; empty for a blank disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Content>,
}

/// How a disk is used at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Something on it is mounted here.
    Mounted(String),
    /// It is a part of this array or mapping.
    PartOf(String),
    /// This area of it is used for swapping.
    Swap(String),
}

impl Use {
    /// For a person.
    pub fn text(&self) -> Text {
        match self {
            Self::Mounted(place) => Text::new("use.mounted").with("place", place),
            Self::PartOf(name) => Text::new("use.part").with("name", name),
            Self::Swap(place) => Text::new("use.swap").with("place", place),
        }
    }
}

/// Something on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Number of the partition; none for the disk as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Name of the partition in its table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub found: Found,
}

impl Disk {
    /// Its sector size, where it is one that we support.
    pub fn sector(&self) -> Option<SectorSize> {
        SectorSize::try_from(self.sector_size).ok()
    }

    /// One line for a person: "/dev/vda, 8 GB, QEMU HARDDISK, serial 1234".
    pub fn title(&self) -> String {
        let mut title = format!("{}, {}", self.path, self.size);
        if let Some(model) = &self.model {
            title += &format!(", {model}");
        }
        if let Some(serial) = &self.serial {
            title += &format!(", serial {serial}");
        }
        title
    }

    /// What is on it in short: "GPT, ext4 \"state\"".
    pub fn contents_in_short(&self) -> String {
        let words: Vec<String> = self
            .contents
            .iter()
            .map(|content| match &content.found.label {
                Some(label) => format!("{} \"{label}\"", content.found.kind.name()),
                None => content.found.kind.name().to_owned(),
            })
            .collect();
        words.join(", ")
    }
}

/// Where an inventory is taken from; tests point it elsewhere.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel's list of disks.
    pub sysfs: Sysfs,
    /// The kernel's list of mounts.
    pub mounts: String,
    /// The kernel's list of swap areas.
    pub swaps: String,
    /// Whether to open the disks and look at what is on them.
    pub probe: bool,
    /// How the machine was started.
    pub firmware: Firmware,
}

impl Machine {
    /// The running machine.
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let efi = Path::new("/sys/firmware/efi").exists();
        Self {
            sysfs: Sysfs::default(),
            mounts: read("/proc/self/mountinfo"),
            swaps: read("/proc/swaps"),
            probe: true,
            firmware: if efi { Firmware::Uefi } else { Firmware::Bios },
        }
    }

    /// Takes the inventory.
    pub fn inventory(&self) -> Inventory {
        let names = self.sysfs.disks().into_iter();
        let disks = names.filter(|name| is_disk(&self.sysfs, name));
        Inventory {
            firmware: self.firmware,
            disks: disks.map(|name| self.disk(&name)).collect(),
        }
    }

    fn disk(&self, name: &str) -> Disk {
        let of = |attribute: &str| self.sysfs.attribute(name, attribute);
        let flag = |attribute: &str| of(attribute).as_deref() == Some("1");
        let path = node(name);
        let mounts = self.mounts_of(name);
        Disk {
            links: links_to(&path),
            path: path.display().to_string(),
            model: of("device/model"),
            serial: of("device/serial")
                .or_else(|| of("serial"))
                .or_else(|| page_80(&self.sysfs, name)),
            wwn: of("device/wwid").or_else(|| of("wwid")),
            size: self.sysfs.size(name),
            sector_size: of("queue/logical_block_size")
                .and_then(|text| text.parse().ok())
                .unwrap_or(512),
            removable: flag("removable"),
            read_only: flag("ro"),
            boot_medium: mounts.iter().any(|place| place == "/run/medium"),
            in_use: self.uses(name, &mounts),
            contents: if self.probe {
                contents(&self.sysfs, name)
            } else {
                Vec::new()
            },
        }
    }

    /// Where the disk and its partitions are mounted.
    fn mounts_of(&self, name: &str) -> Vec<String> {
        let numbers = self.sysfs.numbers(name);
        // Fields of mountinfo (proc(5)): id, parent, major:minor, root, mount point.
        let fields = |line: &str| {
            let mut words = line.split(' ').skip(2);
            Some((words.next()?.to_owned(), words.nth(1)?.to_owned()))
        };
        self.mounts
            .lines()
            .filter_map(fields)
            .filter(|(number, _)| numbers.contains(number))
            .map(|(_, place)| place)
            .collect()
    }

    fn uses(&self, name: &str, mounts: &[String]) -> Vec<Use> {
        let mut uses: Vec<Use> = mounts.iter().cloned().map(Use::Mounted).collect();
        uses.extend(self.sysfs.holders(name).into_iter().map(Use::PartOf));
        let nodes = self.sysfs.partitions(name).into_iter().map(|one| one.node);
        for path in nodes.chain([node(name)]) {
            let path = path.display().to_string();
            if self
                .swaps
                .lines()
                .any(|line| line.split_whitespace().next() == Some(path.as_str()))
            {
                uses.push(Use::Swap(path));
            }
        }
        uses
    }
}

/// Real disks: what has a device behind it, or is a hardware disk by name; no
/// loop, RAM, optical, mapped or assembled device, and none without a size.
fn is_disk(sysfs: &Sysfs, name: &str) -> bool {
    let virtual_kinds = ["loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd"];
    let is_virtual = virtual_kinds.iter().any(|kind| {
        name.strip_prefix(kind)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    // eMMC has its boot and RPMB areas as disks of their own.
    let is_emmc_area =
        name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
    !is_virtual && !is_emmc_area && sysfs.size(name) > Bytes::ZERO
}

/// SCSI and SATA disks tell their serial number in VPD page 0x80, in binary.
fn page_80(sysfs: &Sysfs, name: &str) -> Option<String> {
    let page = fs::read(sysfs.disk_folder(name).join("device/vpd_pg80")).ok()?;
    let serial = String::from_utf8_lossy(page.get(4..)?).trim().to_owned();
    (!serial.is_empty()).then_some(serial)
}

/// The links of /dev/disk that lead to a node, sorted.
fn links_to(path: &Path) -> Vec<String> {
    let mut links = Vec::new();
    for folder in ["/dev/disk/by-id", "/dev/disk/by-path"] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let link = entry.path();
            if link.canonicalize().ok().as_deref() == Some(path) {
                links.push(link.display().to_string());
            }
        }
    }
    links.sort();
    links
}

/// What is on a disk and its partitions; what cannot be opened counts as empty.
fn contents(sysfs: &Sysfs, name: &str) -> Vec<Content> {
    let look = |path: &Path| {
        KernelDevice::open_read_only(path).map_or_else(|_| Vec::new(), |device| probe(&device))
    };
    let whole = look(&node(name)).into_iter().map(|found| Content {
        partition: None,
        name: None,
        found,
    });
    let mut contents: Vec<Content> = whole.collect();
    for partition in sysfs.partitions(name) {
        contents.extend(look(&partition.node).into_iter().map(|found| Content {
            partition: Some(partition.number),
            name: partition.name.clone(),
            found,
        }));
    }
    contents
}

/// What is on a disk that is at hand as a device, its partitions not looked at.
pub fn contents_of(device: &dyn BlockDevice) -> Vec<Content> {
    let found = probe(device).into_iter();
    found
        .map(|found| Content {
            partition: None,
            name: None,
            found,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)], mounts: &str, swaps: &str) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().unwrap();
        for (path, contents) in files {
            let path = dir.path().join("block").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let machine = Machine {
            sysfs: Sysfs::new(dir.path()),
            mounts: mounts.to_owned(),
            swaps: swaps.to_owned(),
            probe: false,
            firmware: Firmware::Uefi,
        };
        (dir, machine)
    }

    #[test]
    fn a_server_with_a_stick() {
        let (_dir, machine) = machine(
            &[
                ("sda/dev", "8:0\n"),
                ("sda/size", "3907029168\n"),
                ("sda/queue/logical_block_size", "512\n"),
                ("sda/device/model", "ST2000NM0008    \n"),
                ("sda/device/vpd_pg80", "\0\u{1}\0\u{8}ZA1234XY"),
                ("sda/device/wwid", "naa.5000c500a1b2c3d4\n"),
                ("sda/sda1/partition", "1\n"),
                ("sda/sda1/dev", "8:1\n"),
                ("sda/sda1/holders/md0/x", ""),
                ("sdb/dev", "8:16\n"),
                ("sdb/size", "15728640\n"),
                ("sdb/removable", "1\n"),
                ("sdb/sdb1/partition", "1\n"),
                ("sdb/sdb1/dev", "8:17\n"),
                ("nvme0n1/dev", "259:0\n"),
                ("nvme0n1/size", "15625000\n"),
                ("nvme0n1/ro", "1\n"),
                ("nvme0n1/device/serial", "S4XX \n"),
                ("sr0/size", "2097151\n"),
                ("loop0/size", "100\n"),
                ("sdc/size", "0\n"),
                ("mmcblk0boot0/size", "8192\n"),
            ],
            "22 1 8:17 / /run/medium ro - iso9660 /dev/sdb1 ro\n",
            "Filename Type\n/dev/nvme0n1 partition 1 0 -2\n",
        );
        let disks = machine.inventory().disks;
        let paths: Vec<&str> = disks.iter().map(|disk| disk.path.as_str()).collect();
        assert_eq!(paths, ["/dev/nvme0n1", "/dev/sda", "/dev/sdb"]);
        let [nvme, sda, sdb] = &disks[..] else {
            panic!("three disks")
        };
        assert!(nvme.read_only && nvme.in_use == [Use::Swap("/dev/nvme0n1".to_owned())]);
        assert_eq!(nvme.serial.as_deref(), Some("S4XX"));
        assert_eq!(sda.serial.as_deref(), Some("ZA1234XY"));
        assert_eq!(sda.model.as_deref(), Some("ST2000NM0008"));
        assert_eq!(sda.in_use, [Use::PartOf("md0".to_owned())]);
        assert!(sdb.boot_medium && sdb.removable);
        assert_eq!(sda.title(), "/dev/sda, 2 TB, ST2000NM0008, serial ZA1234XY");
    }
}
