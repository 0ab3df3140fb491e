//! A conversation with a program on the serial line: each answer is given when its question
//! has been asked, and each question is one that was asked after the last answer.

use std::time::Duration;

use anyhow::Result;

use super::Vm;
use super::console::{Line, Pattern};
use super::record::Mark;

/// Keys of a terminal on a serial line, as the bytes that it sends (vt100).
pub mod keys {
    /// Enter.
    pub const ENTER: &str = "\r";
    /// Esc.
    pub const ESC: &str = "\x1b";
    /// Arrow up.
    pub const UP: &str = "\x1b[A";
    /// Arrow down.
    pub const DOWN: &str = "\x1b[B";
}

/// A conversation.
pub struct Dialog<'a> {
    vm: &'a Vm,
    mark: Mark,
    limit: Duration,
}

impl<'a> Dialog<'a> {
    /// With a machine, from its last word on; a question may take `limit` to come.
    pub fn new(vm: &'a Vm, limit: Duration) -> Dialog<'a> {
        Dialog {
            vm,
            mark: vm.mark(),
            limit,
        }
    }

    /// Waits for a line or for an unfinished one, which a question is.
    pub fn expect(&self, question: impl Into<Pattern>) -> Result<Line> {
        self.vm.wait_line_after(self.mark, question, self.limit)
    }

    /// Presses keys; what was said until now is not looked at again.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        self.mark = self.vm.mark();
        self.vm.write_serial(keys)
    }

    /// Answers a question with a line.
    pub fn answer(&mut self, question: impl Into<Pattern>, answer: &str) -> Result<()> {
        self.expect(question)?;
        self.press(&format!("{answer}{}", keys::ENTER))
    }
}
