//! The settings, the trial of a network, and the history. Pure.

use askama::Template;
use serde_json::Value;

use crate::admin::who::Fields;
use crate::fields::{Field, Kind, SECTIONS, Section};
use crate::frame::Frame;
use crate::language::Language;
use crate::scripts;
use crate::words::settings::SettingsWords;
use crate::written::{date, localized};

/// What is wrong with a field, as the broker tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub field: String,
    pub why: String,
}

impl Problem {
    /// Of an event, in a language; nothing of another one.
    pub fn of(event: &Value, language: Language) -> Option<Self> {
        let field = event["field"].as_str().unwrap_or_default();
        (event["event"] == "problem").then(|| Self {
            field: field.to_owned(),
            why: localized(event, language).to_owned(),
        })
    }
}

/// All settings that have fields.
#[derive(Template)]
#[template(path = "settings.html")]
pub struct SettingsPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static SettingsWords,
    pub settings: &'a Value,
    /// Of the settings that are shown.
    pub generation: Option<u64>,
    /// What was typed into which section, where it was not saved.
    pub typed: Option<(&'static str, &'a Fields)>,
    pub problems: &'a [Problem],
    pub why: Option<&'a str>,
    pub done: Option<&'a str>,
}

/// One field as it is shown.
struct Shown<'a> {
    id: String,
    field: &'static Field,
    text: String,
    problems: Vec<&'a str>,
}

impl Shown<'_> {
    fn is_flag(&self) -> bool {
        matches!(self.field.kind, Kind::Flag)
    }

    fn is_list(&self) -> bool {
        matches!(self.field.kind, Kind::List)
    }

    fn kind(&self) -> &'static str {
        match self.field.kind {
            Kind::Number => "number",
            _ => "text",
        }
    }

    fn choices(&self, w: &SettingsWords) -> Vec<(&'static str, &'static str, bool)> {
        let Kind::Choice(choices) = self.field.kind else {
            return Vec::new();
        };
        let choices = choices.iter();
        choices
            .map(|(value, name)| (*value, name(w), *value == self.text))
            .collect()
    }
}

impl<'a> SettingsPage<'a> {
    fn sections(&self) -> &'static [Section] {
        &SECTIONS
    }

    fn shown(&self, section: &Section) -> Vec<Shown<'a>> {
        let typed = self.typed.filter(|(name, _)| *name == section.name);
        let shown = section.fields.iter().map(|field| Shown {
            id: field.id(),
            field,
            text: match typed {
                Some((_, form)) => form.one(field.path).to_owned(),
                None => field.text(self.settings),
            },
            problems: self.of(|problem| field.is_at(&problem.field)),
        });
        shown.collect()
    }

    fn of(&self, which: impl Fn(&Problem) -> bool) -> Vec<&'a str> {
        let problems = self.problems.iter().filter(|problem| which(problem));
        problems.map(|problem| problem.why.as_str()).collect()
    }

    /// Problems of what has no field here.
    fn others(&self) -> Vec<&'a str> {
        let all = || SECTIONS.iter().flat_map(|section| section.fields);
        self.of(|problem| !all().any(|field| field.is_at(&problem.field)))
    }

    fn script(&self) -> &'static str {
        scripts::SETTINGS
    }
}

/// A network that goes away by itself unless it is confirmed.
#[derive(Template)]
#[template(path = "trial.html")]
pub struct TrialPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static SettingsWords,
    /// Seconds; none where nothing is on trial.
    pub left: Option<u64>,
    /// Where the appliance is to be found meanwhile, where that is known.
    pub address: Option<String>,
}

impl TrialPage<'_> {
    fn script(&self) -> &'static str {
        scripts::TRIAL
    }
}

/// One generation of the settings.
pub struct Generation {
    pub number: u64,
    pub saved: Option<String>,
    pub who: Option<String>,
    pub in_use: bool,
}

impl Generation {
    /// Of an event.
    pub fn of(event: &Value) -> Option<Self> {
        let saved = event["saved_at"].as_i64().map(date);
        Some(Self {
            number: event["number"].as_u64()?,
            saved,
            who: event["who"].as_str().map(str::to_owned),
            in_use: event["in_use"] == true,
        })
    }
}

/// All generations that are kept.
#[derive(Template)]
#[template(path = "history.html")]
pub struct HistoryPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static SettingsWords,
    pub generations: Vec<Generation>,
    pub why: Option<&'a str>,
}

/// How a generation differs from what is in use.
#[derive(Template)]
#[template(path = "diff.html")]
pub struct DiffPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static SettingsWords,
    pub number: u64,
    /// Field, then, now.
    pub changes: Vec<(String, Option<String>, Option<String>)>,
    pub why: Option<&'a str>,
    pub problems: &'a [Problem],
}

/// A value as a person reads it.
pub fn value(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::frame::tests::frame;
    use crate::golden;

    fn settings() -> Value {
        json!({
            "system": {"hostname": "nvr-\"><b>", "timezone": "Europe/Paris", "language": "fr", "keymap": "fr"},
            "network": {
                "enterprise": {"dhcp": true, "dns": ["9.9.9.9", "2620:fe::fe"]},
                "cameras": {"address": "10.20.0.1/16", "interface": "enp2s0"},
                "routing": true,
            },
            "web": {"idle_minutes": 15},
            "registration": {"organisation": "<b>"},
            "update": {"automatic": "download"},
        })
    }

    #[test]
    fn pages() {
        let settings = settings();
        let typed = [("system.hostname", "<b>"), ("system.language", "en")];
        let typed = typed.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let typed = Fields(typed.to_vec());
        let problem = |field: &str| Problem {
            field: field.to_owned(),
            why: format!("wrong {field} <b>"),
        };
        let problems = ["system.hostname", "time.ntp.0", "volumes.0"].map(problem);
        for (language, name, typed, problems) in [
            (Language::En, "settings.en", None, &[][..]),
            (
                Language::Fr,
                "settings.fr",
                Some(("system", &typed)),
                &problems[..],
            ),
        ] {
            let w = SettingsWords::of(language);
            let page = SettingsPage {
                frame: frame(language, "/settings", w.title),
                w,
                settings: &settings,
                generation: Some(7),
                typed,
                problems,
                why: (!problems.is_empty()).then_some(w.problems),
                done: None,
            };
            golden::page(name, &page.render().expect("rendered"));
        }
    }

    #[test]
    fn trials() {
        let w = SettingsWords::of(Language::En);
        let page = |left, address: Option<&str>| {
            let page = TrialPage {
                frame: frame(Language::En, "/settings/trial", w.trial),
                w,
                left,
                address: address.map(str::to_owned),
            };
            page.render().expect("rendered")
        };
        golden::page("trial.en", &page(Some(42), Some("https://10.0.0.5/")));
        golden::page("trial-over.en", &page(None, None));
    }

    #[test]
    fn history() {
        let w = SettingsWords::of(Language::Fr);
        let events = [
            json!({"event": "generation", "number": 8, "saved_at": 1_700_000_000, "who": "<b>", "in_use": true}),
            json!({"event": "generation", "number": 7, "saved_at": null, "who": null, "in_use": false}),
        ];
        let page = HistoryPage {
            frame: frame(Language::Fr, "/settings/history", w.history),
            w,
            generations: events.iter().filter_map(Generation::of).collect(),
            why: None,
        };
        golden::page("history.fr", &page.render().expect("rendered"));
        let w = SettingsWords::of(Language::En);
        let page = DiffPage {
            frame: frame(Language::En, "/settings/history", w.history),
            w,
            number: 7,
            changes: vec![
                ("system.hostname".into(), value(&json!("<b>")), None),
                (
                    "web.idle_minutes".into(),
                    value(&json!(15)),
                    value(&json!(30)),
                ),
            ],
            why: None,
            problems: &[],
        };
        golden::page("diff.en", &page.render().expect("rendered"));
    }
}
