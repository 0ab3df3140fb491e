//! What a check leaves behind: for a program as JSON, for a person as text.

use serde::Serialize;
use vigie_disk::Bytes;
use vigie_disk::ext4::{Health, Superblock};
use vigie_installer::clock;
use vigie_settings::Language;

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::findings::{Finding, Findings, Kind};
use super::ladder::{Mode, Step};
use super::lost_found::{LostFile, LostFound};
use super::progress::Meter;
use super::run::Ran;
use super::verdict::{Reason, Verdict};
use super::volume::Volume;
use super::words::say;
use crate::disks::{Disk, words};

/// What became of all volumes of one command.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this program.
    pub program: String,
    /// How far it was to go.
    pub mode: Mode,
    /// When it began, seconds since 1970.
    pub began: u64,
    /// How long it took.
    pub seconds: f64,
    /// How the disks under the volumes were, where they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// Each volume, in the order in which they were checked.
    pub volumes: Vec<VolumeReport>,
}

/// What became of one volume.
#[derive(Clone, Debug, Serialize)]
pub struct VolumeReport {
    /// What a person knows it by.
    pub name: String,
    /// Its device node or image file.
    pub node: PathBuf,
    /// Its size, where it could be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// When its check began, seconds since 1970.
    pub began: u64,
    /// How long it took.
    pub seconds: f64,
    /// What its superblock said before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Superblock>,
    /// The runs of e2fsck, with what it said.
    pub steps: Vec<Ran>,
    /// What is in lost+found, where something was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_found: Option<LostFound>,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl VolumeReport {
    /// Of a volume that nothing is known of yet.
    #[must_use]
    pub fn new(volume: &Volume, began: u64) -> Self {
        Self {
            name: volume.name.clone(),
            node: volume.node().to_owned(),
            size: None,
            began,
            seconds: 0.0,
            before: None,
            steps: Vec::new(),
            lost_found: None,
            verdict: Verdict::NotChecked {
                reason: Reason::Stopped,
            },
        }
    }

    /// What was found. A run that only looks again finds what another already has, and so does
    /// each next repair of the same: the most telling run speaks for all of its kind.
    #[must_use]
    pub fn findings(&self) -> Findings {
        let mut all = Findings::default();
        for ran in &self.steps {
            for (kind, finding) in &ran.findings.kinds {
                let known = all.kinds.entry(*kind).or_default();
                if finding.count > known.count {
                    known.clone_from(finding);
                }
            }
            if ran.step.writes() {
                all.changes += ran.findings.changes;
                all.no_room.add(&ran.findings.no_room);
            }
        }
        all
    }

    /// The verdict on one line.
    #[must_use]
    pub fn line(&self, language: Language) -> String {
        let size = self
            .size
            .map_or_else(|| "?".to_owned(), |size| size.to_string());
        let values = [
            ("name", self.name.clone()),
            ("node", self.node.display().to_string()),
            ("size", size),
            ("verdict", self.verdict.words(language)),
        ];
        say("report.volume", &values, language)
    }

    /// Everything but what e2fsck said.
    #[must_use]
    pub fn lines(&self, language: Language) -> Vec<String> {
        let mut lines = vec![self.line(language)];
        lines.extend(
            self.before
                .as_ref()
                .map(|before| before_line(before, language)),
        );
        for ran in &self.steps {
            let values = [
                ("step", step_words(ran.step, language)),
                ("outcome", ran.outcome.words(language)),
                ("seconds", format!("{:.1}", ran.seconds)),
            ];
            lines.push(say("report.step", &values, language));
        }
        if !self.steps.is_empty() {
            let all_clean = self.steps.iter().all(|ran| ran.outcome.is_clean());
            lines.extend(finding_lines(&self.findings(), all_clean, language));
        }
        lines.extend(
            self.lost_found
                .iter()
                .flat_map(|found| lost_lines(found, language)),
        );
        lines
    }
}

impl Report {
    /// As text, with all that e2fsck said.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let mode = match self.mode {
            Mode::Inspect => "report.mode-inspect",
            Mode::Preen | Mode::Thorough => "report.mode-preen",
            Mode::Repair => "report.mode-repair",
        };
        let values = [
            ("began", time(self.began)),
            ("seconds", format!("{:.1}", self.seconds)),
        ];
        let mut lines = vec![
            say("report.title", &values, language),
            say(mode, &[], language),
        ];
        lines.extend(self.disks.iter().map(|disk| words::line(disk).to(language)));
        lines.extend(words::advice(&self.disks).map(|advice| advice.to(language)));
        for volume in &self.volumes {
            lines.push(String::new());
            lines.extend(volume.lines(language));
            for ran in &volume.steps {
                let arguments = [("arguments", ran.step.arguments().join(" "))];
                lines.push(say("report.output", &arguments, language));
                lines.extend(ran.output.lines().map(printable));
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// A line of output, without what a terminal would act on.
fn printable(line: &str) -> String {
    let plain: String = line.chars().filter(|c| !c.is_control()).collect();
    format!("    | {plain}")
}

/// What a step does.
#[must_use]
pub fn step_words(step: Step, language: Language) -> String {
    let key = match step {
        Step::Inspect | Step::Survey | Step::SurveyFrom(_) => "step.inspect",
        Step::Journal => "step.journal",
        Step::Preen | Step::FullPreen | Step::Thorough => "step.preen",
        Step::Repair => "step.repair",
        Step::Verify => "step.verify",
        Step::RepairFrom(backup) => {
            let block = [("block", backup.block.to_string())];
            return say("step.repair-from", &block, language);
        }
    };
    say(key, &[], language)
}

/// How far a step is: all of its five phases are the whole, and the next step begins at nothing again.
#[must_use]
pub fn progress_words(step: Step, meter: Meter, language: Language) -> String {
    let values = [
        ("step", step_words(step, language)),
        ("percent", meter.percent().to_string()),
        ("pass", meter.pass.max(1).to_string()),
    ];
    say("step.progress", &values, language)
}

fn kind_words(kind: Kind, language: Language) -> String {
    let key = match kind {
        Kind::Disk => "kind.disk",
        Kind::Superblock => "kind.superblock",
        Kind::Groups => "kind.groups",
        Kind::Journal => "kind.journal",
        Kind::Orphans => "kind.orphans",
        Kind::Inodes => "kind.inodes",
        Kind::Shared => "kind.shared",
        Kind::Directories => "kind.directories",
        Kind::Unattached => "kind.unattached",
        Kind::Bitmaps => "kind.bitmaps",
        Kind::Counts => "kind.counts",
        Kind::Other => "kind.other",
    };
    say(key, &[], language)
}

fn before_line(before: &Superblock, language: Language) -> String {
    let health = match before.health {
        Health::Clean => "report.health-clean",
        Health::NeedsRecovery => "report.health-needs-recovery",
        Health::NeedsCheck => "report.health-needs-check",
        Health::Errors => "report.health-errors",
    };
    let checked = match before.last_check {
        0 => say("report.never", &[], language),
        checked => time(checked),
    };
    // The mark may be there although nothing was counted, and the count stays when the mark is gone.
    let errors = match before.errors {
        0 => String::new(),
        count => say("report.errors", &[("count", count.to_string())], language),
    };
    let values = [
        ("health", say(health, &[], language)),
        ("errors", errors),
        ("checked", checked),
    ];
    say("report.before", &values, language)
}

/// `all_clean`: each run of e2fsck ended with nothing to be mended or left.
fn finding_lines(findings: &Findings, all_clean: bool, language: Language) -> Vec<String> {
    let mut lines = match (
        findings.kinds.is_empty(),
        all_clean && findings.changes == 0,
    ) {
        (true, true) => return vec![say("report.nothing", &[], language)],
        (true, false) => vec![say("report.unnamed", &[], language)],
        (false, _) => Vec::new(),
    };
    for (kind, finding) in &findings.kinds {
        let values = [
            ("kind", kind_words(*kind, language)),
            ("count", finding.count.to_string()),
        ];
        lines.push(say("report.found", &values, language));
        lines.extend(example_lines(finding, language));
    }
    let count = [("count", findings.changes.to_string())];
    lines.push(say("report.changes", &count, language));
    if findings.no_room.count > 0 {
        let count = [("count", findings.no_room.count.to_string())];
        lines.push(say("report.no-room", &count, language));
        lines.extend(example_lines(&findings.no_room, language));
    }
    lines
}

fn example_lines(finding: &Finding, language: Language) -> Vec<String> {
    let line = |example: &String| say("report.example", &[("text", example.clone())], language);
    finding.examples.iter().map(line).collect()
}

fn lost_lines(found: &LostFound, language: Language) -> Vec<String> {
    if let Some(error) = &found.error {
        let error = [("error", error.clone())];
        return vec![say("report.lost-found-unreadable", &error, language)];
    }
    let mut lines = vec![say(
        "report.lost-found",
        &[("count", found.count.to_string())],
        language,
    )];
    for LostFile { name, size } in &found.files {
        let size = size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        let values = [("name", name.clone()), ("size", size)];
        lines.push(say("report.lost-found-file", &values, language));
    }
    let more = found.count - found.files.len();
    if more > 0 {
        let count = [("count", more.to_string())];
        lines.push(say("report.lost-found-more", &count, language));
    }
    lines
}

fn time(seconds: u64) -> String {
    // Times of a damaged superblock are any number; what is beyond the calendar is said as it is.
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .filter(|_| seconds < 1 << 38)
        .map_or_else(|| seconds.to_string(), clock::utc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::backups::Backup;
    use crate::check::outcome::Outcome;
    use crate::check::verdict::Refusal;

    fn ran(step: Step, exit: i32, lines: &[&str]) -> Ran {
        let mut findings = Findings::default();
        for line in lines {
            findings.take(line, "state");
        }
        Ran {
            step,
            outcome: Outcome::exit(exit),
            seconds: 1.25,
            findings,
            output: lines.join("\n"),
        }
    }

    fn volume(name: &str, node: &str) -> VolumeReport {
        let volume = Volume {
            name: name.to_owned(),
            path: Ok(node.into()),
        };
        VolumeReport::new(&volume, 1_795_400_000)
    }

    /// A volume that took every way, one that is lost and one that was left alone.
    fn report() -> Report {
        let inode = "Inode 12 has illegal block(s).  Clear? yes";
        let entry = "Entry '\u{1b}[2J' in / (2) has deleted/unused inode 14.  Clear? yes";
        let backup = Backup {
            block: 32_768,
            block_size: 4096,
        };
        let repaired = VolumeReport {
            size: Some(Bytes::gb(50)),
            seconds: 8.0,
            before: Some(Superblock {
                label: "state".to_owned(),
                uuid: "0f3b7a52-9c1d-4e8f-a6b0-1234567890ab".to_owned(),
                is_ext4: true,
                size: Bytes::gb(50),
                free: Bytes::gb(40),
                health: Health::NeedsRecovery,
                needs_replay: true,
                errors: 3,
                mounts: 7,
                last_check: 0,
                last_mount: 1_795_300_000,
                last_write: 1_795_300_100,
            }),
            steps: vec![
                ran(Step::Journal, 0, &["state: recovering journal"]),
                ran(
                    Step::FullPreen,
                    4,
                    &["state: Inode 12 has illegal block(s).  "],
                ),
                ran(Step::Repair, 1, &[inode, entry]),
                ran(
                    Step::Verify,
                    4,
                    &["Free blocks count wrong (1, counted=2)."],
                ),
                ran(Step::RepairFrom(backup), 1, &[]),
                ran(Step::Verify, 0, &[]),
            ],
            lost_found: Some(LostFound {
                count: 501,
                files: vec![LostFile {
                    name: "#12".to_owned(),
                    size: Some(Bytes::kib(4)),
                }],
                error: None,
            }),
            verdict: Verdict::Repaired,
            ..volume("state", "/dev/sda7")
        };
        let lost = VolumeReport {
            size: Some(Bytes::gb(2000)),
            verdict: Verdict::Lost {
                reason: Reason::NoSuperblock,
            },
            ..volume("data-1", "/dev/sda8")
        };
        let refused = VolumeReport {
            verdict: Verdict::from(Refusal::Synchronising {
                device: "/dev/md127".into(),
                action: "resync".to_owned(),
                percent: Some(40),
            }),
            ..volume("data-2", "/dev/md127")
        };
        Report {
            program: "0.1.0".to_owned(),
            mode: Mode::Repair,
            began: 1_795_400_000,
            seconds: 9.5,
            disks: vec![
                Disk {
                    model: Some("Recorder Disk".to_owned()),
                    ..Disk::silent("/dev/sda".as_ref(), 20)
                },
                Disk::untold("/dev/sdb".as_ref(), None),
            ],
            volumes: vec![repaired, lost, refused],
        }
    }

    /// The answers lie beside this file; VIGIE_BLESS=1 writes them anew.
    #[test]
    fn a_report_reads_as_it_did() {
        let report = report();
        let json = serde_json::to_string_pretty(&report).unwrap() + "\n";
        for (name, text) in [
            ("golden.json", json),
            ("golden.en.txt", report.text(Language::En)),
            ("golden.fr.txt", report.text(Language::Fr)),
        ] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/check/testdata");
            let path = std::path::Path::new(folder).join(name);
            if std::env::var_os("VIGIE_BLESS").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{name}");
        }
    }

    #[test]
    fn nothing_is_said_to_be_found_only_where_nothing_was() {
        for (exit, said, english, french) in [
            (
                0,
                "state: clean, 11/64 files",
                "Found: nothing",
                "Trouvé : rien",
            ),
            (
                1,
                "state: ***** REBOOT SYSTEM *****",
                "no name",
                "ne nomme pas",
            ),
            (4, "something new in e2fsck", "no name", "ne nomme pas"),
            (
                1,
                "Inode 12 has illegal block(s).  Clear? yes",
                "Inodes: 1",
                "Inodes : 1",
            ),
        ] {
            let mut one = volume("state", "/dev/sda7");
            one.steps = vec![ran(Step::FullPreen, exit, &[said])];
            for (language, words) in [(Language::En, english), (Language::Fr, french)] {
                let text = one.lines(language).join("\n");
                assert!(text.contains(words), "{exit} {said}: {text}");
                let says_nothing = text.contains(": nothing\n") || text.contains(": rien\n");
                assert!(!(exit > 0 && says_nothing), "{exit} {said}: {text}");
            }
        }
    }

    #[test]
    fn what_a_superblock_said_before_is_told_without_contradiction() {
        let mut before = report().volumes[0].before.clone().unwrap();
        for (health, errors, english, french) in [
            (
                Health::Errors,
                0,
                "marked with errors, last",
                "marqué d'erreurs, dernière",
            ),
            (
                Health::Errors,
                3,
                "marked with errors, errors counted: 3, last",
                "marqué d'erreurs, erreurs comptées : 3, dernière",
            ),
            (Health::Clean, 0, "clean, last", "sain, dernière"),
        ] {
            (before.health, before.errors) = (health, errors);
            assert!(before_line(&before, Language::En).contains(english));
            assert!(before_line(&before, Language::Fr).contains(french));
        }
    }

    #[test]
    fn times_of_a_damaged_superblock_are_any_number() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        for wild in [1 << 38, u64::MAX] {
            assert_eq!(time(wild), wild.to_string());
        }
    }
}
