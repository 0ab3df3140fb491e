//! Files → `/etc`: the only part of this crate that writes there.
//!
//! Only what differs is written, each file by rename, and one file that fails does not keep the
//! others from being written: a box without its time zone is better than a box without its network.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use crate::changing::boot;
use crate::document::Settings;
use crate::files::make_folders;
use crate::live::{self, IN_FORCE, note_in_force};
use crate::render::{Entry, Kind, render};
use crate::store::{Exclusive, Origin, PATIENCE, Store};
use crate::values::TimeZone;

/// Where a warning is left for the console and the web page, below the root.
pub const ERROR_NOTE: &str = "run/vigie/settings-error";
/// Is there where what was saved last is not in use: the health check fails.
pub const UNUSED: &str = "run/vigie/settings-not-used";

/// There while all volumes are to be checked at the next start, below the root; `rootfs/initrd` looks for
/// it, too, before it mounts the state volume for good.
pub const CHECK_NEXT: &str = "var/lib/vigie/check-next";
/// What that is called once `rootfs/initrd` has begun with the state volume: it does so once.
const CHECK_BEGUN: &str = "var/lib/vigie/check-begun";
/// There in a start that checks all volumes, below the root.
pub const CHECK_NOW: &str = "run/vigie/check-now";

/// What applying did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Paths that were written or removed.
    pub changed: Vec<&'static str>,
    /// What a person must know: a damaged document, an unknown time zone, files that failed.
    pub warnings: Vec<String>,
    /// Whether a file could not be written.
    pub failed: bool,
}

/// Before the first service: loads the settings below `root` and makes `root/etc` follow them.
/// Warnings are also left in [`ERROR_NOTE`] where `/run/vigie` exists.
#[must_use]
pub fn apply_early(root: &Path) -> Report {
    let store = Store::of_system(root);
    // Without a folder nobody changes anything in it.
    let _others_wait = store.exclusive_as_it_is(PATIENCE);
    let loaded = store.load();
    let mut report = Report::default();
    report.warnings.extend(loaded.warnings());
    report.warnings.extend(state_volume(root));
    if let Err(error) = store.settle(&loaded) {
        report.warnings.push(error.to_string());
    }
    tell_the_health_check(root, &loaded.origin);
    if let Err(error) = take_the_mark(root) {
        let warning =
            format!("/{CHECK_NEXT}: {error}; the volumes are not checked, ask for it again");
        report.warnings.push(warning);
    }
    if let Err(error) = note_in_force(root, &loaded.settings) {
        let warning = format!("writing /{IN_FORCE}: {error}; changes hold from the next start");
        report.warnings.push(warning);
    }
    write_files(root, loaded.settings, &mut report);
    leave(&root.join(ERROR_NOTE), &report.warnings);
    report
}

/// In a running system, after a password was changed: makes `root/etc` follow what the settings say of access, and
/// notes that, so that no trial brings an old password back. All else stays as it is in force: what somebody has
/// saved for the next start does not come with it. What the start has left in [`ERROR_NOTE`] and [`UNUSED`] stays:
/// the state volume that it did not find, or the damage that it went past, is not mended by this.
#[must_use]
pub fn apply_access(root: &Path, _others_wait: &Exclusive) -> Report {
    let loaded = Store::of_system(root).load();
    let mut report = Report::default();
    report.warnings.extend(loaded.warnings());
    let access = loaded.settings.access.clone();
    let mut wanted = live::in_force(root).unwrap_or(loaded.settings);
    wanted.access = access;
    write_files(root, wanted.clone(), &mut report);
    if let Err(error) = note_in_force(root, &wanted) {
        let warning = format!("writing /{IN_FORCE}: {error}; what is in force is not known");
        report.warnings.push(warning);
    }
    report
}

/// Writes the files that differ; the settings that they are made of.
pub(crate) fn write_files(root: &Path, settings: Settings, report: &mut Report) -> Settings {
    let settings = with_known_zone(root, settings, report);
    // The image's own list of accounts; an image without one still gets root's entry.
    let shadow = fs::read_to_string(root.join("etc/shadow")).unwrap_or_default();
    for entry in render(&settings, &shadow) {
        match put(root, &entry) {
            Ok(true) => report.changed.push(entry.path),
            Ok(false) => {}
            Err(error) => {
                report.failed = true;
                report.warnings.push(format!(
                    "writing /{}: {error}; the image's own file is used",
                    entry.path
                ));
            }
        }
    }
    settings
}

/// Whether a zone exists is known by the image alone; without it every clock reading would fail.
fn with_known_zone(root: &Path, mut settings: Settings, report: &mut Report) -> Settings {
    let zone = &settings.system.timezone;
    if !root
        .join("usr/share/zoneinfo")
        .join(zone.as_str())
        .is_file()
    {
        report.warnings.push(format!(
            "this system does not know the time zone \"{zone}\"; UTC is used, choose another"
        ));
        settings.system.timezone = TimeZone::default();
    }
    settings
}

/// That the state volume is used although a check has found it damaged, where nothing needs it.
fn state_volume(root: &Path) -> Option<String> {
    let boot = boot(root);
    let check = &boot["state_check"];
    // Of e2fsck's codes 1 and 2 say that it is mended.
    let is_bad = check["exit"].as_i64().is_some_and(|exit| exit & !3 != 0);
    let summary = check["summary"].as_str().unwrap_or_default();
    (is_bad && boot["state_device"].is_string()).then(|| {
        format!(
            "the state volume is damaged and used all the same ({summary}); back up the settings, then repair it from the installation medium"
        )
    })
}

/// What was asked of this start is asked of no other: where that cannot be noted it is not done. On a volume that
/// cannot be written to, the recordings would be checked for hours at every start.
fn take_the_mark(root: &Path) -> io::Result<()> {
    let mut asked = false;
    for mark in [CHECK_NEXT, CHECK_BEGUN] {
        match fs::remove_file(root.join(mark)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => {
                removed?;
                asked = true;
            }
        }
    }
    let (next, now) = (root.join(CHECK_NEXT), root.join(CHECK_NOW));
    if !asked {
        return Ok(());
    }
    if let Some(folder) = next.parent() {
        File::open(folder)?.sync_all()?;
    }
    match now.parent().is_some_and(Path::is_dir) {
        true => fs::write(now, ""),
        false => Ok(()),
    }
}

/// A version on trial that cannot use what was saved last is not healthy: the box goes back. It
/// cannot be told from damage of the disk; then the box is where it was, and a good version is
/// never left for it.
fn tell_the_health_check(root: &Path, origin: &Origin) {
    let text = origin.is_loss().then(|| origin.warning()).flatten();
    leave(&root.join(UNUSED), text.as_slice());
}

/// Leaves lines in a file, or no file.
fn leave(path: &Path, lines: &[String]) {
    // Without /run/vigie (tests, a foreign root) there is no one to tell but the caller.
    if !path.parent().is_some_and(Path::is_dir) {
        return;
    }
    let result = if lines.is_empty() {
        fs::remove_file(path)
    } else {
        let readable = || fs::set_permissions(path, fs::Permissions::from_mode(0o644));
        fs::write(path, lines.join("\n") + "\n").and_then(|()| readable())
    };
    if let Err(error) = result
        && error.kind() != io::ErrorKind::NotFound
    {
        eprintln!("vigie-settings: writing {}: {error}", path.display());
    }
}

/// Makes one path what it must be; `true` when that took a change.
fn put(root: &Path, entry: &Entry) -> io::Result<bool> {
    let path = root.join(entry.path);
    match &entry.kind {
        Kind::File { mode, content } => put_file(&path, *mode, content),
        Kind::Link { target } => put_link(&path, target),
        Kind::Absent => match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        },
    }
}

fn put_file(path: &Path, mode: u32, content: &str) -> io::Result<bool> {
    let old = fs::symlink_metadata(path)
        .ok()
        .filter(fs::Metadata::is_file);
    let same_mode = old
        .as_ref()
        .is_some_and(|meta| meta.permissions().mode() & 0o7777 == mode);
    if same_mode && fs::read(path).is_ok_and(|old| old == content.as_bytes()) {
        return Ok(false);
    }
    let temp = temp_beside(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temp)?;
    file.write_all(content.as_bytes())?;
    if let Some(old) = old {
        // /etc/shadow stays with its group.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    fs::rename(&temp, path)?;
    Ok(true)
}

fn put_link(path: &Path, target: &str) -> io::Result<bool> {
    if fs::read_link(path).is_ok_and(|old| old == Path::new(target)) {
        return Ok(false);
    }
    let temp = temp_beside(path)?;
    symlink(target, &temp)?;
    fs::rename(&temp, path)?;
    Ok(true)
}

/// A free name in the same folder, which is made when it is missing.
fn temp_beside(path: &Path) -> io::Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    make_folders(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = folder.join(format!(".{name}.vigie-new"));
    match fs::remove_file(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(temp),
    }
}

#[cfg(test)]
mod tests;
