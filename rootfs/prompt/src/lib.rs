//! Asks a person: on the text console, on a serial line (9600 to 115200 baud), on a dumb terminal.
//!
//! [`Prompter`] is what a screen is written against. Two kinds of terminal carry it:
//!
//! | | [`Capable`] | [`Plain`] |
//! |---|---|---|
//! | where | the terminal moves its cursor and gives single keys | all others, files, pipes |
//! | choosing | number or arrows, then Enter | number, then Enter |
//! | going back | Esc | `<` |
//! | secrets | shown as `*` | not shown |
//!
//! What is pure stands apart from what touches the terminal: [`keys`] (bytes → keys), [`editor`]
//! (keys → a line), [`menu`] (keys → a choice), [`text`] (what a console can show).
//!
//! Invariants:
//! 1. A terminal that was put into raw mode is put back, also on a panic and on a signal ([`raw`]).
//! 2. No byte of a foreign text (a disk's model, a file's name) reaches the terminal unfiltered.
//! 3. What is typed is bounded: noise on the line costs neither memory nor output without end.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod capable;
pub mod editor;
mod idle;
pub mod keys;
pub mod menu;
mod plain;
pub mod raw;
pub mod text;
mod wire;
mod words;

use std::fmt;
use std::io;
use std::time::Duration;

use zeroize::Zeroizing;

pub use capable::Capable;
pub use idle::Idle;
pub use plain::Plain;
pub use wire::{Size, Tty, Wire};
pub use words::{ENGLISH, FRENCH, Words};

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// This was answered.
    Given(T),
    /// The person wants to go back one step.
    Back,
}

/// One entry of a menu.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Its lines; the first carries the number.
    pub lines: Vec<String>,
    /// Why it cannot be chosen; it is shown all the same.
    pub refused: Option<String>,
}

impl Item {
    /// An entry of one line.
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            lines: vec![line.into()],
            refused: None,
        }
    }
}

/// One line to be typed.
pub struct Field<'a> {
    /// What is asked.
    pub label: &'a str,
    /// What stands there already.
    pub initial: &'a str,
    /// Whether it may stay empty.
    pub optional: bool,
    /// Whether a refused text stays there to be mended; else it is typed anew.
    pub mend: bool,
    /// Judges what was typed; the error is shown and the question asked again.
    pub check: &'a dyn Fn(&str) -> Result<(), String>,
}

/// What a person typed and nobody may see. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text; never for a message or a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A terminal with a person at it.
///
/// # Errors
/// Of every method: `UnexpectedEof` when the terminal was closed, `Interrupted` when the person
/// pressed Ctrl-C, `TimedOut` when nobody typed for as long as [`Idle`] waits, others when it fails.
pub trait Prompter {
    /// Speaks this language from now on.
    fn speak(&mut self, words: &'static Words);

    /// Begins a page with a title; a terminal that can be cleared is cleared.
    fn page(&mut self, title: &str) -> io::Result<()>;

    /// Says something. It waits only where there is more than fits the screen, and can be left then.
    fn tell(&mut self, lines: &[String]) -> io::Result<Answer<()>>;

    /// Waits until what was told has been read.
    fn pause(&mut self) -> io::Result<Answer<()>>;

    /// Lets one item be chosen; `default` is the one that Enter alone takes.
    fn choose(&mut self, items: &[Item], default: usize) -> io::Result<Answer<usize>>;

    /// Lets any number of items be marked; `marked` are marked to begin with.
    fn choose_several(
        &mut self,
        items: &[Item],
        marked: &[usize],
    ) -> io::Result<Answer<Vec<usize>>>;

    /// Asks for a line. It comes back trimmed, and accepted by the field's check.
    fn line(&mut self, field: &Field<'_>) -> io::Result<Answer<String>>;

    /// Asks for a secret.
    fn secret(&mut self, label: &str) -> io::Result<Answer<Secret>>;

    /// Forgets what was typed and not read yet.
    fn forget_typed(&mut self) -> io::Result<()>;
}

/// The prompter for the terminal on standard input and output: capable where `TERM` says so and
/// raw mode is possible, plain otherwise or if asked for.
pub fn open(plain: bool, words: &'static Words) -> Box<dyn Prompter> {
    open_for(plain, words, None)
}

/// The same, with an end to the questions of a person who has gone away, see [`Idle`].
pub fn open_for(
    plain: bool,
    words: &'static Words,
    patience: Option<Duration>,
) -> Box<dyn Prompter> {
    let dumb = matches!(std::env::var("TERM").as_deref(), Ok("dumb" | "") | Err(_));
    open_on(plain || dumb, words, patience)
}

/// The same on a terminal of which the caller knows more than `TERM` says: plain, or capable where raw
/// mode is possible.
pub fn open_on(
    plain: bool,
    words: &'static Words,
    patience: Option<Duration>,
) -> Box<dyn Prompter> {
    let tty = (!plain).then(Tty::raw).and_then(Result::ok);
    match (tty, patience) {
        (Some(tty), None) => Box::new(Capable::new(tty, words)),
        (Some(tty), Some(patience)) => Box::new(Capable::new(Idle::new(tty, patience), words)),
        (None, None) => Box::new(Plain::new(wire::Stdio, words)),
        (None, Some(patience)) => Box::new(Plain::new(Idle::new(wire::Stdio, patience), words)),
    }
}
