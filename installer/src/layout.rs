//! Where everything lies on a system disk (DESIGN section 5): pure arithmetic.
//!
//! | part | size |
//! |---|---|
//! | system volume | a fifth of the disk, at least 4 GB, at most 50 GB (so: 50 GB from 250 GB on) |
//! | BIOS boot | 1 MiB |
//! | ESP | 288 MiB: FAT32 needs 65,525 clusters, of 4096 bytes on a disk with such sectors |
//! | boot-a, boot-b | 96 MiB each; 256 MiB where the system volume has 16 GB |
//! | system-a, system-b | an eighth of the system volume each, 1 to 4 GiB |
//! | state | the rest of the system volume |
//! | data-1 … | the rest of the disk, in equal parts that respect the cap |
//!
//! All parts begin and end at a multiple of 1 MiB.

use serde::{Deserialize, Serialize};
use vigie_disk::table::{READ_ONLY, types};
use vigie_disk::{Bytes, SectorSize, table};
use vigie_update::Slot;

/// The smallest disk that can be a system disk.
pub const SMALLEST_DISK: Bytes = Bytes::gb(8);
/// What firmware and GRUB read lies below this (the 2 TB rule).
pub const FIRMWARE_LIMIT: Bytes = Bytes::tib(2);
const SYSTEM_SMALLEST: Bytes = Bytes::gb(4);
const SYSTEM_LARGEST: Bytes = Bytes::gb(50);
const SYSTEM_SHARE: u64 = 5;
const ROOMY: Bytes = Bytes::gb(16);
const BIOS_BOOT: Bytes = Bytes::MIB;
const ESP: Bytes = Bytes::mib(288);
/// The partitions before the state volume, in order.
const SYSTEM_PURPOSES: [Purpose; 6] = [
    Purpose::BiosBoot,
    Purpose::Esp,
    Purpose::Boot(Slot::A),
    Purpose::Boot(Slot::B),
    Purpose::System(Slot::A),
    Purpose::System(Slot::B),
];
/// A partition table has 128 entries.
const MOST_DATA_VOLUMES: u64 = 128 - (SYSTEM_PURPOSES.len() as u64 + 1);

/// What a partition is for. In JSON it is the partition's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Purpose {
    /// GRUB's core image for BIOS.
    BiosBoot,
    /// EFI system partition.
    Esp,
    /// Kernel and initrd of a slot.
    Boot(Slot),
    /// System image of a slot.
    System(Slot),
    /// The state volume.
    State,
    /// A data volume, by its number.
    Data(u32),
}

impl Purpose {
    /// The partition's name, which is also the label of its file system where it has one of ours.
    pub fn name(self) -> String {
        match self {
            Self::BiosBoot => "vigie-bios".to_owned(),
            Self::Esp => vigie_update::esp::ESP_PARTITION.to_owned(),
            Self::Boot(slot) => slot.boot_partition().to_owned(),
            Self::System(slot) => slot.system_partition().to_owned(),
            Self::State => "state".to_owned(),
            Self::Data(number) => format!("data-{number}"),
        }
    }

    /// Type GUID and attributes.
    pub fn kind(self) -> (uuid::Uuid, u64) {
        match self {
            Self::BiosBoot => (types::BIOS_BOOT, 0),
            Self::Esp => (types::ESP, 0),
            Self::Boot(_) | Self::State => (types::LINUX, 0),
            Self::System(_) => (types::ROOT_X86_64, READ_ONLY),
            Self::Data(_) => (types::SRV, 0),
        }
    }
}

impl From<Purpose> for String {
    fn from(purpose: Purpose) -> Self {
        purpose.name()
    }
}

impl TryFrom<String> for Purpose {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let number = name
            .strip_prefix("data-")
            .and_then(|number| number.parse().ok());
        let fixed = SYSTEM_PURPOSES.into_iter().chain([Self::State]);
        fixed
            .chain(number.map(Self::Data))
            .find(|purpose| purpose.name() == name)
            .ok_or_else(|| format!("\"{name}\" is not the name of a partition of ours"))
    }
}

/// One planned partition. Its number is its place in the layout, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is for.
    #[serde(rename = "name")]
    pub purpose: Purpose,
    /// Its first byte.
    pub offset: Bytes,
    /// Its length.
    pub size: Bytes,
}

impl Part {
    /// One past its last byte.
    pub fn end(&self) -> Bytes {
        self.offset + self.size
    }
}

/// The partitions of a system disk, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layout(Vec<Part>);

/// Why there is no layout for a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLayout {
    /// The disk is smaller than [`SMALLEST_DISK`].
    TooSmall,
    /// An image does not fit into its slot: name of the partition, its size, what is needed.
    SlotTooSmall(String, Bytes, Bytes),
    /// The cap would make more data volumes than a table holds: how many.
    TooManyVolumes(u64),
}

/// What a layout must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// Size of the boot image.
    pub boot: Bytes,
    /// Size of the system image.
    pub system: Bytes,
    /// No data volume larger than this.
    pub data_cap: Option<Bytes>,
}

impl Layout {
    /// The layout for a disk of this size.
    pub fn new(size: Bytes, sector: SectorSize, needs: Needs) -> Result<Self, NoLayout> {
        if size < SMALLEST_DISK {
            return Err(NoLayout::TooSmall);
        }
        let mut layout = Self(Vec::new());
        let system_end = layout.place_system(size);
        let (_, last) = table::usable(size, sector);
        let data_end = Bytes::new((last.0 + 1) * sector.get()).align_down(Bytes::MIB);
        layout.place_data(system_end, data_end, needs.data_cap)?;
        layout.holds(needs).map(|()| layout)
    }

    /// The partitions, in order.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The partition for a purpose; a layout has all but the data volumes.
    pub fn part(&self, purpose: Purpose) -> Option<&Part> {
        self.0.iter().find(|part| part.purpose == purpose)
    }

    /// The data volumes.
    pub fn data(&self) -> impl Iterator<Item = &Part> {
        self.0
            .iter()
            .filter(|part| matches!(part.purpose, Purpose::Data(_)))
    }

    fn place_system(&mut self, disk: Bytes) -> Bytes {
        let system = (disk / SYSTEM_SHARE)
            .clamp(SYSTEM_SMALLEST, SYSTEM_LARGEST)
            .align_down(Bytes::MIB);
        let boot = Bytes::mib(if system < ROOMY { 96 } else { 256 });
        let image = (system / 8)
            .clamp(Bytes::gib(1), Bytes::gib(4))
            .align_down(Bytes::MIB);
        let sizes = [BIOS_BOOT, ESP, boot, boot, image, image];
        for (purpose, size) in SYSTEM_PURPOSES.into_iter().zip(sizes) {
            self.append(purpose, size);
        }
        self.append(Purpose::State, system - self.end());
        self.end()
    }

    /// Fills the rest with as many data volumes as the cap asks for, all of one size.
    fn place_data(&mut self, start: Bytes, end: Bytes, cap: Option<Bytes>) -> Result<(), NoLayout> {
        let room = end - start;
        let cap = cap.unwrap_or(room).align_down(Bytes::MIB).max(Bytes::MIB);
        let count = room.get().div_ceil(cap.get());
        if count > MOST_DATA_VOLUMES {
            return Err(NoLayout::TooManyVolumes(count));
        }
        let each = (room / count).align_down(Bytes::MIB);
        for number in 1..=count as u32 {
            self.append(Purpose::Data(number), each);
        }
        Ok(())
    }

    fn holds(&self, needs: Needs) -> Result<(), NoLayout> {
        for (purpose, need) in [
            (Purpose::Boot(Slot::A), needs.boot),
            (Purpose::System(Slot::A), needs.system),
        ] {
            if let Some(part) = self.part(purpose).filter(|part| part.size < need) {
                return Err(NoLayout::SlotTooSmall(purpose.name(), part.size, need));
            }
        }
        Ok(())
    }

    fn end(&self) -> Bytes {
        self.0.last().map_or(Bytes::MIB, Part::end)
    }

    fn append(&mut self, purpose: Purpose, size: Bytes) {
        let offset = self.end();
        self.0.push(Part {
            purpose,
            offset,
            size,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECTORS: [SectorSize; 2] = [SectorSize::S512, SectorSize::S4096];

    fn sizes(disk: Bytes) -> Vec<u64> {
        let layout = Layout::new(disk, SectorSize::S512, Needs::default()).unwrap();
        layout
            .parts()
            .iter()
            .map(|part| part.size.get() >> 20)
            .collect()
    }

    #[test]
    fn sizes_in_mib() {
        for (disk, expected) in [
            (Bytes::gb(8), [1, 288, 96, 96, 1024, 1024, 1284, 3815]),
            (Bytes::gb(100), [1, 288, 256, 256, 2384, 2384, 13503, 76294]),
            (
                Bytes::gb(250),
                [1, 288, 256, 256, 4096, 4096, 38689, 190735],
            ),
            (
                Bytes::gb(20_000),
                [1, 288, 256, 256, 4096, 4096, 38689, 19_025_803],
            ),
        ] {
            assert_eq!(sizes(disk), expected, "{disk}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let make = |size, needs| Layout::new(size, SectorSize::S512, needs).unwrap_err();
        let small = Bytes::new(SMALLEST_DISK.get() - 1);
        assert_eq!(make(small, Needs::default()), NoLayout::TooSmall);
        let large = Needs {
            system: Bytes::gib(2),
            ..Needs::default()
        };
        let refused = make(Bytes::gb(8), large);
        let expected = NoLayout::SlotTooSmall("system-a".to_owned(), Bytes::gib(1), Bytes::gib(2));
        assert_eq!(refused, expected);
        let capped = Needs {
            data_cap: Some(Bytes::gb(1)),
            ..Needs::default()
        };
        assert_eq!(make(Bytes::gb(1000), capped), NoLayout::TooManyVolumes(951));
    }

    proptest! {
        #[test]
        fn layouts_hold_their_promises(
            size in 8_000_000_000_u64..100_000_000_000_000,
            cap in proptest::option::of(1_000_000_000_000_u64..20_000_000_000_000),
            which in 0..2_usize,
        ) {
            let (size, sector) = (Bytes::new(size), SECTORS[which]);
            let cap = cap.map(Bytes::new);
            let needs = Needs { data_cap: cap, ..Needs::default() };
            let layout = Layout::new(size, sector, needs).unwrap();
            let (first, last) = table::usable(size, sector);
            let mut free = first.offset(sector);
            for part in layout.parts() {
                prop_assert!(part.offset >= free, "overlap");
                prop_assert!(part.size > Bytes::ZERO);
                prop_assert_eq!(part.offset.align_down(Bytes::MIB), part.offset);
                prop_assert_eq!(part.size.align_down(Bytes::MIB), part.size);
                free = part.end();
            }
            prop_assert!(free <= Bytes::new((last.0 + 1) * sector.get()), "outside");
            let state = layout.part(Purpose::State).unwrap();
            prop_assert!(state.end() <= FIRMWARE_LIMIT);
            prop_assert!(state.end() <= SYSTEM_LARGEST);
            for part in layout.data() {
                prop_assert!(cap.is_none_or(|cap| part.size <= cap));
            }
            // Less than a MiB a volume and two at the ends is left unused.
            let unused = size - layout.parts().iter().map(|part| part.size).sum::<Bytes>();
            prop_assert!(unused <= Bytes::MIB * (3 + layout.data().count() as u64));
        }
    }
}
