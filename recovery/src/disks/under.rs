//! The disks that a volume lies on: a partition's disk, those of an array's members.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use vigie_disk::sysfs::Sysfs;
use vigie_installer::inventory::machine::is_disk;

/// Arrays of arrays and mapped devices on these are as deep as this at most; a loop must end.
const DEEPEST: usize = 8;

/// The disks of this machine, by their kernel's names.
#[must_use]
pub fn all(sysfs: &Sysfs) -> Vec<String> {
    let mut disks = sysfs.disks();
    disks.retain(|disk| is_disk(sysfs, disk));
    disks
}

/// The same under device nodes and links to such. An image file lies on none that it would be repaired as,
/// whatever its name.
#[must_use]
pub fn nodes<'a>(sysfs: &Sysfs, nodes: impl IntoIterator<Item = &'a Path>) -> Vec<String> {
    let names: Vec<String> = nodes.into_iter().filter_map(device).collect();
    of(sysfs, &names)
}

/// The disk, array or mapped device that a device node is, or is a partition of.
#[must_use]
pub fn disk_of(sysfs: &Sysfs, node: &Path) -> Option<String> {
    whole(sysfs, &device(node)?)
}

fn device(node: &Path) -> Option<String> {
    let is_file = fs::metadata(node).is_ok_and(|facts| facts.is_file());
    if is_file {
        return None;
    }
    Sysfs::kernel_name(node)
}

/// The disks under devices, given and named as the kernel does ("sda7", "md127"); each once, in
/// order. What is no disk of this machine is left out.
#[must_use]
fn of(sysfs: &Sysfs, devices: &[String]) -> Vec<String> {
    let all = all(sysfs);
    let mut found = BTreeSet::new();
    for device in devices {
        collect(sysfs, device, &mut found, DEEPEST);
    }
    found.retain(|disk| all.contains(disk));
    found.into_iter().collect()
}

fn collect(sysfs: &Sysfs, device: &str, found: &mut BTreeSet<String>, depth: usize) {
    let Some(disk) = whole(sysfs, device) else {
        return;
    };
    let under = sysfs.disks_under(&disk);
    if under.is_empty() || depth == 0 {
        found.insert(disk);
    }
    for part in under.iter().filter(|_| depth > 0) {
        collect(sysfs, part, found, depth - 1);
    }
}

/// The disk itself, or that of a partition.
fn whole(sysfs: &Sysfs, device: &str) -> Option<String> {
    let disks = sysfs.disks();
    let has = |disk: &String| {
        let mut partitions = sysfs.partitions(disk).into_iter();
        disk == device || partitions.any(|one| one.kernel_name == device)
    };
    disks.into_iter().find(has)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn members_of_arrays_and_partitions_lead_to_their_disks() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("sda/size", "1000"),
            ("sda/sda7/partition", "7"),
            ("sdb/size", "1000"),
            ("sdb/sdb8/partition", "8"),
            ("nvme0n1/size", "1000"),
            ("nvme0n1/nvme0n1p8/partition", "8"),
            ("sr0/size", "2000"),
            ("loop0/size", "2000"),
            ("md127/size", "900"),
            ("md127/slaves/sdb8/x", ""),
            ("md127/slaves/nvme0n1p8/x", ""),
            ("md127/md127p1/partition", "1"),
            ("dm-0/size", "900"),
            ("dm-0/slaves/md127/x", ""),
        ] {
            let path = dir.path().join("block").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sysfs = Sysfs::new(dir.path());
        assert_eq!(all(&sysfs), ["nvme0n1", "sda", "sdb"]);
        let under = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            of(&sysfs, &names).join(" ")
        };
        assert_eq!(under(&["sda7"]), "sda");
        assert_eq!(under(&["md127", "sda"]), "nvme0n1 sda sdb");
        assert_eq!(under(&["md127p1"]), "nvme0n1 sdb");
        assert_eq!(under(&["dm-0"]), "nvme0n1 sdb");
        assert_eq!(under(&["loop0", "nothing", "sdc1"]), "");
        let file = dir.path().join("sda7");
        fs::write(&file, "an image").unwrap();
        let link = dir.path().join("by-uuid");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let paths = [file.as_path(), &link, Path::new("/dev/md127")];
        assert_eq!(nodes(&sysfs, paths).join(" "), "nvme0n1 sdb");
    }
}
