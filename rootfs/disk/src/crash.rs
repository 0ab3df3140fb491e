//! The crash enumerator: every state that a power cut may leave a disk in.
//!
//! Between two flushes a disk may keep any subset of the writes, in any order,
//! and a write may stop half way. All subsets are too many; these are tried,
//! for each point in the log (DESIGN section 7):
//!
//! 1. everything up to here arrived (the prefix);
//! 2. one write since the last flush did not, all others up to here did;
//! 3. the newest write arrived only in its first half, cut at a sector;
//! 4. of the writes since the last flush, only the newest arrived.
//!
//! The caller looks at each state and says what is wrong with it.

use crate::device::record::Operation;
use crate::device::{BlockDevice, MemoryDevice};
use crate::error::Result;
use crate::units::{Bytes, SectorSize};

/// What a state is made of, for the message when it is found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The first `n` operations arrived.
    Prefix(usize),
    /// The first `n` did, except this one.
    Dropped(usize, usize),
    /// The first `n` did, the last of them half.
    Torn(usize),
    /// The flushed ones and, of the rest, only operation `n - 1`.
    Alone(usize),
}

/// Calls `look` for each state that a power cut during `log` may leave `before` in;
/// answers how many states were looked at, or the first error of `look`.
pub fn enumerate<E: From<crate::Error>>(
    before: &MemoryDevice,
    log: &[Operation],
    mut look: impl FnMut(&Cut, &MemoryDevice) -> Result<(), E>,
) -> Result<usize, E> {
    let mut flushed = before.clone();
    let mut flushed_count = 0;
    let mut states = 1;
    look(&Cut::Prefix(0), &flushed)?;
    let mut prefix = before.clone();
    for (index, operation) in log.iter().enumerate() {
        operation.apply(&mut prefix)?;
        look(&Cut::Prefix(index + 1), &prefix)?;
        states += 1;
        if *operation == Operation::Flush {
            flushed = prefix.clone();
            flushed_count = index + 1;
            continue;
        }
        states += lossy(
            &flushed,
            &log[flushed_count..=index],
            flushed_count,
            &mut look,
        )?;
    }
    Ok(states)
}

/// The states 2 to 4 of one point: `pending` are the operations since the last flush.
fn lossy<E: From<crate::Error>>(
    flushed: &MemoryDevice,
    pending: &[Operation],
    first: usize,
    look: &mut impl FnMut(&Cut, &MemoryDevice) -> Result<(), E>,
) -> Result<usize, E> {
    let count = first + pending.len();
    let Some((newest, older)) = pending.split_last() else {
        return Ok(0);
    };
    let mut states = 0;
    // A drop of the newest is the prefix before it. Long epochs of bulk data
    // would cost the square of their length: the last eight writes are tried.
    for dropped in older.len().saturating_sub(8)..older.len() {
        let mut disk = flushed.clone();
        for (index, operation) in pending.iter().enumerate() {
            if index != dropped {
                operation.apply(&mut disk)?;
            }
        }
        look(&Cut::Dropped(count, first + dropped), &disk)?;
        states += 1;
    }
    if !older.is_empty() {
        let mut alone = flushed.clone();
        newest.apply(&mut alone)?;
        look(&Cut::Alone(count), &alone)?;
        states += 1;
    }
    if let Some(half) = torn(newest, flushed.sector_size()) {
        let mut disk = flushed.clone();
        for operation in older.iter().chain([&half]) {
            operation.apply(&mut disk)?;
        }
        look(&Cut::Torn(count), &disk)?;
        states += 1;
    }
    Ok(states)
}

/// The first half of an operation, cut at a sector; none for a single sector.
fn torn(operation: &Operation, sector: SectorSize) -> Option<Operation> {
    let half = |length: u64| {
        let cut = Bytes::new(length / 2).align_down(sector.bytes());
        (cut > Bytes::ZERO).then_some(cut)
    };
    match operation {
        Operation::Write(offset, data) => half(data.len() as u64)
            .map(|cut| Operation::Write(*offset, data[..cut.get() as usize].to_vec())),
        Operation::Zero(offset, length) => {
            half(length.get()).map(|cut| Operation::Zero(*offset, cut))
        }
        Operation::Flush => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::record::Recorder;

    #[test]
    fn states_of_two_writes_and_a_flush() {
        let before = MemoryDevice::new(Bytes::kib(8), SectorSize::S512);
        let mut disk = Recorder::new(before.clone());
        disk.write_at(Bytes::ZERO, &[1; 1024]).unwrap();
        disk.write_at(Bytes::kib(4), &[2; 512]).unwrap();
        disk.flush().unwrap();
        let (_, log) = disk.finish();
        let mut seen = Vec::new();
        let count = enumerate::<crate::Error>(&before, &log, |cut, state| {
            let mut bytes = [0; 8192];
            state.read_at(Bytes::ZERO, &mut bytes)?;
            seen.push((cut.clone(), [bytes[0], bytes[1023], bytes[4096]]));
            Ok(())
        })
        .unwrap();
        assert_eq!(count, seen.len());
        assert_eq!(
            seen,
            [
                (Cut::Prefix(0), [0, 0, 0]),
                (Cut::Prefix(1), [1, 1, 0]),
                (Cut::Torn(1), [1, 0, 0]),
                (Cut::Prefix(2), [1, 1, 2]),
                (Cut::Dropped(2, 0), [0, 0, 2]),
                (Cut::Alone(2), [0, 0, 2]),
                (Cut::Prefix(3), [1, 1, 2]),
            ]
        );
    }
}
