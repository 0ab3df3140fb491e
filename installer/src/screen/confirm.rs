//! The last question: the plan in words, and the serial number of every disk that loses something.

use std::io;

use vigie_prompt::{Answer, Field};

use super::disks::{contents, device};
use super::draft::disk;
use super::{Move, Screen, given};
use crate::inventory::Disk;
use crate::messages::Text;
use crate::plan::{Plan, plan};

/// So many characters at the end of a serial number are enough.
const ENOUGH: usize = 6;

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
        let label = if serial(disk).is_some() {
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
            check: &|typed| match names(typed, disk) {
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

fn serial(disk: &Disk) -> Option<&str> {
    let serial = disk.serial.as_deref().map(str::trim);
    serial.filter(|serial| !serial.is_empty())
}

/// Whether what was typed names the disk: by its serial number or the end of it, in any case of
/// letters; by its device where it has none.
fn names(typed: &str, disk: &Disk) -> bool {
    let typed = typed.trim();
    let Some(serial) = serial(disk) else {
        return typed == device(disk) || typed == disk.path;
    };
    let length = serial.chars().count();
    let end: String = serial.chars().skip(length.saturating_sub(ENOUGH)).collect();
    typed.eq_ignore_ascii_case(serial) || typed.eq_ignore_ascii_case(&end)
}

#[cfg(test)]
mod tests {
    use vigie_disk::{Bytes, SectorSize};

    use super::*;

    #[test]
    fn who_types_the_right_name() {
        let disk = |serial: Option<&str>| Disk {
            serial: serial.map(str::to_owned),
            ..Disk::blank("/dev/nvme0n1", Bytes::gb(100), SectorSize::S512)
        };
        for (serial, typed, expected) in [
            (Some("WD-WCC4M1234567"), "WD-WCC4M1234567", true),
            (Some("WD-WCC4M1234567"), " wd-wcc4m1234567 ", true),
            (Some("WD-WCC4M1234567"), "234567", true),
            (Some("WD-WCC4M1234567"), "34567", false),
            (Some("WD-WCC4M1234567"), "1234567", false),
            (Some("WD-WCC4M1234567"), "nvme0n1", false),
            (Some("WD-WCC4M1234567"), "", false),
            (Some("A1"), "A1", true),
            (Some("A1"), "1", false),
            (None, "nvme0n1", true),
            (None, "/dev/nvme0n1", true),
            (Some("  "), "nvme0n1", true),
            (None, "", false),
        ] {
            assert_eq!(
                names(typed, &disk(serial)),
                expected,
                "{serial:?} {typed:?}"
            );
        }
    }
}
