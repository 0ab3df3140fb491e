//! Where the bytes of a file in the root of a FAT volume lie on its device.
//!
//! The boot state is rewritten in place, in one sector, by GRUB and by us; no
//! directory entry, time or allocation table changes with it. So this only
//! looks a file up; the caller writes the bytes where they are.
//!
//! Layout: Microsoft's "FAT: General Overview of On-Disk Format" 1.03. Only
//! short names, which is all the boot state needs.

use crate::device::{BlockDevice, read_vec};
use crate::error::{Error, Result};
use crate::units::Bytes;

/// A directory entry is 32 bytes.
const ENTRY: usize = 32;
/// Longest chain that is followed: a root directory or small file needs far less.
const CHAIN_LIMIT: usize = 4096;

/// A file's place: its size and the parts of the device that hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Length of the file.
    pub size: Bytes,
    /// Offset and length of each part, in order; at least `size` together.
    pub parts: Vec<(Bytes, Bytes)>,
}

/// Looks up a file in the root by its short name, as "GRUBENV" or "README.TXT".
pub fn locate_root_file(device: &dyn BlockDevice, name: &str) -> Result<Option<Located>> {
    let volume = Volume::open(device)?;
    let short = short_name(name);
    for (offset, length) in volume.root()? {
        let directory = read_vec(device, offset, length.get() as usize)?;
        for entry in directory.chunks_exact(ENTRY) {
            match entry[0] {
                0 => return Ok(None),
                // Deleted, a long name's part, a label, or a directory.
                0xE5 => continue,
                _ if entry[11] & 0x18 != 0 => continue,
                _ if entry[..11] == short => return volume.located(entry).map(Some),
                _ => {}
            }
        }
    }
    Ok(None)
}

/// A name as it stands in a directory entry: eight and three, padded.
fn short_name(name: &str) -> [u8; 11] {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let mut short = [b' '; 11];
    for (to, from) in short[..8].iter_mut().zip(stem.bytes()) {
        *to = from.to_ascii_uppercase();
    }
    for (to, from) in short[8..].iter_mut().zip(extension.bytes()) {
        *to = from.to_ascii_uppercase();
    }
    short
}

/// The numbers of a boot sector.
struct Volume<'a> {
    device: &'a dyn BlockDevice,
    fat: Bytes,
    data: Bytes,
    cluster: Bytes,
    clusters: u64,
    /// First cluster on FAT32; place and length on FAT12 and FAT16.
    root: Root,
}

enum Root {
    Cluster(u32),
    Fixed(Bytes, Bytes),
}

impl<'a> Volume<'a> {
    fn open(device: &'a dyn BlockDevice) -> Result<Self> {
        let sector = read_vec(device, Bytes::ZERO, 512)?;
        let number = |at: usize, length: usize| {
            sector[at..at + length]
                .iter()
                .rev()
                .fold(0_u64, |all, byte| all << 8 | u64::from(*byte))
        };
        let either = |short: u64, long: u64| if short == 0 { long } else { short };
        let bytes = number(11, 2);
        let cluster = bytes * number(13, 1);
        let wrong = |why: &str| Error::format("the FAT volume", device.name(), why);
        if !bytes.is_power_of_two()
            || !(512..=4096).contains(&bytes)
            || !number(13, 1).is_power_of_two()
        {
            return Err(wrong("its first sector is no FAT boot sector"));
        }
        let fat = number(14, 2) * bytes;
        let tables = number(16, 1) * either(number(22, 2), number(36, 4)) * bytes;
        let fixed_root = (number(17, 2) * ENTRY as u64).next_multiple_of(bytes);
        let data = fat + tables + fixed_root;
        let total = either(number(19, 2), number(32, 4)) * bytes;
        if total > device.size().get() || data >= total || fat == 0 {
            return Err(wrong("its boot sector contradicts itself"));
        }
        Ok(Self {
            device,
            fat: Bytes::new(fat),
            data: Bytes::new(data),
            cluster: Bytes::new(cluster),
            clusters: (total - data) / cluster,
            root: match fixed_root {
                0 => Root::Cluster(number(44, 4) as u32),
                length => Root::Fixed(Bytes::new(fat + tables), Bytes::new(length)),
            },
        })
    }

    fn root(&self) -> Result<Vec<(Bytes, Bytes)>> {
        match self.root {
            Root::Cluster(first) => self.chain(first),
            Root::Fixed(offset, length) => Ok(vec![(offset, length)]),
        }
    }

    fn located(&self, entry: &[u8]) -> Result<Located> {
        let number = |at: usize| u32::from(entry[at]) | u32::from(entry[at + 1]) << 8;
        let size = Bytes::new(u64::from(number(28) | number(30) << 16));
        let parts = match number(26) | number(20) << 16 {
            0 => Vec::new(),
            first => self.chain(first)?,
        };
        if parts.iter().map(|(_, length)| *length).sum::<Bytes>() < size {
            return Err(self.broken("a file is longer than its clusters"));
        }
        Ok(Located { size, parts })
    }

    /// Follows the chain of clusters from `first`.
    fn chain(&self, first: u32) -> Result<Vec<(Bytes, Bytes)>> {
        let mut parts = Vec::new();
        let mut cluster = first;
        while parts.len() < CHAIN_LIMIT {
            let index = u64::from(cluster)
                .checked_sub(2)
                .filter(|index| *index < self.clusters)
                .ok_or_else(|| self.broken("a chain of clusters leaves the volume"))?;
            parts.push((self.data + self.cluster * index, self.cluster));
            match self.next(cluster)? {
                Some(next) => cluster = next,
                None => return Ok(parts),
            }
        }
        Err(self.broken("a chain of clusters does not end"))
    }

    /// The cluster after this one; none at the end. The number of clusters says
    /// how wide the entries are.
    fn next(&self, cluster: u32) -> Result<Option<u32>> {
        let cluster = u64::from(cluster);
        let entry = |offset: u64, length| {
            read_vec(self.device, self.fat + Bytes::new(offset), length).map(|bytes| {
                bytes
                    .iter()
                    .rev()
                    .fold(0, |all, byte| all << 8 | u32::from(*byte))
            })
        };
        let (next, end) = if self.clusters < 4085 {
            let pair = entry(cluster + cluster / 2, 2)?;
            let shift = if cluster % 2 == 0 { 0 } else { 4 };
            (pair >> shift & 0xFFF, 0xFF8)
        } else if self.clusters < 65_525 {
            (entry(cluster * 2, 2)?, 0xFFF8)
        } else {
            (entry(cluster * 4, 4)? & 0x0FFF_FFFF, 0x0FFF_FFF8)
        };
        Ok((next < end).then_some(next))
    }

    fn broken(&self, why: &str) -> Error {
        Error::format("the FAT volume", self.device.name(), why)
    }
}

#[cfg(feature = "fat")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Cursor, MemoryDevice};
    use crate::units::SectorSize;

    fn volume(size: Bytes, kind: fatfs::FatType) -> MemoryDevice {
        let mut disk = MemoryDevice::new(size, SectorSize::S512);
        let options = fatfs::FormatVolumeOptions::new().fat_type(kind);
        fatfs::format_volume(Cursor::new(&mut disk), options).unwrap();
        disk
    }

    #[test]
    fn located_bytes_are_the_file() {
        for (size, kind) in [
            (Bytes::mib(1), fatfs::FatType::Fat12),
            (Bytes::mib(20), fatfs::FatType::Fat16),
            (Bytes::mib(40), fatfs::FatType::Fat32),
        ] {
            let mut disk = volume(size, kind);
            let contents: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
            for (name, length) in [("other.bin", 5_000), ("grubenv", 1024), ("big.bin", 20_000)] {
                crate::fat::write_root_file(&mut disk, name, &contents[..length]).unwrap();
            }
            for (name, length) in [("grubenv", 1024), ("big.bin", 20_000)] {
                let located = locate_root_file(&disk, name).unwrap().unwrap();
                assert_eq!(located.size, Bytes::new(length as u64));
                let mut found = Vec::new();
                for (offset, length) in located.parts {
                    found.extend(read_vec(&disk, offset, length.get() as usize).unwrap());
                }
                assert!(found[..length] == contents[..length], "{name} on {kind:?}");
            }
            assert_eq!(locate_root_file(&disk, "absent").unwrap(), None);
        }
    }

    #[test]
    fn garbage_does_not_panic_or_hang() {
        let mut clean = volume(Bytes::mib(40), fatfs::FatType::Fat32);
        crate::fat::write_root_file(&mut clean, "grubenv", &[7; 1024]).unwrap();
        let mut seed = 5_u64;
        for round in 0..1000 {
            let mut disk = clean.clone();
            for _ in 0..4 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let place = if round % 2 == 0 { 64 } else { 40_000 };
                let at = (seed >> 33) % place;
                disk.write_at(Bytes::new(at), &[(seed >> 20) as u8])
                    .unwrap();
            }
            let _ = locate_root_file(&disk, "grubenv");
        }
    }
}
