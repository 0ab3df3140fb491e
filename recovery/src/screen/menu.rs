//! The menu: whose installation it is, which of its volumes need attention, and what can be done.

use std::io;

use vigie_installer::answers::Action as Finish;
use vigie_prompt::{Item, Prompter};

use super::action::{Action, Chosen};
use super::begin::Step;
use super::entry::{Entry, Facts, other_major};
use super::{Decision, Screen, distinct, given};
use crate::message::Message;
use crate::password::Account;
use crate::volumes::{Installation, Inventory, Volume};
use crate::words;

/// More volumes than these are not listed above the menu.
const LISTED: usize = 4;

impl Screen<'_> {
    /// Shows the menu until something is decided; none where the person goes back.
    pub(super) fn menu(&mut self, prompter: &mut dyn Prompter) -> io::Result<Option<Decision>> {
        loop {
            let inventory = self.host.look();
            let found = distinct(inventory.installations.clone());
            let installation = found
                .iter()
                .find(|one| Some(&one.disk) == self.disk.as_ref());
            let facts = Facts {
                installation,
                installations: found.len(),
                others: !inventory.others.is_empty(),
                version: self.host.version(),
                medium: self.host.has_medium(),
                expert: self.expert,
            };
            self.page(prompter, &Message::new("screen.menu"))?;
            given!(prompter.tell(&self.above(&inventory, &facts)));
            let offered = Entry::offered(&facts);
            let item = |entry: &Entry| Item {
                lines: vec![entry.label(&facts).to(self.language)],
                refused: entry.refused(&facts).map(|why| why.to(self.language)),
            };
            let items: Vec<Item> = offered.iter().map(item).collect();
            let entry = offered[given!(prompter.choose(&items, 0))];
            let decision = match installation {
                Some(installation) => self.on(entry, installation, prompter)?,
                None => self.anywhere(entry, prompter)?,
            };
            // A disk that was named may have been changed meanwhile.
            if decision.is_some() || self.step != Step::Menu {
                return Ok(decision);
            }
        }
    }

    /// What stands above the entries.
    fn above(&self, inventory: &Inventory, facts: &Facts) -> Vec<String> {
        let mut lines = match facts.installation {
            Some(installation) => self.of_chosen(installation, inventory, facts),
            None => {
                let others = inventory.others.iter().take(LISTED);
                let others = others.map(|volume| words::of_volume(volume, self.language));
                std::iter::once(self.say("screen.none"))
                    .chain(others)
                    .collect()
            }
        };
        let cut = inventory.cut.iter();
        lines.extend(cut.map(|disk| disk.message().to(self.language)));
        lines.push(String::new());
        lines
    }

    /// The installation that is worked on, and what is wrong with it.
    fn of_chosen(
        &self,
        installation: &Installation,
        inventory: &Inventory,
        facts: &Facts,
    ) -> Vec<String> {
        let mut lines = self.of_installation(installation);
        lines.extend(self.of_volumes(installation));
        let degraded = inventory.arrays.iter().filter(|one| one.is_degraded());
        lines.extend(degraded.map(|array| words::of_array(array, self.language)));
        lines.extend(other_major(facts, false).map(|why| why.to(self.language)));
        lines
    }

    /// An installation, and below it the disk that it is on.
    pub(super) fn of_installation(&self, one: &Installation) -> Vec<String> {
        let unknown = || self.say("screen.unknown");
        let text = Message::new("screen.of")
            .with("host", one.facts.host.clone().unwrap_or_else(unknown))
            .with("serial", one.facts.serial.clone().unwrap_or_else(unknown));
        let version = one.version().map(|version| version.to_string());
        let text = text.with("version", version.unwrap_or_else(unknown));
        let on = Message::new("screen.on").with("disk", one.place());
        [text, on].map(|text| text.to(self.language)).to_vec()
    }

    fn of_volumes(&self, installation: &Installation) -> Vec<String> {
        let attention: Vec<&Volume> = installation
            .volumes
            .iter()
            .filter(|volume| volume.content.needs_attention())
            .collect();
        if attention.is_empty() {
            return vec![self.say("screen.all-clean")];
        }
        let listed = attention.iter().take(LISTED);
        let mut lines: Vec<String> = listed
            .map(|volume| words::of_volume(volume, self.language))
            .collect();
        if attention.len() > LISTED {
            let more = Message::new("screen.more-volumes");
            let more = more.with("count", attention.len() - LISTED);
            lines.push(more.to(self.language));
        }
        lines
    }

    /// What an entry leads to on an installation.
    fn on(
        &mut self,
        entry: Entry,
        installation: &Installation,
        prompter: &mut dyn Prompter,
    ) -> io::Result<Option<Decision>> {
        let chosen = Chosen {
            disk: installation.disk.clone(),
            expert: self.expert,
        };
        let action = match entry {
            Entry::CheckAll => self.ask_check(prompter, Some(&chosen), None)?,
            Entry::CheckOne => self.ask_volume(prompter, &chosen, installation)?,
            Entry::RootPassword => Some(Action::password(&chosen, Account::Root)),
            Entry::ServicePassword => Some(Action::password(&chosen, Account::Service)),
            Entry::Rollback => self.ask_rollback(prompter, &chosen)?,
            Entry::Update => self.ask_update(prompter, &chosen)?,
            Entry::Reset => self.ask_reset(prompter, &chosen)?,
            Entry::Export => self.ask_export(prompter, &chosen, installation)?,
            other => return self.anywhere(other, prompter),
        };
        Ok(action.map(Decision::Run))
    }

    /// What an entry leads to that needs no installation.
    fn anywhere(
        &mut self,
        entry: Entry,
        prompter: &mut dyn Prompter,
    ) -> io::Result<Option<Decision>> {
        Ok(match entry {
            Entry::CheckAll => self.ask_check(prompter, None, None)?.map(Decision::Run),
            Entry::Reinstall => Some(Decision::Run(Action::reinstall())),
            Entry::Details => self.ask_details(prompter)?.map(Decision::Run),
            Entry::Rescue => self.ask_rescue(prompter)?.map(Decision::Run),
            Entry::Expert => {
                self.ask_expert(prompter)?;
                None
            }
            Entry::Other => {
                self.step = Step::Installation;
                None
            }
            Entry::Restart => Some(Decision::Finish(Finish::Reboot)),
            Entry::PowerOff => Some(Decision::Finish(Finish::Poweroff)),
            // Refused without an installation.
            _ => None,
        })
    }
}
