//! The attended installation: a person answers, sees the plan, confirms it by the disks' serial
//! numbers, and can go; everything that is asked is asked before anything is written.
//!
//! | | |
//! |---|---|
//! | [`flow`] | the order of the steps, and which of them apply: pure |
//! | [`draft`] | what was answered so far, and the [`Answers`](crate::Answers) that it makes: pure |
//! | [`disks`], [`found`], [`levels`], [`zones`], [`keyboards`], [`password`] | what is offered: pure |
//! | [`steps`] and below | each step as questions to a [`Prompter`] |
//! | [`host`] | the machine, as a trait; [`live`] is the running one, [`text_console`] its keyboard |
//!
//! Invariants:
//! 1. This module never touches a disk. It makes answers, and calls the library with them.
//! 2. Until the confirmation, Esc goes back one step; nothing has been written.
//! 3. What is written is the plan that was confirmed: the disks are looked at again right before.
//! 4. The password lives in [`vigie_prompt::Secret`]; what stays of it is its hash.

mod confirm;
pub mod disks;
pub mod draft;
pub mod flow;
pub mod found;
pub mod host;
pub mod keyboards;
pub mod levels;
pub mod live;
mod network;
pub mod password;
mod place;
mod steps;
mod storage;
pub mod text_console;
mod write;
pub mod zones;

use std::io;

use vigie_prompt::{Answer, ENGLISH, FRENCH, Prompter, Words};
use vigie_settings::Language;

use crate::inventory::Inventory;
use crate::messages::Text;
use draft::Draft;
use flow::{Facts, Step};
use host::Host;

/// How the screen was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The system is installed.
    Installed,
    /// Nothing was installed, and nothing written.
    Left,
    /// The installation was begun and failed.
    Failed,
}

/// Where a step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// To the next step.
    On,
    /// To the step before.
    Back,
    /// To this earlier step, because what was answered there holds no longer.
    To(Step),
}

/// A person's way through the questions.
struct Screen<'a> {
    prompter: &'a mut dyn Prompter,
    host: &'a mut dyn Host,
    inventory: Inventory,
    draft: Draft,
}

/// Asks, confirms, installs.
///
/// # Errors
/// The terminal failed, was closed (`UnexpectedEof`) or Ctrl-C was pressed (`Interrupted`);
/// nothing has been written then.
pub fn run(
    prompter: &mut dyn Prompter,
    host: &mut dyn Host,
    language: Language,
) -> io::Result<End> {
    let inventory = host.inventory();
    let mut screen = Screen {
        prompter,
        host,
        inventory,
        draft: Draft::new(language),
    };
    screen.speak(language);
    let mut path = Vec::new();
    let mut step = Step::Language;
    loop {
        match screen.ask(step)? {
            Move::Back => match path.pop() {
                Some(before) => step = before,
                None => return Ok(End::Left),
            },
            Move::On => {
                path.push(step);
                match flow::next(step, &screen.draft, &screen.facts()) {
                    Some(next) => step = next,
                    None => return screen.write(),
                }
            }
            Move::To(earlier) => {
                while path.last().is_some_and(|last| *last >= earlier) {
                    path.pop();
                }
                step = earlier;
            }
        }
    }
}

fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &ENGLISH,
        Language::Fr => &FRENCH,
    }
}

/// `?`, for going back: an answer, or out of the step with [`Move::Back`].
macro_rules! given {
    ($answer:expr) => {
        match $answer? {
            vigie_prompt::Answer::Given(given) => given,
            vigie_prompt::Answer::Back => return Ok($crate::screen::Move::Back),
        }
    };
}
use given;

impl Screen<'_> {
    fn speak(&mut self, language: Language) {
        self.draft.language = language;
        self.prompter.speak(words(language));
    }

    fn say(&self, text: &Text) -> String {
        text.to(self.draft.language)
    }

    fn text(&self, key: &'static str) -> String {
        self.say(&Text::new(key))
    }

    /// Begins the page of a step.
    fn page(&mut self, title: &'static str) -> io::Result<()> {
        let step = self.text(title);
        let version = self.host.manifest().version.to_string();
        let text = Text::new("screen.title").with("version", version);
        let title = self.say(&text.with("step", step));
        self.prompter.page(&title)
    }

    fn tell(&mut self, text: &Text) -> io::Result<Answer<()>> {
        let line = self.say(text);
        self.prompter.tell(&[line])
    }

    /// Says what a page is about, with a line free before what follows.
    fn introduce(&mut self, text: &Text) -> io::Result<Answer<()>> {
        let lines = [self.say(text), String::new()];
        self.prompter.tell(&lines)
    }

    /// Looks at the machine's disks again.
    fn look(&mut self) {
        self.inventory = self.host.inventory();
    }

    fn facts(&self) -> Facts {
        Facts {
            text_console: self.host.is_text_console(),
            ports: self.host.ports().len(),
            installations: found::systems(&self.inventory).len(),
            can_grow: self.can_grow(),
            recordings: self.recordings_elsewhere().len(),
            free_disks: self.free_disks().len(),
            weak_password: self.draft.password_is_weak,
        }
    }
}
