//! `vigie-install screen`

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use vigie_installer::Payload;
use vigie_installer::messages::Text;
use vigie_installer::screen::live::Live;
use vigie_installer::screen::{self, End};
use vigie_prompt::{ENGLISH, FRENCH};
use vigie_settings::Language;

pub fn screen(payload: &Path, plain: bool, language: Language) -> Result<ExitCode> {
    let payload = Payload::open(payload)?;
    let words = match language {
        Language::En => &ENGLISH,
        Language::Fr => &FRENCH,
    };
    let mut prompter = vigie_prompt::open(plain, words);
    let mut host = Live::new(payload, plain);
    let ended = screen::run(prompter.as_mut(), &mut host, language);
    // The terminal is put back before anything else is said on it.
    drop(prompter);
    match ended {
        Ok(End::Installed) => Ok(ExitCode::SUCCESS),
        Ok(End::Failed) => Ok(ExitCode::FAILURE),
        Ok(End::Left) => left(language),
        Err(error) if error.kind() == ErrorKind::Interrupted => left(language),
        Err(error) => Err(error).context("asking on this terminal"),
    }
}

fn left(language: Language) -> Result<ExitCode> {
    println!("\n{}", Text::new("screen.left").to(language));
    Ok(ExitCode::SUCCESS)
}
