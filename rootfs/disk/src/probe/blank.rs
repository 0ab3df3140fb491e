//! Whether a device on which nothing is recognised holds anything.

use crate::device::{BlockDevice, SECTOR, is_of_mark};
use crate::units::Bytes;

use super::at_offset;

/// How much of both ends of a device [`is_blank`] looks at.
pub const EDGE: Bytes = Bytes::MIB;

/// Whether the first and the last [`EDGE`] of a device hold nothing: one byte over and over, as of a disk
/// that is new, zeroed or formatted at a low level; sectors that are each all zeroes or all ones, as where
/// clearing an erased flash disk was cut off; or marks of a check of the size that was cut off. A disk that
/// carries no signature and is not blank holds something that we do not know: an encrypted volume has no
/// signature, nor has a file system whose superblock is damaged. What cannot be read counts as blank, as in
/// [`super::probe`].
pub fn is_blank(device: &dyn BlockDevice) -> bool {
    let edge = EDGE.min(device.size());
    let last = device.size().saturating_sub(edge);
    [Bytes::ZERO, last].into_iter().all(|at| {
        let bytes = at_offset(device, at.get(), edge.get() as usize).unwrap_or_default();
        is_uniform(&bytes) || is_cleared(&bytes)
    })
}

fn is_uniform(bytes: &[u8]) -> bool {
    bytes.windows(2).all(|pair| pair[0] == pair[1])
}

fn is_cleared(bytes: &[u8]) -> bool {
    let mut sectors = bytes.chunks(SECTOR);
    sectors.all(|sector| is_erased(sector) || is_of_mark(sector))
}

fn is_erased(sector: &[u8]) -> bool {
    is_uniform(sector) && matches!(sector.first(), None | Some(0 | 0xFF))
}
