//! Group descriptors, which say where the inode tables lie: whether they may be believed.
//!
//! e2fsck believes the primary ones even where their checksums are wrong. In a preen it then deletes
//! the journal, writes them over their copies and only then gives up; in a full repair it lays new,
//! empty inode tables ("SEVERE DATA LOSS POSSIBLE"). It hints at `-b` where it does so; so they are
//! looked at before anything is written.
//!
//! Offsets: kernel, Documentation/filesystems/ext4, "Super Block" and "Block Group Descriptors".

use crc::{Algorithm, CRC_32_ISCSI, Crc};
use vigie_disk::device::read_vec;
use vigie_disk::ext4::Superblock;
use vigie_disk::{BlockDevice, Bytes};

const INCOMPAT_META_BG: u32 = 0x10;
const INCOMPAT_64BIT: u32 = 0x80;
const INCOMPAT_CSUM_SEED: u32 = 0x2000;
const RO_METADATA_CSUM: u32 = 0x400;

const CHECKSUM_AT: usize = 0x1E;
/// The superblock's own, over all that is before it.
const SUPERBLOCK_CHECKSUM_AT: usize = 0x3FC;
/// Descriptors of this length have upper halves of block numbers.
const LONG: usize = 64;
/// A volume of 16 TB has 8 MiB of them; more is damage.
const MOST: u64 = 64 << 20;

/// CRC-32C as ext4 has it: without the inversion at the end.
const CRC_32C: Crc<u32> = Crc::<u32>::new(&Algorithm {
    xorout: 0,
    ..CRC_32_ISCSI
});

/// What a superblock says of the descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    block_size: u64,
    first_block: u64,
    blocks: u64,
    groups: u64,
    per_group: u64,
    length: usize,
    uuid: [u8; 16],
    has_checksums: bool,
}

impl Shape {
    /// None where the descriptors lie elsewhere (meta_bg), or the numbers make no sense.
    fn parse(superblock: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| {
            Some(u16::from_le_bytes(
                superblock.get(at..at + 2)?.try_into().ok()?,
            ))
        };
        let u32_at = |at: usize| {
            Some(u32::from_le_bytes(
                superblock.get(at..at + 4)?.try_into().ok()?,
            ))
        };
        let (incompat, ro_compat) = (u32_at(0x60)?, u32_at(0x64)?);
        let is_64bit = incompat & INCOMPAT_64BIT != 0;
        let high = if is_64bit { u32_at(0x150)? } else { 0 };
        let blocks = u64::from(u32_at(0x04)?) | u64::from(high) << 32;
        let (first_block, per_group) = (u64::from(u32_at(0x14)?), u64::from(u32_at(0x20)?));
        let log_size = u32_at(0x18).filter(|log_size| *log_size <= 6)?;
        let length = if is_64bit {
            usize::from(u16_at(0xFE)?)
        } else {
            32
        };
        let shape = Self {
            block_size: 1024 << log_size,
            first_block,
            blocks,
            groups: blocks.checked_sub(first_block)?.div_ceil(per_group.max(1)),
            per_group,
            length,
            uuid: superblock.get(0x68..0x78)?.try_into().ok()?,
            // Where the seed is a field of its own the UUID does not give it.
            has_checksums: ro_compat & RO_METADATA_CSUM != 0 && incompat & INCOMPAT_CSUM_SEED == 0,
        };
        let makes_sense = per_group > 0
            && incompat & INCOMPAT_META_BG == 0
            && (32..=1024).contains(&length)
            && length.is_power_of_two()
            && shape.groups.checked_mul(length as u64)? <= MOST;
        makes_sense.then_some(shape)
    }

    /// The descriptors behind the superblock in a block; none where they cannot be read.
    fn read(&self, device: &dyn BlockDevice, block: u64) -> Option<Vec<u8>> {
        let at = block.checked_add(1)?.checked_mul(self.block_size)?;
        let length = usize::try_from(self.groups).ok()? * self.length;
        read_vec(device, Bytes::new(at), length).ok()
    }

    /// The free blocks of a group as its descriptor says, which are no more than it has.
    fn free(&self, descriptor: &[u8]) -> u64 {
        let half = |at: usize| {
            let bytes = descriptor
                .get(at..at + 2)
                .and_then(|two| two.try_into().ok());
            u64::from(u16::from_le_bytes(bytes.unwrap_or_default()))
        };
        let high = match descriptor.len() >= LONG {
            true => half(0x2C),
            false => 0,
        };
        (half(0x0C) | high << 16).min(self.per_group)
    }

    fn is_sound(&self, group: u32, descriptor: &[u8]) -> bool {
        self.places_are_within(descriptor)
            && (!self.has_checksums || self.checks(group, descriptor))
    }

    /// Bitmaps and inode table lie on the volume.
    fn places_are_within(&self, descriptor: &[u8]) -> bool {
        let word = |at: usize| {
            let bytes = descriptor
                .get(at..at + 4)
                .and_then(|four| four.try_into().ok());
            u64::from(u32::from_le_bytes(bytes.unwrap_or_default()))
        };
        let high = |at: usize| {
            if descriptor.len() >= LONG {
                word(at)
            } else {
                0
            }
        };
        [(0x00, 0x20), (0x04, 0x24), (0x08, 0x28)]
            .iter()
            .map(|(low, at)| word(*low) | high(*at) << 32)
            .all(|block| (self.first_block..self.blocks).contains(&block))
    }

    fn checks(&self, group: u32, descriptor: &[u8]) -> bool {
        let mut digest = CRC_32C.digest();
        digest.update(&self.uuid);
        digest.update(&group.to_le_bytes());
        digest.update(&descriptor[..CHECKSUM_AT]);
        digest.update(&[0, 0]);
        digest.update(&descriptor[CHECKSUM_AT + 2..]);
        descriptor[CHECKSUM_AT..CHECKSUM_AT + 2] == digest.finalize().to_le_bytes()[..2]
    }
}

/// Whether all descriptors behind a superblock may be believed: the superblock's bytes, and its
/// block. None where that cannot be known.
#[must_use]
pub fn sound(device: &dyn BlockDevice, superblock: &[u8], block: u64) -> Option<bool> {
    let shape = Shape::parse(superblock)?;
    // A place that cannot be read may not be believed.
    let Some(bytes) = shape.read(device, block) else {
        return Some(false);
    };
    let descriptors = (0..).zip(bytes.chunks_exact(shape.length));
    Some(
        descriptors
            .into_iter()
            .all(|(group, one)| shape.is_sound(group, one)),
    )
}

/// The same for the primary superblock, wherever the length of blocks puts its block.
#[must_use]
pub fn primary_sound(device: &dyn BlockDevice) -> Option<bool> {
    let superblock = read_vec(device, Bytes::kib(1), 1024).ok()?;
    let first = Shape::parse(&superblock)?.first_block;
    sound(device, &superblock, first)
}

/// Free space, as far as what says so may be believed: the descriptors that are sound, which the kernel keeps
/// true at any time; where one is not, or carries no checksum, the superblock, if that is whole and says more. `copy` is a superblock to go by
/// where the first is damaged; the first descriptors count all the same, as the copies of these are old.
#[must_use]
pub fn free(device: &dyn BlockDevice, copy: Option<&[u8]>) -> Option<Bytes> {
    let first = read_vec(device, Bytes::kib(1), 1024).ok();
    let first = first.filter(|bytes| is_whole(bytes));
    let said = || Some(Superblock::parse(first.as_deref()?)?.free);
    let counted = first.as_deref().or(copy).and_then(|superblock| {
        let shape = Shape::parse(superblock)?;
        let bytes = shape.read(device, shape.first_block)?;
        // Without a checksum nothing shows a wrong number.
        let (mut blocks, mut all) = (0, shape.has_checksums);
        for (group, descriptor) in (0..).zip(bytes.chunks_exact(shape.length)) {
            match shape.is_sound(group, descriptor) {
                true => blocks += shape.free(descriptor),
                false => all = false,
            }
        }
        Some((Bytes::new(blocks.saturating_mul(shape.block_size)), all))
    });
    match counted {
        Some((free, true)) => Some(free),
        Some((free, false)) => Some(said().map_or(free, |said| said.max(free))),
        None => said(),
    }
}

/// Whether a superblock is as it was written, as far as it carries a checksum.
fn is_whole(superblock: &[u8]) -> bool {
    let word = |at: usize| {
        let bytes = superblock.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let Some(body) = superblock.get(..SUPERBLOCK_CHECKSUM_AT) else {
        return false;
    };
    let has_checksum = word(0x64).is_some_and(|features| features & RO_METADATA_CSUM != 0);
    Superblock::parse(superblock).is_some()
        && (!has_checksum || word(SUPERBLOCK_CHECKSUM_AT) == Some(CRC_32C.checksum(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_disk::{MemoryDevice, SectorSize};

    /// A superblock of one group of 16 MiB with checksums.
    fn superblock() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        let mut put =
            |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(0x04, 4096);
        put(0x18, 2);
        put(0x20, 32_768);
        put(0x60, INCOMPAT_64BIT);
        put(0x64, RO_METADATA_CSUM);
        bytes[0xFE] = 64;
        bytes
    }

    #[test]
    fn shapes_that_make_no_sense_are_none() {
        assert!(Shape::parse(&superblock()).is_some());
        for (at, value) in [
            (0x18, 7_u32),
            (0x20, 0),
            (0x14, u32::MAX),
            (0x150, u32::MAX),
            (0x60, INCOMPAT_64BIT | INCOMPAT_META_BG),
            (0xFC, 0),
            (0xFC, 48 << 16),
        ] {
            let mut bytes = superblock();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            assert_eq!(Shape::parse(&bytes), None, "{at:#x} {value:#x}");
        }
        assert_eq!(Shape::parse(&[]), None);
    }

    #[test]
    fn places_and_checksums_must_be_right() {
        let shape = Shape::parse(&superblock()).unwrap();
        let mut descriptor = vec![0; 64];
        for (at, block) in [(0, 10), (4, 11), (8, 12)] {
            descriptor[at] = block;
        }
        assert!(shape.places_are_within(&descriptor) && !shape.is_sound(0, &descriptor));
        let mut device = MemoryDevice::new(Bytes::mib(16), SectorSize::S512);
        device.write_at(Bytes::kib(1), &superblock()).unwrap();
        device.write_at(Bytes::kib(4), &descriptor).unwrap();
        assert_eq!(primary_sound(&device), Some(false));
        let without = Shape {
            has_checksums: false,
            ..shape
        };
        assert!(without.is_sound(0, &descriptor));
        descriptor[0x28] = 1;
        assert!(!without.is_sound(0, &descriptor));
        let short = MemoryDevice::new(Bytes::kib(4), SectorSize::S512);
        assert_eq!(sound(&short, &superblock(), 0), Some(false));
    }

    /// A volume of two groups whose superblock and descriptors each say something else of what is free.
    struct Volume {
        superblock: Vec<u8>,
        groups: [[u8; 64]; 2],
    }

    impl Volume {
        fn new() -> Self {
            let mut superblock = superblock();
            let mut put = |at: usize, value: u32| {
                superblock[at..at + 4].copy_from_slice(&value.to_le_bytes())
            };
            put(0x04, 40_000);
            put(0x0C, 300);
            put(0x38, 0xEF53);
            let mut groups = [[0; 64]; 2];
            for (group, free) in [(0_u8, 100_u16), (1, 50)] {
                let descriptor = &mut groups[usize::from(group)];
                for (at, block) in [(0, 3), (4, 4), (8, 5)] {
                    descriptor[at] = block;
                }
                descriptor[0x0C..0x0E].copy_from_slice(&free.to_le_bytes());
            }
            let mut volume = Self { superblock, groups };
            volume.sign();
            volume
        }

        fn sign(&mut self) {
            let shape = Shape::parse(&self.superblock).unwrap();
            for (group, descriptor) in (0..).zip(&mut self.groups) {
                let sum = (0..=u16::MAX).find(|sum| {
                    descriptor[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_le_bytes());
                    shape.checks(group, descriptor)
                });
                assert_ne!(sum, None);
            }
            let sum = CRC_32C.checksum(&self.superblock[..SUPERBLOCK_CHECKSUM_AT]);
            self.superblock[SUPERBLOCK_CHECKSUM_AT..].copy_from_slice(&sum.to_le_bytes());
        }

        /// In blocks.
        fn free(&self, copy: Option<&[u8]>) -> Option<u64> {
            let mut device = MemoryDevice::new(Bytes::mib(160), SectorSize::S512);
            device.write_at(Bytes::kib(1), &self.superblock).unwrap();
            device
                .write_at(Bytes::kib(4), &self.groups.concat())
                .unwrap();
            free(&device, copy).map(|free| free.get() / 4096)
        }
    }

    #[test]
    fn free_space_is_what_may_be_believed() {
        let sound = Volume::new();
        assert_eq!(sound.free(None), Some(150), "descriptors before all");
        let mut one_bad = Volume::new();
        one_bad.groups[1][0x0C] ^= 1;
        assert_eq!(one_bad.free(None), Some(300), "a whole superblock");
        one_bad.superblock[0x0C] ^= 1;
        assert_eq!(one_bad.free(None), None);
        let copy = sound.superblock.clone();
        assert_eq!(one_bad.free(Some(&copy)), Some(100), "what is sound");
        let mut no_superblock = Volume::new();
        no_superblock.superblock.fill(0);
        assert_eq!(no_superblock.free(None), None);
        assert_eq!(no_superblock.free(Some(&copy)), Some(150));
        let mut wild = Volume::new();
        wild.groups[0][0x0C..0x0E].fill(0xFF);
        wild.sign();
        assert_eq!(
            wild.free(None),
            Some(32_768 + 50),
            "no more than a group has"
        );
    }
}
