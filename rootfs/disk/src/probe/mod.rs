//! What is on a disk or partition, from its signatures.
//!
//! Used to refuse a disk that carries something, to tell a person what that is,
//! and to find the volume of an unattended installation. Any bytes are taken:
//! what is not understood is not named, and unreadable places count as empty.

mod blank;
mod kind;

use serde::{Deserialize, Serialize};

use crate::device::{BlockDevice, read_vec};
use crate::ext4::{Superblock, text, uuid_text};
use crate::md;
use crate::units::Bytes;

pub use blank::{EDGE, is_blank};
pub use kind::Kind;

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Its label, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its UUID, where it has one and it is read: with dashes; that of an md array as mdadm writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
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
    Magic(Kind::Zfs, 0x20000, &[0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0]),
    Magic(
        Kind::Bcache,
        0x1018,
        b"\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81",
    ),
    Magic(
        Kind::Bcachefs,
        0x1018,
        b"\xC6\x85\x73\xF6\x66\xCE\x90\xA9\xD9\x6A\x60\xCF\x80\x3D\xF7\xEF",
    ),
    Magic(Kind::Vmfs, 0x20_0000, b"\x5E\xF1\xAB\x2F"),
    Magic(Kind::Vmfs, 0x10_0000, b"\x0D\xD0\x01\xC0"),
    Magic(Kind::Refs, 0, b"\0\0\0ReFS\0"),
    // The superblock of UFS2 is at 64 KiB, that of UFS1 at 8 KiB, its magic at 1372 in either.
    Magic(Kind::Ufs, 0x1_055C, &0x1954_0119_u32.to_le_bytes()),
    Magic(Kind::Ufs, 0x255C, &0x0001_1954_u32.to_le_bytes()),
    Magic(Kind::F2fs, 0x400, &0xF2F5_2010_u32.to_le_bytes()),
    Magic(Kind::Jfs, 0x8000, b"JFS1"),
    Magic(Kind::Reiserfs, 0x1_0034, b"ReIsEr"),
    // The volume recognition sequence (ECMA-167, 2/8): where ISO 9660 is on it too, one sector later.
    Magic(Kind::Udf, 0x8001, b"BEA01"),
    Magic(Kind::Udf, 0x8801, b"BEA01"),
    Magic(Kind::Udf, 0x9001, b"BEA01"),
];

/// Everything that is recognised lies in so many bytes at the start or
/// [`TAIL`] at the end of a device: zeroing both leaves nothing to find.
pub const HEAD: Bytes = Bytes::mib(3);
/// See [`HEAD`].
pub const TAIL: Bytes = Bytes::MIB;

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
            found.push(Found {
                uuid: uuid(device, *kind),
                ..named(*kind, &label(device, *kind))
            });
        }
    }
    found.extend(apfs(device));
    found.extend(hfs_plus(device));
    found.extend(md(device));
    found.extend(firmware_raid(device));
    found.extend(drbd(device));
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

/// The UUID of the formats that have one at a fixed place; none where it is all zeros.
fn uuid(device: &dyn BlockDevice, kind: Kind) -> Option<String> {
    let at = match kind {
        Kind::Xfs => 32,
        Kind::Btrfs => 0x10020,
        Kind::Swap => 0x40C,
        Kind::Bcache => 0x1028,
        Kind::Bcachefs => 0x1038,
        Kind::Luks => {
            let text = text(&at_offset(device, 168, 40)?);
            return (!text.is_empty()).then_some(text);
        }
        _ => return None,
    };
    let bytes = at_offset(device, at, 16)?;
    let given = bytes.iter().any(|byte| *byte != 0);
    given.then(|| uuid_text(&bytes))
}

/// A container's first block: an object of type 1 with the magic in it.
fn apfs(device: &dyn BlockDevice) -> Option<Found> {
    let block = at_offset(device, 0, 88)?;
    let is = &block[32..36] == b"NXSB" && block[24..26] == [1, 0];
    is.then(|| Found {
        uuid: Some(uuid_text(&block[72..88])),
        ..named(Kind::Apfs, "")
    })
}

/// Two letters are not enough: the version and the size of blocks must fit them.
fn hfs_plus(device: &dyn BlockDevice) -> Option<Found> {
    let header = at_offset(device, 1024, 44)?;
    let version = matches!(&header[..4], b"H+\0\x04" | b"HX\0\x05");
    let block = u32::from_be_bytes(header[40..44].try_into().ok()?);
    (version && block >= 512 && block.is_power_of_two()).then(|| named(Kind::HfsPlus, ""))
}

/// A member of an md array, whole or damaged, of any version.
fn md(device: &dyn BlockDevice) -> Option<Found> {
    const MAGIC: [u8; 4] = [0xFC, 0x4E, 0x2B, 0xA9];
    if let Ok(Some(superblock)) = md::Superblock::read(device) {
        return Some(Found {
            uuid: Some(superblock.uuid.to_string()),
            ..named(Kind::Md, &superblock.name)
        });
    }
    let size = device.size().get();
    let is_at = |at: u64| at_offset(device, at, 4).as_deref() == Some(&MAGIC);
    let v090 = (size & !0xFFFF).checked_sub(0x10000);
    let old = v090.filter(|at| is_at(*at));
    let v10 = (size & !0xFFF).checked_sub(0x2000);
    let others = [v10, Some(0), Some(0x1000)].into_iter().flatten();
    let found = old.is_some() || others.into_iter().any(is_at);
    found.then(|| Found {
        uuid: old.and_then(|at| uuid_of_090(&at_offset(device, at, 64)?)),
        ..named(Kind::Md, "")
    })
}

/// Version 0.90 keeps the id in words 5 and 13 to 15; mdadm shows them as numbers.
fn uuid_of_090(superblock: &[u8]) -> Option<String> {
    let word = |index: usize| {
        let bytes = superblock.get(index * 4..index * 4 + 4)?;
        let number = u32::from_le_bytes(bytes.try_into().ok()?);
        Some(format!("{number:08x}"))
    };
    Some([word(5)?, word(13)?, word(14)?, word(15)?].join(":"))
}

/// RAID of firmware and controllers keeps its description in the last sectors.
fn firmware_raid(device: &dyn BlockDevice) -> Option<Found> {
    let size = device.size().get();
    let starts = |back: u64, with: &[u8]| {
        let at = (size / 512 * 512).checked_sub(back);
        let here = at.and_then(|at| at_offset(device, at, with.len()));
        here.as_deref() == Some(with)
    };
    // The anchor is the last sector but one.
    let imsm = b"Intel Raid ISM Cfg Sig. ";
    if starts(2 * 512, imsm) || starts(2 * 4096, imsm) {
        return Some(named(Kind::Imsm, ""));
    }
    // The anchor is the last sector; some controllers leave 128 KiB behind it.
    // Written in either order of bytes.
    let ddf = [512, 257 * 512, 4096].into_iter().any(|back| {
        starts(back, &[0xDE, 0x11, 0xDE, 0x11]) || starts(back, &[0x11, 0xDE, 0x11, 0xDE])
    });
    ddf.then(|| named(Kind::Ddf, ""))
}

/// DRBD's own description is the last 4 KiB: versions 8 (also not shut down) and 9.
fn drbd(device: &dyn BlockDevice) -> Option<Found> {
    let at = device.size().get().checked_sub(4096)?;
    let magic = at_offset(device, at + 60, 4)?;
    let known = matches!(magic[..], [0x83, 0x74, 0x02, 0x6B..=0x6D]);
    known.then(|| named(Kind::Drbd, ""))
}

#[cfg(test)]
mod tests;
