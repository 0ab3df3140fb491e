//! What became of a volume, and why.

use std::path::PathBuf;

use serde::Serialize;
use vigie_disk::Bytes;
use vigie_settings::Language;

use super::outcome::Outcome;
use super::run::RunError;
use super::words::say;
use crate::disks::seen::Replaced;

/// What became of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing was wrong.
    Clean,
    /// Something was wrong; it is clean now.
    Repaired,
    /// Something was wrong and it is clean now, but what found no room may be gone.
    RepairedInPart,
    /// The group descriptors could not be believed, and it is clean now, but it says that it holds fewer files
    /// and folders than before.
    FewerFiles {
        /// How many before.
        before: u32,
        /// How many now; none where it does not say.
        after: Option<u32>,
    },
    /// Something is wrong, and was left as it is.
    Damaged {
        /// What.
        reason: Reason,
    },
    /// Something is wrong that cannot be mended.
    Lost {
        /// What.
        reason: Reason,
    },
    /// Nothing is known of it.
    NotChecked {
        /// Why.
        reason: Reason,
    },
}

/// Why a volume is not clean, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Reason {
    /// Neither a superblock nor a copy of it was found.
    NoSuperblock,
    /// There is no superblock, but there are copies of it.
    SuperblockDamaged,
    /// The group descriptors may not be believed.
    GroupsDamaged,
    /// The superblock describes more than the volume holds.
    LargerThanVolume,
    /// It was not unmounted, and was to be left as it is.
    NotUnmounted,
    /// Nothing is found that is wrong, but it is marked as one in which errors were met.
    Marked,
    /// e2fsck finds faults that it leaves.
    FaultsLeft,
    /// The disk cannot be read or written in places.
    DiskErrors,
    /// A repair needs room, and there is none.
    NoRoom,
    /// e2fsck ended with this code, and of the volume it said nothing.
    Failed {
        /// Its exit code.
        exit: i32,
    },
    /// e2fsck was ended by this signal.
    Killed {
        /// The signal.
        signal: i32,
    },
    /// It was refused before anything was run.
    Refused {
        /// Why.
        #[serde(flatten)]
        refusal: Refusal,
    },
    /// A person asked to stop before its turn.
    Stopped,
    /// e2fsck does not end, and was left behind.
    Stuck {
        /// Its process.
        process: u32,
    },
    /// e2fsck could not be started or read.
    NotRun {
        /// What happened.
        error: String,
    },
}

/// Why a volume is not touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "refused", rename_all = "kebab-case")]
pub enum Refusal {
    /// It is mounted.
    Mounted {
        /// Where.
        at: PathBuf,
    },
    /// It is swap space in use.
    Swap,
    /// Another device is made of it: an array, a mapping, a loop device.
    PartOf {
        /// The device.
        device: PathBuf,
    },
    /// Another program has it open for itself.
    Busy,
    /// It lies on another disk than when it was chosen.
    Replaced {
        /// The disk of this name.
        disk: PathBuf,
    },
    /// Its array is being synchronised: the copies may differ.
    Synchronising {
        /// The array.
        device: PathBuf,
        /// What the kernel does with it, as it says itself.
        action: String,
        /// How far it is.
        percent: Option<u8>,
    },
    /// Its array cannot be started.
    NoArray {
        /// What mdadm said.
        error: String,
    },
    /// It cannot be opened or read.
    Unreadable {
        /// What happened.
        error: String,
    },
    /// Its disks do not answer.
    Silent {
        /// Which.
        disks: Vec<PathBuf>,
    },
    /// Something else than ext4 is on it.
    Foreign {
        /// What.
        kind: String,
    },
    /// It is neither a file nor a block device, or e2fsck would not take its name as it stands.
    NoVolume,
    /// It holds nothing.
    Empty {
        /// Its size.
        size: Bytes,
    },
}

impl From<Replaced> for Refusal {
    fn from(Replaced(disk): Replaced) -> Self {
        Self::Replaced { disk }
    }
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        let reason = Reason::Refused { refusal };
        Self::NotChecked { reason }
    }
}

impl Verdict {
    /// Whether the volume can be used now.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(
            self,
            Self::Clean | Self::Repaired | Self::RepairedInPart | Self::FewerFiles { .. }
        )
    }

    /// The exit code of a command for this volume alone: 0 clean, 1 repaired, 4 damaged or lost,
    /// 8 not checked.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Repaired | Self::RepairedInPart | Self::FewerFiles { .. } => 1,
            Self::Damaged { .. } | Self::Lost { .. } => 4,
            Self::NotChecked { .. } => 8,
        }
    }

    /// In words, with what to do.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let because = |key, reason: &Reason| {
            let values = [("reason", reason.words(language))];
            say(key, &values, language)
        };
        match self {
            Self::Clean => say("verdict.clean", &[], language),
            Self::Repaired => say("verdict.repaired", &[], language),
            Self::RepairedInPart => say("verdict.repaired-in-part", &[], language),
            Self::FewerFiles { before, after } => {
                let after = after.map_or_else(|| "?".to_owned(), |after| after.to_string());
                let values = [("before", before.to_string()), ("after", after)];
                say("verdict.fewer-files", &values, language)
            }
            Self::Damaged {
                reason: reason @ (Reason::DiskErrors | Reason::NoRoom),
            } => because("verdict.left", reason),
            Self::Damaged { reason } => because("verdict.damaged", reason),
            Self::Lost { reason } => because("verdict.lost", reason),
            Self::NotChecked { reason } => because("verdict.not-checked", reason),
        }
    }
}

impl From<RunError> for Reason {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Stuck { process, .. } => Self::Stuck { process },
            error => Self::NotRun {
                error: error.to_string(),
            },
        }
    }
}

impl Reason {
    /// Of a run that failed.
    #[must_use]
    pub fn of_failure(outcome: Outcome) -> Self {
        match outcome.signal {
            Some(signal) => Self::Killed { signal },
            None => Self::Failed {
                exit: outcome.exit.unwrap_or_default(),
            },
        }
    }

    /// In words.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let say = |key, values: &[(&str, String)]| say(key, values, language);
        match self {
            Self::NoSuperblock => say("reason.no-superblock", &[]),
            Self::SuperblockDamaged => say("reason.superblock-damaged", &[]),
            Self::GroupsDamaged => say("reason.groups-damaged", &[]),
            Self::LargerThanVolume => say("reason.larger-than-volume", &[]),
            Self::NotUnmounted => say("reason.not-unmounted", &[]),
            Self::Marked => say("reason.marked", &[]),
            Self::FaultsLeft => say("reason.faults-left", &[]),
            Self::DiskErrors => say("reason.disk-errors", &[]),
            Self::NoRoom => say("reason.no-room", &[]),
            Self::Failed { exit } => Outcome::exit(*exit).words(language),
            Self::Killed { signal } => {
                let killed = Outcome {
                    exit: None,
                    signal: Some(*signal),
                };
                killed.words(language)
            }
            Self::Refused { refusal } => refusal.words(language),
            Self::Stopped => say("reason.stopped", &[]),
            Self::Stuck { process } => say("reason.stuck", &[("process", process.to_string())]),
            Self::NotRun { error } => say("reason.not-run", &[("error", error.clone())]),
        }
    }
}

impl Refusal {
    fn words(&self, language: Language) -> String {
        let path = |path: &PathBuf| path.display().to_string();
        let (key, values) = match self {
            Self::Mounted { at } => ("reason.mounted", vec![("at", path(at))]),
            Self::Swap => ("reason.swap", vec![]),
            Self::PartOf { device } => ("reason.part-of", vec![("device", path(device))]),
            Self::Busy => ("reason.busy", vec![]),
            Self::Replaced { disk } => ("reason.replaced", vec![("disk", path(disk))]),
            Self::Synchronising {
                device,
                action,
                percent,
            } => {
                let percent = percent.map_or_else(|| "?".to_owned(), |percent| percent.to_string());
                let values = vec![
                    ("device", path(device)),
                    ("action", action.clone()),
                    ("percent", percent),
                ];
                ("reason.synchronising", values)
            }
            Self::NoArray { error } => ("reason.no-array", vec![("error", error.clone())]),
            Self::Unreadable { error } => ("reason.unreadable", vec![("error", error.clone())]),
            Self::Silent { disks } => {
                let disks: Vec<String> = disks.iter().map(path).collect();
                ("reason.silent", vec![("disks", disks.join(", "))])
            }
            Self::Foreign { kind } => ("reason.foreign", vec![("kind", kind.clone())]),
            Self::NoVolume => ("reason.no-volume", vec![]),
            Self::Empty { size } => ("reason.empty", vec![("size", size.to_string())]),
        };
        say(key, &values, language)
    }
}

/// The exit code of a command for several volumes: the worst of theirs, 0 where all are clean.
#[must_use]
pub fn exit_code<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> u8 {
    let codes = verdicts.into_iter().map(Verdict::exit_code);
    codes.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides_and_each_has_its_words() {
        let lost = Verdict::Lost {
            reason: Reason::NoSuperblock,
        };
        let mounted = Verdict::from(Refusal::Mounted { at: "/var".into() });
        assert_eq!(exit_code([]), 0);
        assert_eq!(exit_code([&Verdict::Clean, &Verdict::Repaired]), 1);
        assert_eq!(exit_code([&lost, &Verdict::Repaired]), 4);
        assert_eq!(exit_code([&lost, &mounted, &Verdict::Clean]), 8);
        assert_eq!(
            mounted.words(Language::En),
            "NOT CHECKED: it is mounted on /var; start from the medium, or unmount it"
        );
        assert_eq!(
            lost.words(Language::Fr),
            "PERDU : ni superbloc ni copie de celui-ci n'a été trouvé"
        );
        let json = serde_json::to_value(&mounted).unwrap();
        let expected = serde_json::json!({"verdict": "not-checked",
            "reason": {"reason": "refused", "refused": "mounted", "at": "/var"}});
        assert_eq!(json, expected);
    }
}
