//! What a person waits for while the state volume is made ready for an action: told when it takes
//! longer than they would bear in silence; then a bar moves, a line is written anew, or, where there is no terminal,
//! there is one every ten seconds.

use std::io::{self, IsTerminal};

use vigie_settings::Language;

use crate::check::bar::Bar;
use crate::check::line::Line;
use crate::check::report::{VolumeReport, progress_words};
use crate::check::run::{self, Going};
use crate::check::{Step, Volume, Watch};
use crate::message::Message;
use crate::tell::Tell;

/// Nobody asks what is going on before, in seconds.
const SILENT: u64 = 2;
/// From one line to the next, in seconds.
const EVERY: u64 = 10;

/// Tells of it.
pub struct Waiting {
    tell: Tell,
    /// Where one fits.
    bar: Option<Bar>,
    /// On a terminal where none does.
    line: Option<Line>,
    /// When it was told last, in seconds of what is waited for.
    last: Option<u64>,
}

impl Waiting {
    /// Tells a script, or a person in a language.
    #[must_use]
    pub fn new(json: bool, language: Language) -> Self {
        let bar = (!json && Bar::fits()).then(Bar::default);
        let line = !json && bar.is_none() && io::stdout().is_terminal();
        Self {
            line: line.then(Line::default),
            ..Self::with(bar, json, language)
        }
    }

    const fn with(bar: Option<Bar>, json: bool, language: Language) -> Self {
        Self {
            tell: Tell::new(json, language),
            bar,
            line: None,
            last: None,
        }
    }

    /// Tells an event at a second of what is waited for, with how much of it is over.
    fn at(&mut self, seconds: u64, permille: u64, event: &str, message: impl FnOnce() -> Message) {
        if let Some(bar) = &mut self.bar {
            if seconds >= SILENT {
                bar.moves(message().to(self.tell.language), permille);
            }
        } else if let Some(line) = &mut self.line {
            if seconds >= SILENT {
                let text = message().to(self.tell.language);
                let _ = line.moves(&mut io::stdout(), &text);
            }
        } else if self.is_due(seconds) {
            self.tell.say(event, &message());
        }
    }

    /// Whether a line is due at this second.
    fn is_due(&mut self, seconds: u64) -> bool {
        let due = match self.last {
            None => seconds >= SILENT,
            Some(last) => seconds >= last + EVERY,
        };
        if due {
            self.last = Some(seconds);
        }
        due
    }
}

impl run::Watch for Waiting {
    fn begins(&mut self, _: Step, _: u32) {
        self.last = None;
    }

    fn goes(&mut self, going: &Going) {
        let message = || {
            let progress = |language| progress_words(going.step, going.meter, language);
            Message::new("state.mending")
                .both("progress", progress(Language::En), progress(Language::Fr))
                .with("seconds", going.seconds)
        };
        let permille = u64::from(going.meter.permille);
        self.at(going.seconds, permille, "mending", message);
    }

    fn asked_to_stop(&self) -> bool {
        false
    }
}

impl Watch for Waiting {
    fn volume(&mut self, _: usize, _: usize, _: &Volume) {
        self.last = None;
    }

    fn waits(&mut self, percent: Option<u8>, seconds: u64) {
        let message = || {
            let percent = percent.map_or_else(|| "?".to_owned(), |percent| percent.to_string());
            Message::new("state.waiting")
                .with("percent", percent)
                .with("seconds", seconds)
        };
        let permille = u64::from(percent.unwrap_or(0)) * 10;
        self.at(seconds, permille, "waiting", message);
    }

    fn ends(&mut self, _: &VolumeReport) {
        if let Some(bar) = &mut self.bar {
            bar.clear();
        }
        if let Some(line) = &mut self.line {
            let _ = line.clear(&mut io::stdout());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::run::Watch as _;

    #[test]
    fn a_bar_moves_each_time_and_goes_at_the_end() {
        let mut waiting = Waiting::with(Some(Bar::default()), false, Language::Fr);
        let mut is_there = |seconds| {
            waiting.waits(Some(40), seconds);
            waiting.bar.as_ref().is_some_and(Bar::is_there)
        };
        assert_eq!([0, 1, 2, 3].map(&mut is_there), [false, false, true, true]);
        let volume = Volume {
            name: "state".to_owned(),
            path: Ok("/dev/vda7".into()),
        };
        waiting.ends(&VolumeReport::new(&volume, 0));
        assert!(!waiting.bar.unwrap().is_there());
    }

    #[test]
    fn a_line_comes_after_two_seconds_and_then_every_ten() {
        let mut waiting = Waiting::new(true, Language::Fr);
        let due: Vec<u64> = (0..40).filter(|at| waiting.is_due(*at)).collect();
        assert_eq!(due, [2, 12, 22, 32]);
        // The next step begins anew.
        waiting.begins(Step::Repair, 1);
        assert!(!waiting.is_due(0) && waiting.is_due(2));
    }
}
