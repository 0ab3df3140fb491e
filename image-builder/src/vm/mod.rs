//! Virtual machines: QEMU's command line, what can execute it, and the locked programs for it.

pub mod accel;
mod arguments;
pub mod command;
pub mod disk;
mod ports;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::packages::Packages;
use crate::tools::Tools;
use command::Programs;
pub use ports::free_port;

/// The locked QEMU with its firmware, and the file system tools that go with disks.
#[derive(Clone)]
pub struct Emulator {
    emulator: Tools,
    tools: Tools,
    share: PathBuf,
}

impl Emulator {
    /// Fetches and unpacks what is needed, once.
    ///
    /// # Errors
    /// A download or a package that is broken.
    pub fn prepare(packages: &Packages<'_>, tools: &Tools) -> Result<Self> {
        let emulator = Tools::prepare(packages, "emulator")?;
        Ok(Self {
            share: emulator.root().join("usr/share"),
            emulator,
            tools: tools.clone(),
        })
    }
}

impl Programs for Emulator {
    fn command(&self, name: &str) -> Command {
        if name.starts_with("qemu-") {
            self.emulator.command(name)
        } else {
            self.tools.command(name)
        }
    }

    fn share_dir(&self) -> &Path {
        &self.share
    }
}
