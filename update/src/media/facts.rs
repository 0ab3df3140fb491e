//! What is known of a device that may be a medium, read from the running system.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use vigie_disk::sysfs::Sysfs;

use super::Facts;
use super::place::MEDIA;
use crate::running::{Mode, Running};

/// Gathers the facts of the device with this kernel name.
///
/// # Errors
/// There is no such device any more; udev cannot be asked.
pub fn gather(name: &str, running: &Running, sysfs: &Sysfs) -> Result<Facts> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").context("reading the mounts")?;
    let properties = udev_properties(name)?;
    from(name, running, sysfs, &mounts, &properties)
}

/// The same from what was read.
fn from(
    name: &str,
    running: &Running,
    sysfs: &Sysfs,
    mounts: &str,
    properties: &str,
) -> Result<Facts> {
    let disk = disk_of(sysfs, name).with_context(|| format!("{name} is not there any more"))?;
    let (media, users): (Vec<String>, Vec<String>) = mounts_of(mounts, &sysfs.numbers(&disk))
        .into_iter()
        .partition(|place| Path::new(place).starts_with(MEDIA));
    // A medium that is asked for twice is in use by itself.
    let own = Path::new(MEDIA).join(name);
    let again = media.into_iter().filter(|place| Path::new(place) == own);
    let partitions = sysfs.partitions(&disk).into_iter();
    Ok(Facts {
        name: name.to_owned(),
        usb: is_usb(&sysfs.disk_folder(&disk))?,
        file_system: property(properties, "ID_FS_TYPE"),
        partitions: partitions.map(|p| p.name.unwrap_or_default()).collect(),
        of_system: system_disks(running, sysfs).contains(&disk),
        users: again.chain(users).chain(sysfs.holders(&disk)).collect(),
        live: running.mode == Mode::Live,
        mounted: places(mounts)
            .filter(|(_, place)| Path::new(place).starts_with(MEDIA))
            .count(),
        // Spaces are underscores in it.
        model: property(properties, "ID_MODEL").map(|model| model.replace('_', " ")),
        label: property(properties, "ID_FS_LABEL"),
        disk,
    })
}

/// The whole disk of a kernel name; itself where it is one.
fn disk_of(sysfs: &Sysfs, name: &str) -> Option<String> {
    let has = |disk: &String| {
        let mut partitions = sysfs.partitions(disk).into_iter();
        disk == name || partitions.any(|partition| partition.kernel_name == name)
    };
    sysfs.disks().into_iter().find(has)
}

/// Whether the way to a device in the kernel's tree leads through a USB bus, which is called
/// `usb1` and so on there. udev's `ID_BUS` says `ata` of many disks in USB cases.
fn is_usb(folder: &Path) -> Result<bool> {
    let real = folder
        .canonicalize()
        .with_context(|| format!("following {}", folder.display()))?;
    Ok(real.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        let number = part.strip_prefix("usb");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    }))
}

/// Disks that hold the running system: the one that it started from, and those under its state.
fn system_disks(running: &Running, sysfs: &Sysfs) -> Vec<String> {
    let named = |node: &PathBuf| Sysfs::kernel_name(node);
    let nodes = [running.disk.as_ref(), running.state_device.as_ref()];
    let names: Vec<String> = nodes.into_iter().flatten().filter_map(named).collect();
    let whole = names.iter().filter_map(|name| disk_of(sysfs, name));
    let under = names.iter().flat_map(|name| sysfs.disks_under(name));
    whole.chain(under).collect()
}

/// Device number and mount point of each mount (proc(5): id, parent, major:minor, root, mount
/// point).
fn places(mounts: &str) -> impl Iterator<Item = (&str, &str)> {
    mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(2);
        Some((words.next()?, words.nth(1)?))
    })
}

fn mounts_of(mounts: &str, numbers: &[String]) -> Vec<String> {
    places(mounts)
        .filter(|(number, _)| numbers.iter().any(|one| one == number))
        .map(|(_, place)| place.to_owned())
        .collect()
}

fn property(properties: &str, key: &str) -> Option<String> {
    let mut pairs = properties.lines().filter_map(|line| line.split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == key)?;
    (!value.is_empty()).then(|| value.to_owned())
}

/// What udev knows of a device, as lines `KEY=value` (udevadm(8)).
fn udev_properties(name: &str) -> Result<String> {
    let output = Command::new("udevadm")
        .args(["info", "--query=property", "--name"])
        .arg(vigie_disk::sysfs::node(name))
        .output()
        .context("asking udev: starting udevadm")?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "asking udev about {name}: {}: {}",
        output.status,
        words.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::media::{FileSystem, LeftAlone, decide};

    const MOUNTS: &str = "22 1 8:7 / /var rw - ext4 /dev/sda7 rw\n\
                          30 1 8:17 / /run/vigie/media/sdb1 ro - vfat /dev/sdb1 ro\n\
                          31 1 0:25 / /run rw - tmpfs tmpfs rw\n";

    /// sda: the system disk on SATA. sdb: a stick of two partitions, of which the first is mounted.
    /// sdc: a disk in a USB case, part of an array. sr0: a disc on SATA.
    fn machine() -> (tempfile::TempDir, Sysfs) {
        let dir = tempfile::tempdir().unwrap();
        let usb = "devices/pci0000:00/usb2/2-1/host6";
        let sata = "devices/pci0000:00/ata1/host0";
        for (path, text) in [
            (format!("{sata}/sda/dev"), "8:0"),
            (format!("{sata}/sda/sda7/partition"), "7"),
            (format!("{sata}/sda/sda7/dev"), "8:7"),
            (format!("{sata}/sr0/dev"), "11:0"),
            (format!("{usb}/sdb/dev"), "8:16"),
            (format!("{usb}/sdb/sdb1/partition"), "1"),
            (format!("{usb}/sdb/sdb1/dev"), "8:17"),
            (format!("{usb}/sdb/sdb2/partition"), "2"),
            (format!("{usb}/sdb/sdb2/dev"), "8:18"),
            (format!("{usb}/sdc/dev"), "8:32"),
            (format!("{usb}/sdc/sdc1/partition"), "1"),
            (format!("{usb}/sdc/sdc1/dev"), "8:33"),
            (format!("{usb}/sdc/sdc1/holders/md5/x"), ""),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir(dir.path().join("block")).unwrap();
        for (way, disk) in [(sata, "sda"), (sata, "sr0"), (usb, "sdb"), (usb, "sdc")] {
            let folder = dir.path().join(way).join(disk);
            symlink(folder, dir.path().join("block").join(disk)).unwrap();
        }
        let sysfs = Sysfs::new(dir.path());
        (dir, sysfs)
    }

    fn running(mode: &str) -> Running {
        let text = format!(
            r#"{{"mode":"{mode}","slot":"a","disk":"/dev/sda","state_device":"/dev/sda7"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_plugged_in_is_told_from_what_is_built_in() {
        let (_dir, sysfs) = machine();
        let told = |name: &str, mode: &str| {
            let properties = "DEVTYPE=partition\nID_BUS=ata\nID_FS_TYPE=vfat\n";
            let facts = from(name, &running(mode), &sysfs, MOUNTS, properties).unwrap();
            decide(&facts).map_err(|left| left.to_string())
        };
        let refused = |name, mode| told(name, mode).unwrap_err();
        assert_eq!(told("sdb2", "installed"), Ok(FileSystem::Vfat));
        assert_eq!(told("sr0", "installed"), Ok(FileSystem::Vfat));
        assert_eq!(refused("sdb2", "live"), LeftAlone::Live.to_string());
        assert_eq!(refused("sda7", "installed"), LeftAlone::Fixed.to_string());
        assert_eq!(
            refused("sdb", "installed"),
            LeftAlone::Partitioned.to_string()
        );
        assert_eq!(
            refused("sdb1", "installed"),
            "sdb is in use: /run/vigie/media/sdb1"
        );
        assert_eq!(refused("sdc1", "installed"), "sdc is in use: md5");
    }

    #[test]
    fn a_system_on_a_usb_disk_is_no_medium() {
        let (_dir, sysfs) = machine();
        let mut running = running("installed");
        running.disk = Some("/dev/sdb".into());
        let facts = from("sdb2", &running, &sysfs, "", "ID_FS_TYPE=vfat\n").unwrap();
        assert_eq!(decide(&facts), Err(LeftAlone::OfSystem("sdb".into())));
        running.disk = None;
        running.state_device = Some("/dev/sdb2".into());
        let facts = from("sdb1", &running, &sysfs, "", "ID_FS_TYPE=vfat\n").unwrap();
        assert_eq!(decide(&facts), Err(LeftAlone::OfSystem("sdb".into())));
    }

    #[test]
    fn a_medium_is_told_by_its_model_and_label() {
        let (_dir, sysfs) = machine();
        let properties = "ID_MODEL=USB_DISK_3.0\nID_FS_LABEL=BACKUP\nID_FS_TYPE=ntfs\n";
        let facts = from("sdb2", &running("installed"), &sysfs, "", properties).unwrap();
        let named = (facts.model.as_deref(), facts.label.as_deref());
        assert_eq!(named, (Some("USB DISK 3.0"), Some("BACKUP")));
    }

    #[test]
    fn what_is_gone_or_unclear_is_said() {
        let (_dir, sysfs) = machine();
        let gone = from("sdd1", &running("installed"), &sysfs, "", "").unwrap_err();
        assert_eq!(gone.to_string(), "sdd1 is not there any more");
        let facts = from(
            "sdb2",
            &running("installed"),
            &sysfs,
            "",
            "ID_FS_TYPE=\nX\n",
        )
        .unwrap();
        assert_eq!(decide(&facts), Err(LeftAlone::NoFileSystem));
    }
}
