//! What a table says of the disk that it was made for, where that is not the disk it lies on: one that
//! was cut short, or a copy on a smaller one. The kernel makes no partition of such a table.

use crc::{CRC_32_ISO_HDLC, Crc};

use super::{ENTRY_SIZE, HEADER, is_usable, number};
use crate::device::{BlockDevice, read_vec};
use crate::units::{Bytes, Lba, SectorSize};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A disk, by its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Where the disk ends that the table was made for.
    pub end: Bytes,
    /// The names of its partitions, in the order of their numbers.
    pub names: Vec<String>,
}

/// What the first copy of a table says, however long the device is. It is looked for where disks of
/// either sector size have it: a copy may lie on one of the other. None where there is none, or one
/// that is damaged.
pub fn described(device: &dyn BlockDevice) -> Option<Described> {
    let sizes = [SectorSize::S512, SectorSize::S4096];
    sizes.into_iter().find_map(|sector| read(device, sector))
}

/// The header's fields (UEFI 2.10, table 5.5): its own sector at 24, that of the other copy at 32, the
/// last one for partitions at 48, the first of the entries at 72.
fn read(device: &dyn BlockDevice, sector: SectorSize) -> Option<Described> {
    let header = read_vec(device, Lba(1).offset(sector), HEADER).ok()?;
    if !is_usable(&header) || !is_whole(&header) || number(&header, 24, 8) != 1 {
        return None;
    }
    let last = number(&header, 32, 8).max(number(&header, 48, 8));
    let end = last.checked_add(1)?.checked_mul(sector.get())?;
    Some(Described {
        end: Bytes::new(end),
        names: names(device, &header, sector)?,
    })
}

/// Whether the header's checksum is right, which is made with zeros in its place.
fn is_whole(header: &[u8]) -> bool {
    let mut bytes = header.to_vec();
    bytes[16..20].fill(0);
    u64::from(CRC.checksum(&bytes)) == number(header, 16, 4)
}

fn names(device: &dyn BlockDevice, header: &[u8], sector: SectorSize) -> Option<Vec<String>> {
    let start = number(header, 72, 8).checked_mul(sector.get())?;
    // At most 16 KiB, by the shape of the header.
    let length = usize::try_from(number(header, 80, 4) * ENTRY_SIZE).ok()?;
    let entries = read_vec(device, Bytes::new(start), length).ok()?;
    let entries = entries.chunks_exact(usize::try_from(ENTRY_SIZE).ok()?);
    // An entry of no type is free.
    let used = entries.filter(|entry| entry[..16] != [0; 16]);
    Some(used.map(name).collect())
}

/// The name is the rest of an entry: UTF-16, up to a zero.
fn name(entry: &[u8]) -> String {
    let units = entry[56..].chunks_exact(2);
    let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::super::{Partition, READ_ONLY, Table, types};
    use super::*;
    use crate::device::MemoryDevice;

    const WHOLE: Bytes = Bytes::gb(8);

    fn table() -> Table {
        let names = ["vigie-esp", "state", "data-1"];
        let partition = |(name, number): (&str, u32)| {
            let first = u64::from(number) * 4096;
            let partition = Partition {
                name: name.to_owned(),
                kind: types::LINUX,
                guid: Uuid::from_u128(u128::from(number)),
                first: Lba(first),
                last: Lba(first + 4095),
                attributes: READ_ONLY,
            };
            (number, partition)
        };
        let partitions: BTreeMap<u32, Partition> =
            names.into_iter().zip(1..).map(partition).collect();
        Table {
            guid: Uuid::from_u128(99),
            partitions,
        }
    }

    /// The first bytes of a disk of 8 GB, with a table in this sector size.
    fn beginning(table: SectorSize) -> Vec<u8> {
        let mut disk = MemoryDevice::new(WHOLE, table);
        let staged = self::table().stage(WHOLE, table).unwrap();
        staged.commit(&mut disk).unwrap();
        read_vec(&disk, Bytes::ZERO, 1 << 20).unwrap()
    }

    /// A disk of another size that begins so.
    fn disk(size: Bytes, sector: SectorSize, bytes: &[u8]) -> MemoryDevice {
        let mut disk = MemoryDevice::new(size, sector);
        disk.write_at(Bytes::ZERO, bytes).unwrap();
        disk
    }

    #[test]
    fn the_size_of_the_original_is_told_on_a_disk_cut_short() {
        for table in [SectorSize::S512, SectorSize::S4096] {
            for on in [SectorSize::S512, SectorSize::S4096] {
                let bytes = beginning(table);
                for size in [Bytes::gb(7), Bytes::mib(2), WHOLE, Bytes::gb(9)] {
                    let said = described(&disk(size, on, &bytes)).unwrap();
                    assert_eq!(said.end, WHOLE, "{table:?} on {on:?}");
                    assert_eq!(said.names, ["vigie-esp", "state", "data-1"]);
                }
            }
        }
    }

    #[test]
    fn what_is_no_table_or_a_damaged_one_says_nothing() {
        let small = Bytes::mib(2);
        let nothing = |bytes: &[u8]| described(&disk(small, SectorSize::S512, bytes)).is_none();
        assert!(nothing(&[]) && nothing(&[0xFF; 1 << 16]));
        let good = beginning(SectorSize::S512);
        // Any bit of the header.
        for at in 512..512 + HEADER {
            let mut bytes = good.clone();
            bytes[at] ^= 4;
            assert!(nothing(&bytes), "byte {at}");
        }
        for size in [0, 512, 600, 4096] {
            let tiny = disk(Bytes::new(size), SectorSize::S512, &good[..size as usize]);
            assert_eq!(described(&tiny), None, "{size} bytes");
        }
    }

    #[test]
    fn a_header_that_lies_reaches_nothing_beyond_the_disk() {
        // Fields with a right checksum: the other copy, the last sector, the entries, how many.
        for (at, length) in [(32, 8), (48, 8), (72, 8), (80, 4)] {
            let mut bytes = beginning(SectorSize::S512);
            bytes[512 + at..512 + at + length].fill(0xFF);
            bytes[528..532].fill(0);
            let sum = CRC.checksum(&bytes[512..512 + HEADER]);
            bytes[528..532].copy_from_slice(&sum.to_le_bytes());
            let found = described(&disk(Bytes::mib(2), SectorSize::S512, &bytes));
            assert_eq!(found, None, "byte {at}");
        }
    }
}
