//! Recovery for a person at the machine: language, keyboard, then a menu, one entry for each thing that can
//! be done, a clean power-off as the last. In English and French, on a screen and on a serial line.
//!
//! | | |
//! |---|---|
//! | [`entry`] | which entries there are, and why one cannot be chosen: pure |
//! | [`action`] | what a choice runs: a command of this program, pure |
//! | [`begin`], [`menu`], [`pages`], [`export`], [`rescue`] | each page as questions to a [`Prompter`] |
//! | [`host`] | the machine, as a trait; [`live`] is the running one, [`sticks`] what is plugged in |
//!
//! Invariants:
//! 1. This module touches no disk. What it does, the command does that a person could type.
//! 2. Esc goes back one step everywhere; nothing has been written then.
//! 3. The terminal is given back before a command runs, and what it said stays until it was read.

pub mod action;
mod begin;
pub mod entry;
mod export;
pub mod host;
pub mod live;
mod menu;
mod pages;
mod rescue;
pub mod sticks;

use std::io;
use std::path::PathBuf;

use anyhow::Context;
use vigie_installer::answers::Action as Finish;
use vigie_prompt::{Answer, ENGLISH, FRENCH, Prompter, Words};
use vigie_settings::Language;

use crate::message::Message;
use crate::tell::{Tell, exit};
use crate::volumes::Installation;
use action::Action;
use begin::Step;
use host::Host;
use live::Live;

/// All of recovery as a menu, for a person at the machine.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Numbered lines, also where the terminal could do more.
    #[arg(long)]
    plain: bool,
}

/// Runs it; the exit code.
pub fn command(arguments: &Arguments, language: Language) -> u8 {
    let left = Live::new(arguments.plain).and_then(|mut live| match run(&mut live, language) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        left => left.context("asking on this terminal"),
    });
    match left {
        Ok(()) => exit::DONE,
        Err(error) => Tell::new(false, language).failed(&error),
    }
}

/// What a person chose.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// This is to be run.
    Run(Action),
    /// The machine restarts or goes off.
    Finish(Finish),
    /// Nothing more.
    Leave,
}

/// A person's way through the pages.
struct Screen<'a> {
    host: &'a mut dyn Host,
    language: Language,
    /// Where the person is before the menu, or there.
    step: Step,
    /// The system disk of the installation that is worked on.
    disk: Option<PathBuf>,
    /// Whether an expert works on an installation of another major version.
    expert: bool,
}

/// Asks, runs what was chosen, and asks again, until the person leaves.
///
/// # Errors
/// The terminal failed, was closed (`UnexpectedEof`) or Ctrl-C was pressed (`Interrupted`).
pub fn run(host: &mut dyn Host, language: Language) -> io::Result<()> {
    let mut screen = Screen {
        host,
        language,
        step: Step::Language,
        disk: None,
        expert: false,
    };
    loop {
        let mut prompter = screen.host.prompter(words(screen.language));
        let decision = screen.ask(prompter.as_mut());
        // The terminal is put back before anything else uses it.
        drop(prompter);
        match decision? {
            Decision::Run(action) => screen.run(&action)?,
            Decision::Finish(finish) => {
                if let Err(error) = screen.host.finish(finish) {
                    screen.failed(&error)?;
                    continue;
                }
                return Ok(());
            }
            Decision::Leave => return Ok(()),
        }
    }
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &ENGLISH,
        Language::Fr => &FRENCH,
    }
}

/// `?`, for going back: an answer, or out of the page with nothing decided.
macro_rules! given {
    ($answer:expr) => {
        match $answer? {
            vigie_prompt::Answer::Given(given) => given,
            vigie_prompt::Answer::Back => return Ok(None),
        }
    };
}
use given;

impl Screen<'_> {
    fn ask(&mut self, prompter: &mut dyn Prompter) -> io::Result<Decision> {
        loop {
            let step = match self.step {
                Step::Menu => match self.menu(prompter)? {
                    Some(decision) => return Ok(decision),
                    // An entry has led to another page.
                    None if self.step != Step::Menu => Some(self.step),
                    None => self.before(Step::Menu),
                },
                step => self.begin(step, prompter)?,
            };
            match step {
                Some(step) => self.step = step,
                None => return Ok(Decision::Leave),
            }
        }
    }

    /// Runs a command on this terminal; what it said is left to be read.
    fn run(&mut self, action: &Action) -> io::Result<()> {
        match self.host.run(action, self.language) {
            Ok(()) if action.is_a_screen() => return Ok(()),
            Ok(()) => {}
            Err(error) => return self.failed(&error),
        }
        self.wait()
    }

    fn failed(&mut self, error: &anyhow::Error) -> io::Result<()> {
        let text = Message::new("screen.failed").because(error);
        let mut prompter = self.host.prompter(words(self.language));
        prompter.tell(&[text.to(self.language)])?;
        prompter.pause().map(drop)
    }

    fn wait(&mut self) -> io::Result<()> {
        let mut prompter = self.host.prompter(words(self.language));
        prompter.forget_typed()?;
        prompter.pause().map(drop)
    }

    fn say(&self, key: &'static str) -> String {
        Message::new(key).to(self.language)
    }

    /// Begins a page.
    fn page(&self, prompter: &mut dyn Prompter, title: &Message) -> io::Result<()> {
        let text = Message::new("screen.title").with("version", self.host.version());
        prompter.page(&text.and("page", title.clone()).to(self.language))
    }

    fn tell(&self, prompter: &mut dyn Prompter, text: &Message) -> io::Result<Answer<()>> {
        prompter.tell(&[text.to(self.language), String::new()])
    }
}

/// The installations, of those on several disks of one mirror the first.
fn distinct(all: Vec<Installation>) -> Vec<Installation> {
    let mut found: Vec<Installation> = Vec::new();
    for one in all {
        let known = |other: &Installation| one.array.is_some() && other.array == one.array;
        if !found.iter().any(known) {
            found.push(one);
        }
    }
    found
}

#[cfg(test)]
mod tests;
