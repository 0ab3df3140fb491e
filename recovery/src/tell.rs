//! How an action speaks: words for a person, JSON lines for a script, a bar on a terminal, or one line that is
//! written anew where that cannot show one.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use vigie_disk::Bytes;
use vigie_settings::Language;

use crate::check::bar::{Bar, DRAWN_PER_SECOND};
use crate::check::line::Line;
use crate::full::Freed;
use crate::message::{Message, words_of};
use crate::refusal::Refusal;

/// Events of progress come no more often.
const EVERY: Duration = Duration::from_millis(500);

/// Exit codes of all actions.
pub mod exit {
    /// It is done.
    pub const DONE: u8 = 0;
    /// It failed.
    pub const FAILED: u8 = 1;
    /// Wrong use.
    pub const USAGE: u8 = 2;
    /// It was refused, and nothing was changed.
    pub const REFUSED: u8 = 3;
}

/// Speaks to whoever started an action.
pub struct Tell {
    /// Whether to a script.
    pub json: bool,
    /// The person's language.
    pub language: Language,
    bar: Option<ProgressBar>,
    line: Option<Line>,
    last: Option<Instant>,
}

impl Tell {
    /// To a script, or to a person in a language.
    #[must_use]
    pub const fn new(json: bool, language: Language) -> Self {
        Self {
            json,
            language,
            bar: None,
            line: None,
            last: None,
        }
    }

    /// Says something; a script gets an event of this name.
    pub fn say(&mut self, event: &str, message: &Message) {
        self.with(event, message, json!({}));
    }

    /// The same, with values for a script.
    pub fn with(&mut self, event: &str, message: &Message, mut values: Value) {
        self.clear();
        if !self.json {
            println!("{}", message.to(self.language));
            return;
        }
        values["event"] = event.into();
        values["text"] = message.to(Language::En).into();
        values["text_fr"] = message.to(Language::Fr).into();
        println!("{values}");
    }

    /// Warns.
    pub fn warn(&mut self, message: &Message) {
        if self.json {
            return self.say("warning", message);
        }
        self.clear();
        eprintln!("vigie-recovery: {}", message.to(self.language));
    }

    /// Warns of what went to make room, if anything did.
    pub fn freed(&mut self, freed: Option<&Freed>) {
        if let Some(freed) = freed {
            self.warn(&freed.message());
        }
    }

    /// How far something is.
    pub fn progress(&mut self, what: &Message, done: Bytes, total: Bytes) {
        let soon = self.last.is_some_and(|last| last.elapsed() < EVERY);
        if soon && done < total {
            return;
        }
        self.last = Some(Instant::now());
        if self.json {
            let (done, total) = (done.get(), total.get());
            let text = what.to(Language::En);
            println!(
                "{}",
                json!({"event": "progress", "text": text, "done": done, "total": total})
            );
            return;
        }
        if !Bar::fits() {
            return self.line(what, done, total);
        }
        let bar = self.bar.get_or_insert_with(|| {
            let target = ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND);
            let bar = ProgressBar::with_draw_target(Some(total.get()), target);
            let style =
                ProgressStyle::with_template("{msg} [{bar:30}] {percent:>3} % {bytes_per_sec}");
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("#>-"));
            }
            bar
        });
        bar.set_length(total.get());
        bar.set_message(what.to(self.language));
        bar.set_position(done.get());
    }

    /// On a terminal that can do little; a log gets nothing of it.
    fn line(&mut self, what: &Message, done: Bytes, total: Bytes) {
        if !io::stdout().is_terminal() {
            return;
        }
        let text = format!("{} {} %", what.to(self.language), percent(done, total));
        let line = self.line.get_or_insert_default();
        // A terminal that is gone ends nothing.
        let _ = line.moves(&mut io::stdout(), &text);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if let Some(mut line) = self.line.take() {
            let _ = line.clear(&mut io::stdout());
        }
        self.last = None;
    }

    /// Says in whose words it was refused; the exit code.
    pub fn refused(&mut self, english: &str, french: &str) -> u8 {
        self.clear();
        if self.json {
            let event = json!({"event": "refused", "text": english, "text_fr": french});
            println!("{event}");
        } else {
            let words = match self.language {
                Language::En => english,
                Language::Fr => french,
            };
            eprintln!("vigie-recovery: {words}");
        }
        exit::REFUSED
    }

    /// Says why an action was not done; the exit code.
    pub fn failed(&mut self, error: &anyhow::Error) -> u8 {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            let message = refusal.message();
            return self.refused(&message.to(Language::En), &message.to(Language::Fr));
        }
        self.clear();
        let text = |language| words_of(error, language);
        if self.json {
            let (english, french) = (text(Language::En), text(Language::Fr));
            let event = json!({"event": "failed", "text": english, "text_fr": french});
            println!("{event}");
        } else {
            eprintln!("vigie-recovery: {}", text(self.language));
        }
        exit::FAILED
    }
}

fn percent(done: Bytes, total: Bytes) -> u64 {
    let (done, total) = (u128::from(done.get()), u128::from(total.get()));
    let percent = (done * 100).checked_div(total).unwrap_or(100);
    u64::try_from(percent.min(100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_of_any_sizes_are_such() {
        for (done, total, expected) in [
            (0, 10, 0),
            (5, 10, 50),
            (20, 10, 100),
            (0, 0, 100),
            (u64::MAX / 2, u64::MAX, 49),
        ] {
            assert_eq!(percent(Bytes::new(done), Bytes::new(total)), expected);
        }
    }
}
