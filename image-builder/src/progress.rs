//! What the builder is doing, for a person (bars), a log (lines) or a script (JSON lines).

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bars on a terminal.
    Bars,
    /// One line when a phase starts and one when it ends.
    Lines,
    /// JSON lines on standard output.
    Json,
    /// Nothing.
    Quiet,
}

/// Reports the phases of a run.
#[derive(Debug, Clone, Copy)]
pub struct Reporter {
    style: Style,
}

impl Reporter {
    /// Bars on a terminal, lines elsewhere, JSON lines if asked for.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let style = match (json, std::io::stderr().is_terminal()) {
            (true, _) => Style::Json,
            (false, true) => Style::Bars,
            (false, false) => Style::Lines,
        };
        Self { style }
    }

    /// Nobody is told.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            style: Style::Quiet,
        }
    }

    /// Starts a phase; `total` is in bytes, or none where the length is not known.
    #[must_use]
    pub fn phase(&self, name: &str, total: Option<u64>) -> Phase {
        let bar = match self.style {
            Style::Bars => bar(name, total),
            Style::Lines | Style::Json | Style::Quiet => ProgressBar::hidden(),
        };
        if self.style == Style::Json {
            println!(
                "{}",
                json!({"event": "start", "phase": name, "total": total})
            );
        }
        Phase {
            style: self.style,
            name: name.to_owned(),
            total,
            bar,
            begun: Instant::now(),
        }
    }

    /// A result for whoever started the run.
    pub fn say(&self, event: &str, text: &str) {
        self.say_of(event, &[], text);
    }

    /// The same of something that has fields for programs; the text has them for people.
    pub fn say_of(&self, event: &str, fields: &[(&str, &str)], text: &str) {
        match self.style {
            Style::Json => {
                let mut line = json!({"event": event, "text": text});
                fields
                    .iter()
                    .for_each(|(key, value)| line[*key] = json!(value));
                println!("{line}");
            }
            Style::Bars | Style::Lines => println!("{text}"),
            Style::Quiet => {}
        }
    }

    /// What whoever started the run must not overlook.
    pub fn warn(&self, text: &str) {
        match self.style {
            Style::Json => println!("{}", json!({"event": "warning", "text": text})),
            Style::Bars | Style::Lines => eprintln!("warning: {text}"),
            Style::Quiet => {}
        }
    }

    /// A failure, in the form that the run's reader expects.
    pub fn error(&self, text: &str) {
        if self.style == Style::Json {
            println!("{}", json!({"event": "error", "text": text}));
        }
        eprintln!("error: {text}");
    }
}

fn bar(name: &str, total: Option<u64>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    let template = match total {
        Some(_) => "{msg:24} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
        None => "{msg:24} {spinner} {elapsed}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> ").tick_chars("|/-\\ "));
    }
    bar.set_message(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// A phase that is under way; it may be shared between threads.
pub struct Phase {
    style: Style,
    name: String,
    total: Option<u64>,
    bar: ProgressBar,
    begun: Instant,
}

impl Phase {
    /// So many bytes more are done.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// So many bytes were not done after all.
    pub fn retreat(&self, bytes: u64) {
        self.bar.dec(bytes);
    }

    /// The phase is over.
    pub fn done(self) {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.bar.finish_and_clear();
        match self.style {
            Style::Json => {
                println!(
                    "{}",
                    json!({"event": "done", "phase": self.name, "total": self.total, "seconds": seconds})
                );
            }
            Style::Bars | Style::Lines => eprintln!("{:24} {seconds:6.1} s", self.name),
            Style::Quiet => {}
        }
    }
}
