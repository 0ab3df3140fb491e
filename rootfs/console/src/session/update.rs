//! Updates, for whoever knows root's password.

use std::io::{self, BufRead, Write};

use super::entry::Entry;
use super::{End, Session};
use crate::system::System;
use crate::update::{self, UPDATER};

impl<R: BufRead, W: Write, S: System> Session<R, W, S> {
    /// Shows what became of the last update and which packages are there; installs one for whoever
    /// knows root's password.
    pub(super) fn update(&mut self) -> io::Result<Option<End>> {
        let m = self.messages();
        self.terminal.line("")?;
        let history = self.system.output(&[UPDATER, "history", "--json"]);
        if let Some(last) = update::last(m, &history.unwrap_or_default()) {
            self.terminal.line(&last)?;
        }
        let found = match self.system.output(&[UPDATER, "list", "--json"]) {
            Ok(lines) => update::found(&lines),
            Err(error) => {
                self.terminal.line(&format!("{error:#}"))?;
                self.terminal.ask(m.press_enter)?;
                return Ok(None);
            }
        };
        for line in update::lines(m, &found) {
            self.terminal.line(&line)?;
        }
        let ready: Vec<_> = found.iter().filter(|found| found.is_ready()).collect();
        if ready.is_empty() {
            self.terminal.ask(m.press_enter)?;
            return Ok(None);
        }
        let answer = self.terminal.ask(m.which_package)?.unwrap_or_default();
        let number = answer.parse().ok().and_then(|n: usize| n.checked_sub(1));
        let Some(package) = number.and_then(|number| ready.get(number)) else {
            return Ok(None);
        };
        self.install_update(&package.id)
    }

    fn install_update(&mut self, id: &str) -> io::Result<Option<End>> {
        let m = self.messages();
        let known = self
            .system
            .run(&[UPDATER, "ask-password", "--language", m.code]);
        if !known.unwrap_or(false) {
            self.terminal.ask(m.press_enter)?;
            return Ok(None);
        }
        let apply = [UPDATER, "--language", m.code, "apply", "--id", id];
        if !self.ran(&[&apply[..], &["--who", "root (console)"]].concat())? {
            self.terminal.ask(m.press_enter)?;
            return Ok(None);
        }
        self.terminal.line(m.installed)?;
        self.go_down(Entry::Reboot, "reboot")
    }
}
