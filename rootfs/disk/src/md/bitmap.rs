//! The write-intent bitmap beside a superblock: which parts may differ between members.
//!
//! A bit stands for a chunk of what is kept in sync; a set one is synchronised
//! again at the next assembly. The header is `bitmap_super_s` of the kernel's
//! `drivers/md/md-bitmap.h`, version 4 (little-endian).

use super::Uuid;
use crate::units::Bytes;

const MAGIC: u32 = 0x6D74_6962;
const VERSION: u32 = 4;
/// Bits follow the header, which has so many bytes.
pub(super) const HEADER: usize = 256;
/// mdadm's choice: seconds after which bits of quiet chunks are cleared.
const DAEMON_SLEEP: u32 = 5;
/// mdadm's choice of the smallest chunk of an internal bitmap.
const CHUNK: Bytes = Bytes::mib(64);

/// The size of a bitmap and of its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bitmap {
    /// Bytes that one bit stands for.
    pub chunk: Bytes,
    /// Bytes that are kept in sync: the size of a member, of the array for RAID 10.
    pub synced: Bytes,
}

impl Bitmap {
    /// The bitmap of an array whose members hold `member` bytes each.
    pub(super) fn new(member: Bytes, synced: Bytes) -> Self {
        let bits = (room(member).get() - HEADER as u64) * 8;
        let mut chunk = CHUNK;
        while synced.get().div_ceil(chunk.get()) > bits {
            chunk = chunk * 2;
        }
        Self { chunk, synced }
    }

    /// The room it takes, header included, in whole 4 KiB.
    pub fn length(&self) -> Bytes {
        let bits = self.synced.get().div_ceil(self.chunk.get());
        Bytes::new(HEADER as u64 + bits.div_ceil(8)).align_up(Bytes::kib(4))
    }

    /// The bytes of a new bitmap: all clear where the members are in sync, else all set.
    pub(super) fn encode(&self, array: Uuid, in_sync: bool) -> Vec<u8> {
        let fill = if in_sync { 0 } else { 0xFF };
        let mut bytes = vec![fill; self.length().get() as usize];
        bytes[..HEADER].fill(0);
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC.to_le_bytes());
        put(4, &VERSION.to_le_bytes());
        put(8, &array.0);
        // Events (24) and events cleared (32) are those of a new superblock: 0.
        put(40, &(self.synced.get() / 512).to_le_bytes());
        put(52, &(self.chunk.get() as u32).to_le_bytes());
        put(56, &DAEMON_SLEEP.to_le_bytes());
        bytes
    }
}

/// What mdadm leaves for a bitmap, by the size of a member (`choose_bm_space`).
pub(super) fn room(member: Bytes) -> Bytes {
    if member >= Bytes::gib(200) + Bytes::kib(64) {
        Bytes::kib(128)
    } else if member > Bytes::gib(8) + Bytes::kib(4) {
        Bytes::kib(64)
    } else {
        Bytes::kib(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_room() {
        for (member, synced, chunk, length) in [
            (Bytes::MIB, Bytes::MIB, Bytes::mib(64), Bytes::kib(4)),
            (Bytes::gib(8), Bytes::gib(8), Bytes::mib(64), Bytes::kib(4)),
            (Bytes::tib(2), Bytes::tib(2), Bytes::mib(64), Bytes::kib(8)),
            (
                Bytes::tib(20),
                Bytes::tib(20),
                Bytes::mib(64),
                Bytes::kib(44),
            ),
            (
                Bytes::tib(90),
                Bytes::tib(90),
                Bytes::mib(128),
                Bytes::kib(92),
            ),
            (Bytes::gib(8), Bytes::tib(1), Bytes::mib(64), Bytes::kib(4)),
            // RAID 10 over many small members: larger chunks, not a longer bitmap.
            (Bytes::gib(8), Bytes::tib(4), Bytes::mib(256), Bytes::kib(4)),
        ] {
            let bitmap = Bitmap::new(member, synced);
            assert_eq!(
                (bitmap.chunk, bitmap.length()),
                (chunk, length),
                "{member} {synced}"
            );
            assert!(bitmap.length() <= room(member));
        }
    }
}
