//! What lay on a disk before is not found on it afterwards: nothing stale is
//! assembled, imported or mounted. The disks in memory discard nothing, so what
//! is not zeroed or written over is still there.

use uuid::Uuid;
use vigie_disk::device::read_vec;
use vigie_disk::md::{self, Geometry, Identity, Level, Metadata};
use vigie_disk::probe::{Kind, probe};
use vigie_disk::table::{Partition, Table, types};
use vigie_disk::{BlockDevice, Bytes, Lba, MemoryDevice, Region, SectorSize, View};
use vigie_installer::Answers;
use vigie_installer::inventory::contents::of_mbr;
use vigie_installer::layout::Purpose;
use vigie_update::Slot;

use crate::keep::install;
use crate::support::{Setup, answers, inventory, planned};

const SIZE: Bytes = Bytes::gb(8);

/// A range of an old disk, and what is put into it.
struct Old {
    start: Bytes,
    size: Bytes,
    kind: Kind,
}

const fn old(start: u64, size: u64, kind: Kind) -> Old {
    let (start, size) = (Bytes::mib(start), Bytes::mib(size));
    Old { start, size, kind }
}

/// No start is one of ours; they lie in slot B, across volumes, far inside of one.
const RANGES: [Old; 6] = [
    old(3, 96, Kind::Xfs),
    old(1700, 600, Kind::Lvm),
    old(2301, 1000, Kind::Md),
    old(3333, 1000, Kind::Zfs),
    old(4444, 1000, Kind::Luks),
    old(5555, 1000, Kind::Md),
];

/// Puts the signatures into their ranges.
fn fill(disk: &mut MemoryDevice) {
    for Old { start, size, kind } in RANGES {
        match kind {
            Kind::Md => member_of_an_array(disk, start, size),
            Kind::Zfs => {
                let label = [0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0];
                let labels = [Bytes::ZERO, Bytes::kib(256)];
                for at in labels.map(|at| [at, size - Bytes::kib(512) + at]).concat() {
                    let place = start + at + Bytes::kib(128);
                    disk.write_at(place, &label).unwrap();
                }
            }
            Kind::Lvm => disk
                .write_at(start + Bytes::new(0x218), b"LVM2 001")
                .unwrap(),
            Kind::Luks => disk.write_at(start, b"LUKS\xBA\xBE").unwrap(),
            _ => disk.write_at(start, b"XFSB").unwrap(),
        }
    }
}

/// Metadata 1.0: at the end of the range.
fn member_of_an_array(disk: &mut MemoryDevice, start: Bytes, size: Bytes) {
    let geometry = Geometry::new(Level::Raid1, Metadata::V1_0, 2, size).unwrap();
    let identity = Identity {
        uuid: md::Uuid([start.get() as u8; 16]),
        name: "old:0".to_owned(),
        member_uuids: vec![md::Uuid([1; 16]), md::Uuid([2; 16])],
        time: 1_500_000_000,
        synced: true,
    };
    let mut other = MemoryDevice::new(size, SectorSize::S512);
    let member = Region::new(disk, "old", start, size).unwrap();
    let mut members: [Box<dyn BlockDevice + '_>; 2] = [Box::new(member), Box::new(&mut other)];
    md::create(&geometry, &identity, &mut members).unwrap();
}

/// RAID of two kinds of firmware, at the end of the disk.
fn firmware_raid(disk: &mut MemoryDevice, intel: bool) {
    let (back, anchor): (u64, &[u8]) = match intel {
        true => (2, b"Intel Raid ISM Cfg Sig. 1.3.00"),
        false => (257, &[0xDE, 0x11, 0xDE, 0x11]),
    };
    let place = Bytes::new(SIZE.get() / 512 * 512 - back * 512);
    disk.write_at(place, anchor).unwrap();
}

fn with_gpt() -> MemoryDevice {
    let mut disk = MemoryDevice::new(SIZE, SectorSize::S512);
    let lba = |at: Bytes| Lba(at.get() / 512);
    let partition = |old: &Old| Partition {
        name: "old".to_owned(),
        kind: types::LINUX,
        guid: Uuid::from_u128(u128::from(old.start.get())),
        first: lba(old.start),
        last: Lba(lba(old.start + old.size).0 - 1),
        attributes: 0,
    };
    let table = Table {
        guid: Uuid::from_u128(1),
        partitions: (1..).zip(RANGES.iter().map(partition)).collect(),
    };
    let staged = table.stage(SIZE, SectorSize::S512).unwrap();
    staged.commit(&mut disk).unwrap();
    fill(&mut disk);
    disk
}

/// One table of an MBR: (type, first sector, sectors) of each entry.
fn put_table(disk: &mut MemoryDevice, at: Bytes, rows: &[(u8, u64, u64)]) {
    let mut sector = vec![0; 512];
    for (row, entry) in rows.iter().zip(sector[446..510].chunks_mut(16)) {
        entry[4] = row.0;
        entry[8..12].copy_from_slice(&(row.1 as u32).to_le_bytes());
        entry[12..].copy_from_slice(&(row.2 as u32).to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    disk.write_at(at, &sector).unwrap();
}

/// The first two ranges are primary partitions, the others logical ones, whose
/// tables lie a MiB before each.
fn with_mbr() -> MemoryDevice {
    let mut disk = MemoryDevice::new(SIZE, SectorSize::S512);
    let sectors = |bytes: Bytes| bytes.get() / 512;
    let (primary, logical) = RANGES.split_at(2);
    let before = |old: &Old| old.start - Bytes::MIB;
    let chain = before(&logical[0]);
    let mut rows: Vec<_> = primary
        .iter()
        .map(|old| (0x83, sectors(old.start), sectors(old.size)))
        .collect();
    rows.push((0x0F, sectors(chain), sectors(SIZE - chain)));
    put_table(&mut disk, Bytes::ZERO, &rows);
    for (at, old) in logical.iter().enumerate() {
        let mut rows = vec![(0x83, 2048, sectors(old.size))];
        if let Some(next) = logical.get(at + 1) {
            rows.push((0x05, sectors(before(next) - chain), 2048));
        }
        put_table(&mut disk, before(old), &rows);
    }
    fill(&mut disk);
    disk
}

fn kinds(disk: &MemoryDevice, start: Bytes, size: Bytes) -> Vec<Kind> {
    let view = View::new(disk, "a range", start, size).unwrap();
    probe(&view).into_iter().map(|found| found.kind).collect()
}

/// On the disk and in each partition of ours is what belongs there, and nothing else.
fn check_ours(setup: &Setup, disk: &mut MemoryDevice) {
    assert_eq!(kinds(disk, Bytes::ZERO, SIZE), [Kind::Gpt]);
    let found = inventory(&mut [&mut *disk]);
    assert!(found.arrays.is_empty(), "{:?}", found.arrays);
    assert!(of_mbr(disk).is_empty());
    let plan = planned(&answers(), &found, &setup.payload);
    for part in plan.system().partitions.parts() {
        let expected: &[Kind] = match part.purpose {
            Purpose::Esp => &[Kind::Fat],
            Purpose::State | Purpose::Data(_) => &[Kind::Ext],
            _ => &[],
        };
        let name = part.purpose.name();
        assert_eq!(kinds(disk, part.offset, part.size), expected, "{name}");
        if matches!(
            part.purpose,
            Purpose::Boot(Slot::B) | Purpose::System(Slot::B)
        ) {
            let tail = part.end() - Bytes::MIB;
            let end = read_vec(disk, tail, 1 << 20).unwrap();
            assert!(end.iter().all(|byte| *byte == 0), "the end of {name}");
        }
    }
}

#[test]
fn nothing_of_an_old_disk_is_found() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    for (make, intel) in [
        (with_gpt as fn() -> MemoryDevice, false),
        (with_gpt, true),
        (with_mbr, false),
        (with_mbr, true),
    ] {
        let mut disk = make();
        firmware_raid(&mut disk, intel);
        for Old { start, size, kind } in RANGES {
            assert_eq!(kinds(&disk, start, size), [kind], "before, at {start}");
        }
        let firmware = if intel { Kind::Imsm } else { Kind::Ddf };
        assert!(kinds(&disk, Bytes::ZERO, SIZE).contains(&firmware));
        install(&setup, &answers(), &mut [&mut disk], "new");
        for Old { start, size, kind } in RANGES {
            assert_eq!(kinds(&disk, start, size), [], "{kind:?} at {start}");
            // ZFS has two more labels at the end, which the probe does not look at.
            let end = read_vec(&disk, start + size - Bytes::kib(512), 1 << 19).unwrap();
            assert!(end.iter().all(|byte| *byte == 0), "the end of {kind:?}");
        }
        check_ours(&setup, &mut disk);
    }
}

/// A member of a mirror of ours becomes a disk alone: the same partitions at the same places.
#[test]
fn nothing_of_an_old_mirror_is_found() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    let mirror = "[target]\nraid = \"raid1\"\n\
                  disks = [{ serial = \"S0\" }, { serial = \"S1\" }]\n";
    let blank = || MemoryDevice::new(SIZE, SectorSize::S512);
    let [mut one, mut other] = [blank(), blank()];
    let mirror = Answers::parse(mirror).unwrap();
    install(&setup, &mirror, &mut [&mut one, &mut other], "old");
    assert_eq!(inventory(&mut [&mut one]).arrays.len(), 6);
    install(&setup, &answers(), &mut [&mut one], "new");
    check_ours(&setup, &mut one);
}
