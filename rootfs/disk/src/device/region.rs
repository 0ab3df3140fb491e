//! A part of a device that looks like a device of its own: a partition.

use super::{BlockDevice, check_range};
use crate::error::Result;
use crate::units::{Bytes, SectorSize};

/// A window onto another device.
pub struct Region<'a> {
    device: &'a mut dyn BlockDevice,
    name: String,
    start: Bytes,
    length: Bytes,
}

impl<'a> Region<'a> {
    /// The `length` bytes of `device` from `start` on, under a name for messages.
    pub fn new(
        device: &'a mut dyn BlockDevice,
        name: &str,
        start: Bytes,
        length: Bytes,
    ) -> Result<Self> {
        check_range(device.name(), device.size(), start, length.get())?;
        let name = format!("{} on {}", name, device.name());
        Ok(Self {
            device,
            name,
            start,
            length,
        })
    }
}

impl BlockDevice for Region<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Bytes {
        self.length
    }

    fn sector_size(&self) -> SectorSize {
        self.device.sector_size()
    }

    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()> {
        check_range(&self.name, self.length, offset, buffer.len() as u64)?;
        self.device.read_at(self.start + offset, buffer)
    }

    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()> {
        check_range(&self.name, self.length, offset, data.len() as u64)?;
        self.device.write_at(self.start + offset, data)
    }

    fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        check_range(&self.name, self.length, offset, length.get())?;
        self.device.zero(self.start + offset, length)
    }

    fn discard(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        check_range(&self.name, self.length, offset, length.get())?;
        self.device.discard(self.start + offset, length)
    }

    fn flush(&mut self) -> Result<()> {
        self.device.flush()
    }

    fn forget_cached(&self, offset: Bytes, length: Bytes) {
        self.device.forget_cached(self.start + offset, length);
    }
}
