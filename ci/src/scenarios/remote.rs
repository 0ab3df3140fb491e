//! A person at a terminal of their own: the real ssh client with a pseudo-terminal on the appliance, what
//! comes through it as lines, and keys.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::vm::console::{Cleaner, Line, Pattern};
use crate::vm::dialog::keys;
use crate::vm::record::{Mark, Record, Waited};

/// A person who has come in by ssh.
pub(super) struct Remote {
    client: Child,
    keyboard: ChildStdin,
    record: Arc<Record>,
    mark: Mark,
    limit: Duration,
}

impl Remote {
    /// Starts an ssh client. `limit` is how long each answer may take to come.
    pub fn start(client: &mut Command, limit: Duration) -> Result<Remote> {
        // What the client tells the appliance that its terminal is.
        client.env("TERM", "xterm");
        client.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = client
            .stderr(Stdio::null())
            .spawn()
            .context("starting ssh")?;
        let (keyboard, screen) = (client.stdin.take(), client.stdout.take());
        let record = Arc::new(Record::default());
        let taken = Arc::clone(&record);
        let mut screen = screen.context("ssh has no output")?;
        std::thread::spawn(move || take_down(&mut screen, &taken));
        Ok(Remote {
            client,
            keyboard: keyboard.context("ssh has no input")?,
            record,
            mark: Mark::default(),
            limit,
        })
    }

    /// Waits for a line that came after the last key, or for an unfinished one.
    pub fn expect(&self, question: impl Into<Pattern>) -> Result<Line> {
        let (question, mut from) = (question.into(), self.mark);
        let waited = self
            .record
            .wait(self.limit, |state| state.find_line(&mut from, &question));
        match waited {
            Waited::Found(line) => Ok(line),
            Waited::TimedOut => bail!("ssh shows no {question}, but\n{}", self.shown()),
            Waited::Closed => bail!("ssh ended before {question}:\n{}", self.shown()),
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        self.mark = self.record.mark();
        let pressed = self.keyboard.write_all(keys.as_bytes());
        let pressed = pressed.and_then(|()| self.keyboard.flush());
        pressed.context("typing into ssh")
    }

    /// Answers a question with a line.
    pub fn answer(&mut self, question: impl Into<Pattern>, answer: &str) -> Result<()> {
        self.expect(question)?;
        self.press(&format!("{answer}{}", keys::ENTER))
    }

    /// Waits until the client ends; whether it says that all was well.
    pub fn ends(mut self) -> Result<bool> {
        let waited = self.record.wait(self.limit, |_| None::<()>);
        if waited != Waited::Closed {
            bail!("ssh does not end, and shows\n{}", self.shown());
        }
        Ok(self.client.wait().context("waiting for ssh")?.success())
    }

    /// The line breaks: the client is gone without a word.
    pub fn hang_up(mut self) -> Result<()> {
        self.client.kill().context("ending ssh")?;
        self.client.wait().context("waiting for ssh").map(drop)
    }

    /// All that was shown so far.
    pub fn shown(&self) -> String {
        let lines = self.record.lock().tail(usize::MAX);
        let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        texts.join("\n")
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Ended already where all went well.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

fn take_down(screen: &mut impl Read, record: &Record) {
    let mut cleaner = Cleaner::default();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = screen.read(&mut buffer) {
        let complete = cleaner.push(&buffer[..length]);
        record.add_lines(&complete, cleaner.partial());
    }
    record.add_lines(&cleaner.push(b"\n"), String::new());
    record.close_console();
    record.close_qmp();
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Remote {
        Remote::start(Command::new("sh").args(["-c", script]), LIMIT).unwrap()
    }

    #[test]
    fn questions_are_answered_and_the_end_is_seen() {
        let mut person = shell("printf 'Name: '; read name; printf '\\033[1mhello %s\\r\\n' $name");
        person.expect("Name:").unwrap();
        person.press("anne\n").unwrap();
        assert_eq!(person.expect("hello").unwrap().text, "Name: hello anne");
        assert!(
            person.expect("Name:").is_err(),
            "that was before the last key"
        );
        let person = shell("true");
        assert!(person.ends().unwrap());
        let person = shell("echo x; exit 3");
        let error = person.expect("y").unwrap_err().to_string();
        assert!(
            error.contains("ended before `y`") && error.contains('x'),
            "{error}"
        );
        assert!(!person.ends().unwrap());
    }

    #[test]
    fn a_line_that_breaks_ends_the_client() {
        let person = shell("echo there; exec cat");
        person.expect("there").unwrap();
        let client = person.client.id();
        person.hang_up().unwrap();
        let gone = !std::path::Path::new(&format!("/proc/{client}")).exists();
        assert!(gone, "the client is still there");
    }
}
