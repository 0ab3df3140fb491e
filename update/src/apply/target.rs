//! The disks of the running appliance, as the updater needs them: the boot state, and the devices
//! of a slot.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use vigie_disk::KernelDevice;
use vigie_disk::device::BlockDevice;
use vigie_disk::md::Superblock;
use vigie_disk::sysfs::{Sysfs, node};
use vigie_settings::Said;

use super::ApplyError;
use crate::boot_state::BootState;
use crate::esp::{self, EspError};
use crate::package::member::Slots;
use crate::running::Running;
use crate::slot::Slot;
use crate::spoken::{both, esp_in_french};

/// A slot's devices, and the same as descriptors for the unpacking process.
pub struct OpenSlot {
    /// The devices.
    pub devices: Slots<Box<dyn BlockDevice>>,
    /// The opened files behind them; none where there are no files.
    pub files: Option<Slots<File>>,
}

impl OpenSlot {
    /// System and boot, where there are files behind the devices.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.files
            .iter()
            .flat_map(|files| [files.system.as_fd(), files.boot.as_fd()])
    }
}

/// Where an update goes.
pub trait Target {
    /// The boot state of the disk that this system started from.
    fn load(&self) -> Result<BootState, ApplyError>;
    /// Replaces it on every disk of the system, that of the started disk last. On another disk a
    /// slot that it has no current copy of is not to be started, whatever `state` says.
    fn save(&mut self, state: &BootState) -> Result<(), ApplyError>;
    /// Opens the devices of a slot.
    fn open(&mut self, slot: Slot, write: bool) -> Result<OpenSlot, ApplyError>;
}

/// Replaces the boot state where it counts: on the started disk, which is written last and most
/// likely starts again. What another disk said is handed back, to be told once all is done.
///
/// # Errors
/// The started disk does not have the new state: nothing has happened.
pub fn save_or_tell(
    target: &mut dyn Target,
    state: &BootState,
) -> Result<Option<ApplyError>, ApplyError> {
    let Err(error) = target.save(state) else {
        return Ok(None);
    };
    match target.load() {
        Ok(found) if found == *state => Ok(Some(error)),
        _ => Err(error),
    }
}

/// The running appliance.
#[derive(Debug)]
pub struct Appliance {
    running: Running,
    sysfs: Sysfs,
}

impl Appliance {
    /// The appliance of this boot.
    #[must_use]
    pub fn new(running: Running, sysfs: Sysfs) -> Self {
        Self { running, sysfs }
    }

    /// The device of one of the system's volumes: its partition, or the array that this is a
    /// member of, which is started where it does not run.
    ///
    /// # Errors
    /// There is no such partition, or no array of it.
    pub fn device(&self, name: &str) -> Result<PathBuf, ApplyError> {
        let disk = self.running.disk.as_deref().ok_or(ApplyError::Live)?;
        let partition = Sysfs::kernel_name(disk)
            .and_then(|disk| self.sysfs.partition_named(&disk, name))
            .ok_or_else(|| ApplyError::NoPartition {
                disk: disk.display().to_string(),
                name: name.to_owned(),
            })?;
        match Superblock::read(&KernelDevice::open_read_only(&partition.node)?)? {
            Some(superblock) => self.array(&partition.node, &superblock, name),
            None => Ok(partition.node),
        }
    }

    fn open_one(&self, name: &str, write: bool) -> Result<KernelDevice, ApplyError> {
        let path = self.device(name)?;
        Ok(if write {
            self.is_on_started_disk(&path, name)?;
            KernelDevice::open_exclusive(&path)?
        } else {
            KernelDevice::open_read_only(&path)?
        })
    }

    /// What is written to an array must reach the started disk, which is the one that starts it: a
    /// member that has failed there, or is being made anew, keeps the old kernel.
    fn is_on_started_disk(&self, array: &Path, name: &str) -> Result<(), ApplyError> {
        let disk = self.running.disk.as_deref().and_then(Sysfs::kernel_name);
        let own = disk.and_then(|disk| self.sysfs.partition_named(&disk, name));
        let (Some(own), Some(array)) = (own, Sysfs::kernel_name(array)) else {
            return Ok(());
        };
        if own.kernel_name == array || self.sysfs.is_in_sync(&array, &own.kernel_name) {
            return Ok(());
        }
        Err(ApplyError::Array {
            name: name.to_owned(),
            why: both(
                format!(
                    "{} has failed in it or is being made anew; wait for that, or replace the disk",
                    own.node.display()
                ),
                format!(
                    "{} y est en panne ou en cours de reconstruction ; attendez-en la fin, ou \
                     remplacez le disque",
                    own.node.display()
                ),
            ),
        })
    }

    /// The array of a member: the one that the kernel runs, else it is started. Each write must
    /// reach all members, and a member that is away must know that it has missed one.
    fn array(
        &self,
        member: &Path,
        superblock: &Superblock,
        name: &str,
    ) -> Result<PathBuf, ApplyError> {
        let running = || self.sysfs.array_over(&Sysfs::kernel_name(member)?);
        if let Some(array) = running() {
            return Ok(node(&array));
        }
        let mut mdadm = Command::new("/usr/sbin/mdadm");
        mdadm.args(["--assemble", "--run", "--config=partitions"]);
        mdadm.args([
            format!("/dev/md/{name}"),
            format!("--uuid={}", superblock.uuid),
        ]);
        let output = mdadm.output();
        running().map(|array| node(&array)).ok_or_else(|| {
            let why = match output {
                Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => error.to_string(),
            };
            let (name, why) = (name.to_owned(), Said::same(why));
            ApplyError::Array { name, why }
        })
    }
}

impl Target for Appliance {
    fn load(&self) -> Result<BootState, ApplyError> {
        let esp = esp::open(&self.running, &self.sysfs, false)?;
        Ok(esp::load(&esp)?)
    }

    fn save(&mut self, state: &BootState) -> Result<(), ApplyError> {
        // The started disk comes last: see `esp`.
        let others = esp::other_disks(&self.running, &self.sysfs).into_iter();
        let esps = others
            .map(|disk| {
                let state = esp::state_on(&disk, &self.running, &self.sysfs, state);
                Ok((esp::open_on(&disk, &self.sysfs, true)?, state))
            })
            .chain(std::iter::once_with(|| {
                let esp = esp::open(&self.running, &self.sysfs, true)?;
                Ok((esp, state.clone()))
            }));
        let failures = esp::save_on_all(esps);
        if failures.is_empty() {
            return Ok(());
        }
        let joined = |french: fn(&EspError) -> String, between| {
            let texts: Vec<String> = failures.iter().map(french).collect();
            texts.join(between)
        };
        Err(ApplyError::BootState(both(
            joined(ToString::to_string, "; "),
            joined(esp_in_french, " ; "),
        )))
    }

    fn open(&mut self, slot: Slot, write: bool) -> Result<OpenSlot, ApplyError> {
        let system = self.open_one(slot.system_partition(), write)?;
        let boot = self.open_one(slot.boot_partition(), write)?;
        let clone = |device: &KernelDevice| {
            let name = device.name().to_owned();
            let cloned = device.file().try_clone();
            cloned.map_err(|source| ApplyError::Descriptor { name, source })
        };
        let files = Slots {
            system: clone(&system)?,
            boot: clone(&boot)?,
        };
        let devices: Slots<Box<dyn BlockDevice>> = Slots {
            system: Box::new(system),
            boot: Box::new(boot),
        };
        Ok(OpenSlot {
            devices,
            files: Some(files),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c75_nothing_is_written_that_would_not_reach_the_started_disk() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join("block").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("vda/vda4/partition", "4");
        put("vda/vda4/uevent", "PARTNAME=boot-b\n");
        let json = r#"{"mode":"installed","slot":"a","disk":"/dev/vda"}"#;
        let running: Running = serde_json::from_str(json).unwrap();
        let appliance = Appliance::new(running, Sysfs::new(dir.path()));
        let may = |device: &str| appliance.is_on_started_disk(Path::new(device), "boot-b");
        assert!(may("/dev/vda4").is_ok(), "no array");
        for (state, fine) in [("in_sync\n", true), ("faulty\n", false), ("spare\n", false)] {
            put("md4/md/dev-vda4/state", state);
            assert_eq!(may("/dev/md4").is_ok(), fine, "{state}");
        }
        let error = may("/dev/md5").unwrap_err();
        assert!(error.to_string().contains("/dev/vda4"), "{error}");
    }
}
