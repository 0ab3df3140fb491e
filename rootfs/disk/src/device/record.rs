//! A device that writes down what is done to it.
//!
//! The log is the input of the crash enumerator ([`crate::crash`]). Recorders of
//! several devices may share a [`Sequence`], so that what was done to all of them
//! can be put into one order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::BlockDevice;
use crate::error::Result;
use crate::units::{Bytes, SectorSize};

/// One thing done to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bytes written at an offset.
    Write(Bytes, Vec<u8>),
    /// A range made zero.
    Zero(Bytes, Bytes),
    /// Everything before this is on the disk for good.
    Flush,
}

impl Operation {
    /// First byte and length of what it changes; none for a flush.
    pub fn range(&self) -> Option<(Bytes, Bytes)> {
        match self {
            Self::Write(offset, data) => Some((*offset, Bytes::new(data.len() as u64))),
            Self::Zero(offset, length) => Some((*offset, *length)),
            Self::Flush => None,
        }
    }

    /// Does the same to another device.
    pub fn apply(&self, device: &mut dyn BlockDevice) -> Result<()> {
        match self {
            Self::Write(offset, data) => device.write_at(*offset, data),
            Self::Zero(offset, length) => device.zero(*offset, *length),
            Self::Flush => device.flush(),
        }
    }
}

/// The order of what is done to several devices: a counter that they share.
#[derive(Clone, Debug, Default)]
pub struct Sequence(Arc<AtomicU64>);

impl Sequence {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// A device that passes everything on to another one and keeps a log.
pub struct Recorder<D> {
    device: D,
    log: Vec<Operation>,
    /// The place of each operation in the sequence.
    numbers: Vec<u64>,
    sequence: Sequence,
}

impl<D: BlockDevice> Recorder<D> {
    /// Starts recording what is done to `device`.
    pub fn new(device: D) -> Self {
        Self::sharing(device, &Sequence::default())
    }

    /// Starts recording what is done to `device`, in one order with all others
    /// that share the sequence.
    pub fn sharing(device: D, sequence: &Sequence) -> Self {
        Self {
            device,
            log: Vec::new(),
            numbers: Vec::new(),
            sequence: sequence.clone(),
        }
    }

    /// Stops: the device as it is now, and what was done to it.
    pub fn finish(self) -> (D, Vec<Operation>) {
        (self.device, self.log)
    }

    /// Stops: the device as it is now, and what was done to it, each operation
    /// with its place in the sequence. Input of [`crate::crash::enumerate_all`].
    pub fn finish_numbered(self) -> (D, Vec<(u64, Operation)>) {
        let log = self.numbers.into_iter().zip(self.log).collect();
        (self.device, log)
    }

    fn note(&mut self, operation: Operation) {
        self.numbers.push(self.sequence.next());
        self.log.push(operation);
    }

    /// What was done so far.
    pub fn log(&self) -> &[Operation] {
        &self.log
    }
}

impl<D: BlockDevice> BlockDevice for Recorder<D> {
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
        self.device.read_at(offset, buffer)
    }

    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()> {
        self.device.write_at(offset, data)?;
        self.note(Operation::Write(offset, data.to_vec()));
        Ok(())
    }

    fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        self.device.zero(offset, length)?;
        self.note(Operation::Zero(offset, length));
        Ok(())
    }

    // A discard leaves undefined bytes; the worst that may be there is what was
    // there before, which is what a log without it replays.
    fn discard(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        self.device.discard(offset, length)
    }

    fn flush(&mut self) -> Result<()> {
        self.device.flush()?;
        self.note(Operation::Flush);
        Ok(())
    }

    fn forget_cached(&self, offset: Bytes, length: Bytes) {
        self.device.forget_cached(offset, length);
    }
}
