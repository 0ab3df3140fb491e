//! `vigie-recovery password`.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vigie_installer::screen::live::hash;
use vigie_prompt::{ENGLISH, FRENCH, Secret};
use vigie_settings::Language;

use super::{Account, Done, ask, set};
use crate::held;
use crate::message::Message;
use crate::site::{Does, Site, Which};
use crate::tell::{Tell, exit};

/// Sets a new password of root or of the service account.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Whose.
    pub account: Account,
    #[command(flatten)]
    which: Which,
    /// For scripts: read it from this file, one line; "-" is standard input.
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// For scripts: take a weak one, too.
    #[arg(long, requires = "password_file")]
    weak: bool,
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
}

/// Runs it; the exit code.
pub fn run(arguments: &Arguments, language: Language) -> u8 {
    let mut tell = Tell::new(arguments.json, language);
    let outcome = act(arguments, &mut tell);
    outcome.unwrap_or_else(|error| tell.failed(&error))
}

fn act(arguments: &Arguments, tell: &mut Tell) -> Result<u8> {
    let from_person = arguments.password_file.is_none();
    if from_person && (arguments.json || !io::stdin().is_terminal()) {
        tell.warn(&Message::new("password.needs-file"));
        return Ok(exit::USAGE);
    }
    let site = Site::open(&arguments.which, Does::Writes)?;
    let warnings = site.disk_warnings();
    if !from_person {
        warnings.iter().for_each(|warning| tell.warn(warning));
    }
    let Some(password) = password(arguments, &site.host(), &warnings, tell.language)? else {
        tell.say("left", &Message::new("act.nothing-changed"));
        return Ok(exit::DONE);
    };
    let hash = hash(&password)?;
    drop(password);
    let _held = held::hold_off(tell);
    let state = site.state(tell)?;
    state.tell(tell);
    let medium = Some(site.medium.to_string());
    let done = set(
        state.folder(),
        arguments.account,
        hash,
        site.running(),
        medium,
    )?;
    // Unmounted before it is said to be done.
    drop(state);
    say(arguments.account, &site.host(), &done, tell);
    Ok(exit::DONE)
}

fn password(
    arguments: &Arguments,
    host: &str,
    warnings: &[Message],
    language: Language,
) -> Result<Option<Secret>> {
    let Some(file) = &arguments.password_file else {
        let words = match language {
            Language::En => &ENGLISH,
            Language::Fr => &FRENCH,
        };
        let mut prompter = vigie_prompt::open(false, words);
        return Ok(ask::person(
            prompter.as_mut(),
            arguments.account,
            host,
            warnings,
            language,
        )?);
    };
    let weak = arguments.weak;
    if file == Path::new("-") {
        return ask::script(io::stdin().lock(), host, weak).map(Some);
    }
    let opened = File::open(file).with_context(|| format!("opening {}", file.display()))?;
    ask::script(opened, host, weak).map(Some)
}

fn say(account: Account, host: &str, done: &Done, tell: &mut Tell) {
    if let Some(damage) = &done.damage {
        tell.warn(&damage.message());
    }
    tell.freed(done.freed.as_ref());
    if let Some(not_logged) = &done.not_logged {
        tell.warn(not_logged);
    }
    let message = Message::new("password.done");
    let message = message.with("account", account.name()).with("host", host);
    tell.say("done", &message);
}
