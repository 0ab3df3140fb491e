//! What is on a disk or partition, from its signatures.
//!
//! Used to refuse a disk that carries something, to tell a person what that is,
//! and to find the volume of an unattended installation. Any bytes are taken:
//! what is not understood is not named, and unreadable places count as empty.

use serde::{Deserialize, Serialize};

use crate::device::{BlockDevice, read_vec};
use crate::ext4::{Superblock, text};
use crate::units::Bytes;

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Its label, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its UUID, where it has one and it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// The kinds that are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A GUID partition table.
    Gpt,
    /// An MBR partition table.
    Mbr,
    /// ext2, ext3 or ext4.
    Ext,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// exFAT.
    Exfat,
    /// NTFS.
    Ntfs,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// Squashfs.
    Squashfs,
    /// ISO 9660.
    Iso9660,
    /// LVM physical volume.
    Lvm,
    /// Member of an md array.
    Md,
    /// LUKS.
    Luks,
    /// Swap area.
    Swap,
    /// ZFS member.
    Zfs,
}

impl Kind {
    /// As it is called in messages, in any language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpt => "GPT",
            Self::Mbr => "MBR",
            Self::Ext => "ext4",
            Self::Fat => "FAT",
            Self::Exfat => "exFAT",
            Self::Ntfs => "NTFS",
            Self::Xfs => "XFS",
            Self::Btrfs => "Btrfs",
            Self::Squashfs => "squashfs",
            Self::Iso9660 => "ISO 9660",
            Self::Lvm => "LVM",
            Self::Md => "md RAID",
            Self::Luks => "LUKS",
            Self::Swap => "swap",
            Self::Zfs => "ZFS",
        }
    }
}

/// A signature that is bytes at a place.
struct Magic(Kind, u64, &'static [u8]);

const MAGICS: &[Magic] = &[
    Magic(Kind::Exfat, 3, b"EXFAT   "),
    Magic(Kind::Ntfs, 3, b"NTFS    "),
    Magic(Kind::Xfs, 0, b"XFSB"),
    Magic(Kind::Btrfs, 0x10040, b"_BHRfS_M"),
    Magic(Kind::Squashfs, 0, b"hsqs"),
    Magic(Kind::Lvm, 0x218, b"LVM2 001"),
    Magic(Kind::Lvm, 0x018, b"LVM2 001"),
    Magic(Kind::Luks, 0, b"LUKS\xBA\xBE"),
    Magic(Kind::Swap, 0xFF6, b"SWAPSPACE2"),
    Magic(Kind::Md, 0x1000, &[0xFC, 0x4E, 0x2B, 0xA9]),
    Magic(Kind::Md, 0, &[0xFC, 0x4E, 0x2B, 0xA9]),
    Magic(Kind::Zfs, 0x20000, &[0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0]),
];

/// Everything recognised on a device; empty for a blank one.
pub fn probe(device: &dyn BlockDevice) -> Vec<Found> {
    let mut found = Vec::new();
    found.extend(gpt(device));
    found.extend(fat_or_mbr(device));
    if let Ok(Some(superblock)) = Superblock::read(device) {
        found.push(Found {
            uuid: Some(superblock.uuid),
            ..named(Kind::Ext, &superblock.label)
        });
    }
    found.extend(iso(device));
    for Magic(kind, at, magic) in MAGICS {
        let here = at_offset(device, *at, magic.len());
        if here.as_deref() == Some(magic) && found.iter().all(|one| one.kind != *kind) {
            found.push(named(*kind, &label(device, *kind)));
        }
    }
    found.extend(md_at_end(device));
    found
}

fn named(kind: Kind, label: &str) -> Found {
    Found {
        kind,
        label: (!label.is_empty()).then(|| label.to_owned()),
        uuid: None,
    }
}

/// Bytes at an offset; none where the device is shorter or cannot be read.
fn at_offset(device: &dyn BlockDevice, offset: u64, length: usize) -> Option<Vec<u8>> {
    read_vec(device, Bytes::new(offset), length).ok()
}

fn gpt(device: &dyn BlockDevice) -> Option<Found> {
    let sector = device.sector_size().get();
    let last = (device.size().get() / sector).checked_sub(1)? * sector;
    // Also a table made for the other sector size, as on an image copied between disks.
    [512, 4096, last]
        .iter()
        .any(|at| at_offset(device, *at, 8).as_deref() == Some(b"EFI PART"))
        .then(|| named(Kind::Gpt, ""))
}

/// Sector 0 is a FAT boot sector, a partition table, or neither.
fn fat_or_mbr(device: &dyn BlockDevice) -> Option<Found> {
    let sector = at_offset(device, 0, 512)?;
    if sector[510..] != [0x55, 0xAA] {
        return None;
    }
    if let Some(label) = fat_label(&sector) {
        return Some(named(Kind::Fat, &label));
    }
    let entries = sector[446..510].chunks(16);
    let used = |entry: &[u8]| entry[4] != 0 && entry[4] != 0xEE && matches!(entry[0], 0 | 0x80);
    entries.clone().any(used).then(|| named(Kind::Mbr, ""))
}

/// The label in a FAT boot sector; none where it is no FAT.
fn fat_label(sector: &[u8]) -> Option<String> {
    let bytes_per_sector = u16::from_le_bytes([sector[11], sector[12]]);
    let plausible = matches!(bytes_per_sector, 512 | 1024 | 2048 | 4096)
        && sector[13].is_power_of_two()
        && (1..=2).contains(&sector[16])
        && sector[21] >= 0xF0;
    let label_at = if &sector[82..87] == b"FAT32" {
        71
    } else if &sector[54..57] == b"FAT" {
        43
    } else {
        return None;
    };
    let label = text(&sector[label_at..label_at + 11]);
    plausible.then(|| {
        if label == "NO NAME" {
            String::new()
        } else {
            label
        }
    })
}

fn iso(device: &dyn BlockDevice) -> Option<Found> {
    let descriptor = at_offset(device, 0x8000, 72)?;
    (&descriptor[1..6] == b"CD001").then(|| named(Kind::Iso9660, &text(&descriptor[40..72])))
}

/// The label field of the formats that have one at a fixed place.
fn label(device: &dyn BlockDevice, kind: Kind) -> String {
    let (at, length) = match kind {
        Kind::Xfs => (108, 12),
        Kind::Btrfs => (0x1012B, 256),
        Kind::Swap => (0x41C, 16),
        _ => return String::new(),
    };
    at_offset(device, at, length).map_or_else(String::new, |field| text(&field))
}

/// md formats 0.90 and 1.0 keep their superblock near the end.
fn md_at_end(device: &dyn BlockDevice) -> Option<Found> {
    let size = device.size().get();
    let v090 = (size & !0xFFFF).checked_sub(0x10000);
    let v10 = (size & !0xFFF).checked_sub(0x2000);
    let magic = [0xFC, 0x4E, 0x2B, 0xA9];
    [v090, v10]
        .into_iter()
        .flatten()
        .any(|at| at_offset(device, at, 4).as_deref() == Some(&magic))
        .then(|| named(Kind::Md, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryDevice;
    use crate::units::SectorSize;

    fn disk(writes: &[(u64, &[u8])]) -> MemoryDevice {
        let mut disk = MemoryDevice::new(Bytes::mib(4), SectorSize::S512);
        for (at, bytes) in writes {
            disk.write_at(Bytes::new(*at), bytes).unwrap();
        }
        disk
    }

    #[test]
    fn signatures() {
        let mut fat = vec![0; 512];
        fat[11..14].copy_from_slice(&[0, 2, 8]);
        fat[16] = 2;
        fat[21] = 0xF8;
        fat[71..82].copy_from_slice(b"PROVISION  ");
        fat[82..87].copy_from_slice(b"FAT32");
        fat[510..].copy_from_slice(&[0x55, 0xAA]);
        let mut mbr = vec![0; 512];
        mbr[450] = 0x83;
        mbr[510..].copy_from_slice(&[0x55, 0xAA]);
        let mut iso = vec![1];
        iso.extend(b"CD001\x01\0");
        iso.extend([b' '; 32]);
        iso.extend(b"VIGIE_LIVE                      ");
        let md = [0xFC, 0x4E, 0x2B, 0xA9];
        type Case<'a> = (Vec<(u64, &'a [u8])>, &'a str);
        let cases: Vec<Case> = vec![
            (vec![], ""),
            (vec![(0, &fat)], "FAT:PROVISION"),
            (vec![(0, &mbr)], "MBR:"),
            (vec![(512, b"EFI PART")], "GPT:"),
            (vec![((4 << 20) - 512, b"EFI PART")], "GPT:"),
            (vec![(0, b"hsqs")], "squashfs:"),
            (vec![(0, &mbr), (0x8000, &iso)], "MBR:,ISO 9660:VIGIE_LIVE"),
            (vec![((4 << 20) - 0x10000, &md)], "md RAID:"),
            (vec![((4 << 20) - 0x2000, &md)], "md RAID:"),
            (vec![(0x1000, &md), (0x218, b"LVM2 001")], "LVM:,md RAID:"),
        ];
        for (writes, expected) in cases {
            let found: Vec<String> = probe(&disk(&writes))
                .into_iter()
                .map(|one| format!("{}:{}", one.kind.name(), one.label.unwrap_or_default()))
                .collect();
            assert_eq!(found.join(","), expected);
        }
    }

    #[test]
    fn garbage_and_tiny_devices_do_not_panic() {
        for size in [0, 1, 511, 512, 513, 4096, 65_536] {
            let mut disk = MemoryDevice::new(Bytes::new(size), SectorSize::S512);
            probe(&disk);
            disk.write_at(Bytes::ZERO, &vec![0xFF; size as usize])
                .unwrap();
            probe(&disk);
        }
    }
}
