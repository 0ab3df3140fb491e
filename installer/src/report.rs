//! What an installation came to, for a file beside the answers and for `--json`.

use serde::Serialize;
use vigie_settings::Language;

use crate::inventory::Disk;
use crate::messages::Text;
use crate::plan::{Plan, Planned, Refusal};
use crate::progress::Phase;

/// The result of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How it ended.
    pub result: Outcome,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Version that was to be installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The chosen disks, what had been on them, and their new partitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Planned>,
    /// Seconds of each phase that was finished.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseTime>,
    /// Seconds of the whole run.
    pub seconds: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The system is on the disk.
    Installed,
    /// Nothing was written: the answers do not fit the machine.
    Refused,
    /// Something broke on the way.
    Failed,
}

/// How long a phase took.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseTime {
    /// The phase.
    pub phase: Phase,
    /// Seconds.
    pub seconds: f64,
}

impl Report {
    /// A run that was carried out, or broke while it was.
    pub fn of_run(plan: &Plan, phases: &[(Phase, f64)], error: Option<&anyhow::Error>) -> Self {
        let result = match error {
            None => Outcome::Installed,
            Some(_) => Outcome::Failed,
        };
        Self {
            result,
            error: error.map(|error| format!("{error:#}")),
            version: Some(plan.version.clone()),
            groups: plan.groups.clone(),
            phases: phases
                .iter()
                .map(|(phase, seconds)| PhaseTime {
                    phase: *phase,
                    seconds: thousandths(*seconds),
                })
                .collect(),
            seconds: thousandths(phases.iter().map(|(_, seconds)| seconds).sum()),
        }
    }

    /// A run that never began.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        Self::without_plan(Outcome::Refused, refusal.to_string())
    }

    /// A run that broke before there was a plan.
    pub fn of_error(error: &anyhow::Error) -> Self {
        Self::without_plan(Outcome::Failed, format!("{error:#}"))
    }

    fn without_plan(result: Outcome, error: String) -> Self {
        Self {
            result,
            error: Some(error),
            version: None,
            groups: Vec::new(),
            phases: Vec::new(),
            seconds: 0.0,
        }
    }

    /// For a person.
    pub fn lines(&self, language: Language) -> Vec<String> {
        let error = self.error.as_deref().unwrap_or_default();
        let version = self.version.as_deref().unwrap_or_default();
        let disks = self.groups.iter().flat_map(|group| &group.disks);
        let disk = disks.map(Disk::title).collect::<Vec<_>>().join("; ");
        match self.result {
            Outcome::Installed => vec![
                Text::new("report.installed")
                    .with("version", version)
                    .with("disk", disk)
                    .with("seconds", self.seconds.round())
                    .to(language),
            ],
            Outcome::Refused => vec![Text::new("report.refused").to(language)],
            Outcome::Failed => {
                let mut lines = vec![Text::new("report.failed").with("error", error).to(language)];
                if !self.groups.is_empty() {
                    lines.push(Text::new("report.not-bootable").to(language));
                }
                lines
            }
        }
    }
}

fn thousandths(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
