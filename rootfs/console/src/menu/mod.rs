//! The menu of whoever has logged in: status first, then one page an entry. In English and French, on
//! a screen, on a serial line and over SSH.
//!
//! | | |
//! |---|---|
//! | [`main_page`] | the status, and where everything else is |
//! | [`network`], [`addressing`] | the two networks: pages, and the change that follows (pure) |
//! | [`change`] | any change of the settings: checked, confirmed, saved, on trial where it cuts off |
//! | [`maintenance`], [`passwords`], [`updates`], [`logs`] | the pages below Maintenance |
//! | [`language`], [`power`] | language and keyboard; restart and power-off |
//! | [`words`] | all that is said |
//!
//! Invariants:
//! 1. What changes the appliance is asked of the broker in the name of whoever has logged in, which
//!    judges it and writes it down; or it is a program that a person could type ([`Menu::may`] asks
//!    first whether they are still logged in).
//! 2. Esc goes back one step everywhere; nothing has been changed then.
//! 3. No page is a way to a shell or to a pager: keys of `access.menu_ssh_keys` open this and no more.

mod addressing;
mod change;
mod language;
mod logs;
mod main_page;
mod maintenance;
mod network;
mod passwords;
mod power;
mod updates;
pub mod words;

use std::io;

use serde_json::{Value, json};
use vigie_prompt::{Answer, Item, Prompter};
use vigie_settings::Language;

use crate::broker::{Trouble, all};
use crate::log_in::Who;
use crate::serial;
use crate::system::System;
pub use passwords::typed_twice;
use words::{prompts, say};

/// How the menu was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The person has gone.
    Left,
    /// The machine restarts or goes off.
    GoingDown,
}

/// A page, asked to its end.
type Page = fn(&mut Menu<'_>) -> io::Result<()>;

/// One person's way through the pages.
pub struct Menu<'a> {
    system: &'a mut dyn System,
    language: Language,
    who: Who,
    /// The terminal; none while a program has it.
    prompter: Option<Box<dyn Prompter>>,
    /// Whether, and how, it is to be left.
    ended: Option<Ended>,
}

/// `?`, for going back: an answer, or out of the page with nothing done.
macro_rules! given {
    ($answer:expr) => {
        match $answer? {
            vigie_prompt::Answer::Given(given) => given,
            vigie_prompt::Answer::Back => return Ok(Default::default()),
        }
    };
}
use given;

/// Shows the menu until the person leaves it, goes away, or the machine goes down.
///
/// # Errors
/// The terminal failed or was closed.
pub fn run(system: &mut dyn System, language: Language, who: Who) -> io::Result<Ended> {
    let mut menu = Menu {
        system,
        language,
        who,
        prompter: None,
        ended: None,
    };
    let went = menu.main_page();
    // The terminal is put back before anything else uses it.
    menu.prompter = None;
    if let Some(token) = menu.who.token.take() {
        // It only says that the session is over already.
        let _ = menu.system.ask(Some(&token), &json!({"verb": "log-out"}));
    }
    match went {
        Ok(()) => Ok(menu.ended.unwrap_or(Ended::Left)),
        Err(error) => left(error),
    }
}

/// The status as lines, for a script.
pub fn status(system: &mut dyn System, language: Language) -> Vec<String> {
    let mut menu = Menu {
        system,
        language,
        who: Who::root(),
        prompter: None,
        ended: None,
    };
    menu.status_lines()
}

/// Why a serial port cannot be talked with, in words.
pub fn words_of(trouble: &serial::Trouble, port: &str, language: Language) -> String {
    let values = [("port", port.to_owned()), ("error", trouble.to_string())];
    say(language, trouble.key(), &values)
}

/// Whether an error of the terminal is a person who goes: by Ctrl-C, or without a word.
///
/// # Errors
/// It is another one.
pub fn left(error: io::Error) -> io::Result<Ended> {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => Ok(Ended::Left),
        _ => Err(error),
    }
}

impl Menu<'_> {
    fn prompter(&mut self) -> &mut dyn Prompter {
        let (system, who) = (&mut *self.system, &self.who);
        let words = prompts(self.language);
        let open = || system.prompter(words, who.idle);
        self.prompter.get_or_insert_with(open).as_mut()
    }

    fn say(&self, key: &str, values: &[(&str, String)]) -> String {
        say(self.language, key, values)
    }

    /// Begins a page.
    fn page(&mut self, title: &str) -> io::Result<()> {
        let name = self.system.name();
        let title = self.say(title, &[]);
        let title = format!("Vigie {} - {} - {title}", name.version, name.hostname);
        self.prompter().page(&title)
    }

    /// Says something, and leaves an empty line behind it.
    fn tell(&mut self, mut lines: Vec<String>) -> io::Result<Answer<()>> {
        lines.push(String::new());
        self.prompter().tell(&lines)
    }

    /// Says something that must have been read before the next page.
    fn told(&mut self, lines: Vec<String>) -> io::Result<()> {
        if self.tell(lines)? == Answer::Given(()) {
            self.prompter().pause()?;
        }
        Ok(())
    }

    /// The same, of a key.
    fn notice(&mut self, key: &str, values: &[(&str, String)]) -> io::Result<()> {
        let text = self.say(key, values);
        self.told(vec![text])
    }

    /// Lets one of some entries be chosen.
    fn choose(&mut self, keys: &[&str], default: usize) -> io::Result<Answer<usize>> {
        let items: Vec<Item> = keys
            .iter()
            .map(|key| Item::new(self.say(key, &[])))
            .collect();
        self.prompter().choose(&items, default)
    }

    /// Whether something is to be done that is not done by accident: "no" is what Enter takes.
    fn sure(&mut self, yes: &str) -> io::Result<bool> {
        Ok(self.choose(&["menu.no", yes], 0)? == Answer::Given(1))
    }

    /// A page of entries, shown again until the person goes back.
    fn entries(
        &mut self,
        title: &str,
        above: impl Fn(&mut Self) -> io::Result<Vec<String>>,
        entries: &[(&str, Page)],
    ) -> io::Result<()> {
        let keys: Vec<&str> = entries.iter().map(|(key, _)| *key).collect();
        let mut at = 0;
        while self.ended.is_none() {
            let lines = above(self)?;
            if self.ended.is_some() {
                break;
            }
            self.page(title)?;
            if !lines.is_empty() && self.tell(lines)? == Answer::Back {
                return Ok(());
            }
            at = given!(self.choose(&keys, at));
            entries[at].1(self)?;
        }
        Ok(())
    }

    /// Asks the broker in the name of whoever has logged in.
    fn request(&mut self, request: &Value) -> Result<Vec<Value>, Trouble> {
        let asked = self.system.ask(self.who.token.as_deref(), request);
        if let Err(trouble) = &asked
            && trouble.code() == "session"
        {
            self.ended = Some(Ended::Left);
        }
        asked
    }

    /// The same; why it was not done is said, and so is what a person must know besides.
    fn ask(&mut self, request: &Value) -> io::Result<Option<Vec<Value>>> {
        match self.request(request) {
            Ok(told) => {
                let warnings: Vec<String> =
                    all(&told, "warning").map(|one| self.reason(one)).collect();
                if !warnings.is_empty() {
                    self.told(warnings)?;
                }
                Ok(Some(told))
            }
            Err(trouble) => {
                self.trouble(&trouble)?;
                Ok(None)
            }
        }
    }

    /// The words of an event in the person's language.
    fn reason(&self, event: &Value) -> String {
        let text = |name: &str| event[name].as_str().filter(|text| !text.is_empty());
        let french = text("reason_fr").filter(|_| self.language == Language::Fr);
        french.or(text("reason")).unwrap_or_default().to_owned()
    }

    fn trouble(&mut self, trouble: &Trouble) -> io::Result<()> {
        let error = trouble.words(self.language).to_owned();
        match trouble {
            // Nobody knows whether it was done.
            Trouble::Unanswered { .. } => self.told(vec![error]),
            Trouble::Told { .. } => self.notice("menu.not-done", &[("error", error)]),
        }
    }

    /// Whether the person may still do what the broker does not do itself.
    fn may(&mut self) -> io::Result<bool> {
        if self.who.token.is_none() {
            return Ok(true);
        }
        let Some(told) = self.ask(&json!({"verb": "session"}))? else {
            return Ok(false);
        };
        let may = all(&told, "session").any(|session| session["role"] == "administrator");
        if !may {
            self.notice("login.role", &[])?;
        }
        Ok(may)
    }

    /// Runs a program on this terminal; what it said is left to be read. Whether it went well.
    fn program(&mut self, program: &[&str]) -> io::Result<bool> {
        self.prompter = None;
        let ran = self.system.run(program);
        self.prompter().forget_typed()?;
        match ran {
            Ok(true) => {
                self.prompter().pause()?;
                Ok(true)
            }
            Ok(false) => {
                self.notice("menu.failed", &[])?;
                Ok(false)
            }
            Err(error) => {
                self.notice("menu.not-done", &[("error", format!("{error:#}"))])?;
                Ok(false)
            }
        }
    }

    /// Does nothing: the page is shown again.
    fn again(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        self.ended = Some(Ended::Left);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
