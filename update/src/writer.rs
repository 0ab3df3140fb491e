//! Writes an image into a slot and proves that it arrived.
//!
//! Installing and updating both go through here (DESIGN section 1).

use std::io::Read;
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread;

use sha2::{Digest, Sha256};
use vigie_disk::Bytes;
use vigie_disk::device::BlockDevice;

use crate::spoken::disk_in_french;

/// A sha256 digest.
pub type Sha = [u8; 32];

/// What is read, written or hashed at once.
const CHUNK: usize = 1 << 20;
/// How often the disk is told to begin with what was written. Left to itself the kernel keeps all
/// in memory until the flush: the disk idles meanwhile, and then the bar stands still.
const BEGIN_EVERY: Bytes = Bytes::mib(8);

/// Why an image did not get into its slot.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The image is larger than its partition.
    #[error(
        "the image has {image} and {target} only {room}; a smaller image or a larger slot is needed"
    )]
    TooLarge {
        /// Size of the image.
        image: Bytes,
        /// The partition.
        target: String,
        /// Its size.
        room: Bytes,
    },
    /// The image could not be read.
    #[error("reading the image at byte {at}: {error}; the medium may be damaged")]
    Source {
        /// How far it was read.
        at: u64,
        /// What happened.
        error: std::io::Error,
    },
    /// The image is not the one that was announced.
    #[error(
        "the image is not what its list says (sha256 {found}, expected {expected}); the medium is damaged"
    )]
    WrongImage {
        /// Digest of what was read.
        found: String,
        /// Digest that it should have.
        expected: String,
    },
    /// The slot does not hold what was written.
    #[error("{target} reads back differently from what was written; the disk is failing")]
    ReadBack {
        /// The partition.
        target: String,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] vigie_disk::Error),
}

impl WriteError {
    /// The reason in French.
    #[must_use]
    pub fn french(&self) -> String {
        match self {
            Self::TooLarge {
                image,
                target,
                room,
            } => format!(
                "l'image fait {image} et {target} seulement {room} ; il faut une image plus petite \
                 ou un emplacement plus grand"
            ),
            Self::Source { at, error } => format!(
                "lecture de l'image à l'octet {at} : {error} ; le support est peut-être abîmé"
            ),
            Self::WrongImage { found, expected } => format!(
                "l'image n'est pas celle de sa liste (sha256 {found}, attendu {expected}) ; le \
                 support est abîmé"
            ),
            Self::ReadBack { target } => {
                format!("{target} relu diffère de ce qui a été écrit ; le disque est défaillant")
            }
            Self::Disk(error) => disk_in_french(error),
        }
    }
}

/// Writes `length` bytes of `image` to the start of `target`, flushes, and
/// reads them back: the digest is that of what the slot holds in the end.
///
/// While it writes, it counts only a CRC, which costs almost nothing: if the digest is not the
/// expected one, the CRC of what was read back tells whether the image or the disk is at fault.
///
/// `note` is told the bytes done of twice `length`: written, then read back.
pub fn write_image(
    image: &mut dyn Read,
    length: Bytes,
    expected: &Sha,
    target: &mut dyn BlockDevice,
    note: &mut dyn FnMut(Bytes),
) -> Result<(), WriteError> {
    let written = copy_image(image, length, target, note)?;
    target.flush()?;
    check_image(target, length, expected, Some(written), &mut |done| {
        note(length + done)
    })
}

/// Writes `length` bytes of `image` to the start of `target`, without a flush; answers their CRC.
pub fn copy_image(
    image: &mut dyn Read,
    length: Bytes,
    target: &mut dyn BlockDevice,
    note: &mut dyn FnMut(Bytes),
) -> Result<u32, WriteError> {
    if length > target.size() {
        return Err(WriteError::TooLarge {
            image: length,
            target: target.name().to_owned(),
            room: target.size(),
        });
    }
    let mut crc = crc32fast::Hasher::new();
    let mut piece = vec![0; CHUNK.min(length.get() as usize)];
    let (mut at, mut begun) = (Bytes::ZERO, Bytes::ZERO);
    while at < length {
        let step = (CHUNK as u64).min((length - at).get()) as usize;
        let piece = &mut piece[..step];
        image
            .read_exact(piece)
            .map_err(|error| WriteError::Source {
                at: at.get(),
                error,
            })?;
        crc.update(piece);
        target.write_at(at, piece)?;
        at += Bytes::new(step as u64);
        if at - begun >= BEGIN_EVERY {
            target.forget_cached(begun, at - begun);
            begun = at;
        }
        note(at);
    }
    Ok(crc.finalize())
}

/// Checks that the first `length` bytes of a flushed `target` have the `expected` digest, reading
/// them from the disk. `written` is the CRC of what was written, where that is known.
pub fn check_image(
    target: &mut dyn BlockDevice,
    length: Bytes,
    expected: &Sha,
    written: Option<u32>,
    note: &mut dyn FnMut(Bytes),
) -> Result<(), WriteError> {
    target.forget_cached(Bytes::ZERO, length);
    let mut crc = crc32fast::Hasher::new();
    let found = hash_pieces(target, length, &mut |at, piece| {
        if written.is_some() {
            crc.update(piece);
        }
        note(at + Bytes::new(piece.len() as u64));
    })?;
    if found == *expected {
        return Ok(());
    }
    if written == Some(crc.finalize()) {
        return Err(WriteError::WrongImage {
            found: hex::encode(found),
            expected: hex::encode(expected),
        });
    }
    Err(WriteError::ReadBack {
        target: target.name().to_owned(),
    })
}

/// The digest of the first `length` bytes of a device.
pub fn digest(
    device: &dyn BlockDevice,
    length: Bytes,
    note: &mut dyn FnMut(Bytes),
) -> Result<Sha, vigie_disk::Error> {
    hash_pieces(device, length, &mut |at, piece| {
        note(at + Bytes::new(piece.len() as u64));
    })
}

/// Pieces that may wait to be hashed.
const AHEAD: usize = 2;

/// Reads piece after piece and hands each to `then`, while another thread hashes it: reading and
/// hashing at once, as a disk is about as fast as a processor hashes.
fn hash_pieces(
    device: &dyn BlockDevice,
    length: Bytes,
    then: &mut dyn FnMut(Bytes, &[u8]),
) -> Result<Sha, vigie_disk::Error> {
    let (send, pieces) = mpsc::sync_channel::<Arc<Vec<u8>>>(AHEAD);
    thread::scope(|scope| {
        let hasher = scope.spawn(move || {
            let mut hasher = Sha256::new();
            pieces.iter().for_each(|piece| hasher.update(&*piece));
            hasher.finalize().into()
        });
        // Besides those that wait, one is hashed and one is filled; so the oldest is free again.
        let mut buffers: Vec<Arc<Vec<u8>>> = (0..AHEAD + 2).map(|_| Arc::default()).collect();
        let mut at = Bytes::ZERO;
        while at < length {
            let step = (CHUNK as u64).min((length - at).get()) as usize;
            buffers.rotate_left(1);
            let piece = Arc::make_mut(&mut buffers[0]);
            piece.resize(step, 0);
            device.read_at(at, piece)?;
            // It fails only if the hasher has panicked, which `join` tells.
            let _ = send.send(Arc::clone(&buffers[0]));
            then(at, &buffers[0]);
            at += Bytes::new(step as u64);
        }
        drop(send);
        Ok(hasher.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_disk::{MemoryDevice, SectorSize};

    #[test]
    fn every_piece_is_hashed_once_and_in_order() {
        for length in [0, 1, CHUNK - 1, CHUNK, 9 * CHUNK + 5] {
            let bytes: Vec<u8> = (0..length).map(|at| (at / 4096) as u8).collect();
            let mut disk = MemoryDevice::new(Bytes::mib(10), SectorSize::S512);
            disk.write_at(Bytes::ZERO, &bytes).unwrap();
            let expected: Sha = Sha256::digest(&bytes).into();
            let mut notes = Vec::new();
            let length = Bytes::new(length as u64);
            let found = digest(&disk, length, &mut |done| notes.push(done)).unwrap();
            assert_eq!(found, expected, "{length}");
            assert!(notes.is_sorted());
            assert_eq!(notes.last().copied().unwrap_or_default(), length);
        }
    }

    /// A disk that loses one bit of what is written at a place.
    struct Failing(MemoryDevice, u64);

    impl BlockDevice for Failing {
        fn name(&self) -> &str {
            "failing disk"
        }
        fn size(&self) -> Bytes {
            self.0.size()
        }
        fn sector_size(&self) -> SectorSize {
            self.0.sector_size()
        }
        fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> vigie_disk::Result<()> {
            self.0.read_at(offset, buffer)?;
            if let Some(at) = self.1.checked_sub(offset.get())
                && let Some(byte) = buffer.get_mut(at as usize)
            {
                *byte ^= 0x10;
            }
            Ok(())
        }
        fn write_at(&mut self, offset: Bytes, data: &[u8]) -> vigie_disk::Result<()> {
            self.0.write_at(offset, data)
        }
        fn flush(&mut self) -> vigie_disk::Result<()> {
            Ok(())
        }
    }

    fn write(
        image: &[u8],
        expected: &Sha,
        disk: &mut dyn BlockDevice,
    ) -> Result<Bytes, WriteError> {
        let mut last = Bytes::ZERO;
        let length = Bytes::new(image.len() as u64);
        write_image(&mut &image[..], length, expected, disk, &mut |done| {
            last = done
        })?;
        Ok(last)
    }

    #[test]
    fn images_arrive_or_the_reason_is_told() {
        let image: Vec<u8> = (0..2_500_000_u32).map(|at| (at % 241) as u8).collect();
        let sha: Sha = Sha256::digest(&image).into();
        let disk = || MemoryDevice::new(Bytes::mib(4), SectorSize::S512);

        let mut good = disk();
        let done = write(&image, &sha, &mut good).unwrap();
        assert_eq!(done.get(), 2 * image.len() as u64);
        assert_eq!(digest(&good, done / 2, &mut |_| {}).unwrap(), sha);

        let wrong = write(&image, &[0; 32], &mut disk()).unwrap_err();
        assert!(matches!(wrong, WriteError::WrongImage { .. }), "{wrong}");

        let mut failing = Failing(disk(), 1_500_000);
        let wrong = write(&image, &sha, &mut failing).unwrap_err();
        assert!(matches!(wrong, WriteError::ReadBack { .. }), "{wrong}");

        let mut small = MemoryDevice::new(Bytes::MIB, SectorSize::S512);
        let wrong = write(&image, &sha, &mut small).unwrap_err();
        assert!(matches!(wrong, WriteError::TooLarge { .. }), "{wrong}");

        let length = Bytes::new(image.len() as u64);
        let cut = write_image(&mut &image[..9], length, &sha, &mut disk(), &mut |_| {});
        assert!(matches!(cut, Err(WriteError::Source { at: 0, .. })));
    }
}
