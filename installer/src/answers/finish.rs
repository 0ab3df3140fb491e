//! `[finish]` and `[report]`: what happens when the installation has ended.

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::messages::Text;

/// `[finish]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Finish {
    /// After a success. Switched off, the medium can be pulled out and nothing is installed twice.
    pub on_success: Action,
    /// After a failure or a refusal.
    pub on_failure: Action,
}

impl Default for Finish {
    fn default() -> Self {
        Self {
            on_success: Action::Poweroff,
            on_failure: Action::Wait,
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Start the machine again.
    Reboot,
    /// Switch off.
    Poweroff,
    /// Stay in the live system.
    Wait,
    /// Stay, and beep until somebody presses a key.
    Beep,
}

impl Action {
    /// What happens now, for a person.
    pub fn text(self) -> Text {
        Text::new(match self {
            Self::Reboot => "provision.reboot",
            Self::Poweroff => "provision.poweroff",
            Self::Wait => "provision.wait",
            Self::Beep => "provision.beep",
        })
    }
}

/// `[report]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SendReport {
    /// Where the report is sent by HTTPS POST, as JSON.
    #[cfg_attr(test, schemars(extend("pattern" = r"^https://[^/\s]\S*$")))]
    pub url: String,
}

impl SendReport {
    /// What is wrong with it: it must be an address of HTTPS, as what sends it reads addresses.
    pub fn check(&self) -> Option<Text> {
        let host = self.url.strip_prefix("https://").unwrap_or_default();
        // Reading an address passes over these.
        let sloppy =
            host.is_empty() || host.starts_with('/') || self.url.contains(char::is_whitespace);
        let wrong = sloppy || self.url.parse::<Url>().is_err();
        wrong.then(|| Text::new("answers.report-address").with("url", &self.url))
    }
}
