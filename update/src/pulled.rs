//! What the last question to a server gave, as `vigie-pull` leaves it. It is written by an account
//! that has a network: a report is only ever shown, and a consent only ever lets something be done
//! that the settings ask for and that is judged again.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use serde::{Deserialize, Serialize};
use vigie_settings::Language;

use crate::printable::printable;
use crate::version::Version;

/// The folder of the account.
pub const FOLDER: &str = "/var/lib/vigie/pull";
/// The report's name.
pub const FILE: &str = "report.json";
/// Held while a server is asked or a package is fetched.
pub const LOCK: &str = "lock";
/// The consent's name.
pub const CONSENT: &str = "consent.json";
const MAX: u64 = 16 << 10;
const WORDS_MAX: usize = 1000;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// There is nothing newer.
    UpToDate,
    /// There is a package that this machine would take.
    Offered,
    /// It is here, complete.
    Fetched,
    /// There is something newer, and this machine does not take it.
    Refused,
    /// There is an update that a person has to confirm on the server first.
    Unconfirmed,
    /// The server could not be asked, or what it said is not believed.
    Failed,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When, in seconds since 1970, by this machine's clock.
    pub time: u64,
    /// How it ended.
    pub answer: Answer,
    /// The version that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// When the index was made, in seconds since 1970, by its maker's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<u64>,
    /// Why, or what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in French, where it is known: what a network or a server says is told as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_fr: Option<String>,
}

impl Report {
    /// With the reason in both languages.
    #[must_use]
    pub fn because(self, english: impl Into<String>, french: impl Into<String>) -> Self {
        Self {
            reason: Some(english.into()),
            reason_fr: Some(french.into()),
            ..self
        }
    }

    /// Reads the report in a folder that another account owns: no link is followed, and what could
    /// do something to a screen is left out.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn load(folder: &Path) -> io::Result<Self> {
        let mut report: Self = serde_json::from_str(&read(&folder.join(FILE))?)?;
        for reason in [&mut report.reason, &mut report.reason_fr] {
            *reason = reason.take().map(|text| printable(&text, WORDS_MAX));
        }
        Ok(report)
    }

    /// For a person. `now` is in seconds since 1970.
    #[must_use]
    pub fn words(&self, now: u64, language: Language) -> String {
        let version = self.version.map_or("?".to_owned(), |v| v.to_string());
        let mut words = self.answer.words(&version, language);
        let french = self.reason_fr.as_ref().filter(|_| language == Language::Fr);
        if let Some(reason) = french.or(self.reason.as_ref()) {
            let colon = match language {
                Language::En => ": ",
                Language::Fr => " : ",
            };
            words.push_str(&format!("{colon}{reason}"));
        }
        // Whoever holds back the server's news shows an old list: only a person can judge that.
        if let Some(days) = self.made.and_then(|made| now.checked_sub(made)) {
            let days = days / 86_400;
            words.push_str(&match language {
                Language::En => format!("\nits list was made {days} days ago"),
                Language::Fr => format!("\nsa liste a été faite il y a {days} jours"),
            });
        }
        words
    }
}

impl Answer {
    fn words(self, version: &str, language: Language) -> String {
        let words = match (self, language) {
            (Self::UpToDate, Language::En) => "the server has nothing newer",
            (Self::UpToDate, Language::Fr) => "le serveur n'a rien de plus récent",
            (Self::Offered, Language::En) => "the server offers version {version}",
            (Self::Offered, Language::Fr) => "le serveur propose la version {version}",
            (Self::Fetched, Language::En) => "version {version} is here (vigie-update list)",
            (Self::Fetched, Language::Fr) => "la version {version} est là (vigie-update list)",
            (Self::Refused, Language::En) => {
                "the server has version {version}, which this machine does not take"
            }
            (Self::Refused, Language::Fr) => {
                "le serveur a la version {version}, que cette machine ne prend pas"
            }
            (Self::Unconfirmed, Language::En) => {
                "the server has an update that must be confirmed there first"
            }
            (Self::Unconfirmed, Language::Fr) => {
                "le serveur a une mise à jour qui doit d'abord y être confirmée"
            }
            (Self::Failed, Language::En) => "the server was asked in vain",
            (Self::Failed, Language::Fr) => "le serveur a été interrogé en vain",
        };
        words.replace("{version}", version)
    }
}

/// What a fleet server lets be installed without a person: without one, nothing that came from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// SHA-256 of the package's signed header.
    pub package: String,
    /// Since when, in seconds since 1970, by this machine's clock.
    pub from: u64,
    /// Until when, where the server has a maintenance window: it has to say so anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

impl Consent {
    /// Reads the consent in a folder that another account owns.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn load(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&read(&folder.join(CONSENT))?)?)
    }

    /// Whether it holds at a time, in seconds since 1970. A clock that was set back ends one that
    /// has an end.
    #[must_use]
    pub fn holds(&self, now: u64) -> bool {
        self.until
            .is_none_or(|until| (self.from..until).contains(&now))
    }
}

/// Whether a server is being asked, or a package fetched.
#[must_use]
pub fn is_busy(folder: &Path) -> bool {
    open_plain(&folder.join(LOCK))
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

/// Opens a file of another account: no link is followed.
fn open_plain(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(file)
}

fn read(path: &Path) -> io::Result<String> {
    let file = open_plain(path)?;
    let mut text = String::new();
    file.take(MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            time: 1_763_900_000,
            answer: Answer::Refused,
            version: Some("2.0.0.0".parse().unwrap()),
            made: Some(1_763_800_000),
            reason: None,
            reason_fr: None,
        }
        .because("no licence", "pas de licence")
    }

    #[test]
    fn c58_a_report_is_read_as_what_a_stranger_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let put = |text: &str| std::fs::write(&path, text).unwrap();
        let mut hostile = report();
        let words = format!("\u{1b}[2Jx{}", "y".repeat(5000));
        hostile = hostile.because(words.clone(), words);
        put(&serde_json::to_string(&hostile).unwrap());
        let told = Report::load(dir.path()).unwrap();
        for reason in [told.reason.unwrap(), told.reason_fr.unwrap()] {
            assert!(reason.starts_with("[2Jxy") && reason.len() == WORDS_MAX);
        }
        put(&" ".repeat(1 << 20));
        assert!(Report::load(dir.path()).is_err());
        put("{}");
        assert!(Report::load(dir.path()).is_err());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/proc/self/environ", &path).unwrap();
        assert!(Report::load(dir.path()).is_err());
        std::os::unix::fs::symlink(&path, dir.path().join(CONSENT)).unwrap();
        assert!(Consent::load(dir.path()).is_err());
    }

    #[test]
    fn a_run_that_goes_on_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_busy(dir.path()));
        let held = File::create(dir.path().join(LOCK)).unwrap();
        assert!(!is_busy(dir.path()));
        flock(&held, FlockOperation::LockExclusive).unwrap();
        assert!(is_busy(dir.path()));
        drop(held);
        assert!(!is_busy(dir.path()));
    }

    #[test]
    fn a_consent_of_a_maintenance_window_ends() {
        for (from, until, now, holds) in [
            (100, None, 0, true),
            (100, None, u64::MAX, true),
            (100, Some(700), 99, false),
            (100, Some(700), 100, true),
            (100, Some(700), 699, true),
            (100, Some(700), 700, false),
        ] {
            let package = "a".to_owned();
            let consent = Consent {
                package,
                from,
                until,
            };
            assert_eq!(consent.holds(now), holds, "{consent:?} at {now}");
        }
    }

    #[test]
    fn words_say_how_old_the_list_is() {
        let now = 1_763_800_000 + 3 * 86_400 + 5;
        assert_eq!(
            report().words(now, Language::En),
            "the server has version 2.0.0.0, which this machine does not take: no licence\n\
             its list was made 3 days ago"
        );
        assert_eq!(
            report().words(now, Language::Fr),
            "le serveur a la version 2.0.0.0, que cette machine ne prend pas : pas de licence\n\
             sa liste a été faite il y a 3 jours"
        );
        // A clock before that says nothing of it.
        assert!(!report().words(0, Language::En).contains("days"));
    }
}
