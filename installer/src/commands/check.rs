//! `vigie-install check FILE`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use vigie_installer::Answers;
use vigie_installer::messages::Text;
use vigie_settings::Language;

pub fn check(file: &Path, language: Language) -> Result<ExitCode> {
    read_answers(file)?;
    let said = Text::new("check.good").with("file", file.display());
    println!("{}", said.to(language));
    Ok(ExitCode::SUCCESS)
}

/// Reads an answer file; the error says file, line and field.
pub fn read_answers(file: &Path) -> Result<Answers> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    Answers::parse(&text).map_err(|error| anyhow!("{}: {error}", file.display()))
}
