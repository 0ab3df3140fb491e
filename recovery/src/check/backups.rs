//! Copies of an ext4 superblock, for where it is damaged itself: where they lie, which are there,
//! and which of them may be believed.
//!
//! With `sparse_super` groups 1 and the powers of 3, 5 and 7 begin with one (ext4(5), kernel
//! Documentation/filesystems/ext4: "Block and Inode Allocation Policy"). What looks like a copy may
//! lie in a file, as part of an image: it counts only where it says itself that it is the copy of
//! that group with that length of blocks, describes no more than the volume holds, and is of the
//! file system that most of the copies are of.

use serde::Serialize;
use vigie_disk::device::read_vec;
use vigie_disk::ext4::Superblock;
use vigie_disk::{BlockDevice, Bytes};

use super::groups;

const LENGTH: usize = 1024;
/// Lengths of blocks that file systems are made with; in the order of how usual they are here.
const BLOCK_SIZES: [u32; 3] = [4096, 1024, 2048];

/// Where a copy lies, as e2fsck is told it (`-b`, `-B`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Its block.
    pub block: u64,
    /// The length of blocks, in bytes.
    pub block_size: u32,
}

impl Backup {
    fn offset(self) -> Option<u64> {
        self.block.checked_mul(u64::from(self.block_size))
    }
}

/// The groups that begin with a copy, in rising order, for a volume of so many groups.
fn groups_with_copy(count: u64) -> Vec<u64> {
    let powers = |base: u64| {
        std::iter::successors(Some(base), move |power| power.checked_mul(base))
            .take_while(move |power| *power < count)
    };
    let mut groups: Vec<u64> = std::iter::once(1)
        .filter(|one| *one < count)
        .chain([3, 5, 7].into_iter().flat_map(powers))
        .collect();
    groups.sort_unstable();
    groups
}

/// The places of copies on a volume of this size whose groups have the usual length: as many blocks
/// as a block has bits.
fn places(size: Bytes, block_size: u32) -> Vec<(u64, Backup)> {
    // Blocks of 1 KiB leave the first to the boot loader.
    let first = u64::from(block_size == 1024);
    let (blocks, per_group) = (
        size.get() / u64::from(block_size),
        u64::from(block_size) * 8,
    );
    let count = blocks.saturating_sub(first).div_ceil(per_group);
    let place = |group: u64| {
        let block = first + group * per_group;
        (group, Backup { block, block_size })
    };
    groups_with_copy(count).into_iter().map(place).collect()
}

/// The copies on a device that may be believed, nearest first. Places that cannot be read are
/// passed over.
#[must_use]
pub fn find(device: &dyn BlockDevice) -> Vec<Backup> {
    let mut found: Vec<(String, Backup)> = Vec::new();
    for block_size in BLOCK_SIZES {
        for (group, backup) in places(device.size(), block_size) {
            let uuid = read(device, backup)
                .and_then(|bytes| believable(&bytes, device.size(), group, block_size));
            found.extend(uuid.map(|uuid| (uuid, backup)));
        }
    }
    most_common(found)
}

/// The bytes of a copy.
pub(super) fn read(device: &dyn BlockDevice, backup: Backup) -> Option<Vec<u8>> {
    read_vec(device, Bytes::new(backup.offset()?), LENGTH).ok()
}

/// Whether the group descriptors behind a copy may be believed.
#[must_use]
pub fn has_sound_groups(device: &dyn BlockDevice, backup: Backup) -> bool {
    let superblock = read(device, backup);
    superblock.and_then(|bytes| groups::sound(device, &bytes, backup.block)) == Some(true)
}

/// The UUID of a copy that is what its place says.
fn believable(bytes: &[u8], size: Bytes, group: u64, block_size: u32) -> Option<String> {
    let superblock = Superblock::parse(bytes)?;
    let log_size = u32::from_le_bytes(bytes.get(0x18..0x1C)?.try_into().ok()?);
    let own_group = u16::from_le_bytes(bytes.get(0x5A..0x5C)?.try_into().ok()?);
    let fits = superblock.size <= size && superblock.size > Bytes::ZERO;
    // The field has 16 bits, the number of a group has more.
    let in_place = own_group == group as u16 && 1024 << log_size == block_size;
    (fits && in_place).then_some(superblock.uuid)
}

/// Those of the file system that most are of; the nearest decides between equals.
fn most_common(found: Vec<(String, Backup)>) -> Vec<Backup> {
    let count = |uuid: &String| found.iter().filter(|(other, _)| other == uuid).count();
    let best = found
        .iter()
        .map(|(uuid, _)| (count(uuid), uuid))
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, uuid)| uuid.clone());
    let ours = found
        .into_iter()
        .filter(|(uuid, _)| Some(uuid) == best.as_ref());
    ours.map(|(_, backup)| backup).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_disk::{MemoryDevice, SectorSize};

    #[test]
    fn copies_lie_where_mke2fs_says() {
        let blocks = |size, block_size| -> Vec<u64> {
            let places = places(size, block_size).into_iter();
            places.map(|(_, backup)| backup.block).collect()
        };
        // What `mke2fs -n` prints for these sizes.
        let of_4k = [
            32_768, 98_304, 163_840, 229_376, 294_912, 819_200, 884_736, 1_605_632, 2_654_208,
        ];
        assert_eq!(blocks(Bytes::gib(15), 4096), of_4k);
        assert_eq!(blocks(Bytes::mib(64), 1024), [8193, 24_577, 40_961, 57_345]);
        assert_eq!(
            blocks(Bytes::mib(256), 2048),
            [16_384, 49_152, 81_920, 114_688]
        );
        assert_eq!(blocks(Bytes::mib(128), 4096), [0; 0]);
        assert_eq!(blocks(Bytes::ZERO, 1024), [0; 0]);
        let most = places(Bytes::new(u64::MAX), 1024);
        assert!(most.len() < 150, "{}", most.len());
    }

    fn copy(group: u16, uuid: u8, log_size: u32, blocks: u32) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        bytes[0x04..0x08].copy_from_slice(&blocks.to_le_bytes());
        bytes[0x18..0x1C].copy_from_slice(&log_size.to_le_bytes());
        bytes[0x38..0x3A].copy_from_slice(&[0x53, 0xEF]);
        bytes[0x5A..0x5C].copy_from_slice(&group.to_le_bytes());
        bytes[0x68..0x78].fill(uuid);
        bytes
    }

    #[test]
    fn only_what_agrees_is_believed() {
        let mut device = MemoryDevice::new(Bytes::gib(2), SectorSize::S512);
        let mut put = |block: u64, block_size: u64, bytes: &[u8]| {
            device
                .write_at(Bytes::new(block * block_size), bytes)
                .unwrap();
        };
        // A file system of blocks of 4 KiB; one of its copies is gone.
        put(32_768, 4096, &copy(1, 7, 2, 500_000));
        put(98_304, 4096, &[0xFF; LENGTH]);
        put(163_840, 4096, &copy(5, 7, 2, 500_000));
        // Another one before it, by a single copy.
        put(229_376, 4096, &copy(7, 8, 2, 500_000));
        // In a file: not the group, not the length of blocks, more than there is.
        put(8193, 1024, &copy(3, 7, 0, 16_384));
        put(24_577, 1024, &copy(3, 7, 2, 16_384));
        put(16_384, 2048, &copy(1, 7, 1, 2_000_000));
        let at = |block| Backup {
            block,
            block_size: 4096,
        };
        assert_eq!(find(&device), [at(32_768), at(163_840)]);
        let empty = MemoryDevice::new(Bytes::mib(64), SectorSize::S512);
        assert_eq!(find(&empty), []);
    }
}
