//! A program's output in bounded memory: its lines as they come, and its beginning and end.

use std::collections::VecDeque;

/// Longer lines are cut: a damaged volume makes lists of blocks as long as it likes.
const LINE: usize = 2048;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
}

impl Lines {
    /// Takes bytes in and gives each whole line, without its end and cut at a bound.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            let room = LINE - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                each(&self.line);
                self.line.clear();
            }
        }
    }

    /// Gives what came after the last end of a line.
    pub fn finish(self, mut each: impl FnMut(&[u8])) {
        if !self.line.is_empty() {
            each(&self.line);
        }
    }
}

/// The beginning and the end of an output, each of them bounded.
#[derive(Debug)]
pub struct Excerpt {
    bound: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Excerpt {
    /// Keeps so many bytes of the beginning, and of the end.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self {
            bound,
            head: Vec::new(),
            tail: VecDeque::new(),
            left_out: 0,
        }
    }

    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = (self.bound - self.head.len()).min(bytes.len());
        let (head, tail) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend(tail);
        let surplus = self.tail.len().saturating_sub(self.bound);
        self.tail.drain(..surplus);
        self.left_out += surplus as u64;
    }

    /// As text, saying how much is missing in its middle.
    #[must_use]
    pub fn text(&self) -> String {
        let head = String::from_utf8_lossy(&self.head);
        let (front, back) = self.tail.as_slices();
        let tail = [front, back].concat();
        let tail = String::from_utf8_lossy(&tail);
        match self.left_out {
            0 => format!("{head}{tail}"),
            left_out => format!("{head}\n[... {left_out} bytes left out ...]\n{tail}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let long = "x".repeat(LINE + 10);
        let text = format!("one\n\ntwo\r\n{long}\nlast");
        for step in [1, 3, 4096] {
            let (mut lines, mut told) = (Lines::default(), Vec::new());
            for part in text.as_bytes().chunks(step) {
                lines.take(part, |line| told.push(line.to_vec()));
            }
            lines.finish(|line| told.push(line.to_vec()));
            let lengths: Vec<usize> = told.iter().map(Vec::len).collect();
            assert_eq!(lengths, [3, 0, 4, LINE, 4], "{step}");
            assert_eq!(told[4], b"last");
        }
    }

    #[test]
    fn an_excerpt_keeps_both_ends() {
        let mut excerpt = Excerpt::new(4);
        for byte in b"abcdefgh" {
            excerpt.push(&[*byte]);
        }
        assert_eq!(excerpt.text(), "abcdefgh");
        excerpt.push(b"ijkl");
        assert_eq!(excerpt.text(), "abcd\n[... 4 bytes left out ...]\nijkl");
        let mut at_once = Excerpt::new(4);
        at_once.push(b"abcdefghijkl");
        assert_eq!(at_once.text(), excerpt.text());
        at_once.push(&[0xFF]);
        assert!(at_once.text().ends_with("jkl\u{FFFD}"));
    }
}
