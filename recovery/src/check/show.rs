//! How a check is shown: a bar where a person watches a terminal, lines where it cannot move its
//! cursor, JSON lines for a program.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use vigie_settings::Language;

use super::ladder::Step;
use super::report::{VolumeReport, step_words};
use super::run::{Going, Watch as WatchRun};
use super::volume::{Volume, Watch};
use super::words::say;

/// Plain lines come no more often than this.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// A silence of this many seconds is spoken of.
const SILENCE: u64 = 3;
/// Often enough for eyes, and for a serial line.
const DRAWN_PER_SECOND: u8 = 3;

/// Who shows.
enum Shown {
    Json,
    Bar(Option<ProgressBar>),
    Lines { last: Option<(Step, u8, Instant)> },
}

/// Shows a check; knows whether a person has asked to stop.
pub struct Show<W> {
    out: W,
    shown: Shown,
    language: Language,
    stop: Arc<AtomicBool>,
    told_stop: bool,
    name: String,
    /// How many times ten seconds an array was waited for.
    waited: Option<u64>,
}

impl<W: Write> Show<W> {
    /// As it fits: JSON where asked for, a bar on a terminal that can show one, else lines. Results
    /// go to `out`.
    pub fn fitting(out: W, json: bool, language: Language, stop: Arc<AtomicBool>) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        let shown = if json {
            Shown::Json
        } else if io::stderr().is_terminal() && !dumb {
            Shown::Bar(None)
        } else {
            Shown::Lines { last: None }
        };
        Self {
            out,
            shown,
            language,
            stop,
            told_stop: false,
            name: String::new(),
            waited: None,
        }
    }

    /// A line for the reader; one that cannot be written must not end a repair.
    pub fn line(&mut self, line: &str) {
        if let Shown::Bar(bar) = &mut self.shown
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }

    fn json(&mut self, value: &Value) {
        self.line(&value.to_string());
    }

    fn tell_stop(&mut self) {
        if self.stop.load(Ordering::Relaxed) && !self.told_stop {
            self.told_stop = true;
            match self.shown {
                Shown::Json => self.json(&json!({"event": "will-stop"})),
                _ => self.line(&say("show.will-stop", &[], self.language)),
            }
        }
    }

    fn draw(&mut self, going: &Going) {
        let message = self.message(going);
        let Shown::Bar(bar) = &mut self.shown else {
            return;
        };
        let bar = bar.get_or_insert_with(new_bar);
        bar.set_message(message);
        bar.set_position(u64::from(going.meter.permille));
        // Each tick turns the mark: what moves is alive.
        bar.tick();
    }

    fn message(&self, going: &Going) -> String {
        let values = [
            ("step", step_words(going.step, self.language)),
            ("pass", going.meter.pass.max(1).to_string()),
        ];
        let mut message = say("show.progress", &values, self.language);
        if going.silent_seconds >= SILENCE {
            let seconds = [("seconds", going.silent_seconds.to_string())];
            message += &say("show.waits", &seconds, self.language);
        }
        message
    }

    fn plain(&mut self, going: &Going) {
        let Shown::Lines { last } = &mut self.shown else {
            return;
        };
        let pass = going.meter.pass;
        let fresh = last.is_some_and(|(step, known, at)| {
            step == going.step && known == pass && at.elapsed() < LINE_EVERY
        });
        // A step that has not said anything yet, or a pass of an instant, is no news.
        if fresh || pass == 0 && going.seconds == 0 {
            return;
        }
        *last = Some((going.step, pass, Instant::now()));
        let values = [
            ("name", self.name.clone()),
            ("step", step_words(going.step, self.language)),
            ("pass", pass.max(1).to_string()),
            ("percent", (going.meter.permille / 10).to_string()),
            ("seconds", going.seconds.to_string()),
        ];
        let mut line = say("show.line", &values, self.language);
        if going.silent_seconds >= SILENCE {
            let seconds = [("seconds", going.silent_seconds.to_string())];
            line += &say("show.waits", &seconds, self.language);
        }
        self.line(&line);
    }
}

fn new_bar() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND);
    let style =
        ProgressStyle::with_template("{spinner} [{bar:16}] {percent:>3} % {elapsed:>4}  {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    // Console fonts have no other characters for certain.
    let style = style.progress_chars("=> ").tick_chars("|/-\\ ");
    ProgressBar::with_draw_target(Some(1000), target).with_style(style)
}

impl<W: Write> WatchRun for Show<W> {
    fn begins(&mut self, step: Step, _: u32) {
        if let Shown::Json = self.shown {
            let name = self.name.clone();
            self.json(&json!({"event": "step", "name": name, "step": step}));
        }
    }

    fn goes(&mut self, going: &Going) {
        self.tell_stop();
        match self.shown {
            Shown::Json => {
                let mut event = json!({"event": "progress", "name": self.name});
                merge(&mut event, serde_json::to_value(going));
                self.json(&event);
            }
            Shown::Bar(_) => self.draw(going),
            Shown::Lines { .. } => self.plain(going),
        }
    }

    fn asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl<W: Write> Watch for Show<W> {
    fn volume(&mut self, at: usize, of: usize, volume: &Volume) {
        self.name.clone_from(&volume.name);
        self.waited = None;
        let node = volume.node().display().to_string();
        if let Shown::Json = self.shown {
            let event =
                json!({"event": "volume", "at": at, "of": of, "name": volume.name, "node": node});
            return self.json(&event);
        }
        let values = [
            ("at", at.to_string()),
            ("of", of.to_string()),
            ("name", volume.name.clone()),
            ("node", node),
        ];
        self.line(&say("show.volume", &values, self.language));
    }

    fn waits(&mut self, percent: Option<u8>, seconds: u64) {
        self.tell_stop();
        let name = self.name.clone();
        if let Shown::Json = self.shown {
            let event =
                json!({"event": "waiting", "name": name, "percent": percent, "seconds": seconds});
            return self.json(&event);
        }
        let tens = seconds / LINE_EVERY.as_secs();
        if self.waited.replace(tens) == Some(tens) {
            return;
        }
        let percent = percent.map_or_else(|| "?".to_owned(), |percent| percent.to_string());
        let values = [
            ("name", name),
            ("percent", percent),
            ("seconds", seconds.to_string()),
        ];
        self.line(&say("show.synchronising", &values, self.language));
    }

    fn ends(&mut self, report: &VolumeReport) {
        if let Shown::Lines { last } = &mut self.shown {
            *last = None;
        }
        match self.shown {
            Shown::Json => {
                let mut event = json!({"event": "result"});
                merge(&mut event, serde_json::to_value(report));
                without_output(&mut event);
                self.json(&event);
            }
            _ => self.line(&report.lines(self.language).join("\n")),
        }
    }
}

fn merge(event: &mut Value, more: serde_json::Result<Value>) {
    if let (Some(event), Ok(Value::Object(more))) = (event.as_object_mut(), more) {
        event.extend(more);
    }
}

/// What e2fsck said as it stands is in the report; a line would be as long as that.
fn without_output(event: &mut Value) {
    let steps = event.get_mut("steps").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten() {
        if let Some(step) = step.as_object_mut() {
            step.remove("output");
        }
    }
}
