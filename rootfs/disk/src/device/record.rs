//! A device that writes down what is done to it.
//!
//! The log is the input of the crash enumerator ([`crate::crash`]).

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
    /// Does the same to another device.
    pub fn apply(&self, device: &mut dyn BlockDevice) -> Result<()> {
        match self {
            Self::Write(offset, data) => device.write_at(*offset, data),
            Self::Zero(offset, length) => device.zero(*offset, *length),
            Self::Flush => device.flush(),
        }
    }
}

/// A device that passes everything on to another one and keeps a log.
pub struct Recorder<D> {
    device: D,
    log: Vec<Operation>,
}

impl<D: BlockDevice> Recorder<D> {
    /// Starts recording what is done to `device`.
    pub fn new(device: D) -> Self {
        Self {
            device,
            log: Vec::new(),
        }
    }

    /// Stops: the device as it is now, and what was done to it.
    pub fn finish(self) -> (D, Vec<Operation>) {
        (self.device, self.log)
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
        self.log.push(Operation::Write(offset, data.to_vec()));
        Ok(())
    }

    fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        self.device.zero(offset, length)?;
        self.log.push(Operation::Zero(offset, length));
        Ok(())
    }

    // A discard leaves undefined bytes; the worst that may be there is what was
    // there before, which is what a log without it replays.
    fn discard(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        self.device.discard(offset, length)
    }

    fn flush(&mut self) -> Result<()> {
        self.device.flush()?;
        self.log.push(Operation::Flush);
        Ok(())
    }

    fn forget_cached(&self, offset: Bytes, length: Bytes) {
        self.device.forget_cached(offset, length);
    }
}
