//! The serial console as lines of text.
//!
//! Firmware, GRUB and menus paint the serial line with terminal sequences; [`Cleaner`] takes
//! the raw bytes and gives the text. A jump of the cursor or a cleared screen ends a line, so
//! that painted screens come out as one line for each thing written. Lines without a letter or
//! digit (blanks, frames) are dropped.

use std::time::Duration;

use anyhow::{Context, Result};
use regex_lite::Regex;

/// One line, and when it was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Since the machine was switched on.
    pub at: Duration,
    /// The text, without terminal sequences.
    pub text: String,
}

/// What to look for in a line.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// The line contains this text.
    Text(String),
    /// The line matches this expression.
    Regex(Regex),
}

impl Pattern {
    /// A regular expression.
    pub fn regex(expression: &str) -> Result<Pattern> {
        let regex = Regex::new(expression).with_context(|| format!("pattern `{expression}`"))?;
        Ok(Pattern::Regex(regex))
    }

    /// Whether the line has it.
    pub fn is_in(&self, line: &str) -> bool {
        match self {
            Pattern::Text(text) => line.contains(text.as_str()),
            Pattern::Regex(regex) => regex.is_match(line),
        }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Pattern {
        Pattern::Text(text.to_owned())
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pattern::Text(text) => write!(f, "`{text}`"),
            Pattern::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

/// A line longer than this is cut: a guest that never ends a line must not fill the memory.
const LONGEST: usize = 8192;

/// Turns raw bytes into lines.
#[derive(Default)]
pub struct Cleaner {
    line: Vec<u8>,
    state: State,
    /// A carriage return was seen; what follows decides whether it ends the line.
    returned: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and one of `( ) * + #`: one more byte.
    Charset,
    /// After ESC [.
    Control,
    /// After ESC ]: until BEL or ESC \.
    Command,
    /// ESC within a command.
    CommandEscape,
}

impl Cleaner {
    /// Takes bytes; gives the lines that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            self.byte(byte, &mut lines);
        }
        lines
    }

    /// The line that is not complete yet; empty when there is none.
    pub fn partial(&self) -> String {
        text(&self.line)
    }

    fn byte(&mut self, byte: u8, lines: &mut Vec<String>) {
        self.state = match (self.state, byte) {
            (State::Ground, 0x1b) => State::Escape,
            (State::Ground, _) => {
                self.character(byte, lines);
                State::Ground
            }
            (State::Escape, b'[') => State::Control,
            (State::Escape, b']') => State::Command,
            (State::Escape, b'(' | b')' | b'*' | b'+' | b'#') => State::Charset,
            (State::Control, 0x20..=0x3f) => State::Control,
            (State::Control, b'H' | b'f' | b'J') => {
                self.end_line(lines);
                State::Ground
            }
            (State::Command, 0x1b) => State::CommandEscape,
            (State::Command, 0x07) => State::Ground,
            (State::Command, _) => State::Command,
            (State::Escape | State::Charset | State::Control | State::CommandEscape, _) => {
                State::Ground
            }
        };
    }

    fn character(&mut self, byte: u8, lines: &mut Vec<String>) {
        match byte {
            b'\n' => self.end_line(lines),
            b'\r' => self.returned = true,
            0x08 => {
                self.line.pop();
            }
            b'\t' | 0x20.. => {
                if self.returned {
                    self.end_line(lines);
                }
                self.line.push(byte);
                if self.line.len() >= LONGEST {
                    self.end_line(lines);
                }
            }
            _ => {}
        }
    }

    fn end_line(&mut self, lines: &mut Vec<String>) {
        self.returned = false;
        let line = text(&std::mem::take(&mut self.line));
        if line.contains(char::is_alphanumeric) {
            lines.push(line);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lines() {
        let cases: &[(&[&str], &[&str], &str)] = &[
            (&["one\r\ntwo\nthr"], &["one", "two"], "thr"),
            (&["o", "ne\r", "\n"], &["one"], ""),
            (&["\r\n\r\n  \r\nx\n"], &["x"], ""),
            (
                &["\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: loading\r\n"],
                &["BdsDxe: loading"],
                "",
            ),
            (
                &["\x1b[05;01HPress \x1b[1mESC\x1b[0m in 5\x1b[05;01HPress"],
                &["Press ESC in 5"],
                "Press",
            ),
            (&["\x1b", "[3", "2mgreen\x1b(B\x1b[m\n"], &["green"], ""),
            (&["10%\r20%\r30%\r\n"], &["10%", "20%", "30%"], ""),
            (
                &["\x1b]0;title\x07text\x1b]0;t\x1b\\more\n"],
                &["textmore"],
                "",
            ),
            (&["+--+\n| a |\n│ │\n"], &["| a |"], ""),
            (&["abd\x08c\n"], &["abc"], ""),
            (&["démarrage\n"], &["démarrage"], ""),
            (&["login: "], &[], "login:"),
        ];
        for (chunks, lines, partial) in cases {
            let mut cleaner = Cleaner::default();
            let seen: Vec<String> = chunks
                .iter()
                .flat_map(|chunk| cleaner.push(chunk.as_bytes()))
                .collect();
            assert_eq!(seen, *lines, "{chunks:?}");
            assert_eq!(cleaner.partial(), *partial, "{chunks:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_and_endless_lines_do_no_harm() {
        let mut cleaner = Cleaner::default();
        assert_eq!(cleaner.push(b"\xff\xfe\x00x\n"), ["\u{fffd}\u{fffd}x"]);
        assert_eq!(cleaner.push(&vec![b'a'; 3 * LONGEST]).len(), 3);
    }

    #[test]
    fn patterns_match_text_and_expressions() {
        let line = "vigie: console ready (installed)";
        let cases = [
            (Pattern::from("console ready (installed)"), true),
            (Pattern::from("console ready (live)"), false),
            (
                Pattern::regex(r"ready \((live|installed)\)$").unwrap(),
                true,
            ),
            (Pattern::regex(r"^ready").unwrap(), false),
        ];
        for (pattern, expected) in cases {
            assert_eq!(pattern.is_in(line), expected, "{pattern}");
        }
        assert!(Pattern::regex("(").is_err());
    }
}
