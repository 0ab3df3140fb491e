//! The partitions of an old MBR table, for clearing what is in them.
//!
//! Four entries in sector 0, one of which may be an extended partition: a chain
//! of tables, each with one logical partition and the place of the next. Read as
//! the kernel reads it (`block/partitions/msdos.c`), in sectors of the disk, and
//! taken as hostile: the chain is bounded, goes to no place twice, and what lies
//! outside the disk is cut off or left out.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::device::{BlockDevice, read_vec};
use crate::units::{Bytes, Lba};

/// As many tables of a chain are followed as the kernel follows.
const MOST_LINKS: usize = 100;
/// The entries of a table, in sector 0 and in each link.
const ENTRIES: Range<usize> = 446..510;
const ENTRY: usize = 16;
/// Type of an entry that stands for a whole disk with a GPT.
const PROTECTIVE: u8 = 0xEE;

/// One entry that is used: its type, its first sector from where its table counts, its length.
struct Entry {
    kind: u8,
    start: u64,
    length: u64,
}

impl Entry {
    /// A chain of further tables, by one of the three types that are in use for it.
    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0F | 0x85)
    }
}

/// Where the partitions of a disk's MBR lie, first and one past the last byte,
/// in the order of the table; none where it has no such table. The extended
/// partition is one of them.
pub fn partitions(device: &dyn BlockDevice) -> Vec<Range<Bytes>> {
    let mut found = Vec::new();
    for entry in entries(device, Lba(0)).unwrap_or_default() {
        found.extend(place(device, Lba(0), &entry));
        if entry.is_extended() {
            chain(device, Lba(entry.start), &mut found);
        }
    }
    found
}

/// Follows an extended partition that begins at `base`.
fn chain(device: &dyn BlockDevice, base: Lba, found: &mut Vec<Range<Bytes>>) {
    let mut seen = BTreeSet::new();
    let mut next = Some(base);
    while let Some(here) = next {
        if seen.len() == MOST_LINKS || !seen.insert(here) {
            return;
        }
        let Some(entries) = entries(device, here) else {
            return;
        };
        // Partitions count from their own table, the next table from the extended partition.
        for entry in entries.iter().filter(|entry| !entry.is_extended()) {
            found.extend(place(device, here, entry));
        }
        let link = entries.iter().find(|entry| entry.is_extended());
        next = link.and_then(|link| Some(Lba(base.0.checked_add(link.start)?)));
    }
}

/// The used entries of the table in a sector; none where there is no table.
fn entries(device: &dyn BlockDevice, at: Lba) -> Option<Vec<Entry>> {
    let offset = at.0.checked_mul(device.sector_size().get())?;
    let sector = read_vec(device, Bytes::new(offset), 512).ok()?;
    let raw = sector[ENTRIES].chunks(ENTRY);
    // Code of a boot sector has other bytes there.
    let is_table = sector[510..] == [0x55, 0xAA] && raw.clone().all(|one| one[0] & 0x7F == 0);
    let entry = |one: &[u8]| Entry {
        kind: one[4],
        start: u64::from(word(one, 8)),
        length: u64::from(word(one, 12)),
    };
    let used = |one: &Entry| one.kind != PROTECTIVE && one.length > 0;
    is_table.then(|| raw.map(entry).filter(used).collect())
}

fn word(entry: &[u8], at: usize) -> u32 {
    let bytes = entry[at..at + 4].iter().rev();
    bytes.fold(0, |all, byte| all << 8 | u32::from(*byte))
}

/// The bytes of an entry whose table counts from `base`, as far as the disk has them.
fn place(device: &dyn BlockDevice, base: Lba, entry: &Entry) -> Option<Range<Bytes>> {
    let sector = device.sector_size().get();
    let start = base.0.checked_add(entry.start)?.checked_mul(sector)?;
    let end = start.checked_add(entry.length.checked_mul(sector)?)?;
    let end = end.min(device.size().get());
    (start < end).then(|| Bytes::new(start)..Bytes::new(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryDevice;
    use crate::units::SectorSize;

    const SIZE: Bytes = Bytes::gib(8);

    /// (type, first sector, sectors)
    type Row = (u8, u32, u32);

    fn put(disk: &mut MemoryDevice, at: u64, rows: &[Row]) {
        let mut sector = vec![0; 512];
        for (row, entry) in rows.iter().zip(sector[ENTRIES].chunks_mut(ENTRY)) {
            entry[4] = row.0;
            entry[8..12].copy_from_slice(&row.1.to_le_bytes());
            entry[12..].copy_from_slice(&row.2.to_le_bytes());
        }
        sector[510..].copy_from_slice(&[0x55, 0xAA]);
        let offset = Lba(at).offset(disk.sector_size());
        disk.write_at(offset, &sector).unwrap();
    }

    /// The partitions of a disk with these tables, in sectors.
    fn found(sector: SectorSize, tables: &[(u64, &[Row])]) -> Vec<(u64, u64)> {
        let mut disk = MemoryDevice::new(SIZE, sector);
        for (at, rows) in tables {
            put(&mut disk, *at, rows);
        }
        let sectors = |bytes: Bytes| bytes.get() / sector.get();
        let found = partitions(&disk).into_iter();
        found
            .map(|one| (sectors(one.start), sectors(one.end)))
            .collect()
    }

    #[test]
    fn primary_and_logical_partitions() {
        for sector in [SectorSize::S512, SectorSize::S4096] {
            let tables: [(u64, &[Row]); 4] = [
                (0, &[(0x83, 2048, 1000), (0x0F, 10_000, 9000), (7, 5000, 9)]),
                (10_000, &[(0x83, 63, 100), (5, 2000, 2000)]),
                (12_000, &[(0x8E, 63, 200), (5, 4000, 2000)]),
                (14_000, &[(0xFD, 63, 300)]),
            ];
            let expected = [
                (2048, 3048),
                (10_000, 19_000),
                (10_063, 10_163),
                (12_063, 12_263),
                (14_063, 14_363),
                (5000, 5009),
            ];
            assert_eq!(found(sector, &tables), expected);
        }
    }

    #[test]
    fn what_is_no_table_or_has_no_partition() {
        let sector = SectorSize::S512;
        assert_eq!(found(sector, &[]), []);
        // A disk with a GPT, an empty entry.
        let rows: &[Row] = &[(0xEE, 1, u32::MAX), (0x83, 100, 0)];
        assert_eq!(found(sector, &[(0, rows)]), []);
        let mut disk = MemoryDevice::new(SIZE, sector);
        put(&mut disk, 0, &[(0x83, 100, 100)]);
        let mut code = disk.clone();
        code.write_at(Bytes::new(462), &[0xEB]).unwrap();
        assert!(partitions(&code).is_empty(), "code of a boot sector");
        disk.write_at(Bytes::new(510), &[0]).unwrap();
        assert!(partitions(&disk).is_empty(), "no signature");
        assert!(partitions(&MemoryDevice::new(Bytes::new(100), sector)).is_empty());
    }

    #[test]
    fn hostile_tables_end() {
        let sector = SectorSize::S512;
        let sectors = SIZE.get() / 512;
        // Onto itself, and in a circle of two.
        let own: [(u64, &[Row]); 2] = [(0, &[(5, 1000, 9000)]), (1000, &[(5, 0, 9), (1, 1, 1)])];
        assert_eq!(found(sector, &own), [(1000, 10_000), (1001, 1002)]);
        let circle: [(u64, &[Row]); 3] = [
            (0, &[(5, 1000, 9000)]),
            (1000, &[(5, 500, 9), (1, 1, 1)]),
            (1500, &[(5, 0, 9), (1, 1, 1)]),
        ];
        let expected = [(1000, 10_000), (1001, 1002), (1501, 1502)];
        assert_eq!(found(sector, &circle), expected);
        // Back to the table of the disk.
        let root: [(u64, &[Row]); 1] = [(0, &[(5, 0, 9), (1, 50, 1)])];
        assert_eq!(found(sector, &root), [(0, 9), (50, 51), (50, 51)]);
        // Outside of the disk, whole and in part, and as far as numbers go.
        let outside: [(u64, &[Row]); 2] = [
            (0, &[(1, 4_000_000_000, 5), (1, 100, u32::MAX), (5, 7, 1)]),
            (7, &[(1, u32::MAX, u32::MAX), (5, u32::MAX, u32::MAX)]),
        ];
        assert_eq!(found(sector, &outside), [(100, sectors), (7, 8)]);
        // Longer than any chain.
        let mut disk = MemoryDevice::new(SIZE, sector);
        put(&mut disk, 0, &[(5, 10, 1_000_000)]);
        for link in 0..1000 {
            put(
                &mut disk,
                10 + 10 * u64::from(link),
                &[(1, 1, 1), (5, 10 * (link + 1), 10)],
            );
        }
        assert_eq!(partitions(&disk).len(), 1 + MOST_LINKS);
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut seed = 7_u64;
        for _ in 0..3000 {
            let mut disk = MemoryDevice::new(Bytes::kib(64), SectorSize::S512);
            for sector in 0..128 {
                let rows: Vec<Row> = (0..4)
                    .map(|_| {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let kind = [5, 0x83, 0x0F, 0][(seed >> 60) as usize % 4];
                        let near = (seed >> 33) as u32 % 140;
                        let far = (seed >> 30) as u32;
                        let start = if seed & 1 << 50 == 0 { near } else { far };
                        (kind, start, (seed >> 20) as u32 % 99)
                    })
                    .collect();
                put(&mut disk, sector, &rows);
            }
            for one in partitions(&disk) {
                assert!(one.start < one.end && one.end <= disk.size());
            }
        }
    }
}
