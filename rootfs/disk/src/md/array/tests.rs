use super::*;
use crate::device::{MemoryDevice, Region, read_vec};
use crate::md::superblock::{feature, place};
use crate::md::{Identity, Metadata, Uuid, create};

const SECTOR: SectorSize = SectorSize::S512;

fn identity(members: usize, synced: bool) -> Identity {
    Identity {
        uuid: Uuid([7; 16]),
        name: "vigie:data-1".to_owned(),
        member_uuids: (0..members).map(|role| Uuid([role as u8; 16])).collect(),
        time: 1_763_800_000,
        synced,
    }
}

fn pattern(length: usize, salt: u32) -> Vec<u8> {
    let byte = |at: u32| (at.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 13) as u8;
    (0..length as u32).map(byte).collect()
}

fn blank(geometry: &Geometry) -> Vec<MemoryDevice> {
    vec![MemoryDevice::new(geometry.partition, SECTOR); geometry.members]
}

/// An array of 6 MiB members, in sync, that holds a pattern; and the pattern.
fn made(level: Level, members: usize, synced: bool) -> (Vec<MemoryDevice>, Vec<u8>) {
    let geometry = Geometry::new(level, Metadata::V1_2, members, Bytes::mib(6)).unwrap();
    let mut devices = blank(&geometry);
    create(&geometry, &identity(members, synced), &mut devices).unwrap();
    let data = pattern(geometry.capacity().get() as usize, 0);
    let borrowed: Vec<&mut MemoryDevice> = devices.iter_mut().collect();
    let mut array = Array::over(&geometry, borrowed).unwrap();
    array.write_at(Bytes::ZERO, &data).unwrap();
    drop(array);
    if level == Level::Raid5 && synced {
        add_parity(&geometry, &mut devices);
    }
    (devices, data)
}

/// Writes the parity of RAID 5, by the sum of each row: where data lies the sum
/// of all is made zero on the one place without data.
fn add_parity(geometry: &Geometry, devices: &mut [MemoryDevice]) {
    let chunk = geometry.chunk.get() as usize;
    for row in 0..geometry.member_size.get() / geometry.chunk.get() {
        let at = geometry.data_offset + geometry.chunk * row;
        let mut sum = vec![0; chunk];
        for device in devices.iter() {
            let bytes = read_vec(device, at, chunk).unwrap();
            sum.iter_mut()
                .zip(bytes)
                .for_each(|(sum, byte)| *sum ^= byte);
        }
        let parity = geometry.members - 1 - row as usize % geometry.members;
        devices[parity].write_at(at, &sum).unwrap();
    }
}

fn open<'a>(devices: impl IntoIterator<Item = &'a mut MemoryDevice>) -> Result<Array<'a>> {
    let with = |device: &'a mut MemoryDevice| {
        let superblock = Superblock::read(device).unwrap().unwrap();
        (superblock, device)
    };
    Array::open(devices.into_iter().map(with).collect())
}

fn all(array: &Array<'_>) -> Result<Vec<u8>> {
    read_vec(array, Bytes::ZERO, array.size().get() as usize)
}

/// Changes the superblock of a member, as a kernel would.
fn change(device: &mut MemoryDevice, act: impl Fn(&mut Superblock)) {
    let mut superblock = Superblock::read(device).unwrap().unwrap();
    act(&mut superblock);
    let at = place(superblock.minor, device.size());
    device.write_at(at, &superblock.encode(at)).unwrap();
}

#[test]
fn what_is_written_is_read_in_any_pieces() {
    for level in Level::ALL {
        for members in [level.minimum(), level.minimum() + 1] {
            let (mut devices, mut data) = made(level, members, level != Level::Raid6);
            for (at, length) in [(0, 1), (1, 600_000), (524_287, 2), (data.len() - 1, 1)] {
                let geometry =
                    Geometry::new(level, Metadata::V1_2, members, Bytes::mib(6)).unwrap();
                let piece = pattern(length, 99);
                data[at..at + length].copy_from_slice(&piece);
                // As Regions, as the executor has them.
                let regions = devices.iter_mut().map(|device| {
                    let size = device.size();
                    Region::new(device, "data-1", Bytes::ZERO, size).unwrap()
                });
                let mut array = Array::over(&geometry, regions.collect()).unwrap();
                array.write_at(Bytes::new(at as u64), &piece).unwrap();
                assert!(all(&array).unwrap() == data, "{level} over {members}");
                let part = read_vec(&array, Bytes::new(at as u64), length).unwrap();
                assert!(part == piece);
            }
            let array = open(devices.iter_mut().rev()).unwrap();
            assert_eq!((array.missing(), array.left_out()), (vec![], &[][..]));
            assert!(
                all(&array).unwrap() == data,
                "{level} over {members}, opened"
            );
            assert!(read_vec(&array, array.size(), 1).is_err());
        }
    }
}

#[test]
fn zeroing_leaves_the_rest_and_parity_in_order() {
    for level in [Level::Raid1, Level::Raid5, Level::Raid10] {
        let (mut devices, mut data) = made(level, 4, true);
        let geometry = Geometry::new(level, Metadata::V1_2, 4, Bytes::mib(6)).unwrap();
        let (at, length) = (1_000_000, 2_500_000);
        let borrowed: Vec<&mut MemoryDevice> = devices.iter_mut().collect();
        let mut array = Array::over(&geometry, borrowed).unwrap();
        array.zero(Bytes::new(at), Bytes::new(length)).unwrap();
        array.discard(Bytes::new(at), Bytes::new(length)).unwrap();
        array.forget_cached(Bytes::new(at), Bytes::new(length));
        array.flush().unwrap();
        data[at as usize..(at + length) as usize].fill(0);
        assert!(all(&array).unwrap() == data, "{level}");
    }
}

#[test]
fn missing_members_are_made_up_for_where_that_can_be() {
    for (level, members, synced, gone, readable) in [
        (Level::Raid1, 2, true, &[0][..], true),
        (Level::Raid1, 3, false, &[0, 2], true),
        (Level::Raid10, 4, true, &[0, 3], true),
        (Level::Raid10, 4, true, &[1, 2], true),
        (Level::Raid10, 4, true, &[2, 3], false),
        (Level::Raid10, 5, true, &[0, 4], false),
        (Level::Raid10, 5, true, &[1, 2], false),
        (Level::Raid10, 5, true, &[1, 3], true),
        (Level::Raid5, 3, true, &[0], true),
        (Level::Raid5, 4, true, &[3], true),
        (Level::Raid5, 3, false, &[0], false),
        (Level::Raid5, 3, true, &[0, 1], false),
        (Level::Raid6, 4, true, &[0], false),
    ] {
        let what = format!("{level} of {members} without {gone:?}");
        let (mut devices, data) = made(level, members, synced);
        let left = devices.iter_mut().enumerate();
        let left = left.filter(|(role, _)| !gone.contains(role));
        match open(left.map(|(_, device)| device)) {
            Ok(array) => {
                assert!(readable, "{what}");
                assert_eq!(array.missing(), gone);
                assert!(all(&array).unwrap() == data, "{what}");
            }
            Err(error) => {
                assert!(!readable, "{what}: {error}");
                let gone = gone
                    .iter()
                    .map(usize::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                let says = format!("these are missing: {gone}");
                assert!(error.to_string().contains(&says), "{error}");
            }
        }
    }
}

#[test]
fn copies_that_differ_are_an_error_that_names_both() {
    for (level, members) in [(Level::Raid1, 3), (Level::Raid10, 4)] {
        let geometry = Geometry::new(level, Metadata::V1_2, members, Bytes::mib(6)).unwrap();
        let (devices, data) = made(level, members, true);
        let mut files: Vec<_> = devices.into_iter().map(Named::new).collect();
        files
            .iter_mut()
            .enumerate()
            .for_each(|(role, file)| file.1 = format!("disk-{role}"));
        let at = geometry.data_offset + Bytes::new(77);
        let byte = read_vec(&files[1], at, 1).unwrap()[0];
        files[1].write_at(at, &[!byte]).unwrap();
        let borrowed: Vec<&mut Named> = files.iter_mut().collect();
        let array = Array::over(&geometry, borrowed).unwrap();
        let error = read_vec(&array, Bytes::ZERO, 4096).unwrap_err().to_string();
        assert!(
            error.contains("disk-0 and disk-1 differ at byte 2097229"),
            "{error}"
        );
        let beyond = read_vec(&array, Bytes::kib(4), 4096).unwrap();
        assert!(beyond == data[4096..8192]);
    }
    // The kernel reads the first copy of an array that is not in sync, and so do we.
    let (mut devices, data) = made(Level::Raid1, 2, false);
    devices[1].write_at(Bytes::mib(2), b"other").unwrap();
    let array = open(&mut devices).unwrap();
    assert!(all(&array).unwrap() == data);
}

#[test]
fn members_that_must_not_be_read_are_left_out() {
    type Change = fn(&mut Superblock);
    let stale: Change = |one| one.events = 3;
    let cases: [(Change, Change, &str); 6] = [
        (
            stale,
            |one| one.events = 5,
            "out of date (events 3, others 5)",
        ),
        (
            stale,
            |one| {
                one.events = 4;
                one.roles[1] = 0xFFFE;
            },
            "out of date",
        ),
        (
            |one| one.features |= feature::RECOVERY,
            |_| {},
            "being rebuilt",
        ),
        (
            |one| one.features |= feature::BAD_BLOCKS,
            |_| {},
            "lists bad blocks",
        ),
        (|one| one.features |= 512, |_| {}, "not understood (0x200)"),
        (|one| one.roles[1] = 0xFFFF, |_| {}, "spare"),
    ];
    for (own, others, why) in cases {
        let (mut devices, data) = made(Level::Raid1, 3, true);
        devices[1]
            .write_at(Bytes::mib(2), b"not to be read")
            .unwrap();
        change(&mut devices[1], own);
        change(&mut devices[0], others);
        change(&mut devices[2], others);
        let array = open(&mut devices).unwrap();
        assert_eq!(array.missing(), [1], "{why}");
        assert!(array.left_out()[0].contains(why), "{:?}", array.left_out());
        assert!(all(&array).unwrap() == data, "{why}");
    }
    // One step behind is what a power cut between two superblocks leaves.
    let (mut devices, _) = made(Level::Raid1, 2, true);
    change(&mut devices[0], |one| one.events = 1);
    assert!(open(&mut devices).unwrap().missing().is_empty());
}

#[test]
fn members_that_contradict_each_other_are_refused() {
    type Change = fn(&mut Superblock);
    let cases: [(Change, &str); 5] = [
        (|one| one.uuid = Uuid([1; 16]), "different arrays"),
        (|one| one.raid_disks = 5, "describe the array differently"),
        (|one| one.number = 0, "both say that they are member 0"),
        (
            |one| one.features |= feature::RESHAPE,
            "shape is being changed",
        ),
        (|one| one.member_size = Bytes::mib(1), "differently"),
    ];
    for (act, why) in cases {
        let (mut devices, _) = made(Level::Raid5, 3, true);
        change(&mut devices[2], act);
        change(&mut devices[2], |one| one.events = 1);
        let error = open(&mut devices).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    for act in [
        |one: &mut Superblock| one.level = 4,
        |one: &mut Superblock| one.layout = 0,
        |one: &mut Superblock| one.chunk = Bytes::new(512 * 3),
    ] {
        let (mut devices, _) = made(Level::Raid5, 3, true);
        devices.iter_mut().for_each(|device| change(device, act));
        let error = open(&mut devices).unwrap_err().to_string();
        assert!(error.contains("not read here"), "{error}");
    }
    assert!(open([]).is_err());
}

#[test]
fn a_found_array_is_not_written() {
    let (mut devices, data) = made(Level::Raid1, 2, true);
    let mut array = open(&mut devices).unwrap();
    for refused in [
        array.write_at(Bytes::ZERO, &[0]),
        array.zero(Bytes::ZERO, Bytes::MIB),
        array.discard(Bytes::ZERO, Bytes::MIB),
        array.flush(),
    ] {
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("for reading only")
        );
    }
    assert!(all(&array).unwrap() == data);
}

/// With the superblock at the end, a member reads as what the array holds:
/// firmware and GRUB see no RAID.
#[test]
fn members_with_metadata_at_the_end_read_as_the_array() {
    let geometry = Geometry::new(Level::Raid1, Metadata::V1_0, 2, Bytes::mib(6)).unwrap();
    let mut devices = blank(&geometry);
    let data = pattern(geometry.capacity().get() as usize, 3);
    let borrowed: Vec<&mut MemoryDevice> = devices.iter_mut().collect();
    let mut array = Array::over(&geometry, borrowed).unwrap();
    array.write_at(Bytes::ZERO, &data).unwrap();
    drop(array);
    create(&geometry, &identity(2, true), &mut devices).unwrap();
    for device in &mut devices {
        assert!(read_vec(device, Bytes::ZERO, data.len()).unwrap() == data);
        let array = open([device]).unwrap();
        assert!(all(&array).unwrap() == data, "each alone is enough");
    }
}

#[test]
fn wrong_members_for_a_geometry_are_refused() {
    let geometry = Geometry::new(Level::Raid1, Metadata::V1_2, 2, Bytes::mib(6)).unwrap();
    let mut devices = blank(&geometry);
    assert!(Array::over(&geometry, devices[..1].iter_mut().collect()).is_err());
    assert!(create(&geometry, &identity(2, true), &mut devices[..1]).is_err());
    assert!(create(&geometry, &identity(1, true), &mut devices).is_err());
    let mut long = identity(2, true);
    long.name = "n".repeat(32);
    assert!(create(&geometry, &long, &mut devices).is_err());
    devices[1] = MemoryDevice::new(Bytes::mib(5), SECTOR);
    assert!(Array::over(&geometry, devices.iter_mut().collect()).is_err());
    let error = create(&geometry, &identity(2, true), &mut devices).unwrap_err();
    assert!(
        error.to_string().contains("fewer than the 6291456"),
        "{error}"
    );
    assert_eq!(
        Superblock::read(&devices[0]).unwrap(),
        None,
        "nothing was written"
    );
}

#[test]
fn the_largest_sectors_count() {
    let geometry = Geometry::new(Level::Raid1, Metadata::V1_2, 2, Bytes::mib(6)).unwrap();
    let devices = [SectorSize::S512, SectorSize::S4096]
        .map(|sector| MemoryDevice::new(geometry.partition, sector));
    let array = Array::over(&geometry, devices.into()).unwrap();
    assert_eq!(array.sector_size(), SectorSize::S4096);
}

/// A device in memory under a name of its own.
struct Named(MemoryDevice, String);

impl Named {
    fn new(device: MemoryDevice) -> Self {
        Self(device, String::new())
    }
}

impl BlockDevice for Named {
    fn name(&self) -> &str {
        &self.1
    }

    fn size(&self) -> Bytes {
        self.0.size()
    }

    fn sector_size(&self) -> SectorSize {
        self.0.sector_size()
    }

    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()> {
        self.0.write_at(offset, data)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}
