//! Lines in, lines out.

use std::io::{self, BufRead, Read, Write};

/// A longer line is noise on the wire.
const LONGEST_LINE: u64 = 256;

/// A console, or what a test puts in its place.
pub struct Terminal<R, W> {
    input: R,
    output: W,
}

impl<R: BufRead, W: Write> Terminal<R, W> {
    pub fn new(input: R, output: W) -> Self {
        Self { input, output }
    }

    /// Prints one line, without what a foreign text (a disk's model, a file's name) could do to
    /// the screen, and without what the fonts of consoles lack.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.output, "{}", vigie_prompt::text::printable(text))
    }

    /// Prints a prompt and stays on its line.
    pub fn prompt(&mut self, prompt: &str) -> io::Result<()> {
        write!(self.output, "{prompt} ")?;
        self.output.flush()
    }

    /// Asks for a line. `None` when the terminal was closed.
    pub fn ask(&mut self, prompt: &str) -> io::Result<Option<String>> {
        self.prompt(prompt)?;
        self.read()
    }

    /// Reads a line. `None` when the terminal was closed.
    pub fn read(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if (&mut self.input)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        Ok(Some(
            line.trim().chars().filter(|c| !c.is_control()).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_trimmed_bounded_and_printable() {
        let long = "x".repeat(300);
        let input = format!(" 1 \r\n\x1b[B2\n{long}\n");
        let mut output = Vec::new();
        let mut terminal = Terminal::new(input.as_bytes(), &mut output);
        let mut ask = || terminal.ask("?").expect("reads");
        assert_eq!(ask().as_deref(), Some("1"));
        assert_eq!(ask().as_deref(), Some("[B2"));
        assert_eq!(ask().map(|line| line.len()), Some(256));
        assert_eq!(ask().map(|line| line.len()), Some(44));
        assert_eq!(ask(), None);
        terminal.line("a\x1b[2Jb").expect("writes");
        // The web service writes French as books have it; the console's font has not all of that.
        terminal.line("personne n’entre").expect("writes");
        terminal.line("\u{202e}tgz.exe").expect("writes");
        let output = String::from_utf8_lossy(&output);
        assert!(
            output.ends_with("a[2Jb\npersonne n'entre\n?tgz.exe\n"),
            "{output}"
        );
    }
}
