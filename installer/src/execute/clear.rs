//! Makes what was on a disk unreadable, so that nothing stale is started,
//! assembled or mounted later.
//!
//! The tables at both ends of the disk go first and alone: a cut after that
//! leaves a disk that is plainly empty; a cut before it, the old disk whole.
//! Then the places where signatures lie (all that the probe knows lie in the
//! first 3 MiB or the last one of a disk or partition), of the old partitions (GPT and MBR)
//! and of the new, zeroed for certain and not merely discarded, because what a discard
//! leaves is undefined. And the disk shows that it holds what it says: a fake
//! or failing one is found before anything is trusted to it.

use anyhow::Result;
use vigie_disk::device::check_size;
use vigie_disk::probe::{HEAD, TAIL};
use vigie_disk::{BlockDevice, Bytes};

use crate::inventory::Disk;
use crate::layout::Layout;

/// Tables and boot code lie in so much of both ends, and before all partitions of ours.
pub const TABLES: Bytes = Bytes::MIB;

/// Clears a disk for a layout; `seed` tells this check of its size from earlier ones.
pub fn clear(was: &Disk, layout: &Layout, disk: &mut dyn BlockDevice, seed: u64) -> Result<()> {
    let size = disk.size();
    disk.zero(Bytes::ZERO, TABLES)?;
    disk.zero(size - TABLES, TABLES)?;
    disk.flush()?;
    disk.discard(TABLES, size - TABLES * 2)?;
    clear_edges(Bytes::ZERO, size, disk)?;
    let old = was.partitions.iter().map(|one| (one.offset, one.end()));
    let older = was.mbr.iter().map(|one| (one.offset, one.end()));
    let new = layout.parts().iter().map(|part| (part.offset, part.end()));
    for (start, end) in old.chain(older).chain(new) {
        clear_edges(start, end.min(size), disk)?;
    }
    check_size(disk, seed)?;
    disk.flush()?;
    Ok(())
}

/// Zeroes both ends of a range, as far as signatures lie from them, or all of a small one.
pub fn clear_edges(start: Bytes, end: Bytes, disk: &mut dyn BlockDevice) -> Result<()> {
    let length = end.saturating_sub(start);
    disk.zero(start, HEAD.min(length))?;
    Ok(disk.zero(end - TAIL.min(length), TAIL.min(length))?)
}
