//! One more look at the volumes when everything else is written. Each was read
//! back when it was made; but on a disk that holds less than it says, and whose
//! addresses wrap where no mark of the check of its size shows it, what is
//! written later lands on what was checked before.

use anyhow::{Context, Result};
use vigie_disk::Bytes;

use super::clear::TABLES;
use super::extents::Pieces;
use super::{Work, target};
use crate::layout::Purpose;

/// A volume that was made.
pub struct Written {
    /// The place of its group among those that are worked on.
    pub work: usize,
    /// What it is for.
    pub purpose: Purpose,
    /// The member whose own it is; none where all members have it together.
    pub member: Option<usize>,
    /// What it held when it was read back.
    pub pieces: Pieces,
}

/// Reads the volumes again, as far as they were written: they are as they were made.
pub fn check(works: &mut [Work], written: &[Written]) -> Result<()> {
    write_ends(works).context("writing the ends of the disks")?;
    for one in written {
        let work = works.get_mut(one.work).context("a group is missing")?;
        let found = match one.member {
            Some(member) => {
                let volume = target::of_member(work, one.purpose, member)?;
                one.pieces.check(&volume)
            }
            None => {
                let volume = target::over(work, one.purpose)?;
                one.pieces.check(volume.as_ref())
            }
        };
        found.context("looking at the volumes again")?;
    }
    Ok(())
}

/// The copy of the table comes last of all and where every wrong address shows:
/// zeros go there before, as long as what they would hit is still looked at. A
/// disk of which something is kept has a table there, and its end was not written.
fn write_ends(works: &mut [Work]) -> Result<()> {
    let erased = works
        .iter_mut()
        .filter(|work| work.planned.keep.is_nothing());
    for disk in erased.flat_map(|work| work.disks.iter_mut()) {
        let end: Bytes = disk.size() - TABLES;
        disk.zero(end, TABLES)?;
        disk.flush()?;
    }
    Ok(())
}
