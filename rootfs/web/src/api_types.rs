//! What programs send to the interface for administration, `/api/v1`, and what they are told beside the events of
//! [`crate::api_answers`]. The OpenAPI document is made of these types.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::api_answers as answers;
use crate::broker::Role;
use crate::language::Language;

/// Begins a session.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    pub user: String,
    pub password: String,
}

/// A session that was begun: its token goes along with each request, as `Authorization: Bearer …`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Begun {
    pub token: String,
    pub user: String,
    /// `viewer`, `operator` or `administrator`.
    pub role: String,
    /// After so many minutes without a request it is over.
    pub idle_minutes: u64,
}

/// What a request without success says.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Refusal {
    /// One word for programs.
    pub code: String,
    pub reason: String,
    pub reason_fr: String,
    /// What is wrong with which field of the settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<answers::CheckAnswer>")]
    pub problems: Vec<Value>,
}

/// A new user.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    pub name: String,
    pub role: Role,
    pub password: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

/// What changes of a user.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Null for that of the appliance.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub language: Option<Option<Language>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// One's own password.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPassword {
    pub old: String,
    pub new: String,
}

/// A field of the settings.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Such as `network.enterprise.address`.
    pub path: String,
    /// Null takes it out.
    pub value: Value,
}

/// Changes to judge.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    pub changes: Vec<Change>,
}

/// Changes to make.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    pub changes: Vec<Change>,
    /// Refused where another generation is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = u32::MAX))]
    pub generation: Option<u32>,
}

/// A generation of the settings.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    #[schemars(range(max = u32::MAX))]
    pub generation: u32,
}

/// A passphrase for a backup.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
}

/// A backup.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The file, in base64.
    pub data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
}

/// Whether it is wanted.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnOff {
    pub on: bool,
}

/// Which lines of a log.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// How many, from the newest.
    #[schemars(range(max = u32::MAX))]
    pub lines: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// In seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = u32::MAX))]
    pub since: Option<u32>,
    /// Behind this cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Which log.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    /// All that the system says.
    System,
    /// Links of ports that went and came.
    Disconnections,
}

/// How much of the audit trail.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Last {
    /// How many, from the newest.
    #[schemars(range(max = u32::MAX))]
    pub last: u32,
}

/// Nothing.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What is null was given, too.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Language>>, D::Error> {
    Option::deserialize(from).map(Some)
}
