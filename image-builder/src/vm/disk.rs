//! The disks of a virtual machine, and how they are attached.

use std::fmt;
use std::path::PathBuf;

/// How a disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk: /dev/vda.
    Virtio,
    /// AHCI: /dev/sda.
    Sata,
    /// NVMe: /dev/nvme0n1.
    Nvme,
    /// A USB stick: /dev/sda.
    Usb,
    /// A CD in a SATA drive: /dev/sr0.
    Cd,
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bus::Virtio => "virtio",
            Bus::Sata => "sata",
            Bus::Nvme => "nvme",
            Bus::Usb => "usb",
            Bus::Cd => "cd",
        })
    }
}

/// The format of a disk's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the disk.
    Raw,
    /// QEMU's own, for overlays.
    Qcow2,
}

/// Logical and physical sector size, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorSize {
    /// What a block address counts.
    pub logical: u32,
    /// What the disk says it writes at once.
    pub physical: u32,
}

impl SectorSize {
    /// 512 bytes, both.
    pub const B512: SectorSize = SectorSize {
        logical: 512,
        physical: 512,
    };
    /// 512 bytes logical over 4096 physical ("512e").
    pub const B512E: SectorSize = SectorSize {
        logical: 512,
        physical: 4096,
    };
    /// 4096 bytes, both ("4Kn").
    pub const B4096: SectorSize = SectorSize {
        logical: 4096,
        physical: 4096,
    };
}

/// One disk of a machine.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The file behind it.
    pub path: PathBuf,
    /// How it is attached.
    pub bus: Bus,
    /// The file's format.
    pub format: Format,
    /// The serial number that the guest reads; `disk-N` when absent.
    pub serial: Option<String>,
    /// The world-wide name that the guest reads, of 64 bits; SATA disks only.
    pub wwn: Option<u64>,
    /// Sector sizes.
    pub sectors: SectorSize,
    /// What the guest writes is thrown away when the machine ends.
    pub throwaway: bool,
    /// The guest cannot write.
    pub read_only: bool,
    /// The firmware may boot from it, in the order of the disks.
    pub bootable: bool,
    /// Discarded blocks leave holes in the file. Without, QEMU takes a discard and does nothing.
    pub discards: bool,
    /// Flushes reach the host's disk. Without, they stop at QEMU: faster, and still safe
    /// against `kill -9` of QEMU on a raw file, whose writes are in the host's page cache.
    pub durable: bool,
    /// Where reading or writing fails: a configuration of QEMU's blkdebug driver.
    pub faults: Option<PathBuf>,
}

impl Disk {
    /// A bootable, writable raw disk with 512-byte sectors; a CD is read-only.
    pub fn new(path: impl Into<PathBuf>, bus: Bus) -> Disk {
        Disk {
            path: path.into(),
            bus,
            format: Format::Raw,
            serial: None,
            wwn: None,
            sectors: SectorSize::B512,
            throwaway: false,
            read_only: bus == Bus::Cd,
            bootable: true,
            discards: true,
            durable: false,
            faults: None,
        }
    }

    /// The file is qcow2.
    pub fn qcow2(mut self) -> Disk {
        self.format = Format::Qcow2;
        self
    }

    /// The serial number that the guest reads.
    pub fn serial(mut self, serial: &str) -> Disk {
        self.serial = Some(serial.to_owned());
        self
    }

    /// Reading or writing fails where this file says (QEMU's docs/devel/blkdebug.txt). Neither its
    /// path nor the disk's may have a colon.
    pub fn faults(mut self, configuration: impl Into<PathBuf>) -> Disk {
        self.faults = Some(configuration.into());
        self
    }

    /// The world-wide name that the guest reads.
    pub fn wwn(mut self, wwn: u64) -> Disk {
        self.wwn = Some(wwn);
        self
    }

    /// Other sector sizes.
    pub fn sectors(mut self, sectors: SectorSize) -> Disk {
        self.sectors = sectors;
        self
    }

    /// The file stays as it is: what the guest writes is thrown away at the end.
    pub fn throwaway(mut self) -> Disk {
        self.throwaway = true;
        self
    }

    /// The firmware does not boot from it.
    pub fn data_only(mut self) -> Disk {
        self.bootable = false;
        self
    }

    /// A discard does nothing: for qcow2 files of many terabytes, which would note every one of
    /// the disk's clusters.
    pub fn without_discards(mut self) -> Disk {
        self.discards = false;
        self
    }

    /// Flushes reach the host's disk.
    pub fn durable(mut self) -> Disk {
        self.durable = true;
        self
    }
}
