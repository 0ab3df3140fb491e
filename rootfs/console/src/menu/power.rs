//! Restart and power-off, held back by what must not be interrupted.

use std::io;

use serde_json::json;

use super::{Ended, Menu, given};
use crate::held;

impl Menu<'_> {
    pub(super) fn power(&mut self) -> io::Result<()> {
        self.page("main.power")?;
        let text = self.say("power.about", &[]);
        given!(self.tell(vec![text]));
        let (verb, yes) = match given!(self.choose(&["power.restart", "power.off"], 0)) {
            0 => ("restart", "power.restart"),
            _ => ("power-off", "power.off"),
        };
        let text = self.say("power.sure", &[]);
        given!(self.tell(vec![text]));
        if self.sure(yes)? {
            self.go_down(verb)?;
        }
        Ok(())
    }

    /// Asks the broker for it, unless something holds it back.
    pub(super) fn go_down(&mut self, verb: &str) -> io::Result<()> {
        let locks = self.system.output(&held::ASK);
        let held = held::blocks(&locks.unwrap_or_default());
        if !held.is_empty() {
            let mut lines = vec![self.say("power.held", &[])];
            lines.extend(
                held.iter()
                    .map(|held| format!("  {} ({})", held.why, held.who)),
            );
            lines.push(self.say("power.held-until", &[]));
            return self.told(lines);
        }
        if self.ask(&json!({"verb": verb}))?.is_some() {
            let text = self.say("power.going", &[]);
            self.tell(vec![text])?;
            self.ended = Some(Ended::GoingDown);
        }
        Ok(())
    }
}
