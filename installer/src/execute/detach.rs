//! Takes the system off a disk and leaves what is kept: the partition table is
//! replaced by one that has only that, without boot code before it.
//!
//! From one valid table to the next there is always one copy that is whole, so
//! a cut leaves the old disk or one with what is kept, and nothing that starts.

use anyhow::{Context, Result, ensure};
use vigie_disk::BlockDevice;
use vigie_disk::table::{Partition, Table};

use super::clear::clear_edges;
use super::{Job, ReadBack};
use crate::layout::{Layout, Part};
use crate::plan::{Planned, Role};

/// Replaces the table of a disk by what the plan keeps, and clears the places
/// of what is made. A disk that carries recordings alone has nothing to take off.
pub fn detach(_: &Job, planned: &Planned, disk: &mut dyn BlockDevice) -> Result<()> {
    let old = read(disk)?;
    let kept = kept(&old, &planned.partitions, disk)?;
    if planned.role == Role::Data {
        return Ok(());
    }
    let table = Table {
        guid: old.guid,
        partitions: (1..).zip(kept).collect(),
    };
    table.stage(disk.size(), disk.sector_size())?.commit(disk)?;
    ensure!(
        Table::read(disk)?.as_ref() == Some(&table),
        ReadBack::new("the partition table of", disk.name())
    );
    let new = planned
        .partitions
        .parts()
        .iter()
        .filter(|part| part.origin.is_new());
    for part in new {
        clear_edges(part.offset, part.end(), disk)?;
    }
    disk.flush()?;
    Ok(())
}

/// The table of a disk of which something is kept.
pub fn read(disk: &dyn BlockDevice) -> Result<Table> {
    let table = Table::read(disk)?;
    table.with_context(|| format!("{} has no partition table any more", disk.name()))
}

/// The entries of what is kept, in the order of the plan; a refusal where the
/// disk is not as it was when the plan was made.
pub fn kept(table: &Table, layout: &Layout, disk: &dyn BlockDevice) -> Result<Vec<Partition>> {
    layout.kept().map(|part| entry(table, part, disk)).collect()
}

/// The entry of one partition that is kept.
pub fn entry(table: &Table, part: &Part, disk: &dyn BlockDevice) -> Result<Partition> {
    let sector = disk.sector_size();
    let name = part.purpose.name();
    let is_it = |one: &&Partition| one.name == name && one.offset(sector) == part.offset;
    let found = table.partitions.values().find(is_it);
    let fits = found.filter(|one| one.length(sector) <= part.size);
    fits.cloned().with_context(|| {
        format!(
            "{name} on {} is not where it was when the plan was made; nothing was written",
            disk.name()
        )
    })
}
