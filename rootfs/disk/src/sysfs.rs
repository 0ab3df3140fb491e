//! Disks and partitions as the kernel lists them under /sys.
//!
//! Partitions are found by their table's name *on a given disk*, never by a
//! label search over all disks: two disks may carry the same installation.

use std::fs;
use std::path::{Path, PathBuf};

use crate::units::Bytes;

/// A view of /sys; a test points it at a tree of its own.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: PathBuf,
}

/// A partition as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelPartition {
    /// The kernel's name, as "nvme0n1p2".
    pub kernel_name: String,
    /// Its device node, as "/dev/nvme0n1p2".
    pub node: PathBuf,
    /// Its number in the table.
    pub number: u32,
    /// Its name in the table, where it has one.
    pub name: Option<String>,
    /// Its size.
    pub size: Bytes,
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::new("/sys")
    }
}

impl Sysfs {
    /// A view of the tree at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Names of all whole disks and disk-like devices, sorted.
    pub fn disks(&self) -> Vec<String> {
        sorted_names(&self.root.join("block"))
    }

    /// Names of all block devices, partitions included, sorted.
    pub fn all(&self) -> Vec<String> {
        sorted_names(&self.root.join("class/block"))
    }

    /// Folder of a disk.
    pub fn disk_folder(&self, disk: &str) -> PathBuf {
        self.root.join("block").join(kernel_spelling(disk))
    }

    /// One attribute of a disk, trimmed; none where absent or empty.
    pub fn attribute(&self, disk: &str, name: &str) -> Option<String> {
        read_trimmed(&self.disk_folder(disk).join(name))
    }

    /// Partitions of a disk, by number.
    pub fn partitions(&self, disk: &str) -> Vec<KernelPartition> {
        let folder = self.disk_folder(disk);
        let mut partitions: Vec<KernelPartition> = sorted_names(&folder)
            .iter()
            .filter_map(|entry| partition(&folder.join(entry), entry))
            .collect();
        partitions.sort_by_key(|partition| partition.number);
        partitions
    }

    /// The partition of that name on that disk, where exactly one has it.
    pub fn partition_named(&self, disk: &str, name: &str) -> Option<KernelPartition> {
        let mut having = self
            .partitions(disk)
            .into_iter()
            .filter(|partition| partition.name.as_deref() == Some(name));
        having.next().filter(|_| having.next().is_none())
    }

    /// The whole disk that a device number (`major:minor`) belongs to.
    pub fn disk_of_number(&self, number: &str) -> Option<String> {
        self.disks().into_iter().find(|disk| {
            let folder = self.disk_folder(disk);
            let has = |folder: &Path| read_trimmed(&folder.join("dev")).as_deref() == Some(number);
            has(&folder)
                || sorted_names(&folder)
                    .iter()
                    .any(|entry| has(&folder.join(entry)))
        })
    }

    /// The kernel name behind a node of /dev, links resolved: "/dev/vda" is "vda".
    pub fn kernel_name(node: &Path) -> Option<String> {
        let real = node.canonicalize().unwrap_or_else(|_| node.to_owned());
        Some(real.file_name()?.to_str()?.to_owned())
    }
}

/// "cciss/c0d0" is spelt "cciss!c0d0" under /sys.
fn kernel_spelling(name: &str) -> String {
    name.replace('/', "!")
}

/// The device node of a kernel name.
pub fn node(kernel_name: &str) -> PathBuf {
    Path::new("/dev").join(kernel_name.replace('!', "/"))
}

fn partition(folder: &Path, kernel_name: &str) -> Option<KernelPartition> {
    let number = read_trimmed(&folder.join("partition"))?.parse().ok()?;
    let uevent = fs::read_to_string(folder.join("uevent")).unwrap_or_default();
    let name = uevent
        .lines()
        .find_map(|line| line.strip_prefix("PARTNAME="));
    Some(KernelPartition {
        kernel_name: kernel_name.to_owned(),
        node: node(kernel_name),
        number,
        name: name.map(str::to_owned),
        size: sectors(&folder.join("size")),
    })
}

/// A size file of /sys counts 512-byte units whatever the disk's sectors are.
pub(crate) fn sectors(path: &Path) -> Bytes {
    let count = read_trimmed(path)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    Bytes::new(512) * count
}

fn read_trimmed(path: &Path) -> Option<String> {
    let text = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn sorted_names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

impl Sysfs {
    /// Size of a whole disk.
    pub fn size(&self, disk: &str) -> Bytes {
        sectors(&self.disk_folder(disk).join("size"))
    }

    /// Folder of a disk or of a partition. That of a partition lies within its disk's.
    fn folder(&self, name: &str) -> PathBuf {
        let own = self.disk_folder(name);
        let spelt = kernel_spelling(name);
        let within = |disk: String| self.disk_folder(&disk).join(&spelt);
        let mut places = self.disks().into_iter().map(within);
        match own.is_dir() {
            true => own,
            false => places.find(|place| place.is_dir()).unwrap_or(own),
        }
    }

    /// Names of the devices that are built on this disk or partition (md, dm), or on the disk's
    /// partitions.
    pub fn holders(&self, name: &str) -> Vec<String> {
        let folder = self.folder(name);
        let mut holders = sorted_names(&folder.join("holders"));
        for partition in self.partitions(name) {
            holders.extend(sorted_names(
                &folder.join(partition.kernel_name).join("holders"),
            ));
        }
        holders.sort();
        holders.dedup();
        holders
    }

    /// Names of the disks that a device (md, dm) is built on, or on whose partitions.
    pub fn disks_under(&self, device: &str) -> Vec<String> {
        let parts = sorted_names(&self.disk_folder(device).join("slaves"));
        let is_part = |name: &String| parts.contains(name);
        let mut disks = self.disks();
        disks.retain(|disk| {
            let mut partitions = self.partitions(disk).into_iter();
            is_part(disk) || partitions.any(|one| is_part(&one.kernel_name))
        });
        disks
    }

    /// Device numbers (`major:minor`) of a disk and its partitions.
    pub fn numbers(&self, disk: &str) -> Vec<String> {
        let folder = self.disk_folder(disk);
        let own = read_trimmed(&folder.join("dev"));
        let partitions = self.partitions(disk).into_iter();
        let of_partitions =
            partitions.filter_map(|one| read_trimmed(&folder.join(one.kernel_name).join("dev")));
        own.into_iter().chain(of_partitions).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Sysfs) {
        let dir = tempfile::tempdir().unwrap();
        for (path, contents) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let sysfs = Sysfs::new(dir.path());
        (dir, sysfs)
    }

    #[test]
    fn partitions_are_found_by_name_on_their_disk() {
        let (_dir, sysfs) = tree(&[
            ("block/nvme0n1/dev", "259:0\n"),
            ("block/nvme0n1/size", "15625000\n"),
            ("block/nvme0n1/nvme0n1p2/partition", "2\n"),
            ("block/nvme0n1/nvme0n1p2/dev", "259:2\n"),
            ("block/nvme0n1/nvme0n1p2/size", "2048\n"),
            (
                "block/nvme0n1/nvme0n1p2/uevent",
                "DEVNAME=nvme0n1p2\nPARTNAME=vigie-esp\n",
            ),
            ("block/nvme0n1/nvme0n1p10/partition", "10\n"),
            ("block/nvme0n1/nvme0n1p10/uevent", "PARTNAME=data-3\n"),
            ("block/nvme0n1/nvme0n1p10/holders/md0/x", ""),
            ("block/sda/sda1/partition", "1\n"),
            ("block/sda/sda1/uevent", "PARTNAME=vigie-esp\n"),
            ("block/sda/sda2/partition", "2\n"),
            ("block/sda/sda2/uevent", "PARTNAME=vigie-esp\n"),
            ("block/sda/queue/rotational", "1"),
            ("block/md0/slaves/nvme0n1p10/x", ""),
            ("block/md0/slaves/sda/x", ""),
            ("block/md1/slaves/nvme0n1p1/x", ""),
        ]);
        assert_eq!(sysfs.disks(), ["md0", "md1", "nvme0n1", "sda"]);
        assert_eq!(sysfs.disks_under("md0"), ["nvme0n1", "sda"]);
        assert_eq!(sysfs.disks_under("md1"), [""; 0], "no such partition");
        assert_eq!(sysfs.disks_under("sda"), [""; 0]);
        let esp = sysfs.partition_named("nvme0n1", "vigie-esp").unwrap();
        assert_eq!(esp.node, Path::new("/dev/nvme0n1p2"));
        assert_eq!(esp.size, Bytes::MIB);
        assert_eq!(sysfs.partitions("nvme0n1").last().unwrap().number, 10);
        assert_eq!(
            sysfs.partition_named("sda", "vigie-esp"),
            None,
            "two have the name"
        );
        assert_eq!(sysfs.disk_of_number("259:2").as_deref(), Some("nvme0n1"));
        assert_eq!(sysfs.holders("nvme0n1"), ["md0"]);
        // As the updater asks, for the array of a member.
        assert_eq!(sysfs.holders("nvme0n1p10"), ["md0"]);
        assert_eq!(sysfs.holders("nvme0n1p2"), [""; 0]);
        assert_eq!(sysfs.numbers("nvme0n1"), ["259:0", "259:2"]);
        assert_eq!(sysfs.size("nvme0n1"), Bytes::gb(8));
    }
}
