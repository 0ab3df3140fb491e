//! A device with faults, for tests: what disks do when they fail, and what
//! counterfeit ones do when they work.

use std::io;
use std::sync::Mutex;

use rustix::io::Errno;

use super::file::io_error;
use super::{BlockDevice, check_range};
use crate::error::Result;
use crate::units::{Bytes, SectorSize};

/// What is done to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Zeroing.
    Zero,
    /// Flushing.
    Flush,
}

/// What is wrong with a device. Operations are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One operation fails with EIO: the n-th of this kind, or of all.
    Fails(Option<Kind>, u64),
    /// A range can neither be read nor written nor zeroed: EIO.
    BadBlocks {
        /// First byte.
        start: Bytes,
        /// Number of bytes.
        length: Bytes,
    },
    /// After so many operations all others fail with ENODEV: the cable was pulled.
    Vanishes(u64),
    /// It holds less than it says; what is written beyond lands at the place less
    /// a multiple of the true size, over what is there.
    Wraps(Bytes),
    /// It holds less than it says; what is written beyond is lost and reads as zeros.
    Loses(Bytes),
    /// The n-th write is said to be done and is not.
    DropsWrite(u64),
}

/// A device that passes everything on to another one, but for its faults.
pub struct Faulty<D> {
    device: D,
    faults: Vec<Fault>,
    done: Mutex<Vec<Kind>>,
}

impl<D: BlockDevice> Faulty<D> {
    /// `device` with these faults.
    pub fn new(device: D, faults: impl Into<Vec<Fault>>) -> Self {
        Self {
            device,
            faults: faults.into(),
            done: Mutex::default(),
        }
    }

    /// The device without its faults.
    pub fn into_inner(self) -> D {
        self.device
    }

    /// How many operations were tried, of this kind or of all.
    pub fn count(&self, kind: Option<Kind>) -> u64 {
        count(&self.tried(), kind)
    }

    fn tried(&self) -> std::sync::MutexGuard<'_, Vec<Kind>> {
        self.done
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }

    /// Counts an operation, and fails it where it must fail; else the number of it in its kind.
    fn begin(&self, kind: Kind, offset: Bytes, length: u64) -> Result<u64> {
        let (all, own) = {
            let mut tried = self.tried();
            let counts = (count(&tried, None), count(&tried, Some(kind)));
            tried.push(kind);
            counts
        };
        let errno = self.faults.iter().find_map(|fault| match *fault {
            Fault::Fails(None, number) if number == all => Some(Errno::IO),
            Fault::Fails(Some(of), number) if of == kind && number == own => Some(Errno::IO),
            Fault::Vanishes(after) if all >= after => Some(Errno::NODEV),
            Fault::BadBlocks { start, length: bad } if kind != Kind::Flush => {
                let (from, to) = (start.get(), start.get().saturating_add(bad.get()));
                let end = offset.get().saturating_add(length);
                (offset.get() < to && from < end).then_some(Errno::IO)
            }
            _ => None,
        });
        match errno {
            None => Ok(own),
            Some(errno) => {
                let doing = match kind {
                    Kind::Read => "reading",
                    Kind::Write => "writing",
                    Kind::Zero => "zeroing",
                    Kind::Flush => "flushing",
                };
                let error = io_error(doing, self.device.name(), offset);
                Err(error(io::Error::from(errno)))
            }
        }
    }

    /// Where each part of a range really lies: (start in the range, length, place).
    fn places(&self, offset: Bytes, length: u64) -> Vec<(u64, u64, Option<Bytes>)> {
        let lie = self.faults.iter().find_map(|fault| match *fault {
            Fault::Wraps(size) => Some((size.get(), true)),
            Fault::Loses(size) => Some((size.get(), false)),
            _ => None,
        });
        let Some((size, wraps)) = lie.filter(|(size, _)| *size > 0) else {
            return vec![(0, length, Some(offset))];
        };
        let mut parts = Vec::new();
        let mut start = 0;
        while start < length {
            let at = offset.get() + start;
            let step = (size - at % size).min(length - start);
            let real = wraps || at < size;
            parts.push((start, step, real.then(|| Bytes::new(at % size))));
            start += step;
        }
        parts
    }
}

fn count(tried: &[Kind], kind: Option<Kind>) -> u64 {
    let of_kind = |one: &&Kind| kind.is_none_or(|kind| kind == **one);
    tried.iter().filter(of_kind).count() as u64
}

impl<D: BlockDevice> BlockDevice for Faulty<D> {
    fn name(&self) -> &str {
        self.device.name()
    }

    fn size(&self) -> Bytes {
        self.device.size()
    }

    fn sector_size(&self) -> SectorSize {
        self.device.sector_size()
    }

    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()> {
        check_range(self.name(), self.size(), offset, buffer.len() as u64)?;
        self.begin(Kind::Read, offset, buffer.len() as u64)?;
        for (start, length, place) in self.places(offset, buffer.len() as u64) {
            let part = &mut buffer[start as usize..][..length as usize];
            match place {
                Some(place) => self.device.read_at(place, part)?,
                None => part.fill(0),
            }
        }
        Ok(())
    }

    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()> {
        check_range(self.name(), self.size(), offset, data.len() as u64)?;
        let number = self.begin(Kind::Write, offset, data.len() as u64)?;
        if self.faults.contains(&Fault::DropsWrite(number)) {
            return Ok(());
        }
        for (start, length, place) in self.places(offset, data.len() as u64) {
            if let Some(place) = place {
                let part = &data[start as usize..][..length as usize];
                self.device.write_at(place, part)?;
            }
        }
        Ok(())
    }

    fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        check_range(self.name(), self.size(), offset, length.get())?;
        self.begin(Kind::Zero, offset, length.get())?;
        for (_, length, place) in self.places(offset, length.get()) {
            if let Some(place) = place {
                self.device.zero(place, Bytes::new(length))?;
            }
        }
        Ok(())
    }

    // Advice, neither counted nor failed: what a device does with it is its own affair.
    fn discard(&mut self, _offset: Bytes, _length: Bytes) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.begin(Kind::Flush, Bytes::ZERO, 0)?;
        self.device.flush()
    }

    fn forget_cached(&self, offset: Bytes, length: Bytes) {
        self.device.forget_cached(offset, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{MemoryDevice, read_vec};

    fn faulty(fault: Fault) -> Faulty<MemoryDevice> {
        let disk = MemoryDevice::new(Bytes::kib(64), SectorSize::S512);
        Faulty::new(disk, [fault])
    }

    /// Write, read, zero, flush, write: which of them fail, and how.
    fn outcomes(fault: Fault) -> (String, Faulty<MemoryDevice>) {
        let mut disk = faulty(fault);
        let results = [
            disk.write_at(Bytes::kib(4), &[1; 1024]),
            disk.read_at(Bytes::kib(4), &mut [0; 10]),
            disk.zero(Bytes::kib(8), Bytes::kib(4)),
            disk.flush(),
            disk.write_at(Bytes::kib(16), &[2; 1024]),
        ];
        let letter = |result: &Result<()>| match result {
            Ok(()) => '.',
            Err(error) if error.to_string().contains("No such device") => 'N',
            Err(error) if error.to_string().contains("Input/output error") => 'E',
            Err(error) => panic!("{error}"),
        };
        (results.iter().map(letter).collect(), disk)
    }

    #[test]
    fn faults_strike_where_they_are_set() {
        let bad = |start, length| Fault::BadBlocks {
            start: Bytes::new(start),
            length: Bytes::new(length),
        };
        for (fault, expected) in [
            (Fault::Fails(None, 0), "E...."),
            (Fault::Fails(None, 3), "...E."),
            (Fault::Fails(None, 5), "....."),
            (Fault::Fails(Some(Kind::Write), 1), "....E"),
            (Fault::Fails(Some(Kind::Read), 0), ".E..."),
            (Fault::Fails(Some(Kind::Zero), 0), "..E.."),
            (Fault::Fails(Some(Kind::Flush), 0), "...E."),
            (Fault::Vanishes(0), "NNNNN"),
            (Fault::Vanishes(3), "...NN"),
            (bad(4096, 1), "EE..."),
            (bad(4096 + 1023, 1), "E...."),
            (bad(0, 4096), "....."),
            (bad(12_287, 4096), "..E.."),
            (bad(0, u64::MAX), "EEE.E"),
        ] {
            let (found, disk) = outcomes(fault);
            assert_eq!(found, expected, "{fault:?}");
            assert_eq!((disk.count(None), disk.count(Some(Kind::Write))), (5, 2));
        }
    }

    #[test]
    fn a_dropped_write_is_silent() {
        let (found, disk) = outcomes(Fault::DropsWrite(1));
        assert_eq!(found, ".....");
        let disk = disk.into_inner();
        assert_eq!(read_vec(&disk, Bytes::kib(4), 1).unwrap(), [1]);
        assert_eq!(read_vec(&disk, Bytes::kib(16), 1).unwrap(), [0]);
    }

    #[test]
    fn false_sizes_wrap_or_lose() {
        let mut disk = faulty(Fault::Wraps(Bytes::kib(16)));
        assert_eq!(disk.size(), Bytes::kib(64));
        disk.write_at(Bytes::new(32 * 1024 - 2), &[1, 2, 3, 4])
            .unwrap();
        assert_eq!(
            read_vec(&disk, Bytes::new(48 * 1024 - 2), 2).unwrap(),
            [1, 2]
        );
        assert_eq!(read_vec(&disk, Bytes::ZERO, 2).unwrap(), [3, 4]);
        disk.zero(Bytes::kib(48), Bytes::kib(16)).unwrap();
        assert_eq!(
            disk.into_inner(),
            MemoryDevice::new(Bytes::kib(64), SectorSize::S512)
        );

        let mut disk = faulty(Fault::Loses(Bytes::kib(16)));
        disk.write_at(Bytes::new(16 * 1024 - 2), &[1, 2, 3, 4])
            .unwrap();
        assert_eq!(
            read_vec(&disk, Bytes::new(16 * 1024 - 2), 4).unwrap(),
            [1, 2, 0, 0]
        );
        disk.zero(Bytes::new(16 * 1024 - 1), Bytes::kib(1)).unwrap();
        assert_eq!(
            read_vec(&disk, Bytes::new(16 * 1024 - 2), 4).unwrap(),
            [1, 0, 0, 0]
        );
        assert!(disk.write_at(Bytes::kib(64), &[1]).is_err());
    }
}
