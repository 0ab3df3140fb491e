//! The messages of the API, as far as they are used. Unknown fields are for other devices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use vigie_update::situation::Situation;

/// Longest value of an attribute, in characters; a server refuses more.
const ATTRIBUTE_MAX: usize = 128;

#[derive(Debug, Deserialize)]
struct Link {
    href: String,
}

/// What the server has for this machine.
#[derive(Debug, Deserialize)]
pub struct Base {
    #[serde(default)]
    config: Option<Config>,
    #[serde(default, rename = "_links")]
    links: Links,
}

#[derive(Debug, Deserialize)]
struct Config {
    polling: Option<Polling>,
}

#[derive(Debug, Deserialize)]
struct Polling {
    sleep: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Links {
    deployment_base: Option<Link>,
    cancel_action: Option<Link>,
    confirmation_base: Option<Link>,
    config_data: Option<Link>,
}

impl Base {
    /// The pause until the next question, in seconds; it is written `HH:MM:SS`.
    pub fn sleep(&self) -> Option<u64> {
        let text = self.config.as_ref()?.polling.as_ref()?.sleep.as_ref()?;
        let numbers: Option<Vec<u64>> = text.split(':').map(|n| n.parse().ok()).collect();
        match numbers?[..] {
            [hours, minutes, seconds] if hours < 10_000 && minutes < 60 && seconds < 60 => {
                Some(hours * 3600 + minutes * 60 + seconds)
            }
            _ => None,
        }
    }

    /// Where the action is.
    pub fn deployment(&self) -> Option<&str> {
        self.links.deployment_base.as_ref().map(|link| &*link.href)
    }

    /// Where the cancellation is.
    pub fn cancel(&self) -> Option<&str> {
        self.links.cancel_action.as_ref().map(|link| &*link.href)
    }

    /// Whether an action waits for somebody to confirm it.
    pub fn waits_for_confirmation(&self) -> bool {
        self.links.confirmation_base.is_some()
    }

    /// Where the server wants to be told what this machine is.
    pub fn config_data(&self) -> Option<&str> {
        self.links.config_data.as_ref().map(|link| &*link.href)
    }
}

/// A cancellation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancel {
    /// Its own id.
    pub id: String,
    cancel_action: ToStop,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToStop {
    stop_id: String,
}

impl Cancel {
    /// The action that it stops.
    pub fn stops(&self) -> &str {
        &self.cancel_action.stop_id
    }
}

/// An action.
#[derive(Debug, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    deployment: Order,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    #[serde(default)]
    download: String,
    #[serde(default)]
    update: String,
    maintenance_window: Option<String>,
    #[serde(default)]
    chunks: Vec<Chunk>,
}

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    artifacts: Vec<Artifact>,
}

/// A file of an action.
#[derive(Debug, Deserialize)]
pub struct Artifact {
    /// Its name, as somebody called it.
    pub filename: String,
    /// Its length in bytes.
    pub size: u64,
    #[serde(default, rename = "_links")]
    links: ArtifactLinks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ArtifactLinks {
    download: Option<Link>,
    download_http: Option<Link>,
}

impl Artifact {
    /// Where it is. By its default properties a server has `download-http` alone, which then has
    /// the scheme of the question; whether that is HTTPS is for the caller to see.
    pub fn link(&self) -> Option<&str> {
        let links = &self.links;
        let link = links.download.as_ref().or(links.download_http.as_ref());
        link.map(|link| &*link.href)
    }
}

/// Whether the server lets a package be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Not now.
    No,
    /// Whenever the machine likes.
    Always,
    /// Now: its maintenance window is open.
    InWindow,
}

impl Deployment {
    /// All files of all chunks.
    pub fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        self.deployment
            .chunks
            .iter()
            .flat_map(|chunk| &chunk.artifacts)
    }

    /// Whether the server wants it left alone for now.
    pub fn is_not_to_be_fetched(&self) -> bool {
        self.deployment.download == "skip"
    }

    /// Whether the server lets it be installed now. What is not understood is no leave.
    pub fn leave(&self) -> Leave {
        let Order {
            update,
            maintenance_window: window,
            ..
        } = &self.deployment;
        match (update.as_str(), window.as_deref()) {
            ("attempt" | "forced", None) => Leave::Always,
            ("attempt" | "forced", Some("available")) => Leave::InWindow,
            _ => Leave::No,
        }
    }
}

/// What this machine is, for the server's list (`configData`); what a person may see of it.
pub fn attributes(situation: &Situation) -> String {
    let machine = &situation.machine;
    let version = machine.version.to_string();
    let texts = [
        ("product", Some(&machine.product)),
        ("version", Some(&version)),
        ("arch", Some(&machine.arch)),
        ("hardware", Some(&machine.hardware)),
        ("serial", situation.serial.as_ref()),
    ];
    let data: BTreeMap<&str, String> = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?.chars().take(ATTRIBUTE_MAX).collect())))
        .collect();
    json!({"mode": "merge", "data": data}).to_string()
}

/// What the server is told of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    execution: String,
    finished: String,
    detail: String,
}

impl Feedback {
    fn new(execution: &str, finished: &str, detail: &str) -> Self {
        Self {
            execution: execution.to_owned(),
            finished: finished.to_owned(),
            detail: detail.chars().take(500).collect(),
        }
    }

    /// It goes on.
    pub fn proceeding(detail: &str) -> Self {
        Self::new("proceeding", "none", detail)
    }

    /// It is being fetched.
    pub fn download() -> Self {
        Self::new("download", "none", "the package is being fetched")
    }

    /// It was fetched.
    pub fn downloaded() -> Self {
        Self::new("downloaded", "none", "the package is here")
    }

    /// It has ended well.
    pub fn success(detail: &str) -> Self {
        Self::new("closed", "success", detail)
    }

    /// It has not.
    pub fn failure(detail: &str) -> Self {
        Self::new("closed", "failure", detail)
    }

    /// A cancellation that comes too late.
    pub fn rejected(detail: &str) -> Self {
        Self::new("rejected", "none", detail)
    }

    /// Whether the action has ended by it.
    pub fn is_closed(&self) -> bool {
        self.execution == "closed"
    }

    /// The message. `time` is that of this machine, in UTC, as 20140511T121314.
    pub fn json(&self, id: &str, time: &str) -> String {
        let Self {
            execution,
            finished,
            detail,
        } = self;
        let status = json!({
            "execution": execution,
            "result": {"finished": finished},
            "details": [detail],
        });
        json!({"id": id, "time": time, "status": status}).to_string()
    }
}
