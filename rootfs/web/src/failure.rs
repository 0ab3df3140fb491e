//! Why something was not done, in both languages, as another service or this one says it.

use serde_json::{Value, json};

use crate::language::Language;
use crate::written::localized;

/// What somebody must know of what was done all the same, as a service tells it in `warning`s.
pub fn warnings(events: &[Value], language: Language) -> Option<String> {
    let warnings = events.iter().filter(|event| event["event"] == "warning");
    let texts: Vec<&str> = warnings.map(|event| localized(event, language)).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}

/// Why something was not done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// One word for programs.
    pub code: Option<String>,
    /// It was judged and is not wanted; otherwise something went wrong on the way.
    pub refused: bool,
    /// The machine is at fault, and nothing is known against what was asked.
    pub machine: bool,
    english: String,
    french: String,
}

impl Failure {
    /// A refusal.
    pub fn new(english: &str, french: &str) -> Self {
        Self {
            code: None,
            refused: true,
            machine: false,
            english: english.to_owned(),
            french: french.to_owned(),
        }
    }

    /// A refusal with a word for programs.
    pub fn coded(code: &str, english: &str, french: &str) -> Self {
        Self {
            code: Some(code.to_owned()),
            ..Self::new(english, french)
        }
    }

    /// The machine is at fault.
    pub fn machine(english: &str, french: &str) -> Self {
        Self {
            refused: false,
            machine: true,
            ..Self::new(english, french)
        }
    }

    /// Of an event with `reason` and `reason_fr`.
    pub fn of(event: &Value) -> Self {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let french = match text("reason_fr") {
            french if french.is_empty() => text("reason"),
            french => french,
        };
        Self {
            code: event["code"].as_str().map(str::to_owned),
            refused: event["event"] != "failed",
            machine: event["fault"] == "machine",
            english: text("reason"),
            french,
        }
    }

    /// Whether it has this code.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// The reason for a person.
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::En => &self.english,
            Language::Fr => &self.french,
        }
    }

    /// Both, for a script.
    pub fn json(&self) -> Value {
        json!({"refused": self.refused, "reason": self.english, "reason_fr": self.french})
    }
}
