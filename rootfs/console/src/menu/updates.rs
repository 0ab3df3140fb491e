//! Updates: from what was sent, from a stick or a disc, or from any file of the appliance.

use std::io;

use vigie_prompt::{Field, Item};

use super::{Menu, given};
use crate::messages::messages;
use crate::update::{self, Found, UPDATER};

impl Menu<'_> {
    pub(super) fn updates(&mut self) -> io::Result<()> {
        let m = messages(self.language);
        self.page("maintenance.update")?;
        let history = self.system.output(&[UPDATER, "history", "--json"]);
        let mut lines: Vec<String> = update::last(m, &history.unwrap_or_default())
            .into_iter()
            .collect();
        let found = match self.system.output(&[UPDATER, "list", "--json"]) {
            Ok(listed) => update::found(&listed),
            Err(error) => {
                return self.notice("menu.not-done", &[("error", format!("{error:#}"))]);
            }
        };
        if found.is_empty() {
            lines.push(m.no_package.to_owned());
        }
        given!(self.tell(lines));
        let mut items: Vec<Item> = found.iter().map(|found| item(m, found)).collect();
        items.push(Item::new(self.say("update.file", &[])));
        let at = given!(self.prompter().choose(&items, 0));
        match found.get(at) {
            Some(found) => self.install(&["--id", found.id.as_str()]),
            None => self.ask_for_file(),
        }
    }

    /// A package is verified wherever it lies: a name is all that is needed.
    fn ask_for_file(&mut self) -> io::Result<()> {
        let label = self.say("update.ask-file", &[]);
        let wrong = self.say("update.absolute", &[]);
        let check = |text: &str| match text.starts_with('/') {
            true => Ok(()),
            false => Err(wrong.clone()),
        };
        let path = given!(self.prompter().line(&Field {
            label: &label,
            initial: "",
            optional: false,
            mend: true,
            check: &check,
        }));
        self.install(&[path.as_str()])
    }

    fn install(&mut self, which: &[&str]) -> io::Result<()> {
        let m = messages(self.language);
        if !self.sure("update.install")? || !self.may()? {
            return Ok(());
        }
        let who = format!("{} (console)", self.who.name);
        let apply = [UPDATER, "--language", m.code, "apply"];
        let program = [&apply[..], &["--who", who.as_str()], which].concat();
        if !self.program(&program)? {
            return Ok(());
        }
        self.tell(vec![m.installed.to_owned()])?;
        if self.sure("power.restart")? {
            self.go_down("restart")?;
        }
        Ok(())
    }
}

fn item(m: &crate::messages::Messages, found: &Found) -> Item {
    let reason = match m.code {
        "fr" => found.reason_fr.as_ref().or(found.reason.as_ref()),
        _ => found.reason.as_ref(),
    };
    let state = update::state(m, found);
    // One that has no number says why at once: on plain lines nobody could ask.
    let why = reason.filter(|_| !found.is_ready()).cloned();
    let refused = why.clone().unwrap_or_else(|| state.to_owned());
    let mut lines = vec![format!("{} {state}", update::title(found))];
    lines.extend(update::place(found));
    lines.extend(why);
    Item {
        lines,
        refused: (!found.is_ready()).then_some(refused),
    }
}
