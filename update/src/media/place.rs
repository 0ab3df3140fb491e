//! Where media are mounted, and with what options.

use std::ffi::CStr;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use vigie_disk::sysfs::{Sysfs, node};

use super::not_read::{self, NOT_READ};
use super::{FileSystem, LeftAlone, decide, facts, is_name};
use crate::running::{BOOT_JSON, Running};

/// Below this, each medium has a folder with its kernel name. Root's alone.
pub const MEDIA: &str = "/run/vigie/media";

/// Of any medium: it is read, and nothing else.
const FLAGS: MountFlags = MountFlags::RDONLY
    .union(MountFlags::NOSUID)
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC)
    .union(MountFlags::NOSYMFOLLOW);

impl FileSystem {
    /// The kernel's name, and the options beside [`FLAGS`].
    ///
    /// ext4 would replay a journal even when it is mounted read-only, and lets the medium itself ask
    /// for a kernel panic when it is damaged (ext4(5), `errors`); FAT is asked for UTF-8 names.
    const fn kernel(self) -> (&'static str, &'static CStr) {
        match self {
            Self::Vfat => ("vfat", c"utf8=1,errors=continue"),
            Self::Exfat => ("exfat", c"errors=continue"),
            Self::Ext4 => ("ext4", c"noload,errors=continue"),
            Self::Iso9660 => ("iso9660", c""),
            Self::Udf => ("udf", c""),
        }
    }

    /// The same for one that is written to, where it is such a one. FAT knows no owners: what is
    /// copied may be a backup with hashes of passwords, and is root's alone while it is mounted.
    const fn for_writing(self) -> Option<(&'static str, &'static CStr)> {
        match self {
            Self::Vfat => Some(("vfat", c"utf8=1,errors=remount-ro,umask=077")),
            Self::Exfat => Some(("exfat", c"errors=remount-ro,umask=077")),
            Self::Ext4 => Some(("ext4", c"errors=remount-ro")),
            Self::Iso9660 | Self::Udf => None,
        }
    }
}

/// Mounts a stick or disc if it is one, and says where, or why not; the latter is remembered as long as
/// it is plugged in ([`not_read`]).
///
/// # Errors
/// The name is none of a medium, or the device is gone.
pub fn plugged_in(name: &str) -> Result<String> {
    check(name)?;
    let running = Running::load(Path::new(BOOT_JSON))?;
    let facts = facts::gather(name, &running, &Sysfs::default())?;
    let place = place(name);
    let why = decide(&facts)
        .and_then(|file_system| mounted(&node(name), file_system, &place))
        .err();
    not_read::settle(Path::new(NOT_READ), &facts, why.as_ref())
        .with_context(|| format!("remembering in {NOT_READ} what is not read"))?;
    Ok(match why {
        Some(why) => format!("{name} is left alone: {why}"),
        None => format!("{name} is mounted at {}", place.display()),
    })
}

fn mounted(device: &Path, file_system: FileSystem, place: &Path) -> Result<(), LeftAlone> {
    put(device, file_system, place).map_err(|error| LeftAlone::NotMounted {
        kind: file_system.kernel().0,
        why: error.root_cause().to_string(),
    })
}

/// Takes the place of a medium away again; whoever still has a file open there gets errors.
///
/// # Errors
/// The name is none of a medium, or the kernel does not let go.
pub fn pulled_out(name: &str) -> Result<()> {
    check(name)?;
    not_read::forget(Path::new(NOT_READ), name)
        .with_context(|| format!("forgetting in {NOT_READ} what was not read"))?;
    take(&place(name))
}

fn check(name: &str) -> Result<()> {
    ensure!(
        is_name(name),
        "{name:?} is no kernel name of a stick or disc, such as sdb1 or sr0"
    );
    Ok(())
}

fn place(name: &str) -> PathBuf {
    Path::new(MEDIA).join(name)
}

/// Mounts a device.
///
/// # Errors
/// The folder cannot be made; the kernel refuses.
pub fn put(device: &Path, file_system: FileSystem, place: &Path) -> Result<()> {
    let (kind, options) = file_system.kernel();
    put_as(device, kind, FLAGS, options, place)
}

fn put_as(
    device: &Path,
    kind: &str,
    flags: MountFlags,
    options: &CStr,
    place: &Path,
) -> Result<()> {
    let mut folder = DirBuilder::new();
    folder
        .recursive(true)
        .mode(0o700)
        .create(place)
        .with_context(|| format!("making {}", place.display()))?;
    if let Err(error) = mount(device, place, kind, flags, options) {
        // What is left is an empty folder.
        let _ = fs::remove_dir(place);
        return Err(error).with_context(|| {
            format!(
                "mounting {} as {kind}: it may be damaged; take another one",
                device.display()
            )
        });
    }
    Ok(())
}

/// Mounts a stick so that something can be copied onto it.
///
/// # Errors
/// The file system is none that is written to; the folder cannot be made; the kernel refuses.
pub fn put_for_writing(device: &Path, file_system: FileSystem, place: &Path) -> Result<()> {
    let Some((kind, options)) = file_system.for_writing() else {
        bail!(
            "{} is a disc: nothing can be copied onto it",
            device.display()
        );
    };
    put_as(
        device,
        kind,
        FLAGS.difference(MountFlags::RDONLY),
        options,
        place,
    )
}

/// Unmounts a place, where something is mounted, and removes its folder.
///
/// # Errors
/// The kernel does not let go; the folder is not empty.
pub fn take(place: &Path) -> Result<()> {
    match unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => {}
        // umount(2): no such folder; nothing is mounted there.
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::INVAL) => {}
        Err(error) => {
            return Err(error).with_context(|| format!("unmounting {}", place.display()));
        }
    }
    fs::remove_dir(place).with_context(|| format!("removing {}", place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_reaches_no_path() {
        for name in ["../../etc", "", "loop0", "sdb1/.."] {
            assert!(
                plugged_in(name).is_err() && pulled_out(name).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn no_medium_is_written_to_or_may_stop_the_kernel() {
        for one in [
            FileSystem::Vfat,
            FileSystem::Exfat,
            FileSystem::Ext4,
            FileSystem::Iso9660,
            FileSystem::Udf,
        ] {
            let (kind, options) = one.kernel();
            let options = options.to_str().unwrap();
            let settles = options.contains("errors=continue");
            assert!(settles || ["iso9660", "udf"].contains(&kind), "{kind}");
            assert_eq!(options.contains("noload"), kind == "ext4");
        }
    }

    #[test]
    fn taking_what_is_not_there_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        take(&dir.path().join("none")).unwrap();
    }

    #[test]
    fn a_device_that_cannot_be_mounted_leaves_no_folder() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("media/sdz1");
        let device = dir.path().join("no-such-device");
        let error = put(&device, FileSystem::Vfat, &place).unwrap_err();
        assert!(error.to_string().contains("as vfat"), "{error}");
        let told = mounted(&device, FileSystem::Vfat, &place).unwrap_err();
        let words = (told.to_string(), told.french());
        assert!(
            words.0.contains("as vfat (") && words.1.contains("comme vfat ("),
            "{words:?}"
        );
        assert!(!place.exists() && dir.path().join("media").exists());
    }
}
