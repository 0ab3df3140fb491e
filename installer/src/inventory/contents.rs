//! What lies on a disk: signatures on it and in its partitions, and its partition table.

use std::path::Path;

use vigie_disk::device::read_vec;
use vigie_disk::probe::{EDGE, Found, Kind, is_blank, probe};
use vigie_disk::sysfs::{Sysfs, node};
use vigie_disk::table::Table;
use vigie_disk::{BlockDevice, Bytes, KernelDevice, mbr};

use super::{Content, Existing, Place};

/// Why a disk cannot be read at its start or its end, where what is on it would show.
pub fn trouble(name: &str) -> Option<String> {
    let look = || {
        let disk = KernelDevice::open_read_only(&node(name))?;
        let last = disk.size().saturating_sub(EDGE);
        let edge = EDGE.min(disk.size()).get() as usize;
        read_vec(&disk, Bytes::ZERO, edge)?;
        read_vec(&disk, last, edge)
    };
    look()
        .err()
        .map(|error: vigie_disk::Error| error.to_string())
}

/// What is on a disk and its partitions; what cannot be opened counts as empty. A disk on which
/// nothing is recognised, and which is not blank, holds something unknown.
pub fn of_disk(sysfs: &Sysfs, name: &str) -> Vec<Content> {
    let look = |path: &Path| {
        KernelDevice::open_read_only(path).map_or_else(|_| Vec::new(), |device| probe(&device))
    };
    let whole = look(&node(name)).into_iter().map(|found| Content {
        partition: None,
        name: None,
        found,
    });
    let mut contents: Vec<Content> = whole.collect();
    for partition in sysfs.partitions(name) {
        contents.extend(look(&partition.node).into_iter().map(|found| Content {
            partition: Some(partition.number),
            name: partition.name.clone(),
            found,
        }));
    }
    if contents.is_empty()
        && let Ok(disk) = KernelDevice::open_read_only(&node(name))
    {
        contents.extend(unknown(&disk));
    }
    contents
}

/// Something that is not known, where a disk that carries no signature is not blank. The installation
/// zeroes first where this looks, so one that was cut off can be made again by the same answers.
fn unknown(device: &dyn BlockDevice) -> Option<Content> {
    (!is_blank(device)).then_some(Content {
        partition: None,
        name: None,
        found: Found {
            kind: Kind::Unknown,
            label: None,
            uuid: None,
        },
    })
}

/// The partitions of a disk's GPT and of its MBR; none where it has none that can be read.
pub fn partitions(name: &str) -> (Vec<Existing>, Vec<Place>) {
    let disk = KernelDevice::open_read_only(&node(name));
    disk.map_or_else(
        |_| Default::default(),
        |disk| (listed(&disk), of_mbr(&disk)),
    )
}

/// The partitions of an MBR on a device that is at hand.
pub fn of_mbr(device: &dyn BlockDevice) -> Vec<Place> {
    let found = mbr::partitions(device).into_iter();
    found
        .map(|one| Place {
            offset: one.start,
            size: one.end - one.start,
        })
        .collect()
}

/// The partitions of a GPT on a device that is at hand.
pub fn listed(device: &dyn BlockDevice) -> Vec<Existing> {
    let sector = device.sector_size();
    let table = Table::read(device).ok().flatten();
    let partitions = table.into_iter().flat_map(|table| table.partitions);
    partitions
        .map(|(number, partition)| Existing {
            number,
            offset: partition.offset(sector),
            size: partition.length(sector),
            name: partition.name,
            kind: partition.kind,
        })
        .collect()
}

/// What is on a disk that is at hand as a device, its partitions not looked at.
pub fn contents_of(device: &dyn BlockDevice) -> Vec<Content> {
    let found = probe(device).into_iter();
    let mut contents: Vec<Content> = found
        .map(|found| Content {
            partition: None,
            name: None,
            found,
        })
        .collect();
    if contents.is_empty() {
        contents.extend(unknown(device));
    }
    contents
}
