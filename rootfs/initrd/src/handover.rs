//! The end of the initrd: its files are freed, the system image becomes the
//! root, the settings are applied, and this process becomes systemd.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::statfs;
use rustix::mount::mount_move;
use rustix::process::{chdir, chroot};

use vigie_initrd::fsck;
use vigie_initrd::settings::{self, Volume};
use vigie_initrd::trouble::{Step, Trouble, is_damage};

use crate::SYSROOT;
use crate::consoles::{note, tell, warn};
use crate::program;

const SYSTEM: &str = "/usr/lib/systemd/systemd";
const SETTINGS: &str = "/usr/bin/vigie-settings";
const SETTINGS_ERROR: &str = "/run/vigie/settings-error";
const SETTINGS_LIMIT: Duration = Duration::from_secs(60);

/// statfs(2): the file systems that an initramfs can be on.
const RAMFS_MAGIC: u64 = 0x8584_58f6;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Returns only when it fails.
pub fn hand_over(volume: Volume) -> Result<Infallible, Trouble> {
    let failed = |object: &str, e: std::io::Error| Trouble::new(Step::HandOver, object, e);
    let system = format!("{SYSROOT}{SYSTEM}");
    fs::metadata(&system).map_err(|e| {
        let damaged = is_damage(&e);
        failed(SYSTEM, e).of_damage(damaged)
    })?;
    for folder in ["/dev", "/proc", "/sys", "/run"] {
        let target = format!("{SYSROOT}{folder}");
        mount_move(folder, &target).map_err(|e| failed(&target, e.into()))?;
    }
    free_initramfs();
    become_root().map_err(|e| failed(SYSROOT, e.into()))?;
    let applied = apply_settings();
    if let Some(reason) =
        settings::unused(volume, applied.as_ref().copied().map_err(String::as_str))
    {
        tell_the_health_check(&reason);
    }
    note("handing over to systemd");
    // The kernel's words after `--`, or that it does not know, are for systemd.
    let error = Command::new(SYSTEM)
        .args(std::env::args_os().skip(1))
        .exec();
    Err(failed(SYSTEM, error))
}

/// Makes the system image the root of the mount tree and of this process.
fn become_root() -> rustix::io::Result<()> {
    chdir(SYSROOT)?;
    mount_move(".", "/")?;
    chroot(".")?;
    chdir("/")
}

/// Deletes the initramfs: its pages are memory that nothing could free later.
/// Nothing happens where / is a real file system, however that came about.
fn free_initramfs() {
    let root = Path::new("/");
    let is_memory = statfs(root).is_ok_and(|s| {
        let magic = s.f_type as u64;
        magic == RAMFS_MAGIC || magic == TMPFS_MAGIC
    });
    match fs::symlink_metadata(root) {
        Ok(meta) if is_memory => delete_below(root, meta.dev()),
        _ => warn("the initramfs is not in memory; its files stay"),
    }
}

/// Deletes what is in a folder, without going into other file systems. What
/// cannot be deleted stays.
fn delete_below(folder: &Path, device: u64) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.dev() != device => {}
            Ok(meta) if meta.is_dir() => {
                delete_below(&path, device);
                let _ = fs::remove_dir(&path);
            }
            _ => {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Fills /etc from the settings. A failure is shown and kept for the status
/// page; the image's defaults hold.
fn apply_settings() -> Result<(), String> {
    let run = program::run(SETTINGS, &["apply", "--early"], Some(SETTINGS_LIMIT));
    let error = match run {
        Ok(outcome) if outcome.exit == Some(0) => return Ok(()),
        Ok(outcome) => outcome.output,
        Err(error) => format!("{SETTINGS}: {error}"),
    };
    let _ = fs::write(SETTINGS_ERROR, &error);
    let summary = fsck::summary(&error);
    tell(
        &format!("the settings could not be applied, defaults hold: {summary}"),
        &format!("les réglages n'ont pas pu être appliqués, ceux par défaut valent : {summary}"),
    );
    Err(summary)
}

/// Leaves the flag, with the reason in it.
fn tell_the_health_check(reason: &str) {
    if let Err(error) = fs::write(settings::UNUSED, format!("{reason}\n")) {
        warn(format_args!("{}: {error}", settings::UNUSED));
    }
}
