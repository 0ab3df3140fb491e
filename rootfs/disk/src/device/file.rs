//! A plain file as a disk. Zeroed ranges become holes where the file system allows.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};

use super::{BlockDevice, check_range, write_zeros};
use crate::error::{Error, Result};
use crate::units::{Bytes, SectorSize};

/// A disk in a plain file, or any opened file that is to be used like one.
#[derive(Debug)]
pub struct FileDevice {
    pub(super) file: File,
    pub(super) name: String,
    pub(super) size: Bytes,
    sector_size: SectorSize,
}

impl FileDevice {
    /// Makes a new sparse file that reads as zeros; refuses one that exists.
    pub fn create(path: &Path, size: Bytes, sector_size: SectorSize) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|file| file.set_len(size.get()).map(|()| file))
            .map_err(|error| open_error(path, error))?;
        Ok(Self::new(file, path, size, sector_size))
    }

    /// Opens an existing file for reading and writing.
    pub fn open(path: &Path, sector_size: SectorSize) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Self::from_opened(file, path, sector_size)
    }

    /// Opens an existing file for reading; writes to it will fail.
    pub fn open_read_only(path: &Path, sector_size: SectorSize) -> Result<Self> {
        Self::from_opened(File::open(path), path, sector_size)
    }

    fn from_opened(file: io::Result<File>, path: &Path, sector_size: SectorSize) -> Result<Self> {
        let file = file.map_err(|error| open_error(path, error))?;
        let size = file
            .metadata()
            .map_err(|error| open_error(path, error))?
            .len();
        Ok(Self::new(file, path, Bytes::new(size), sector_size))
    }

    /// Uses an opened file or device of which the size is known: in a process that was given it
    /// and may not ask for more.
    pub fn of(file: File, name: String, size: Bytes, sector_size: SectorSize) -> Self {
        Self {
            file,
            name,
            size,
            sector_size,
        }
    }

    /// The opened file, for handing it to another process.
    pub fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn new(file: File, path: &Path, size: Bytes, sector_size: SectorSize) -> Self {
        Self {
            file,
            name: path.display().to_string(),
            size,
            sector_size,
        }
    }
}

/// An [`Error::Open`] about a path.
pub(super) fn open_error(path: &Path, error: io::Error) -> Error {
    Error::Open {
        device: path.display().to_string(),
        error,
    }
}

/// Turns an I/O error into ours.
pub(super) fn io_error(
    doing: &'static str,
    device: &str,
    offset: Bytes,
) -> impl FnOnce(io::Error) -> Error {
    let device = device.to_owned();
    move |error| Error::Io {
        doing,
        device,
        offset: offset.get(),
        error,
    }
}

/// Drops clean pages of a range and begins to write out the others (Linux, mm/fadvise.c).
/// Advice: nothing depends on it but the worth of a read-back, and time.
fn forget(file: &File, offset: Bytes, length: Bytes) {
    if let Some(length) = std::num::NonZeroU64::new(length.get()) {
        let _ = fadvise(file, offset.get(), Some(length), Advice::DontNeed);
    }
}

impl BlockDevice for FileDevice {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Bytes {
        self.size
    }

    fn sector_size(&self) -> SectorSize {
        self.sector_size
    }

    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()> {
        check_range(&self.name, self.size, offset, buffer.len() as u64)?;
        self.file
            .read_exact_at(buffer, offset.get())
            .map_err(io_error("reading", &self.name, offset))
    }

    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()> {
        check_range(&self.name, self.size, offset, data.len() as u64)?;
        self.file
            .write_all_at(data, offset.get())
            .map_err(io_error("writing", &self.name, offset))
    }

    fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        check_range(&self.name, self.size, offset, length.get())?;
        if length == Bytes::ZERO {
            return Ok(());
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.file, hole, offset.get(), length.get()) {
            Ok(()) => Ok(()),
            Err(_) => write_zeros(self, offset, length),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(io_error("flushing", &self.name, Bytes::ZERO))
    }

    fn forget_cached(&self, offset: Bytes, length: Bytes) {
        forget(&self.file, offset, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn reads_back_stays_sparse_and_keeps_to_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let mut disk = FileDevice::create(&path, Bytes::gib(8), SectorSize::S512).unwrap();
        disk.write_at(Bytes::gib(7), b"vigie").unwrap();
        disk.flush().unwrap();
        let mut back = [0; 5];
        disk.read_at(Bytes::gib(7), &mut back).unwrap();
        assert_eq!(&back, b"vigie");
        disk.zero(Bytes::gib(7), Bytes::MIB).unwrap();
        disk.read_at(Bytes::gib(7), &mut back).unwrap();
        assert_eq!(back, [0; 5]);
        assert!(std::fs::metadata(&path).unwrap().blocks() < 4096);
        for (offset, length) in [(Bytes::gib(8), 1), (Bytes::new(u64::MAX), 2)] {
            let refused = disk.write_at(offset, &vec![0; length]);
            assert!(
                matches!(refused, Err(Error::OutOfRange { .. })),
                "{refused:?}"
            );
        }
        assert!(FileDevice::create(&path, Bytes::gib(8), SectorSize::S512).is_err());
    }
}
