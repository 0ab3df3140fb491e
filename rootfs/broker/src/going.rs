//! The machine goes down: each restart and each power-off is in the audit trail once. Of those that were asked for here
//! it is known who asked; of all others, by a shell, the power button or the updater, only that they were.

use std::fs;
use std::io;
use std::path::Path;

use crate::audit::{Ended, Record, Trail};
use crate::verb::Verb;

/// Left where somebody has asked for it here, below the root; the next start has forgotten it.
const ASKED: &str = "run/vigie/going-down";

/// What systemd is asked: its jobs, one a line.
pub const JOBS: [&str; 3] = ["list-jobs", "--no-legend", "--plain"];

/// Somebody has asked for it here, and is written down.
pub fn is_asked_for(root: &Path) {
    // Without it there is a record too many, of nobody.
    if let Err(error) = fs::write(root.join(ASKED), "") {
        eprintln!("vigie-broker: noting that the machine goes down: {error}");
    }
}

/// It did not go down.
pub fn is_not(root: &Path) {
    // Where there is none, nobody had asked.
    let _ = fs::remove_file(root.join(ASKED));
}

/// Writes down what the machine is doing by systemd's jobs, unless somebody is written down for it; what it is.
///
/// # Errors
/// The state volume refuses.
pub fn note(root: &Path, jobs: &str) -> io::Result<Option<Verb>> {
    let verb = verb(jobs).filter(|_| !root.join(ASKED).exists());
    if let Some(verb) = verb {
        let record = Record::now(verb, "-", Ended::Done);
        Trail::actions(root).append(&record)?;
    }
    Ok(verb)
}

/// Whether the machine restarts or goes off; none where it does neither.
fn verb(jobs: &str) -> Option<Verb> {
    jobs.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        match (words.next()?, words.next()?) {
            ("reboot.target" | "kexec.target", "start") => Some(Verb::Restart),
            ("poweroff.target" | "halt.target", "start") => Some(Verb::PowerOff),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As systemctl(1) lists them.
    const REBOOT: &str =
        "  812 vigie-web.service  stop  running\n  790 reboot.target  start  waiting\n";

    #[test]
    fn what_the_machine_does_is_told_by_its_jobs() {
        for (jobs, expected) in [
            (REBOOT, Some(Verb::Restart)),
            ("1 poweroff.target start waiting\n", Some(Verb::PowerOff)),
            ("1 halt.target start waiting\n", Some(Verb::PowerOff)),
            ("1 reboot.target stop waiting\n", None),
            ("1 x-reboot.target start waiting\n", None),
            ("No jobs running.\n", None),
            ("", None),
        ] {
            assert_eq!(verb(jobs), expected, "{jobs}");
        }
    }

    #[test]
    fn a_restart_is_written_down_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("run/vigie")).unwrap();
        let records = || Trail::actions(root).load();
        assert_eq!(note(root, "").unwrap(), None);
        assert!(records().is_empty());
        assert_eq!(note(root, REBOOT).unwrap(), Some(Verb::Restart));
        let told = records();
        assert_eq!(
            (told.len(), &*told[0].action, &*told[0].from),
            (1, "restart", "-")
        );
        // Whoever asked here stands there already.
        is_asked_for(root);
        assert_eq!(note(root, REBOOT).unwrap(), None);
        is_not(root);
        assert_eq!(note(root, REBOOT).unwrap(), Some(Verb::Restart));
        assert_eq!(records().len(), 2);
    }
}
