//! A disk or partition of the running kernel.
//!
//! Opened for writing only with O_EXCL: the kernel then refuses a disk on which
//! anything is mounted, assembled or mapped, and refuses such use while we hold
//! it. Offsets and sizes come from the kernel, never from a name.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FallocateFlags, OFlags, fallocate, ioctl_blksszget};

use super::file::{FileDevice, io_error, open_error};
use super::{BlockDevice, check_range, write_zeros};
use crate::error::{Error, Result};
use crate::units::{Bytes, SectorSize};

/// A block device of the kernel: read and written like a file, zeroed and unmapped in its own way.
#[derive(Debug)]
pub struct KernelDevice(FileDevice);

impl KernelDevice {
    /// Opens for reading and writing, alone: fails with "busy" where anything on it is in use.
    pub fn open_exclusive(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options.custom_flags(OFlags::EXCL.bits() as i32);
        Self::from_opened(&options, path)
    }

    /// Opens for reading and writing beside other users. For the few bytes of
    /// the boot state on a partition that nobody mounts.
    pub fn open_shared(path: &Path) -> Result<Self> {
        Self::from_opened(OpenOptions::new().read(true).write(true), path)
    }

    /// Opens for reading.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        Self::from_opened(OpenOptions::new().read(true), path)
    }

    fn from_opened(options: &OpenOptions, path: &Path) -> Result<Self> {
        let failed = |source| open_error(path, source);
        let mut file = options.open(path).map_err(failed)?;
        let kind = file.metadata().map_err(failed)?.file_type();
        if !kind.is_block_device() {
            let why = "it is no block device";
            return Err(Error::format("the device", path.display().to_string(), why));
        }
        let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let sector = ioctl_blksszget(&file).map_err(|e| failed(e.into()))?;
        let sector_size = SectorSize::try_from(u64::from(sector))?;
        let device = FileDevice::new(file, path, Bytes::new(size), sector_size);
        Ok(Self(device))
    }

    /// The opened device, for handing it to another process.
    pub fn file(&self) -> &File {
        &self.0.file
    }

    /// Whether the kernel lets nobody write to it.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn read_only(&self) -> std::io::Result<bool> {
        Ok(asks_read_only(&self.0.file)?)
    }

    /// Has the kernel let nobody write to it, mounts included; or everybody again. Needs CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_read_only(&self, read_only: bool) -> std::io::Result<()> {
        Ok(sets_read_only(&self.0.file, read_only)?)
    }

    /// Asks the kernel to read the partition table again.
    ///
    /// Something may hold a partition for a moment (udev looks at what we
    /// closed), so this asks for a few seconds before it gives up.
    pub fn reread_partitions(&self) -> Result<()> {
        const ATTEMPTS: u32 = 25;
        let mut attempt = 0;
        loop {
            match reread(&self.0.file) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::BUSY) if attempt < ATTEMPTS => {
                    attempt += 1;
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(source) => {
                    let doing = "reading the partition table of";
                    return Err(io_error(doing, &self.0.name, Bytes::ZERO)(source.into()));
                }
            }
        }
    }
}

/// The BLKRRPART ioctl.
// rustix has no safe call for it; it takes no argument and touches no memory of ours.
#[allow(unsafe_code)]
fn reread(file: &File) -> rustix::io::Result<()> {
    const BLKRRPART: rustix::ioctl::Opcode = rustix::ioctl::opcode::none(0x12, 95);
    // SAFETY: BLKRRPART is an opcode without argument (linux/fs.h).
    unsafe { rustix::ioctl::ioctl(file, rustix::ioctl::NoArg::<BLKRRPART>::new()) }
}

/// The BLKROGET ioctl.
// rustix has no safe call for it; the kernel writes the one number.
#[allow(unsafe_code)]
fn asks_read_only(file: &File) -> rustix::io::Result<bool> {
    const BLKROGET: rustix::ioctl::Opcode = rustix::ioctl::opcode::none(0x12, 94);
    // SAFETY: BLKROGET writes an int (block/ioctl.c).
    let told = unsafe { rustix::ioctl::ioctl(file, rustix::ioctl::Getter::<BLKROGET, i32>::new()) };
    Ok(told? != 0)
}

/// The BLKROSET ioctl.
// rustix has no safe call for it; the kernel only reads the one number.
#[allow(unsafe_code)]
fn sets_read_only(file: &File, read_only: bool) -> rustix::io::Result<()> {
    const BLKROSET: rustix::ioctl::Opcode = rustix::ioctl::opcode::none(0x12, 93);
    // SAFETY: BLKROSET reads an int (block/ioctl.c).
    unsafe {
        let setter = rustix::ioctl::Setter::<BLKROSET, i32>::new(i32::from(read_only));
        rustix::ioctl::ioctl(file, setter)
    }
}

/// The BLKDISCARD ioctl.
// rustix has no safe call for it; the kernel only reads the two numbers.
#[allow(unsafe_code)]
fn unmap(file: &File, offset: Bytes, length: Bytes) -> rustix::io::Result<()> {
    const BLKDISCARD: rustix::ioctl::Opcode = rustix::ioctl::opcode::none(0x12, 119);
    let range = [offset.get(), length.get()];
    // SAFETY: BLKDISCARD reads two u64, start and length in bytes (block/ioctl.c).
    unsafe { rustix::ioctl::ioctl(file, rustix::ioctl::Setter::<BLKDISCARD, _>::new(range)) }
}

impl BlockDevice for KernelDevice {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn size(&self) -> Bytes {
        self.0.size()
    }

    fn sector_size(&self) -> SectorSize {
        self.0.sector_size()
    }

    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()> {
        self.0.write_at(offset, data)
    }

    /// The kernel zeroes by command where the disk can and by writing where it cannot.
    fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        check_range(&self.0.name, self.0.size, offset, length.get())?;
        if length == Bytes::ZERO {
            return Ok(());
        }
        let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.0.file, flags, offset.get(), length.get()) {
            Ok(()) => Ok(()),
            Err(_) => write_zeros(self, offset, length),
        }
    }

    /// Unmaps by BLKDISCARD. A punched hole will not do: for a block device the kernel makes it a
    /// command to write zeroes, with which a disk may be busy for hours.
    fn discard(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        check_range(&self.0.name, self.0.size, offset, length.get())?;
        if length > Bytes::ZERO {
            // A hint: a disk that cannot unmap says so, and nothing is lost.
            let _ = unmap(&self.0.file, offset, length);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }

    fn forget_cached(&self, offset: Bytes, length: Bytes) {
        self.0.forget_cached(offset, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::read_vec;

    #[test]
    fn what_is_no_block_device_is_refused() {
        for path in ["/dev/null", "/proc/self/status", "/no/such/device"] {
            let error = KernelDevice::open_read_only(Path::new(path)).unwrap_err();
            assert!(error.to_string().contains(path), "{error}");
        }
    }

    /// VIGIE_SCRATCH_DEVICE names a device of at least 16 MiB that may be overwritten.
    #[test]
    fn a_real_device_is_written_alone() {
        let Some(path) = std::env::var_os("VIGIE_SCRATCH_DEVICE") else {
            println!("skipped: VIGIE_SCRATCH_DEVICE is not set");
            return;
        };
        let path = Path::new(&path);
        let mut device = KernelDevice::open_exclusive(path).unwrap();
        let again = KernelDevice::open_exclusive(path).unwrap_err().to_string();
        assert!(again.contains("mounted or assembled"), "{again}");
        device.write_at(Bytes::MIB, &[7; 10_000]).unwrap();
        device
            .zero(Bytes::MIB + Bytes::kib(4), Bytes::kib(4))
            .unwrap();
        // Not whole sectors: written instead of commanded.
        device.zero(Bytes::MIB, Bytes::new(10)).unwrap();
        device.discard(Bytes::mib(8), Bytes::mib(4)).unwrap();
        device.flush().unwrap();
        device.forget_cached(Bytes::MIB, Bytes::MIB);
        let back = read_vec(&device, Bytes::MIB, 10_000).unwrap();
        let zeros = back.iter().enumerate().filter(|(_, byte)| **byte == 0);
        let expected = (0..10).chain(4096..8192);
        assert!(zeros.map(|(at, _)| at).eq(expected));
        let beyond = device.write_at(device.size(), &[0]);
        assert!(matches!(beyond, Err(Error::OutOfRange { .. })));
        device.reread_partitions().unwrap();
    }
}
