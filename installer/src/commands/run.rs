//! `vigie-install run`

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use vigie_installer::Payload;
use vigie_installer::inventory;
use vigie_installer::machines::not_looked_up;
use vigie_installer::messages::Text;
use vigie_installer::plan::{Plan, Refusal, plan};
use vigie_installer::provision::RESULT;
use vigie_installer::report::{Outcome, Report};
use vigie_settings::Language;

use super::check::{ROOT, read_answers};
use super::stage::Stage;

pub fn run(
    answers: &Path,
    payload: &Path,
    dry_run: bool,
    json: bool,
    language: Language,
) -> Result<ExitCode> {
    let mut stage = Stage::new(json, language);
    let file = answers;
    let answers = match read_answers(file, stage.machine(), language) {
        Ok(answers) => answers,
        Err(error) => {
            let report = Report::of_no(&format!("{error:#}"));
            return broken(&mut stage, report, file, dry_run, error);
        }
    };
    let payload = match Payload::open(payload) {
        Ok(payload) => payload,
        Err(error) => {
            let report = Report::of_error(&error);
            return broken(&mut stage, report, file, dry_run, error);
        }
    };
    let unasked = not_looked_up(Path::new(ROOT));
    unasked.iter().for_each(|text| stage.say(text));
    let inventory = inventory::Machine::this().inventory();
    let planned = plan(&answers, &inventory, payload.manifest());
    if dry_run {
        return dry(&mut stage, planned);
    }
    let report = match planned {
        Err(refusal) => stage.refused(&refusal),
        Ok(plan) => {
            stage.plan(&plan)?;
            // What is found beside the answers of a machine that was switched off meanwhile.
            let begun = stage.framed(Report::of_plan(&plan));
            if let Err(error) = write(&begun, file) {
                stage.say(&unwritten(file, &error));
            }
            stage.carry_out(&answers, &payload, &plan)
        }
    };
    let result = stage.conclude(report, answers.report.as_ref(), &mut |stage, report| {
        keep(stage, report, file);
    })?;
    stage.finish(&answers.finish, result)?;
    Ok(match result {
        Outcome::Installed => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// A run that ended before there was a plan: a report of an earlier run must not stand for it.
fn broken(
    stage: &mut Stage,
    report: Report,
    answers: &Path,
    dry_run: bool,
    error: anyhow::Error,
) -> Result<ExitCode> {
    // Beside a file that is not there nobody looks.
    if !dry_run && answers.is_file() {
        let report = stage.framed(report);
        keep(stage, &report, answers);
    }
    Err(error)
}

/// Writes the report beside the answers, and says so; that it cannot be written changes nothing
/// about the installation.
fn keep(stage: &mut Stage, report: &Report, answers: &Path) {
    let said = match write(report, answers) {
        Ok(()) => Text::new("report.written").with("place", beside(answers).display()),
        Err(error) => unwritten(answers, &error),
    };
    stage.say(&said);
}

fn unwritten(answers: &Path, error: &anyhow::Error) -> Text {
    Text::new("report.unwritten")
        .with("place", beside(answers).display())
        .with("error", format!("{error:#}"))
}

/// The report's file.
fn beside(answers: &Path) -> PathBuf {
    answers.with_file_name(RESULT)
}

/// Whole or not at all.
fn write(report: &Report, answers: &Path) -> Result<()> {
    let place = beside(answers);
    let partial = place.with_extension("json.partial");
    let mut file = File::create(&partial)?;
    file.write_all(report.to_json()?.as_bytes())?;
    file.sync_all()?;
    Ok(std::fs::rename(&partial, &place)?)
}

/// Only says what would be done. Nothing follows it: neither is a report sent, nor the machine
/// switched off.
fn dry(stage: &mut Stage, planned: Result<Plan, Refusal>) -> Result<ExitCode> {
    match planned {
        Ok(plan) => {
            stage.plan(&plan)?;
            stage.say(&Text::new("plan.dry"));
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            let report = stage.refused(&refusal);
            let report = stage.framed(report);
            stage.result(&report)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

#[cfg(test)]
mod tests {
    use vigie_installer::{Answers, Manifest};

    use super::*;

    fn said(answers: &str, language: Language) -> (ExitCode, Vec<String>) {
        let disks = include_str!("../../tests/plans/3tb-by-serial.disks.json");
        let manifest = include_str!("../../tests/plans/payload.json");
        let manifest: Manifest = serde_json::from_str(manifest).unwrap();
        let answers = Answers::parse(answers).unwrap();
        let planned = plan(&answers, &serde_json::from_str(disks).unwrap(), &manifest);
        let mut stage = Stage::new(false, language);
        let code = dry(&mut stage, planned).unwrap();
        (code, stage.framed(Report::of_no("")).log)
    }

    #[test]
    fn a_dry_run_says_what_would_be_done() {
        let answers = include_str!("../../tests/plans/3tb-by-serial.answers.toml");
        let (code, lines) = said(answers, Language::En);
        assert_eq!(code, ExitCode::SUCCESS);
        let says = |text: &str| lines.iter().any(|line| line.contains(text));
        assert!(says("will be installed") && says("data-1"), "{lines:?}");
        assert_eq!(
            lines.last().map(String::as_str),
            Some("Dry run: nothing was written.")
        );
    }

    #[test]
    fn a_dry_run_that_is_refused_has_no_consequences() {
        // Carried out, it would switch off the machine that runs this test.
        let answers = "[target]\nserial = \"none\"\n[finish]\non_failure = \"poweroff\"\n";
        let (code, lines) = said(answers, Language::Fr);
        assert_eq!(code, ExitCode::FAILURE);
        assert!(lines[0].contains("aucun disque ne correspond"), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("Terminé")));
    }
}
