//! What smartctl's JSON says of a disk, and what that means for its recordings.
//!
//! The fields are those of smartmontools 7.4 (`--json -H -A -i`); whatever is not there, or of another
//! kind, is passed over. Counts are no reason to throw a disk away, but one that loses sectors loses more:
//! it is worrying. Failing is what the disk itself says so of, or what its maker's thresholds do.

mod json;
mod signs;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use vigie_disk::Bytes;

use json::{message, model, number, text};
use signs::{celsius, signs, tells};

/// How a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It does not tell.
    Untold,
    /// Nothing is wrong.
    Good,
    /// Worn, hot, or sectors were lost: it works and is to be watched, or replaced soon.
    Worrying,
    /// It says itself that it fails.
    Failing,
}

/// What is wrong with a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "sign", rename_all = "kebab-case")]
pub enum Sign {
    /// Its own judgement is that it fails.
    SaysFailing,
    /// A value that announces a failure is below its maker's threshold.
    BelowThreshold {
        /// The attribute's name.
        attribute: String,
    },
    /// NVMe: its spare blocks are used up, below its maker's threshold.
    SpareUsedUp,
    /// NVMe: its reliability is degraded by errors.
    Degraded,
    /// NVMe: it lets nothing be written any more.
    ReadOnly,
    /// NVMe: what it keeps in memory would not survive a power cut.
    NoBackup,
    /// A value that tells of wear or age is below its maker's threshold.
    Aged {
        /// The attribute's name.
        attribute: String,
    },
    /// A value was below its threshold once.
    WasBelowThreshold {
        /// The attribute's name, where it is told.
        #[serde(skip_serializing_if = "Option::is_none")]
        attribute: Option<String>,
    },
    /// Sectors that were replaced by spare ones.
    Reallocated {
        /// How many.
        count: u64,
    },
    /// Sectors that could not be read and wait to be written anew.
    Pending {
        /// How many.
        count: u64,
    },
    /// Errors that it could not correct.
    Uncorrectable {
        /// How many.
        count: u64,
    },
    /// What may be written to it is nearly used up, or more than that.
    Worn {
        /// Percent of what its maker allows.
        percent: u64,
    },
    /// It is too hot.
    Hot {
        /// Degrees Celsius, where it tells.
        #[serde(skip_serializing_if = "Option::is_none")]
        celsius: Option<i64>,
    },
    /// It does not answer.
    NoAnswer {
        /// So long it was waited for, seconds.
        seconds: u64,
    },
}

impl Sign {
    /// Whether it means that the disk fails.
    #[must_use]
    pub const fn is_grave(&self) -> bool {
        matches!(
            self,
            Self::SaysFailing
                | Self::BelowThreshold { .. }
                | Self::SpareUsedUp
                | Self::Degraded
                | Self::ReadOnly
        )
    }
}

/// A disk and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Its node.
    pub node: PathBuf,
    /// Model, as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number, as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// Degrees Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub celsius: Option<i64>,
    /// How long it was on, hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<u64>,
    /// How it is.
    pub health: Health,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signs: Vec<Sign>,
    /// Why it is not known how it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Disk {
    /// A disk that does not tell how it is.
    #[must_use]
    pub fn untold(node: &Path, why: Option<String>) -> Self {
        Self {
            node: node.to_owned(),
            model: None,
            serial: None,
            size: None,
            celsius: None,
            hours: None,
            health: Health::Untold,
            signs: Vec::new(),
            why,
        }
    }

    /// A disk that did not answer for so many seconds.
    #[must_use]
    pub fn silent(node: &Path, seconds: u64) -> Self {
        Self {
            health: Health::Worrying,
            signs: vec![Sign::NoAnswer { seconds }],
            ..Self::untold(node, None)
        }
    }

    /// What smartctl has printed and ended with.
    #[must_use]
    pub fn understood(node: &Path, output: &[u8], exit: Option<i32>) -> Self {
        let json: Value = serde_json::from_slice(output).unwrap_or_default();
        let told = number(&json, "/smartctl/exit_status");
        let exit = told.or_else(|| u64::try_from(exit?).ok()).unwrap_or(0);
        let signs = signs(&json, exit);
        let health = match signs.iter().any(Sign::is_grave) {
            true => Health::Failing,
            false if !signs.is_empty() => Health::Worrying,
            false if tells(&json) => Health::Good,
            false => Health::Untold,
        };
        let why = (health == Health::Untold).then(|| message(&json)).flatten();
        Self {
            node: node.to_owned(),
            model: model(&json),
            serial: text(&json, "/serial_number"),
            size: number(&json, "/user_capacity/bytes").map(Bytes::new),
            celsius: celsius(&json),
            hours: number(&json, "/power_on_time/hours"),
            health,
            signs,
            why,
        }
    }
}

#[cfg(test)]
mod tests;
