//! `vigie-recovery update`.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;

use anyhow::Result;
use vigie_settings::Language;
use vigie_update::apply::ApplyError;
use vigie_update::commands::apply;
use vigie_update::progress::Progress;

use super::{Source, choose};
use crate::message::Message;
use crate::site::Which;
use crate::tell::{Tell, exit};
use crate::waiting::Waiting;
use crate::{held, words};

/// Puts the version of this medium, or a package, into the other slot of an installation.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// A package instead of the medium's own version.
    package: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
    /// Who asks, for the history.
    #[arg(long)]
    who: Option<String>,
}

/// Runs it; the exit code.
pub fn run(arguments: Arguments, language: Language) -> u8 {
    let mut tell = Tell::new(arguments.json, language);
    let outcome = act(arguments, &mut tell);
    outcome.unwrap_or_else(|error| failed(&error, &mut tell))
}

fn act(arguments: Arguments, tell: &mut Tell) -> Result<u8> {
    let Arguments {
        package,
        which,
        yes,
        json,
        who,
    } = arguments;
    // Before anything is looked for: who cannot answer is not asked.
    if !yes && (json || !io::stdin().is_terminal()) {
        tell.warn(&Message::new("update.needs-yes"));
        return Ok(exit::USAGE);
    }
    let source = package.map_or(Source::Medium, Source::Package);
    let chosen = choose(&which, &source)?;
    if !json {
        let lines = words::before_update(&chosen, &source, tell.language)?;
        println!("{}", lines.join("\n"));
    }
    // Until here nothing is open for writing: Ctrl-C at the question leaves everything as it was, as no does.
    if !yes && !agreed(tell.language)? {
        println!("{}", words::not_asked(tell.language));
        return Ok(exit::DONE);
    }
    let _held = held::hold_off(tell);
    let mut opened = chosen.open(&mut Waiting::new(json, tell.language))?;
    opened.state.tell(tell);
    let from = opened.version();
    let mut progress = Progress::new(json).in_french(tell.language == Language::Fr);
    let applied = super::run(&mut opened, &source, who, &mut progress)?;
    if json {
        println!("{}", apply::success_event(&applied));
    } else {
        println!("{}", words::after_update(&applied, from, tell.language));
        if let Some(warning) = apply::warning(&applied, tell.language) {
            eprintln!("vigie-recovery: {warning}");
        }
    }
    Ok(exit::DONE)
}

/// Asks for the word that means yes.
fn agreed(language: Language) -> io::Result<bool> {
    let (question, yes) = words::question(language);
    print!("{question}");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().take(100).read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case(&yes))
}

/// Says why it was not done; the exit code.
fn failed(error: &anyhow::Error, tell: &mut Tell) -> u8 {
    let Some(told) = error.downcast_ref::<ApplyError>() else {
        return tell.failed(error);
    };
    if tell.json {
        println!("{}", apply::failure_event(told));
    } else if tell.language == Language::Fr {
        eprintln!("vigie-recovery: {}", told.french());
    } else {
        eprintln!("vigie-recovery: {told}");
    }
    match told.is_refusal() {
        true => exit::REFUSED,
        false => exit::FAILED,
    }
}
