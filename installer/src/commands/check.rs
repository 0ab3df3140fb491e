//! `vigie-install check FILE`: all that can be said of an answer file off line.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use vigie_installer::Answers;
use vigie_installer::machines::{AnswerFile, Faults, NoSection, not_looked_up};
use vigie_installer::messages::Text;
use vigie_installer::sources;
use vigie_machine::Machine;
use vigie_settings::Language;

/// The system that is asked for time zones and keymaps.
pub const ROOT: &str = "/";

pub fn check(file: &Path, language: Language) -> Result<ExitCode> {
    let root = Path::new(ROOT);
    let answers = match AnswerFile::parse_on(&read(file, language)?, root) {
        Ok(answers) => answers,
        Err(faults) => {
            eprintln!("{}", located(file, &faults, language));
            return Ok(ExitCode::FAILURE);
        }
    };
    for doubt in answers.doubts().into_iter().chain(not_looked_up(root)) {
        println!("{}", doubt.to(language));
    }
    let said = match &answers {
        AnswerFile::ForAll(_) => Text::new("check.good"),
        AnswerFile::ByMachine(sections) => {
            Text::new("check.good-machines").with("count", sections.len())
        }
    };
    println!("{}", said.with("file", file.display()).to(language));
    Ok(ExitCode::SUCCESS)
}

/// The answers for this machine in a file; the error says file, line and field.
pub fn read_answers(file: &Path, machine: &Machine, language: Language) -> Result<Answers> {
    let answers = AnswerFile::parse_on(&read(file, language)?, Path::new(ROOT))
        .map_err(|faults| anyhow!(located(file, &faults, language)))?;
    let answers = answers.for_machine(machine);
    let own = answers.map_err(|none: Box<NoSection>| anyhow!(none.lines(language).join("\n")))?;
    Ok(own.clone())
}

fn read(file: &Path, language: Language) -> Result<String> {
    let text = std::fs::read(file)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Text::new("check.no-file"),
            _ => Text::new("check.unreadable").with("error", error),
        })
        .and_then(sources::text_of);
    text.map_err(|why| anyhow!("{}: {}", file.display(), why.to(language)))
}

/// The faults, a line each, with the file's name.
fn located(file: &Path, faults: &Faults, language: Language) -> String {
    let lines = faults.lines(language);
    let lines = lines
        .iter()
        .map(|line| format!("{}: {line}", file.display()));
    lines.collect::<Vec<_>>().join("\n")
}
