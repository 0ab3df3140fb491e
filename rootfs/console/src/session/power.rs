//! Restart and power-off, held back by what must not be interrupted.

use std::io::{self, BufRead, Write};

use super::entry::{Entry, label};
use super::{End, Session};
use crate::held;
use crate::system::System;

impl<R: BufRead, W: Write, S: System> Session<R, W, S> {
    pub(super) fn go_down(&mut self, entry: Entry, verb: &str) -> io::Result<Option<End>> {
        let m = self.messages();
        let prompt = format!("{} - {}", label(m, entry), m.sure);
        if !self.confirmed(&prompt)? || self.is_held()? {
            return Ok(None);
        }
        let going = self.ran(&["/usr/bin/systemctl", verb])?;
        Ok(going.then_some(End::GoingDown))
    }

    /// Says what must not be interrupted, such as a repair on another console.
    fn is_held(&mut self) -> io::Result<bool> {
        let m = self.messages();
        let held = held::blocks(&self.system.output(&held::ASK).unwrap_or_default());
        if held.is_empty() {
            return Ok(false);
        }
        self.terminal.line(m.held)?;
        for held in &held {
            self.terminal
                .line(&format!("  {} ({})", held.why, held.who))?;
        }
        self.terminal.line(m.held_until)?;
        self.terminal.ask(m.press_enter)?;
        Ok(true)
    }
}
