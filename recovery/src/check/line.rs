//! One line of a terminal that can do no more than return to its beginning, such as a serial line at 9600 baud:
//! written anew each second, so that who watches sees that it lives. A carriage return is all that is asked of
//! it: even terminfo's "dumb" has one.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// At most that often: 80 columns are a twelfth of what 9600 baud carry in a second.
const EVERY: Duration = Duration::from_secs(1);
/// A line of 80 columns that is full goes on in the next one, to which no carriage return leads back.
const COLUMNS: usize = 79;

/// The line.
#[derive(Debug, Default)]
pub struct Line {
    /// How many columns of it are written.
    columns: usize,
    /// When.
    last: Option<Instant>,
}

impl Line {
    /// Writes it anew where that is due.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn moves(&mut self, out: &mut dyn Write, text: &str) -> io::Result<()> {
        self.at(out, text, Instant::now())
    }

    fn at(&mut self, out: &mut dyn Write, text: &str, now: Instant) -> io::Result<()> {
        let last = self.last;
        if last.is_some_and(|last| now.saturating_duration_since(last) < EVERY) {
            return Ok(());
        }
        self.last = Some(now);
        let text: String = text.chars().take(COLUMNS).collect();
        let columns = text.chars().count();
        let over = self.columns.saturating_sub(columns);
        self.columns = columns;
        write!(out, "\r{text}{:over$}", "")?;
        out.flush()
    }

    /// It goes from the terminal; the next one begins in its place.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn clear(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let columns = std::mem::take(&mut self.columns);
        self.last = None;
        match columns {
            0 => Ok(()),
            _ => write!(out, "\r{:columns$}\r", ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_anew_each_second_and_no_more_often() {
        let begun = Instant::now();
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        let mut out = Vec::new();
        let mut line = Line::default();
        for (milliseconds, text) in [(0, "12 %, 9 s"), (500, "13 %, 9 s"), (1000, "13 %")] {
            line.at(&mut out, text, at(milliseconds)).unwrap();
        }
        assert_eq!(out, b"\r12 %, 9 s\r13 %     ");
        out.clear();
        // A step that ended has its place given to what is said of it.
        line.clear(&mut out).unwrap();
        line.clear(&mut out).unwrap();
        assert_eq!(out, b"\r    \r");
        out.clear();
        line.at(&mut out, &"\u{e9}".repeat(100), at(1100)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.chars().count(), 1 + COLUMNS);
    }

    /// A quarter of what the slowest line carries in a minute.
    #[test]
    fn a_slow_serial_line_keeps_up() {
        let begun = Instant::now();
        let mut out = Vec::new();
        let mut line = Line::default();
        for tick in 0..120 {
            let text = format!("{tick:>78}");
            let now = begun + Duration::from_millis(500 * tick);
            line.at(&mut out, &text, now).unwrap();
        }
        let carried = 60 * 9600 / 10;
        assert!(out.len() < carried / 4, "{}", out.len());
        assert_eq!(out.iter().filter(|byte| **byte == b'\r').count(), 60);
    }
}
