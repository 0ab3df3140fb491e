//! Where everything lies on the disks of a group (DESIGN section 5): pure arithmetic.
//!
//! | part | size |
//! |---|---|
//! | system volume | a fifth of the disk, at least 4 GB, at most 50 GB (so: 50 GB from 250 GB on), unless the answers say |
//! | BIOS boot | 1 MiB |
//! | ESP | 288 MiB: FAT32 needs 65,525 clusters, of 4096 bytes on a disk with such sectors |
//! | boot-a, boot-b | 96 MiB each; 256 MiB where the system volume has 16 GB |
//! | system-a, system-b | an eighth of the system volume each, 1 to 4 GiB |
//! | state | the rest of the system volume |
//! | data-1 … | the rest of the disk, in equal parts that respect the cap |
//!
//! All parts begin and end at a multiple of 1 MiB. The members of an array have
//! the same layout, which the smallest of them decides.
//!
//! [`kept`] makes the layout of a disk whose recordings stay.

pub mod kept;
mod purpose;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use vigie_disk::md::Level;
use vigie_disk::{Bytes, SectorSize, table};
use vigie_update::Slot;

pub use purpose::{Purpose, SYSTEM_PURPOSES};

/// The smallest disk that can be a system disk.
pub const SMALLEST_DISK: Bytes = Bytes::gb(8);
/// The smallest disk for recordings alone.
pub const SMALLEST_DATA_DISK: Bytes = Bytes::gb(1);
/// What firmware and GRUB read lies below this (the 2 TB rule), and so does the system volume.
pub const SYSTEM_LARGEST: Bytes = Bytes::tib(2);
/// Less does not hold two slots and the settings.
pub const SYSTEM_SMALLEST: Bytes = Bytes::gb(4);
const SYSTEM_USUAL: Bytes = Bytes::gb(50);
const SYSTEM_SHARE: u64 = 5;
const ROOMY: Bytes = Bytes::gb(16);
const BIOS_BOOT: Bytes = Bytes::MIB;
const ESP: Bytes = Bytes::mib(288);
/// A data volume smaller than this is not made.
const SMALLEST_DATA: Bytes = Bytes::mib(512);
/// A partition table has 128 entries.
const MOST_PARTITIONS: u64 = 128;

/// How the disks of a group are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The level of the data volumes; the system volume is always mirrored.
    pub level: Level,
    /// How many disks.
    pub members: usize,
}

/// The disk, or the smallest of the disks, that a layout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub size: Bytes,
    /// Its sectors.
    pub sector: SectorSize,
    /// What joins it with others.
    pub joined: Option<Joined>,
}

impl Space {
    /// Where the last partition must end.
    fn end(&self) -> Bytes {
        let (_, last) = table::usable(self.size, self.sector);
        Bytes::new((last.0 + 1) * self.sector.get()).align_down(Bytes::MIB)
    }
}

/// What a layout must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// Size of the boot image.
    pub boot: Bytes,
    /// Size of the system image.
    pub system: Bytes,
    /// Size of the system volume, where it is asked for.
    pub system_volume: Option<Bytes>,
    /// No data volume larger than this.
    pub data_cap: Option<Bytes>,
}

/// Where a partition comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It is made.
    #[default]
    New,
    /// It was there, and nothing in it is written.
    Kept,
    /// The same, and its end moves towards the disk's.
    Grown,
}

impl Origin {
    /// Whether it is made.
    pub fn is_new(&self) -> bool {
        *self == Self::New
    }
}

/// One planned partition. Its number is its place in the layout, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is for.
    #[serde(rename = "name")]
    pub purpose: Purpose,
    /// Its first byte.
    pub offset: Bytes,
    /// Its length.
    pub size: Bytes,
    /// Whether it was there before.
    #[serde(default, skip_serializing_if = "Origin::is_new")]
    pub origin: Origin,
    /// UUID of the file system that stays in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<String>,
}

impl Part {
    /// A partition that is made.
    pub fn new(purpose: Purpose, offset: Bytes, size: Bytes) -> Self {
        Self {
            purpose,
            offset,
            size,
            origin: Origin::New,
            filesystem: None,
        }
    }

    /// One past its last byte.
    pub fn end(&self) -> Bytes {
        self.offset + self.size
    }
}

/// The partitions of each disk of a group, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layout(Vec<Part>);

/// Why there is no layout for a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLayout {
    /// The disk is smaller than [`SMALLEST_DISK`] (or [`SMALLEST_DATA_DISK`]).
    TooSmall(Bytes),
    /// An image does not fit into its slot: name of the partition, what it holds, what is needed.
    SlotTooSmall(String, Bytes, Bytes),
    /// The cap would make more data volumes than a table holds: how many.
    TooManyVolumes(u64),
    /// A system volume of this size leaves no room for recordings.
    NoRoomForData(Bytes),
    /// There is nothing that could be kept: what is missing.
    NothingToKeep(&'static str),
    /// A partition is not ours, and would be lost.
    Foreign(String),
    /// A partition that is to be kept lies where none of ours does.
    Misplaced(String),
    /// Between the start of the disk and what is kept there is too little room: how much, of how much.
    NoRoomForSystem(Bytes, Bytes),
    /// An array does not grow by a reinstallation.
    ArrayCannotGrow,
}

/// Hands out the numbers of data volumes: unique in an installation.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    taken: Vec<u32>,
}

impl Numbers {
    /// A number that a kept volume has.
    pub fn take(&mut self, number: u32) {
        self.taken.push(number);
    }

    /// Whether a number is taken.
    pub fn is_taken(&self, number: u32) -> bool {
        self.taken.contains(&number)
    }

    /// The lowest free one.
    pub fn draw(&mut self) -> u32 {
        let mut number = 1;
        while self.is_taken(number) {
            number += 1;
        }
        self.take(number);
        number
    }
}

impl Layout {
    /// The layout for the system's disks.
    pub fn system(space: Space, needs: Needs, numbers: &mut Numbers) -> Result<Self, NoLayout> {
        if space.size < SMALLEST_DISK {
            return Err(NoLayout::TooSmall(SMALLEST_DISK));
        }
        let volume = needs.system_volume.unwrap_or_else(|| usual(space.size));
        let mut layout = Self(Vec::new());
        layout.place_system(volume.align_down(Bytes::MIB));
        if layout.end() + SMALLEST_DATA > space.end() {
            return Err(NoLayout::NoRoomForData(volume));
        }
        layout.place_data(space, needs.data_cap, numbers)?;
        layout.holds(space.joined, needs).map(|()| layout)
    }

    /// The layout for disks that hold nothing but recordings.
    pub fn data(space: Space, needs: Needs, numbers: &mut Numbers) -> Result<Self, NoLayout> {
        if space.size < SMALLEST_DATA_DISK {
            return Err(NoLayout::TooSmall(SMALLEST_DATA_DISK));
        }
        let mut layout = Self(Vec::new());
        layout.place_data(space, needs.data_cap, numbers)?;
        Ok(layout)
    }

    /// The partitions, in order.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The partition for a purpose.
    pub fn part(&self, purpose: Purpose) -> Option<&Part> {
        self.0.iter().find(|part| part.purpose == purpose)
    }

    /// The data volumes.
    pub fn data_parts(&self) -> impl Iterator<Item = &Part> {
        self.0.iter().filter(|part| part.purpose.is_data())
    }

    /// What is kept, in order.
    pub fn kept(&self) -> impl Iterator<Item = &Part> {
        self.0.iter().filter(|part| !part.origin.is_new())
    }

    /// Places everything but recordings, up to `end`.
    fn place_system(&mut self, end: Bytes) {
        let boot = boot_size(end);
        let image = (end / 8)
            .clamp(Bytes::gib(1), Bytes::gib(4))
            .align_down(Bytes::MIB);
        self.place_slots(boot, image);
        self.append(Purpose::State, end.saturating_sub(self.end()));
    }

    fn place_slots(&mut self, boot: Bytes, image: Bytes) {
        let sizes = [BIOS_BOOT, ESP, boot, boot, image, image];
        for (purpose, size) in SYSTEM_PURPOSES.into_iter().zip(sizes) {
            self.append(purpose, size);
        }
    }

    /// Fills the rest with as many data volumes as the cap asks for, all of one size.
    fn place_data(
        &mut self,
        space: Space,
        cap: Option<Bytes>,
        numbers: &mut Numbers,
    ) -> Result<(), NoLayout> {
        let room = space.end() - self.end();
        let capacity = Purpose::Data(1).capacity(space.joined, room);
        let cap = cap
            .unwrap_or(capacity)
            .align_down(Bytes::MIB)
            .max(Bytes::MIB);
        let count = capacity.align_down(Bytes::MIB).get().div_ceil(cap.get());
        if count + self.0.len() as u64 > MOST_PARTITIONS {
            return Err(NoLayout::TooManyVolumes(count));
        }
        let each = (room / count.max(1)).align_down(Bytes::MIB);
        for _ in 0..count {
            self.append(Purpose::Data(numbers.draw()), each);
        }
        Ok(())
    }

    fn holds(&self, joined: Option<Joined>, needs: Needs) -> Result<(), NoLayout> {
        for (purpose, need) in [
            (Purpose::Boot(Slot::A), needs.boot),
            (Purpose::System(Slot::A), needs.system),
        ] {
            let holds = self
                .part(purpose)
                .map_or(Bytes::ZERO, |part| purpose.capacity(joined, part.size));
            if holds < need {
                return Err(NoLayout::SlotTooSmall(purpose.name(), holds, need));
            }
        }
        Ok(())
    }

    fn end(&self) -> Bytes {
        self.0.last().map_or(Bytes::MIB, Part::end)
    }

    fn append(&mut self, purpose: Purpose, size: Bytes) {
        self.0.push(Part::new(purpose, self.end(), size));
    }
}

/// The system volume of a disk where nobody asks for another.
fn usual(disk: Bytes) -> Bytes {
    (disk / SYSTEM_SHARE).clamp(SYSTEM_SMALLEST, SYSTEM_USUAL)
}

fn boot_size(system_volume: Bytes) -> Bytes {
    Bytes::mib(if system_volume < ROOMY { 96 } else { 256 })
}
