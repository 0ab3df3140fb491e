//! The state volume of an installation, mounted for a moment so that something can be changed on
//! it. One that was not unmounted is preened first; one with errors is refused.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::mount::MountFlags;
use vigie_disk::KernelDevice;
use vigie_disk::ext4::{Health, Superblock};
use vigie_installer::toolbox::Toolbox;
use vigie_settings::Language;

use crate::check::in_use::Uses;
use crate::check::{self, Check, Silent, Volume};
use crate::message::{Failed, Message};
use crate::mounted::Mounted;

/// A mounted state volume. It is unmounted when this goes, also on an error.
pub struct State {
    mounted: Mounted,
    /// Whether it had to be preened.
    pub mended: bool,
}

impl State {
    /// Checks the volume on a device and mounts it: no set-uid, no devices, no programs.
    ///
    /// # Errors
    /// It holds no file system, or one that needs a decision to be repaired.
    pub fn open(device: &Path, tools: &dyn Toolbox) -> Result<Self> {
        let mended = ready(
            device,
            tools,
            clean(&KernelDevice::open_read_only(device)?)?,
        )?;
        let mounted = Mounted::new(device, "state", "ext4", MountFlags::empty())?;
        Ok(Self { mounted, mended })
    }

    /// Its root, which is /var of the installation.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.mounted.folder
    }

    /// The folder that the updater keeps its files in.
    #[must_use]
    pub fn updates(&self) -> PathBuf {
        self.folder().join(crate::volumes::UPDATES)
    }
}

/// Whether a file system was unmounted in good order.
///
/// # Errors
/// There is none.
fn clean(device: &dyn vigie_disk::BlockDevice) -> Result<bool> {
    let superblock = Superblock::read(device)?;
    let superblock = superblock.ok_or_else(|| {
        let message = Message::new("state.missing");
        Failed(message.with("device", device.name()))
    })?;
    Ok(superblock.health == Health::Clean)
}

/// Sees to it that a volume may be mounted; says whether it had to be preened: journal replayed,
/// and mended what needs no decision. `device` may be an image file.
///
/// # Errors
/// It needs a repair.
pub fn ready(device: &Path, tools: &dyn Toolbox, clean: bool) -> Result<bool> {
    if clean {
        return Ok(false);
    }
    let check = Check {
        tools,
        uses: Uses::now(),
        mode: check::Mode::Preen,
        wait: false,
    };
    let volume = Volume {
        name: "state".to_owned(),
        path: Ok(device.to_owned()),
    };
    let verdict = check.one(&volume, &mut Silent).verdict;
    if !verdict.is_good() {
        let message = Message::new("state.damaged").with("device", device.display());
        let why = |language| verdict.words(language);
        return Err(Failed(message.both("why", why(Language::En), why(Language::Fr))).into());
    }
    Ok(true)
}
