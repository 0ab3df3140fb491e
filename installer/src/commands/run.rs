//! `vigie-install run`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use vigie_installer::Payload;
use vigie_installer::inventory;
use vigie_installer::messages::Text;
use vigie_installer::plan::plan;
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
    let report = match plan(&answers, &inventory, payload.manifest()) {
        Err(refusal) => stage.refused(&refusal),
        Ok(plan) => {
            stage.plan(&plan)?;
            if dry_run {
                stage.say(&Text::new("plan.dry"));
                return Ok(ExitCode::SUCCESS);
            }
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
