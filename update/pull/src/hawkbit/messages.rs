//! The messages of the API, as far as they are used. Unknown fields are for other devices.

use serde::{Deserialize, Serialize};
use serde_json::json;

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
struct Order {
    #[serde(default)]
    download: String,
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
struct ArtifactLinks {
    download: Option<Link>,
}

impl Artifact {
    /// Where it is by HTTPS; `download-http` is plain HTTP.
    pub fn link(&self) -> Option<&str> {
        self.links.download.as_ref().map(|link| &*link.href)
    }
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

    /// Whether nothing of the action is left on this machine.
    pub fn is_refusal(&self) -> bool {
        self.is_closed() && self.finished == "failure"
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
