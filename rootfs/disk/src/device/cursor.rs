//! A device as `Read + Write + Seek`, for libraries that want that.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::BlockDevice;
use crate::units::Bytes;

/// A position on a device.
pub struct Cursor<D> {
    device: D,
    position: u64,
}

impl<D> Cursor<D> {
    /// At the device's first byte.
    pub fn new(device: D) -> Self {
        Self {
            device,
            position: 0,
        }
    }

    /// Gives the device back.
    pub fn into_inner(self) -> D {
        self.device
    }
}

impl<D> std::fmt::Debug for Cursor<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cursor at byte {}", self.position)
    }
}

/// How many of `wanted` bytes lie before the end.
fn available(size: Bytes, position: u64, wanted: usize) -> usize {
    size.get().saturating_sub(position).min(wanted as u64) as usize
}

impl<D: std::ops::Deref<Target: BlockDevice>> Read for Cursor<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = available(self.device.size(), self.position, buffer.len());
        self.device
            .read_at(Bytes::new(self.position), &mut buffer[..step])
            .map_err(io::Error::other)?;
        self.position += step as u64;
        Ok(step)
    }
}

impl<D: std::ops::DerefMut<Target: BlockDevice>> Write for Cursor<D> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let step = available(self.device.size(), self.position, data.len());
        self.device
            .write_at(Bytes::new(self.position), &data[..step])
            .map_err(io::Error::other)?;
        self.position += step as u64;
        Ok(step)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.device.flush().map_err(io::Error::other)
    }
}

impl<D: std::ops::Deref<Target: BlockDevice>> Seek for Cursor<D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(delta) => self.device.size().get().checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position =
            position.ok_or_else(|| io::Error::other("seeking before the start of the device"))?;
        Ok(self.position)
    }
}
