//! `vigie-install sign-answers`: the signature that `vigie.answers-key` asks for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use vigie_installer::machines::AnswerFile;
use vigie_installer::messages::Text;
use vigie_installer::sources::proof::sign;
use vigie_settings::Language;

pub fn sign_answers(file: &Path, key: &Path, language: Language) -> Result<ExitCode> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
    };
    let answers = read(file)?;
    // Bad answers are found here, and not at the factory.
    AnswerFile::parse(&answers).with_context(|| file.display().to_string())?;
    let signed = sign(&read(key)?, answers.as_bytes())
        .with_context(|| format!("signing with {}", key.display()))?;
    let beside = beside(file);
    std::fs::write(&beside, signed.signature + "\n")
        .with_context(|| format!("writing {}", beside.display()))?;
    let said = Text::new("sign.written")
        .with("file", beside.display())
        .with("key", signed.key);
    println!("{}", said.to(language));
    Ok(ExitCode::SUCCESS)
}

fn beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".sig");
    name.into()
}
