//! Partition tables (GPT), made and read with the `gpt` crate behind guards.
//!
//! The crate writes a table where and when it likes, renumbers partitions after
//! a gap, writes overlaps without complaint, panics on entries that are not 128
//! bytes and does not fall back when the primary entry array is bad (crates.md,
//! section 2). So:
//!
//! - a table is checked by [`Table::check`] before it is encoded;
//! - it is encoded onto a disk in memory, and *we* write the pieces
//!   ([`Staged::commit`]) in an order that never leaves half a table valid;
//! - a header is looked at before the crate may see it, and hidden if bad.
//!
//! What the table of a larger disk says, which the crate and the kernel refuse, is in [`described()`].

mod described;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use gpt::partition_types::{OperatingSystem, Type};
use uuid::Uuid;

use crate::device::{BlockDevice, Cursor, MemoryDevice, read_vec};
use crate::error::{Error, Result};
use crate::units::{Bytes, Lba, SectorSize};

pub use described::{Described, described};

/// Entries in our tables, as everybody's; UEFI requires room for so many.
const ENTRIES: u64 = 128;
const ENTRY_SIZE: u64 = 128;
/// Bytes of a header.
const HEADER: usize = 92;
const WHAT: &str = "the partition table";

/// Partition types, from UEFI, GRUB and the Discoverable Partitions Specification.
pub mod types {
    use uuid::{Uuid, uuid};

    /// BIOS boot: GRUB's core image, without a file system.
    pub const BIOS_BOOT: Uuid = uuid!("21686148-6449-6e6f-744e-656564454649");
    /// EFI system partition.
    pub const ESP: Uuid = uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    /// Linux data of no declared purpose.
    pub const LINUX: Uuid = uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4");
    /// Root of an x86-64 system.
    pub const ROOT_X86_64: Uuid = uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709");
    /// Server data, mounted below /srv.
    pub const SRV: Uuid = uuid!("3b8f8425-20e0-4f3b-907f-1a25a76f98e8");
    /// Member of an md array.
    pub const RAID: Uuid = uuid!("a19d880f-05fc-4d3b-a006-743f0f84911e");
}

/// The attribute "read-only" of the Discoverable Partitions Specification.
pub const READ_ONLY: u64 = 1 << 60;

/// One partition. Its number is its place in [`Table::partitions`], from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Name, at most 36 characters.
    pub name: String,
    /// Type GUID.
    pub kind: Uuid,
    /// The partition's own GUID.
    pub guid: Uuid,
    /// First sector.
    pub first: Lba,
    /// Last sector, inside the partition.
    pub last: Lba,
    /// Attribute bits.
    pub attributes: u64,
}

impl Partition {
    /// First byte.
    pub fn offset(&self, sector: SectorSize) -> Bytes {
        self.first.offset(sector)
    }

    /// Length in bytes.
    pub fn length(&self, sector: SectorSize) -> Bytes {
        Bytes::new((self.last.0 - self.first.0 + 1) * sector.get())
    }
}

/// A partition table: by number, so that gaps of a foreign table stay visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The disk's GUID.
    pub guid: Uuid,
    /// The partitions by number, from 1.
    pub partitions: BTreeMap<u32, Partition>,
}

impl Table {
    /// Reads the table of a disk; none where neither copy of one is there.
    pub fn read(device: &dyn BlockDevice) -> Result<Option<Self>> {
        let sector = device.sector_size();
        let sectors = device.size().get() / sector.get();
        if sectors < 3 {
            return Ok(None);
        }
        let (primary, backup) = (Lba(1), Lba(sectors - 1));
        let usable = |lba| header_is_usable(device, lba);
        let (has_primary, has_backup) = (usable(primary)?, usable(backup)?);
        let mut reason = None;
        for (shown, hidden) in [(has_primary, backup), (has_backup, primary)] {
            if !shown {
                continue;
            }
            match parse(device, hidden) {
                Ok(table) => return Ok(Some(table)),
                Err(error) => reason = Some(error),
            }
        }
        reason.map_or(Ok(None), |why| Err(Error::format(WHAT, device.name(), why)))
    }

    /// Refuses a table that the `gpt` crate would write wrongly or that no disk should carry.
    pub fn check(&self, size: Bytes, sector: SectorSize) -> Result<(), String> {
        let (first, last) = usable(size, sector);
        let count = self.partitions.len() as u64;
        if count > ENTRIES {
            return Err(format!("{count} partitions; a table holds {ENTRIES}"));
        }
        if !self.partitions.keys().copied().eq(1..=count as u32) {
            return Err("its numbers have gaps".to_owned());
        }
        let mut by_place: Vec<&Partition> = self.partitions.values().collect();
        by_place.sort_by_key(|partition| partition.first);
        let mut free = first;
        for partition in by_place {
            let name = &partition.name;
            if name.encode_utf16().count() > 36 {
                return Err(format!("the name {name} is longer than 36 characters"));
            }
            if partition.first < free || partition.last > last {
                return Err(format!(
                    "{name} (sectors {} to {}) overlaps another partition or lies outside {} to {}",
                    partition.first.0, partition.last.0, first.0, last.0
                ));
            }
            if partition.last < partition.first {
                return Err(format!("{name} ends before it starts"));
            }
            free = Lba(partition.last.0 + 1);
        }
        Ok(())
    }

    /// Encodes the table for a disk of this size, in pieces to be committed.
    pub fn stage(&self, size: Bytes, sector: SectorSize) -> Result<Staged> {
        let wrong = |why: String| Error::format(WHAT, "the new disk", why);
        self.check(size, sector).map_err(wrong)?;
        let memory = self
            .encode(size, sector)
            .map_err(|e| wrong(e.to_string()))?;
        Staged::cut(&memory)
    }

    /// Lets the `gpt` crate write onto a disk in memory.
    fn encode(
        &self,
        size: Bytes,
        sector: SectorSize,
    ) -> Result<MemoryDevice, Box<dyn std::error::Error>> {
        let mut memory = Box::new(MemoryDevice::new(size, sector));
        let covered = size.get() / sector.get() - 1;
        gpt::mbr::ProtectiveMBR::with_lb_size(u32::try_from(covered).unwrap_or(u32::MAX))
            .overwrite_lba0(&mut Cursor::new(&mut *memory))?;
        let mut disk = gpt::GptConfig::new()
            .writable(true)
            .logical_block_size(block_size(sector))
            .create_from_device(Cursor::new(memory), Some(self.guid))?;
        disk.update_partitions(
            self.partitions
                .iter()
                .map(|(number, partition)| (*number, to_crate(partition)))
                .collect(),
        )?;
        Ok(*disk.write()?.into_inner())
    }
}

/// First and last sector that a partition may use on a disk.
pub fn usable(size: Bytes, sector: SectorSize) -> (Lba, Lba) {
    let array = array_sectors(sector);
    let sectors = size.get() / sector.get();
    (Lba(2 + array), Lba(sectors.saturating_sub(2 + array)))
}

fn array_sectors(sector: SectorSize) -> u64 {
    ENTRIES * ENTRY_SIZE / sector.get()
}

fn block_size(sector: SectorSize) -> gpt::disk::LogicalBlockSize {
    match sector {
        SectorSize::S512 => gpt::disk::LogicalBlockSize::Lb512,
        SectorSize::S4096 => gpt::disk::LogicalBlockSize::Lb4096,
    }
}

fn to_crate(partition: &Partition) -> gpt::partition::Partition {
    gpt::partition::Partition {
        part_type_guid: Type {
            guid: partition.kind,
            os: OperatingSystem::None,
        },
        part_guid: partition.guid,
        first_lba: partition.first.0,
        last_lba: partition.last.0,
        flags: partition.attributes,
        name: partition.name.clone(),
    }
}

/// A table cut into the pieces that reach the disk one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Sector 0: the protective MBR. Boot code may be put into its first 440 bytes.
    pub mbr: Vec<u8>,
    primary_header: Vec<u8>,
    primary_array: Vec<u8>,
    backup_array: Vec<u8>,
    backup_header: Vec<u8>,
    sector: SectorSize,
    last: Lba,
}

impl Staged {
    fn cut(memory: &MemoryDevice) -> Result<Self> {
        let sector = memory.sector_size();
        let array = array_sectors(sector);
        let last = Lba(memory.size().get() / sector.get() - 1);
        let read = |first: u64, count: u64| {
            let length = (count * sector.get()) as usize;
            read_vec(memory, Lba(first).offset(sector), length)
        };
        Ok(Self {
            mbr: read(0, 1)?,
            primary_header: read(1, 1)?,
            primary_array: read(2, array)?,
            backup_array: read(last.0 - array, array)?,
            backup_header: read(last.0, 1)?,
            sector,
            last,
        })
    }

    /// Writes the table: backup array and header, primary array, primary header,
    /// and sector 0 last, each on the disk before the next begins. A cut in
    /// between leaves either the old table, none, or this one.
    pub fn commit(&self, device: &mut dyn BlockDevice) -> Result<()> {
        let backup_array = Lba(self.last.0 - array_sectors(self.sector));
        let order = [
            (backup_array, &self.backup_array),
            (self.last, &self.backup_header),
            (Lba(2), &self.primary_array),
            (Lba(1), &self.primary_header),
            (Lba(0), &self.mbr),
        ];
        for (lba, bytes) in order {
            device.write_at(lba.offset(self.sector), bytes)?;
            device.flush()?;
        }
        Ok(())
    }
}

/// Whether the sector holds a header that the crate can parse without panicking.
fn header_is_usable(device: &dyn BlockDevice, lba: Lba) -> Result<bool> {
    let header = read_vec(device, lba.offset(device.sector_size()), HEADER)?;
    Ok(is_usable(&header))
}

/// Whether these bytes are a header of the shape that everybody's have (UEFI 2.10, section 5.3.2).
fn is_usable(header: &[u8]) -> bool {
    header.starts_with(b"EFI PART")
        && number(header, 12, 4) == HEADER as u64
        && number(header, 84, 4) == ENTRY_SIZE
        && (1..=ENTRIES).contains(&number(header, 80, 4))
}

/// The number in `length` bytes from `at`, the lowest first.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes[at..at + length].iter().rev();
    bytes.fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// Parses with the crate, one of the two headers hidden from it.
fn parse(device: &dyn BlockDevice, hidden: Lba) -> Result<Table, String> {
    let view = View {
        inside: Cursor::new(device),
        hidden: hidden.offset(device.sector_size()).get(),
        sector: device.sector_size().get(),
        position: 0,
    };
    let disk = gpt::GptConfig::new()
        .logical_block_size(block_size(device.sector_size()))
        .open_from_device(view)
        .map_err(|error| error.to_string())?;
    let partitions: BTreeMap<u32, Partition> = disk
        .partitions()
        .iter()
        .filter(|(_, entry)| entry.is_used())
        .map(|(number, entry)| (*number, from_crate(entry)))
        .collect();
    let sectors = device.size().get() / device.sector_size().get();
    match partitions
        .values()
        .find(|partition| partition.last < partition.first || partition.last.0 >= sectors)
    {
        Some(wrong) => Err(format!("partition {} lies outside the disk", wrong.name)),
        None => Ok(Table {
            guid: *disk.guid(),
            partitions,
        }),
    }
}

fn from_crate(entry: &gpt::partition::Partition) -> Partition {
    Partition {
        name: entry.name.trim_end_matches('\0').to_owned(),
        kind: entry.part_type_guid.guid,
        guid: entry.part_guid,
        first: Lba(entry.first_lba),
        last: Lba(entry.last_lba),
        attributes: entry.flags,
    }
}

/// A device that reads as zeros in one sector and cannot be written.
#[derive(Debug)]
struct View<'a> {
    inside: Cursor<&'a dyn BlockDevice>,
    hidden: u64,
    sector: u64,
    position: u64,
}

impl Read for View<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inside.read(buffer)?;
        for (byte, at) in buffer[..count].iter_mut().zip(self.position..) {
            if (self.hidden..self.hidden + self.sector).contains(&at) {
                *byte = 0;
            }
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for View<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for View<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.inside.seek(to)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(places: &[(u64, u64)]) -> Table {
        let partitions = places.iter().zip(1..).map(|((first, last), number)| {
            let partition = Partition {
                name: format!("part-{number}"),
                kind: types::LINUX,
                guid: Uuid::from_u128(u128::from(number)),
                first: Lba(*first),
                last: Lba(*last),
                attributes: READ_ONLY,
            };
            (number, partition)
        });
        Table {
            guid: Uuid::from_u128(99),
            partitions: partitions.collect(),
        }
    }

    fn written(sector: SectorSize) -> (MemoryDevice, Table) {
        let table = table(&[(2048, 4095), (4096, 10_000), (10_001, 10_001)]);
        let mut disk = MemoryDevice::new(Bytes::tib(3), sector);
        table
            .stage(disk.size(), sector)
            .unwrap()
            .commit(&mut disk)
            .unwrap();
        (disk, table)
    }

    #[test]
    fn a_table_reads_back_from_either_copy() {
        for sector in [SectorSize::S512, SectorSize::S4096] {
            let (disk, table) = written(sector);
            assert_eq!(Table::read(&disk).unwrap(), Some(table.clone()));
            let last = disk.size() - sector.bytes();
            // Primary header, primary array, backup header gone: the other copy serves.
            for broken in [sector.bytes(), sector.bytes() * 2, last] {
                let mut disk = disk.clone();
                disk.write_at(broken, &[0xA5; 64]).unwrap();
                assert_eq!(Table::read(&disk).unwrap(), Some(table.clone()));
            }
            let mut disk = disk;
            disk.write_at(sector.bytes(), &[0; 512]).unwrap();
            disk.write_at(last, &[0; 512]).unwrap();
            assert_eq!(Table::read(&disk).unwrap(), None);
        }
    }

    #[test]
    fn a_header_that_would_panic_is_refused() {
        let (mut disk, table) = written(SectorSize::S512);
        let mut header = read_vec(&disk, Bytes::new(512), 512).unwrap();
        header[84..88].copy_from_slice(&4641_u32.to_le_bytes());
        disk.write_at(Bytes::new(512), &header).unwrap();
        assert_eq!(Table::read(&disk).unwrap(), Some(table));
    }

    #[test]
    fn wrong_tables_are_not_written() {
        let size = Bytes::gib(1);
        for (places, says) in [
            (&[(2048, 4096), (4096, 5000)][..], "overlaps"),
            (&[(33, 4096)], "outside"),
            (&[(2048, (1 << 21) - 1)], "outside"),
            (&[(5000, 4000)], "ends before"),
        ] {
            let error = table(places).stage(size, SectorSize::S512).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        let mut gap = table(&[(2048, 4095), (4096, 10_000)]);
        gap.partitions.remove(&1);
        assert!(gap.stage(size, SectorSize::S512).is_err());
    }

    #[test]
    fn random_bytes_never_panic() {
        let (clean, _) = written(SectorSize::S512);
        let mut seed = 1_u64;
        for _ in 0..2000 {
            let mut disk = clean.clone();
            for _ in 0..4 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = 512 + (seed >> 33) % 1200;
                disk.write_at(Bytes::new(at), &[(seed >> 20) as u8])
                    .unwrap();
            }
            let _ = Table::read(&disk);
        }
    }
}
