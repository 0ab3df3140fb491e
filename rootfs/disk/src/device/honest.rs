//! Whether a disk holds as much as it says.
//!
//! Counterfeit flash tells a large size and keeps only the first part: writes
//! beyond it are lost, or land somewhere in the first part, as the address
//! lines that are not there decide. Marks at places spread over the whole device
//! find out, most of them at powers of two, where addresses wrap.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{BlockDevice, read_vec};
use crate::error::{Error, Result};
use crate::units::Bytes;

/// What is written at a place: a sector of any disk.
const MARK: u64 = 4096;
/// What disks of every kind write whole, or a part of it.
pub const SECTOR: usize = 512;
const TITLE: &[u8; 16] = b"vigie size check";

/// Writes marks all over a device that may be erased, reads them back, and
/// zeroes them again: less than 100 writes for 100 TB.
///
/// `seed` makes the marks of one check differ from those that an earlier one left.
///
/// # Errors
/// The device cannot be written or read, or does not hold what it says.
pub fn check_size(device: &mut dyn BlockDevice, seed: u64) -> Result<()> {
    let places = places(device.size().get());
    let outcome = mark(device, seed, &places).and_then(|()| read_back(device, seed, &places));
    // Also after a failure: no marks are left over what may be on such a disk.
    let cleaned = places
        .iter()
        .try_for_each(|place| device.zero(Bytes::new(*place), Bytes::new(MARK)))
        .and_then(|()| device.flush());
    outcome.and(cleaned)
}

fn mark(device: &mut dyn BlockDevice, seed: u64, places: &BTreeSet<u64>) -> Result<()> {
    for place in places {
        device.write_at(Bytes::new(*place), &bytes(seed, *place))?;
    }
    device.flush()
}

fn read_back(device: &dyn BlockDevice, seed: u64, places: &BTreeSet<u64>) -> Result<()> {
    for place in places {
        device.forget_cached(Bytes::new(*place), Bytes::new(MARK));
    }
    let mut wrong = Vec::new();
    for place in places {
        let found = read_vec(device, Bytes::new(*place), MARK as usize)?;
        if found != bytes(seed, *place) {
            wrong.push((*place, owner(&found, seed)));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(lie(device, &wrong))
}

/// The powers of two and the middles between them, the last MiB, and where the last
/// place lands if addresses wrap at a power of two. The first MiB has no mark:
/// firmware must never find anything there but zeros or a whole table.
fn places(size: u64) -> BTreeSet<u64> {
    let last = size.saturating_sub(MARK) / MARK * MARK;
    let powers = (20..63).map(|bits| 1_u64 << bits);
    let middles = (20..62).map(|bits| 3_u64 << bits);
    let wrapped = (21..63).map(|bits| last % (1_u64 << bits));
    [last, last.saturating_sub((1 << 20) - MARK)]
        .into_iter()
        .chain(powers)
        .chain(middles)
        .chain(wrapped)
        .filter(|place| (1 << 20..=last).contains(place))
        .collect()
}

/// The mark of a place, sector by sector.
fn bytes(seed: u64, place: u64) -> Vec<u8> {
    let sectors = (place..).step_by(SECTOR).take(MARK as usize / SECTOR);
    sectors.flat_map(|at| sector(seed, at)).collect()
}

/// A sector of a mark: title, seed, where it stands, and more that follows from these. So it is known as one
/// by itself: a power cut may leave any sectors of a mark.
fn sector(seed: u64, at: u64) -> Vec<u8> {
    let mut head = TITLE.to_vec();
    head.extend(seed.to_le_bytes());
    head.extend(at.to_le_bytes());
    let digest = Sha256::digest(&head);
    let filling = digest.iter().cycle().take(SECTOR - head.len());
    head.iter().chain(filling).copied().collect()
}

/// The place that a mark of this check was written to, where it is one.
fn owner(found: &[u8], seed: u64) -> Option<u64> {
    let place = u64::from_le_bytes(found.get(24..32)?.try_into().ok()?);
    (found == bytes(seed, place)).then_some(place)
}

/// Whether a sector of [`SECTOR`] bytes is one of a mark, of any check.
pub fn is_of_mark(found: &[u8]) -> bool {
    let number = |at: usize| Some(u64::from_le_bytes(found.get(at..at + 8)?.try_into().ok()?));
    let (Some(seed), Some(at)) = (number(16), number(24)) else {
        return false;
    };
    found == sector(seed, at)
}

/// What to say of the places that hold something else, each with the place
/// whose mark it holds instead, where that is one.
fn lie(device: &dyn BlockDevice, wrong: &[(u64, Option<u64>)]) -> Error {
    let (place, owner) = wrong.first().copied().unwrap_or_default();
    let found = match owner {
        Some(other) => format!("what was written at byte {other} was there instead"),
        None => "it was not there afterwards".to_owned(),
    };
    let holds =
        |(place, owner): &(u64, Option<u64>)| owner.map_or(*place, |other| other.abs_diff(*place));
    let holds = wrong.iter().map(holds).min().unwrap_or_default();
    let why = format!(
        "it says that it has {} bytes, but of what was written at byte {place}, {found}; \
         it seems to hold no more than {holds} bytes. Such a disk is counterfeit or \
         broken and loses recordings: replace it",
        device.size().get()
    );
    Error::format("the size", device.name(), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryDevice;
    use crate::device::faulty::{Fault, Faulty, Kind};
    use crate::units::SectorSize;

    fn disk(size: u64, fault: Option<Fault>) -> Faulty<MemoryDevice> {
        let disk = MemoryDevice::new(Bytes::new(size), SectorSize::S512);
        Faulty::new(disk, fault.into_iter().collect::<Vec<_>>())
    }

    #[test]
    fn honest_disks_of_any_size_pass_and_are_left_zeroed() {
        for size in [
            0,
            512,
            4096,
            4097,
            1 << 20,
            8_000_000_000,
            500_107_862_016,
            20_000_588_955_648,
            100 << 40,
        ] {
            let mut disk = disk(size, None);
            check_size(&mut disk, 7).unwrap();
            let writes = disk.count(Some(Kind::Write));
            assert!(writes <= 100, "{writes} writes for {size} bytes");
            assert!(
                size < 1 << 30 || writes > 30,
                "{writes} writes for {size} bytes"
            );
            let blank = MemoryDevice::new(Bytes::new(size), SectorSize::S512);
            assert!(disk.into_inner() == blank, "{size}");
        }
    }

    #[test]
    fn disks_that_lie_are_found_out() {
        for size in [64_000_000_000, 512_110_190_592, 2_000_398_934_016] {
            for fault in [
                // Decimal, odd and binary sizes lose; address lines wrap at powers of two.
                Fault::Loses(Bytes::new(7_800_000_000)),
                Fault::Loses(Bytes::new(32_123_457_536)),
                Fault::Loses(Bytes::new(size - 4096)),
                Fault::Loses(Bytes::MIB),
                Fault::Wraps(Bytes::gib(8)),
                Fault::Wraps(Bytes::gib(32)),
                Fault::Wraps(Bytes::MIB),
                // Three dies of 8 GiB.
                Fault::Wraps(Bytes::gib(24)),
            ] {
                let mut disk = disk(size, Some(fault));
                let error = check_size(&mut disk, 1).unwrap_err().to_string();
                let says = format!("it says that it has {size} bytes");
                assert!(
                    error.contains(&says) && error.contains("replace it"),
                    "{error}"
                );
                let blank = MemoryDevice::new(Bytes::new(size), SectorSize::S512);
                assert!(disk.into_inner() == blank, "{fault:?} leaves marks");
            }
        }
        // A little larger than it is.
        for size in [40 << 30, (32 << 30) + (2 << 20), (33 << 30) - 512] {
            let mut wrapping = disk(size, Some(Fault::Wraps(Bytes::gib(32))));
            assert!(check_size(&mut wrapping, 1).is_err(), "{size}");
        }
        let mut wrapping = disk(64_000_000_000, Some(Fault::Wraps(Bytes::gib(8))));
        let error = check_size(&mut wrapping, 1).unwrap_err().to_string();
        assert!(
            error.contains("hold no more than 8589934592 bytes"),
            "{error}"
        );
        assert!(error.contains("was there instead"), "{error}");
    }

    #[test]
    fn old_marks_and_failures_do_not_pass() {
        // The same places, marked by an earlier check, and no write arrives any more.
        let size = 64_000_000_000;
        for number in 0..places(size).len() as u64 {
            let mut first = MemoryDevice::new(Bytes::new(size), SectorSize::S512);
            mark(&mut first, 1, &places(size)).unwrap();
            let mut dropping = Faulty::new(first, [Fault::DropsWrite(number)]);
            let error = check_size(&mut dropping, 2).unwrap_err().to_string();
            assert!(error.contains("was not there afterwards"), "{error}");
        }
        for kind in [Kind::Write, Kind::Read, Kind::Zero, Kind::Flush] {
            let mut failing = disk(size, Some(Fault::Fails(Some(kind), 0)));
            let error = check_size(&mut failing, 1).unwrap_err().to_string();
            assert!(error.contains("Input/output error"), "{error}");
        }
    }
}
