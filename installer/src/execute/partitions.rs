//! The partition table of a layout.

use vigie_disk::table::{Partition, Table};
use vigie_disk::{Bytes, Lba, SectorSize};

use super::Job;

/// The table, its ids drawn for this installation.
pub fn table(job: &Job, sector: SectorSize) -> Table {
    let lba = |offset: Bytes| Lba(offset.get() / sector.get());
    let parts = job.layout.parts().iter().zip(1..);
    let partitions = parts.map(|(part, number)| {
        let name = part.purpose.name();
        let (kind, attributes) = part.purpose.kind();
        let partition = Partition {
            guid: job.ids.uuid(&format!("partition {name}")),
            name,
            kind,
            first: lba(part.offset),
            last: Lba(lba(part.end()).0 - 1),
            attributes,
        };
        (number, partition)
    });
    Table {
        guid: job.ids.uuid("disk"),
        partitions: partitions.collect(),
    }
}
