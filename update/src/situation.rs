//! What the account that fetches packages may know of this machine.
//!
//! It has a network and so is told what it needs and no more: root writes this file before each
//! run of `vigie-pull`; nothing in it is a secret, and nothing that the account says is believed.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::automatic;
use crate::history::{self, Outcome, Record};
use crate::index::choose::Before;
use crate::machine::Machine;
use crate::package::signature::KeyId;
use crate::policy::{Reached, Standing, Waiting};
use crate::version::Version;

/// Folder of the file: root's, in memory.
pub const FOLDER: &str = "/run/vigie";
/// Its name.
pub const FILE: &str = "pull-situation.json";
/// Longest reason that is handed on, in characters.
const REASON_MAX: usize = 400;

/// How things stand, for whoever chooses what to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situation {
    /// What this machine is.
    pub machine: Machine,
    /// Highest version that was ever marked good here.
    pub reached: Version,
    /// Highest security epoch that was.
    pub reached_epoch: u32,
    /// What is installed and waits for a restart.
    pub waiting: Option<Waiting>,
    /// The highest major version that the licence allows.
    pub licensed_major: u32,
    /// Keys that were ever revoked here, beside those of the image's list.
    pub revoked: BTreeSet<KeyId>,
    /// Versions that came back from here.
    pub not_again: BTreeSet<Version>,
    /// What became of packages, the last of each.
    pub fates: Vec<Fate>,
    /// Packages that were tried without being asked for as often as one is, whatever is known of
    /// how that ended: a power cut tells nobody.
    #[serde(default)]
    pub exhausted: BTreeSet<String>,
    /// The machine's serial number, for a fleet server.
    pub serial: Option<String>,
    /// An installation is under way.
    #[serde(default)]
    pub busy: bool,
}

/// What became of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// SHA-256 of its signed header.
    pub package: String,
    /// When, in seconds since 1970, by this machine's clock: tells one time from the next.
    pub time: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, for what did not end well.
    pub reason: Option<String>,
    /// The same in French, where the history has it.
    #[serde(default)]
    pub reason_fr: Option<String>,
    /// It did not end well, and is tried again without being asked for.
    #[serde(default)]
    pub again: bool,
}

impl Situation {
    /// As a package is judged: what is not confirmed yet may still be fetched for.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            reached: Reached {
                version: self.reached,
                security_epoch: self.reached_epoch,
            },
            confirmed: true,
            waiting: self.waiting,
            licensed_major: self.licensed_major,
            reinstall: false,
        }
    }

    /// What was tried here before, and is not fetched for another try.
    #[must_use]
    pub fn before(&self) -> Before {
        let failed = self.fates.iter().filter(|fate| fate.has_failed());
        let failed = failed.map(|fate| &fate.package);
        Before {
            came_back: self.not_again.clone(),
            failed: failed.chain(&self.exhausted).cloned().collect(),
        }
    }

    /// Puts the file into its place, readable by everybody.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(serde_json::to_string(self)?.as_bytes())?;
        let everybody = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(everybody)?;
        file.persist(folder.join(FILE))?;
        Ok(())
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is not there, or not as it was written.
    pub fn load(folder: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(folder.join(FILE))?;
        Ok(serde_json::from_str(&text)?)
    }
}

impl Fate {
    /// Whether it could not be installed, and is not tried again without being asked for.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Refused | Outcome::Failed) && !self.again
    }
}

/// The last thing that became of each package. `tried` are the packages that were tried without
/// being asked for, once for each time; none where that is not done.
#[must_use]
pub fn fates(records: &[Record], tried: Option<&[String]>) -> Vec<Fate> {
    let mut fates: Vec<Fate> = Vec::new();
    for record in records {
        let Some(package) = &record.package else {
            continue;
        };
        fates.retain(|fate| fate.package != *package);
        let within = |reason: &Option<String>| {
            let reason = reason.as_ref();
            reason.map(|reason| reason.chars().take(REASON_MAX).collect())
        };
        fates.push(Fate {
            package: package.clone(),
            time: record.time,
            outcome: record.outcome,
            reason: within(&record.reason),
            reason_fr: within(&record.reason_fr),
            again: tried.is_some_and(|tried| automatic::is_tried_again(record, tried)),
        });
    }
    fates
}

/// The parts of it that the history tells.
#[must_use]
pub fn of_history(records: &[Record], tried: Option<&[String]>) -> (BTreeSet<Version>, Vec<Fate>) {
    (history::not_again(records), fates(records, tried))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_each_package_is_told() {
        let record = |package: &str, outcome| Record {
            package: Some(package.to_owned()),
            reason: Some("because ".repeat(100)),
            to: Some(Version([2, 0, 0, 0])),
            ..Record::now(outcome, Version::default())
        };
        let records = [
            record("a", Outcome::Installed),
            record("b", Outcome::Refused),
            record("a", Outcome::Returned),
        ];
        let (not_again, fates) = of_history(&records, Some(&[]));
        let told: Vec<_> = fates.iter().map(|f| (&*f.package, f.outcome)).collect();
        assert_eq!(told, [("b", Outcome::Refused), ("a", Outcome::Returned)]);
        assert_eq!(fates[0].reason.as_ref().unwrap().len(), REASON_MAX);
        assert_eq!(not_again.len(), 1);
    }

    #[test]
    fn what_is_tried_again_has_not_failed_yet() {
        use Outcome::{Failed, Good, Installed, Refused, Returned};
        for (outcomes, installs, again) in [
            (&[Failed][..], true, true),
            (&[Failed], false, false),
            (&[Refused, Failed], true, true),
            (&[Failed, Refused, Failed], true, false),
            (&[Failed, Installed], true, false),
            (&[Failed, Installed, Good], true, false),
            (&[Failed, Installed, Returned], true, false),
        ] {
            let record = |outcome: &Outcome| Record {
                package: Some("a".to_owned()),
                who: Some(automatic::WHO.to_owned()),
                ..Record::now(*outcome, Version::default())
            };
            let records: Vec<Record> = outcomes.iter().map(record).collect();
            let failed = |outcome: &&Outcome| matches!(outcome, Failed | Refused);
            let tried = vec!["a".to_owned(); outcomes.iter().filter(failed).count()];
            let fates = fates(&records, installs.then_some(&tried[..]));
            assert_eq!(fates[0].again, again, "{outcomes:?} {installs}");
        }
    }

    fn situation() -> Situation {
        Situation {
            machine: Machine {
                product: "vigie".into(),
                arch: "amd64".into(),
                hardware: "any".into(),
                version: "1.2.0.0".parse().unwrap(),
                security_epoch: 1,
            },
            reached: "1.3.0.0".parse().unwrap(),
            reached_epoch: 2,
            waiting: None,
            licensed_major: 4,
            revoked: BTreeSet::new(),
            not_again: BTreeSet::new(),
            fates: Vec::new(),
            exhausted: BTreeSet::new(),
            serial: Some("X1".into()),
            busy: true,
        }
    }

    #[test]
    fn c84_what_failed_for_good_is_known_though_a_power_cut_tells_nobody() {
        let fate = |package: &str, outcome, again| Fate {
            package: package.to_owned(),
            time: 1,
            outcome,
            reason: None,
            reason_fr: None,
            again,
        };
        let situation = Situation {
            not_again: BTreeSet::from([Version([2, 0, 0, 0])]),
            fates: vec![
                fate("refused", Outcome::Refused, false),
                fate("failed", Outcome::Failed, false),
                fate("tried again", Outcome::Failed, true),
                fate("good", Outcome::Good, false),
                fate("came back", Outcome::Returned, false),
            ],
            exhausted: BTreeSet::from(["cut".to_owned()]),
            ..situation()
        };
        let before = situation.before();
        assert_eq!(before.came_back, situation.not_again);
        assert_eq!(
            before.failed.into_iter().collect::<Vec<_>>(),
            ["cut", "failed", "refused"]
        );
        // A file of a version that did not know of it.
        let mut old = serde_json::to_value(&situation).unwrap();
        old.as_object_mut().unwrap().remove("exhausted");
        let old: Situation = serde_json::from_value(old).unwrap();
        assert!(old.exhausted.is_empty());
    }

    #[test]
    fn everybody_may_read_what_is_saved() {
        let dir = tempfile::tempdir().unwrap();
        let situation = situation();
        situation.save(dir.path()).unwrap();
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o644);
        assert_eq!(Situation::load(dir.path()).unwrap(), situation);
        assert_eq!(situation.standing().reached.security_epoch, 2);
    }
}
