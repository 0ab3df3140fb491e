//! `vigie-install run`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use vigie_installer::Payload;
use vigie_installer::inventory;
use vigie_installer::messages::Text;
use vigie_installer::plan::{Plan, Refusal, plan};
use vigie_installer::report::Outcome;
use vigie_settings::Language;

use super::check::read_answers;
use super::stage::Stage;

pub fn run(
    answers: &Path,
    payload: &Path,
    dry_run: bool,
    json: bool,
    language: Language,
) -> Result<ExitCode> {
    let mut stage = Stage::new(json, language);
    let answers = read_answers(answers, stage.machine(), language)?;
    let payload = Payload::open(payload)?;
    let inventory = inventory::Machine::this().inventory();
    let planned = plan(&answers, &inventory, payload.manifest());
    if dry_run {
        return dry(&mut stage, planned);
    }
    let report = match planned {
        Err(refusal) => stage.refused(&refusal),
        Ok(plan) => {
            stage.plan(&plan)?;
            stage.carry_out(&answers, &payload, &plan)
        }
    };
    let result = stage.conclude(report, answers.report.as_ref(), &mut |_, _| {})?;
    stage.finish(&answers.finish, result)?;
    Ok(match result {
        Outcome::Installed => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
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
    use vigie_installer::report::Report;
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
