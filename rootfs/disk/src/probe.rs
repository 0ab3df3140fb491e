//! What is on a disk or partition, from its signatures.
//!
//! Used to refuse a disk that carries something, to tell a person what that is,
//! and to find the volume of an unattended installation. Any bytes are taken:
//! what is not understood is not named, and unreadable places count as empty.

use serde::{Deserialize, Serialize};

use crate::device::{BlockDevice, read_vec};
use crate::ext4::{Superblock, text, uuid_text};
use crate::md;
use crate::units::Bytes;

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
    /// Member of a RAID of firmware or a controller (SNIA DDF).
    Ddf,
    /// Member of a RAID of Intel firmware ("RST", "VROC").
    Imsm,
    /// Cache or backing device of bcache.
    Bcache,
    /// bcachefs.
    Bcachefs,
    /// VMware VMFS: its file system or its volume header.
    Vmfs,
    /// ReFS.
    Refs,
    /// Container of APFS.
    Apfs,
    /// HFS+ or HFSX.
    HfsPlus,
    /// DRBD with its metadata inside.
    Drbd,
    /// UFS of FreeBSD and its relatives.
    Ufs,
    /// F2FS.
    F2fs,
    /// JFS.
    Jfs,
    /// ReiserFS.
    Reiserfs,
    /// UDF.
    Udf,
    /// Bytes that are nothing of these; see [`is_blank`].
    Unknown,
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
            Self::Ddf => "DDF RAID",
            Self::Imsm => "Intel RAID",
            Self::Bcache => "bcache",
            Self::Bcachefs => "bcachefs",
            Self::Vmfs => "VMFS",
            Self::Refs => "ReFS",
            Self::Apfs => "APFS",
            Self::HfsPlus => "HFS+",
            Self::Drbd => "DRBD",
            Self::Ufs => "UFS",
            Self::F2fs => "F2FS",
            Self::Jfs => "JFS",
            Self::Reiserfs => "ReiserFS",
            Self::Udf => "UDF",
            Self::Unknown => "?",
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

/// How much of both ends of a device [`is_blank`] looks at.
pub const EDGE: Bytes = Bytes::MIB;

/// Whether the first and the last [`EDGE`] of a device are each one byte over and over, as of a disk
/// that is new, zeroed or formatted at a low level. A disk that carries no signature and is not
/// blank holds something that we do not know: an encrypted volume has no signature, nor has a file
/// system whose superblock is damaged. What cannot be read counts as blank, as in [`probe`].
pub fn is_blank(device: &dyn BlockDevice) -> bool {
    let edge = EDGE.min(device.size());
    let last = device.size().saturating_sub(edge);
    [Bytes::ZERO, last].into_iter().all(|at| {
        let bytes = at_offset(device, at.get(), edge.get() as usize).unwrap_or_default();
        bytes.windows(2).all(|pair| pair[0] == pair[1])
    })
}

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
        let end = 4 << 20;
        let bcache = b"\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81";
        let bcachefs = b"\xC6\x85\x73\xF6\x66\xCE\x90\xA9\xD9\x6A\x60\xCF\x80\x3D\xF7\xEF";
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
            (vec![(end - 512, b"\xDE\x11\xDE\x11")], "DDF RAID:"),
            (vec![(end - 512, b"\x11\xDE\x11\xDE")], "DDF RAID:"),
            (vec![(end - 257 * 512, b"\xDE\x11\xDE\x11")], "DDF RAID:"),
            (
                vec![(end - 1024, b"Intel Raid ISM Cfg Sig. 1.3.00")],
                "Intel RAID:",
            ),
            (
                vec![(end - 8192, b"Intel Raid ISM Cfg Sig. 1.3.00")],
                "Intel RAID:",
            ),
            (vec![(0x1018, bcache)], "bcache:"),
            (vec![(0x1018, bcachefs)], "bcachefs:"),
            (vec![(1 << 20, b"\x0D\xD0\x01\xC0")], "VMFS:"),
            (vec![(2 << 20, b"\x5E\xF1\xAB\x2F")], "VMFS:"),
            (vec![(0, b"\0\0\0ReFS\0")], "ReFS:"),
            (vec![(32, b"NXSB"), (24, &[1])], "APFS:"),
            (vec![(32, b"NXSB")], ""),
            (vec![(1024, b"H+\0\x04"), (1064, &[0, 0, 16, 0])], "HFS+:"),
            (vec![(1024, b"HX\0\x05"), (1064, &[0, 0, 16, 0])], "HFS+:"),
            (vec![(1024, b"H+ and other words")], ""),
            (vec![(end - 4096 + 60, b"\x83\x74\x02\x6B")], "DRBD:"),
            (vec![(end - 4096 + 60, b"\x83\x74\x02\x6D")], "DRBD:"),
            (vec![(end - 4096 + 60, b"\x83\x74\x02\x67")], ""),
            (vec![(65536 + 1372, b"\x19\x01\x54\x19")], "UFS:"),
            (vec![(8192 + 1372, b"\x54\x19\x01\0")], "UFS:"),
            (vec![(1024, b"\x10\x20\xF5\xF2")], "F2FS:"),
            (vec![(32768, b"JFS1")], "JFS:"),
            (vec![(65536 + 52, b"ReIsEr2Fs")], "ReiserFS:"),
            (vec![(32768 + 1, b"BEA01\x01")], "UDF:"),
            (
                vec![(0x8000, &iso), (0x9001, b"BEA01\x01")],
                "ISO 9660:VIGIE_LIVE,UDF:",
            ),
        ];
        for (writes, expected) in cases {
            let mut disk = disk(&writes);
            let found: Vec<String> = probe(&disk)
                .into_iter()
                .map(|one| format!("{}:{}", one.kind.name(), one.label.unwrap_or_default()))
                .collect();
            assert_eq!(found.join(","), expected);
            disk.zero(Bytes::ZERO, HEAD).unwrap();
            disk.zero(disk.size() - TAIL, TAIL).unwrap();
            assert_eq!(probe(&disk), [], "{expected} after clearing");
        }
    }

    #[test]
    fn what_is_at_neither_end_does_not_count_and_the_rest_does() {
        let end = 4 << 20;
        let [erased, formatted] = [0xFF, 0xE5].map(|byte| vec![byte; 4 << 20]);
        type Case<'a> = (Vec<(u64, &'a [u8])>, bool);
        let cases: [Case; 8] = [
            (vec![], true),
            (vec![(0, &erased)], true),
            (vec![(0, &formatted)], true),
            (vec![(0, b"x")], false),
            (vec![((1 << 20) - 1, b"x")], false),
            (vec![(1 << 20, b"x")], true),
            (vec![(end - (1 << 20), b"x")], false),
            (vec![(end - 1, b"x")], false),
        ];
        for (writes, expected) in cases {
            assert_eq!(is_blank(&disk(&writes)), expected, "{:?}", writes.first());
        }
        assert!(is_blank(&MemoryDevice::new(Bytes::ZERO, SectorSize::S512)));
    }

    #[test]
    fn uuids() {
        let id: Vec<u8> = (0..16).map(|at| at * 0x11).collect();
        let dashed = "00112233-4455-6677-8899-aabbccddeeff";
        let luks = [dashed.as_bytes(), &[0; 4]].concat();
        let mut old = vec![0; 64];
        old[..4].copy_from_slice(&[0xFC, 0x4E, 0x2B, 0xA9]);
        for (at, word) in [
            (20, 0x0011_2233_u32),
            (52, 0x4455_6677),
            (56, 0x8899_AABB),
            (60, 0xCCDD_EEFF),
        ] {
            old[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        let mut apfs = vec![0; 88];
        apfs[24] = 1;
        apfs[32..36].copy_from_slice(b"NXSB");
        apfs[72..].copy_from_slice(&id);
        type Case<'a> = (Vec<(u64, &'a [u8])>, Option<&'a str>);
        let cases: Vec<Case> = vec![
            (vec![(0, b"XFSB"), (32, &id)], Some(dashed)),
            (vec![(0, b"XFSB")], None),
            (vec![(0x10040, b"_BHRfS_M"), (0x10020, &id)], Some(dashed)),
            (vec![(0xFF6, b"SWAPSPACE2"), (0x40C, &id)], Some(dashed)),
            (vec![(0, b"LUKS\xBA\xBE"), (168, &luks)], Some(dashed)),
            (vec![(0, &apfs)], Some(dashed)),
            (
                vec![((4 << 20) - 0x10000, &old)],
                Some("00112233:44556677:8899aabb:ccddeeff"),
            ),
            (vec![(0, b"hsqs")], None),
        ];
        for (writes, expected) in cases {
            let found = probe(&disk(&writes));
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].uuid.as_deref(), expected, "{found:?}");
        }
    }

    #[test]
    fn members_of_arrays_have_the_name_and_the_uuid_of_the_array() {
        use crate::md::{Geometry, Identity, Level, Metadata, Uuid, create};
        for metadata in [Metadata::V1_0, Metadata::V1_2] {
            let geometry = Geometry::new(Level::Raid1, metadata, 2, Bytes::mib(4)).unwrap();
            let identity = Identity {
                uuid: Uuid([0xA5; 16]),
                name: "vigie:state".to_owned(),
                member_uuids: vec![Uuid([1; 16]); 2],
                time: 0,
                synced: true,
            };
            let mut disks = [disk(&[]), disk(&[])];
            create(&geometry, &identity, &mut disks).unwrap();
            let expected = Found {
                kind: Kind::Md,
                label: Some("vigie:state".to_owned()),
                uuid: Some("a5a5a5a5:a5a5a5a5:a5a5a5a5:a5a5a5a5".to_owned()),
            };
            assert_eq!(probe(&disks[1]), [expected]);
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
