//! Large disks in small files: a known pattern spread over one, and a digest that reads only
//! where the file has data.
//!
//! The digest depends on the bytes of the disk alone, not on how the file holds them: a hole
//! and written zeroes are the same to whoever reads the disk, so both are passed over.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::fs::{SeekFrom as Sparse, seek};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::images::{self, Partition};

/// Bytes that are read at once and hashed under their number.
const BLOCK: u64 = 1 << 20;

/// Places of a pattern between the first and the last block of a disk.
const PLACES: u64 = 8;

/// SHA-256 over every block of a raw disk that is not all zeroes, with its place.
pub fn digest(path: &Path) -> Result<String> {
    let what = || format!("reading {}", path.display());
    let mut file = File::open(path).with_context(what)?;
    let mut hasher = Sha256::new();
    hasher.update(file.metadata().with_context(what)?.len().to_le_bytes());
    let mut next = 0;
    while let Some((start, end)) = data_after(&file, next).with_context(what)? {
        for number in start / BLOCK..end.div_ceil(BLOCK) {
            let block = read_block(&mut file, number * BLOCK).with_context(what)?;
            if block.iter().any(|byte| *byte != 0) {
                hasher.update(number.to_le_bytes());
                hasher.update(&block);
            }
        }
        // The rest of the last block is read already.
        next = end.div_ceil(BLOCK) * BLOCK;
    }
    Ok(hex::encode(hasher.finalize()))
}

/// The next stretch of data at or after an offset.
fn data_after(file: &File, offset: u64) -> Result<Option<(u64, u64)>> {
    match seek(file, Sparse::Data(offset)) {
        Ok(start) => Ok(Some((start, seek(file, Sparse::Hole(start))?))),
        // There is none before the end.
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A block, shorter at the end of the file.
fn read_block(file: &mut File, offset: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut block = Vec::new();
    file.take(BLOCK).read_to_end(&mut block)?;
    Ok(block)
}

/// Copies the data of a partition into another of the same disk, which holds nothing yet and is as long.
pub fn copy_within(disk: &Path, from: &Partition, to: &Partition) -> Result<()> {
    ensure!(
        from.length <= to.length,
        "{} is longer than {}",
        from.name,
        to.name
    );
    let what = || format!("copying {} to {} on {}", from.name, to.name, disk.display());
    let mut file = File::open(disk).with_context(what)?;
    let end = from.offset + from.length;
    let mut next = from.offset;
    while let Some((start, _)) = data_after(&file, next).with_context(what)?
        && start < end
    {
        let mut block = read_block(&mut file, start).with_context(what)?;
        let left = usize::try_from(end - start).unwrap_or(usize::MAX);
        block.truncate(left);
        images::write_at(disk, to.offset + (start - from.offset), &block)?;
        next = start + block.len() as u64;
    }
    Ok(())
}

/// Makes a raw disk with a pattern in its first and last block and at places between: where an
/// installation would put its table, its volumes, and the table's copy.
pub fn patterned(path: &Path, bytes: u64) -> Result<()> {
    fill(path, bytes, 0..=PLACES)
}

/// The same with nothing in the first and last block: a disk that counts as blank, and whose bytes
/// are nevertheless known.
pub fn patterned_inside(path: &Path, bytes: u64) -> Result<()> {
    fill(path, bytes, 1..=PLACES - 1)
}

fn fill(path: &Path, bytes: u64, places: RangeInclusive<u64>) -> Result<()> {
    images::empty(path, bytes)?;
    let mut file = File::options()
        .write(true)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))?;
    let last = bytes.saturating_sub(BLOCK);
    for place in places {
        let offset = last / PLACES * place;
        let offset = if place == PLACES { last } else { offset };
        write_pattern(&mut file, offset, bytes)
            .with_context(|| format!("filling {}", path.display()))?;
    }
    Ok(())
}

fn write_pattern(file: &mut File, offset: u64, bytes: u64) -> std::io::Result<()> {
    let length = BLOCK.min(bytes - offset) as usize;
    let block: Vec<u8> = numbers(offset)
        .flat_map(u64::to_le_bytes)
        .take(length)
        .collect();
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(&block)
}

/// Numbers that look like nothing that a partition table or file system begins with
/// (xorshift64; Marsaglia 2003).
pub fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 3_000_000_000_000;

    fn write(path: &Path, offset: u64, bytes: &[u8]) {
        images::write_at(path, offset, bytes).unwrap();
    }

    #[test]
    fn a_partition_is_copied_with_its_holes_and_nothing_beyond_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        images::empty(&path, 20 * BLOCK).unwrap();
        let part = |name: &str, at: u64| Partition {
            name: name.to_owned(),
            offset: at * BLOCK + 512,
            length: 4 * BLOCK,
        };
        let (from, to) = (part("a", 2), part("b", 10));
        for (at, bytes) in [(0, b"head"), (3 * BLOCK, b"more"), (4 * BLOCK - 4, b"tail")] {
            write(&path, from.offset + at, bytes);
        }
        write(&path, from.offset + from.length, b"not");
        copy_within(&path, &from, &to).unwrap();
        let read = |one: &Partition| images::read_at(&path, one.offset, 4 << 20).unwrap();
        assert!(read(&from) == read(&to));
        let after = images::read_at(&path, to.offset + to.length, 3).unwrap();
        assert_eq!(after, [0; 3]);
        let short = Partition {
            length: BLOCK,
            ..to
        };
        assert!(copy_within(&path, &from, &short).is_err());
    }

    #[test]
    fn zeroes_and_holes_are_the_same_and_one_byte_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        patterned(&path, SIZE).unwrap();
        let before = digest(&path).unwrap();
        assert_eq!(digest(&path).unwrap(), before);
        write(&path, 1_000_000_007, &[0; 100_000]);
        assert_eq!(digest(&path).unwrap(), before, "written zeroes");
        write(&path, 1_000_000_007, &[1]);
        let changed = digest(&path).unwrap();
        assert_ne!(changed, before);
        write(&path, 1_000_000_007, &[0]);
        assert_eq!(digest(&path).unwrap(), before);
        write(&path, 1_000_000_007 + BLOCK, &[1]);
        assert_ne!(digest(&path).unwrap(), changed, "the place counts");
        write(&path, SIZE - 1, &[0]);
        assert_ne!(digest(&path).unwrap(), before, "the last byte counts");
    }

    #[test]
    fn a_pattern_is_at_both_ends_and_takes_little_room() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        patterned(&path, SIZE).unwrap();
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!(meta.len(), SIZE);
        assert!(meta.blocks() * 512 < 20 * BLOCK, "{}", meta.blocks());
        for offset in [0, (SIZE - BLOCK) / PLACES, SIZE - 8] {
            let bytes = images::read_at(&path, offset, 8).unwrap();
            assert_ne!(bytes, [0; 8], "{offset}");
        }
        patterned_inside(&path, SIZE).unwrap();
        for (offset, blank) in [
            (0, true),
            ((SIZE - BLOCK) / PLACES, false),
            (SIZE - 8, true),
        ] {
            let bytes = images::read_at(&path, offset, 8).unwrap();
            assert_eq!(bytes == [0; 8], blank, "{offset}");
        }
    }
}
