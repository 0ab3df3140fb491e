//! What was updated when, by whom, through which door, and what became of it: a line of JSON
//! each, on the state volume, so that it survives going back to the old slot.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::apply::ApplyError;
use crate::printable::printable;
use crate::reached;
use crate::slot::Slot;
use crate::version::Version;
use crate::warn;

const FILE: &str = "history.jsonl";
/// The oldest records are dropped beyond so many bytes.
const LIMIT: u64 = 256 << 10;

/// Longest name of who asks that is kept, in characters.
pub const LONGEST_WHO: usize = 100;
/// Longest reason that is kept, in characters.
pub const LONGEST_REASON: usize = 1000;

/// How a package came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// A person at the console or in a shell.
    Console,
    /// The web interface.
    Web,
    /// The folder that scp and sftp write to.
    Scp,
    /// A stick or disc that was plugged in.
    Usb,
    /// The booted medium.
    Medium,
    /// Fetched by this machine.
    Https,
    /// A fleet server.
    Fleet,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was refused or could not be read; nothing was changed.
    Refused,
    /// It could not be written, or was damaged on its way into the slot; what runs is what ran.
    Failed,
    /// It is in its slot, and the next start tries it.
    Installed,
    /// It came up healthy.
    Good,
    /// It did not; the machine went back to the version before.
    Returned,
    /// A person asked for the version before.
    Rollback,
    /// A person took it back before it was started.
    Cancelled,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Seconds since 1970, by this machine's clock.
    pub time: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// How it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The version that ran.
    pub from: Version,
    /// The version of the package or slot, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Version>,
    /// The slot that it went into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// SHA-256 of the signed header: which package it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Why, for what did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in French; records of the first versions have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_fr: Option<String>,
    /// How long it took, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

impl Record {
    /// A record of now.
    #[must_use]
    pub fn now(outcome: Outcome, from: Version) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            time: since.map_or(0, |since| since.as_secs()),
            outcome,
            door: None,
            who: None,
            from,
            to: None,
            slot: None,
            package: None,
            reason: None,
            reason_fr: None,
            seconds: None,
        }
    }

    /// With a reason.
    #[must_use]
    pub fn because(self, reason: impl Into<Reason>) -> Self {
        let Reason { english, french } = reason.into();
        Self {
            reason: Some(english),
            reason_fr: Some(french),
            ..self
        }
    }

    /// The same with words that cannot push all other records out, nor do anything to a screen.
    fn bounded(&self) -> Self {
        let within = |text: &Option<String>, most| text.as_deref().map(|t| printable(t, most));
        Self {
            who: within(&self.who, LONGEST_WHO),
            reason: within(&self.reason, LONGEST_REASON),
            reason_fr: within(&self.reason_fr, LONGEST_REASON),
            ..self.clone()
        }
    }
}

/// Why something ended as it did, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// In English.
    pub english: String,
    /// In French.
    pub french: String,
}

/// What somebody wrote is told to everybody as it was written.
impl From<&str> for Reason {
    fn from(written: &str) -> Self {
        Self {
            english: written.to_owned(),
            french: written.to_owned(),
        }
    }
}

impl From<&ApplyError> for Reason {
    fn from(error: &ApplyError) -> Self {
        Self {
            english: error.to_string(),
            french: error.french(),
        }
    }
}

/// Appends a record and sees it onto the disk. Words in it are kept to what a line has room for.
///
/// # Errors
/// The state volume refuses.
pub fn append(folder: &Path, record: &Record) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(FILE);
    let line = serde_json::to_string(&record.bounded())? + "\n";
    let old = read_bounded(&path).unwrap_or_default();
    if (old.len() + line.len()) as u64 > LIMIT {
        return reached::write(folder, FILE, &(later_half(&old).to_owned() + &line));
    }
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    // A line that a power cut left half is ended, so that it does not spoil this one.
    let lead = if old.is_empty() || old.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    file.write_all((lead.to_owned() + &line).as_bytes())?;
    file.sync_all()
}

/// The later half of the lines. The middle may lie within a character; a newline never does.
fn later_half(old: &str) -> &str {
    let half = old.len() / 2;
    let newline = old.bytes().skip(half).position(|byte| byte == b'\n');
    &old[newline.map_or(old.len(), |at| half + at + 1)..]
}

/// Appends a record of what has been done already. Where the state volume refuses, that is said to
/// standard error and nothing more: it must not keep a machine from an update, nor from the way
/// back.
pub fn tell(folder: &Path, record: &Record) {
    if let Err(error) = append(folder, record) {
        let folder = folder.display();
        warn!(
            "vigie-update: the history in {folder} does not say what was done: {error}; \
             check the state volume's space and health"
        );
    }
}

/// All records that can be read, the oldest first. A damaged line is passed over.
#[must_use]
pub fn load(folder: &Path) -> Vec<Record> {
    let text = read_bounded(&folder.join(FILE)).unwrap_or_default();
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    records.collect()
}

/// The installation whose fate is open: the last one, unless something became of it.
#[must_use]
pub fn open_installation(records: &[Record]) -> Option<&Record> {
    let matters = |record: &&Record| !matches!(record.outcome, Outcome::Refused | Outcome::Failed);
    let last = records.iter().rev().find(matters)?;
    (last.outcome == Outcome::Installed).then_some(last)
}

/// Versions that are not taken again by themselves: they came back, or a person took them back,
/// the last time that they were installed. A person may still install them.
#[must_use]
pub fn not_again(records: &[Record]) -> BTreeSet<Version> {
    let mut versions = BTreeSet::new();
    for record in records {
        let Some(version) = record.to else { continue };
        match record.outcome {
            Outcome::Returned | Outcome::Cancelled => versions.insert(version),
            Outcome::Good => versions.remove(&version),
            _ => false,
        };
    }
    versions
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(2 * LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(outcome: Outcome, to: u32) -> Record {
        Record {
            to: Some(Version([to, 0, 0, 0])),
            ..Record::now(outcome, Version([1, 0, 0, 0])).because("because")
        }
    }

    /// A version that knows one language wrote it, and one reads what a later version wrote.
    #[test]
    fn records_of_other_versions() {
        let dir = tempfile::tempdir().unwrap();
        let line = r#"{"time":7,"outcome":"returned","from":"1.0.0.0","reason":"it hung"}"#;
        let later = r#"{"time":8,"outcome":"good","from":"1.0.0.0","colour":"green"}"#;
        std::fs::write(dir.path().join(FILE), format!("{line}\n{later}\n")).unwrap();
        let records = load(dir.path());
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].reason.as_deref(), Some("it hung"));
        assert_eq!(records[0].reason_fr, None);
    }

    #[test]
    fn records_are_kept_within_bounds_and_damage_costs_one_line() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..400 {
            let long = Record {
                reason: Some("long ".repeat(200)),
                ..record(Outcome::Good, number)
            };
            append(dir.path(), &long).unwrap();
        }
        let path = dir.path().join(FILE);
        assert!(std::fs::metadata(&path).unwrap().len() <= LIMIT);
        let records = load(dir.path());
        assert!((50..400).contains(&records.len()));
        assert_eq!(records.last().unwrap().to, Some(Version([399, 0, 0, 0])));
        // A power cut in the middle of a line.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        append(dir.path(), &record(Outcome::Returned, 5)).unwrap();
        let after = load(dir.path());
        assert_eq!(after.len(), records.len());
        assert_eq!(after.last().unwrap().outcome, Outcome::Returned);
        std::fs::write(&path, [0xff, 0xfe, b'\n']).unwrap();
        assert!(load(dir.path()).is_empty());
    }

    #[test]
    fn reasons_in_any_script_are_cut_between_lines() {
        let dir = tempfile::tempdir().unwrap();
        for shift in 0..4 {
            // The middle of the file lies at each byte of a character in turn.
            let long = "x".repeat(shift) + &"\u{1f4f7}".repeat(LIMIT as usize / 4) + "\n";
            std::fs::write(dir.path().join(FILE), long).unwrap();
            append(dir.path(), &record(Outcome::Returned, 5)).unwrap();
            let outcomes: Vec<_> = load(dir.path()).iter().map(|r| r.outcome).collect();
            assert_eq!(outcomes, [Outcome::Returned], "{shift}");
        }
    }

    #[test]
    fn no_words_push_the_other_records_out() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), &record(Outcome::Good, 1)).unwrap();
        for _ in 0..3 {
            let endless = Record {
                who: Some("\x1b[2J\u{1f4f7}".repeat(100_000)),
                reason: Some("\x1b]0;\u{1f4f7}\n".repeat(100_000)),
                ..record(Outcome::Refused, 2)
            };
            append(dir.path(), &endless).unwrap();
        }
        let records = load(dir.path());
        assert_eq!((records.len(), records[0].outcome), (4, Outcome::Good));
        let (who, reason) = (records[3].who.as_ref(), records[3].reason.as_ref());
        let (who, reason) = (who.unwrap(), reason.unwrap());
        assert_eq!(who.chars().count(), LONGEST_WHO);
        assert_eq!(reason.chars().count(), LONGEST_REASON);
        assert!(!who.chars().chain(reason.chars()).any(char::is_control));
    }

    #[test]
    fn c84_what_came_back_is_not_taken_again() {
        use Outcome::{Cancelled, Failed, Good, Installed, Refused, Returned};
        for (outcomes, again) in [
            (&[][..], true),
            (&[Installed], true),
            (&[Refused, Failed], true),
            (&[Installed, Returned], false),
            (&[Installed, Cancelled], false),
            // Installed by a person after all: how that ends decides.
            (&[Installed, Returned, Installed], false),
            (&[Installed, Returned, Installed, Good], true),
            (&[Installed, Good, Returned], false),
        ] {
            let records: Vec<Record> = outcomes.iter().map(|o| record(*o, 2)).collect();
            let version = Version([2, 0, 0, 0]);
            assert_eq!(
                !not_again(&records).contains(&version),
                again,
                "{outcomes:?}"
            );
        }
    }

    #[test]
    fn which_installation_is_open() {
        use Outcome::{Cancelled, Failed, Good, Installed, Refused, Returned, Rollback};
        for (outcomes, open) in [
            (&[][..], None),
            (&[Installed], Some(0)),
            (&[Installed, Refused, Failed], Some(0)),
            (&[Installed, Good], None),
            (&[Installed, Returned], None),
            (&[Installed, Good, Rollback], None),
            (&[Installed, Cancelled], None),
            (&[Installed, Returned, Installed], Some(2)),
        ] {
            let records: Vec<Record> = outcomes.iter().map(|o| record(*o, 2)).collect();
            let found = open_installation(&records);
            assert_eq!(found, open.map(|at: usize| &records[at]), "{outcomes:?}");
        }
    }
}
