//! `vigie-install check FILE`: all that can be said of an answer file off line.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use vigie_installer::Answers;
use vigie_installer::machines::{AnswerFile, Faults, NoSection};
use vigie_installer::messages::Text;
use vigie_machine::Machine;
use vigie_settings::Language;

pub fn check(file: &Path, language: Language) -> Result<ExitCode> {
    let answers = match AnswerFile::parse(&read(file)?) {
        Ok(answers) => answers,
        Err(faults) => {
            eprintln!("{}", located(file, &faults, language));
            return Ok(ExitCode::FAILURE);
        }
    };
    for doubt in answers.doubts() {
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
    let answers = AnswerFile::parse(&read(file)?)
        .map_err(|faults| anyhow!(located(file, &faults, language)))?;
    let answers = answers.for_machine(machine);
    let own = answers.map_err(|none: Box<NoSection>| anyhow!(none.lines(language).join("\n")))?;
    Ok(own.clone())
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// The faults, a line each, with the file's name.
fn located(file: &Path, faults: &Faults, language: Language) -> String {
    let lines = faults.lines(language);
    let lines = lines
        .iter()
        .map(|line| format!("{}: {line}", file.display()));
    lines.collect::<Vec<_>>().join("\n")
}
