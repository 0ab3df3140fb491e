//! What was done to an installation from outside: a line of JSON each, on its state volume. No
//! secret is ever in one.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;
use vigie_installer::clock;

use crate::check::keep::ON_STATE;
use crate::full::{self, Room};
use crate::message::Message;
use crate::tell::Tell;

/// The file, in the folder of what recovery leaves on a state volume.
pub const FILE: &str = "actions.jsonl";
/// The oldest lines go beyond so many bytes.
const LIMIT: usize = 256 << 10;

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, by the clock of the machine.
    pub time: String,
    /// What was done.
    pub action: &'static str,
    /// To what: an account, a slot, volumes.
    pub what: String,
    /// The version of the medium that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
}

impl Entry {
    /// An entry of now.
    #[must_use]
    pub fn now(action: &'static str, what: impl Into<String>, medium: Option<String>) -> Self {
        Self {
            time: clock::utc(SystemTime::now()),
            action,
            what: what.into(),
            medium,
        }
    }
}

/// Appends an entry for something that is done: that it cannot be told there is a warning. On a full volume
/// old logs go for it.
pub fn tell(state: &Path, entry: &Entry, tell: &mut Tell) {
    match full::with_room(state, |room| append(room, entry)) {
        Ok(((), freed)) => tell.freed(freed.as_ref()),
        Err(error) => tell.warn(&not_logged(&error)),
    }
}

/// That something is done, and the log does not tell of it.
#[must_use]
pub fn not_logged(error: &anyhow::Error) -> Message {
    Message::new("act.not-logged").because(error)
}

/// Appends an entry. What has the name is whole at every moment.
///
/// # Errors
/// The state volume cannot be written to.
pub fn append(room: &mut Room<'_>, entry: &Entry) -> Result<()> {
    let state = room.state;
    room.saving(&mut || put(state, entry))
}

fn put(state: &Path, entry: &Entry) -> Result<()> {
    let folder = state.join(ON_STATE);
    let path = folder.join(FILE);
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(&folder)?;
        let old = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            old => old?,
        };
        let line = serde_json::to_string(entry)? + "\n";
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        file.write_all(later(&old, line.len()))?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(&folder)?.sync_all()
    };
    let written = write();
    if written.is_err() {
        // On a full volume the half of it would take the room.
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("writing {}", path.display()))
}

/// The newest whole lines that leave room for `more` bytes.
fn later(old: &[u8], more: usize) -> &[u8] {
    let over = (old.len() + more).saturating_sub(LIMIT);
    if over == 0 {
        return old;
    }
    let rest = old.get(over..).unwrap_or_default();
    let newline = rest.iter().position(|byte| *byte == b'\n');
    newline.map_or(&[], |at| &rest[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::full::tests::OLD;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use vigie_settings::Language;

    #[test]
    fn entries_are_appended_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let what = "x".repeat(1000);
        for number in 0..400 {
            let medium = Some(number.to_string());
            put(dir.path(), &Entry::now("reset", what.clone(), medium)).unwrap();
        }
        let path = dir.path().join(ON_STATE).join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() <= LIMIT && text.len() > LIMIT - 2000);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.last().unwrap()["medium"], "399");
        assert_eq!(lines[0]["action"], "reset");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// What is written first goes to a device without room, by a link, which goes with what was not written.
    #[test]
    fn on_a_full_volume_old_logs_go_for_an_entry() {
        let dir = crate::full::tests::volume();
        let log = dir.path().join(ON_STATE).join(FILE);
        symlink("/dev/full", log.with_extension("new")).unwrap();
        let entry = Entry::now("rollback", "slot b", None);
        let ((), freed) = full::with_room(dir.path(), |room| append(room, &entry)).unwrap();
        assert_eq!(freed.unwrap().files, OLD.map(PathBuf::from));
        assert!(fs::read_to_string(&log).unwrap().contains("slot b"));
        let message = not_logged(&anyhow::anyhow!("no room"));
        assert!(message.to(Language::Fr).contains("no room"));
    }
}
