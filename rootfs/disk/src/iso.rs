//! Finds and reads files of an ISO 9660 volume: enough for the answers of an
//! unattended installation, and nothing more.
//!
//! Names are compared with their Rock Ridge name, their Joliet name and the
//! plain name without version, in any case of letters.

use crate::device::{BlockDevice, read_vec};
use crate::error::{Error, Result};
use crate::units::Bytes;

const SECTOR: u64 = 2048;
/// No directory that anybody made is larger.
const DIRECTORY_LIMIT: u32 = 1 << 20;

/// Where a file's bytes lie: in one piece, as ISO 9660 has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first byte on the volume.
    pub offset: Bytes,
    /// Its length.
    pub size: Bytes,
}

/// Contents of the file of that name in the root; none where there is none.
/// A file larger than `limit` is refused.
pub fn read_root_file(
    device: &dyn BlockDevice,
    name: &str,
    limit: Bytes,
) -> Result<Option<Vec<u8>>> {
    read_file(device, name, limit)
}

/// Contents of a file by its path, as "vigie/payload.json"; none where there is none.
/// A file larger than `limit` is refused.
pub fn read_file(device: &dyn BlockDevice, path: &str, limit: Bytes) -> Result<Option<Vec<u8>>> {
    let Some(extent) = find_file(device, path)? else {
        return Ok(None);
    };
    if extent.size > limit {
        let why = format!("{path} is larger than {limit}");
        return Err(Error::format("the ISO 9660 volume", device.name(), why));
    }
    read_vec(device, extent.offset, extent.size.get() as usize).map(Some)
}

/// Whether a volume descriptor stands where ISO 9660 wants the first (ECMA-119, 8.1).
pub fn is_volume(device: &dyn BlockDevice) -> Result<bool> {
    let descriptor = read_vec(device, Bytes::new(16 * SECTOR), 6)?;
    Ok(is_descriptor(&descriptor))
}

fn is_descriptor(bytes: &[u8]) -> bool {
    &bytes[1..6] == b"CD001"
}

/// Where the bytes of a file lie, by its path; none where there is no such file.
pub fn find_file(device: &dyn BlockDevice, path: &str) -> Result<Option<Extent>> {
    for number in 16..32 {
        let descriptor = read_vec(device, Bytes::new(number * SECTOR), SECTOR as usize)?;
        if !is_descriptor(&descriptor) || descriptor[0] == 255 {
            break;
        }
        // 1 is the primary descriptor, 2 a supplementary one: Joliet.
        let joliet = match descriptor[0] {
            1 => false,
            2 => true,
            _ => continue,
        };
        let root = extent(&descriptor[156..190]);
        if let Some((at, length)) = walk(device, root, path, joliet)? {
            return Ok(Some(Extent {
                offset: Bytes::new(u64::from(at) * SECTOR),
                size: Bytes::new(u64::from(length)),
            }));
        }
    }
    Ok(None)
}

/// Follows a path from a directory; the extent of the file at its end.
fn walk(
    device: &dyn BlockDevice,
    mut directory: (u32, u32),
    path: &str,
    joliet: bool,
) -> Result<Option<(u32, u32)>> {
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
    for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
        let entries = read_directory(device, directory)?;
        match find(&entries, folder, joliet, true) {
            Some(found) => directory = found,
            None => return Ok(None),
        }
    }
    let entries = read_directory(device, directory)?;
    Ok(find(&entries, file, joliet, false))
}

fn read_directory(device: &dyn BlockDevice, (at, length): (u32, u32)) -> Result<Vec<u8>> {
    read_extent(device, at, length.min(DIRECTORY_LIMIT))
}

fn read_extent(device: &dyn BlockDevice, sector: u32, length: u32) -> Result<Vec<u8>> {
    read_vec(
        device,
        Bytes::new(u64::from(sector) * SECTOR),
        length as usize,
    )
}

/// Start sector and length in bytes of a directory record.
fn extent(record: &[u8]) -> (u32, u32) {
    let number = |at: usize| {
        record[at..at + 4]
            .iter()
            .rev()
            .fold(0, |all, byte| all << 8 | u32::from(*byte))
    };
    (number(2), number(10))
}

/// Looks for a plain file or a folder in the bytes of a directory.
fn find(directory: &[u8], name: &str, joliet: bool, folder: bool) -> Option<(u32, u32)> {
    for sector in directory.chunks(SECTOR as usize) {
        let mut rest = sector;
        // A record does not cross a sector; a length of 0 ends the sector.
        while let Some(length) = rest.first().map(|length| usize::from(*length)) {
            if length < 34 || length > rest.len() {
                break;
            }
            let (record, after) = rest.split_at(length);
            rest = after;
            let is_directory = record[25] & 2 != 0;
            if is_directory == folder
                && names(record, joliet).any(|one| one.eq_ignore_ascii_case(name))
            {
                return Some(extent(record));
            }
        }
    }
    None
}

/// The names of a record: the one it has, and Rock Ridge's.
fn names(record: &[u8], joliet: bool) -> impl Iterator<Item = String> {
    let name_length = usize::from(record[32]);
    let raw = record.get(33..33 + name_length).unwrap_or_default();
    let plain = if joliet {
        let units = raw
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        char::decode_utf16(units)
            .map(|c| c.unwrap_or('?'))
            .collect()
    } else {
        String::from_utf8_lossy(raw).into_owned()
    };
    let plain = plain
        .split(';')
        .next()
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_owned();
    let system_use = record
        .get(33 + name_length + (1 - name_length % 2)..)
        .unwrap_or_default();
    [Some(plain), rock_ridge(system_use)].into_iter().flatten()
}

/// The name in the NM entries of a record's system use area.
fn rock_ridge(mut area: &[u8]) -> Option<String> {
    let mut name = Vec::new();
    while area.len() >= 5 {
        let length = usize::from(area[2]);
        if length < 5 || length > area.len() {
            break;
        }
        if area.starts_with(b"NM") {
            name.extend(&area[5..length]);
        }
        area = &area[length..];
    }
    (!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryDevice;
    use crate::units::SectorSize;

    fn record(name: &[u8], extra: &[u8], sector: u32, length: u32, flags: u8) -> Vec<u8> {
        let mut record = vec![0; 33];
        record[2..6].copy_from_slice(&sector.to_le_bytes());
        record[10..14].copy_from_slice(&length.to_le_bytes());
        record[25] = flags;
        record[32] = name.len() as u8;
        record.extend(name);
        if name.len().is_multiple_of(2) {
            record.push(0);
        }
        record.extend(extra);
        record[0] = record.len() as u8;
        record
    }

    fn volume(records: &[Vec<u8>]) -> MemoryDevice {
        let mut disk = MemoryDevice::new(Bytes::new(64 * SECTOR), SectorSize::S512);
        let mut descriptor = vec![0; 2048];
        descriptor[0] = 1;
        descriptor[1..6].copy_from_slice(b"CD001");
        descriptor[156..190].copy_from_slice(&record(&[0], &[], 20, 2048, 2)[..34]);
        disk.write_at(Bytes::new(16 * SECTOR), &descriptor).unwrap();
        disk.write_at(Bytes::new(20 * SECTOR), &records.concat())
            .unwrap();
        disk.write_at(Bytes::new(30 * SECTOR), b"[target]").unwrap();
        disk
    }

    #[test]
    fn files_are_found_by_each_of_their_names() {
        let nm = [b"NM\x11\x01\0".as_slice(), b"install.toml"].concat();
        for (records, found) in [
            (vec![record(b"INSTALL.TOML;1", &[], 30, 8, 0)], true),
            (vec![record(b"INSTALL.TOM;1", &nm, 30, 8, 0)], true),
            (vec![record(b"INSTALL.TOM;1", &[], 30, 8, 0)], false),
            (vec![record(b"INSTALL.TOML", &[], 30, 8, 2)], false),
            (
                vec![
                    record(&[0], &[], 20, 2048, 2),
                    record(b"A.;1", &[], 1, 1, 0),
                    record(b"INSTALL.TOML;1", &[], 30, 8, 0),
                ],
                true,
            ),
        ] {
            let contents = read_root_file(&volume(&records), "install.toml", Bytes::kib(64));
            assert_eq!(contents.unwrap().is_some(), found, "{records:?}");
        }
        let big = volume(&[record(b"INSTALL.TOML;1", &[], 30, 1 << 30, 0)]);
        assert!(read_root_file(&big, "install.toml", Bytes::kib(64)).is_err());
    }

    #[test]
    fn files_in_folders_are_found() {
        let mut disk = volume(&[record(b"VIGIE", &[], 22, 2048, 2)]);
        let inner = record(b"INSTALL.TOM;1", b"NM\x11\x01\0install.toml", 30, 8, 0);
        disk.write_at(Bytes::new(22 * SECTOR), &inner).unwrap();
        let find = |path| find_file(&disk, path).unwrap();
        let extent = find("vigie/install.toml").unwrap();
        assert_eq!(extent.offset, Bytes::new(30 * SECTOR));
        assert_eq!(extent.size, Bytes::new(8));
        for absent in [
            "install.toml",
            "vigie",
            "vigie/other",
            "other/install.toml",
            "",
        ] {
            assert_eq!(find(absent), None, "{absent}");
        }
        let contents = read_file(&disk, "/vigie/install.toml", Bytes::new(8)).unwrap();
        assert_eq!(contents.as_deref(), Some(&b"[target]"[..]));
    }

    #[test]
    fn garbage_does_not_panic() {
        let mut seed = 7_u64;
        for _ in 0..500 {
            let mut disk = volume(&[record(b"INSTALL.TOML;1", &[], 30, 8, 0)]);
            for _ in 0..6 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = 20 * SECTOR + (seed >> 33) % 64;
                disk.write_at(Bytes::new(at), &[(seed >> 20) as u8])
                    .unwrap();
            }
            let _ = read_root_file(&disk, "install.toml", Bytes::kib(64));
        }
    }
}
