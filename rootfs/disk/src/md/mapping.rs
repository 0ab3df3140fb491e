//! Which byte of an array lies where on its members.
//!
//! RAID 5 and 6 are left-symmetric: the parity of stripe `s` of `n` members is on
//! member `n - 1 - s % n` (RAID 6: the second parity on the next one), and the
//! data follows behind it, going round (`raid5_compute_sector` in the kernel).
//! RAID 10 with two near copies lays the chunks `0 0 1 1 2 2 …` out over the
//! members row by row (Documentation/admin-guide/md and `man 4 md`).

use super::Level;
use crate::units::Bytes;

/// How an array's bytes are spread over its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub level: Level,
    pub members: usize,
    /// Zero for RAID 1.
    pub chunk: Bytes,
    /// Of each member, without superblock; whole chunks.
    pub member_size: Bytes,
}

/// A place on a member, from the start of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub member: usize,
    pub at: u64,
}

/// A part of a range of the array that is in one piece on the members too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// From the start of the range that was asked for.
    pub start: u64,
    pub length: u64,
    /// Where it lies: each place holds all of it.
    pub places: Vec<Place>,
}

/// A range of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub place: Place,
    pub length: u64,
}

impl Mapping {
    /// How much the array holds.
    pub fn capacity(&self) -> Bytes {
        let (n, size) = (self.members as u64, self.member_size);
        match self.level {
            Level::Raid1 => size,
            Level::Raid5 => size * (n - 1),
            Level::Raid6 => size * (n - 2),
            Level::Raid10 => self.chunk * (size.get() / self.chunk.get() * n / 2),
        }
    }

    /// The members of a stripe that hold its data, in order; for RAID 5 and 6.
    fn data_member(&self, stripe: u64, index: u64) -> usize {
        let n = self.members as u64;
        let parity = n - 1 - stripe % n;
        let first = match self.level {
            Level::Raid6 => parity + 2,
            _ => parity + 1,
        };
        ((first + index) % n) as usize
    }

    /// Where a byte of the array lies; everything up to the end of its chunk follows it there.
    pub fn places(&self, offset: u64) -> Vec<Place> {
        if self.level == Level::Raid1 {
            let place = |member| Place { member, at: offset };
            return (0..self.members).map(place).collect();
        }
        let (n, chunk) = (self.members as u64, self.chunk.get());
        let (number, within) = (offset / chunk, offset % chunk);
        match self.level {
            Level::Raid10 => [2 * number, 2 * number + 1]
                .map(|copy| Place {
                    member: (copy % n) as usize,
                    at: copy / n * chunk + within,
                })
                .to_vec(),
            _ => {
                let data = self.row().0 / chunk;
                let (stripe, index) = (number / data, number % data);
                vec![Place {
                    member: self.data_member(stripe, index),
                    at: stripe * chunk + within,
                }]
            }
        }
    }

    /// The pieces of a range, which must lie inside the array.
    pub fn pieces(&self, offset: u64, length: u64) -> impl Iterator<Item = Piece> {
        let mapping = *self;
        let mut start = 0;
        std::iter::from_fn(move || {
            (start < length).then(|| {
                let at = offset + start;
                let step = match mapping.level {
                    Level::Raid1 => length,
                    _ => mapping.chunk.get() - at % mapping.chunk.get(),
                };
                let piece = Piece {
                    start,
                    length: step.min(length - start),
                    places: mapping.places(at),
                };
                start += piece.length;
                piece
            })
        })
    }

    /// The smallest part that repeats: so many bytes of the array lie in so many of each member.
    fn row(&self) -> (u64, u64) {
        let (n, chunk) = (self.members as u64, self.chunk.get());
        match self.level {
            Level::Raid1 => (1, 1),
            Level::Raid5 => ((n - 1) * chunk, chunk),
            Level::Raid6 => ((n - 2) * chunk, chunk),
            Level::Raid10 if n.is_multiple_of(2) => (n / 2 * chunk, chunk),
            Level::Raid10 => (n * chunk, 2 * chunk),
        }
    }

    /// The ranges of the members that hold a range of the array, whole rows in one piece.
    ///
    /// Whole rows hold the parity too; that is right for what makes all of them
    /// alike: zeroing, discarding, forgetting.
    pub fn extents(&self, offset: u64, length: u64) -> Vec<Extent> {
        let (row, on_member) = self.row();
        let end = offset + length;
        let (first, last) = (offset.div_ceil(row), end / row);
        if first >= last {
            return self.ragged(offset, length);
        }
        let mut extents = self.ragged(offset, first * row - offset);
        extents.extend((0..self.members).map(|member| Extent {
            place: Place {
                member,
                at: first * on_member,
            },
            length: (last - first) * on_member,
        }));
        extents.extend(self.ragged(last * row, end - last * row));
        extents
    }

    fn ragged(&self, offset: u64, length: u64) -> Vec<Extent> {
        let extents = |piece: Piece| {
            let length = piece.length;
            let places = piece.places.into_iter();
            places.map(move |place| Extent { place, length })
        };
        self.pieces(offset, length).flat_map(extents).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const CHUNK: u64 = 256;

    fn mapping(level: Level, members: usize, chunks: u64) -> Mapping {
        let chunk = if level == Level::Raid1 { 0 } else { CHUNK };
        Mapping {
            level,
            members,
            chunk: Bytes::new(chunk),
            member_size: Bytes::new(chunks * CHUNK),
        }
    }

    /// As the tables of `man 4 md` and the kernel's documentation show them:
    /// a row for each chunk of a member, the number of the array's chunk in it.
    fn table(mapping: &Mapping) -> Vec<String> {
        let mut cells = BTreeMap::new();
        for number in 0..mapping.capacity().get() / CHUNK {
            for place in mapping.places(number * CHUNK) {
                let cell = (place.at / CHUNK, place.member);
                assert_eq!(cells.insert(cell, number), None, "two chunks in {cell:?}");
            }
        }
        let rows = mapping.member_size.get() / CHUNK;
        let cell = |row, member| {
            cells
                .get(&(row, member))
                .map_or("-".to_owned(), u64::to_string)
        };
        (0..rows)
            .map(|row| {
                let row: Vec<String> = (0..mapping.members)
                    .map(|member| cell(row, member))
                    .collect();
                row.join(" ")
            })
            .collect()
    }

    #[test]
    fn tables() {
        for (level, members, expected) in [
            (Level::Raid1, 2, &["0 0", "1 1"][..]),
            (Level::Raid5, 3, &["0 1 -", "3 - 2", "- 4 5", "6 7 -"]),
            (
                Level::Raid5,
                4,
                &["0 1 2 -", "4 5 - 3", "8 - 6 7", "- 9 10 11"],
            ),
            (
                Level::Raid6,
                4,
                &["- 0 1 -", "2 3 - -", "5 - - 4", "- - 6 7"],
            ),
            (
                Level::Raid6,
                5,
                &[
                    "- 0 1 2 -",
                    "3 4 5 - -",
                    "7 8 - - 6",
                    "11 - - 9 10",
                    "- - 12 13 14",
                ],
            ),
            (Level::Raid10, 4, &["0 0 1 1", "2 2 3 3"]),
            (Level::Raid10, 5, &["0 0 1 1 2", "2 3 3 4 4"]),
        ] {
            let mapping = mapping(level, members, expected.len() as u64);
            assert_eq!(table(&mapping), expected, "{level} over {members}");
        }
    }

    /// Every byte of the array has its places, no place has two bytes, and
    /// ranges are cut and joined without loss, for any range.
    #[test]
    fn pieces_and_extents_cover_ranges() {
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        for level in Level::ALL {
            for members in level.minimum()..level.minimum() + 4 {
                let mapping = mapping(level, members, 12);
                let capacity = mapping.capacity().get();
                table(&mapping);
                for _ in 0..200 {
                    let offset = next(capacity);
                    let length = next(capacity - offset) + 1;
                    let mut done = 0;
                    let mut held = vec![vec![false; mapping.member_size.get() as usize]; members];
                    for piece in mapping.pieces(offset, length) {
                        assert_eq!(piece.start, done);
                        done += piece.length;
                        assert_eq!(piece.places, mapping.places(offset + piece.start));
                        let last = mapping.places(offset + done - 1);
                        for (place, last) in piece.places.iter().zip(last) {
                            assert_eq!(place.member, last.member);
                            assert_eq!(place.at + piece.length - 1, last.at);
                            held[place.member][place.at as usize..][..piece.length as usize]
                                .fill(true);
                        }
                    }
                    assert_eq!(done, length);
                    check_extents(&mapping, offset, length, &mut held);
                }
            }
        }
    }

    /// The extents hold all of `held`; beyond it only parity of whole rows.
    fn check_extents(mapping: &Mapping, offset: u64, length: u64, held: &mut [Vec<bool>]) {
        let mut data = BTreeMap::new();
        for at in (0..mapping.capacity().get()).step_by(CHUNK as usize) {
            data.extend(mapping.places(at).into_iter().map(|place| (place, at)));
        }
        for Extent { place, length: run } in mapping.extents(offset, length) {
            for at in place.at..place.at + run {
                let byte = &mut held[place.member][at as usize];
                let chunk = Place {
                    member: place.member,
                    at: at - at % CHUNK,
                };
                let parity = mapping.level != Level::Raid1 && !data.contains_key(&chunk);
                assert!(*byte || parity, "{place:?} is not in the range");
                *byte = false;
            }
        }
        assert!(held.iter().flatten().all(|left| !left), "not all covered");
    }
}
