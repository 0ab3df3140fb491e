//! What requests of `/api/v1` are answered with: the events that the broker tells, an array of them. The OpenAPI
//! document is made of these types; what goes out is what the broker said.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::broker::Role;
use crate::language::Language;

/// An answer's events: of its kinds, or a warning.
macro_rules! events {
    ($($(#[$about:meta])* $name:ident { $($kind:ident($of:ty),)* })+) => {
        $($(#[$about])*
        #[derive(Debug, Deserialize, Serialize, JsonSchema)]
        #[serde(tag = "event", rename_all = "kebab-case")]
        pub enum $name {
            $($kind($of),)*
            Warning(Warning),
        })+
    };
}

events! {
    /// It was done.
    Done {}
    /// Who the session is of.
    WhoAnswer { Session(Who), }
    /// All users.
    UsersAnswer { User(User), }
    /// How many sessions are over.
    SessionsAnswer { Ended(SessionsEnded), }
    /// The settings.
    SettingsAnswer { Settings(Settings), }
    /// They are saved, or on trial.
    SavedAnswer { Saved(Saved), }
    /// What is wrong with changes.
    CheckAnswer { Problem(Problem), }
    /// Generations of the settings, the newest first.
    HistoryAnswer { Generation(Kept), }
    /// What has changed.
    DiffAnswer { Change(Changed), }
    /// What is left of a trial.
    TrialAnswer { Trial(Trial), }
    /// A backup.
    BackupAnswer { Backup(Backup), }
    /// Whether it is asked for.
    CheckAtBootAnswer { Check(CheckAtBoot), }
    /// Lines of a log, the oldest first.
    LogsAnswer { Line(Line), }
    /// Records of the audit trail, the oldest first.
    AuditAnswer { Record(Record), }
    /// The machine is going.
    PowerAnswer { Going(Going), }
}

/// What somebody must know of what was done all the same.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Warning {
    pub reason: String,
    /// The same in French.
    pub reason_fr: String,
}

/// Who has logged in.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Who {
    pub user: String,
    pub role: Role,
    /// Null for that of the appliance.
    pub language: Option<Language>,
    /// After so many minutes without a request the session is over.
    pub idle_minutes: u64,
}

/// Who may log in.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct User {
    pub name: String,
    pub role: Role,
    /// Null for that of the appliance.
    pub language: Option<Language>,
    /// They are kept out.
    pub disabled: bool,
}

/// Sessions that are over.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct SessionsEnded {
    pub sessions: u64,
}

/// The settings in use.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Settings {
    /// As in the document; of a secret it is told that there is one.
    pub settings: Map<String, Value>,
    /// Null where none is saved.
    pub generation: Option<u64>,
}

/// Settings that are in force.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Saved {
    /// Null where none is saved.
    pub generation: Option<u64>,
    /// Seconds until they are taken back, unless they are confirmed; null where they stay.
    pub trial: Option<u64>,
    /// Fields that take effect at the next start.
    pub after_restart: Vec<String>,
    /// Where the appliance is reached by them, while they are on trial or once they are confirmed; null where it is
    /// not said.
    pub address: Option<String>,
}

/// What is wrong with a field of the settings.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Problem {
    /// Its path, such as `network.enterprise.address`.
    pub field: Option<String>,
    /// The line of a document.
    pub line: Option<u64>,
    pub reason: String,
    /// The same in French.
    pub reason_fr: String,
}

/// Settings that are kept.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Kept {
    pub number: u64,
    pub in_use: bool,
    /// In seconds since 1970.
    pub saved_at: Option<u64>,
    pub who: Option<String>,
}

/// A field that has changed.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Changed {
    pub field: String,
    /// Null where it was not there.
    pub old: Value,
    /// Null where it is not there any more.
    pub new: Value,
}

/// A network that goes away by itself.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Trial {
    /// Seconds; null where nothing is on trial.
    pub left: Option<u64>,
    /// Where the appliance is reached meanwhile; null where it is not said.
    pub address: Option<String>,
}

/// A backup.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Backup {
    /// How the file may be called.
    pub name: String,
    /// The file, in base64.
    pub data: String,
}

/// The check of all volumes at the next start.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct CheckAtBoot {
    pub on: bool,
}

/// A line of a log.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Line {
    pub text: String,
    /// From there on more can be asked for.
    pub cursor: String,
}

/// What somebody had done.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Record {
    /// In seconds since 1970.
    pub time: u64,
    /// None where nobody was logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// An address, `console`, or another way.
    pub from: String,
    /// Whose word that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    pub action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    pub ended: Ended,
    /// Why it was not done, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Who spoke for somebody.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    Root,
    Web,
}

/// What became of it.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Not known yet.
    Asked,
    Done,
    Refused,
    Failed,
}

/// The machine is going.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Going {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn same<T: for<'a> Deserialize<'a> + Serialize>(event: &Value) -> bool {
        let read = serde_json::from_value::<T>(event.clone());
        read.ok().and_then(|read| serde_json::to_value(read).ok()) == Some(event.clone())
    }

    /// As the broker's code writes them (`serve.rs`, `keeping.rs`).
    #[test]
    fn events_are_those_of_the_broker() {
        let warning = json!({"event": "warning", "reason": "a", "reason_fr": "b"});
        assert!(same::<Done>(&warning) && same::<AuditAnswer>(&warning));
        for (is_same, event) in [
            (
                same::<WhoAnswer> as fn(&Value) -> bool,
                json!({"event": "session", "user": "a", "role": "viewer", "language": null, "idle_minutes": 30}),
            ),
            (
                same::<UsersAnswer>,
                json!({"event": "user", "name": "a", "role": "operator", "language": "fr", "disabled": true}),
            ),
            (
                same::<SessionsAnswer>,
                json!({"event": "ended", "sessions": 2}),
            ),
            (
                same::<SettingsAnswer>,
                json!({"event": "settings", "settings": {"web": {}}, "generation": 7}),
            ),
            (
                same::<SavedAnswer>,
                json!({"event": "saved", "generation": null, "trial": 60, "after_restart": ["system.keymap"], "address": "192.0.2.7/24"}),
            ),
            (
                same::<CheckAnswer>,
                json!({"event": "problem", "field": "a.b", "line": null, "reason": "a", "reason_fr": "b"}),
            ),
            (
                same::<HistoryAnswer>,
                json!({"event": "generation", "number": 7, "in_use": true, "saved_at": 1, "who": null}),
            ),
            (
                same::<DiffAnswer>,
                json!({"event": "change", "field": "a", "old": null, "new": ["x"]}),
            ),
            (
                same::<TrialAnswer>,
                json!({"event": "trial", "left": null, "address": null}),
            ),
            (
                same::<BackupAnswer>,
                json!({"event": "backup", "name": "a", "data": "AAAA"}),
            ),
            (
                same::<CheckAtBootAnswer>,
                json!({"event": "check", "on": false}),
            ),
            (
                same::<LogsAnswer>,
                json!({"event": "line", "text": "a", "cursor": "b"}),
            ),
            (
                same::<AuditAnswer>,
                json!({"event": "record", "time": 1, "who": "a", "role": "viewer", "from": "b", "peer": "web", "action": "c", "about": "d", "ended": "refused", "code": "role"}),
            ),
            (
                same::<AuditAnswer>,
                json!({"event": "record", "time": 1, "from": "-", "action": "c", "ended": "asked"}),
            ),
            (same::<PowerAnswer>, json!({"event": "going"})),
        ] {
            assert!(is_same(&event), "{event}");
            let mut more = event.clone();
            more["more"] = 1.into();
            assert!(!is_same(&more), "{more}");
        }
    }
}
