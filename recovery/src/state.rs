//! The state volume of an installation, mounted for a moment so that something can be changed on
//! it. One that was not unmounted is preened first, and repaired where that is not enough: as the
//! appliance itself does at each start.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::mount::MountFlags;
use vigie_disk::KernelDevice;
use vigie_disk::ext4::{Health, Superblock};
use vigie_installer::toolbox::Toolbox;
use vigie_settings::Language;

use crate::check::in_use::Uses;
use crate::check::keep::{self, ON_STATE};
use crate::check::{Check, Mode, Report, Volume, Watch};
use crate::full::{self, Freed};
use crate::message::{Failed, Message};
use crate::mounted::Mounted;
use crate::tell::Tell;

/// What had to be done to a volume before it could be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nothing: it was unmounted in good order.
    Nothing,
    /// Its journal was replayed, and mended what needs no decision.
    Preened,
    /// It was repaired.
    Repaired,
}

impl Mended {
    /// In words, where there is something to say.
    #[must_use]
    pub fn message(self) -> Option<Message> {
        match self {
            Self::Nothing => None,
            Self::Preened => Some(Message::new("act.mended")),
            Self::Repaired => Some(Message::new("act.repaired")),
        }
    }
}

/// A mounted state volume. It is unmounted when this goes, also on an error.
pub struct State {
    mounted: Mounted,
    mended: Mended,
    /// What went for the report of a repair, because the volume was full.
    freed: Option<Freed>,
}

impl State {
    /// Checks the volume on a device and mounts it: no set-uid, no devices, no programs.
    ///
    /// # Errors
    /// It holds no file system, or one that cannot be repaired; the kernel refuses.
    pub fn open(device: &Path, tools: &dyn Toolbox, watch: &mut dyn Watch) -> Result<Self> {
        let clean = is_clean(&KernelDevice::open_read_only(device)?)?;
        let (mended, report) = ready(device, tools, clean, watch)?;
        let mounted = Mounted::new(device, "state", "ext4", MountFlags::empty())?;
        let mut freed = None;
        if let Some(report) = report.filter(|_| mended == Mended::Repaired) {
            let mut write = || keep::write(&report, &mounted.folder.join(ON_STATE));
            (_, freed) = full::with_room(&mounted.folder, |room| room.saving(&mut write))?;
        }
        Ok(Self {
            mounted,
            mended,
            freed,
        })
    }

    /// Says what had to be done to it.
    pub fn tell(&self, tell: &mut Tell) {
        if let Some(mended) = self.mended.message() {
            tell.say("mended", &mended);
        }
        tell.freed(self.freed.as_ref());
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

/// Whether a file system was unmounted in good order; one without a superblock was not.
///
/// # Errors
/// It cannot be read.
fn is_clean(device: &dyn vigie_disk::BlockDevice) -> Result<bool> {
    let superblock = Superblock::read(device)?;
    Ok(superblock.is_some_and(|superblock| superblock.health == Health::Clean))
}

/// Sees to it that a volume may be mounted: preened, and repaired where that is not enough. Says what
/// had to be done, with the report of it. `device` may be an image file.
///
/// # Errors
/// It cannot be repaired, or holds something else.
pub fn ready(
    device: &Path,
    tools: &dyn Toolbox,
    clean: bool,
    watch: &mut dyn Watch,
) -> Result<(Mended, Option<Report>)> {
    if clean {
        return Ok((Mended::Nothing, None));
    }
    let preened = checked(device, tools, Mode::Preen, watch);
    if is_good(&preened) {
        return Ok((Mended::Preened, Some(preened)));
    }
    let repaired = checked(device, tools, Mode::Repair, watch);
    match repaired.volumes.first().map(|one| &one.verdict) {
        Some(verdict) if !verdict.is_good() => {
            let message = Message::new("state.damaged").with("device", device.display());
            let why = |language| verdict.words(language);
            Err(Failed(message.both("why", why(Language::En), why(Language::Fr))).into())
        }
        _ => Ok((Mended::Repaired, Some(repaired))),
    }
}

fn is_good(report: &Report) -> bool {
    report.volumes.iter().all(|one| one.verdict.is_good())
}

fn checked(device: &Path, tools: &dyn Toolbox, mode: Mode, watch: &mut dyn Watch) -> Report {
    let check = Check {
        tools,
        uses: Uses::now(),
        mode,
        wait: true,
        seen: None,
        // As at each start of the appliance: what it is asked for cannot be had without this volume.
        even_full: true,
    };
    let volume = Volume {
        name: "state".to_owned(),
        path: Ok(device.to_owned()),
    };
    check.report(Vec::new(), &[volume], watch)
}
