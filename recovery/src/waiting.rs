//! What a person waits for while the state volume is made ready for an action: told when it takes
//! longer than they would bear in silence, then every ten seconds.

use vigie_settings::Language;

use crate::check::report::{VolumeReport, progress_words};
use crate::check::run::{self, Going};
use crate::check::{Step, Volume, Watch};
use crate::message::Message;
use crate::tell::Tell;

/// Nobody asks what is going on before, in seconds.
const SILENT: u64 = 2;
/// From one line to the next, in seconds.
const EVERY: u64 = 10;

/// Tells of it in lines.
pub struct Waiting {
    tell: Tell,
    /// When it was told last, in seconds of what is waited for.
    last: Option<u64>,
}

impl Waiting {
    /// Tells a script, or a person in a language.
    #[must_use]
    pub const fn new(json: bool, language: Language) -> Self {
        let tell = Tell::new(json, language);
        Self { tell, last: None }
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
        if self.is_due(going.seconds) {
            let progress = |language| progress_words(going.step, going.meter, language);
            let message = Message::new("state.mending")
                .both("progress", progress(Language::En), progress(Language::Fr))
                .with("seconds", going.seconds);
            self.tell.say("mending", &message);
        }
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
        if self.is_due(seconds) {
            let percent = percent.map_or_else(|| "?".to_owned(), |percent| percent.to_string());
            let message = Message::new("state.waiting")
                .with("percent", percent)
                .with("seconds", seconds);
            self.tell.say("waiting", &message);
        }
    }

    fn ends(&mut self, _: &VolumeReport) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::run::Watch as _;

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
