//! Three ways to show progress: a bar where a person watches a terminal, lines
//! where it cannot move its cursor, JSON lines where a program reads.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use vigie_settings::Language;

use super::{Event, Phase, Progress};

/// The renderer that fits: JSON if asked for, a bar on a terminal that can
/// show one, plain lines otherwise.
pub fn fitting(json: bool, language: Language) -> Box<dyn Progress> {
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb" || term.is_empty());
    if json {
        Box::new(JsonLines::new(io::stdout()))
    } else if io::stderr().is_terminal() && !dumb {
        Box::new(Bar::new(language))
    } else {
        Box::new(Lines::new(io::stderr(), language))
    }
}

/// Often enough for eyes; a line of 9600 baud carries eleven such bars a second.
const DRAWN_PER_SECOND: u8 = 3;

/// A phase of more than this is counted in bytes; fewer are steps, which have no rate.
const MOST_STEPS: u64 = 10_000;

/// A bar of ASCII characters: console fonts have no others for certain.
pub struct Bar {
    language: Language,
    bar: Option<(Phase, ProgressBar)>,
}

impl Bar {
    /// A bar on the error output.
    pub fn new(language: Language) -> Self {
        Self {
            language,
            bar: None,
        }
    }

    fn start(&mut self, event: &Event) {
        // 75 columns; a line that is broken could not be drawn over.
        let template = match event.total > MOST_STEPS {
            true => "{msg:32} [{bar:14}] {percent:>3} %  {bytes_per_sec:>12}  {eta:>4}",
            false => "{msg:32} [{bar:14}] {percent:>3} %",
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let target = ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(event.total), target).with_style(style);
        bar.set_message(event.phase.text().to(self.language));
        self.bar = Some((event.phase, bar));
    }
}

impl Progress for Bar {
    fn event(&mut self, event: &Event) {
        if self
            .bar
            .as_ref()
            .is_none_or(|(phase, _)| *phase != event.phase)
        {
            self.start(event);
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_position(event.done);
            if event.done == event.total {
                bar.finish();
            }
        }
    }
}

/// A line at the start of each phase and at each quarter of a long one.
pub struct Lines<W> {
    out: W,
    language: Language,
    last: Option<(Phase, u64)>,
}

impl<W: Write> Lines<W> {
    /// Lines to an output.
    pub fn new(out: W, language: Language) -> Self {
        Self {
            out,
            language,
            last: None,
        }
    }
}

impl<W: Write> Progress for Lines<W> {
    fn event(&mut self, event: &Event) {
        let quarter = event.done * 4 / event.total;
        let now = Some((event.phase, quarter));
        if self.last == now {
            return;
        }
        self.last = now;
        let text = event.phase.text().to(self.language);
        let colon = match self.language {
            Language::En => ":",
            Language::Fr => " :",
        };
        // Progress that cannot be shown must not stop the installation.
        let _ = match quarter {
            0 => writeln!(self.out, "{text}..."),
            _ => writeln!(self.out, "{text}{colon} {} %", quarter * 25),
        };
    }
}

/// One JSON object a line: `{"event":"progress","phase":"system","done":1,"total":2,"rate":3}`.
pub struct JsonLines<W> {
    out: W,
    last: Option<(Phase, u64)>,
}

impl<W: Write> JsonLines<W> {
    /// Lines to an output.
    pub fn new(out: W) -> Self {
        Self { out, last: None }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    #[serde(flatten)]
    progress: &'a Event,
}

impl<W: Write> Progress for JsonLines<W> {
    fn event(&mut self, event: &Event) {
        // One line a per cent at most.
        let percent = u128::from(event.done) * 100 / u128::from(event.total);
        let now = Some((event.phase, percent as u64));
        if self.last == now {
            return;
        }
        self.last = now;
        let line = Line {
            event: "progress",
            progress: event,
        };
        if let Ok(line) = serde_json::to_string(&line) {
            let _ = writeln!(self.out, "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(progress: &mut dyn Progress) {
        for done in 0..=1000 {
            progress.event(&Event {
                phase: Phase::System,
                done,
                total: 1000,
                rate: Some(500),
            });
        }
    }

    #[test]
    fn the_names_of_phases_fit_before_the_bar() {
        for phase in Phase::ALL {
            for language in [Language::En, Language::Fr] {
                let name = phase.text().to(language);
                assert!(name.chars().count() <= 32, "{name}");
            }
        }
    }

    #[test]
    fn lines_are_few() {
        let mut out = Vec::new();
        feed(&mut Lines::new(&mut out, Language::Fr));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Écriture du système...\nÉcriture du système : 25 %\nÉcriture du système : 50 %\n\
             Écriture du système : 75 %\nÉcriture du système : 100 %\n"
        );
    }

    #[test]
    fn json_lines_are_objects_and_end_at_the_total() {
        let mut out = Vec::new();
        feed(&mut JsonLines::new(&mut out));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 101);
        assert_eq!(
            text.lines().last(),
            Some(r#"{"event":"progress","phase":"system","done":1000,"total":1000,"rate":500}"#)
        );
    }
}
