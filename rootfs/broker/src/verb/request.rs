//! What may be asked, as it comes in on the socket.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use vigie_settings::{Account, Language};

use super::{Role, Verb};
use crate::journal::Log;
use crate::secret::Secret;

/// One line that comes in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Of the session that speaks; root needs none.
    #[serde(default)]
    pub token: Option<Secret>,
    /// The address that whoever asks speaks for, for the audit trail and for waits. The web interface must
    /// give one; root may say anything.
    #[serde(default)]
    pub from: Option<String>,
    /// A page asks it by itself, so the session is not used by it.
    #[serde(default)]
    pub quiet: bool,
    /// What is asked.
    pub ask: Request,
}

/// What is asked, with what it takes.
#[derive(Debug, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Begins a session: a `session` with its `token`, or `refused` with a `code`.
    LogIn {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
        /// The number of a browser that the web interface knows: it waits for itself alone.
        #[serde(default)]
        browser: Option<String>,
    },
    /// Whether there is no administrator yet, and one can be made: a `setup`.
    SetupState {},
    /// The code that makes the first administrator: a `code`.
    SetupCode {},
    /// Makes the first administrator and logs them in: as [`Request::LogIn`].
    Setup {
        /// What the console shows.
        code: Secret,
        /// The name.
        user: String,
        /// The password.
        password: Secret,
        /// The language of their pages.
        #[serde(default)]
        language: Option<Language>,
    },
    /// Ends the session that asks.
    LogOut {},
    /// Who the session is of: a `session`.
    Session {},
    /// The settings in use, without secrets, and the number of their generation: `settings`.
    SettingsGet {},
    /// Whether a document would be accepted: a `problem` for each thing that is wrong with it.
    SettingsValidate {
        /// The document, TOML.
        document: String,
    },
    /// Sets the password of an account of the system.
    SetPassword {
        /// Whose.
        account: Account,
        /// The new one.
        password: Secret,
        /// The present one of who asks; the web interface must give it.
        #[serde(default)]
        own: Option<Secret>,
    },
    /// Sets the password of who asks.
    SetOwnPassword {
        /// The present one.
        old: Secret,
        /// The new one.
        new: Secret,
    },
    /// Who may use the web interface: a `user` each.
    Users {},
    /// Adds one.
    UserAdd {
        /// The name.
        name: String,
        /// What they may do.
        role: Role,
        /// The password.
        password: Secret,
        /// The language of their pages.
        #[serde(default)]
        language: Option<Language>,
    },
    /// Changes what is given of one.
    UserChange {
        /// Who.
        name: String,
        /// What they may do.
        #[serde(default)]
        role: Option<Role>,
        /// The password.
        #[serde(default)]
        password: Option<Secret>,
        /// The language of their pages; null for that of the appliance.
        #[serde(default, deserialize_with = "given")]
        language: Option<Option<Language>>,
        /// Whether they are kept out.
        #[serde(default)]
        disabled: Option<bool>,
    },
    /// Removes one.
    UserRemove {
        /// Who.
        name: String,
    },
    /// Ends all sessions of somebody, but for the one that asks: `ended`. Of others than oneself this takes an
    /// administrator.
    SessionsEnd {
        /// Of whom.
        name: String,
    },
    /// The system log: `line`s, the oldest first.
    Logs {
        /// How many, from the newest.
        lines: u32,
        /// Of this unit alone.
        #[serde(default)]
        unit: Option<String>,
        /// Since then, in seconds since 1970.
        #[serde(default)]
        since: Option<u64>,
        /// From this cursor on: the first lines behind it.
        #[serde(default)]
        after: Option<String>,
        /// Which log.
        #[serde(default)]
        log: Log,
    },
    /// The audit trail: `record`s, the oldest first.
    Audit {
        /// How many, from the newest.
        last: usize,
    },
    /// Restarts the machine: `going`.
    Restart {},
    /// Switches the machine off: `going`.
    PowerOff {},
    /// Whether changes would be accepted: a `problem` for each thing that is wrong.
    SettingsCheck {
        /// What would be changed.
        changes: Vec<Edited>,
    },
    /// Changes the settings: `problem`s, or `saved`.
    SettingsSet {
        /// What is changed.
        changes: Vec<Edited>,
        /// The generation that whoever asks has seen; another one is in use, then nothing is changed.
        #[serde(default)]
        generation: Option<u32>,
    },
    /// How long networks are still on trial: `trial`.
    NetworkTrial {},
    /// Saves the networks that are on trial: `saved`.
    NetworkConfirm {},
    /// Takes them back.
    NetworkRevert {},
    /// The generations that are kept: a `generation` each, the newest first.
    SettingsHistory {},
    /// What has changed since one of them: a `change` each.
    SettingsDiff {
        /// Its number.
        generation: u32,
    },
    /// Takes the settings of one of them again: as [`Request::SettingsSet`].
    SettingsRestore {
        /// Its number.
        generation: u32,
    },
    /// A backup of the settings: `backup`.
    Backup {
        /// It is sealed with this.
        #[serde(default)]
        passphrase: Option<Secret>,
    },
    /// Takes the settings of a backup: as [`Request::SettingsSet`].
    Restore {
        /// The backup, in Base64.
        data: String,
        /// It was sealed with this.
        #[serde(default)]
        passphrase: Option<Secret>,
    },
    /// Has the next start check all volumes, or not.
    CheckAtBoot {
        /// Whether.
        on: bool,
    },
    /// Whether it does: `check`.
    CheckAtBootState {},
    /// Logs and settings for whoever helps, without secrets: a `file`, and its `chunk`s.
    SupportBundle {},
    /// The web interface has done something to its certificate itself, which is written down.
    Certificate {
        /// What.
        done: Certificate,
        /// The SHA-256 of the certificate that it has now, in hexadecimal digits.
        print: String,
    },
}

/// What became of the certificate of the web interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// Somebody's own is in its place.
    Installed,
    /// The appliance's is back.
    Removed,
}

/// One field of the settings, and what becomes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edited {
    /// Its path, as `network.enterprise.address`.
    pub path: String,
    /// Its new value; null takes it away, so that its default holds.
    pub value: Value,
}

/// What is null was given, too.
fn given<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(from).map(Some)
}

impl Request {
    /// Its verb.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Self::LogIn { .. } => Verb::LogIn,
            Self::SetupState {} => Verb::SetupState,
            Self::SetupCode {} => Verb::SetupCode,
            Self::Setup { .. } => Verb::Setup,
            Self::LogOut {} => Verb::LogOut,
            Self::Session {} => Verb::Session,
            Self::SettingsGet {} => Verb::SettingsGet,
            Self::SettingsValidate { .. } => Verb::SettingsValidate,
            Self::SetPassword { .. } => Verb::SetPassword,
            Self::SetOwnPassword { .. } => Verb::SetOwnPassword,
            Self::Users {} => Verb::Users,
            Self::UserAdd { .. } => Verb::UserAdd,
            Self::UserChange { .. } => Verb::UserChange,
            Self::UserRemove { .. } => Verb::UserRemove,
            Self::SessionsEnd { .. } => Verb::SessionsEnd,
            Self::Logs { .. } => Verb::Logs,
            Self::Audit { .. } => Verb::Audit,
            Self::Restart {} => Verb::Restart,
            Self::PowerOff {} => Verb::PowerOff,
            Self::SettingsCheck { .. } => Verb::SettingsCheck,
            Self::SettingsSet { .. } => Verb::SettingsSet,
            Self::NetworkTrial {} => Verb::NetworkTrial,
            Self::NetworkConfirm {} => Verb::NetworkConfirm,
            Self::NetworkRevert {} => Verb::NetworkRevert,
            Self::SettingsHistory {} => Verb::SettingsHistory,
            Self::SettingsDiff { .. } => Verb::SettingsDiff,
            Self::SettingsRestore { .. } => Verb::SettingsRestore,
            Self::Backup { .. } => Verb::Backup,
            Self::Restore { .. } => Verb::Restore,
            Self::CheckAtBoot { .. } => Verb::CheckAtBoot,
            Self::CheckAtBootState {} => Verb::CheckAtBootState,
            Self::SupportBundle {} => Verb::SupportBundle,
            Self::Certificate { .. } => Verb::Certificate,
        }
    }
}
