//! Images as differences: what the base has is copied, the rest is carried.
//!
//! A stream of operations, each a byte and its numbers (little endian):
//!
//! | byte | numbers | means |
//! |---|---|---|
//! | 0 | | the end |
//! | 1 | offset u64, length u32 | so many bytes of the base, from there |
//! | 2 | length u32, then the bytes | these bytes |
//!
//! No length is 0.
//!
//! The maker cuts the base at places that its content chooses (FastCDC), so that what moved is
//! found again: a squashfs whose one program changed moves by a few bytes from there on.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::ops::Range;

use sha2::{Digest, Sha256};
use vigie_disk::Bytes;
use vigie_disk::device::BlockDevice;

use super::error::PackageError;

const END: u8 = 0;
const COPY: u8 = 1;
const DATA: u8 = 2;
/// Longest operation, so that lengths fit 32 bits everywhere.
const LONGEST: usize = 1 << 30;

/// Smallest, usual and largest piece in bytes that the base is cut into.
const PIECE: (usize, usize, usize) = (1024, 4096, 16_384);

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Copy { offset: usize, length: usize },
    Data { offset: usize, length: usize },
}

/// Writes the differences that make `target` from `base`.
///
/// # Errors
/// What `out` refuses.
pub fn encode(base: &[u8], target: &[u8], out: &mut dyn Write) -> std::io::Result<()> {
    for operation in operations(base, target) {
        match operation {
            Operation::Copy { offset, length } => {
                out.write_all(&[COPY])?;
                out.write_all(&(offset as u64).to_le_bytes())?;
                out.write_all(&(length as u32).to_le_bytes())?;
            }
            Operation::Data { offset, length } => {
                out.write_all(&[DATA])?;
                out.write_all(&(length as u32).to_le_bytes())?;
                out.write_all(&target[offset..offset + length])?;
            }
        }
    }
    out.write_all(&[END])
}

fn operations(base: &[u8], target: &[u8]) -> Vec<Operation> {
    let known = starts(base);
    let mut operations: Vec<Operation> = Vec::new();
    // What the target has been made of so far.
    let mut done = 0;
    for piece in pieces(target) {
        // A match before may have grown over this piece, or into it.
        if piece.end <= done {
            continue;
        }
        let found: [u8; 32] = Sha256::digest(&target[piece.clone()]).into();
        let Some(&at) = known.get(&found) else {
            continue;
        };
        let start = piece.start.max(done);
        let (start, offset) = grown_back(base, target, start, at + start - piece.start, done);
        let length = common(&base[offset..], &target[start..]);
        push(&mut operations, data(done..start));
        push(&mut operations, Operation::Copy { offset, length });
        done = start + length;
    }
    push(&mut operations, data(done..target.len()));
    operations
}

/// Where in the base the first of each piece begins, by the piece's digest.
fn starts(base: &[u8]) -> HashMap<[u8; 32], usize> {
    let mut starts = HashMap::new();
    for piece in pieces(base) {
        let digest = Sha256::digest(&base[piece.clone()]).into();
        starts.entry(digest).or_insert(piece.start);
    }
    starts
}

/// Bytes of the target that the base does not have.
const fn data(range: Range<usize>) -> Operation {
    Operation::Data {
        offset: range.start,
        length: range.end - range.start,
    }
}

/// Moves the start of a match back over equal bytes, not before `floor`.
fn grown_back(
    base: &[u8],
    target: &[u8],
    start: usize,
    from: usize,
    floor: usize,
) -> (usize, usize) {
    let back = target[floor..start].iter().rev();
    let equal = back
        .zip(base[..from].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    (start - equal, from - equal)
}

/// How many bytes two slices have in common at their starts.
fn common(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 4096;
    let blocks = a.chunks_exact(STEP).zip(b.chunks_exact(STEP));
    let whole = blocks.take_while(|(a, b)| a == b).count() * STEP;
    let rest = a[whole..].iter().zip(&b[whole..]);
    whole + rest.take_while(|(a, b)| a == b).count()
}

fn push(operations: &mut Vec<Operation>, operation: Operation) {
    let (Operation::Copy { offset, length } | Operation::Data { offset, length }) = operation;
    let mut done = 0;
    while done < length {
        let step = LONGEST.min(length - done);
        let offset = offset + done;
        operations.push(match operation {
            Operation::Copy { .. } => Operation::Copy {
                offset,
                length: step,
            },
            Operation::Data { .. } => Operation::Data {
                offset,
                length: step,
            },
        });
        done += step;
    }
}

fn pieces(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let (least, usual, most) = PIECE;
    fastcdc::v2020::FastCDC::new(bytes, least as _, usual as _, most as _)
        .map(|chunk| chunk.offset..chunk.offset + chunk.length)
}

/// The image that differences make of a base.
pub struct Patched<'a, R> {
    stream: R,
    base: &'a dyn BlockDevice,
    /// Length of the base's image: behind it may lie anything.
    length: Bytes,
    /// What is left of the operation under way.
    left: Left,
    ended: bool,
}

#[derive(Clone, Copy)]
enum Left {
    Copy { at: u64, length: usize },
    Data(usize),
}

impl<'a, R: Read> Patched<'a, R> {
    /// Reads differences from `stream`, to the image in the first `length` bytes of `base`.
    pub fn new(stream: R, base: &'a dyn BlockDevice, length: Bytes) -> Self {
        Self {
            stream,
            base,
            length,
            left: Left::Data(0),
            ended: false,
        }
    }

    fn next_operation(&mut self) -> std::io::Result<()> {
        let mut kind = [0];
        self.stream.read_exact(&mut kind)?;
        self.left = match kind[0] {
            END => {
                self.ended = true;
                if self.stream.read(&mut kind)? != 0 {
                    return Err(refused(
                        "bytes follow its differences",
                        "des octets suivent ses différences",
                    ));
                }
                return Ok(());
            }
            COPY => {
                let (at, length) = (u64::from_le_bytes(self.bytes()?), self.operand()?);
                let end = at.checked_add(length as u64);
                if end.is_none_or(|end| end > self.length.get()) {
                    return Err(refused(
                        "its differences lie outside of their base",
                        "ses différences sont hors de leur base",
                    ));
                }
                Left::Copy { at, length }
            }
            DATA => Left::Data(self.operand()?),
            other => {
                return Err(refused(
                    format!("its differences hold a {other}"),
                    format!("ses différences contiennent un {other}"),
                ));
            }
        };
        Ok(())
    }

    /// The length of an operation. Without the rule that it does something, a few bytes of zstd
    /// could keep a machine busy for hours.
    fn operand(&mut self) -> std::io::Result<usize> {
        match u32::from_le_bytes(self.bytes()?) {
            0 => Err(refused(
                "its differences hold an operation of no bytes",
                "ses différences contiennent une opération vide",
            )),
            length => Ok(length as usize),
        }
    }

    fn bytes<const N: usize>(&mut self) -> std::io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn copy(&mut self, at: u64, length: usize, buffer: &mut [u8]) -> std::io::Result<usize> {
        let step = length.min(buffer.len());
        self.base
            .read_at(Bytes::new(at), &mut buffer[..step])
            .map_err(|error| PackageError::Disk(error).into_io())?;
        self.left = Left::Copy {
            at: at + step as u64,
            length: length - step,
        };
        Ok(step)
    }

    fn data(&mut self, length: usize, buffer: &mut [u8]) -> std::io::Result<usize> {
        let step = length.min(buffer.len());
        self.stream.read_exact(&mut buffer[..step])?;
        self.left = Left::Data(length - step);
        Ok(step)
    }
}

fn refused(english: impl Into<String>, french: impl Into<String>) -> std::io::Error {
    PackageError::content(english, french).into_io()
}

impl<R: Read> Read for Patched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while !self.ended && !buffer.is_empty() {
            match self.left {
                Left::Copy { length: 0, .. } | Left::Data(0) => self.next_operation()?,
                Left::Copy { at, length } => return self.copy(at, length, buffer),
                Left::Data(length) => return self.data(length, buffer),
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vigie_disk::{MemoryDevice, SectorSize};

    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn device(bytes: &[u8]) -> MemoryDevice {
        let mut disk = MemoryDevice::new(Bytes::mib(2), SectorSize::S512);
        disk.write_at(Bytes::ZERO, bytes).unwrap();
        disk
    }

    fn round(base: &[u8], target: &[u8]) -> usize {
        let mut stream = Vec::new();
        encode(base, target, &mut stream).unwrap();
        let disk = device(base);
        let mut made = Vec::new();
        Patched::new(&stream[..], &disk, Bytes::new(base.len() as u64))
            .read_to_end(&mut made)
            .unwrap();
        assert!(made == target);
        stream.len()
    }

    #[test]
    fn what_moved_is_copied() {
        let base = noise(1_000_000, 1);
        assert!(round(&base, &base) < 40);
        let mut moved = base.clone();
        moved.splice(300_000..300_100, noise(333, 2));
        assert!(round(&base, &moved) < 333 + 100, "{}", round(&base, &moved));
        assert!(round(&base, &base[500_000..]) < 40);
        let foreign = noise(100_000, 3);
        assert!(round(&base, &foreign) < 100_020);
        round(&base, &[]);
        round(&[], &base);
    }

    #[test]
    fn wrong_differences_are_refused() {
        let disk = device(b"base");
        for (stream, word) in [
            (&[][..], "fill whole buffer"),
            (&[2, 4, 0, 0, 0, b'x'], "fill whole buffer"),
            (&[3], "hold a 3"),
            (&[0, 0], "follow"),
            (
                &[1, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 0],
                "lie outside",
            ),
        ] {
            let mut made = Vec::new();
            let error = Patched::new(stream, &disk, Bytes::new(4))
                .read_to_end(&mut made)
                .unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_pair_round_trips(seed in any::<u64>(), cuts in proptest::collection::vec((0_usize..60_000, 0_usize..5000), 0..6)) {
            let base = noise(60_000, seed);
            let mut target = base.clone();
            for (at, length) in cuts {
                let at = at.min(target.len());
                let end = (at + length).min(target.len());
                target.splice(at..end, noise(length / 2, length as u64));
            }
            round(&base, &target);
        }
    }
}
