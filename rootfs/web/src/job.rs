//! An installation that was asked for here: how far it is, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::language::Language;
use crate::update_messages::UpdateMessages;
use crate::updater::Updater;

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    phase: Option<String>,
    done: u64,
    total: u64,
    /// What another disk of the system said, in both languages; it is installed all the same.
    warning: Option<[String; 2]>,
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

    /// What another disk of the system said, where it is installed.
    pub fn warning(&self, language: Language) -> Option<&str> {
        let [english, french] = self.warning.as_ref()?;
        Some(match language {
            Language::En => english,
            Language::Fr => french,
        })
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

    /// Whether an event tells how far it is, or with what it has ended.
    fn note(&mut self, event: &Value) -> bool {
        let progress = event["event"] == "progress";
        if event["event"] == "installed"
            && let Some(english) = event["warning"].as_str()
        {
            let french = event["warning_fr"].as_str().unwrap_or(english);
            self.warning = Some([english, french].map(str::to_owned));
            return true;
        }
        if progress {
            self.phase = event["phase"].as_str().map(str::to_owned);
            self.done = event["done"].as_u64().unwrap_or_default();
            self.total = event["total"].as_u64().unwrap_or_default();
        }
        progress
    }
}

/// The last job, if there was any. The updater itself sees to it that there is one at a time.
#[derive(Clone)]
pub struct Jobs(Arc<watch::Sender<Last>>);

/// The last job, and how often it has changed since the service was started.
#[derive(Clone, Debug, Default)]
pub struct Last {
    /// What can be asked for by who has seen it.
    pub revision: u64,
    /// None where there was none.
    pub job: Option<Job>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Last::default())))
    }
}

impl Jobs {
    /// Changes the job, where `change` says that it did.
    fn change(&self, change: impl FnOnce(&mut Option<Job>) -> bool) -> bool {
        self.0.send_if_modified(|last| {
            let changed = change(&mut last.job);
            last.revision += u64::from(changed);
            changed
        })
    }

    /// The last one.
    pub fn last(&self) -> Option<Job> {
        self.0.borrow().job.clone()
    }

    /// The last one, as soon as it is another than what was seen at `revision`, or as it is after
    /// `patience`.
    pub async fn after(&self, revision: u64, patience: Duration) -> Last {
        let mut last = self.0.subscribe();
        let changed = last.wait_for(|last| last.revision != revision);
        if let Ok(Ok(last)) = timeout(patience, changed).await {
            return last.clone();
        }
        self.0.borrow().clone()
    }

    /// Begins to have a package applied, by this request; false where one is being applied.
    pub fn begin(&self, updater: Updater, request: Value) -> bool {
        let free = self.change(|job| {
            let free = !job.as_ref().is_some_and(Job::is_running);
            if free {
                *job = Some(Job::default());
            }
            free
        });
        if free {
            let jobs = self.clone();
            tokio::spawn(async move {
                let tell = |event: Value| {
                    jobs.change(|job| job.as_mut().is_some_and(|job| job.note(&event)));
                };
                let outcome = updater.ask(&request, tell).await;
                jobs.change(|job| {
                    let job = job.as_mut();
                    job.map(|job| job.outcome = Some(outcome)).is_some()
                });
            });
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_of_what_was_installed_is_kept() {
        let mut job = Job::default();
        assert!(!job.note(&json!({"event": "installed", "warning": null})));
        assert_eq!(job.warning(Language::En), None);
        let event = json!({"event": "installed", "warning": "a disk", "warning_fr": "un disque"});
        assert!(job.note(&event));
        let told = [Language::En, Language::Fr].map(|language| job.warning(language));
        assert_eq!(told, [Some("a disk"), Some("un disque")]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_seen_a_job_is_told_when_it_changes() {
        let jobs = Jobs::default();
        let patience = Duration::from_secs(20);
        let begun = tokio::time::Instant::now();
        assert_eq!(jobs.after(0, patience).await.revision, 0);
        assert_eq!(begun.elapsed(), patience);
        // What was seen before this service was started is something else.
        assert_eq!(jobs.after(7, patience).await.revision, 0);
        let (told, ()) = tokio::join!(jobs.after(0, patience), async {
            assert!(!jobs.change(|_| false));
            tokio::time::sleep(Duration::from_secs(3)).await;
            jobs.change(|job| job.replace(Job::default()).is_none());
        });
        assert_eq!(begun.elapsed(), patience + Duration::from_secs(3));
        assert!(told.revision == 1 && told.job.is_some_and(|job| job.is_running()));
    }
}
