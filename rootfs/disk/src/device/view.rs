//! A part of a device that is only looked at, by as many as like at a time:
//! partitions of disks that are at hand, as members of an array.

use super::{BlockDevice, check_range};
use crate::error::{Error, Result};
use crate::units::{Bytes, SectorSize};

/// A window onto a device that somebody else holds, for reading alone.
pub struct View<'a> {
    device: &'a dyn BlockDevice,
    name: String,
    start: Bytes,
    length: Bytes,
}

impl<'a> View<'a> {
    /// The `length` bytes of `device` from `start` on, under a name for messages.
    pub fn new(
        device: &'a dyn BlockDevice,
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

    fn refuse(&self) -> Result<()> {
        let why = "it was opened for reading only";
        Err(Error::format("the device", self.name.clone(), why))
    }
}

impl BlockDevice for View<'_> {
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

    fn write_at(&mut self, _: Bytes, _: &[u8]) -> Result<()> {
        self.refuse()
    }

    fn discard(&mut self, _: Bytes, _: Bytes) -> Result<()> {
        self.refuse()
    }

    fn flush(&mut self) -> Result<()> {
        self.refuse()
    }

    fn forget_cached(&self, offset: Bytes, length: Bytes) {
        self.device.forget_cached(self.start + offset, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{MemoryDevice, read_vec};

    #[test]
    fn several_look_at_one_device_and_none_changes_it() {
        let bytes: Vec<u8> = (0..4096_u32).map(|at| (at / 512) as u8).collect();
        let disk = MemoryDevice::from_bytes(&bytes, SectorSize::S512);
        let view = |start| View::new(&disk, "a part", Bytes::new(start), Bytes::new(1024));
        let (one, mut other) = (view(512).unwrap(), view(1024).unwrap());
        assert_eq!(read_vec(&one, Bytes::new(600), 1).unwrap(), [2]);
        assert_eq!(read_vec(&other, Bytes::new(600), 1).unwrap(), [3]);
        assert!(read_vec(&one, Bytes::new(1024), 1).is_err());
        assert!(view(3584).is_err());
        let zero = Bytes::ZERO;
        let sector = Bytes::new(512);
        for refused in [
            other.write_at(zero, &[9]),
            other.zero(zero, sector),
            other.discard(zero, sector),
            other.flush(),
        ] {
            let said = refused.unwrap_err().to_string();
            assert!(said.contains("for reading only"), "{said}");
        }
        assert!(disk == MemoryDevice::from_bytes(&bytes, SectorSize::S512));
    }
}
