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
#[derive(Clone, Copy)]
pub struct Dialog<'a> {
    vm: &'a Vm,
    mark: Mark,
    limit: Duration,
}

impl<'a> Dialog<'a> {
    /// With a machine; what it has said already counts. A question may take `limit` to come.
    pub fn from_the_beginning(vm: &'a Vm, limit: Duration) -> Dialog<'a> {
        Dialog {
            vm,
            mark: Mark::default(),
            limit,
        }
    }

    /// The same conversation, with another time for what comes next.
    pub fn patience(&self, limit: Duration) -> Dialog<'a> {
        Dialog { limit, ..*self }
    }

    /// The moment of the last answer.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// All complete lines since a moment.
    pub fn lines_since(&self, mark: Mark) -> String {
        let lines = self.vm.lines();
        let texts = lines.iter().skip(mark.line).map(|line| line.text.as_str());
        texts.collect::<Vec<&str>>().join("\n")
    }

    /// Waits for a line, or for an unfinished one, which a question is.
    pub fn expect(&self, question: impl Into<Pattern>) -> Result<Line> {
        self.vm.wait_line_after(self.mark, question, self.limit)
    }

    /// Waits for the first of several; gives its number.
    pub fn expect_any(&self, questions: &[Pattern]) -> Result<usize> {
        let (number, _) = self.vm.wait_any_line(self.mark, questions, self.limit)?;
        Ok(number)
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
