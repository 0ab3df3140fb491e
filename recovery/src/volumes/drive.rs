//! What the system disk of an installation says of itself: two installations in one machine have the
//! machine's serial number in common, and the kernel's names of their disks may change at each start.

use std::path::Path;

use serde::Serialize;
use vigie_disk::sysfs::Sysfs;
use vigie_installer::inventory::serial::{self, is_named};

use super::Installation;

/// No maker's name is longer; what is may be anything.
const LONGEST: usize = 64;

/// Model and serial number of a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drive {
    /// Its model, as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its serial number, as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

impl Drive {
    /// What the kernel knows of a disk, which it calls so.
    #[must_use]
    pub fn of(sysfs: &Sysfs, disk: &str) -> Self {
        Self {
            model: sysfs.attribute(disk, "device/model").and_then(plain),
            serial: serial::of(sysfs, disk).and_then(plain),
        }
    }
}

/// Without what a terminal would act on.
fn plain(text: String) -> Option<String> {
    let shown = text.chars().filter(|c| !c.is_control()).take(LONGEST);
    let shown = shown.collect::<String>().trim().to_owned();
    (!shown.is_empty()).then_some(shown)
}

impl Installation {
    /// Its system disk for a person: "/dev/sda (MODEL, SERIAL)".
    #[must_use]
    pub fn place(&self) -> String {
        let known = [&self.drive.model, &self.drive.serial];
        titled(&self.disk, known.into_iter().flatten())
    }

    /// The same with its host name, to tell it from others: "/dev/sda (MODEL, SERIAL, HOST)".
    #[must_use]
    pub fn title(&self) -> String {
        let known = [&self.drive.model, &self.drive.serial, &self.facts.host];
        titled(&self.disk, known.into_iter().flatten())
    }

    /// Whether a person has typed what names it: the serial number of its system disk or the end of that, its
    /// host name, in any case of letters; the disk's device where it has no serial number.
    #[must_use]
    pub fn is_named(&self, typed: &str) -> bool {
        let host = self.facts.host.as_deref().unwrap_or_default().trim();
        let by_host = !host.is_empty() && host.eq_ignore_ascii_case(typed.trim());
        by_host || is_named(typed, self.drive.serial.as_deref(), &device(&self.disk))
    }
}

fn titled<'a>(disk: &Path, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<&str> = known.map(String::as_str).collect();
    match known.is_empty() {
        true => device(disk),
        false => format!("{} ({})", disk.display(), known.join(", ")),
    }
}

fn device(disk: &Path) -> String {
    disk.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_disk_says_model_and_serial_number_and_nothing_that_moves_a_cursor() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join("block").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("sda/device/model", "Recorder Disk   \n");
        put("sda/device/vpd_pg80", "\0\u{80}\0\u{8}RD4-\u{1b}[2J0123");
        put("sdb/size", "1000");
        let sysfs = Sysfs::new(dir.path());
        let drive = Drive::of(&sysfs, "sda");
        assert_eq!(drive.model.as_deref(), Some("Recorder Disk"));
        assert_eq!(drive.serial.as_deref(), Some("RD4-[2J0123"));
        let mut one = Installation {
            disk: "/dev/sda".into(),
            drive,
            ..Installation::default()
        };
        one.facts.host = Some("hall".to_owned());
        assert_eq!(one.place(), "/dev/sda (Recorder Disk, RD4-[2J0123)");
        assert_eq!(one.title(), "/dev/sda (Recorder Disk, RD4-[2J0123, hall)");
        let none = Installation {
            disk: "/dev/sdb".into(),
            drive: Drive::of(&sysfs, "sdb"),
            ..Installation::default()
        };
        assert_eq!(none.title(), "/dev/sdb");
    }
}
