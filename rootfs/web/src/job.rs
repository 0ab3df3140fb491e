//! An installation that was asked for here: how far it is, and how it ended.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::language::Language;
use crate::update_messages::UpdateMessages;
use crate::updater::{Failure, Updater};

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    phase: Option<String>,
    done: u64,
    total: u64,
    /// None while it goes on.
    outcome: Option<Result<(), Failure>>,
}

impl Job {
    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        self.outcome.is_none()
    }

    /// Why it failed.
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.as_ref()?.as_ref().err()
    }

    /// How far its phase is, in percent.
    pub fn percent(&self) -> u64 {
        let percent = u128::from(self.done) * 100 / u128::from(self.total.max(1));
        u64::try_from(percent).unwrap_or(100).min(100)
    }

    /// What is being done.
    pub fn phase(&self, language: Language) -> &'static str {
        let m = UpdateMessages::of(language);
        match self.phase.as_deref() {
            Some("base") => m.phase_base,
            Some("check") => m.phase_check,
            Some("write") => m.phase_write,
            Some("read-back") => m.phase_read_back,
            _ => m.phase_begin,
        }
    }

    /// For the page's script.
    pub fn json(&self, language: Language) -> Value {
        json!({
            "running": self.is_running(),
            "text": self.phase(language),
            "percent": self.percent(),
        })
    }

    fn note(&mut self, event: &Value) {
        if event["event"] == "progress" {
            self.phase = event["phase"].as_str().map(str::to_owned);
            self.done = event["done"].as_u64().unwrap_or_default();
            self.total = event["total"].as_u64().unwrap_or_default();
        }
    }
}

/// The last job, if there was any. The updater itself sees to it that there is one at a time.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<Option<Job>>>);

impl Jobs {
    fn with<T>(&self, look: impl FnOnce(&mut Option<Job>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last one.
    pub fn last(&self) -> Option<Job> {
        self.with(|job| job.clone())
    }

    /// Begins to apply a package; false where one is being applied.
    pub fn begin(&self, updater: Updater, id: String, who: String) -> bool {
        let free = self.with(|job| {
            let free = !job.as_ref().is_some_and(Job::is_running);
            if free {
                *job = Some(Job::default());
            }
            free
        });
        if free {
            let jobs = self.clone();
            tokio::spawn(async move {
                let request = json!({"verb": "apply", "id": id, "who": who});
                let tell = |event: Value| {
                    jobs.with(|job| {
                        if let Some(job) = job {
                            job.note(&event);
                        }
                    });
                };
                let outcome = updater.ask(&request, tell).await;
                jobs.with(|job| {
                    if let Some(job) = job {
                        job.outcome = Some(outcome);
                    }
                });
            });
        }
        free
    }
}
