//! Copies a sparse file onto a disk: what it holds, and not its holes.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use vigie_disk::device::read_vec;
use vigie_disk::{BlockDevice, Bytes};

use super::{Overwritten, ReadBack};

const CHUNK: u64 = 1 << 20;

/// What becomes of the places where the file has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    /// They are left as they are: the file system does not look there.
    Left,
    /// They become zero: the file system may look there.
    Zeroed,
}

/// Copies the file at `path` to the start of `target`.
pub fn copy(path: &Path, target: &mut dyn BlockDevice, holes: Holes) -> Result<()> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let length = file.metadata()?.len();
    let mut done = 0;
    while done < length {
        let (start, end) = next_data(&file, done, length)?;
        if holes == Holes::Zeroed {
            target.zero(Bytes::new(done), Bytes::new(start - done))?;
        }
        copy_range(&file, start, end, target)?;
        done = end;
    }
    Ok(())
}

/// What a volume was found to hold where it was written, piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Pieces(Vec<Piece>);

#[derive(Clone, Debug)]
struct Piece {
    at: Bytes,
    length: usize,
    sha256: [u8; 32],
}

impl Pieces {
    /// Reads all of them again. Whatever was written since, they are as they were.
    pub fn check(&self, target: &dyn BlockDevice) -> Result<()> {
        for piece in &self.0 {
            target.forget_cached(piece.at, Bytes::new(piece.length as u64));
        }
        for piece in &self.0 {
            let found: [u8; 32] = Sha256::digest(read_vec(target, piece.at, piece.length)?).into();
            let at = piece.at.get();
            ensure!(
                found == piece.sha256,
                Overwritten::between(&(at..at + piece.length as u64), target.name())
            );
        }
        Ok(())
    }

    fn note(&mut self, at: u64, bytes: &[u8]) {
        self.0.push(Piece {
            at: Bytes::new(at),
            length: bytes.len(),
            sha256: Sha256::digest(bytes).into(),
        });
    }
}

/// Flushes, and reads back from the disk what [`copy`] has written there: what
/// the file holds is told, for another look later.
pub fn verify(path: &Path, target: &mut dyn BlockDevice, holes: Holes) -> Result<Pieces> {
    target.flush()?;
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let length = file.metadata()?.len();
    target.forget_cached(Bytes::ZERO, Bytes::new(length));
    let mut pieces = Pieces::default();
    let mut done = 0;
    while done < length {
        let (start, end) = next_data(&file, done, length)?;
        if holes == Holes::Zeroed {
            // What is no data in the file reads as zeros there.
            verify_range(&file, done..start, target, &mut |_, _| ())?;
        }
        verify_range(&file, start..end, target, &mut |at, bytes| {
            pieces.note(at, bytes);
        })?;
        done = end;
    }
    Ok(pieces)
}

/// Compares a range of the file with the target, and tells each piece of it.
fn verify_range(
    file: &File,
    range: Range<u64>,
    target: &dyn BlockDevice,
    tell: &mut dyn FnMut(u64, &[u8]),
) -> Result<()> {
    let (mut wanted, mut found) = (vec![0; CHUNK as usize], vec![0; CHUNK as usize]);
    let mut at = range.start;
    while at < range.end {
        let step = CHUNK.min(range.end - at);
        let (wanted, found) = (&mut wanted[..step as usize], &mut found[..step as usize]);
        file.read_exact_at(wanted, at)
            .context("reading a volume's file")?;
        target.read_at(Bytes::new(at), found)?;
        ensure!(
            wanted == found,
            ReadBack::new(
                format!("the range of bytes {at} to {} of", at + step),
                target.name()
            )
        );
        tell(at, found);
        at += step;
    }
    Ok(())
}

/// The next range with data from `from` on; an empty one at the end where there is none.
fn next_data(file: &File, from: u64, length: u64) -> Result<(u64, u64)> {
    let start = match rustix::fs::seek(file, SeekFrom::Data(from)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok((length, length)),
        Err(error) => return Err(error).context("looking for data in a volume's file"),
    };
    let end = rustix::fs::seek(file, SeekFrom::Hole(start))
        .context("looking for the end of data in a volume's file")?;
    Ok((start, end.min(length)))
}

fn copy_range(file: &File, start: u64, end: u64, target: &mut dyn BlockDevice) -> Result<()> {
    let mut buffer = vec![0; CHUNK as usize];
    let mut at = start;
    while at < end {
        let step = CHUNK.min(end - at);
        let bytes = &mut buffer[..step as usize];
        file.read_exact_at(bytes, at)
            .context("reading a volume's file")?;
        if bytes.iter().all(|byte| *byte == 0) {
            target.zero(Bytes::new(at), Bytes::new(step))?;
        } else {
            target.write_at(Bytes::new(at), bytes)?;
        }
        at += step;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_disk::{FileDevice, MemoryDevice, SectorSize};

    #[test]
    fn data_are_copied_and_holes_treated_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("volume");
        let mut file = FileDevice::create(&path, Bytes::mib(8), SectorSize::S512).unwrap();
        file.write_at(Bytes::mib(2), &[5; 70_000]).unwrap();
        file.write_at(Bytes::mib(5), &[0; 70_000]).unwrap();
        for (holes, left) in [(Holes::Left, 9), (Holes::Zeroed, 0)] {
            let mut disk = MemoryDevice::from_bytes(&vec![9; 8 << 20], SectorSize::S512);
            copy(&path, &mut disk, holes).unwrap();
            let pieces = verify(&path, &mut disk, holes).unwrap();
            let byte = |at: Bytes| {
                let mut byte = [1];
                disk.read_at(at, &mut byte).unwrap();
                byte[0]
            };
            assert_eq!(byte(Bytes::ZERO), left);
            assert_eq!(byte(Bytes::mib(2) + Bytes::new(69_999)), 5);
            assert_eq!(byte(Bytes::mib(5)), 0, "zeros that are data");
            assert_eq!(byte(Bytes::mib(8) - Bytes::new(1)), left);
            disk.write_at(Bytes::ZERO, &[left + 1]).unwrap();
            pieces.check(&disk).unwrap();
            disk.write_at(Bytes::ZERO, &[left]).unwrap();
            disk.write_at(Bytes::mib(2) + Bytes::new(5), &[6]).unwrap();
            let error = verify(&path, &mut disk, holes).unwrap_err().to_string();
            assert!(error.contains("reads back differently"), "{error}");
            let error = pieces.check(&disk).unwrap_err().to_string();
            assert!(error.contains("does not hold any more"), "{error}");
        }
    }
}
