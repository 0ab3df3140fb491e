//! How a command shows how far it is: a bar on a terminal, a line now and then elsewhere, JSON
//! lines for a script.

use std::io::{IsTerminal, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use vigie_disk::Bytes;

use crate::apply::Phase;
use crate::{say, warn};

/// Lines for a reader that is no terminal come no more often.
const LINE_EVERY: Duration = Duration::from_secs(2);
/// The same for scripts.
const JSON_EVERY: Duration = Duration::from_millis(500);

/// How it is shown.
#[derive(Debug)]
pub enum Shown {
    /// One JSON object a line.
    Json,
    /// A bar.
    Bar,
    /// One JSON object a line, to whoever asked through a socket. One that has gone is told
    /// nothing more, and stops nothing.
    Socket(UnixStream),
    /// Plain lines.
    Lines,
    /// Nothing.
    Quiet,
}

/// Shows the progress of one update.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
    bar: Option<ProgressBar>,
    phase: Option<Phase>,
    last: Instant,
    french: bool,
}

impl Phase {
    /// What is being done.
    #[must_use]
    pub const fn text(self, french: bool) -> &'static str {
        match (self, french) {
            (Self::Base, false) => "comparing the base",
            (Self::Base, true) => "comparaison de la base",
            (Self::Check, false) => "checking the package",
            (Self::Check, true) => "contrôle du paquet",
            (Self::Write, false) => "writing the slot",
            (Self::Write, true) => "écriture",
            (Self::ReadBack, false) => "reading it back",
            (Self::ReadBack, true) => "relecture",
        }
    }
}

fn event(phase: Phase, done: Bytes, total: Bytes) -> Value {
    let (done, total) = (done.get(), total.get());
    json!({"event": "progress", "phase": phase, "done": done, "total": total})
}

impl Progress {
    /// For a command: JSON where it was asked for, else what standard error is.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let shown = if json {
            Shown::Json
        } else if std::io::stderr().is_terminal() && !dumb {
            Shown::Bar
        } else {
            Shown::Lines
        };
        Self::shown(shown)
    }

    /// In a given way.
    #[must_use]
    pub fn shown(shown: Shown) -> Self {
        Self {
            shown,
            bar: None,
            phase: None,
            last: Instant::now(),
            french: false,
        }
    }

    /// For people who read French.
    #[must_use]
    pub fn in_french(self, french: bool) -> Self {
        Self { french, ..self }
    }

    /// Tells how far a phase is.
    pub fn tell(&mut self, phase: Phase, done: Bytes, total: Bytes) {
        // The unpacking process says how far it is, and may have been taken over by a package.
        let done = done.min(total);
        let begins = self.phase != Some(phase);
        let ends = done == total;
        self.phase = Some(phase);
        match self.shown {
            Shown::Quiet => {}
            Shown::Bar => self.draw(phase, begins, done, total),
            Shown::Json if begins || ends || self.last.elapsed() >= JSON_EVERY => {
                self.last = Instant::now();
                say!("{}", event(phase, done, total));
            }
            Shown::Socket(_) if begins || ends || self.last.elapsed() >= JSON_EVERY => {
                self.last = Instant::now();
                self.send(&event(phase, done, total));
            }
            Shown::Lines if begins || ends || self.last.elapsed() >= LINE_EVERY => {
                self.last = Instant::now();
                let percent = done.get() * 100 / total.get().max(1);
                warn!("{}: {percent} %", phase.text(self.french));
            }
            Shown::Json | Shown::Socket(_) | Shown::Lines => {}
        }
    }

    fn send(&mut self, event: &Value) {
        if let Shown::Socket(socket) = &mut self.shown
            && socket.write_all(format!("{event}\n").as_bytes()).is_err()
        {
            self.shown = Shown::Quiet;
        }
    }

    fn draw(&mut self, phase: Phase, begins: bool, done: Bytes, total: Bytes) {
        if begins {
            self.finish();
            let bar = ProgressBar::new(total.get());
            let style = "{msg:22} [{bar:30}] {percent:>3} % {binary_bytes_per_sec:>12} {eta:>4}";
            let style = ProgressStyle::with_template(style);
            bar.set_style(
                style
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            );
            bar.set_message(phase.text(self.french));
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done.get());
        }
    }

    /// Leaves the last bar as it stands.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn a_socket_is_told_and_one_that_has_gone_stops_nothing() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut progress = Progress::shown(Shown::Socket(near));
        progress.tell(Phase::Write, Bytes::ZERO, Bytes::new(10));
        let mut line = String::new();
        BufReader::new(far).read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&event["phase"], &event["total"]),
            (&json!("write"), &json!(10))
        );
        for _ in 0..3 {
            progress.tell(Phase::Write, Bytes::new(10), Bytes::new(10));
        }
        assert!(matches!(progress.shown, Shown::Quiet));
    }

    #[test]
    fn nothing_is_further_than_its_end() {
        let (near, far) = UnixStream::pair().unwrap();
        let total = Bytes::new(10);
        for shown in [Shown::Socket(near), Shown::Lines] {
            Progress::shown(shown).tell(Phase::Write, Bytes::new(u64::MAX), total);
        }
        let mut line = String::new();
        BufReader::new(far).read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["done"], json!(10));
    }
}
