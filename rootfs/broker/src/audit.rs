//! The audit trail: who had what done, from where, and what became of it. A line of JSON each, on the
//! state volume, so that it survives updates and their undoing.
//!
//! 1. A change has a line before it is begun and another when it has ended. A line is on the disk before it is answered that something is done; one that a power cut left
//!    half spoils no other.
//! 2. The newest file is appended to; a full one is renamed, and the oldest goes ([`Rows`]).
//! 3. What anybody can have written down as often as they like has files of its own: neither ten thousand
//!    wrong passwords nor a viewer who is refused or logs in and out push out an action ([`Trail::of`]).
//! 4. No secret is ever in one: nothing gets here but a verb, an account, a unit and words of ours.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use vigie_settings::noted;
use vigie_settings::rows::{FULL, Rows};
use vigie_settings::seconds_now;

use crate::peer::Peer;
use crate::verb::{Role, Verb};
pub use vigie_settings::rows::FOLDER;

/// Longest word that is kept, in characters.
const LONGEST: usize = 200;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Not yet: it is about to be done. Where no other record follows, nobody knows.
    Asked,
    /// It was done; the machine is going, where that was asked.
    Done,
    /// It was not allowed or made no sense; nothing was changed.
    Refused,
    /// It was tried.
    Failed,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Seconds since 1970, by this machine's clock.
    pub time: u64,
    /// Who asked; none where nobody was logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// As what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// From where: an address, or `console`.
    pub from: String,
    /// Whose word that is, by the kernel; none in what others wrote down, and in old records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// What: a verb, or an action of the recovery.
    pub action: String,
    /// What it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What became of it.
    pub ended: Ended,
    /// Why, in one word for programs, for what was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Record {
    /// A record of now.
    #[must_use]
    pub fn now(verb: Verb, from: &str, ended: Ended) -> Self {
        let action = serde_json::to_value(verb).unwrap_or_default();
        Self {
            time: seconds_now(),
            who: None,
            role: None,
            from: from.to_owned(),
            peer: None,
            action: action.as_str().unwrap_or_default().to_owned(),
            about: None,
            ended,
            code: None,
        }
    }

    /// The same with words that cannot push all others out, nor do anything to a screen.
    pub(crate) fn bounded(&self) -> Self {
        let within = |text: &Option<String>| text.as_deref().map(printable);
        Self {
            who: within(&self.who),
            from: printable(&self.from),
            about: within(&self.about),
            ..self.clone()
        }
    }
}

/// What can be seen of a text, and no more of it than there is room for.
#[must_use]
pub fn printable(text: &str) -> String {
    let seen = text.chars().map(|c| if c == '\n' { ' ' } else { c });
    let shown = |c: &char| !c.is_control() && !turns_text(*c);
    seen.filter(shown).take(LONGEST).collect()
}

/// Characters that show others in another order or at another place (Unicode's Bidi_Control, and the
/// separators of lines and paragraphs): a name could look like another one.
pub(crate) fn turns_text(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// One row of files.
#[derive(Clone, Debug)]
pub struct Trail(pub Rows);

impl Trail {
    /// What was done, below the root of a system.
    #[must_use]
    pub fn actions(root: &Path) -> Self {
        Self::row(root, "actions", 8)
    }

    /// Log-ins that failed.
    #[must_use]
    pub fn wrong(root: &Path) -> Self {
        Self::row(root, "wrong-log-ins", 2)
    }

    /// Log-ins and log-outs.
    #[must_use]
    pub fn log_ins(root: &Path) -> Self {
        Self::row(root, "log-ins", 2)
    }

    /// What somebody known was refused.
    #[must_use]
    pub fn refusals(root: &Path) -> Self {
        Self::row(root, "refusals", 2)
    }

    /// All rows, below the root of a system.
    #[must_use]
    pub fn all(root: &Path) -> [Self; 5] {
        let rows = [
            Self::actions,
            Self::wrong,
            Self::log_ins,
            Self::refusals,
            Self::commands,
        ];
        rows.map(|row| row(root))
    }

    /// The row that a record of a verb goes into.
    #[must_use]
    pub fn of(root: &Path, verb: Verb, record: &Record) -> Self {
        match (verb, record.ended) {
            (Verb::LogIn, Ended::Refused) => Self::wrong(root),
            (Verb::Setup, Ended::Refused) => Self::wrong(root),
            (_, Ended::Refused) => Self::refusals(root),
            (Verb::LogIn | Verb::LogOut, _) => Self::log_ins(root),
            // Whoever is logged in may do so as often as they like.
            (Verb::SetOwnPassword | Verb::SessionsEnd, _)
                if record.role != Some(Role::Administrator) =>
            {
                Self::log_ins(root)
            }
            _ => Self::actions(root),
        }
    }

    /// What root did by `vigie-settings`, which writes it down itself.
    #[must_use]
    pub fn commands(root: &Path) -> Self {
        Self(noted::rows(root))
    }

    fn row(root: &Path, name: &'static str, kept: u32) -> Self {
        Self(Rows {
            folder: root.join(FOLDER),
            name,
            kept,
            full: FULL,
        })
    }

    /// Appends a record and sees it onto the disk.
    ///
    /// # Errors
    /// The state volume refuses.
    pub fn append(&self, record: &Record) -> io::Result<()> {
        self.0.append(&serde_json::to_string(&record.bounded())?)
    }

    /// All records that can be read, the oldest first. A damaged line is passed over.
    #[must_use]
    pub fn load(&self) -> Vec<Record> {
        let lines = self.0.load().into_iter();
        lines
            .filter_map(|line| serde_json::from_str(&line).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn record(number: u64) -> Record {
        Record {
            time: number,
            who: Some("anne".into()),
            role: Some(Role::Administrator),
            about: Some("x".repeat(150)),
            ..Record::now(Verb::SetPassword, "192.0.2.7", Ended::Done)
        }
    }

    #[test]
    fn what_is_shown_stands_where_it_was_written() {
        for (text, expected) in [
            ("anne", "anne"),
            ("a\u{202e}enna", "aenna"),
            ("\u{61c}\u{200e}\u{200f}\u{202a}\u{2066}\u{2069}é", "é"),
            ("a\nb\u{2028}c\u{2029}", "a bc"),
            ("\u{1b}[2J\u{9b}m", "[2Jm"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn a_volume_that_refuses_is_an_error_and_words_are_bounded() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let trail = Trail::actions(file.path());
        assert!(trail.append(&record(1)).is_err());
        let root = tempfile::tempdir().unwrap();
        let trail = Trail::actions(root.path());
        let record = Record {
            who: Some("\x1b[2J\n".repeat(500)),
            from: "y".repeat(5000),
            ..record(1)
        };
        trail.append(&record).unwrap();
        let read = trail.load().remove(0);
        let who = read.who.unwrap();
        assert!(who.len() <= LONGEST && !who.contains('\x1b'), "{who}");
        assert_eq!(read.from.len(), LONGEST);
        // Bytes that are no text spoil only their line.
        let mut bytes = b"\xff\xfe\n".to_vec();
        bytes.extend(fs::read(trail.0.file(0)).unwrap());
        fs::write(trail.0.file(0), bytes).unwrap();
        assert_eq!(trail.load().len(), 1);
    }
}
