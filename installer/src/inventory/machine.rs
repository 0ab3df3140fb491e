//! Takes the inventory of a machine, from what its kernel says.

use std::fs;
use std::path::Path;

use vigie_disk::Bytes;
use vigie_disk::sysfs::{Sysfs, node};

use super::{Disk, Firmware, Inventory, Use, arrays, contents, serial};
use crate::answers::Bus;

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
        let names: Vec<String> = names.filter(|name| is_disk(&self.sysfs, name)).collect();
        Inventory {
            firmware: self.firmware,
            disks: names.iter().map(|name| self.disk(name)).collect(),
            arrays: match self.probe {
                true => arrays::find(&self.sysfs, &names),
                false => Vec::new(),
            },
        }
    }

    fn disk(&self, name: &str) -> Disk {
        let of = |attribute: &str| self.sysfs.attribute(name, attribute);
        let flag = |attribute: &str| of(attribute).as_deref() == Some("1");
        let path = node(name);
        let mounts = self.mounts_of(name);
        let (partitions, mbr) = match self.probe {
            true => contents::partitions(name),
            false => Default::default(),
        };
        Disk {
            links: links_to(&path),
            path: path.display().to_string(),
            model: of("device/model"),
            serial: serial::of(&self.sysfs, name),
            wwn: of("device/wwid").or_else(|| of("wwid")),
            bus: bus(&self.sysfs, name),
            size: self.sysfs.size(name),
            sector_size: of("queue/logical_block_size")
                .and_then(|text| text.parse().ok())
                .unwrap_or(512),
            removable: flag("removable"),
            read_only: flag("ro"),
            unreadable: match self.probe {
                true => contents::trouble(name),
                false => None,
            },
            boot_medium: mounts.iter().any(|place| place == "/run/medium"),
            in_use: self.uses(name, &mounts),
            contents: match self.probe {
                true => contents::of_disk(&self.sysfs, name),
                false => Vec::new(),
            },
            partitions,
            mbr,
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
pub fn is_disk(sysfs: &Sysfs, name: &str) -> bool {
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

/// What a disk is connected by, from the place of its device in the tree of
/// devices: a virtio controller of SCSI disks is SCSI, a USB stick has a SCSI host too.
fn bus(sysfs: &Sysfs, name: &str) -> Option<Bus> {
    let place = fs::canonicalize(sysfs.disk_folder(name)).ok()?;
    bus_of_place(place.to_str()?)
}

fn bus_of_place(place: &str) -> Option<Bus> {
    let has = |start: &str| {
        place.split('/').any(|part| {
            part.strip_prefix(start)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    };
    [
        ("usb", Bus::Usb),
        ("nvme", Bus::Nvme),
        ("mmc", Bus::Mmc),
        ("ata", Bus::Sata),
        ("host", Bus::Scsi),
        ("virtio", Bus::Virtio),
    ]
    .into_iter()
    .find_map(|(start, bus)| has(start).then_some(bus))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buses() {
        for (place, expected) in [
            (
                "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda",
                Some(Bus::Sata),
            ),
            (
                "pci0000:00/0000:00:14.0/usb2/2-3/2-3:1.0/host6/target6:0:0/6:0:0:0/block/sdb",
                Some(Bus::Usb),
            ),
            (
                "pci0000:00/0000:01:00.0/host1/port-1:0/end_device-1:0/target1:0:0/1:0:0:0/block/sdc",
                Some(Bus::Scsi),
            ),
            (
                "pci0000:00/0000:00:05.0/virtio2/block/vda",
                Some(Bus::Virtio),
            ),
            (
                "pci0000:00/0000:00:05.0/virtio2/host2/target2:0:0/2:0:0:0/block/sda",
                Some(Bus::Scsi),
            ),
            (
                "pci0000:00/0000:02:00.0/nvme/nvme0/nvme0n1",
                Some(Bus::Nvme),
            ),
            (
                "platform/80860F14:00/mmc_host/mmc0/mmc0:0001/block/mmcblk0",
                Some(Bus::Mmc),
            ),
            ("vbd-51712/block/xvda", None),
        ] {
            assert_eq!(
                bus_of_place(&format!("/sys/devices/{place}")),
                expected,
                "{place}"
            );
        }
    }

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

    /// In recovery without a medium, as on an appliance: verity holds a partition of that disk, alone
    /// or by an array, and what is in use is no target (`plans/in-use-and-read-only`).
    #[test]
    fn the_disk_that_the_system_runs_from_is_in_use() {
        let (_dir, machine) = machine(
            &[
                ("sda/dev", "8:0\n"),
                ("sda/size", "3907029168\n"),
                ("sda/sda5/partition", "5\n"),
                ("sda/sda5/holders/dm-0/x", ""),
                ("sdb/dev", "8:16\n"),
                ("sdb/size", "3907029168\n"),
                ("sdb/sdb5/partition", "5\n"),
                ("sdb/sdb5/holders/md127/x", ""),
            ],
            "20 1 254:0 / / ro - squashfs /dev/dm-0 ro\n",
            "",
        );
        let uses = machine
            .inventory()
            .disks
            .into_iter()
            .map(|disk| disk.in_use);
        let part_of = |name: &str| vec![Use::PartOf(name.to_owned())];
        assert_eq!(
            uses.collect::<Vec<_>>(),
            [part_of("dm-0"), part_of("md127")]
        );
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
        assert_eq!(sda.title(), "/dev/sda, 2 TB, ST2000NM0008, S/N ZA1234XY");
    }
}
