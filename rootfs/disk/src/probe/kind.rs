//! What may be found.

use serde::{Deserialize, Serialize};

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
