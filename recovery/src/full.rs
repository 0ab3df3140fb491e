//! A state volume that is full. What a person needs must be saved all the same: the oldest of what an
//! appliance writes about itself goes for it. Settings, history and what was done from outside stay.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use vigie_settings::store::SaveError;

use crate::check::keep::ON_STATE;
use crate::message::Message;

/// The journals of the machines that a state volume was in, a folder each.
const JOURNALS: &str = "log/journal";
/// How the names of check reports begin (`check::keep`); up to the first dot they are the same for
/// all files of a report, and sort by its time.
const REPORT: &str = "check-";

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// The files, below the root of the volume.
    pub files: Vec<PathBuf>,
}

impl Freed {
    /// In words.
    #[must_use]
    pub fn message(&self) -> Message {
        let files = self.files.iter().map(|file| file.display().to_string());
        let files = files.collect::<Vec<_>>().join(", ");
        Message::new("state.freed").with("files", files)
    }
}

/// Saves something on a state volume whose root is the folder `state`; where that has no room, once
/// more after [`free`]. Says what went for it.
///
/// # Errors
/// It cannot be saved; nothing can be freed, and that it is full.
pub fn saving<T>(state: &Path, save: &mut dyn FnMut() -> Result<T>) -> Result<(T, Option<Freed>)> {
    let error = match save() {
        Err(error) if is_full(&error) => error,
        saved => return Ok((saved?, None)),
    };
    let freed = free(state).context("making room on the system volume")?;
    if freed.files.is_empty() {
        return Err(error);
    }
    Ok((save()?, Some(freed)))
}

/// Whether it failed for want of room.
fn is_full(error: &anyhow::Error) -> bool {
    let of = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
    let settings = match error.downcast_ref() {
        Some(SaveError::Io { error, .. }) => of(error),
        _ => false,
    };
    let mut causes = error.chain().filter_map(|one| one.downcast_ref());
    settings || causes.any(of)
}

/// Removes the oldest archived file of the journal, and of the check reports the older half. What was
/// written last stays: the journal's files that are written to, the newest report.
///
/// # Errors
/// Something cannot be read or removed.
pub fn free(state: &Path) -> io::Result<Freed> {
    let mut files = Vec::from_iter(oldest_journal(state)?);
    files.extend(older_reports(state)?);
    for file in &files {
        fs::remove_file(state.join(file))?;
    }
    // ext4 gives the room to others when that is on the disk.
    File::open(state)?.sync_all()?;
    Ok(Freed { files })
}

fn oldest_journal(state: &Path) -> io::Result<Option<PathBuf>> {
    let mut oldest: Option<(SystemTime, PathBuf)> = None;
    for machine in names(state, Path::new(JOURNALS))? {
        for file in names(state, &machine)? {
            let facts = fs::symlink_metadata(state.join(&file))?;
            if !facts.is_file() || !is_archived(&file) {
                continue;
            }
            let this = (facts.modified()?, file);
            if oldest.as_ref().is_none_or(|oldest| this < *oldest) {
                oldest = Some(this);
            }
        }
    }
    Ok(oldest.map(|(_, path)| path))
}

/// journald writes to "system.journal"; "system@….journal" it has ended, and "system@….journal~"
/// found damaged (systemd-journald.service(8), FILES).
fn is_archived(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.contains('@') && (name.ends_with(".journal") || name.ends_with(".journal~"))
}

fn older_reports(state: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = names(state, Path::new(ON_STATE))?;
    files.retain(|file| report(file).is_some());
    let mut reports: Vec<String> = files.iter().filter_map(|file| report(file)).collect();
    reports.sort();
    reports.dedup();
    reports.truncate(reports.len() / 2);
    let is_old = |file: &PathBuf| report(file).is_some_and(|one| reports.contains(&one));
    files.retain(is_old);
    Ok(files)
}

/// The report that a file belongs to.
fn report(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let report = name.split('.').next()?;
    report.starts_with(REPORT).then(|| report.to_owned())
}

/// What is in a folder, below the root of the volume, sorted; nothing where it is not there.
fn names(state: &Path, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut at = state.to_owned();
    // A link leads to somebody else's files.
    let is_there = folder.components().all(|part| {
        at.push(part);
        fs::symlink_metadata(&at).is_ok_and(|one| one.is_dir())
    });
    if !is_there {
        return Ok(Vec::new());
    }
    let name = |entry: io::Result<fs::DirEntry>| Ok(folder.join(entry?.file_name()));
    let mut names: Vec<PathBuf> = fs::read_dir(&at)?.map(name).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::anyhow;
    use vigie_settings::Language;

    use super::*;

    const JOURNAL: &str = "log/journal/0f3b";
    const KEPT: [&str; 6] = [
        "lib/vigie/settings/current.2.toml",
        "lib/vigie/update/history.jsonl",
        "lib/vigie/recovery/actions.jsonl",
        "lib/vigie/recovery/check-20261103T000000Z-data-1.json",
        "log/journal/0f3b/system.journal",
        "log/journal/0f3b/user-1000.journal",
    ];
    const OLD: [&str; 3] = [
        "log/journal/0f3b/system@a-2.journal",
        "lib/vigie/recovery/check-20261101T000000Z.en.txt",
        "lib/vigie/recovery/check-20261101T000000Z.json",
    ];
    const NEWER: [&str; 2] = [
        "log/journal/0f3b/system@a-1.journal",
        "log/journal/0f3b/system@b.journal~",
    ];

    fn volume() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (seconds, file) in (1..).zip(KEPT.iter().chain(&OLD).chain(&NEWER)) {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let made = File::create(&path).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            made.set_modified(time).unwrap();
        }
        dir
    }

    fn is_there(state: &Path, file: &str) -> bool {
        state.join(file).exists()
    }

    #[test]
    fn the_oldest_of_what_an_appliance_writes_about_itself_goes() {
        let dir = volume();
        let freed = free(dir.path()).unwrap();
        assert_eq!(freed.files, OLD.map(PathBuf::from));
        for (files, there) in [(&KEPT[..], true), (&OLD, false), (&NEWER, true)] {
            for file in files {
                assert_eq!(is_there(dir.path(), file), there, "{file}");
            }
        }
        // Then the next ones, until nothing is left that may go.
        for file in NEWER {
            let freed = free(dir.path()).unwrap();
            assert_eq!(freed.files, [PathBuf::from(file)]);
        }
        assert_eq!(free(dir.path()).unwrap(), Freed::default());
        assert!(KEPT.iter().all(|file| is_there(dir.path(), file)));
    }

    #[test]
    fn links_are_not_followed_and_an_empty_volume_has_nothing() {
        let (dir, other) = (tempfile::tempdir().unwrap(), volume());
        assert_eq!(free(dir.path()).unwrap(), Freed::default());
        fs::create_dir_all(dir.path().join("log/journal")).unwrap();
        let theirs = other.path().join(JOURNAL);
        std::os::unix::fs::symlink(theirs, dir.path().join(JOURNAL)).unwrap();
        std::os::unix::fs::symlink(other.path().join("lib"), dir.path().join("lib")).unwrap();
        assert_eq!(free(dir.path()).unwrap(), Freed::default());
    }

    fn full() -> anyhow::Error {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        let path = PathBuf::from("current.2.toml");
        anyhow::Error::from(SaveError::Io { path, error }).context("saving the settings")
    }

    #[test]
    fn what_has_no_room_is_saved_once_more_and_no_more_often() {
        let run = |state: &Path, fails: usize, why: &dyn Fn() -> anyhow::Error| {
            let mut tries = 0;
            let saved = saving(state, &mut || {
                tries += 1;
                if tries > fails { Ok(tries) } else { Err(why()) }
            });
            (saved, tries)
        };
        let dir = volume();
        let (saved, _) = run(dir.path(), 0, &full);
        assert_eq!(saved.unwrap(), (1, None));
        // It fails for another reason: nothing goes.
        let (saved, tries) = run(dir.path(), 1, &|| anyhow!("read-only"));
        assert!(saved.is_err() && tries == 1 && is_there(dir.path(), OLD[0]));
        let (saved, _) = run(dir.path(), 1, &full);
        let (tries, freed) = saved.unwrap();
        let said = freed.unwrap().message().to(Language::Fr);
        assert!(tries == 2 && said.contains(OLD[0]), "{said}");
        // Still no room: that is the error.
        let (saved, tries) = run(dir.path(), 2, &full);
        assert!(tries == 2 && is_full(&saved.unwrap_err()));
        // Nothing can go, as seen by a report that cannot be written.
        let empty = tempfile::tempdir().unwrap();
        let report = || anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull));
        let (saved, tries) = run(empty.path(), 1, &|| report().context("writing a report"));
        assert!(tries == 1 && is_full(&saved.unwrap_err()));
    }
}
