//! Volumes of an installation, mounted for a moment.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Where they are mounted meanwhile.
const FOLDER: &str = "/run/vigie/installation";

/// A mounted volume; unmounted when this goes.
pub(crate) struct Mounted {
    /// Where.
    pub(crate) folder: PathBuf,
}

impl Mounted {
    /// Mounts a device of this kind below a folder of ours.
    pub(crate) fn new(device: &Path, name: &str, kind: &str, flags: MountFlags) -> Result<Self> {
        let folder = Path::new(FOLDER).join(name);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let flags = flags | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(device, &folder, kind, flags, None)
            .with_context(|| format!("mounting {} as {kind}", device.display()))?;
        Ok(Self { folder })
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
