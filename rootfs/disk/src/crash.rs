//! The crash enumerator: every state that a power cut may leave disks in.
//!
//! Between two flushes a disk may keep any subset of the writes, in any order,
//! and a write may stop half way. All subsets of many are too many; these are
//! tried, for each point in the log (DESIGN section 7):
//!
//! 1. everything up to here arrived (the prefix);
//! 2. one write since the last flush did not, all others up to here did;
//! 3. the newest write arrived only in its first half, cut at a sector;
//! 4. of the writes since the last flush, only the newest arrived;
//! 5. of the writes since the last flush, any others did not: each subset, where
//!    there are at most eight; of more, some that a seeded generator draws.
//!
//! Of several disks ([`enumerate_all`]) one may be behind while others are not;
//! for each point in the order of what was done to all of them, on top of 1 to 5
//! for the disk of the newest operation:
//!
//! 6. another disk kept nothing since its own last flush;
//! 7. where the newest operation is a flush, so that what follows builds on it:
//!    2, 4 and 5 for each other disk.
//!
//! The caller looks at each state and says what is wrong with it. States share
//! with each other what they have in common, so that hundreds of MB of writes
//! cost little for each.

use std::io::Write;

use crate::device::record::Operation;
use crate::device::{BlockDevice, MemoryDevice};
use crate::error::Result;
use crate::units::{Bytes, SectorSize};

/// Long epochs of bulk data would cost the square of their length: of the writes
/// since the last flush, so many of the newest are dropped one by one.
const DROPPED: usize = 8;
/// Of at most so many writes since the last flush, every subset is tried.
const SUBSETS: usize = 8;
/// Of more, so many subsets at each point, that lack some of the newest.
const SAMPLES: usize = 4;
/// Of so many of the newest.
const SAMPLED: usize = 16;

/// What a state is made of, for the message when it is found wrong. Of several
/// disks, operations are counted in the order of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The first `n` operations arrived.
    Prefix(usize),
    /// The first `n` did, except this one.
    Dropped(usize, usize),
    /// The first `n` did, except these, of which there are at least two.
    Missing(usize, Vec<usize>),
    /// The first `n` did, the last of them half.
    Torn(usize),
    /// The flushed ones and, of the rest, only the newest of the first `n`.
    Alone(usize),
    /// The flushed ones of this disk alone; all of the first `n` on the others.
    Behind(usize),
}

/// How [`tell`] begins its line.
pub const STATES: &str = "states of power cuts: ";

/// Prints how many states a test has looked at, past what the test harness holds back: a run that
/// passes shall show what it has tried.
pub fn tell(states: usize, of: &str) {
    // A line of its own, whatever the harness was writing. Nobody may be there to read it.
    let _ = writeln!(std::io::stdout(), "\n{STATES}{states} {of}");
}

/// Calls `look` for each state that a power cut during `log` may leave `before` in;
/// answers how many states were looked at, or the first error of `look`.
pub fn enumerate<E: From<crate::Error>>(
    before: &MemoryDevice,
    log: &[Operation],
    mut look: impl FnMut(&Cut, &MemoryDevice) -> Result<(), E>,
) -> Result<usize, E> {
    let order: Vec<(usize, &Operation)> = log.iter().map(|operation| (0, operation)).collect();
    walk(vec![before.clone()], &order, &mut |_, cut, disks| {
        disks.first().map_or(Ok(()), |disk| look(cut, disk))
    })
}

/// A disk as it was before, and what was done to it, each operation with its place
/// in the order of all disks ([`Recorder::finish_numbered`](crate::device::record::Recorder::finish_numbered)).
pub type Recorded = (MemoryDevice, Vec<(u64, Operation)>);

/// Calls `look` for each state that a power cut may leave several disks in, whose
/// recorders shared a sequence: with the number of the disk that the cut is
/// about, the cut, and all disks. Answers how many states were looked at, or the
/// first error of `look`.
pub fn enumerate_all<E: From<crate::Error>>(
    disks: &[Recorded],
    mut look: impl FnMut(usize, &Cut, &[MemoryDevice]) -> Result<(), E>,
) -> Result<usize, E> {
    let before = disks.iter().map(|(disk, _)| disk.clone()).collect();
    let mut order: Vec<(u64, usize, &Operation)> = Vec::new();
    for (disk, (_, log)) in disks.iter().enumerate() {
        order.extend(
            log.iter()
                .map(|(number, operation)| (*number, disk, operation)),
        );
    }
    order.sort_by_key(|(number, ..)| *number);
    let order: Vec<(usize, &Operation)> = order
        .into_iter()
        .map(|(_, disk, operation)| (disk, operation))
        .collect();
    walk(before, &order, &mut look)
}

/// Who looks at each state.
type Look<'f, E> = &'f mut dyn FnMut(usize, &Cut, &[MemoryDevice]) -> Result<(), E>;

/// What a disk holds for good, and what it was given since.
struct Side<'l> {
    flushed: MemoryDevice,
    /// Operations since the last flush, each with its place in the order.
    pending: Vec<(usize, &'l Operation)>,
}

impl Side<'_> {
    /// How many of the pending operations may be the one that lacks: not the newest of all.
    fn droppable(&self, count: usize) -> usize {
        let newest = self.pending.last();
        let newest = newest.is_some_and(|(index, _)| index + 1 == count);
        self.pending.len() - usize::from(newest)
    }

    /// The disk, on which all pending operations are, without those at these places.
    fn without(&self, whole: &MemoryDevice, places: &[usize]) -> Result<MemoryDevice> {
        let mut state = whole.clone();
        for missing in places {
            let Some((offset, length)) = self.pending[*missing].1.range() else {
                continue;
            };
            state.take_from(&self.flushed, offset, length)?;
            for (at, (_, operation)) in self.pending.iter().enumerate() {
                if !places.contains(&at) {
                    within(operation, offset, length, &mut state)?;
                }
            }
        }
        Ok(state)
    }
}

fn walk<E: From<crate::Error>>(
    before: Vec<MemoryDevice>,
    order: &[(usize, &Operation)],
    look: Look<'_, E>,
) -> Result<usize, E> {
    let side = |disk: &MemoryDevice| Side {
        flushed: disk.clone(),
        pending: Vec::new(),
    };
    let mut sides: Vec<Side<'_>> = before.iter().map(side).collect();
    let mut states = States {
        disks: before,
        look,
        count: 0,
        drawn: 0,
    };
    states.look(0, &Cut::Prefix(0))?;
    for (index, (disk, operation)) in order.iter().copied().enumerate() {
        let count = index + 1;
        let older = states.disks[disk].clone();
        operation.apply(&mut states.disks[disk])?;
        states.look(disk, &Cut::Prefix(count))?;
        let flushes = *operation == Operation::Flush;
        let side = &mut sides[disk];
        if flushes {
            side.flushed = states.disks[disk].clone();
            side.pending.clear();
        } else {
            side.pending.push((index, operation));
            states.dropped(disk, count, side)?;
            states.alone(disk, count, side)?;
            states.missing(disk, count, side)?;
            if let Some(half) = torn(operation, older.sector_size()) {
                let mut state = older;
                half.apply(&mut state)?;
                states.with(disk, state, &Cut::Torn(count))?;
            }
        }
        for (other, side) in sides.iter().enumerate() {
            if other == disk || side.pending.is_empty() {
                continue;
            }
            states.with(other, side.flushed.clone(), &Cut::Behind(count))?;
            if flushes {
                states.dropped(other, count, side)?;
                states.alone(other, count, side)?;
                states.missing(other, count, side)?;
            }
        }
    }
    Ok(states.count)
}

/// All disks as everything up to now left them, and who looks at variants of that.
struct States<'f, E> {
    disks: Vec<MemoryDevice>,
    look: Look<'f, E>,
    count: usize,
    /// State of the generator of [`States::draw`].
    drawn: u64,
}

impl<E: From<crate::Error>> States<'_, E> {
    fn look(&mut self, disk: usize, cut: &Cut) -> Result<(), E> {
        self.count += 1;
        (self.look)(disk, cut, &self.disks)
    }

    /// Looks at the state in which one disk is another than it should be.
    fn with(&mut self, disk: usize, state: MemoryDevice, cut: &Cut) -> Result<(), E> {
        let whole = std::mem::replace(&mut self.disks[disk], state);
        let outcome = self.look(disk, cut);
        self.disks[disk] = whole;
        outcome
    }

    /// One of the newest pending operations did not arrive. A drop of the newest
    /// of all is the prefix before it.
    fn dropped(&mut self, disk: usize, count: usize, side: &Side<'_>) -> Result<(), E> {
        let last = side.droppable(count);
        for missing in last.saturating_sub(DROPPED)..last {
            let state = side.without(&self.disks[disk], &[missing])?;
            let (index, _) = side.pending[missing];
            self.with(disk, state, &Cut::Dropped(count, index))?;
        }
        Ok(())
    }

    /// Several of the pending operations did not arrive, and others did. What lacks the newest of all
    /// is a state of the point before.
    fn missing(&mut self, disk: usize, count: usize, side: &Side<'_>) -> Result<(), E> {
        let last = side.droppable(count);
        if side.pending.len() <= SUBSETS {
            for lacks in 0..1_u64 << last {
                self.lacking(disk, count, side, 0, lacks)?;
            }
            return Ok(());
        }
        let first = last.saturating_sub(SAMPLED);
        for _ in 0..SAMPLES {
            let lacks = self.draw() & ((1 << (last - first)) - 1);
            self.lacking(disk, count, side, first, lacks)?;
        }
        Ok(())
    }

    /// The pending operations from `first` on did not arrive whose bit is set: unless it is one of
    /// the states that are looked at anyway.
    fn lacking(
        &mut self,
        disk: usize,
        count: usize,
        side: &Side<'_>,
        first: usize,
        lacks: u64,
    ) -> Result<(), E> {
        let places = (first..side.pending.len()).filter(|at| lacks >> (at - first) & 1 == 1);
        let places: Vec<usize> = places.collect();
        let arrived = side.pending.len() - places.len();
        let newest_alone = arrived == 1 && places.last() != Some(&(side.pending.len() - 1));
        if places.len() < 2 || arrived == 0 || newest_alone {
            return Ok(());
        }
        let state = side.without(&self.disks[disk], &places)?;
        let numbers = places.iter().map(|at| side.pending[*at].0).collect();
        self.with(disk, state, &Cut::Missing(count, numbers))
    }

    /// A number of the generator (SplitMix64; Steele, Lea, Flood 2014): the same ones in each run.
    fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.drawn;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Of several pending operations only the newest arrived.
    fn alone(&mut self, disk: usize, count: usize, side: &Side<'_>) -> Result<(), E> {
        match side.pending.last() {
            Some((_, operation)) if side.pending.len() > 1 => {
                let mut state = side.flushed.clone();
                operation.apply(&mut state)?;
                self.with(disk, state, &Cut::Alone(count))
            }
            _ => Ok(()),
        }
    }
}

/// Does the part of an operation that lies in a range.
fn within(
    operation: &Operation,
    offset: Bytes,
    length: Bytes,
    disk: &mut MemoryDevice,
) -> Result<()> {
    let Some((start, own)) = operation.range() else {
        return Ok(());
    };
    let (from, to) = (start.max(offset), (start + own).min(offset + length));
    if from >= to {
        return Ok(());
    }
    match operation {
        Operation::Write(_, data) => {
            let (first, last) = (from - start, to - start);
            disk.write_at(from, &data[first.get() as usize..last.get() as usize])
        }
        _ => disk.zero(from, to - from),
    }
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
    use crate::device::read_vec;
    use crate::device::record::{Recorder, Sequence};

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

    /// Of so few writes every subset is there, once.
    #[test]
    fn every_subset_of_a_few_writes_is_looked_at() {
        for writes in 1..=SUBSETS {
            let before = MemoryDevice::new(Bytes::kib(8), SectorSize::S512);
            let mut disk = Recorder::new(before.clone());
            for at in 0..writes {
                disk.write_at(Bytes::new(512 * at as u64), &[1; 512])
                    .unwrap();
            }
            let mut seen = Vec::new();
            let count = enumerate::<crate::Error>(&before, disk.log(), |_, state| {
                let arrived = (0..writes).map(|at| read_vec(state, Bytes::new(512 * at as u64), 1));
                let bits = arrived.map(|byte| usize::from(byte.unwrap()[0]));
                seen.push(bits.enumerate().fold(0, |all, (at, bit)| all | bit << at));
                Ok(())
            })
            .unwrap();
            let subsets: std::collections::BTreeSet<usize> = seen.into_iter().collect();
            assert_eq!(subsets.len(), 1 << writes);
            // With two, the one that lacks the older is the newest alone.
            let twice = usize::from(writes > 1);
            assert_eq!(count, (1 << writes) + twice, "{writes}");
        }
    }

    /// What a cut means, replayed from the start: the slow and plain way.
    fn replay(before: &MemoryDevice, log: &[Operation], cut: &Cut) -> MemoryDevice {
        let mut disk = before.clone();
        let flushed = |n: usize| {
            let last = log[..n].iter().rposition(|one| *one == Operation::Flush);
            last.map_or(0, |at| at + 1)
        };
        let mut apply = |range: std::ops::Range<usize>, without: &[usize]| {
            for at in range.filter(|at| !without.contains(at)) {
                log[at].apply(&mut disk).unwrap();
            }
        };
        match *cut {
            Cut::Prefix(n) => apply(0..n, &[]),
            Cut::Dropped(n, missing) => apply(0..n, &[missing]),
            Cut::Missing(n, ref missing) => apply(0..n, missing),
            Cut::Behind(n) => apply(0..flushed(n), &[]),
            Cut::Alone(n) => {
                apply(0..flushed(n), &[]);
                apply(n - 1..n, &[]);
            }
            Cut::Torn(n) => {
                apply(0..n - 1, &[]);
                let half = torn(&log[n - 1], SectorSize::S512).unwrap();
                half.apply(&mut disk).unwrap();
            }
        }
        disk
    }

    struct Random(u64);

    impl Random {
        fn next(&mut self, below: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % below
        }

        /// Does anything to a disk of 4 MiB; much of it over what was just done.
        fn act(&mut self, disk: &mut dyn BlockDevice) {
            let offset = self.next(100) * 512 + self.next(3) * (1 << 20);
            let length = (self.next(40) + 1) * 512;
            let (at, fill) = (Bytes::new(offset), self.next(255) as u8 + 1);
            match self.next(8) {
                0 => disk.flush().unwrap(),
                1 => disk.zero(at, Bytes::new(length)).unwrap(),
                2 => disk.zero(Bytes::ZERO, Bytes::MIB + at).unwrap(),
                _ => disk.write_at(at, &vec![fill; length as usize]).unwrap(),
            }
        }
    }

    #[test]
    fn every_state_is_what_it_says() {
        let mut random = Random(1);
        for _ in 0..10 {
            let mut old = MemoryDevice::new(Bytes::mib(4), SectorSize::S512);
            (0..10).for_each(|_| random.act(&mut old));
            let mut disk = Recorder::new(old.clone());
            (0..60).for_each(|_| random.act(&mut disk));
            let (new, log) = disk.finish();
            let mut last = None;
            let count = enumerate::<crate::Error>(&old, &log, |cut, state| {
                assert!(*state == replay(&old, &log, cut), "{cut:?} of {log:?}");
                last = matches!(cut, Cut::Prefix(60))
                    .then(|| state.clone())
                    .or(last.take());
                Ok(())
            })
            .unwrap();
            assert!(count > 200 && last == Some(new), "{count}");
        }
    }

    /// Over several disks, each disk is in a state of its own that the cut explains.
    #[test]
    fn every_state_of_several_disks_is_what_it_says() {
        let mut random = Random(2);
        let blank = MemoryDevice::new(Bytes::mib(4), SectorSize::S512);
        for _ in 0..10 {
            let sequence = Sequence::default();
            let mut disks: Vec<_> = (0..3)
                .map(|_| Recorder::sharing(blank.clone(), &sequence))
                .collect();
            let mut order = Vec::new();
            for _ in 0..60 {
                let disk = random.next(3) as usize;
                random.act(&mut disks[disk]);
                order.push(disk);
            }
            let recorded: Vec<Recorded> = disks
                .into_iter()
                .map(|disk| (blank.clone(), disk.finish_numbered().1))
                .collect();
            let logs: Vec<Vec<Operation>> = recorded
                .iter()
                .map(|(_, log)| log.iter().map(|(_, operation)| operation.clone()).collect())
                .collect();
            // How many of the first n operations of all were done to this disk.
            let own = |disk: usize, n: usize| order[..n].iter().filter(|one| **one == disk).count();
            let mut kinds = [0; 6];
            enumerate_all::<crate::Error>(&recorded, |about, cut, states| {
                let (kind, n) = match *cut {
                    Cut::Prefix(n) => (0, n),
                    Cut::Dropped(n, _) => (1, n),
                    Cut::Torn(n) => (2, n),
                    Cut::Alone(n) => (3, n),
                    Cut::Behind(n) => (4, n),
                    Cut::Missing(n, _) => (5, n),
                };
                kinds[kind] += 1;
                for (disk, state) in states.iter().enumerate() {
                    let count = own(disk, n);
                    let cut = match *cut {
                        _ if disk != about => Cut::Prefix(count),
                        Cut::Prefix(_) => Cut::Prefix(count),
                        Cut::Dropped(_, missing) => Cut::Dropped(count, own(disk, missing)),
                        Cut::Missing(_, ref missing) => {
                            let missing = missing.iter().map(|at| own(disk, *at));
                            Cut::Missing(count, missing.collect())
                        }
                        Cut::Torn(_) => Cut::Torn(count),
                        Cut::Alone(_) => Cut::Alone(count),
                        Cut::Behind(_) => Cut::Behind(count),
                    };
                    let expected = replay(&blank, &logs[disk], &cut);
                    assert!(*state == expected, "{cut:?} of disk {disk}");
                }
                Ok(())
            })
            .unwrap();
            assert!(kinds.iter().all(|count| *count > 10), "{kinds:?}");
        }
    }

    /// The case that only several disks have: the second is made bootable while
    /// the first still has its data in its cache.
    #[test]
    fn a_disk_that_is_behind_another_is_seen() {
        let blank = MemoryDevice::new(Bytes::kib(8), SectorSize::S512);
        for flushes in [false, true] {
            let sequence = Sequence::default();
            let [mut data, mut boot] =
                [(); 2].map(|()| Recorder::sharing(blank.clone(), &sequence));
            data.write_at(Bytes::ZERO, &[1; 512]).unwrap();
            if flushes {
                data.flush().unwrap();
            }
            boot.write_at(Bytes::ZERO, &[1; 512]).unwrap();
            boot.flush().unwrap();
            let disks = [data, boot].map(|disk| (blank.clone(), disk.finish_numbered().1));
            let mut bootable_without_data = false;
            enumerate_all::<crate::Error>(&disks, |_, _, states| {
                let [data, boot] =
                    [0, 1].map(|disk| read_vec(&states[disk], Bytes::ZERO, 1).unwrap()[0]);
                bootable_without_data |= boot == 1 && data == 0;
                Ok(())
            })
            .unwrap();
            assert_eq!(bootable_without_data, !flushes);
        }
    }

    /// As an installation writes: 300 MB of images in pieces of a MiB with a flush
    /// now and then, small volumes, tables at both ends.
    fn installation(disk: &mut dyn BlockDevice) {
        let piece = |salt: u64| -> Vec<u8> {
            (0..1 << 20_u64)
                .map(|at| ((at * salt) >> 7) as u8 | 1)
                .collect()
        };
        for at in 0..300 {
            disk.write_at(Bytes::mib(300 + at), &piece(at + 3)).unwrap();
            if at % 64 == 63 {
                disk.flush().unwrap();
            }
        }
        disk.zero(Bytes::mib(700), Bytes::mib(5000)).unwrap();
        for at in 0..40 {
            disk.write_at(Bytes::mib(700 + 100 * at), &piece(at)[..8192])
                .unwrap();
        }
        disk.flush().unwrap();
        for at in [7 << 30, 4096, 512, 0] {
            disk.write_at(Bytes::new(at), &[1; 512]).unwrap();
            disk.flush().unwrap();
        }
    }

    /// Thousands of states of hundreds of MB cost seconds at most: they share what they
    /// have in common.
    #[test]
    fn states_of_installations_on_four_disks_are_cheap() {
        let blank = MemoryDevice::new(Bytes::gib(8), SectorSize::S512);
        let sequence = Sequence::default();
        let mut disks: Vec<_> = (0..4)
            .map(|_| Recorder::sharing(blank.clone(), &sequence))
            .collect();
        disks.iter_mut().for_each(|disk| installation(disk));
        let disks: Vec<Recorded> = disks
            .into_iter()
            .map(|disk| (blank.clone(), disk.finish_numbered().1))
            .collect();
        let begun = std::time::Instant::now();
        let mut bootable = 0;
        let count = enumerate_all::<crate::Error>(&disks, |_, _, states| {
            for state in states {
                let mut sector = [0; 512];
                state.read_at(Bytes::ZERO, &mut sector)?;
                bootable += u64::from(sector[0]);
            }
            Ok(())
        })
        .unwrap();
        let took = begun.elapsed();
        println!("{count} states, {bootable} bootable disks in them, {took:?}");
        assert!(
            count > 10_000 && took.as_secs() < 60,
            "{count} states took {took:?}"
        );
    }
}
