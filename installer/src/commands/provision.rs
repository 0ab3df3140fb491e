//! `vigie-install provision`: run once by the live system, before its menus.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use vigie_installer::Payload;
use vigie_installer::answers::{Action, Answers, Finish, SendReport};
use vigie_installer::https::Client;
use vigie_installer::https::patience::RealTime;
use vigie_installer::inventory;
use vigie_installer::machines::{AnswerFile, language_of, not_looked_up};
use vigie_installer::messages::Text;
use vigie_installer::plan::plan;
use vigie_installer::provision::Provision;
use vigie_installer::report::{Outcome, Report};
use vigie_installer::sources::{Found, Source};
use vigie_machine::Machine;
use vigie_settings::Language;

use super::check::ROOT;
use super::stage::Stage;

/// What is known of the answers when a run ends, however early.
#[derive(Default)]
struct Known {
    /// Whether the command line says the language, which the answers do not change then.
    speaks: bool,
    finish: Finish,
    send: Option<SendReport>,
}

/// Without a `language` it speaks that of the answers, as soon as they are there: the service that
/// runs this knows of none.
pub fn provision(payload: &Path, language: Option<Language>) -> Result<ExitCode> {
    let mut stage = Stage::new(false, language.unwrap_or_else(Language::from_environment));
    let found = Found::look();
    let beside = found.place_for_report();
    let mut known = Known {
        speaks: language.is_some(),
        ..Known::default()
    };
    let report = match found.choose() {
        Ok(None) => {
            stage.say(&Text::new("sources.none"));
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Some(source)) => attempt(&mut stage, &source, payload, beside.as_ref(), &mut known),
        Err(why) => refuse(&mut stage, &why),
    };
    let result = stage.conclude(report, known.send.as_ref(), &mut |stage, report| {
        keep(stage, report, beside.as_ref());
    })?;
    stage.finish(&known.finish, result)?;
    Ok(match result {
        Outcome::Installed => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

impl Known {
    fn speak(&self, stage: &mut Stage, language: Option<Language>) {
        if let Some(language) = language
            && !self.speaks
        {
            stage.language = language;
        }
    }
}

/// Everything that can go wrong from here on is told in a report.
fn attempt(
    stage: &mut Stage,
    source: &Source,
    payload: &Path,
    beside: Option<&Provision>,
    known: &mut Known,
) -> Report {
    let answers = match answers(stage, source, known) {
        Ok(answers) => answers,
        Err(report) => return *report,
    };
    match install(stage, &answers, payload, beside) {
        Ok(report) => report,
        Err(error) => Report::of_error(&error),
    }
}

/// The answers for this machine.
fn answers(stage: &mut Stage, source: &Source, known: &mut Known) -> Result<Answers, Box<Report>> {
    stage.say(&Text::new("provision.found").with("place", source.place()));
    let text = source.text(&Client::new, &mut RealTime::start(), &mut |text| {
        stage.say(text)
    });
    let text = text.map_err(|why| Box::new(refuse(stage, &why)))?;
    known.speak(stage, language_of(&text));
    let root = Path::new(ROOT);
    not_looked_up(root).iter().for_each(|text| stage.say(text));
    let file = AnswerFile::parse_on(&text, root).map_err(|faults| {
        stage.show(&faults.lines(stage.language));
        Box::new(Report::of_no(&faults.to_string()))
    })?;
    // Before the machine is known, what all sections agree on holds.
    known.finish.on_failure = file
        .agreed(|answers| answers.finish.on_failure)
        .unwrap_or(Action::Wait);
    known.send = file.agreed(|answers| answers.report.clone()).flatten();
    let answers = file.in_time(&mut Machine::this, &mut RealTime::start(), &mut |text| {
        stage.say(text)
    });
    let answers = answers.map_err(|none| {
        stage.show(&none.lines(stage.language));
        Box::new(Report::of_no(&none.to_string()))
    })?;
    known.speak(stage, Some(answers.system.language));
    known.finish = answers.finish;
    known.send = answers.report.clone();
    Ok(answers.clone())
}

fn install(
    stage: &mut Stage,
    answers: &Answers,
    payload: &Path,
    beside: Option<&Provision>,
) -> Result<Report> {
    let payload = Payload::open(payload)?;
    let inventory = inventory::Machine::this().inventory();
    let plan = match plan(answers, &inventory, payload.manifest()) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(stage.refused(&refusal)),
    };
    stage.plan(&plan)?;
    // What is found on a stick of a machine that was switched off meanwhile.
    let begun = stage.framed(Report::of_plan(&plan));
    if let (Err(error), Some(volume)) = (write(&begun, beside), beside) {
        stage.say(&unwritten(volume, &error));
    }
    Ok(stage.carry_out(answers, &payload, &plan))
}

fn refuse(stage: &mut Stage, why: &Text) -> Report {
    stage.say(why);
    Report::of_no(&why.to(Language::En))
}

/// Writes the report beside the answers, and says so; that it cannot be written changes nothing
/// about the installation.
fn keep(stage: &mut Stage, report: &Report, beside: Option<&Provision>) {
    let Some(volume) = beside else { return };
    let said = match write(report, beside) {
        Ok(()) => Text::new("report.written").with("place", volume.place()),
        Err(error) => unwritten(volume, &error),
    };
    stage.say(&said);
}

fn unwritten(volume: &Provision, error: &anyhow::Error) -> Text {
    Text::new("report.unwritten")
        .with("place", volume.place())
        .with("error", format!("{error:#}"))
}

fn write(report: &Report, beside: Option<&Provision>) -> Result<()> {
    let json = report.to_json().map_err(|error| anyhow!(error))?;
    beside.map_or(Ok(()), |volume| volume.write_result(&json))
}

#[cfg(test)]
mod tests {
    use vigie_installer::machines::AnswerFile;

    use super::*;

    const REFUSED: &str = "[target]\n[system]\nlanguage = \"fr\"\n";

    fn embedded(text: &str, language: Option<Language>) -> (Language, String) {
        let mut stage = Stage::new(false, language.unwrap_or_default());
        let mut known = Known {
            speaks: language.is_some(),
            ..Known::default()
        };
        let source = Source::Embedded(text.to_owned());
        let ended = answers(&mut stage, &source, &mut known);
        let log = stage.framed(Report::of_no("")).log.join("\n");
        assert_eq!(ended.is_ok(), AnswerFile::parse(text).is_ok());
        (stage.language, log)
    }

    #[test]
    fn the_answers_say_the_language_unless_the_command_line_does() {
        let good = format!("{REFUSED}[finish]\n").replace("[target]\n", "[target]\npath = \"x\"\n");
        assert_eq!(embedded(&good, None).0, Language::Fr);
        assert_eq!(embedded(&good, Some(Language::En)).0, Language::En);
        let (language, log) = embedded(REFUSED, None);
        assert_eq!(language, Language::Fr);
        assert!(log.contains("ligne 1 : target : aucun disque"), "{log}");
    }
}
