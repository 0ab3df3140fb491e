//! Volumes of the running machine, mounted so that nothing is written to them.

use std::path::Path;

use anyhow::Result;
use vigie_disk::KernelDevice;
use vigie_disk::ext4::{Health, Superblock};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::toolbox::HostTools;

use super::sources::Source;
use crate::check::array::{self, Started};
use crate::message::Message;
use crate::mounted::Mounted;
use crate::stop;
use crate::tell::Tell;

/// A volume of recordings; what goes first is unmounted before its array is stopped.
pub struct Volume {
    mounted: Mounted,
    _array: Option<Started<'static>>,
}

impl AsRef<Path> for Volume {
    fn as_ref(&self) -> &Path {
        &self.mounted.folder
    }
}

/// Opens a volume; its array is started read-only.
///
/// # Errors
/// It cannot be read, started or mounted.
pub fn open(source: &Source, sysfs: &Sysfs, tell: &mut Tell) -> Result<Volume> {
    let array = array::of_member(&HostTools, sysfs, &source.node, false)?;
    let device = array.as_ref().map_or(&source.node, |array| &array.device);
    let mounted = reading(device, &source.folder, tell)?;
    Ok(Volume {
        mounted,
        _array: array,
    })
}

/// Mounts a volume so that nothing is written to it, not even what is in its journal.
///
/// # Errors
/// It cannot be read; the kernel refuses.
pub fn reading(device: &Path, name: &str, tell: &mut Tell) -> Result<Mounted> {
    let superblock = Superblock::read(&KernelDevice::open_read_only(device)?)?;
    if superblock.is_some_and(|one| one.health != Health::Clean) {
        tell.warn(&Message::new("export.not-clean").with("device", device.display()));
    }
    stop::hold_off();
    Mounted::reading(device, name)
}
