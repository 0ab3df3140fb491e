//! Volumes of an installation, mounted for a moment.

use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use vigie_disk::KernelDevice;

use crate::protected::Protected;

/// Where they are mounted meanwhile.
const FOLDER: &str = "/run/vigie/installation";

/// A mounted volume; unmounted when this goes.
pub(crate) struct Mounted {
    /// Where.
    pub(crate) folder: PathBuf,
    /// Given back after it was unmounted.
    protected: Option<Protected<KernelDevice>>,
}

impl Mounted {
    /// Mounts an ext4 volume so that nothing is written to it: what its journal holds is not applied, and errors
    /// that are met are not noted in it. A damaged one is read as far as it goes, whatever it says itself (a
    /// superblock may ask for a panic).
    pub(crate) fn reading(device: &Path, name: &str) -> Result<Self> {
        let protected = Protected::new(KernelDevice::open_read_only(device)?)?;
        let options = c"noload,errors=continue";
        let mut mounted = Self::with(device, name, "ext4", MountFlags::RDONLY, Some(options))?;
        mounted.protected = Some(protected);
        Ok(mounted)
    }

    /// Mounts a device of this kind below a folder of ours.
    pub(crate) fn new(device: &Path, name: &str, kind: &str, flags: MountFlags) -> Result<Self> {
        Self::with(device, name, kind, flags, None)
    }

    fn with(
        device: &Path,
        name: &str,
        kind: &str,
        flags: MountFlags,
        options: Option<&CStr>,
    ) -> Result<Self> {
        let folder = Path::new(FOLDER).join(name);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let flags = flags | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(device, &folder, kind, flags, options)
            .with_context(|| format!("mounting {} as {kind}", device.display()))?;
        Ok(Self {
            folder,
            protected: None,
        })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.folder, UnmountFlags::empty()) {
            eprintln!(
                "vigie-recovery: unmounting {}: {error}",
                self.folder.display()
            );
        }
    }
}
