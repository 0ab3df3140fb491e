//! Passwords: of root, of the account that sends packages, of the users of the web interface.

use std::io;

use serde_json::{Value, json};
use vigie_prompt::{Answer, Item, Prompter, Secret};
use vigie_settings::Language;

use super::words::say;
use super::{Menu, given};
use crate::broker::all;

/// Whose password.
enum Whose {
    Root,
    Service,
    /// A user of the web interface.
    User(String),
}

impl Whose {
    fn name(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Service => "service",
            Self::User(name) => name,
        }
    }

    fn request(&self, password: &Secret) -> Value {
        let password = password.expose();
        match self {
            Self::Root | Self::Service => {
                json!({"verb": "set-password", "account": self.name(), "password": password})
            }
            Self::User(name) => {
                json!({"verb": "user-change", "name": name, "password": password})
            }
        }
    }
}

impl Menu<'_> {
    pub(super) fn passwords(&mut self) -> io::Result<()> {
        let Some(told) = self.ask(&json!({"verb": "users"}))? else {
            return Ok(());
        };
        let mut whose = vec![Whose::Root, Whose::Service];
        let mut items = ["password.root", "password.service"]
            .map(|key| Item::new(self.say(key, &[])))
            .to_vec();
        for user in all(&told, "user") {
            let Some(name) = user["name"].as_str() else {
                continue;
            };
            let user = self.say("password.user", &[("name", name.to_owned())]);
            items.push(Item::new(user));
            whose.push(Whose::User(name.to_owned()));
        }
        self.page("maintenance.passwords")?;
        let at = given!(self.prompter().choose(&items, 0));
        self.new_password(&whose[at])
    }

    fn new_password(&mut self, whose: &Whose) -> io::Result<()> {
        let Answer::Given(password) = self.typed_twice(whose.name())? else {
            return Ok(());
        };
        if self.ask(&whose.request(&password))?.is_some() {
            self.notice("password.set", &[("name", whose.name().to_owned())])?;
        }
        Ok(())
    }

    fn typed_twice(&mut self, name: &str) -> io::Result<Answer<Secret>> {
        let language = self.language;
        typed_twice(self.prompter(), name, language)
    }
}

/// Asks for a new password until it was typed twice alike: a typing error in a password that nobody sees
/// would shut its owner out.
///
/// # Errors
/// The terminal failed, was closed or left alone.
pub fn typed_twice(
    prompter: &mut dyn Prompter,
    name: &str,
    language: Language,
) -> io::Result<Answer<Secret>> {
    loop {
        let first = say(language, "password.new", &[("name", name.to_owned())]);
        let first = match prompter.secret(&first)? {
            Answer::Given(secret) => secret,
            Answer::Back => return Ok(Answer::Back),
        };
        match prompter.secret(&say(language, "password.again", &[]))? {
            Answer::Given(second) if second == first => return Ok(Answer::Given(first)),
            Answer::Given(_) => {
                prompter.tell(&[say(language, "password.differ", &[])])?;
            }
            // The first one again.
            Answer::Back => {}
        }
    }
}
