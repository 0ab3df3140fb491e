//! A change of the settings: checked as a whole, confirmed, saved; on trial where it could cut people
//! off.

use std::io;

use serde::Serialize;
use serde_json::{Value, json};
use vigie_prompt::Answer;
use vigie_settings::{Network, System, Time};

use super::Menu;
use crate::broker::{Trouble, all, event};

/// One field, and what it becomes; nothing where its default is to hold again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Such as `network.enterprise.address`.
    pub path: String,
    /// The value.
    pub value: Value,
}

impl Change {
    /// A field that gets a value.
    pub fn to(path: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            path: path.into(),
            value: value.into(),
        }
    }
}

/// The part of the settings in use that the pages show.
pub struct Seen {
    /// Its number, by which a change of somebody else in between is noticed.
    pub generation: Option<u64>,
    /// Without secrets.
    pub settings: Value,
}

impl Seen {
    /// The two networks.
    pub fn network(&self) -> Network {
        self.part("network")
    }

    /// Name, language, keyboard.
    pub fn system(&self) -> System {
        self.part("system")
    }

    /// Time servers.
    pub fn time(&self) -> Time {
        self.part("time")
    }

    fn part<T: Default + serde::de::DeserializeOwned>(&self, name: &str) -> T {
        let part = self.settings.get(name).cloned();
        part.and_then(|part| serde_json::from_value(part).ok())
            .unwrap_or_default()
    }
}

impl Menu<'_> {
    /// The settings in use; none where that was said.
    pub(super) fn seen(&mut self) -> io::Result<Option<Seen>> {
        let Some(told) = self.ask(&json!({"verb": "settings-get"}))? else {
            return Ok(None);
        };
        let settings = event(&told, "settings").cloned().unwrap_or_default();
        Ok(Some(Seen {
            generation: settings["generation"].as_u64(),
            settings: settings["settings"].clone(),
        }))
    }

    /// Makes a change, once the person has seen it and is sure. Whether it was saved, or is on trial.
    pub(super) fn change(&mut self, seen: &Seen, changes: &[Change]) -> io::Result<bool> {
        if changes.is_empty() {
            self.notice("change.nothing", &[])?;
            return Ok(false);
        }
        let check = json!({"verb": "settings-check", "changes": changes});
        let Some(told) = self.ask(&check)? else {
            return Ok(false);
        };
        if self.problems(&told)? {
            return Ok(false);
        }
        let mut lines = vec![self.say("change.these", &[])];
        lines.extend(changes.iter().map(|change| self.changed(change)));
        if self.tell(lines)? == Answer::Back || !self.sure("change.save")? {
            return Ok(false);
        }
        self.save(seen, changes)
    }

    /// The same without a question, for what nobody regrets.
    pub(super) fn save(&mut self, seen: &Seen, changes: &[Change]) -> io::Result<bool> {
        let mut request = json!({"verb": "settings-set", "changes": changes});
        if let Some(generation) = seen.generation {
            request["generation"] = generation.into();
        }
        match self.request(&request) {
            Ok(told) => self.saved(&told).map(|()| true),
            Err(trouble) => self.not_saved(&trouble).map(|()| false),
        }
    }

    fn saved(&mut self, told: &[Value]) -> io::Result<()> {
        let warnings: Vec<String> = all(told, "warning").map(|one| self.reason(one)).collect();
        let saved = event(told, "saved").cloned().unwrap_or_default();
        if let Some(left) = saved["trial"].as_u64() {
            if !warnings.is_empty() {
                self.told(warnings)?;
            }
            return self.trial(left);
        }
        let mut lines = vec![self.say("change.saved", &[])];
        let later = saved["after_restart"].as_array().into_iter().flatten();
        let later: Vec<&str> = later.filter_map(Value::as_str).collect();
        if !later.is_empty() {
            let fields = later.join(", ");
            lines.push(self.say("change.after-restart", &[("fields", fields)]));
        }
        lines.extend(warnings);
        self.told(lines)
    }

    fn not_saved(&mut self, trouble: &Trouble) -> io::Result<()> {
        if !self.problems(trouble.events())? {
            self.trouble(trouble)?;
        }
        Ok(())
    }

    /// Says what is wrong with a change; whether there was something.
    fn problems(&mut self, told: &[Value]) -> io::Result<bool> {
        let problem = |problem: &Value| {
            let field = problem["field"].as_str().unwrap_or_default();
            format!("  {field}: {}", self.reason(problem))
        };
        let problems: Vec<String> = all(told, "problem").map(problem).collect();
        if problems.is_empty() {
            return Ok(false);
        }
        let mut lines = vec![self.say("change.refused", &[])];
        lines.extend(problems);
        self.told(lines)?;
        Ok(true)
    }

    fn changed(&self, change: &Change) -> String {
        let value = match &change.value {
            Value::Null => self.say("change.unset", &[]),
            Value::String(text) => text.clone(),
            Value::Array(list) => {
                let words = list.iter().map(|one| match one {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                words.collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        format!("  {} = {value}", change.path)
    }

    /// New addresses are in force for so many seconds more; they are saved when somebody who came
    /// through to here says so, and go by themselves otherwise.
    pub(super) fn trial(&mut self, left: u64) -> io::Result<()> {
        self.page("trial.title")?;
        let text = self.say("trial.text", &[("seconds", left.to_string())]);
        self.tell(vec![text])?;
        // Enter that was pressed out of impatience, before anybody could look, keeps nothing.
        self.prompter().forget_typed()?;
        let verb = match self.choose(&["trial.keep", "trial.back"], 0)? {
            Answer::Given(0) => "network-confirm",
            Answer::Given(_) => "network-revert",
            // It goes back by itself.
            Answer::Back => return Ok(()),
        };
        if self.ask(&json!({"verb": verb}))?.is_none() {
            return Ok(());
        }
        self.notice(
            match verb {
                "network-confirm" => "trial.kept",
                _ => "trial.went-back",
            },
            &[],
        )
    }
}
