//! Makes what was on a disk unreadable, so that nothing stale is started,
//! assembled or mounted later.
//!
//! The tables at both ends of the disk go first and alone: a cut after that
//! leaves a disk that is plainly empty; a cut before it, the old disk whole.
//! Then the places where signatures lie (file systems, md, LVM, ZFS keep theirs
//! in the first or last MiB of a partition), of the old partitions and of the
//! new, zeroed for certain and not merely discarded, because what a discard
//! leaves is undefined. And the disk shows that it holds what it says: a fake
//! or failing one is found before anything is trusted to it.

use anyhow::Result;
use vigie_disk::device::check_size;
use vigie_disk::{BlockDevice, Bytes};

use crate::inventory::Disk;
use crate::layout::Layout;

const EDGE: Bytes = Bytes::MIB;

/// Clears a disk for a layout; `seed` tells this check of its size from earlier ones.
pub fn clear(was: &Disk, layout: &Layout, disk: &mut dyn BlockDevice, seed: u64) -> Result<()> {
    let size = disk.size();
    disk.zero(Bytes::ZERO, EDGE)?;
    disk.zero(size - EDGE, EDGE)?;
    disk.flush()?;
    disk.discard(EDGE, size - EDGE * 2)?;
    let old = was.partitions.iter().map(|one| (one.offset, one.end()));
    let new = layout.parts().iter().map(|part| (part.offset, part.end()));
    for (start, end) in old.chain(new) {
        clear_edges(start, end.min(size), disk)?;
    }
    check_size(disk, seed)?;
    disk.flush()?;
    Ok(())
}

/// Zeroes the first and the last MiB of a range, or all of a smaller one.
pub fn clear_edges(start: Bytes, end: Bytes, disk: &mut dyn BlockDevice) -> Result<()> {
    let length = EDGE.min(end.saturating_sub(start));
    disk.zero(start, length)?;
    Ok(disk.zero(end - length, length)?)
}
