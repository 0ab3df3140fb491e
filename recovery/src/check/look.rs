//! What is on a volume before anything is run: its superblock, the copies of it, what else.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use vigie_disk::device::read_vec;
use vigie_disk::ext4::{Health, Superblock};
use vigie_disk::probe::{Kind, probe};
use vigie_disk::{BlockDevice, Bytes, FileDevice, KernelDevice, SectorSize};

use super::backups::{self, Backup};
use super::groups;
use super::ladder::{Found, Groups, Mode, Primary};
use super::verdict::Refusal;

/// With less than this free a repair may throw files away; of a small volume this share is enough.
const ROOM: Bytes = Bytes::MIB;
const ROOM_SHARE: u64 = 16;
/// Inodes that are no files (ext4.h, EXT4_GOOD_OLD_FIRST_INO).
const RESERVED: u32 = 10;
/// Below this there is no superblock.
const SMALLEST: Bytes = Bytes::kib(2);

/// A volume before a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Its size.
    pub size: Bytes,
    /// Its superblock.
    pub superblock: Option<Superblock>,
    /// The same as the ladder wants it.
    pub found: Found,
}

/// Looks at a volume: a block device or an image file. Reads only. Copies of a superblock are looked for
/// where they are needed: for a repair, and where the first may not be believed.
///
/// # Errors
/// It cannot be read, or something else than ext4 is on it.
pub fn look(path: &Path, mode: Mode) -> Result<Looked, Refusal> {
    of(open(path)?.as_ref(), mode)
}

/// How much is free on a volume where that is so little that a repair may throw files away, as far as what
/// says so may be believed. Where nothing says it, no superblock can be believed and there is no copy: what
/// e2fsck makes of that is no question of room.
#[must_use]
pub fn lacking(path: &Path) -> Option<Bytes> {
    let device = open(path).ok()?;
    let device = device.as_ref();
    let enough = ROOM.min(device.size() / ROOM_SHARE);
    let free = groups::free(device, None).or_else(|| {
        let copy = backups::read(device, *backups::find(device).first()?)?;
        groups::free(device, Some(&copy))
    });
    free.filter(|free| *free < enough)
}

/// How many files and folders a volume says that it holds; none where it says nothing of sense. The kernel
/// writes that at an unmount only, and e2fsck when it is through.
#[must_use]
pub fn files(path: &Path) -> Option<u32> {
    counted(&read_vec(open(path).ok()?.as_ref(), Bytes::kib(1), 1024).ok()?)
}

/// Of a superblock (ext4.h: s_inodes_count, s_free_inodes_count, s_magic).
fn counted(superblock: &[u8]) -> Option<u32> {
    let word = |at: usize| {
        Some(u32::from_le_bytes(
            superblock.get(at..at + 4)?.try_into().ok()?,
        ))
    };
    let is_one = superblock.get(0x38..0x3A)? == [0x53, 0xEF];
    let used = word(0)?.checked_sub(word(0x10)?)?;
    is_one.then(|| used.saturating_sub(RESERVED))
}

fn open(path: &Path) -> Result<Box<dyn BlockDevice>, Refusal> {
    let unreadable = |error: String| Refusal::Unreadable { error };
    let kind = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if kind.file_type().is_block_device() {
        let device = KernelDevice::open_read_only(path);
        return Ok(Box::new(
            device.map_err(|error| unreadable(error.to_string()))?,
        ));
    }
    let file = FileDevice::open_read_only(path, SectorSize::S512);
    Ok(Box::new(
        file.map_err(|error| unreadable(error.to_string()))?,
    ))
}

fn of(device: &dyn BlockDevice, mode: Mode) -> Result<Looked, Refusal> {
    let size = device.size();
    if size < SMALLEST {
        return Err(Refusal::Empty { size });
    }
    // A superblock on a bad sector is a damaged one: its copies are for that.
    let superblock = Superblock::read(device).ok().flatten();
    let sound = groups::primary_sound(device);
    let copies_matter = mode == Mode::Repair || superblock.is_none() || sound != Some(true);
    let (groups, backups) = match copies_matter {
        true => groups_and_backups(device, sound),
        false => (Groups::Sound, Vec::new()),
    };
    let kinds: Vec<Kind> = probe(device).iter().map(|found| found.kind).collect();
    let nothing_of_ours = superblock.is_none() && backups.is_empty();
    let foreign = |kind: &Kind| *kind == Kind::Md || (nothing_of_ours && *kind != Kind::Ext);
    if let Some(kind) = kinds.into_iter().find(foreign) {
        let kind = kind.name().to_owned();
        return Err(Refusal::Foreign { kind });
    }
    let primary = match &superblock {
        None => Primary::Missing,
        Some(superblock) if superblock.size > size => Primary::TooLarge,
        Some(superblock) => Primary::There {
            needs_replay: superblock.needs_replay,
            marked: matches!(superblock.health, Health::Errors | Health::NeedsCheck),
            groups,
        },
    };
    let found = Found { primary, backups };
    Ok(Looked {
        size,
        superblock,
        found,
    })
}

/// How the group descriptors are, and the copies of the superblock, those first behind which lie
/// sound descriptors.
fn groups_and_backups(device: &dyn BlockDevice, primary: Option<bool>) -> (Groups, Vec<Backup>) {
    let all = backups::find(device);
    let (mut sound, others): (Vec<Backup>, Vec<Backup>) = all
        .into_iter()
        .partition(|backup| backups::has_sound_groups(device, *backup));
    let groups = match (primary, sound.is_empty()) {
        (Some(false), true) => Groups::Damaged,
        (Some(false), false) => Groups::DamagedWithCopy,
        _ => Groups::Sound,
    };
    sound.extend(others);
    (groups, sound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_disk::MemoryDevice;

    fn device(mebibytes: u64, state: u16, incompat: u8, blocks: u32) -> MemoryDevice {
        let mut block = vec![0; 1024];
        block[0x04..0x08].copy_from_slice(&blocks.to_le_bytes());
        block[0x38..0x3A].copy_from_slice(&[0x53, 0xEF]);
        block[0x3A..0x3C].copy_from_slice(&state.to_le_bytes());
        block[0x60] = incompat;
        let mut device = MemoryDevice::new(Bytes::mib(mebibytes), SectorSize::S512);
        device.write_at(Bytes::kib(1), &block).unwrap();
        device
    }

    #[test]
    fn files_are_what_is_in_use_beyond_the_reserved_inodes() {
        let mut superblock = vec![0; 1024];
        superblock[0x38..0x3A].copy_from_slice(&[0x53, 0xEF]);
        for (inodes, free, files) in [(512, 490, Some(12)), (512, 512, Some(0)), (512, 513, None)] {
            superblock[..4].copy_from_slice(&u32::to_le_bytes(inodes));
            superblock[0x10..0x14].copy_from_slice(&u32::to_le_bytes(free));
            assert_eq!(counted(&superblock), files, "{inodes} {free}");
        }
        superblock[0x38] = 0;
        assert_eq!(counted(&superblock), None);
        assert_eq!(counted(&[]), None);
    }

    #[test]
    fn what_is_there_decides() {
        let primary = |device: &MemoryDevice| of(device, Mode::Repair).unwrap().found.primary;
        let groups = Groups::Sound;
        let there = |needs_replay, marked| Primary::There {
            needs_replay,
            marked,
            groups,
        };
        // Unmounted, marked with errors, marked for a check: only the feature tells of a journal (4, RECOVER).
        for (state, incompat, replay, marked) in [
            (1, 0, false, false),
            (3, 0, false, true),
            (0, 0, false, true),
            (1, 4, true, false),
            (0, 4, true, false),
            (3, 4, true, true),
        ] {
            let found = primary(&device(4, state, incompat, 4096));
            assert_eq!(found, there(replay, marked), "{state} {incompat}");
        }
        assert_eq!(primary(&device(4, 1, 0, 4097)), Primary::TooLarge);
        let empty = MemoryDevice::new(Bytes::mib(4), SectorSize::S512);
        assert_eq!(primary(&empty), Primary::Missing);
        let size = Bytes::kib(1);
        let small = MemoryDevice::new(size, SectorSize::S512);
        assert_eq!(of(&small, Mode::Inspect), Err(Refusal::Empty { size }));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let mut xfs = MemoryDevice::new(Bytes::mib(4), SectorSize::S512);
        xfs.write_at(Bytes::ZERO, b"XFSB").unwrap();
        let kind = "XFS".to_owned();
        assert_eq!(of(&xfs, Mode::Inspect), Err(Refusal::Foreign { kind }));
        // A remainder before a superblock is only that.
        let mut ours = device(4, 1, 0, 4096);
        ours.write_at(Bytes::ZERO, b"XFSB").unwrap();
        assert!(of(&ours, Mode::Inspect).is_ok());
    }
}
