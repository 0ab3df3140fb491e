//! The serial number of a disk, as its plate says it, and whether a person has typed it.

use std::fs;

use vigie_disk::sysfs::Sysfs;

/// So many characters at the end of a serial number are enough to name a disk.
pub const ENOUGH: usize = 6;

/// What the kernel knows of it: NVMe and eMMC, virtio, SCSI and SATA, and a USB device's own. `disk` is
/// the kernel's name of it.
#[must_use]
pub fn of(sysfs: &Sysfs, disk: &str) -> Option<String> {
    let attribute = |name| sysfs.attribute(disk, name);
    attribute("device/serial")
        .or_else(|| attribute("serial"))
        .or_else(|| page_80(sysfs, disk))
        .or_else(|| of_usb(sysfs, disk))
}

/// Whether what was typed names a disk: by its serial number or the end of it, in any case of letters; by
/// its device ("/dev/sda", or "sda") where it has none.
#[must_use]
pub fn is_named(typed: &str, serial: Option<&str>, device: &str) -> bool {
    let typed = typed.trim();
    let Some(serial) = told(serial) else {
        return typed == device || Some(typed) == device.strip_prefix("/dev/");
    };
    let length = serial.chars().count();
    let end: String = serial.chars().skip(length.saturating_sub(ENOUGH)).collect();
    typed.eq_ignore_ascii_case(serial) || typed.eq_ignore_ascii_case(&end)
}

/// A serial number, where it is more than blanks.
#[must_use]
pub fn told(serial: Option<&str>) -> Option<&str> {
    serial.map(str::trim).filter(|serial| !serial.is_empty())
}

/// SCSI and SATA disks tell theirs in VPD page 0x80, in binary (SPC-4, section 7.8.15).
fn page_80(sysfs: &Sysfs, disk: &str) -> Option<String> {
    let page = fs::read(sysfs.disk_folder(disk).join("device/vpd_pg80")).ok()?;
    let serial = String::from_utf8_lossy(page.get(4..)?).trim().to_owned();
    (!serial.is_empty()).then_some(serial)
}

/// A stick has it in its USB descriptor (`iSerialNumber`): the nearest device above the disk that
/// has a vendor of USB. Where that is a reader of several cards, all of them have its number.
fn of_usb(sysfs: &Sysfs, disk: &str) -> Option<String> {
    let place = fs::canonicalize(sysfs.disk_folder(disk)).ok()?;
    let device = place
        .ancestors()
        .find(|folder| folder.join("idVendor").is_file())?;
    let serial = fs::read_to_string(device.join("serial")).ok()?;
    let serial = serial.trim();
    (!serial.is_empty()).then(|| serial.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn who_types_the_right_name() {
        for (serial, typed, expected) in [
            (Some("WD-WCC4M1234567"), "WD-WCC4M1234567", true),
            (Some("WD-WCC4M1234567"), " wd-wcc4m1234567 ", true),
            (Some("WD-WCC4M1234567"), "234567", true),
            (Some("WD-WCC4M1234567"), "34567", false),
            (Some("WD-WCC4M1234567"), "1234567", false),
            (Some("WD-WCC4M1234567"), "nvme0n1", false),
            (Some("WD-WCC4M1234567"), "", false),
            (Some("A1"), "A1", true),
            (Some("A1"), "1", false),
            (None, "nvme0n1", true),
            (None, "/dev/nvme0n1", true),
            (Some("  "), "nvme0n1", true),
            (None, "", false),
        ] {
            let found = is_named(typed, serial, "/dev/nvme0n1");
            assert_eq!(found, expected, "{serial:?} {typed:?}");
        }
    }

    #[test]
    fn a_stick_has_that_of_its_usb_device_and_not_of_the_hub_above() {
        let dir = tempfile::tempdir().unwrap();
        let hub = "devices/pci0000:00/0000:00:14.0/usb2";
        let disk = format!("{hub}/2-3/2-3:1.0/host6/target6:0:0/6:0:0:0/block/sdb");
        put(dir.path(), &format!("{disk}/size"), "15728640\n");
        put(dir.path(), &format!("{hub}/idVendor"), "1d6b\n");
        put(dir.path(), &format!("{hub}/serial"), "0000:00:14.0\n");
        put(dir.path(), &format!("{hub}/2-3/idVendor"), "0951\n");
        fs::create_dir(dir.path().join("block")).unwrap();
        symlink(dir.path().join(&disk), dir.path().join("block/sdb")).unwrap();
        let sysfs = Sysfs::new(dir.path());
        assert_eq!(of(&sysfs, "sdb"), None);
        put(dir.path(), &format!("{hub}/2-3/serial"), "60A44C41F1\n");
        assert_eq!(of(&sysfs, "sdb").as_deref(), Some("60A44C41F1"));
        // What the disk behind the bridge says itself is on its plate.
        put(
            dir.path(),
            &format!("{disk}/device/vpd_pg80"),
            "\0\u{1}\0\u{4}WD-1",
        );
        assert_eq!(of(&sysfs, "sdb").as_deref(), Some("WD-1"));
    }
}
