//! Files → `/etc`: the only part of this crate that writes there.
//!
//! Only what differs is written, each file by rename, and one file that fails does not keep the
//! others from being written: a box without its time zone is better than a box without its network.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use crate::document::Settings;
use crate::files::make_folders;
use crate::live::{IN_FORCE, note_in_force};
use crate::render::{Entry, Kind, render};
use crate::store::{Exclusive, Origin, Store};
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
    let _others_wait = store.exclusive_as_it_is();
    let loaded = store.load();
    let mut report = Report::default();
    report.warnings.extend(loaded.warnings());
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

/// In a running system, after a change: makes `root/etc` follow the settings. What the start has left
/// in [`ERROR_NOTE`] and [`UNUSED`] stays: the state volume that it did not find, or the damage that
/// it went past, is not mended by this.
#[must_use]
pub fn apply(root: &Path, _others_wait: &Exclusive) -> Report {
    let loaded = Store::of_system(root).load();
    let mut report = Report::default();
    report.warnings.extend(loaded.warnings());
    write_files(root, loaded.settings, &mut report);
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
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("temporary folder");
        for folder in [
            "etc",
            "run/vigie",
            "usr/share/zoneinfo/Etc",
            "usr/share/zoneinfo/Europe",
        ] {
            fs::create_dir_all(root.path().join(folder)).expect(folder);
        }
        for zone in ["Etc/UTC", "Europe/Paris"] {
            fs::write(root.path().join("usr/share/zoneinfo").join(zone), "TZif").expect(zone);
        }
        fs::write(
            root.path().join("etc/shadow"),
            "root:*:1::::::\ndaemon:*:1::::::\n",
        )
        .expect("shadow");
        root
    }

    fn store_text(root: &Path, text: &str) {
        let settings = Settings::from_text(text).expect(text);
        Store::of_system(root).save(&settings).expect("saved");
    }

    #[test]
    fn the_second_time_nothing_is_written() {
        let root = root();
        store_text(root.path(), include_str!("../tests/golden/full.toml"));
        let first = apply_early(root.path());
        assert!(
            first.changed.contains(&"etc/fstab") && first.warnings.is_empty(),
            "{first:?}"
        );
        assert_eq!(apply_early(root.path()), Report::default());
        assert_eq!(
            fs::read_link(root.path().join("etc/localtime")).ok(),
            Some("../usr/share/zoneinfo/Europe/Paris".into())
        );
    }

    #[test]
    fn a_smaller_document_leaves_nothing_of_a_larger_one() {
        let root = root();
        store_text(root.path(), include_str!("../tests/golden/full.toml"));
        let _ = apply_early(root.path());
        store_text(root.path(), "version = 3");
        let report = apply_early(root.path());
        assert!(
            report
                .changed
                .contains(&"etc/systemd/network/10-vigie-cameras.network")
        );
        assert!(
            !root
                .path()
                .join("etc/systemd/network/10-vigie-cameras.network")
                .exists()
        );
        assert!(!root.path().join("etc/ssh/authorized_keys/root").exists());
    }

    #[test]
    fn an_unknown_time_zone_is_said_and_does_not_stop_the_rest() {
        let root = root();
        store_text(
            root.path(),
            "version = 3\n[system]\ntimezone = \"Mars/Olympus\"",
        );
        let report = apply_early(root.path());
        assert!(
            report.warnings[0].contains("Mars/Olympus") && !report.failed,
            "{report:?}"
        );
        assert_eq!(
            fs::read_link(root.path().join("etc/localtime")).ok(),
            Some("../usr/share/zoneinfo/Etc/UTC".into())
        );
        assert!(
            fs::read_to_string(root.path().join(ERROR_NOTE))
                .expect("note")
                .contains("Mars/Olympus")
        );
        store_text(root.path(), "version = 3");
        let _ = apply_early(root.path());
        assert!(!root.path().join(ERROR_NOTE).exists());
    }

    #[test]
    fn a_running_system_keeps_what_the_start_has_left() {
        let root = root();
        store_text(root.path(), "version = 3");
        let held = Store::of_system(root.path()).exclusive().expect("held");
        for zone in ["Etc/UTC", "Mars/Olympus"] {
            let text = format!("version = 3\n[system]\ntimezone = \"{zone}\"");
            for there in [true, false] {
                store_text(root.path(), &text);
                for name in [ERROR_NOTE, UNUSED] {
                    let path = root.path().join(name);
                    let _ = fs::remove_file(&path);
                    if there {
                        fs::write(path, "no state volume\n").expect(name);
                    }
                }
                let report = apply(root.path(), &held);
                assert_eq!(report.warnings.is_empty(), zone == "Etc/UTC");
                for name in [ERROR_NOTE, UNUSED] {
                    let found = fs::read_to_string(root.path().join(name)).ok();
                    let expected = there.then(|| "no state volume\n".to_owned());
                    assert_eq!(found, expected, "{name}");
                }
            }
        }
    }

    #[test]
    fn one_file_that_fails_does_not_stop_the_rest() {
        let root = root();
        fs::create_dir_all(root.path().join("etc/hostname/in-the-way")).expect("folder");
        let report = apply_early(root.path());
        assert!(
            report.failed && report.warnings.iter().any(|w| w.contains("/etc/hostname")),
            "{report:?}"
        );
        assert!(report.changed.contains(&"etc/fstab"));
    }

    #[test]
    fn settings_that_cannot_be_migrated_fail_the_health_check() {
        let root = root();
        let folder = root.path().join(crate::store::FOLDER);
        fs::create_dir_all(&folder).expect("folder");
        let old = include_str!("../tests/forms/1.toml");
        for (text, usable) in [("version = 1\nx = 1\n", false), (old, true)] {
            fs::write(folder.join("current.toml"), text).expect("old settings");
            let report = apply_early(root.path());
            assert_eq!(report.warnings.is_empty(), usable, "{report:?}");
            assert_eq!(root.path().join(UNUSED).exists(), !usable, "{text}");
            assert_eq!(folder.join("current.3.toml").exists(), usable, "{text}");
        }
    }

    #[test]
    fn settings_of_this_form_that_are_refused_fail_the_health_check() {
        let good = include_str!("../tests/golden/full.toml");
        let older = include_str!("../tests/forms/1.toml");
        let refused = "version = 3\nx = 1\n";
        for (files, unused) in [
            (&[][..], false),
            (&[("current.3.toml", good)], false),
            (&[("current.3.toml", refused)], true),
            (
                &[("current.3.toml", refused), ("previous.3.toml", good)],
                true,
            ),
            (
                &[("current.3.toml", refused), ("current.toml", older)],
                true,
            ),
            (&[("current.3.toml", refused), ("current.toml", "x")], true),
        ] {
            let root = root();
            let folder = root.path().join(crate::store::FOLDER);
            fs::create_dir_all(&folder).expect("folder");
            for (name, text) in files {
                fs::write(folder.join(name), text).expect(name);
            }
            let report = apply_early(root.path());
            assert_eq!(root.path().join(UNUSED).exists(), unused, "{report:?}");
            assert_eq!(report.warnings.is_empty(), !unused, "{report:?}");
        }
    }

    #[test]
    fn one_start_checks_what_it_is_asked_to() {
        let root = root();
        store_text(root.path(), "version = 3");
        let (next, now) = (root.path().join(CHECK_NEXT), root.path().join(CHECK_NOW));
        assert!(apply_early(root.path()).warnings.is_empty());
        assert!(!now.exists());
        fs::write(&next, "").expect("asked");
        assert!(apply_early(root.path()).warnings.is_empty());
        assert_eq!((next.exists(), now.exists()), (false, true));
        // The state volume is looked through before that, by the initrd; a power cut then spares the others nothing.
        let initrd = include_str!("../../initrd/src/state_check.rs");
        for (name, mark) in [("NEXT", CHECK_NEXT), ("BEGUN", CHECK_BEGUN)] {
            let file = mark.rsplit('/').next().expect("a name");
            let line = format!("pub const {name}: &str = \"{file}\";");
            assert!(initrd.contains(&line), "{line}");
        }
        fs::remove_file(&now).expect("there");
        fs::write(root.path().join(CHECK_BEGUN), "").expect("begun");
        assert!(apply_early(root.path()).warnings.is_empty());
        let begun = root.path().join(CHECK_BEGUN);
        assert_eq!((begun.exists(), now.exists()), (false, true));
    }

    #[test]
    fn a_check_that_would_be_made_at_every_start_is_not_made() {
        let root = root();
        store_text(root.path(), "version = 3");
        let (next, now) = (root.path().join(CHECK_NEXT), root.path().join(CHECK_NOW));
        // It cannot be taken away, as on a volume that cannot be written to.
        fs::create_dir_all(next.join("x")).expect("a folder");
        let warnings = apply_early(root.path()).warnings;
        assert!(warnings.iter().any(|one| one.contains(CHECK_NEXT)));
        assert!(!now.exists());
    }

    #[test]
    fn the_health_check_looks_at_the_flag() {
        let unit = include_str!("../../overlay/usr/lib/systemd/system/vigie-health.service");
        assert!(unit.contains(&format!("test ! -e /{UNUSED}\n")));
    }
}
