//! The last question: the plan in words, and the serial number of every disk that loses something.

use std::io;

use vigie_prompt::{Answer, Field};

use super::disks::{contents, device};
use super::draft::disk;
use super::{Move, Screen, given};
use crate::inventory::Disk;
use crate::inventory::serial::{self, ENOUGH};
use crate::messages::Text;
use crate::plan::{Plan, plan};

impl Screen<'_> {
    pub(super) fn confirm(&mut self) -> io::Result<Move> {
        let answers = self.draft.answers(&self.inventory, self.host.ports());
        let plan = match plan(&answers, &self.inventory, self.host.manifest()) {
            Ok(plan) => plan,
            Err(refusal) => {
                self.page("confirm.title")?;
                given!(self.prompter.tell(&refusal.lines(self.draft.language)));
                self.let_read()?;
                return Ok(self.choose_disks_again());
            }
        };
        self.page("confirm.title")?;
        given!(self.prompter.tell(&plan.lines(self.draft.language)));
        self.tell_erased(&plan)?;
        given!(self.prompter.tell(&[String::new()]));
        given!(self.tell(&Text::new("confirm.what").with("count", ENOUGH)));
        let disks = to_be_named(&plan);
        let mut at = 0;
        while at < disks.len() {
            match self.ask_serial(&disks[at])? {
                Answer::Given(()) => at += 1,
                Answer::Back if at == 0 => return Ok(Move::Back),
                Answer::Back => at -= 1,
            }
        }
        if let Some(changed) = self.changed(&plan) {
            self.page("confirm.title")?;
            given!(self.tell(&Text::new("confirm.changed").with("disk", changed)));
            self.let_read()?;
            return Ok(self.choose_disks_again());
        }
        self.draft.confirmed = Some((answers, plan));
        Ok(Move::On)
    }

    fn tell_erased(&mut self, plan: &Plan) -> io::Result<()> {
        let erased: Vec<Disk> = plan.erased().cloned().collect();
        for disk in erased {
            let on_it = contents(&disk, &self.inventory, self.draft.language);
            let text = Text::new("confirm.erased").with("disk", disk.title());
            self.tell(&text.with("contents", on_it))?;
        }
        Ok(())
    }

    fn ask_serial(&mut self, disk: &Disk) -> io::Result<Answer<()>> {
        let label = if serial::told(disk.serial.as_deref()).is_some() {
            self.say(&Text::new("confirm.serial").with("disk", device(disk)))
        } else {
            let text = Text::new("confirm.no-serial").with("disk", disk.title());
            self.tell(&text.with("device", device(disk)))?;
            self.text("confirm.device")
        };
        let wrong = self.say(&Text::new("confirm.wrong").with("disk", disk.title()));
        let answer = self.prompter.line(&Field {
            label: &label,
            initial: "",
            optional: false,
            mend: false,
            check: &|typed| match serial::is_named(typed, disk.serial.as_deref(), &disk.path) {
                true => Ok(()),
                false => Err(wrong.clone()),
            },
        })?;
        Ok(match answer {
            Answer::Given(_) => Answer::Given(()),
            Answer::Back => Answer::Back,
        })
    }

    /// The first disk of the plan that is not what it was when the plan was made.
    fn changed(&mut self, plan: &Plan) -> Option<String> {
        let now = self.host.inventory();
        let mut disks = plan.disks().map(|(_, disk)| disk);
        let changed = disks.find(|planned| disk(&planned.path, &now) != Some(*planned))?;
        Some(changed.title())
    }
}

/// Every disk of the system, and every other that something is erased from.
fn to_be_named(plan: &Plan) -> Vec<Disk> {
    let mut disks = plan.system().disks.clone();
    for disk in plan.erased() {
        if !disks.contains(disk) {
            disks.push(disk.clone());
        }
    }
    disks
}
