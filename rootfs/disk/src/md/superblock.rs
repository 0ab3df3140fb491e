//! The superblock of a member, version 1 (1.0, 1.1 and 1.2 differ in its place).
//!
//! Fields are those of `struct mdp_superblock_1` in the kernel's
//! `include/uapi/linux/raid/md_p.h`. What is refused here is what the kernel
//! (`super_1_load`) and mdadm (`load_super1`) refuse.

use super::mapping::Mapping;
use super::{Level, Uuid};
use crate::device::{BlockDevice, read_vec};
use crate::error::{Error, Result};
use crate::ext4::text;
use crate::units::Bytes;

const MAGIC: u32 = 0xA92B_4EFC;
/// The block that holds a superblock.
pub(super) const LENGTH: usize = 4096;
/// The fixed part; roles of members follow, two bytes each.
const FIXED: usize = 256;
const MOST_ROLES: usize = (LENGTH - FIXED) / 2;
/// Roles are written for so many members at least, as mdadm does.
const ROLES: usize = 128;
/// The most members of an array that we make.
pub(super) const MOST_MEMBERS: usize = ROLES;
const ROLE_SPARE: u16 = 0xFFFF;
const ROLE_MAX: u16 = 0xFF00;
const CHECKSUM_AT: usize = 0xD8;
/// `resync_offset` of an array in sync, and what a missing end is.
const IN_SYNC: u64 = u64::MAX;
/// Times are seconds in their lower 40 bits.
const SECONDS: u64 = (1 << 40) - 1;

/// Bits of the feature map.
pub(super) mod feature {
    /// `bitmap_offset` is meant.
    pub const BITMAP: u32 = 1;
    /// The member is being rebuilt.
    pub const RECOVERY: u32 = 2;
    /// The array's shape is being changed.
    pub const RESHAPE: u32 = 4;
    /// The member lists blocks that it cannot hold.
    pub const BAD_BLOCKS: u32 = 8;
    /// The member is becoming a copy of another.
    pub const REPLACEMENT: u32 = 16;
    /// What a reader may pass over: bitmap, and a bitmap that guides a recovery.
    pub const HARMLESS: u32 = BITMAP | 128;
}

/// What the superblock of a member says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The version behind "1.": 0, 1 or 2.
    pub minor: u8,
    /// The array's id.
    pub uuid: Uuid,
    /// The array's name, as "host:name" or "name".
    pub name: String,
    /// The array was made, seconds since 1970.
    pub created: u64,
    /// The superblock was written, seconds since 1970.
    pub updated: u64,
    /// md's number of the level; [`Level::of_md`] says whether it is one of ours.
    pub level: i32,
    /// md's number of the arrangement.
    pub layout: u32,
    /// The unit of striping; zero where there is none.
    pub chunk: Bytes,
    /// The number of members of the whole array.
    pub raid_disks: usize,
    /// How much of each member is used.
    pub member_size: Bytes,
    /// Where the data begins.
    pub data_offset: Bytes,
    /// How much of this member could be used.
    pub data_size: Bytes,
    /// The member's own id.
    pub device_uuid: Uuid,
    /// The member's own number, not its role.
    pub number: usize,
    /// Which part of the array the member holds; none for a spare or failed one.
    pub role: Option<usize>,
    /// Rises with each change of state: a member with less is out of date.
    pub events: u64,
    /// Up to where the members are known to agree; none where they do entirely.
    pub resync: Option<Bytes>,
    /// Where the bitmap begins, bytes from the superblock; none where there is none.
    pub bitmap: Option<i64>,
    /// The room for the log of bad blocks: bytes from the superblock, and length.
    pub bad_block_log: Option<(i64, Bytes)>,
    /// Bits of the feature map.
    pub features: u32,
    /// The roles of the members by number, as this one knows them.
    pub roles: Vec<u16>,
}

/// What a block at a place for superblocks is.
enum Block {
    Foreign,
    Damaged(&'static str),
    Good(Box<Superblock>),
}

/// The places for a superblock, (minor version, offset), on a device of this size.
fn places(size: Bytes) -> impl Iterator<Item = (u8, Bytes)> {
    let big_enough = size >= Bytes::kib(12);
    [0, 1, 2]
        .into_iter()
        .filter(move |_| big_enough)
        .map(move |minor| (minor, place(minor, size)))
}

/// Where the superblock of a minor version lies on a device of this size (at least 12 KiB).
pub(super) fn place(minor: u8, size: Bytes) -> Bytes {
    match minor {
        0 => (size.align_down(Bytes::new(512)) - Bytes::kib(8)).align_down(Bytes::kib(4)),
        1 => Bytes::ZERO,
        _ => Bytes::kib(4),
    }
}

impl Superblock {
    /// Reads the superblock of a device; none where it is no member of an array.
    /// Where several are valid the array made last is meant, as mdadm holds it.
    ///
    /// # Errors
    /// The device cannot be read, or the only superblock on it is damaged.
    pub fn read(device: &dyn BlockDevice) -> Result<Option<Self>> {
        let (mut best, mut damage) = (None::<Self>, None);
        for (minor, at) in places(device.size()) {
            match Self::judge(&read_vec(device, at, LENGTH)?, minor, at, device.size()) {
                Block::Foreign => {}
                Block::Damaged(why) => damage = Some(why),
                Block::Good(found) => {
                    if best.as_ref().is_none_or(|one| one.created < found.created) {
                        best = Some(*found);
                    }
                }
            }
        }
        match (best, damage) {
            (None, Some(why)) => Err(Error::format("the md superblock", device.name(), why)),
            (best, _) => Ok(best),
        }
    }

    fn judge(block: &[u8], minor: u8, at: Bytes, size: Bytes) -> Block {
        let word = |at| le32(block, at);
        let foreign = word(0) != MAGIC
            || word(4) != 1
            // A disk's last partition and the disk itself may end at one place.
            || le64(block, 0x90) != at.get() / 512;
        if foreign {
            return Block::Foreign;
        }
        let count = word(0xDC) as usize;
        if count > MOST_ROLES {
            return Block::Damaged("it lists more members than fit");
        }
        if checksum(block, count) != word(CHECKSUM_AT) {
            return Block::Damaged("its checksum is wrong");
        }
        let Some(superblock) = Self::fields(block, minor, count) else {
            return Block::Damaged("its sizes make no sense");
        };
        let end = superblock
            .data_offset
            .get()
            .checked_add(superblock.member_size.max(superblock.data_size).get());
        if end.is_none_or(|end| end > size.get()) {
            return Block::Damaged("it describes more than the device holds");
        }
        Block::Good(Box::new(superblock))
    }

    /// The fields of a block whose checksum is right.
    fn fields(block: &[u8], minor: u8, count: usize) -> Option<Self> {
        let word = |at| le32(block, at);
        let sectors = |at| le64(block, at).checked_mul(512).map(Bytes::new);
        let signed = |at| i64::from(word(at) as i32) * 512;
        let role_bytes = &block[FIXED..FIXED + 2 * count];
        let roles: Vec<u16> = role_bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let raid_disks = word(0x5C) as usize;
        let number = word(0xA0) as usize;
        let features = word(0x08);
        let log = Bytes::new(512) * u64::from(u16::from_le_bytes([block[0xBA], block[0xBB]]));
        let resync = le64(block, 0xD0);
        Some(Self {
            minor,
            uuid: Uuid(bytes16(block, 0x10)),
            name: text(&block[0x20..0x40]),
            created: le64(block, 0x40) & SECONDS,
            updated: le64(block, 0xC0) & SECONDS,
            level: word(0x48) as i32,
            layout: word(0x4C),
            member_size: sectors(0x50)?,
            chunk: Bytes::new(512) * u64::from(word(0x58)),
            raid_disks: Some(raid_disks).filter(|count| (1..=MOST_ROLES).contains(count))?,
            bitmap: (features & feature::BITMAP != 0).then(|| signed(0x60)),
            data_offset: sectors(0x80)?,
            data_size: sectors(0x88)?,
            device_uuid: Uuid(bytes16(block, 0xA8)),
            number,
            role: role(&roles, number, raid_disks),
            events: le64(block, 0xC8),
            resync: (resync != IN_SYNC).then(|| Bytes::new(resync.saturating_mul(512))),
            bad_block_log: (log > Bytes::ZERO).then(|| (signed(0xBC), log)),
            features,
            roles,
        })
    }

    /// The block that says all this, to be written at `at`.
    pub(super) fn encode(&self, at: Bytes) -> Vec<u8> {
        let mut block = vec![0; LENGTH];
        let mut put = |at: usize, field: &[u8]| block[at..at + field.len()].copy_from_slice(field);
        let sectors = |bytes: Bytes| (bytes.get() / 512).to_le_bytes();
        let signed = |bytes: i64| ((bytes / 512) as i32).to_le_bytes();
        put(0x00, &MAGIC.to_le_bytes());
        put(0x04, &1_u32.to_le_bytes());
        put(0x08, &self.features.to_le_bytes());
        put(0x10, &self.uuid.0);
        put(0x20, &self.name.as_bytes()[..self.name.len().min(32)]);
        put(0x40, &(self.created & SECONDS).to_le_bytes());
        put(0x48, &self.level.to_le_bytes());
        put(0x4C, &self.layout.to_le_bytes());
        put(0x50, &sectors(self.member_size));
        put(0x58, &((self.chunk.get() / 512) as u32).to_le_bytes());
        put(0x5C, &(self.raid_disks as u32).to_le_bytes());
        put(0x60, &signed(self.bitmap.unwrap_or(0)));
        put(0x80, &sectors(self.data_offset));
        put(0x88, &sectors(self.data_size));
        put(0x90, &sectors(at));
        put(0xA0, &(self.number as u32).to_le_bytes());
        put(0xA8, &self.device_uuid.0);
        if let Some((offset, length)) = self.bad_block_log {
            put(0xBA, &((length.get() / 512) as u16).to_le_bytes());
            put(0xBC, &signed(offset));
        }
        put(0xC0, &(self.updated & SECONDS).to_le_bytes());
        put(0xC8, &self.events.to_le_bytes());
        let resync = self.resync.map_or(IN_SYNC, |at| at.get() / 512);
        put(0xD0, &resync.to_le_bytes());
        put(0xDC, &(self.roles.len() as u32).to_le_bytes());
        for (number, role) in self.roles.iter().enumerate() {
            put(FIXED + 2 * number, &role.to_le_bytes());
        }
        let sum = checksum(&block, self.roles.len());
        block[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&sum.to_le_bytes());
        block
    }

    /// The roles of a new array of so many members: each member's number is its role.
    pub(super) fn new_roles(members: usize) -> Vec<u16> {
        let spare = |number: usize| u16::try_from(number).unwrap_or(ROLE_SPARE);
        (0..ROLES.max(members))
            .map(|number| {
                if number < members {
                    spare(number)
                } else {
                    ROLE_SPARE
                }
            })
            .collect()
    }

    /// This member is being made a copy of the others, or of one of them.
    pub fn is_being_rebuilt(&self) -> bool {
        self.features & (feature::RECOVERY | feature::REPLACEMENT) != 0
    }

    /// The members agree everywhere, as far as is known.
    pub fn in_sync(&self) -> bool {
        self.resync.is_none()
    }

    /// The name without the host that it may begin with.
    pub fn short_name(&self) -> &str {
        self.name
            .split_once(':')
            .map_or(&self.name, |(_, name)| name)
    }

    /// How much the array holds; none for shapes that we do not make or that make no sense.
    pub fn capacity(&self) -> Option<Bytes> {
        self.mapping().map(|mapping| mapping.capacity())
    }

    /// The spread over members; none for shapes that we do not make or that make no sense.
    pub(super) fn mapping(&self) -> Option<Mapping> {
        let level = Level::of_md(self.level)?;
        let (chunk, size) = (self.chunk.get(), self.member_size.get());
        let striped = level != Level::Raid1;
        // RAID 5 may have two members; RAID 1 one, after the others were given up.
        let fewest = match level {
            Level::Raid1 => 1,
            Level::Raid5 | Level::Raid10 => 2,
            Level::Raid6 => 4,
        };
        let sound = self.raid_disks >= fewest
            && (!striped
                || (chunk >= 4096 && chunk.is_power_of_two() && self.layout == level.layout()))
            && size.checked_mul(self.raid_disks as u64).is_some();
        sound.then(|| Mapping {
            level,
            members: self.raid_disks,
            chunk: if striped { self.chunk } else { Bytes::ZERO },
            member_size: if striped {
                self.member_size.align_down(self.chunk)
            } else {
                self.member_size
            },
        })
    }

    /// Whether this superblock knows the member of that number as an active one.
    pub(super) fn knows_active(&self, number: usize) -> bool {
        role(&self.roles, number, self.raid_disks).is_some()
    }
}

fn role(roles: &[u16], number: usize, raid_disks: usize) -> Option<usize> {
    let role = *roles.get(number)?;
    (role < ROLE_MAX && usize::from(role) < raid_disks).then_some(usize::from(role))
}

/// The sum over the fixed part and `count` roles, as `calc_sb_1_csum` forms it.
fn checksum(block: &[u8], count: usize) -> u32 {
    let mut sum = 0_u64;
    for (index, part) in block[..FIXED + 2 * count].chunks(4).enumerate() {
        let mut word = [0; 4];
        word[..part.len()].copy_from_slice(part);
        if index * 4 != CHECKSUM_AT {
            sum += u64::from(u32::from_le_bytes(word));
        }
    }
    (sum as u32).wrapping_add((sum >> 32) as u32)
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

fn bytes16(bytes: &[u8], at: usize) -> [u8; 16] {
    let mut field = [0; 16];
    field.copy_from_slice(&bytes[at..at + 16]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryDevice;
    use crate::md::{Geometry, Identity, Level, Metadata, create};
    use crate::units::SectorSize;

    fn member(metadata: Metadata, size: Bytes) -> MemoryDevice {
        let geometry = Geometry::new(Level::Raid1, metadata, 2, size).unwrap();
        let identity = Identity {
            uuid: Uuid([0xAB; 16]),
            name: "vigie:state".to_owned(),
            member_uuids: vec![Uuid([1; 16]), Uuid([2; 16])],
            time: 1_763_800_000,
            synced: true,
        };
        let mut devices = vec![MemoryDevice::new(size, SectorSize::S512); 2];
        create(&geometry, &identity, &mut devices).unwrap();
        devices.remove(1)
    }

    #[test]
    fn what_is_written_is_read() {
        for size in [
            Bytes::mib(3),
            Bytes::mib(9) + Bytes::new(1536),
            Bytes::gib(70),
        ] {
            for metadata in [Metadata::V1_0, Metadata::V1_2] {
                let found = Superblock::read(&member(metadata, size)).unwrap().unwrap();
                assert_eq!(found.minor, metadata.minor());
                assert_eq!(
                    (found.uuid, found.device_uuid),
                    (Uuid([0xAB; 16]), Uuid([2; 16]))
                );
                assert_eq!(
                    (found.name.as_str(), found.short_name()),
                    ("vigie:state", "state")
                );
                assert_eq!(
                    (found.number, found.role, found.raid_disks),
                    (1, Some(1), 2)
                );
                assert_eq!(
                    (found.created, found.updated, found.events),
                    (1_763_800_000, 1_763_800_000, 0)
                );
                assert!(found.in_sync());
                let geometry = Geometry::new(Level::Raid1, metadata, 2, size).unwrap();
                assert_eq!(found.capacity(), Some(geometry.capacity()));
                assert_eq!(found.data_offset, geometry.data_offset);
                assert_eq!(found.bitmap, geometry.bitmap().map(|_| 4096));
            }
        }
    }

    /// What mdadm and the kernel wrote is read, and ours is the same but for what
    /// the kernel has counted since (events, time, progress) and the checksum over it.
    #[test]
    fn mdadm_writes_the_same() {
        let golden = include_str!("../../testdata/mdadm.golden");
        let lines = golden.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.clone().count(), 5);
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let [version, level, members, block, bitmap] = words[..] else {
                panic!("{line}")
            };
            let metadata = if version == "1.0" {
                Metadata::V1_0
            } else {
                Metadata::V1_2
            };
            let level = Level::of_md(level.parse().unwrap()).unwrap();
            let size = Bytes::mib(100);
            let geometry = Geometry::new(level, metadata, members.parse().unwrap(), size).unwrap();
            let theirs = hex::decode(block).unwrap();
            let mut device = MemoryDevice::new(size, SectorSize::S512);
            let at = place(metadata.minor(), size);
            device.write_at(at, &theirs).unwrap();
            let read = Superblock::read(&device).unwrap().unwrap();
            assert_eq!(
                (read.role, read.capacity()),
                (Some(1), Some(geometry.capacity()))
            );

            let identity = Identity {
                uuid: "01234567:89abcdef:01234567:89abcdef".parse().unwrap(),
                name: "vigie:data-1".to_owned(),
                member_uuids: vec![read.device_uuid; geometry.members],
                time: read.created,
                synced: level == Level::Raid1,
            };
            let mut devices = vec![MemoryDevice::new(size, SectorSize::S512); geometry.members];
            create(&geometry, &identity, &mut devices).unwrap();
            let ours = read_vec(&devices[1], at, theirs.len()).unwrap();
            assert_eq!(ours[..0xC0], theirs[..0xC0], "{level} {version}");
            // mdadm takes the last member of a new RAID 5 in as a spare, under a number of its own.
            let compared = if level == Level::Raid5 {
                FIXED + 4
            } else {
                theirs.len()
            };
            assert_eq!(
                ours[0xDC..compared],
                theirs[0xDC..compared],
                "{level} {version}"
            );
            if bitmap != "-" {
                let theirs = hex::decode(bitmap).unwrap();
                let ours = read_vec(&devices[1], at + Bytes::kib(4), theirs.len()).unwrap();
                assert_eq!(ours[..24], theirs[..24], "{level} bitmap");
                assert_eq!(ours[40..], theirs[40..], "{level} bitmap");
            }
        }
    }

    /// Any superblock survives writing and reading.
    #[test]
    fn encoding_and_reading_agree() {
        let mut random = 3_u64;
        let mut next = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            random >> 24
        };
        let size = Bytes::tib(8);
        for _ in 0..500 {
            let minor = (next() % 3) as u8;
            let raid_disks = 1 + next() as usize % 200;
            let number = next() as usize % 200;
            let count = raid_disks + next() as usize % 50;
            let roles: Vec<u16> = (0..count).map(|_| next() as u16).collect();
            let sectors = |n: u64| Bytes::new(512) * n;
            let bitmap = (next() % 2 == 0).then(|| (next() as i32 % 100_000).into());
            let said = Superblock {
                minor,
                uuid: Uuid(std::array::from_fn(|_| next() as u8)),
                name: ["", "a", "vigie:data-1", "exactly thirty-one bytes long !"]
                    [next() as usize % 4]
                    .to_owned(),
                created: next() % SECONDS,
                updated: next() % SECONDS,
                level: next() as i32,
                layout: next() as u32,
                chunk: sectors(next() % (1 << 32)),
                raid_disks,
                member_size: sectors(next() % (1 << 32)),
                data_offset: sectors(next() % (1 << 32)),
                data_size: sectors(next() % (1 << 32)),
                device_uuid: Uuid(std::array::from_fn(|_| next() as u8)),
                number,
                role: role(&roles, number, raid_disks),
                events: next(),
                resync: (next() % 2 == 0).then(|| sectors(next())),
                bitmap: bitmap.map(|sectors: i64| sectors * 512),
                bad_block_log: Some((
                    (next() as i32 % 100_000) as i64 * 512,
                    sectors(1 + next() % 100),
                )),
                features: next() as u32 & !feature::BITMAP | u32::from(bitmap.is_some()),
                roles,
            };
            let at = place(minor, size);
            let block = said.encode(at);
            match Superblock::judge(&block, minor, at, size) {
                Block::Good(read) => assert_eq!(*read, said),
                Block::Damaged(why) => panic!("{why}"),
                Block::Foreign => panic!("foreign"),
            }
            assert!(matches!(
                Superblock::judge(&block, minor, at + Bytes::kib(4), size),
                Block::Foreign
            ));
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = member(Metadata::V1_2, Bytes::mib(3));
        let count = FIXED + 2 * ROLES;
        for bit in 0..count * 8 {
            let mut bad = good.clone();
            let at = Bytes::new(4096 + bit as u64 / 8);
            let byte = read_vec(&bad, at, 1).unwrap()[0];
            bad.write_at(at, &[byte ^ 1 << (bit % 8)]).unwrap();
            let read = Superblock::read(&bad);
            assert!(matches!(read, Err(_) | Ok(None)), "bit {bit}: {read:?}");
        }
    }

    /// Bytes that make no sense, with a right checksum, in every field.
    #[test]
    fn hostile_fields_do_not_panic() {
        let good = read_vec(
            &member(Metadata::V1_2, Bytes::mib(3)),
            Bytes::kib(4),
            LENGTH,
        )
        .unwrap();
        let mut accepted = 0;
        for at in (8..FIXED).step_by(2) {
            for value in [
                0_u64,
                1,
                0x7FFF,
                0xFFFF,
                0x7FFF_FFFF,
                0xFFFF_FFFF,
                1 << 54,
                u64::MAX,
            ] {
                let mut block = good.clone();
                let length = 8.min(FIXED - at);
                block[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
                let count = (le32(&block, 0xDC) as usize).min(MOST_ROLES);
                let sum = checksum(&block, count);
                block[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&sum.to_le_bytes());
                let mut device = MemoryDevice::new(Bytes::mib(3), SectorSize::S512);
                device.write_at(Bytes::kib(4), &block).unwrap();
                if let Ok(Some(read)) = Superblock::read(&device) {
                    accepted += 1;
                    let end = read.data_offset + read.member_size.max(read.data_size);
                    assert!(end <= device.size(), "{read:?}");
                    if let Ok(array) = crate::md::Array::open(vec![(read, &mut device)]) {
                        let _ = crate::probe::probe(&array);
                        let _ = read_vec(&array, array.size().saturating_sub(Bytes::new(512)), 512);
                    }
                }
            }
        }
        assert!(accepted > 100, "{accepted}");
    }

    #[test]
    fn devices_without_one_and_several_on_one() {
        for size in [0, 1, 512, 4096, 8192, 12_287, 12_288, 65_536] {
            let mut device = MemoryDevice::new(Bytes::new(size), SectorSize::S512);
            assert_eq!(Superblock::read(&device).unwrap(), None);
            device
                .write_at(Bytes::ZERO, &vec![0xFC; size as usize])
                .unwrap();
            assert_eq!(Superblock::read(&device).unwrap(), None);
        }
        // The one made last counts; a damaged one beside a good one does not matter.
        let mut device = member(Metadata::V1_2, Bytes::mib(3));
        let at = place(0, device.size());
        let mut older = Superblock::read(&device).unwrap().unwrap();
        older.uuid = Uuid([9; 16]);
        older.created -= 1;
        device.write_at(at, &older.encode(at)).unwrap();
        let uuid = |device: &MemoryDevice| Superblock::read(device).unwrap().unwrap().uuid;
        assert_eq!(uuid(&device), Uuid([0xAB; 16]));
        older.created += 2;
        device.write_at(at, &older.encode(at)).unwrap();
        assert_eq!(uuid(&device), Uuid([9; 16]));
        device.write_at(at + Bytes::new(0x20), b"x").unwrap();
        assert_eq!(uuid(&device), Uuid([0xAB; 16]));
        device.zero(Bytes::kib(4), Bytes::kib(4)).unwrap();
        let error = Superblock::read(&device).unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
    }
}
