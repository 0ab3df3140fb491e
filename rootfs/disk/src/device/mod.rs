//! The one block-write trait, and the devices that carry it out.
//!
//! | device | is |
//! |---|---|
//! | [`FileDevice`] | a plain file, sparse where it can be |
//! | [`KernelDevice`] | a disk or partition of the running kernel, opened exclusively |
//! | [`MemoryDevice`] | a sparse disk in memory, for tests and for staging |
//! | [`Region`] | a part of another device, as a partition |
//! | [`View`] | the same, of a device that is only looked at |
//! | [`record::Recorder`] | another device whose writes are written down |
//! | [`faulty::Faulty`] | another device with faults, for tests |
//!
//! [`check_size`] finds out whether a disk holds as much as it says.

mod cursor;
pub mod faulty;
mod file;
mod honest;
mod kernel;
mod memory;
pub mod record;
mod region;
mod view;

pub use cursor::Cursor;
pub use file::FileDevice;
pub use honest::check_size;
pub(crate) use honest::{SECTOR, is_of_mark};
pub use kernel::KernelDevice;
pub use memory::MemoryDevice;
pub use region::Region;
pub use view::View;

use crate::error::{Error, Result};
use crate::units::{Bytes, SectorSize};

/// Where bytes are read from and written to at chosen places.
///
/// A write may be lost, or land in any order with other writes, until the next
/// [`flush`](BlockDevice::flush) returns; after that it is on the disk.
pub trait BlockDevice: Send + Sync {
    /// What a person knows the device by: its path.
    fn name(&self) -> &str;

    /// The device's size.
    fn size(&self) -> Bytes;

    /// The logical sector size, the unit that the partition table counts in.
    fn sector_size(&self) -> SectorSize;

    /// Fills `buffer` from `offset`; an error where the device ends before.
    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()>;

    /// Writes all of `data` at `offset`.
    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()>;

    /// Makes a range read as zeros, the cheapest way the device has.
    fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        write_zeros(self, offset, length)
    }

    /// Tells the device that a range is not needed any more. What it reads as
    /// afterwards is undefined; a device that cannot do this does nothing.
    fn discard(&mut self, _offset: Bytes, _length: Bytes) -> Result<()> {
        Ok(())
    }

    /// Returns when everything written so far would survive a power cut.
    fn flush(&mut self) -> Result<()>;

    /// Forgets a range that memory holds, where the device can do that: what was
    /// flushed is read from the disk the next time, for reading back what was
    /// written; what was not begins to be written out, without waiting for it.
    fn forget_cached(&self, _offset: Bytes, _length: Bytes) {}
}

/// What holds or borrows a device is one.
macro_rules! forward {
    ($($holder:ty),+) => {$(
        impl<D: BlockDevice + ?Sized> BlockDevice for $holder {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn size(&self) -> Bytes {
                (**self).size()
            }

            fn sector_size(&self) -> SectorSize {
                (**self).sector_size()
            }

            fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()> {
                (**self).read_at(offset, buffer)
            }

            fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()> {
                (**self).write_at(offset, data)
            }

            fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
                (**self).zero(offset, length)
            }

            fn discard(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
                (**self).discard(offset, length)
            }

            fn flush(&mut self) -> Result<()> {
                (**self).flush()
            }

            fn forget_cached(&self, offset: Bytes, length: Bytes) {
                (**self).forget_cached(offset, length);
            }
        }
    )+};
}

forward!(&mut D, Box<D>);

/// Reads `length` bytes at `offset` into a new vector; for small structures.
pub fn read_vec(device: &dyn BlockDevice, offset: Bytes, length: usize) -> Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    device.read_at(offset, &mut buffer)?;
    Ok(buffer)
}

/// Zeros a range by writing zeros.
fn write_zeros<D: BlockDevice + ?Sized>(
    device: &mut D,
    offset: Bytes,
    length: Bytes,
) -> Result<()> {
    const CHUNK: u64 = 1 << 20;
    let zeros = vec![0; CHUNK.min(length.get()) as usize];
    let mut done = 0;
    while done < length.get() {
        let step = CHUNK.min(length.get() - done);
        device.write_at(offset + Bytes::new(done), &zeros[..step as usize])?;
        done += step;
    }
    Ok(())
}

/// Refuses an access that the device does not hold.
pub(crate) fn check_range(device: &str, size: Bytes, offset: Bytes, length: u64) -> Result<()> {
    match offset.get().checked_add(length) {
        Some(end) if end <= size.get() => Ok(()),
        end => Err(Error::OutOfRange {
            device: device.to_owned(),
            size,
            offset: offset.get(),
            end: end.unwrap_or(u64::MAX),
        }),
    }
}
