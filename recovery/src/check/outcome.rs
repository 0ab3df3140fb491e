//! What the end of a run of e2fsck means (e2fsck(8), "EXIT CODE").

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde::Serialize;
use vigie_settings::Language;

use super::words::say;

const CORRECTED: i32 = 1;
const REBOOT: i32 = 2;
const LEFT: i32 = 4;
const STOPPED: i32 = 32;
/// Of the remaining bits each is a failure of the run itself.
const FAILURES: [(i32, &str); 4] = [
    (8, "outcome.operational"),
    (16, "outcome.usage"),
    (STOPPED, "outcome.cancelled"),
    (128, "outcome.library"),
];

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its exit code; none where a signal ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

impl From<ExitStatus> for Outcome {
    fn from(status: ExitStatus) -> Self {
        Self {
            exit: status.code(),
            signal: status.signal(),
        }
    }
}

impl Outcome {
    /// Of an exit code.
    #[must_use]
    pub const fn exit(code: i32) -> Self {
        Self {
            exit: Some(code),
            signal: None,
        }
    }

    /// Nothing was wrong.
    #[must_use]
    pub fn is_clean(self) -> bool {
        self.exit == Some(0)
    }

    /// Something was wrong and all of it is mended. The reboot of bit 2 is for mounted volumes,
    /// which are never checked here.
    #[must_use]
    pub fn is_corrected(self) -> bool {
        self.exit
            .is_some_and(|code| code != 0 && code & !(CORRECTED | REBOOT) == 0)
    }

    /// Faults were left.
    #[must_use]
    pub fn leaves_faults(self) -> bool {
        self.exit.is_some_and(|code| code & LEFT != 0)
    }

    /// The run itself failed, whatever else it found; a run that a signal ended did, too.
    #[must_use]
    pub fn has_failed(self) -> bool {
        self.exit
            .is_none_or(|code| code & !(CORRECTED | REBOOT | LEFT) != 0)
    }

    /// It ended itself because it was told to.
    #[must_use]
    pub fn was_stopped(self) -> bool {
        self.exit.is_some_and(|code| code & STOPPED != 0)
    }

    /// What it means, for a person.
    #[must_use]
    pub fn words(self, language: Language) -> String {
        let Some(code) = self.exit else {
            let signal = [("signal", self.signal.unwrap_or_default().to_string())];
            return say("outcome.killed", &signal, language);
        };
        let mut keys = Vec::new();
        match code {
            0 => keys.push("outcome.clean"),
            _ if code & (CORRECTED | REBOOT) != 0 => keys.push("outcome.corrected"),
            _ => {}
        }
        if code & LEFT != 0 {
            keys.push("outcome.left");
        }
        let failures = FAILURES.iter().filter(|(bit, _)| code & bit != 0);
        keys.extend(failures.map(|(_, key)| *key));
        if keys.is_empty() {
            return say("outcome.unknown", &[("code", code.to_string())], language);
        }
        let words = keys.into_iter().map(|key| say(key, &[], language));
        words.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        let is = |outcome: Outcome| {
            [
                (outcome.is_clean(), "clean"),
                (outcome.is_corrected(), "corrected"),
                (outcome.leaves_faults(), "left"),
                (outcome.has_failed(), "failed"),
            ]
            .into_iter()
            .filter_map(|(holds, word)| holds.then_some(word))
            .collect::<Vec<_>>()
            .join(" ")
        };
        for (code, meaning, english) in [
            (0, "clean", "nothing was wrong"),
            (1, "corrected", "faults were mended"),
            (2, "corrected", "faults were mended"),
            (3, "corrected", "faults were mended"),
            (4, "left", "faults are left"),
            (5, "left", "faults were mended, faults are left"),
            (8, "failed", "e2fsck could not work"),
            (12, "left failed", "faults are left, e2fsck could not work"),
            (16, "failed", "e2fsck was called wrongly"),
            (32, "failed", "e2fsck was stopped"),
            (128, "failed", "a library of e2fsck is missing"),
            (64, "failed", "e2fsck ended with the unknown code 64"),
            (
                -1,
                "left failed",
                "faults were mended, faults are left, e2fsck could not work, e2fsck was called wrongly, e2fsck was stopped, a library of e2fsck is missing",
            ),
        ] {
            let outcome = Outcome::exit(code);
            assert_eq!(is(outcome), meaning, "{code}");
            assert_eq!(outcome.words(Language::En), english, "{code}");
        }
        assert!(Outcome::exit(36).was_stopped() && !Outcome::exit(12).was_stopped());
        let killed = Outcome::from(ExitStatus::from_raw(9));
        assert_eq!((killed.exit, killed.signal), (None, Some(9)));
        assert_eq!(is(killed), "failed");
        let french = killed.words(Language::Fr);
        assert_eq!(french, "e2fsck a été tué par le signal 9");
    }
}
