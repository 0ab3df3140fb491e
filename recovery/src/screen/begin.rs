//! The pages before the menu: language, keyboard, which installation.

use std::io;

use vigie_installer::messages::Text;
use vigie_installer::screen::keyboards;
use vigie_prompt::{Answer, Field, Item, Prompter};
use vigie_settings::{Keymap, Language};

use super::{Screen, distinct, words};
use crate::message::Message;

/// A page; Esc leads to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// English or French.
    Language,
    /// The keymap, at the machine's own keyboard.
    Keyboard,
    /// A line to try the keys.
    TryKeyboard,
    /// Which installation, where there are several.
    Installation,
    /// Everything else.
    Menu,
}

impl Screen<'_> {
    /// The page before another; none before the first.
    pub(super) fn before(&mut self, step: Step) -> Option<Step> {
        let console = self.host.is_text_console();
        match step {
            Step::Language => None,
            Step::Keyboard => Some(Step::Language),
            Step::TryKeyboard => Some(Step::Keyboard),
            Step::Installation | Step::Menu if console => Some(Step::Keyboard),
            Step::Installation | Step::Menu => Some(Step::Language),
        }
    }

    /// Asks one of them; the page that follows, none where the person leaves.
    pub(super) fn begin(
        &mut self,
        step: Step,
        prompter: &mut dyn Prompter,
    ) -> io::Result<Option<Step>> {
        let after = match step {
            Step::Language => self.ask_language(prompter)?,
            Step::Keyboard => self.ask_keyboard(prompter)?,
            Step::TryKeyboard => self.ask_try_keyboard(prompter)?,
            Step::Installation => self.ask_installation(prompter)?,
            Step::Menu => Some(Step::Menu),
        };
        Ok(after.or_else(|| self.before(step)))
    }

    fn ask_language(&mut self, prompter: &mut dyn Prompter) -> io::Result<Option<Step>> {
        self.page(prompter, &Message::new("screen.language"))?;
        let items = ["English", "Français"].map(Item::new);
        let languages = [Language::En, Language::Fr];
        let now = languages.iter().position(|one| *one == self.language);
        let Answer::Given(chosen) = prompter.choose(&items, now.unwrap_or(0))? else {
            return Ok(None);
        };
        self.language = languages[chosen];
        prompter.speak(words(self.language));
        Ok(Some(match self.host.is_text_console() {
            true => Step::Keyboard,
            false => Step::Installation,
        }))
    }

    fn ask_keyboard(&mut self, prompter: &mut dyn Prompter) -> io::Result<Option<Step>> {
        self.page(prompter, &Message::new("screen.keyboard"))?;
        let offered = keyboards::offered(&self.host.keymaps());
        let usual = keyboards::usual(self.language);
        let default = offered.iter().position(|(name, _)| *name == usual);
        let item = |(name, label): &(&str, &'static str)| {
            Item::new(format!("{} [{name}]", Text::new(label).to(self.language)))
        };
        let items: Vec<Item> = offered.iter().map(item).collect();
        loop {
            let Answer::Given(chosen) = prompter.choose(&items, default.unwrap_or(0))? else {
                return Ok(None);
            };
            let Ok(keymap) = offered[chosen].0.parse::<Keymap>() else {
                continue;
            };
            match self.host.load_keymap(&keymap) {
                Ok(()) => return Ok(Some(Step::TryKeyboard)),
                Err(error) => {
                    let text = Text::new("keyboard.failed").with("error", format!("{error:#}"));
                    prompter.tell(&[text.to(self.language)])?;
                }
            }
        }
    }

    fn ask_try_keyboard(&mut self, prompter: &mut dyn Prompter) -> io::Result<Option<Step>> {
        self.page(prompter, &Message::new("screen.keyboard"))?;
        prompter.tell(&[Text::new("keyboard.try").to(self.language)])?;
        let label = Text::new("keyboard.try-label").to(self.language);
        let typed = prompter.line(&Field {
            label: &label,
            initial: "",
            optional: true,
            mend: true,
            check: &|_| Ok(()),
        })?;
        Ok((typed != Answer::Back).then_some(Step::Installation))
    }

    /// Which installation; not asked where there is one, or none.
    pub(super) fn ask_installation(
        &mut self,
        prompter: &mut dyn Prompter,
    ) -> io::Result<Option<Step>> {
        let found = distinct(self.host.look().installations);
        if let [] | [_] = &found[..] {
            self.disk = found.into_iter().next().map(|one| one.disk);
            return Ok(Some(Step::Menu));
        }
        self.page(prompter, &Message::new("screen.installation"))?;
        let items: Vec<Item> = found
            .iter()
            .map(|one| Item {
                lines: self.of_installation(one),
                refused: None,
            })
            .collect();
        let Answer::Given(chosen) = prompter.choose(&items, 0)? else {
            return Ok(None);
        };
        self.disk = found.get(chosen).map(|one| one.disk.clone());
        self.expert = false;
        Ok(Some(Step::Menu))
    }
}
