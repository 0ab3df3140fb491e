//! `vigie-install run`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use vigie_installer::inventory::Machine;
use vigie_installer::messages::Text;
use vigie_installer::plan::{Plan, Refusal, plan};
use vigie_installer::progress::render;
use vigie_installer::report::{Outcome, Report};
use vigie_installer::to_disk::install_to_disk;
use vigie_installer::{Answers, HostTools, Ids, Payload, provision};
use vigie_settings::Language;

use super::check::read_answers;

pub fn run(
    answers: &Path,
    payload: &Path,
    dry_run: bool,
    json: bool,
    language: Language,
) -> Result<ExitCode> {
    let answers = read_answers(answers)?;
    let payload = Payload::open(payload)?;
    let report = match plan(&answers, &Machine::this().inventory(), payload.manifest()) {
        Err(refusal) => refused(&refusal, json, language)?,
        Ok(plan) => {
            show_plan(&plan, json, language)?;
            if dry_run {
                return dry(json, language);
            }
            carry_out(&answers, &payload, &plan, json, language)
        }
    };
    show_report(&report, json, language)?;
    if report.result != Outcome::Installed {
        return Ok(ExitCode::FAILURE);
    }
    provision::finish(answers.finish.on_success)?;
    Ok(ExitCode::SUCCESS)
}

/// Executes a plan with progress shown as asked.
pub fn carry_out(
    answers: &Answers,
    payload: &Payload,
    plan: &Plan,
    json: bool,
    language: Language,
) -> Report {
    let mut progress = render::fitting(json, language);
    let ids = Ids::random();
    install_to_disk(answers, payload, plan, &HostTools, &ids, progress.as_mut())
}

/// A JSON line with its kind.
#[derive(Serialize)]
struct Line<T> {
    event: &'static str,
    #[serde(flatten)]
    body: T,
}

pub fn show_plan(plan: &Plan, json: bool, language: Language) -> Result<()> {
    if json {
        let line = Line {
            event: "plan",
            body: plan,
        };
        println!("{}", serde_json::to_string(&line)?);
    } else {
        println!("{}", plan.lines(language).join("\n"));
    }
    Ok(())
}

/// Tells a refusal; the report of it.
pub fn refused(refusal: &Refusal, json: bool, language: Language) -> Result<Report> {
    if !json {
        eprintln!("{}", refusal.lines(language).join("\n"));
    }
    Ok(Report::of_refusal(refusal))
}

fn dry(json: bool, language: Language) -> Result<ExitCode> {
    if !json {
        println!("{}", Text::new("plan.dry").to(language));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn show_report(report: &Report, json: bool, language: Language) -> Result<()> {
    if json {
        let line = Line {
            event: "result",
            body: report,
        };
        println!("{}", serde_json::to_string(&line)?);
    } else {
        println!("{}", report.lines(language).join("\n"));
    }
    Ok(())
}
