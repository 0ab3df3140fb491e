//! `/run/vigie/boot.json`: what the initrd found, for the programs of the
//! system. The field names are a contract with them.

use vigie_boot_state::Slot;

use crate::cmdline::Boot;
use crate::fsck::OPERATIONAL_ERROR;

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Which way to boot; recovery is live, from a slot and without a medium.
    pub mode: Mode,
    /// The slot that runs, when installed or in recovery.
    pub slot: Option<Slot>,
    /// The root hash in hexadecimal.
    pub root_hash: String,
    /// The whole disk that the root device is on; live: that of the medium.
    pub disk: Option<String>,
    /// The device under verity; live: the one that the medium is on.
    pub root_device: String,
    /// The device on /var; none where /var is in memory.
    pub state_device: Option<String>,
    /// Where the medium is mounted, when live from one.
    pub medium: Option<String>,
    /// How the check of the state volume went; none when live or in recovery.
    pub state_check: Option<StateCheck>,
    /// The md arrays that the initrd started: the root device's, and that of /var when installed.
    pub arrays: Vec<ArrayReport>,
}

/// An md array, as the kernel had it right after it was started.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ArrayReport {
    /// Its node, such as "/dev/md127".
    pub device: String,
    /// Its name: it is also found as `/dev/md/NAME`.
    pub name: String,
    /// It works without all its members.
    pub degraded: bool,
    /// The nodes of the members in use.
    pub members: Vec<String>,
    /// How many members it should have besides.
    pub missing: usize,
}

/// Which way to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// From a slot of an installed disk.
    Installed,
    /// From the medium; or from a slot, to repair what is on the disks. Nothing of an installed
    /// appliance runs.
    Live,
}

impl Mode {
    /// That of a way to boot.
    pub fn of(boot: &Boot) -> Mode {
        match boot {
            Boot::Installed {
                recovery: false, ..
            } => Mode::Installed,
            Boot::Installed { recovery: true, .. } | Boot::Live { .. } => Mode::Live,
        }
    }
}

/// The files in /run/vigie that units ask for: `live` where no appliance runs, and with it
/// `recovery` where that is so without a medium.
pub fn marks(boot: &Boot) -> &'static [&'static str] {
    match Mode::of(boot) {
        Mode::Installed => &[],
        Mode::Live if boot.is_recovery() => &["live", "recovery"],
        Mode::Live => &["live"],
    }
}

/// e2fsck's last word on the state volume.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StateCheck {
    /// Its exit code; 8 also where there was nothing to check.
    pub exit: i32,
    /// Its last lines, or why /var is in memory; in English.
    pub summary: String,
    /// The same in French, as far as it has words of ours.
    pub summary_fr: String,
}

/// Why something cannot be had, in both languages; what other programs and the kernel say stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// In English.
    pub english: String,
    /// In French.
    pub french: String,
}

impl StateCheck {
    /// Of a volume that could not be checked.
    pub fn not_made(why: Why) -> StateCheck {
        StateCheck {
            exit: OPERATIONAL_ERROR,
            summary: why.english,
            summary_fr: why.french,
        }
    }
}

impl Why {
    /// A disk has no state volume of its own.
    pub fn no_partition(disk: &str, name: &str) -> Why {
        Why {
            english: format!("{disk} has not exactly one partition named {name}"),
            french: format!("{disk} n'a pas exactement une partition nommée {name}"),
        }
    }

    /// No disk of a RAID has a state volume.
    pub fn no_member(name: &str) -> Why {
        Why {
            english: format!("no disk of the RAID has a {name} partition in an array"),
            french: format!("aucun disque du RAID n'a de partition {name} dans une grappe"),
        }
    }

    /// An array does not start; mdadm's last lines.
    pub fn no_array(name: &str, said: &str) -> Why {
        Why {
            english: format!("array {name} has not started: {said}"),
            french: format!("la grappe {name} n'a pas démarré : {said}"),
        }
    }

    /// A volume was checked, and cannot be mounted.
    pub fn not_mounted(device: &str, error: &dyn std::error::Error, check: &StateCheck) -> Why {
        let StateCheck {
            summary,
            summary_fr,
            ..
        } = check;
        Why {
            english: format!("{device} cannot be mounted on /var: {error}; {summary}"),
            french: format!("{device} ne peut être monté sur /var : {error} ; {summary_fr}"),
        }
    }

    /// The program that checks cannot be started.
    pub fn not_started(program: &str, error: &dyn std::error::Error) -> Why {
        Why {
            english: format!("{program} could not be started: {error}"),
            french: format!("{program} n'a pas pu être lancé : {error}"),
        }
    }
}

impl Report {
    /// The document's text.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(|text| text + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_appliance_runs_in_recovery() {
        let slot = |recovery| Boot::Installed {
            part_uuid: String::new(),
            slot: Slot::A,
            recovery,
        };
        let volume_id = String::new();
        for (boot, mode, files) in [
            (slot(false), Mode::Installed, &[][..]),
            (slot(true), Mode::Live, &["live", "recovery"][..]),
            (Boot::Live { volume_id }, Mode::Live, &["live"][..]),
        ] {
            assert_eq!((Mode::of(&boot), marks(&boot)), (mode, files), "{boot:?}");
        }
    }

    #[test]
    fn why_there_is_no_state_volume_is_told_in_both_languages() {
        let error = std::io::Error::other("EIO");
        let clean = StateCheck {
            exit: 0,
            summary: "clean".into(),
            summary_fr: "sain".into(),
        };
        for (why, english, french) in [
            (Why::no_partition("/dev/sda", "state"), "has not", "n'a pas"),
            (Why::no_member("state"), "no disk", "aucun disque"),
            (
                Why::no_array("state", "EIO"),
                "has not started",
                "n'a pas démarré",
            ),
            (
                Why::not_mounted("/dev/sda7", &error, &clean),
                "mounted on /var: EIO; clean",
                "monté sur /var : EIO ; sain",
            ),
            (
                Why::not_started("/bin/x", &error),
                "could not be",
                "n'a pas pu",
            ),
        ] {
            let check = StateCheck::not_made(why);
            assert_eq!(check.exit, OPERATIONAL_ERROR);
            assert!(check.summary.contains(english), "{check:?}");
            assert!(check.summary_fr.contains(french), "{check:?}");
            assert!(!check.summary_fr.contains(english), "{check:?}");
        }
    }

    #[test]
    fn both_modes() {
        let installed = Report {
            mode: Mode::Installed,
            slot: Some(Slot::B),
            root_hash: "00ff".into(),
            disk: Some("/dev/vda".into()),
            root_device: "/dev/vda6".into(),
            state_device: Some("/dev/vda7".into()),
            medium: None,
            state_check: Some(StateCheck {
                exit: 1,
                summary: "a \"b\"\u{1}".into(),
                summary_fr: "c".into(),
            }),
            arrays: vec![ArrayReport {
                device: "/dev/md127".into(),
                name: "state".into(),
                degraded: true,
                members: vec!["/dev/vda7".into()],
                missing: 1,
            }],
        };
        let live = Report {
            mode: Mode::Live,
            slot: None,
            disk: Some("/dev/sr0".into()),
            root_device: "/dev/sr0".into(),
            state_device: None,
            medium: Some("/run/medium".into()),
            state_check: None,
            arrays: vec![],
            ..installed.clone()
        };
        let recovery = Report {
            mode: Mode::Live,
            state_device: None,
            state_check: None,
            arrays: vec![],
            ..installed.clone()
        };
        for (report, want) in [
            (
                recovery,
                r#"{"mode":"live","slot":"b","root_hash":"00ff","disk":"/dev/vda","root_device":"/dev/vda6","state_device":null,"medium":null,"state_check":null,"arrays":[]}"#,
            ),
            (
                installed,
                r#"{"mode":"installed","slot":"b","root_hash":"00ff","disk":"/dev/vda","root_device":"/dev/vda6","state_device":"/dev/vda7","medium":null,"state_check":{"exit":1,"summary":"a \"b\"\u0001","summary_fr":"c"},"arrays":[{"device":"/dev/md127","name":"state","degraded":true,"members":["/dev/vda7"],"missing":1}]}"#,
            ),
            (
                live,
                r#"{"mode":"live","slot":null,"root_hash":"00ff","disk":"/dev/sr0","root_device":"/dev/sr0","state_device":null,"medium":"/run/medium","state_check":null,"arrays":[]}"#,
            ),
        ] {
            assert_eq!(report.to_json().unwrap().trim_end(), want);
        }
    }
}
