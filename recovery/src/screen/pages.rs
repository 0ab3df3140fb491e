//! The pages below the entries of the menu. Each gives what is to be run, none where the person goes back.

use std::io;

use vigie_installer::layout::Purpose;
use vigie_prompt::{Answer, Item, Prompter};

use super::action::{Action, Chosen, How};
use super::host::Package;
use super::sticks::Stick;
use super::{Screen, given};
use crate::message::Message;
use crate::reset::Scope;
use crate::volumes::{Installation, Volume};
use crate::words;

impl Screen<'_> {
    /// How a volume, or all of them, are to be checked.
    pub(super) fn ask_check(
        &mut self,
        prompter: &mut dyn Prompter,
        chosen: Option<&Chosen>,
        volume: Option<&str>,
    ) -> io::Result<Option<Action>> {
        let title = match volume {
            Some(name) => Message::new("check.title-one").with("name", name),
            None => Message::new("check.title-all"),
        };
        self.page(prompter, &title)?;
        given!(self.tell(prompter, &Message::new("check.warning")));
        let keys = [
            "check.look",
            "check.repair",
            "check.repair-report",
            "check.look-report",
        ];
        let items = keys.map(|key| Item::new(self.say(key)));
        let at = given!(prompter.choose(&items, 1));
        let mut how = How {
            repair: (1..=2).contains(&at),
            stick: None,
        };
        if at >= 2 {
            how.stick = self.ask_stick(prompter, true)?;
            if how.stick.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(Action::check(chosen, volume, &how)))
    }

    /// Which volume, then how.
    pub(super) fn ask_volume(
        &mut self,
        prompter: &mut dyn Prompter,
        chosen: &Chosen,
        installation: &Installation,
    ) -> io::Result<Option<Action>> {
        let volumes = checkable(installation);
        loop {
            self.page(prompter, &Message::new("check.title-which"))?;
            let items: Vec<Item> = volumes
                .iter()
                .map(|volume| Item::new(words::of_volume(volume, self.language).trim_start()))
                .collect();
            let volume = volumes[given!(prompter.choose(&items, 0))];
            let name = volume.name.name();
            let action = self.ask_check(prompter, Some(chosen), Some(&name))?;
            if action.is_some() {
                return Ok(action);
            }
        }
    }

    pub(super) fn ask_rollback(
        &mut self,
        prompter: &mut dyn Prompter,
        chosen: &Chosen,
    ) -> io::Result<Option<Action>> {
        let sure = self.ask_sure(prompter, "screen.rollback", "screen.rollback-what")?;
        Ok(sure.then(|| Action::rollback(chosen)))
    }

    /// Whether a person means it: no is the answer that Enter alone gives.
    fn ask_sure(
        &mut self,
        prompter: &mut dyn Prompter,
        title: &'static str,
        what: &'static str,
    ) -> io::Result<bool> {
        self.page(prompter, &Message::new(title))?;
        if self.tell(prompter, &Message::new(what))? == Answer::Back {
            return Ok(false);
        }
        let items = ["screen.no", "screen.yes"].map(|key| Item::new(self.say(key)));
        Ok(prompter.choose(&items, 0)? == Answer::Given(1))
    }

    /// What the update comes from.
    pub(super) fn ask_update(
        &mut self,
        prompter: &mut dyn Prompter,
        chosen: &Chosen,
    ) -> io::Result<Option<Action>> {
        self.page(prompter, &Message::new("screen.update"))?;
        given!(self.tell(prompter, &Message::new("screen.looking")));
        let packages = self.host.packages();
        let medium = Message::new("screen.from-medium").with("version", self.host.version());
        let mut items = vec![Item {
            lines: vec![medium.to(self.language)],
            refused: (!self.host.has_medium()).then(|| self.say("screen.no-medium")),
        }];
        items.extend(packages.iter().map(|one| self.of_package(one)));
        if packages.is_empty() {
            given!(self.tell(prompter, &Message::new("screen.no-package")));
        }
        let at = given!(prompter.choose(&items, 0));
        let package = at.checked_sub(1).and_then(|at| packages.get(at));
        Ok(Some(match package {
            Some(one) => Action::update(chosen, Some(&one.path), one.stick.as_ref()),
            None => Action::update(chosen, None, None),
        }))
    }

    fn of_package(&self, package: &Package) -> Item {
        let name = package.path.file_name().unwrap_or_default();
        let place = match &package.stick {
            Some(stick) => stick.words(),
            None => self.say("screen.on-medium"),
        };
        let name = name.to_string_lossy();
        Item::new(format!("{name} ({}, {place})", package.size))
    }

    /// Only the settings, or everything.
    pub(super) fn ask_reset(
        &mut self,
        prompter: &mut dyn Prompter,
        chosen: &Chosen,
    ) -> io::Result<Option<Action>> {
        self.page(prompter, &Message::new("screen.reset"))?;
        given!(self.tell(prompter, &Message::new("screen.reset-what")));
        let keys = ["screen.reset-settings", "screen.reset-all"];
        let items = keys.map(|key| Item::new(self.say(key)));
        let scope = match given!(prompter.choose(&items, 0)) {
            0 => Scope::Settings,
            _ => Scope::All,
        };
        Ok(Some(Action::reset(chosen, scope)))
    }

    /// What is to be shown in detail.
    pub(super) fn ask_details(
        &mut self,
        prompter: &mut dyn Prompter,
    ) -> io::Result<Option<Action>> {
        self.page(prompter, &Message::new("screen.details"))?;
        let keys = ["details.volumes", "details.verify", "details.disks"];
        let items = keys.map(|key| Item::new(self.say(key)));
        Ok(Some(match given!(prompter.choose(&items, 0)) {
            0 => Action::details(false),
            1 => Action::details(true),
            _ => Action::disks(),
        }))
    }

    /// Begins and ends working on another major version.
    pub(super) fn ask_expert(&mut self, prompter: &mut dyn Prompter) -> io::Result<()> {
        if !self.expert {
            self.expert = self.ask_sure(prompter, "screen.expert", "screen.expert-what")?;
        } else {
            self.expert = false;
        }
        Ok(())
    }

    /// Which stick; one that is plugged in meanwhile is found by looking again.
    pub(super) fn ask_stick(
        &mut self,
        prompter: &mut dyn Prompter,
        writable: bool,
    ) -> io::Result<Option<Stick>> {
        loop {
            self.page(prompter, &Message::new("screen.stick"))?;
            let mut sticks = self.host.sticks(writable);
            let what = match sticks.is_empty() {
                true => Message::new("screen.no-stick"),
                false => Message::new("screen.stick-what"),
            };
            given!(self.tell(prompter, &what));
            let mut items: Vec<Item> = sticks.iter().map(|one| Item::new(one.words())).collect();
            items.push(Item::new(self.say("screen.look-again")));
            let at = given!(prompter.choose(&items, 0));
            if at < sticks.len() {
                return Ok(Some(sticks.swap_remove(at)));
            }
        }
    }
}

/// The volumes with a file system that can be checked, the system's first.
fn checkable(installation: &Installation) -> Vec<&Volume> {
    let is = |volume: &&Volume| matches!(volume.name, Purpose::State | Purpose::Data(_));
    let mut volumes: Vec<&Volume> = installation.volumes.iter().filter(is).collect();
    volumes.sort_by_key(|volume| match volume.name {
        Purpose::Data(number) => (1, number),
        _ => (0, 0),
    });
    volumes
}
