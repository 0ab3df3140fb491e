//! What the programs of a running appliance know of its checks: a file for each volume that is
//! being checked, or that was not clean, below `/run/vigie/checks`, named after the last part of
//! the device's path (its UUID, where the volume is in fstab). It is written anew with each percent
//! of a step.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vigie_settings::Language;

use super::ladder::Step;
use super::progress::Meter;
use super::report::{VolumeReport, progress_words};
use super::run::Going;
use super::verdict::Verdict;
use super::words::say;

/// Where the files are.
pub const FOLDER: &str = "/run/vigie/checks";

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Whether the check still goes on.
    pub checking: bool,
    /// How much of its step is done, once e2fsck has said; the next step begins at nothing again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// The phase of the step, 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<u8>,
    /// The volume may be used.
    pub good: bool,
    /// In words.
    pub english: String,
    /// The same in French.
    pub french: String,
}

/// Before the check of a volume.
///
/// # Errors
/// The file cannot be written.
pub fn begins(folder: &Path, volume: &Path, name: &str) -> io::Result<()> {
    put(folder, volume, &checking(name, None))
}

/// While it goes on.
///
/// # Errors
/// The file cannot be written.
pub fn goes(folder: &Path, volume: &Path, name: &str, step: Step, meter: Meter) -> io::Result<()> {
    put(folder, volume, &checking(name, Some((step, meter))))
}

fn checking(name: &str, at: Option<(Step, Meter)>) -> Told {
    let words = |language| {
        let name = ("name", name.to_owned());
        match at {
            None => say("told.checking", &[name], language),
            Some((step, meter)) => {
                let values = [name, ("progress", progress_words(step, meter, language))];
                say("told.checking-at", &values, language)
            }
        }
    };
    Told {
        checking: true,
        percent: at.map(|(_, meter)| meter.percent()),
        pass: at.map(|(_, meter)| meter.pass.max(1)),
        good: false,
        english: words(Language::En),
        french: words(Language::Fr),
    }
}

/// After it. Of a volume that was clean there is nothing to tell.
///
/// # Errors
/// The file cannot be written or removed.
pub fn ends(folder: &Path, volume: &Path, report: &VolumeReport) -> io::Result<()> {
    if report.verdict == Verdict::Clean {
        return fs::remove_file(file(folder, volume));
    }
    let told = Told {
        checking: false,
        percent: None,
        pass: None,
        good: report.verdict.is_good(),
        english: words(report, Language::En),
        french: words(report, Language::Fr),
    };
    put(folder, volume, &told)
}

fn words(report: &VolumeReport, language: Language) -> String {
    let key = match report.verdict.is_good() {
        true => "told.repaired",
        false => "told.bad",
    };
    let values = [
        ("name", report.name.clone()),
        ("verdict", report.verdict.words(language)),
    ];
    say(key, &values, language)
}

fn put(folder: &Path, volume: &Path, told: &Told) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    let path = file(folder, volume);
    let beside = path.with_extension("new");
    fs::write(&beside, serde_json::to_vec(told)?)?;
    fs::set_permissions(&beside, Permissions::from_mode(0o644))?;
    fs::rename(&beside, &path)
}

fn file(folder: &Path, volume: &Path) -> PathBuf {
    let name = volume.file_name().unwrap_or(volume.as_os_str());
    let mut name = name.to_owned();
    name.push(".json");
    folder.join(name)
}

/// How far the checks of these volumes are is told, in files of a folder.
pub struct Telling {
    folder: PathBuf,
    volumes: Vec<PathBuf>,
    /// The volume that is being checked, where it is one of them.
    now: Option<PathBuf>,
    /// What was told of it last: step, pass, percent.
    last: Option<(Step, u8, u8)>,
}

impl Telling {
    /// These volumes, in files of a folder.
    #[must_use]
    pub fn new(folder: &Path, volumes: Vec<PathBuf>) -> Self {
        Self {
            folder: folder.to_owned(),
            volumes,
            now: None,
            last: None,
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// This volume is checked now, be it one of them or not.
    pub fn turns_to(&mut self, volume: &Path) {
        self.now = self.volumes.iter().find(|one| *one == volume).cloned();
        self.last = None;
    }

    /// Tells how far that is, each percent once.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn goes(&mut self, name: &str, going: &Going) -> io::Result<()> {
        let (step, meter) = (going.step, going.meter);
        let Some(volume) = &self.now else {
            return Ok(());
        };
        // Before the first pass of the first step nothing is known.
        if meter.pass == 0 && self.last.is_none() {
            return Ok(());
        }
        let at = (step, meter.pass, meter.percent());
        match self.last.replace(at) == Some(at) {
            true => Ok(()),
            false => goes(&self.folder, volume, name, step, meter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Volume;
    use crate::check::verdict::Reason;

    #[test]
    fn a_clean_volume_leaves_nothing_and_a_bad_one_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("checks");
        let node = Path::new("/dev/disk/by-uuid/0f3b-7a52");
        let file = folder.join("0f3b-7a52.json");
        let read = || fs::read_to_string(&file).unwrap();
        let mut report = VolumeReport::new(
            &Volume {
                name: "data-1".to_owned(),
                path: Ok(node.to_owned()),
            },
            0,
        );
        begins(&folder, node, "data-1").unwrap();
        assert!(read().contains(r#""checking":true"#), "{}", read());
        assert!(!read().contains("percent"), "{}", read());
        let (pass, permille) = (2, 729);
        let meter = Meter { pass, permille };
        goes(&folder, node, "data-1", Step::Preen, meter).unwrap();
        for words in [
            r#""checking":true,"percent":72,"pass":2,"good":false"#,
            "data-1: checking, safe repairs: 72 %, phase 2 of 5; ",
            "data-1 : vérification, réparations sûres : 72 %, phase 2 sur 5 ; ",
        ] {
            assert!(read().contains(words), "{words}: {}", read());
        }
        report.verdict = Verdict::Clean;
        ends(&folder, node, &report).unwrap();
        assert!(!file.exists());
        report.verdict = Verdict::Damaged {
            reason: Reason::FaultsLeft,
        };
        ends(&folder, node, &report).unwrap();
        let said = read();
        for words in [
            r#""good":false"#,
            "data-1",
            "e2fsck finds faults",
            "support",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        report.verdict = Verdict::Repaired;
        ends(&folder, node, &report).unwrap();
        assert!(read().contains(r#""good":true"#));
    }
}
