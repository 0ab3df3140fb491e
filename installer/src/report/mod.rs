//! What an installation came to: a file beside the answers, a POST to a server, `--json`.
//!
//! It is made in two steps: [`Report::of_run`] and its kin say what became of the installation,
//! [`Report::framed`] adds what only the command knows: the machine, the time, what was shown.
//! Nothing secret goes in: no answers, no settings.

pub mod cause;
pub mod frame;
pub mod send;

use serde::Serialize;
use vigie_disk::Bytes;
use vigie_disk::md::Level;
use vigie_machine::Machine;
use vigie_settings::Language;

use crate::inventory::Disk;
use crate::layout::Purpose;
use crate::messages::Text;
use crate::plan::{Plan, Planned, Refusal};
use crate::progress::{Phase, Span};
use frame::Frame;

/// The version of the report's form: a field more does not change it.
const FORM: u32 = 1;

/// The result of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this form.
    pub form: u32,
    /// How it ended.
    pub result: Outcome,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What broke, for a person; not in the file, where `error` says it.
    #[serde(skip)]
    pub cause: Option<Text>,
    /// Version that was to be installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Version of the installer.
    pub installer: &'static str,
    /// The machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// When it began (RFC 3339, UTC, by this machine's clock).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Seconds of the whole run.
    pub seconds: f64,
    /// The phases that were finished.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseTime>,
    /// The chosen disks, what had been on them, and their new partitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Planned>,
    /// The arrays over the disks of a group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arrays: Vec<Array>,
    /// Why the report could not be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsent: Option<String>,
    /// What was shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It has not ended: found on a stick, the machine was switched off meanwhile.
    Begun,
    /// The system is on the disk.
    Installed,
    /// Nothing was written: the answers do not fit the machine.
    Refused,
    /// Something broke on the way.
    Failed,
}

/// How long a phase took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseTime {
    /// The phase.
    pub phase: Phase,
    /// Seconds.
    pub seconds: f64,
    /// Bytes read or written, where the phase counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
    /// Bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
}

/// An array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Array {
    /// What is on it.
    pub name: Purpose,
    /// What joins its members.
    pub level: Level,
    /// How many members it has.
    pub members: usize,
    /// What it holds.
    pub size: Bytes,
}

impl Report {
    /// A run that is about to begin.
    pub fn of_plan(plan: &Plan) -> Self {
        Self {
            version: Some(plan.version.clone()),
            groups: plan.groups.clone(),
            arrays: plan.groups.iter().flat_map(arrays).collect(),
            ..Self::bare(Outcome::Begun, None)
        }
    }

    /// A run that was carried out, or broke while it was.
    pub fn of_run(plan: &Plan, phases: &[Span], error: Option<&anyhow::Error>) -> Self {
        Self {
            result: match error {
                None => Outcome::Installed,
                Some(_) => Outcome::Failed,
            },
            error: error.map(|error| format!("{error:#}")),
            cause: error.and_then(cause::of),
            phases: phases.iter().map(PhaseTime::of).collect(),
            seconds: thousandths(phases.iter().fold(0.0, |all, span| all + span.seconds)),
            ..Self::of_plan(plan)
        }
    }

    /// A run that never began: no disk fits.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        Self::of_no(&refusal.to_string())
    }

    /// A run that never began, for this reason.
    pub fn of_no(reason: &str) -> Self {
        Self::bare(Outcome::Refused, Some(reason.to_owned()))
    }

    /// A run that broke before there was a plan.
    pub fn of_error(error: &anyhow::Error) -> Self {
        Self {
            cause: cause::of(error),
            ..Self::bare(Outcome::Failed, Some(format!("{error:#}")))
        }
    }

    fn bare(result: Outcome, error: Option<String>) -> Self {
        Self {
            form: FORM,
            result,
            error,
            cause: None,
            version: None,
            installer: env!("CARGO_PKG_VERSION"),
            machine: None,
            started: None,
            ended: None,
            seconds: 0.0,
            phases: Vec::new(),
            groups: Vec::new(),
            arrays: Vec::new(),
            unsent: None,
            log: Vec::new(),
        }
    }

    /// With what the command knows.
    pub fn framed(mut self, frame: &Frame) -> Self {
        let now = frame.now();
        self.machine = Some(frame.machine().clone());
        self.started = Some(frame.started());
        if self.result != Outcome::Begun {
            self.ended = Some(now.utc);
        }
        self.seconds = thousandths(now.seconds);
        self.log = frame.log();
        self
    }

    /// As a file.
    pub fn to_json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For a person.
    pub fn lines(&self, language: Language) -> Vec<String> {
        let version = self.version.as_deref().unwrap_or_default();
        let disks = self.groups.iter().flat_map(|group| &group.disks);
        let disk = disks.map(Disk::title).collect::<Vec<_>>().join("; ");
        match self.result {
            Outcome::Begun => Vec::new(),
            Outcome::Installed => vec![
                Text::new("report.installed")
                    .with("version", version)
                    .with("disk", disk)
                    .with("seconds", self.seconds.round())
                    .to(language),
            ],
            Outcome::Refused => vec![Text::new("report.refused").to(language)],
            Outcome::Failed => {
                let texts = self.failure().into_iter().chain([self.state_of_disks()]);
                texts.map(|text| text.to(language)).collect()
            }
        }
    }

    /// What broke: the cause where it is known, and the errors as they are.
    fn failure(&self) -> Vec<Text> {
        let error = self.error.as_deref().unwrap_or_default();
        match &self.cause {
            None => vec![Text::new("report.failed").with("error", error)],
            Some(cause) => vec![
                Text::new("report.failed-by").with_text("cause", cause.clone()),
                Text::new("report.detail").with("error", error),
            ],
        }
    }

    /// What a failure has left on the disks, by the last phase that was finished: the medium is
    /// checked before anything is written; a disk that was cleared starts no system until the
    /// last phase begins, which makes the disks bootable one after the other.
    fn state_of_disks(&self) -> Text {
        let last = self.phases.iter().map(|one| one.phase).max();
        let keeps = self.groups.iter().any(|group| !group.keep.is_nothing());
        Text::new(match last {
            None => "report.nothing-written",
            Some(Phase::Check) if keeps => "report.perhaps-detached",
            Some(Phase::Check) => "report.perhaps-cleared",
            Some(Phase::System | Phase::Finish) => "report.perhaps-bootable",
            Some(_) => "report.not-bootable",
        })
    }
}

impl PhaseTime {
    fn of(span: &Span) -> Self {
        let rate = |bytes: Bytes| (bytes.get() as f64 / span.seconds.max(0.001)) as u64;
        Self {
            phase: span.phase,
            seconds: thousandths(span.seconds),
            bytes: span.bytes,
            rate: span.bytes.map(rate),
        }
    }
}

fn arrays(group: &Planned) -> Vec<Array> {
    let parts = group.partitions.parts().iter();
    let arrays = parts.filter_map(|part| {
        let geometry = group.array(part)?;
        Some(Array {
            name: part.purpose,
            level: geometry.level,
            members: geometry.members,
            size: geometry.capacity(),
        })
    });
    arrays.collect()
}

fn thousandths(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
