//! An array as one device over its members.

use std::fmt;

use found::{agree, shape, usable};

use super::mapping::{Mapping, Place};
use super::superblock::Superblock;
use super::{Geometry, Level};
use crate::device::{BlockDevice, check_range};
use crate::error::{Error, Result};
use crate::units::{Bytes, SectorSize};

mod found;

/// How much is read at once where members are compared or added up.
const CHUNK: usize = 1 << 20;

/// An array over its members.
///
/// - RAID 1 and 10 write every copy. A read compares the copies: that they agree
///   is what makes any one of them enough; a difference is an error that names both.
/// - RAID 5 and 6 write and read data only. The parity of a new array is computed
///   by the kernel at its first assembly ([`Identity::synced`](super::Identity) false).
/// - Zeroing, discarding and forgetting reach the parity of whole stripes too.
pub struct Array<'a> {
    name: String,
    mapping: Mapping,
    /// By role; none where a member is missing.
    members: Vec<Option<Member<'a>>>,
    left_out: Vec<String>,
    /// Copies must be the same; those of an array that is not in sync may differ.
    compare: bool,
    writable: bool,
}

struct Member<'a> {
    device: Box<dyn BlockDevice + 'a>,
    data_offset: Bytes,
}

impl<'a> Array<'a> {
    /// A new array over members in the order of their roles, for writing its data.
    /// What lies on them is not looked at; [`create`](super::create()) makes the superblocks.
    ///
    /// # Errors
    /// There are not as many members as the geometry has, or one is too small.
    pub fn over<D: BlockDevice + 'a>(geometry: &Geometry, members: Vec<D>) -> Result<Self> {
        let members: Vec<Member<'a>> = members
            .into_iter()
            .map(|device| Member {
                device: Box::new(device),
                data_offset: geometry.data_offset,
            })
            .collect();
        let name = name(geometry.level, members.iter().map(|one| one.device.name()));
        let wrong = |why: String| Err(Error::format("the array", name.clone(), why));
        if members.len() != geometry.members {
            return wrong(format!("it has {} members", geometry.members));
        }
        for Member { device, .. } in &members {
            if device.size() < geometry.data_offset + geometry.member_size {
                return wrong(format!("{} is too small", device.name()));
            }
        }
        Ok(Self {
            name,
            mapping: geometry.mapping(),
            members: members.into_iter().map(Some).collect(),
            left_out: Vec::new(),
            compare: true,
            writable: true,
        })
    }

    /// A read-only view of a found array, from its members, in any order, with the
    /// superblock of each ([`Superblock::read`]).
    ///
    /// Members that are out of date, being rebuilt, spare or failed are left out
    /// ([`left_out`](Self::left_out)). Missing ones are made up for by the other
    /// copies, and in RAID 5 in sync by the other members' sum; RAID 6 needs all.
    /// Copies of an array that is not in sync are not compared: the first is
    /// read, as the kernel would.
    ///
    /// # Errors
    /// The members are not of one array or contradict each other, the shape is not
    /// one of ours, or too few are there.
    pub fn open<D: BlockDevice + 'a>(members: Vec<(Superblock, D)>) -> Result<Self> {
        let found: Vec<(Box<dyn BlockDevice + 'a>, Superblock)> = members
            .into_iter()
            .map(|(superblock, device)| (Box::new(device) as _, superblock))
            .collect();
        let newest = found.iter().max_by_key(|(_, superblock)| superblock.events);
        let Some(newest) = newest.map(|(_, superblock)| superblock.clone()) else {
            return Err(Error::format(
                "the array",
                "no devices",
                "there are no members",
            ));
        };
        let names = found.iter().map(|(device, _)| device.name());
        let name = format!("{} ({})", newest.name, names.collect::<Vec<_>>().join(", "));
        agree(&name, &found)?;
        let mapping = shape(&name, &newest)?;
        let mut array = Self {
            name,
            mapping,
            members: (0..mapping.members).map(|_| None).collect(),
            left_out: Vec::new(),
            compare: newest.in_sync(),
            writable: false,
        };
        for (device, superblock) in found {
            array.admit(device, &superblock, &newest)?;
        }
        array.enough()?;
        Ok(array)
    }

    /// Takes a found member in, or notes why not.
    fn admit(
        &mut self,
        device: Box<dyn BlockDevice + 'a>,
        superblock: &Superblock,
        newest: &Superblock,
    ) -> Result<()> {
        let role = match usable(superblock, newest) {
            Ok(role) => role,
            Err(why) => {
                self.left_out.push(format!("{}: {why}", device.name()));
                return Ok(());
            }
        };
        let slot = &mut self.members[role];
        if let Some(other) = slot {
            let names = format!("{} and {}", other.device.name(), device.name());
            let why = format!("{names} both say that they are member {role}");
            return Err(Error::format("the array", self.name.clone(), why));
        }
        *slot = Some(Member {
            device,
            data_offset: superblock.data_offset,
        });
        Ok(())
    }

    /// Refuses to go on where some of the data cannot be had.
    fn enough(&self) -> Result<()> {
        let missing: Vec<usize> = (0..self.members.len())
            .filter(|role| self.members[*role].is_none())
            .collect();
        let enough = match self.mapping.level {
            Level::Raid1 => missing.len() < self.members.len(),
            // Neighbours hold the same chunks; with an odd number, the last and the first do too.
            Level::Raid10 => !missing.iter().any(|role| {
                let next = (role + 1) % self.members.len();
                let odd = self.members.len() % 2 == 1;
                missing.contains(&next) && (odd || role % 2 == 0)
            }),
            Level::Raid5 => missing.is_empty() || (missing.len() == 1 && self.compare),
            Level::Raid6 => missing.is_empty(),
        };
        if enough {
            return Ok(());
        }
        let missing: Vec<String> = missing.iter().map(usize::to_string).collect();
        let mut why = format!(
            "of its {} members, these are missing: {}",
            self.members.len(),
            missing.join(", ")
        );
        if self.mapping.level == Level::Raid5 && !self.compare {
            why += "; it was not in sync, so that one member cannot be made up for";
        }
        for left_out in &self.left_out {
            why += &format!("; left out: {left_out}");
        }
        Err(Error::format("the array", self.name.clone(), why))
    }

    /// How the members are joined.
    pub fn level(&self) -> Level {
        self.mapping.level
    }

    /// The roles of the members that are not there.
    pub fn missing(&self) -> Vec<usize> {
        let roles = 0..self.members.len();
        roles.filter(|role| self.members[*role].is_none()).collect()
    }

    /// The members that were given but are not read, each with the reason.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Reads one piece, all of which lies on each of `places`.
    fn read_piece(&self, places: &[Place], buffer: &mut [u8]) -> Result<()> {
        let mut copies = places
            .iter()
            .filter_map(|place| Some((self.members[place.member].as_ref()?, place.at)));
        let Some((first, at)) = copies.next() else {
            return self.add_up(places, buffer);
        };
        first
            .device
            .read_at(first.data_offset + Bytes::new(at), buffer)?;
        for (other, at) in copies.take_while(|_| self.compare) {
            compare(first, other, Bytes::new(at), buffer).map_err(|why| match why {
                Mismatch::Differs(why) => Error::format("the copies", self.name.clone(), why),
                Mismatch::Unreadable(error) => error,
            })?;
        }
        Ok(())
    }

    /// The sum of all other members: what the missing one holds.
    fn add_up(&self, places: &[Place], buffer: &mut [u8]) -> Result<()> {
        let [place] = places else {
            return Err(Error::format(
                "the array",
                self.name.clone(),
                "all copies are missing",
            ));
        };
        buffer.fill(0);
        let mut scratch = vec![0; buffer.len().min(CHUNK)];
        for member in self.members.iter().flatten() {
            let mut at = member.data_offset + Bytes::new(place.at);
            for part in buffer.chunks_mut(CHUNK) {
                let scratch = &mut scratch[..part.len()];
                member.device.read_at(at, scratch)?;
                for (sum, byte) in part.iter_mut().zip(scratch) {
                    *sum ^= *byte;
                }
                at += Bytes::new(part.len() as u64);
            }
        }
        Ok(())
    }

    fn writable(&self) -> Result<()> {
        match self.writable {
            true => Ok(()),
            false => Err(Error::format(
                "the array",
                self.name.clone(),
                "it was opened for reading only",
            )),
        }
    }

    /// Does something to every member's part of a range.
    fn each_extent(
        &mut self,
        offset: Bytes,
        length: Bytes,
        act: impl Fn(&mut dyn BlockDevice, Bytes, Bytes) -> Result<()>,
    ) -> Result<()> {
        check_range(&self.name, self.mapping.capacity(), offset, length.get())?;
        self.writable()?;
        for extent in self.mapping.extents(offset.get(), length.get()) {
            if let Some(member) = &mut self.members[extent.place.member] {
                let at = member.data_offset + Bytes::new(extent.place.at);
                act(&mut *member.device, at, Bytes::new(extent.length))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "array {}, {:?}", self.name, self.mapping)
    }
}

/// What a new array is called in messages.
fn name<'n>(level: Level, members: impl Iterator<Item = &'n str>) -> String {
    format!("{level} of {}", members.collect::<Vec<_>>().join(", "))
}

enum Mismatch {
    Differs(String),
    Unreadable(Error),
}

/// Compares what was read of `first` with the same of another copy.
fn compare(
    first: &Member<'_>,
    other: &Member<'_>,
    at: Bytes,
    expected: &[u8],
) -> std::result::Result<(), Mismatch> {
    let mut scratch = vec![0; expected.len().min(CHUNK)];
    let mut at = other.data_offset + at;
    for part in expected.chunks(CHUNK) {
        let scratch = &mut scratch[..part.len()];
        other
            .device
            .read_at(at, scratch)
            .map_err(Mismatch::Unreadable)?;
        if let Some(index) = part.iter().zip(&*scratch).position(|(a, b)| a != b) {
            return Err(Mismatch::Differs(format!(
                "{} and {} differ at byte {} of the latter",
                first.device.name(),
                other.device.name(),
                at.get() + index as u64
            )));
        }
        at += Bytes::new(part.len() as u64);
    }
    Ok(())
}

impl BlockDevice for Array<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Bytes {
        self.mapping.capacity()
    }

    /// The largest of the members', as the kernel has it.
    fn sector_size(&self) -> SectorSize {
        let members = self.members.iter().flatten();
        let sizes = members.map(|member| member.device.sector_size());
        sizes.max().unwrap_or(SectorSize::S512)
    }

    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()> {
        let length = buffer.len() as u64;
        check_range(&self.name, self.size(), offset, length)?;
        for piece in self.mapping.pieces(offset.get(), length) {
            let part = &mut buffer[piece.start as usize..][..piece.length as usize];
            self.read_piece(&piece.places, part)?;
        }
        Ok(())
    }

    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()> {
        let length = data.len() as u64;
        check_range(&self.name, self.size(), offset, length)?;
        self.writable()?;
        for piece in self.mapping.pieces(offset.get(), length) {
            let part = &data[piece.start as usize..][..piece.length as usize];
            for place in piece.places {
                if let Some(member) = &mut self.members[place.member] {
                    let at = member.data_offset + Bytes::new(place.at);
                    member.device.write_at(at, part)?;
                }
            }
        }
        Ok(())
    }

    fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        self.each_extent(offset, length, |device, at, length| device.zero(at, length))
    }

    fn discard(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        self.each_extent(offset, length, |device, at, length| {
            device.discard(at, length)
        })
    }

    fn flush(&mut self) -> Result<()> {
        self.writable()?;
        for member in self.members.iter_mut().flatten() {
            member.device.flush()?;
        }
        Ok(())
    }

    fn forget_cached(&self, offset: Bytes, length: Bytes) {
        if check_range(&self.name, self.size(), offset, length.get()).is_err() {
            return;
        }
        for extent in self.mapping.extents(offset.get(), length.get()) {
            if let Some(member) = &self.members[extent.place.member] {
                let at = member.data_offset + Bytes::new(extent.place.at);
                member.device.forget_cached(at, Bytes::new(extent.length));
            }
        }
    }
}

#[cfg(test)]
mod tests;
