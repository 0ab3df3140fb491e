//! Disk files for machines: empty ones, overlays, small FAT volumes, a wrong byte.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::command::{Bus, Disk, Format, Programs};
use crate::process;

/// Makes an empty raw disk; it takes no room until it is written.
pub fn empty(path: &Path, bytes: u64) -> Result<()> {
    process::create(path)?
        .set_len(bytes)
        .with_context(|| format!("making {} of {bytes} bytes", path.display()))
}

/// A disk's file that takes no room until it is written, raw where the host's file system can
/// hold one of that length (ext4 ends at 16 TiB) and qcow2 where it cannot.
pub fn large(programs: &dyn Programs, folder: &Path, name: &str, bytes: u64) -> Result<DiskFile> {
    let raw = folder.join(format!("{name}.raw"));
    if empty(&raw, bytes).is_ok() {
        return Ok(DiskFile {
            path: raw,
            format: Format::Raw,
            bytes,
        });
    }
    fs::remove_file(&raw).with_context(|| format!("removing {}", raw.display()))?;
    let path = folder.join(format!("{name}.qcow2"));
    let mut command = programs.command("qemu-img");
    command.args(["create", "-q", "-f", "qcow2"]).arg(&path);
    command.arg(bytes.to_string());
    process::output("making a qcow2 disk", &mut command)?;
    Ok(DiskFile {
        path,
        format: Format::Qcow2,
        bytes,
    })
}

/// The file behind a disk.
#[derive(Clone, Debug)]
pub struct DiskFile {
    /// Where it is.
    pub path: PathBuf,
    /// How it holds the disk.
    pub format: Format,
    /// Length of the disk.
    pub bytes: u64,
}

/// Length of each end of a disk that tools for partition tables look at.
const END: u64 = 1 << 20;

impl DiskFile {
    /// The disk on a bus.
    pub fn on(&self, bus: Bus) -> Disk {
        let disk = Disk::new(&self.path, bus);
        match self.format {
            Format::Raw => disk,
            Format::Qcow2 => disk.qcow2().without_discards(),
        }
    }

    /// A raw file of the disk's length with at least its partition tables: the disk itself, or
    /// a file named `to` with both ends of it. None where no file can be so long.
    pub fn skeleton(&self, programs: &dyn Programs, to: &Path) -> Result<Option<PathBuf>> {
        if self.format == Format::Raw {
            return Ok(Some(self.path.clone()));
        }
        if empty(to, self.bytes).is_err() {
            fs::remove_file(to).with_context(|| format!("removing {}", to.display()))?;
            return Ok(None);
        }
        let mut file = File::options().write(true).open(to)?;
        for offset in [0, self.bytes - END] {
            let bytes = self.end(programs, offset)?;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(&bytes)?;
        }
        Ok(Some(to.to_owned()))
    }

    /// The MiB at an offset, which is a multiple of 4096.
    fn end(&self, programs: &dyn Programs, offset: u64) -> Result<Vec<u8>> {
        const UNIT: u64 = 4096;
        ensure!(
            offset.is_multiple_of(UNIT),
            "{offset} is no multiple of 4096"
        );
        let piece = tempfile::NamedTempFile::new().context("making a temporary file")?;
        let mut command = programs.command("qemu-img");
        command.args(["dd", "-f", "qcow2", "-O", "raw"]);
        command.arg(format!("bs={UNIT}"));
        // qemu-img counts from the beginning of the file, what is skipped included.
        command.arg(format!("count={}", (offset + END) / UNIT));
        command.arg(format!("skip={}", offset / UNIT));
        command.arg(format!("if={}", self.path.display()));
        command.arg(format!("of={}", piece.path().display()));
        process::output("reading a qcow2 disk", &mut command)?;
        fs::read(piece.path()).context("reading a piece of a qcow2 disk")
    }
}

/// Copies the medium onto a stick of this size, as imaging tools do: the rest stays empty.
pub fn stick(medium: &Path, stick: &Path, bytes: u64) -> Result<()> {
    fs::copy(medium, stick).with_context(|| format!("copying {}", medium.display()))?;
    let file = File::options().write(true).open(stick)?;
    file.set_len(bytes)
        .with_context(|| format!("making {} {bytes} bytes long", stick.display()))
}

/// Where a file of an ISO lies in it, in bytes: offset and length.
pub fn place_in_iso(programs: &dyn Programs, iso: &Path, file: &str) -> Result<(u64, u64)> {
    let mut command = programs.command("xorriso");
    command.arg("-indev").arg(iso);
    command.args(["-find", file, "-exec", "report_lba"]);
    let said = process::output("looking into the ISO", &mut command)?;
    place_of(&said).with_context(|| format!("xorriso about {file}: {said}"))
}

/// From a line such as `File data lba:  0 ,  4711 ,  100 ,  204800 , '/vigie/system.img'`.
fn place_of(said: &str) -> Option<(u64, u64)> {
    const SECTOR: u64 = 2048;
    let mut extents = said
        .lines()
        .filter_map(|line| line.strip_prefix("File data lba:"));
    let mut numbers = extents
        .next()?
        .split(',')
        .map(|word| word.trim().parse().ok());
    let (_, sector, _, length) = (
        numbers.next()?,
        numbers.next()??,
        numbers.next()?,
        numbers.next()??,
    );
    // A file in several extents would be longer than 4 GiB.
    extents.next().is_none().then_some(())?;
    let sector: u64 = sector;
    Some((sector * SECTOR, length))
}

/// Makes a qcow2 overlay: `base` (raw) is read, never written.
pub fn overlay(programs: &dyn Programs, base: &Path, path: &Path) -> Result<()> {
    let base = fs::canonicalize(base).with_context(|| format!("finding {}", base.display()))?;
    let mut command = programs.command("qemu-img");
    command.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]);
    command.arg(base).arg(path);
    process::output("making an overlay", &mut command).map(drop)
}

/// Makes a FAT volume without a partition table, as `size_kib` KiB with this label and files.
pub fn fat_volume(
    programs: &dyn Programs,
    path: &Path,
    label: &str,
    size_kib: u32,
    files: &[(&str, &Path)],
) -> Result<()> {
    empty(path, u64::from(size_kib) * 1024)?;
    let mut command = programs.command("mkfs.fat");
    command.args(["-n", label]).arg(path);
    process::output("making a FAT volume", &mut command)?;
    for folder in folders(files) {
        let mut command = programs.command("mmd");
        command.arg("-i").arg(path).arg(format!("::{folder}"));
        process::output("making a folder in a FAT volume", &mut command)?;
    }
    for (name, source) in files {
        let mut command = programs.command("mcopy");
        command
            .arg("-i")
            .arg(path)
            .arg(source)
            .arg(format!("::{name}"));
        process::output("copying into a FAT volume", &mut command)?;
    }
    Ok(())
}

/// Makes a disc (ISO 9660 with long names) with this label and these files.
pub fn disc(
    programs: &dyn Programs,
    path: &Path,
    label: &str,
    files: &[(&str, &Path)],
) -> Result<()> {
    let mut command = programs.command("xorriso");
    command.arg("-outdev").arg(path).args(["-volid", label]);
    for (name, source) in files {
        command.arg("-map").arg(source).arg(format!("/{name}"));
    }
    process::output("making a disc", &mut command).map(drop)
}

/// All folders above the files, outer ones first.
fn folders<'a>(files: &[(&'a str, &Path)]) -> BTreeSet<&'a str> {
    let above = |name: &'a str| name.match_indices('/').map(|(end, _)| &name[..end]);
    files.iter().flat_map(|(name, _)| above(name)).collect()
}

/// Reads a text file out of a FAT volume.
pub fn read_from_fat(programs: &dyn Programs, volume: &Path, name: &str) -> Result<String> {
    let mut command = programs.command("mcopy");
    command
        .arg("-i")
        .arg(volume)
        .arg(format!("::{name}"))
        .arg("-");
    process::output(&format!("reading {name} from a FAT volume"), &mut command)
}

/// Flips the bits `mask` of the byte at `offset` in an overlay whose raw base is `base`.
pub fn flip_in_overlay(
    programs: &dyn Programs,
    base: &Path,
    overlay: &Path,
    offset: u64,
    mask: u8,
) -> Result<()> {
    let byte = read_at(base, offset, 1)?[0];
    let mut command = programs.command("qemu-io");
    command.args(["-f", "qcow2", "-c"]);
    command.arg(format!("write -P {:#x} {offset} 1", byte ^ mask));
    command.arg(overlay);
    process::output("flipping a byte", &mut command).map(drop)
}

/// Copies a file with one byte's bits flipped.
pub fn copy_flipped(from: &Path, to: &Path, offset: u64, mask: u8) -> Result<()> {
    let mut bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    let byte = usize::try_from(offset)
        .ok()
        .and_then(|at| bytes.get_mut(at));
    *byte.with_context(|| format!("{} ends before byte {offset}", from.display()))? ^= mask;
    fs::write(to, bytes).with_context(|| format!("writing {}", to.display()))
}

/// Bytes of a file.
pub fn read_at(path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
    let what = || format!("reading {length} bytes at {offset} of {}", path.display());
    let mut file = File::open(path).with_context(what)?;
    file.seek(SeekFrom::Start(offset)).with_context(what)?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).with_context(what)?;
    Ok(bytes)
}

/// Writes bytes over those of a file.
pub fn write_at(path: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
    let what = || {
        format!(
            "writing {} bytes at {offset} of {}",
            bytes.len(),
            path.display()
        )
    };
    let mut file = File::options().write(true).open(path).with_context(what)?;
    file.seek(SeekFrom::Start(offset)).with_context(what)?;
    file.write_all(bytes).with_context(what)
}

/// Where a partition lies, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in the partition table.
    pub name: String,
    /// Its first byte.
    pub offset: u64,
    /// Its length.
    pub length: u64,
}

/// Reads the GPT of a raw disk, by the letter of the UEFI specification (5.3) and not with
/// the code under test.
pub fn partitions(disk: &Path, sector: u32) -> Result<Vec<Partition>> {
    let sector = u64::from(sector);
    let header = read_at(disk, sector, 92)?;
    ensure!(
        header.starts_with(b"EFI PART"),
        "{}: no GPT header",
        disk.display()
    );
    let (count, size) = (u32_at(&header, 80), u32_at(&header, 84));
    ensure!(
        size >= 128 && count <= 1024,
        "{}: odd GPT header",
        disk.display()
    );
    let size = size as usize;
    let table = read_at(disk, u64_at(&header, 72) * sector, count as usize * size)?;
    let used = table
        .chunks(size)
        .filter(|entry| entry[..16].iter().any(|byte| *byte != 0));
    Ok(used.map(|entry| partition(entry, sector)).collect())
}

/// Finds a partition by its name.
pub fn partition_named(disk: &Path, sector: u32, name: &str) -> Result<Partition> {
    let all = partitions(disk, sector)?;
    match all.iter().find(|partition| partition.name == name) {
        Some(partition) => Ok(partition.clone()),
        None => {
            let names: Vec<&str> = all
                .iter()
                .map(|partition| partition.name.as_str())
                .collect();
            bail!(
                "{}: no partition `{name}` among {}",
                disk.display(),
                names.join(", ")
            )
        }
    }
}

fn partition(entry: &[u8], sector: u64) -> Partition {
    let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
    let units: Vec<u16> = entry[56..128]
        .chunks(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    Partition {
        name: String::from_utf16_lossy(&units),
        offset: first * sector,
        length: (last + 1 - first) * sector,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sector: usize, partitions: &[(&str, u64, u64)]) -> Vec<u8> {
        let mut disk = vec![0; 64 * sector.max(4096)];
        let header = sector;
        disk[header..header + 8].copy_from_slice(b"EFI PART");
        disk[header + 72..header + 80].copy_from_slice(&2u64.to_le_bytes());
        disk[header + 80..header + 84].copy_from_slice(&128u32.to_le_bytes());
        disk[header + 84..header + 88].copy_from_slice(&128u32.to_le_bytes());
        for (index, (name, first, last)) in partitions.iter().enumerate() {
            let entry = 2 * sector + index * 128;
            disk[entry] = 1;
            disk[entry + 32..entry + 40].copy_from_slice(&first.to_le_bytes());
            disk[entry + 40..entry + 48].copy_from_slice(&last.to_le_bytes());
            for (at, unit) in name.encode_utf16().enumerate() {
                let at = entry + 56 + 2 * at;
                disk[at..at + 2].copy_from_slice(&unit.to_le_bytes());
            }
        }
        disk
    }

    #[test]
    fn partitions_are_found_by_name_with_both_sector_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        for sector in [512u32, 4096] {
            let bytes = table(
                sector as usize,
                &[("vigie-esp", 40, 47), ("system-a", 48, 63)],
            );
            fs::write(&path, bytes).unwrap();
            let found = partition_named(&path, sector, "system-a").unwrap();
            assert_eq!(found.offset, 48 * u64::from(sector));
            assert_eq!(found.length, 16 * u64::from(sector));
            let error = partition_named(&path, sector, "state").unwrap_err();
            assert!(
                error.to_string().contains("among vigie-esp, system-a"),
                "{error}"
            );
        }
        fs::write(&path, vec![0; 8192]).unwrap();
        assert!(partitions(&path, 512).is_err());
    }

    #[test]
    fn folders_are_made_once_and_from_the_outside() {
        let source = Path::new("x");
        let files = [
            ("EFI/BOOT/a", source),
            ("EFI/BOOT/b", source),
            ("c", source),
            ("EFI/d/e", source),
        ];
        let seen: Vec<&str> = folders(&files).into_iter().collect();
        assert_eq!(seen, ["EFI", "EFI/BOOT", "EFI/d"]);
    }

    #[test]
    fn a_copy_differs_in_one_byte() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, b"abc").unwrap();
        copy_flipped(&from, &to, 1, 0x01).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"acc");
        assert!(copy_flipped(&from, &to, 3, 1).is_err());
    }

    #[test]
    fn bytes_are_written_over_and_the_file_keeps_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        fs::write(&path, b"abcdef").unwrap();
        write_at(&path, 2, b"XY").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abXYef");
        assert!(write_at(&folder.path().join("none"), 0, b"X").is_err());
    }

    #[test]
    fn a_place_in_an_iso_is_read() {
        let head = "Report layout: xt , Startlba ,   Blocks , Filesize , ISO image path\n";
        let line = "File data lba:  0 ,    4711 ,      100 ,   204799 , '/vigie/system.img'\n";
        assert_eq!(
            place_of(&format!("{head}{line}")),
            Some((4711 * 2048, 204_799))
        );
        assert_eq!(place_of(head), None);
        assert_eq!(
            place_of(&format!("{head}{line}{line}")),
            None,
            "two extents"
        );
    }

    #[test]
    fn an_empty_disk_takes_no_room() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        empty(&path, 16_000_000_000).unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.len(), 16_000_000_000);
        assert!(meta.blocks() < 100);
    }
}
