//! What requests for updates, the certificate and the support bundle take and are answered with: the events of the
//! updater (`update/src/doors/serve.rs`), and this service's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api_answers::Going;

/// What is to be installed.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// The `id` of a package of the list.
    pub id: String,
}

/// A certificate of one's own.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCertificate {
    /// The chain in PEM, the server's own certificate first.
    pub chain: String,
    /// Its key in PEM, without a passphrase.
    pub key: String,
}

/// What runs, and what comes next.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum StatusAnswer {
    Status(Status),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Status {
    /// `installed`, `live` or `recovery`.
    pub mode: String,
    pub version: Option<String>,
    /// The slot that runs, `a` or `b`.
    pub slot: Option<String>,
    /// How the slots are, and which is tried first.
    pub slots: Option<Map<String, Value>>,
    /// The slot that the next start takes.
    pub next: Option<String>,
    /// What each slot holds, as far as it is known.
    #[serde(default)]
    pub holds: Map<String, Value>,
    /// A version is installed and waits for a restart.
    #[serde(default)]
    pub waiting: bool,
    /// Who installs at this moment.
    #[serde(default)]
    pub busy: Option<String>,
}

/// Packages that were found.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum PackagesAnswer {
    Found(Package),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Package {
    /// What it is installed by.
    pub id: String,
    /// How it came: `web`, `scp`, `usb`, `medium`, `https` or `fleet`.
    pub door: String,
    pub name: String,
    /// The verdict: `ready`, `arriving`, `later`, `refused` or `unreadable`.
    pub state: String,
    /// In bytes.
    pub size: u64,
    #[serde(default)]
    pub version: Option<String>,
    /// Why it is not ready.
    #[serde(default)]
    pub reason: Option<String>,
    /// The same in French.
    #[serde(default)]
    pub reason_fr: Option<String>,
}

/// What was installed, the newest first.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum UpdatesAnswer {
    Record(Update),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Update {
    /// In seconds since 1970.
    pub time: u64,
    /// `refused`, `failed`, `installed`, `good`, `returned`, `rollback` or `cancelled`.
    pub outcome: String,
    #[serde(default)]
    pub who: Option<String>,
    /// The version that ran.
    pub from: String,
    /// The version of the package.
    #[serde(default)]
    pub to: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
    /// The same in French.
    #[serde(default)]
    pub reason_fr: Option<String>,
}

/// What becomes of the version that was installed, or of the one that runs.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RollbackAnswer {
    /// The next start takes the other one.
    Rollback(Going),
    /// What was installed is not started.
    Cancelled(Going),
}

/// An installation that was asked for here.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum JobAnswer {
    Job(JobState),
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct JobState {
    pub running: bool,
    /// Of what is being done; null where nothing was asked for since the last start.
    pub percent: Option<u64>,
    /// Whether it was installed; null as long as that is not known.
    pub installed: Option<bool>,
    /// Why not.
    pub reason: Option<String>,
    /// The same in French.
    pub reason_fr: Option<String>,
}

/// The certificate that is shown to browsers.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum CertificateAnswer {
    Certificate(Shown),
    Warning(crate::api_answers::Warning),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Shown {
    /// Somebody's own is in the place of the appliance's.
    pub own: bool,
    /// Its SHA-256, in hexadecimal digits.
    pub print: String,
}

/// Does nothing but be a file.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct File {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What the updater tells can be read by these types, and names no state that they do not.
    #[test]
    fn events_are_those_of_the_updater() {
        let reads = |value: Value| {
            serde_json::from_value::<StatusAnswer>(value.clone()).is_ok()
                || serde_json::from_value::<PackagesAnswer>(value.clone()).is_ok()
                || serde_json::from_value::<UpdatesAnswer>(value).is_ok()
        };
        for event in [
            json!({"event": "status", "mode": "installed", "version": "1.0.0.0", "slot": "a", "slots": {"first": "a"},
                "next": "b", "holds": {"b": {"version": "1.1.0.0"}}, "waiting": true, "busy": null, "server": null}),
            json!({"event": "status", "mode": "live", "version": null, "slot": null, "slots": null, "next": null}),
            json!({"event": "found", "id": "ab12", "door": "usb", "name": "a.upd", "state": "refused", "size": 7,
                "reason": "x", "reason_fr": "y"}),
            json!({"event": "record", "time": 5, "outcome": "good", "from": "1.0.0.0", "to": "1.1.0.0"}),
        ] {
            assert!(reads(event.clone()), "{event}");
        }
        assert!(!reads(json!({"event": "found", "id": "ab12"})));
    }
}
