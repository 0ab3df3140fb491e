//! A state volume that is full. What a person needs must be saved all the same: the oldest of what an
//! appliance writes about itself goes for it. Settings, history and what was done from outside stay.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use vigie_settings::store::SaveError;

use crate::check::keep::ON_STATE;
use crate::message::{Failed, Message};

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
        Message::new("state.freed").with("files", self.names())
    }

    fn names(&self) -> String {
        let files = self.files.iter().map(|file| file.display().to_string());
        files.collect::<Vec<_>>().join(", ")
    }
}

/// The room on a state volume, made while something is saved on it.
pub struct Room<'a> {
    /// The root of the volume.
    pub state: &'a Path,
    freed: Freed,
}

/// Does what saves something on a state volume whose root is the folder `state`, by
/// [`Room::saving`]. What went for it is said in any case: with what was done, or in the error.
///
/// # Errors
/// Those of what is done.
pub fn with_room<T>(
    state: &Path,
    act: impl FnOnce(&mut Room<'_>) -> Result<T>,
) -> Result<(T, Option<Freed>)> {
    let freed = Freed::default();
    let mut room = Room { state, freed };
    let done = act(&mut room);
    let freed = Some(room.freed).filter(|freed| !freed.files.is_empty());
    match (done, &freed) {
        (Ok(done), _) => Ok((done, freed)),
        (Err(error), None) => Err(error),
        (Err(error), Some(freed)) => {
            let message = Message::new("state.freed-in-vain").with("files", freed.names());
            Err(Failed(message.because(&error)).into())
        }
    }
}

impl Room<'_> {
    /// Saves something; where that has no room, once more after the oldest of what an appliance
    /// writes about itself went.
    ///
    /// # Errors
    /// It cannot be saved; nothing can be freed, and that it is full.
    pub fn saving<T>(&mut self, save: &mut dyn FnMut() -> Result<T>) -> Result<T> {
        let error = match save() {
            Err(error) if is_full(&error) => error,
            saved => return saved,
        };
        let before = self.freed.files.len();
        free(self.state, &mut self.freed).context("making room on the system volume")?;
        match self.freed.files.len() > before {
            true => save(),
            false => Err(error),
        }
    }
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

/// Removes the oldest archived file of the journal, and of the check reports the older half; notes each. What
/// was written last stays: the journal's files that are written to, the newest report.
///
/// # Errors
/// Something cannot be read or removed.
fn free(state: &Path, freed: &mut Freed) -> io::Result<()> {
    let mut files = Vec::from_iter(oldest_journal(state)?);
    files.extend(older_reports(state)?);
    for file in files {
        fs::remove_file(state.join(&file))?;
        freed.files.push(file);
    }
    // ext4 gives the room to others when that is on the disk.
    File::open(state)?.sync_all()
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
pub(crate) mod tests;
