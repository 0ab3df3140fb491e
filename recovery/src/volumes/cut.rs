//! Disks whose end is missing: cut short, or copied onto a smaller one. The kernel makes no partitions
//! of a table that describes a larger disk, so there is nothing of ours on it to be found; but what
//! is wrong can be said.

use std::path::PathBuf;

use serde::Serialize;
use vigie_disk::sysfs::{Sysfs, node};
use vigie_disk::{Bytes, table};
use vigie_installer::layout::Purpose;

use super::Open;
use crate::message::Message;

/// A disk that is smaller than its table says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// The disk's device node.
    pub disk: PathBuf,
    /// The size of the disk that the table was made for.
    pub table: Bytes,
    /// The size of this one.
    pub size: Bytes,
}

impl Cut {
    /// In words.
    #[must_use]
    pub fn message(&self) -> Message {
        Message::new("volumes.cut")
            .with("disk", self.disk.display())
            .with("table", self.table)
            .with("size", self.size)
            .with("missing", self.table.saturating_sub(self.size))
    }
}

/// The disks of ours whose end is missing. Those that have partitions are not asked: the kernel
/// took their tables.
#[must_use]
pub fn cut(sysfs: &Sysfs, open: Open) -> Vec<Cut> {
    let mut disks = sysfs.disks();
    // A drive without a disk in it has no size.
    disks.retain(|disk| sysfs.size(disk) > Bytes::ZERO && sysfs.partitions(disk).is_empty());
    disks.iter().filter_map(|disk| of(disk, open)).collect()
}

fn of(disk: &str, open: Open) -> Option<Cut> {
    let node = node(disk);
    let device = open(&node).ok()?;
    let said = table::described(device.as_ref())?;
    let is_ours = |name: String| Purpose::try_from(name).is_ok();
    let size = device.size();
    let cut = size < said.end && said.names.into_iter().any(is_ours);
    cut.then_some(Cut {
        disk: node,
        table: said.end,
        size,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use vigie_disk::table::{Partition, Table};
    use vigie_disk::{BlockDevice, Lba, MemoryDevice, SectorSize};
    use vigie_installer::Ids;
    use vigie_settings::Language;

    use super::super::inventory;
    use super::*;
    use crate::words;

    /// A disk of this size that begins as one of 8 GB with a partition of this name.
    fn disk(size: Bytes, name: &str) -> MemoryDevice {
        let ids = Ids::seeded("x", 1);
        let partition = Partition {
            name: name.to_owned(),
            kind: table::types::SRV,
            guid: ids.uuid("partition"),
            first: Lba(2048),
            last: Lba(15_000_000),
            attributes: 0,
        };
        let table = Table {
            guid: ids.uuid("disk"),
            partitions: [(1, partition)].into(),
        };
        let mut whole = MemoryDevice::new(Bytes::gb(8), SectorSize::S512);
        let staged = table.stage(whole.size(), SectorSize::S512).unwrap();
        staged.commit(&mut whole).unwrap();
        let mut disk = MemoryDevice::new(size, SectorSize::S512);
        let first = vigie_disk::device::read_vec(&whole, Bytes::ZERO, 1 << 20).unwrap();
        disk.write_at(Bytes::ZERO, &first).unwrap();
        disk
    }

    fn machine(sizes: &[(&str, Bytes)]) -> (tempfile::TempDir, Sysfs) {
        let dir = tempfile::tempdir().unwrap();
        for (disk, size) in sizes {
            let folder = dir.path().join("block").join(disk);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("size"), (size.get() / 512).to_string()).unwrap();
        }
        let sysfs = Sysfs::new(dir.path());
        (dir, sysfs)
    }

    #[test]
    fn a_disk_of_ours_whose_end_is_missing_is_told() {
        let (small, whole) = (Bytes::gb(8) - Bytes::mib(300), Bytes::gb(8));
        let disks = [
            ("sda", small),
            ("sdb", whole),
            ("sdc", small),
            ("sdd", small),
            ("sr0", Bytes::ZERO),
        ];
        let (dir, sysfs) = machine(&disks);
        // Of this one the kernel took the table.
        let part = dir.path().join("block/sdd/sdd1");
        fs::create_dir(&part).unwrap();
        fs::write(part.join("partition"), "1").unwrap();
        let open = |node: &Path| {
            let disk = match node.to_str().unwrap() {
                "/dev/sda" | "/dev/sdd" => disk(small, "data-1"),
                "/dev/sdb" => disk(whole, "data-1"),
                "/dev/sdc" => disk(small, "Basic data partition"),
                other => panic!("{other} was opened"),
            };
            Ok(Box::new(disk) as Box<dyn BlockDevice>)
        };
        let found = inventory(&sysfs, &open, None);
        let expected = Cut {
            disk: "/dev/sda".into(),
            table: whole,
            size: small,
        };
        assert_eq!(found.cut, [expected]);
        let lines = words::lines(&found, Language::En);
        assert!(lines[0].contains("No installation"), "{lines:?}");
        let said =
            "The table on /dev/sda is of a disk of 8 GB, and this one has 7.6 GB (314.5 MB less)";
        assert!(lines[1].starts_with(said), "{lines:?}");
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["cut"][0]["disk"], "/dev/sda");
    }
}
