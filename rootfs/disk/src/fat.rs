//! Files in the root of a FAT volume on a removable medium, by the `fatfs` crate.
//!
//! Only for volumes that somebody else made: `fatfs` makes directories that
//! fsck.fat refuses (crates.md, section 3), so nothing here makes one.

use std::io::{Read, Write};

use crate::device::{BlockDevice, Cursor};
use crate::error::{Error, Result};
use crate::units::Bytes;

const WHAT: &str = "the FAT volume";

/// Contents of the file of that name in the root; none where there is none.
/// A file larger than `limit` is refused.
pub fn read_root_file(
    device: &mut dyn BlockDevice,
    name: &str,
    limit: Bytes,
) -> Result<Option<Vec<u8>>> {
    let device_name = device.name().to_owned();
    let wrong = |why: String| Error::format(WHAT, &device_name, why);
    let volume = fatfs::FileSystem::new(Cursor::new(ReadOnly(device)), fatfs::FsOptions::new())
        .map_err(|error| wrong(error.to_string()))?;
    let entry = volume
        .root_dir()
        .iter()
        .filter_map(Result::<_, std::io::Error>::ok)
        .take(10_000)
        .find(|entry| entry.is_file() && entry.file_name().eq_ignore_ascii_case(name));
    let Some(entry) = entry else {
        return Ok(None);
    };
    if entry.len() > limit.get() {
        return Err(wrong(format!("{name} is larger than {limit}")));
    }
    let mut contents = Vec::new();
    entry
        .to_file()
        .take(limit.get())
        .read_to_end(&mut contents)
        .map_err(|error| wrong(format!("reading {name}: {error}")))?;
    Ok(Some(contents))
}

/// The volume's label: that of its root directory, which people change, else that of
/// its first sector; none where the volume cannot be read or has neither.
pub fn label(device: &mut dyn BlockDevice) -> Option<String> {
    let device = Cursor::new(ReadOnly(device));
    let volume = fatfs::FileSystem::new(device, fatfs::FsOptions::new()).ok()?;
    let in_root = volume.read_volume_label_from_root_dir().ok().flatten();
    let label = in_root.unwrap_or_else(|| volume.volume_label());
    let label = label.trim().to_owned();
    (!label.is_empty() && label != "NO NAME").then_some(label)
}

/// Writes a file into the root, in place of one of that name.
pub fn write_root_file(device: &mut dyn BlockDevice, name: &str, contents: &[u8]) -> Result<()> {
    let device_name = device.name().to_owned();
    let wrong = |error: std::io::Error| {
        Error::format(WHAT, &device_name, format!("writing {name}: {error}"))
    };
    let volume = fatfs::FileSystem::new(Cursor::new(&mut *device), fatfs::FsOptions::new())
        .map_err(wrong)?;
    {
        let root = volume.root_dir();
        let mut file = root.create_file(name).map_err(wrong)?;
        file.truncate().map_err(wrong)?;
        file.write_all(contents).map_err(wrong)?;
        file.flush().map_err(wrong)?;
    }
    volume.unmount().map_err(wrong)?;
    device.flush()
}

/// `fatfs` marks a volume dirty as soon as it is opened; this swallows such writes.
struct ReadOnly<'a>(&'a mut dyn BlockDevice);

impl std::ops::Deref for ReadOnly<'_> {
    type Target = Self;
    fn deref(&self) -> &Self {
        self
    }
}

impl std::ops::DerefMut for ReadOnly<'_> {
    fn deref_mut(&mut self) -> &mut Self {
        self
    }
}

impl BlockDevice for ReadOnly<'_> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn size(&self) -> Bytes {
        self.0.size()
    }

    fn sector_size(&self) -> crate::SectorSize {
        self.0.sector_size()
    }

    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&mut self, _: Bytes, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryDevice;
    use crate::units::SectorSize;

    fn volume() -> MemoryDevice {
        let mut disk = MemoryDevice::new(Bytes::mib(40), SectorSize::S512);
        let options = fatfs::FormatVolumeOptions::new().volume_label(*b"PROVISION  ");
        fatfs::format_volume(Cursor::new(&mut disk), options).unwrap();
        disk
    }

    #[test]
    fn what_is_written_is_read() {
        let mut disk = volume();
        write_root_file(&mut disk, "install.toml", b"[target]\n").unwrap();
        write_root_file(&mut disk, "install.toml", b"[finish]").unwrap();
        let before = disk.clone();
        assert_eq!(label(&mut disk).as_deref(), Some("PROVISION"));
        let read = |disk: &mut MemoryDevice, name: &str, limit| {
            read_root_file(disk, name, Bytes::new(limit))
        };
        assert_eq!(
            read(&mut disk, "INSTALL.TOML", 100).unwrap().as_deref(),
            Some(&b"[finish]"[..])
        );
        assert_eq!(read(&mut disk, "other.toml", 100).unwrap(), None);
        assert!(read(&mut disk, "install.toml", 7).is_err());
        assert!(disk == before, "reading wrote");
    }

    #[test]
    fn garbage_does_not_panic() {
        let clean = volume();
        let mut seed = 3_u64;
        for _ in 0..300 {
            let mut disk = clean.clone();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (seed >> 33) % 512;
                disk.write_at(Bytes::new(at), &[(seed >> 20) as u8])
                    .unwrap();
            }
            let _ = read_root_file(&mut disk, "install.toml", Bytes::kib(64));
        }
    }
}
