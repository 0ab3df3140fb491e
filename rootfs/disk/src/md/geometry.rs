//! Where superblock, bitmap and data of an array lie on each of its members.
//!
//! | metadata | on a member |
//! |---|---|
//! | 1.0 | data from the first byte; the last MiB is kept for the superblock |
//! | 1.2 | 4 KiB nothing, superblock, bitmap at 8 KiB, log of bad blocks, data at 2 MiB |
//!
//! Members of 64 GiB and more start their data at 128 MiB: mdadm moves the start
//! of the data to change the shape of an array without a copy elsewhere, and
//! leaves about as much.

use super::bitmap::Bitmap;
use super::mapping::Mapping;
use super::{Level, Metadata};
use crate::units::Bytes;

const CHUNK: Bytes = Bytes::kib(512);
const SMALL_OFFSET: Bytes = Bytes::mib(2);
const LARGE_OFFSET: Bytes = Bytes::mib(128);
const LARGE: Bytes = Bytes::gib(64);

/// The shape of an array and of each member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// How the members are joined.
    pub level: Level,
    /// Where the superblock lies.
    pub metadata: Metadata,
    /// The number of members.
    pub members: usize,
    /// The unit of striping; zero for RAID 1.
    pub chunk: Bytes,
    /// The size of the partition (or disk) of each member, at least.
    pub partition: Bytes,
    /// Where the data begins on each member.
    pub data_offset: Bytes,
    /// How much of each member is used for data (and parity).
    pub member_size: Bytes,
}

impl Geometry {
    /// The shape of an array over `members` partitions of this size each; none
    /// where they are too few, too many or too small.
    pub fn new(level: Level, metadata: Metadata, members: usize, partition: Bytes) -> Option<Self> {
        let (before, behind) = overhead(metadata, partition);
        let usable = partition.align_down(Bytes::MIB);
        let member_size = usable.saturating_sub(before + behind);
        let fits = (level.minimum()..=super::superblock::MOST_MEMBERS).contains(&members)
            && member_size > Bytes::ZERO;
        fits.then_some(Self {
            level,
            metadata,
            members,
            chunk: chunk(level),
            partition,
            data_offset: before,
            member_size,
        })
    }

    /// How much the array holds.
    pub fn capacity(&self) -> Bytes {
        self.mapping().capacity()
    }

    /// The smallest partition in whole MiB, for each member, of an array that holds `capacity`.
    ///
    /// `members` must be at least the level's minimum.
    pub fn partition_for(
        level: Level,
        metadata: Metadata,
        members: usize,
        capacity: Bytes,
    ) -> Bytes {
        let members = members.max(level.minimum()) as u64;
        let share = |parts: u64| Bytes::new(capacity.get().div_ceil(parts));
        let member_size = match level {
            Level::Raid1 => capacity,
            Level::Raid5 => share(members - 1),
            Level::Raid6 => share(members - 2),
            // Each chunk twice, over whole chunks of the members.
            Level::Raid10 => {
                let copies = capacity.get().div_ceil(CHUNK.get()) * 2;
                CHUNK * copies.div_ceil(members)
            }
        };
        let member_size = member_size.align_up(Bytes::MIB).max(Bytes::MIB);
        let with = |partition| {
            let (before, behind) = overhead(metadata, partition);
            member_size + before + behind
        };
        let small = with(Bytes::ZERO);
        if small < LARGE {
            small
        } else {
            with(LARGE).max(LARGE)
        }
    }

    /// The bitmap beside the superblock: arrays with metadata 1.2 have one.
    pub fn bitmap(&self) -> Option<Bitmap> {
        let synced = match self.level {
            Level::Raid10 => self.capacity(),
            _ => self.member_size,
        };
        (self.metadata == Metadata::V1_2).then(|| Bitmap::new(self.member_size, synced))
    }

    pub(super) fn mapping(&self) -> Mapping {
        Mapping {
            level: self.level,
            members: self.members,
            chunk: self.chunk,
            member_size: self.member_size,
        }
    }
}

fn chunk(level: Level) -> Bytes {
    match level {
        Level::Raid1 => Bytes::ZERO,
        _ => CHUNK,
    }
}

/// What a member keeps before and behind its data.
fn overhead(metadata: Metadata, partition: Bytes) -> (Bytes, Bytes) {
    match metadata {
        Metadata::V1_0 => (Bytes::ZERO, Bytes::MIB),
        Metadata::V1_2 if partition >= LARGE => (LARGE_OFFSET, Bytes::ZERO),
        Metadata::V1_2 => (SMALL_OFFSET, Bytes::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let (one, two) = (Metadata::V1_0, Metadata::V1_2);
        for (level, metadata, members, partition, expected) in [
            (Level::Raid1, one, 2, Bytes::mib(1), None),
            (Level::Raid1, one, 2, Bytes::mib(64), Some((0, 63))),
            (Level::Raid1, two, 2, Bytes::mib(2), None),
            (Level::Raid1, two, 3, Bytes::mib(3), Some((2, 1))),
            (Level::Raid1, two, 1, Bytes::mib(3), None),
            (Level::Raid1, two, 3, Bytes::new(4_000_000), Some((2, 1))),
            (Level::Raid5, two, 3, Bytes::gib(10), Some((2, 2 * 10_238))),
            (
                Level::Raid6,
                two,
                5,
                Bytes::gib(64),
                Some((128, 3 * 65_408)),
            ),
            (Level::Raid10, two, 4, Bytes::mib(102), Some((2, 200))),
            (Level::Raid10, two, 5, Bytes::mib(3), Some((2, 2))),
            (Level::Raid10, two, 3, Bytes::mib(102), None),
            (Level::Raid1, two, usize::MAX, Bytes::gib(1), None),
            (Level::Raid5, two, 3, Bytes::ZERO, None),
        ] {
            let found = Geometry::new(level, metadata, members, partition)
                .map(|it| (it.data_offset.get() >> 20, it.capacity().get() >> 20));
            assert_eq!(
                found, expected,
                "{level} {metadata:?} {members} × {partition}"
            );
        }
    }

    /// The partition for a capacity gives it, and a MiB less does not.
    #[test]
    fn partitions_for_capacities_are_the_smallest() {
        for level in Level::ALL {
            for metadata in [Metadata::V1_0, Metadata::V1_2] {
                for members in level.minimum()..level.minimum() + 5 {
                    let edge = Geometry::new(level, metadata, members, LARGE - Bytes::MIB);
                    let edge = edge.unwrap().capacity();
                    for capacity in [
                        Bytes::new(1),
                        Bytes::MIB,
                        Bytes::mib(1000) + Bytes::new(1),
                        edge,
                        edge + Bytes::new(1),
                        edge + Bytes::mib(126),
                        Bytes::tib(20),
                    ] {
                        let what = format!("{level} {metadata:?} {members} {capacity}");
                        let partition = Geometry::partition_for(level, metadata, members, capacity);
                        let holds = |partition| {
                            Geometry::new(level, metadata, members, partition)
                                .is_some_and(|it| it.capacity() >= capacity)
                        };
                        assert_eq!(partition, partition.align_down(Bytes::MIB), "{what}");
                        assert!(holds(partition), "{what}: {partition}");
                        assert!(!holds(partition - Bytes::MIB), "{what}: {partition}");
                    }
                }
            }
        }
    }

    #[test]
    fn bitmaps_end_before_the_data() {
        for size in [3, 100, 8 << 10, 65_535, 65_536, 200 << 10, 100 << 20] {
            for level in Level::ALL {
                for members in [level.minimum(), 100] {
                    let geometry =
                        Geometry::new(level, Metadata::V1_2, members, Bytes::mib(size)).unwrap();
                    let bitmap = geometry.bitmap().unwrap();
                    assert!(Bytes::kib(12) + bitmap.length() <= geometry.data_offset);
                }
            }
        }
    }
}
