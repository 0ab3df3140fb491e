//! The partition table of one disk.

use anyhow::Result;
use vigie_disk::table::{Partition, Table, types};
use vigie_disk::{Bytes, Lba};

use super::{Job, Work, detach};
use crate::layout::{Origin, Part};

/// The table: what is made gets ids drawn for this installation, what is kept has its own.
pub fn table(job: &Job, work: &Work, member: usize) -> Result<Table> {
    let disk = work.disks[member].as_ref();
    let sector = disk.sector_size();
    let old = match work.planned.keep.is_nothing() {
        true => None,
        false => Some(detach::read(disk)?),
    };
    let lba = |offset: Bytes| Lba(offset.get() / sector.get());
    let scope = format!("disk {}.{member}", work.number);
    let entry = |part: &Part| -> Result<Partition> {
        let name = part.purpose.name();
        let (kind, attributes) = part.purpose.kind();
        let is_member = work.planned.array(part).is_some() && part.purpose.is_read_by_linux_alone();
        let new = Partition {
            guid: job.ids.uuid(&format!("partition {name} of {scope}")),
            name,
            kind: if is_member { types::RAID } else { kind },
            first: lba(part.offset),
            last: Lba(lba(part.end()).0 - 1),
            attributes,
        };
        match (&old, part.origin) {
            (Some(old), Origin::Kept | Origin::Grown) => Ok(Partition {
                last: new.last,
                ..detach::entry(old, part, disk)?
            }),
            _ => Ok(new),
        }
    };
    let parts = work.planned.partitions.parts().iter();
    let partitions: Vec<Partition> = parts.map(entry).collect::<Result<_>>()?;
    Ok(Table {
        guid: old.map_or_else(|| job.ids.uuid(&scope), |old| old.guid),
        partitions: (1..).zip(partitions).collect(),
    })
}
