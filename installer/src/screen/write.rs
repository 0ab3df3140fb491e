//! After the confirmation: write, and say what came of it.

use std::io;

use vigie_prompt::raw::Uninterrupted;
use vigie_prompt::{Answer, Item};

use super::{End, Screen};
use crate::answers::Action;
use crate::messages::Text;
use crate::report::{Outcome, Report};

impl Screen<'_> {
    pub(super) fn write(&mut self) -> io::Result<End> {
        let Some((answers, plan)) = self.draft.confirmed.take() else {
            return Ok(End::Left);
        };
        self.page("writing.title")?;
        self.introduce(&Text::new("writing.warning"))?;
        let report = {
            // Half a system helps nobody: neither Ctrl-C nor a lost line ends it.
            let _whole = Uninterrupted::begin();
            self.host.install(&answers, &plan, self.draft.language)
        };
        // Keys pressed meanwhile were no answers.
        self.prompter.forget_typed()?;
        match report.result {
            Outcome::Installed => self.done(&report),
            _ => self.failed(&report),
        }
    }

    fn done(&mut self, report: &Report) -> io::Result<End> {
        self.page("done.title")?;
        self.prompter.tell(&report.lines(self.draft.language))?;
        self.introduce(&Text::new("done.what"))?;
        let keys = ["done.power-off", "done.reboot", "done.report", "done.menu"];
        loop {
            let action = match self.choose_end(&keys)? {
                Some(0) => Action::Poweroff,
                Some(1) => Action::Reboot,
                Some(2) => {
                    self.show(report)?;
                    continue;
                }
                _ => return Ok(End::Installed),
            };
            match self.host.finish(action) {
                Ok(()) => return Ok(End::Installed),
                Err(error) => {
                    self.prompter.tell(&[format!("{error:#}")])?;
                }
            }
        }
    }

    fn failed(&mut self, report: &Report) -> io::Result<End> {
        self.page("failed.title")?;
        self.prompter.tell(&report.lines(self.draft.language))?;
        self.introduce(&Text::new("failed.what"))?;
        while self.choose_end(&["done.report", "done.menu"])? == Some(0) {
            self.show(report)?;
        }
        Ok(End::Failed)
    }

    fn choose_end(&mut self, keys: &[&'static str]) -> io::Result<Option<usize>> {
        let items: Vec<Item> = keys.iter().map(|key| Item::new(self.text(key))).collect();
        Ok(match self.prompter.choose(&items, 0)? {
            Answer::Given(chosen) => Some(chosen),
            Answer::Back => None,
        })
    }

    fn show(&mut self, report: &Report) -> io::Result<()> {
        self.page("done.report-title")?;
        let text = report.to_json().unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.prompter.tell(&lines)?;
        self.let_read()
    }
}
