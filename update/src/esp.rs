//! The disks that hold the boot state of the running system, and what `vigie-boot-state` knows of
//! an ESP.

use std::path::PathBuf;

use vigie_disk::KernelDevice;
use vigie_disk::sysfs::{Sysfs, node};

pub use vigie_boot_state::esp::{
    ESP_PARTITION, EspError, GRUBENV, leave, load, open_on, save, save_on_all,
};

use crate::running::Running;

/// Opens the ESP on the disk that this system was started from.
pub fn open(running: &Running, sysfs: &Sysfs, write: bool) -> Result<KernelDevice, EspError> {
    let disk = running.disk.as_deref().ok_or(EspError::Live)?;
    open_on(disk, sysfs, write)
}

/// The other disks of this system: those with a member in the state volume's array, as the
/// kernel runs it. None where the started disk is not in it itself: it was left out as out of
/// date, and what its slots are is not what the others' are.
pub fn other_disks(running: &Running, sysfs: &Sysfs) -> Vec<PathBuf> {
    let kernel_name = |node: &Option<PathBuf>| node.as_deref().and_then(Sysfs::kernel_name);
    let names = (
        kernel_name(&running.disk),
        kernel_name(&running.state_device),
    );
    let (Some(own), Some(state)) = names else {
        return Vec::new();
    };
    let is_array = sysfs.attribute(&state, "md/level").is_some();
    let mut disks = sysfs.disks_under(&state);
    if !is_array || !disks.contains(&own) {
        return Vec::new();
    }
    disks.retain(|disk| *disk != own);
    disks.iter().map(|disk| node(disk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_disks_are_those_of_the_running_array() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("vda/vda7/partition", "7"),
            ("vdb/vdb7/partition", "7"),
            ("vdc/vdc7/partition", "7"),
            ("md126/md/level", "raid1\n"),
            ("md126/slaves/vda7/x", ""),
            ("md126/slaves/vdb7/x", ""),
            ("dm-1/slaves/vda7/x", ""),
            ("dm-1/slaves/vdb7/x", ""),
        ] {
            let path = dir.path().join("block").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let sysfs = Sysfs::new(dir.path());
        for (disk, state, others) in [
            ("vda", "md126", &["/dev/vdb"][..]),
            ("vdb", "md126", &["/dev/vda"]),
            // Left out of the array: its slots are not theirs.
            ("vdc", "md126", &[]),
            ("vda", "vda7", &[]),
            ("vda", "dm-1", &[]),
            ("vda", "gone", &[]),
        ] {
            let json = format!(
                r#"{{"mode":"installed","slot":"a","disk":"/dev/{disk}","state_device":"/dev/{state}"}}"#
            );
            let running: Running = serde_json::from_str(&json).unwrap();
            let others: Vec<PathBuf> = others.iter().map(PathBuf::from).collect();
            assert_eq!(other_disks(&running, &sysfs), others, "{disk} {state}");
        }
    }
}
