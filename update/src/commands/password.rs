//! `vigie-update ask-password`: whether whoever sits at this terminal knows root's password. For the
//! console menu, which knows nobody.

use std::io::{self, BufRead, Read, Write};

use anyhow::Result;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use vigie_settings::Language;

use crate::doors::login::{Answer, Gate, USER};
use crate::say;
use crate::spoken::Spoken;

/// Those at the console wait for each other, and for nobody else.
const PEER: &str = "console";
/// Longest line in bytes.
const LONGEST: u64 = 1024;

/// Asks, without showing what is typed; says what is wrong.
///
/// # Errors
/// The terminal failed.
pub fn run(gate: &Gate, language: Language) -> Result<bool> {
    let answer = if gate.has_password() {
        let password = read(prompt(language)).map_err(|error| {
            Spoken::new(
                format!("reading the password: {error}"),
                format!("lecture du mot de passe : {error}"),
            )
        })?;
        gate.ask(USER, &password, PEER)
    } else {
        Answer::NoPassword
    };
    if answer == Answer::Welcome {
        return Ok(true);
    }
    let (_, english, french) = answer.words();
    let words = match language {
        Language::En => english,
        Language::Fr => french,
    };
    say!("{words}");
    Ok(false)
}

fn prompt(language: Language) -> &'static str {
    match language {
        Language::En => "Password of root:",
        Language::Fr => "Mot de passe de root :",
    }
}

fn read(prompt: &str) -> io::Result<String> {
    let input = io::stdin().lock();
    let shown = tcgetattr(&input).ok();
    if let Some(modes) = &shown {
        let mut hidden = modes.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&input, OptionalActions::Flush, &hidden)?;
    }
    // Who answers at once must not be flushed away, or be seen.
    print!("{prompt} ");
    io::stdout().flush()?;
    let mut line = String::new();
    let read = input.take(LONGEST).read_line(&mut line);
    if let Some(modes) = shown {
        tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        say!();
    }
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
