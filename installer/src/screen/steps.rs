//! The steps, each as questions. A step changes the draft only when it was answered.

use std::io;

use vigie_prompt::{Answer, Field, Item, Secret};
use vigie_settings::{HostName, Keymap, Language};

use super::flow::Step;
use super::password::{SHORTEST, Strength};
use super::{Move, Screen, given, keyboards};
use crate::messages::Text;

impl Screen<'_> {
    pub(super) fn ask(&mut self, step: Step) -> io::Result<Move> {
        match step {
            Step::Language => self.ask_language(),
            Step::Keyboard => self.ask_keyboard(),
            Step::TryKeyboard => self.ask_try_keyboard(),
            Step::Task => self.ask_task(),
            Step::SystemDisk => self.ask_system_disk(),
            Step::Members => self.ask_members(),
            Step::Level => self.ask_level(),
            Step::Grow => self.ask_grow(),
            Step::KeepDisks => self.ask_keep_disks(),
            Step::DataDisks => self.ask_data_disks(),
            Step::DataLevel => self.ask_data_level(),
            Step::HostName => self.ask_host_name(),
            Step::Port => self.ask_port(),
            Step::Addressing => self.ask_addressing(),
            Step::Address => self.ask_address(),
            Step::Gateway => self.ask_gateway(),
            Step::NameServers => self.ask_name_servers(),
            Step::Cameras => self.ask_cameras(),
            Step::CameraAddress => self.ask_camera_address(),
            Step::Zone => self.ask_zone(),
            Step::City => self.ask_city(),
            Step::ZoneSearch => self.ask_zone_part(),
            Step::ZoneFound => self.ask_zone_found(),
            Step::Password => self.ask_password(),
            Step::WeakPassword => self.ask_weak_password(),
            Step::PasswordAgain => self.ask_password_again(),
            Step::Confirm => self.confirm(),
        }
    }

    fn ask_language(&mut self) -> io::Result<Move> {
        self.page("language.title")?;
        given!(self.tell(&Text::new("screen.promise")));
        given!(self.introduce(&Text::new("language.leave")));
        let items = ["English", "Français"].map(Item::new);
        let languages = [Language::En, Language::Fr];
        let now = languages.iter().position(|one| *one == self.draft.language);
        let chosen = given!(self.prompter.choose(&items, now.unwrap_or(0)));
        if languages[chosen] != self.draft.language {
            // What was not answered yet follows the language.
            self.draft.keymap = None;
            self.draft.zone = None;
        }
        self.speak(languages[chosen]);
        Ok(Move::On)
    }

    fn ask_keyboard(&mut self) -> io::Result<Move> {
        self.page("keyboard.title")?;
        let elsewhere = !self.host.is_text_console();
        if elsewhere {
            given!(self.introduce(&Text::new("keyboard.of-the-machine")));
        }
        let offered = keyboards::offered(&self.host.keymaps());
        let now = match &self.draft.keymap {
            Some(keymap) => keymap.as_str(),
            None => keyboards::usual(self.draft.language),
        };
        let default = offered.iter().position(|(name, _)| *name == now);
        let items: Vec<Item> = offered
            .iter()
            .map(|(name, label)| Item::new(format!("{} [{name}]", self.text(label))))
            .collect();
        loop {
            let chosen = given!(self.prompter.choose(&items, default.unwrap_or(0)));
            let Ok(keymap) = offered[chosen].0.parse::<Keymap>() else {
                continue;
            };
            if !elsewhere && let Err(error) = self.host.load_keymap(&keymap) {
                let text = Text::new("keyboard.failed").with("error", format!("{error:#}"));
                given!(self.tell(&text));
                continue;
            }
            self.draft.keymap = Some(keymap);
            self.look();
            return Ok(Move::On);
        }
    }

    fn ask_try_keyboard(&mut self) -> io::Result<Move> {
        self.page("keyboard.title")?;
        given!(self.introduce(&Text::new("keyboard.try")));
        let label = self.text("keyboard.try-label");
        given!(self.prompter.line(&Field {
            label: &label,
            initial: "",
            optional: true,
            mend: true,
            check: &|_| Ok(()),
        }));
        Ok(Move::On)
    }

    fn ask_host_name(&mut self) -> io::Result<Move> {
        self.page("name.title")?;
        given!(self.introduce(&Text::new("name.what")));
        let wrong = self.text("name.wrong");
        let name = given!(self.prompter.line(&Field {
            label: &self.text("name.label"),
            initial: self.draft.hostname.as_str(),
            optional: false,
            mend: true,
            check: &|text| {
                text.parse::<HostName>()
                    .map(drop)
                    .map_err(|_| wrong.clone())
            },
        }));
        if let Ok(name) = name.parse() {
            self.draft.hostname = name;
        }
        Ok(Move::On)
    }

    fn ask_password(&mut self) -> io::Result<Move> {
        self.page("password.title")?;
        given!(self.introduce(&Text::new("password.what").with("least", SHORTEST)));
        let label = self.text("password.label");
        loop {
            let password = given!(self.prompter.secret(&label));
            if password.expose().chars().count() < SHORTEST {
                given!(self.tell(&Text::new("password.short").with("least", SHORTEST)));
                continue;
            }
            let strength = Strength::of(&password, self.draft.hostname.short());
            self.draft.password_is_weak = strength.is_weak();
            given!(self.tell(&strength.text()));
            self.draft.typed_password = Some(password);
            return Ok(Move::On);
        }
    }

    fn ask_weak_password(&mut self) -> io::Result<Move> {
        given!(self.tell(&Text::new("password.sure")));
        let items = ["password.another", "password.keep"].map(|key| Item::new(self.text(key)));
        match given!(self.prompter.choose(&items, 0)) {
            0 => Ok(Move::Back),
            _ => Ok(Move::On),
        }
    }

    fn ask_password_again(&mut self) -> io::Result<Move> {
        if self.draft.typed_password.is_none() {
            // It was kept already and is forgotten; whoever comes back gives another.
            return Ok(Move::To(Step::Password));
        }
        let label = self.text("password.again");
        loop {
            let again = given!(self.prompter.secret(&label));
            if self.draft.typed_password.as_ref() != Some(&again) {
                given!(self.tell(&Text::new("password.differs")));
                continue;
            }
            return self.keep_password(&again);
        }
    }

    fn keep_password(&mut self, password: &Secret) -> io::Result<Move> {
        match self.host.hash(password) {
            Ok(hash) => {
                self.draft.password = Some(hash);
                self.draft.typed_password = None;
                Ok(Move::On)
            }
            Err(error) => {
                let text = Text::new("password.failed").with("error", format!("{error:#}"));
                given!(self.tell(&text));
                given!(self.prompter.pause());
                Ok(Move::Back)
            }
        }
    }

    /// Asks for one of two, with the first as default unless `second`.
    pub(super) fn ask_either(
        &mut self,
        keys: [&'static str; 2],
        second: bool,
    ) -> io::Result<Answer<bool>> {
        let items = keys.map(|key| Item::new(self.text(key)));
        Ok(match self.prompter.choose(&items, usize::from(second))? {
            Answer::Given(chosen) => Answer::Given(chosen == 1),
            Answer::Back => Answer::Back,
        })
    }
}
