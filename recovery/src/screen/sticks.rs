//! Sticks and discs that are plugged into the machine while the medium runs. Which they are is decided
//! as on a running appliance (`vigie_update::media`): USB and optical only, no disk of an appliance,
//! nothing in use, so never the medium itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use vigie_disk::Bytes;
use vigie_disk::sysfs::{Sysfs, node};
use vigie_update::doors::places::candidates;
use vigie_update::media::{FileSystem, decide, facts, is_name, place};
use vigie_update::running::Running;

/// Where the stick of a command is mounted.
pub const FOLDER: &str = "/run/vigie/stick";
/// Packages lie in a medium's root or here.
const PACKAGES: &str = "update";

/// A file system on a stick or disc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stick {
    /// The kernel's name, as "sdb1".
    pub name: String,
    /// What it is formatted with.
    pub file_system: FileSystem,
    /// Its size.
    pub size: Bytes,
    /// The maker's name for it.
    pub model: String,
}

impl Stick {
    /// For a person.
    #[must_use]
    pub fn words(&self) -> String {
        let model = self.model.trim();
        format!("{model} {} {}", self.size, self.name)
            .trim_start()
            .to_owned()
    }

    /// Whether something can be copied onto it.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !matches!(self.file_system, FileSystem::Iso9660 | FileSystem::Udf)
    }

    /// Mounts it at [`FOLDER`], until what is given goes.
    ///
    /// # Errors
    /// It is gone, or not any more what it was; the kernel refuses.
    pub fn mount(&self, running: &Running, sysfs: &Sysfs, writable: bool) -> Result<Mounted> {
        let now = one(&self.name, running, sysfs);
        if now.as_ref() != Some(self) {
            bail!("{} was pulled out; plug it in again", self.name);
        }
        let (device, folder) = (node(&self.name), Path::new(FOLDER));
        match writable {
            true => place::put_for_writing(&device, self.file_system, folder),
            false => place::put(&device, self.file_system, folder),
        }?;
        Ok(Mounted(folder))
    }
}

/// A mounted stick.
pub struct Mounted(&'static Path);

impl Mounted {
    /// Lets go of it; what was copied is on it then.
    ///
    /// # Errors
    /// The kernel could not write all of it.
    pub fn release(self) -> Result<()> {
        let folder = std::fs::File::open(self.0).context("looking at the stick")?;
        // An unmount does not say that something could not be written.
        let synced = rustix::fs::syncfs(&folder);
        drop(folder);
        drop(self);
        synced.context("writing onto the stick: what was copied may not be whole")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = place::take(self.0) {
            eprintln!("vigie-recovery: {error:#}");
        }
    }
}

/// The sticks and discs that are plugged in.
#[must_use]
pub fn all(running: &Running, sysfs: &Sysfs) -> Vec<Stick> {
    let names = sysfs.disks().into_iter().flat_map(|disk| {
        let partitions = sysfs.partitions(&disk).into_iter();
        let names: Vec<String> = partitions.map(|one| one.kernel_name).collect();
        [disk].into_iter().chain(names)
    });
    names
        .filter_map(|name| one(&name, running, sysfs))
        .collect()
}

fn one(name: &str, running: &Running, sysfs: &Sysfs) -> Option<Stick> {
    if !is_name(name) {
        return None;
    }
    let mut facts = facts::gather(name, running, sysfs).ok()?;
    // This is the live system's own way: a person chooses.
    facts.live = false;
    let file_system = decide(&facts).ok()?;
    Some(Stick {
        name: name.to_owned(),
        file_system,
        size: size(name, &facts.disk, sysfs),
        model: sysfs
            .attribute(&facts.disk, "device/model")
            .unwrap_or_default(),
    })
}

fn size(name: &str, disk: &str, sysfs: &Sysfs) -> Bytes {
    let mut partitions = sysfs.partitions(disk).into_iter();
    let partition = partitions.find(|one| one.kernel_name == name);
    partition.map_or_else(|| sysfs.size(disk), |one| one.size)
}

/// Files in a mounted medium that may be packages, with their sizes.
#[must_use]
pub fn packages(medium: &Path) -> Vec<(PathBuf, Bytes)> {
    let folders = [medium.to_owned(), medium.join(PACKAGES)];
    let found = folders.iter().flat_map(|folder| {
        let files = candidates(folder).into_iter();
        files.map(move |one| (folder.join(one.name), Bytes::new(one.size)))
    });
    found.collect()
}
