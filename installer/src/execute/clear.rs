//! Makes what was on a disk unreadable, so that nothing stale is started,
//! assembled or mounted later.
//!
//! The tables at both ends of the disk go first and alone: a cut after that
//! leaves a disk that is plainly empty; a cut before it, the old disk whole.
//! Then the places where signatures lie (file systems, md, LVM, ZFS keep theirs
//! in the first or last MiB of a partition), zeroed for certain and not merely
//! discarded, because what a discard leaves is undefined.

use anyhow::Result;
use vigie_disk::{BlockDevice, Bytes};

use crate::layout::{Layout, Part};
use crate::progress::{Meter, Phase, Progress};

const EDGE: Bytes = Bytes::MIB;

/// Clears a disk for a layout.
pub fn clear(
    layout: &Layout,
    disk: &mut dyn BlockDevice,
    progress: &mut dyn Progress,
) -> Result<()> {
    let parts = layout.parts();
    let mut meter = Meter::new(progress, Phase::Clear, Bytes::new(2 + parts.len() as u64));
    let size = disk.size();
    disk.zero(Bytes::ZERO, EDGE)?;
    disk.zero(size - EDGE, EDGE)?;
    disk.flush()?;
    meter.at(Bytes::new(1));
    disk.discard(EDGE, size - EDGE * 2)?;
    meter.at(Bytes::new(2));
    for (part, done) in parts.iter().zip(3..) {
        clear_edges(part, disk)?;
        meter.at(Bytes::new(done));
    }
    disk.flush()?;
    meter.finish();
    Ok(())
}

fn clear_edges(part: &Part, disk: &mut dyn BlockDevice) -> Result<()> {
    disk.zero(part.offset, EDGE)?;
    Ok(disk.zero(part.end() - EDGE, EDGE)?)
}
