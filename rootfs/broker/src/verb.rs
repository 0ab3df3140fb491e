//! The verbs, and which role each takes: [`Verb::needs`] is the one place that says it.

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// What somebody may do; each one includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs the recorder day by day.
    Operator,
    /// Does everything.
    Administrator,
}

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
    },
    /// Ends the session that asks.
    LogOut {},
    /// Who the session is of: a `session`.
    Session {},
    /// The settings in use, without secrets: `settings`.
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
}

/// An account of the system whose password is in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Account {
    /// The administrator's.
    Root,
    /// Who sends update packages.
    Service,
}

impl Account {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Service => "service",
        }
    }
}

/// A verb by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// [`Request::LogIn`].
    LogIn,
    /// [`Request::LogOut`].
    LogOut,
    /// [`Request::Session`].
    Session,
    /// [`Request::SettingsGet`].
    SettingsGet,
    /// [`Request::SettingsValidate`].
    SettingsValidate,
    /// [`Request::SetPassword`].
    SetPassword,
    /// [`Request::Logs`].
    Logs,
    /// [`Request::Audit`].
    Audit,
    /// [`Request::Restart`].
    Restart,
    /// [`Request::PowerOff`].
    PowerOff,
}

/// Who may say a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Whoever may connect.
    Nobody,
    /// Who has this role or one above it.
    Role(Role),
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::LogIn,
        Self::LogOut,
        Self::Session,
        Self::SettingsGet,
        Self::SettingsValidate,
        Self::SetPassword,
        Self::Logs,
        Self::Audit,
        Self::Restart,
        Self::PowerOff,
    ];

    /// Who may say it.
    #[must_use]
    pub const fn needs(self) -> Needs {
        match self {
            Self::LogIn => Needs::Nobody,
            Self::LogOut | Self::Session => Needs::Role(Role::Viewer),
            Self::SettingsGet | Self::SettingsValidate | Self::Logs => Needs::Role(Role::Operator),
            Self::SetPassword | Self::Audit | Self::Restart | Self::PowerOff => {
                Needs::Role(Role::Administrator)
            }
        }
    }

    /// Whether it does something to the machine: that is written down before, too.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::SetPassword | Self::Restart | Self::PowerOff)
    }

    /// Whether it is written down that it was said: what changes something. Who looks is not: a page that
    /// follows the log asks each second, and would push out everything else.
    #[must_use]
    pub const fn is_audited(self) -> bool {
        match self {
            Self::LogIn | Self::LogOut | Self::SetPassword | Self::Restart | Self::PowerOff => true,
            Self::Session
            | Self::SettingsGet
            | Self::SettingsValidate
            | Self::Logs
            | Self::Audit => false,
        }
    }
}

impl Request {
    /// Its verb.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Self::LogIn { .. } => Verb::LogIn,
            Self::LogOut {} => Verb::LogOut,
            Self::Session {} => Verb::Session,
            Self::SettingsGet {} => Verb::SettingsGet,
            Self::SettingsValidate { .. } => Verb::SettingsValidate,
            Self::SetPassword { .. } => Verb::SetPassword,
            Self::Logs { .. } => Verb::Logs,
            Self::Audit { .. } => Verb::Audit,
            Self::Restart {} => Verb::Restart,
            Self::PowerOff {} => Verb::PowerOff,
        }
    }

    /// What it is about, for the audit trail; never a secret.
    #[must_use]
    pub fn about(&self) -> Option<String> {
        match self {
            Self::SetPassword { account, .. } => Some(account.name().to_owned()),
            Self::Logs { unit, .. } => unit.clone(),
            // A name that was typed may be a password; whose it is, is found out before it is written.
            Self::LogIn { .. }
            | Self::LogOut {}
            | Self::Session {}
            | Self::SettingsGet {}
            | Self::SettingsValidate { .. }
            | Self::Audit { .. }
            | Self::Restart {}
            | Self::PowerOff {} => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request of each verb, as it comes in.
    pub(crate) fn request(verb: Verb) -> &'static str {
        match verb {
            Verb::LogIn => r#"{"verb":"log-in","user":"anne","password":"dix lamas"}"#,
            Verb::LogOut => r#"{"verb":"log-out"}"#,
            Verb::Session => r#"{"verb":"session"}"#,
            Verb::SettingsGet => r#"{"verb":"settings-get"}"#,
            Verb::SettingsValidate => r#"{"verb":"settings-validate","document":"version = 2"}"#,
            Verb::SetPassword => {
                r#"{"verb":"set-password","account":"service","password":"vingt lamas"}"#
            }
            Verb::Logs => r#"{"verb":"logs","lines":5,"unit":"vigie-web.service"}"#,
            Verb::Audit => r#"{"verb":"audit","last":5}"#,
            Verb::Restart => r#"{"verb":"restart"}"#,
            Verb::PowerOff => r#"{"verb":"power-off"}"#,
        }
    }

    #[test]
    fn each_verb_has_its_name_and_no_other_field() {
        for verb in Verb::ALL {
            let text = request(verb);
            let read: Request = serde_json::from_str(text).unwrap();
            assert_eq!(read.verb(), verb);
            let name = serde_json::to_value(verb).unwrap();
            assert!(text.contains(&format!("\"verb\":{name}")), "{text}");
            let more = text.replacen('{', r#"{"more":1,"#, 1);
            assert!(serde_json::from_str::<Request>(&more).is_err(), "{more}");
            let about = read.about().unwrap_or_default();
            assert!(!about.contains("lamas"), "{about}");
        }
    }

    #[test]
    fn a_role_includes_those_below() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Administrator);
    }

    #[test]
    fn whatever_changes_something_is_for_administrators_and_written_down() {
        use Role::{Administrator, Operator, Viewer};
        for (verb, needs, audited) in [
            (Verb::LogIn, None, true),
            (Verb::LogOut, Some(Viewer), true),
            (Verb::Session, Some(Viewer), false),
            (Verb::SettingsGet, Some(Operator), false),
            (Verb::SettingsValidate, Some(Operator), false),
            (Verb::SetPassword, Some(Administrator), true),
            (Verb::Logs, Some(Operator), false),
            (Verb::Audit, Some(Administrator), false),
            (Verb::Restart, Some(Administrator), true),
            (Verb::PowerOff, Some(Administrator), true),
        ] {
            assert_eq!(verb.needs(), needs.map_or(Needs::Nobody, Needs::Role));
            assert_eq!(verb.is_audited(), audited, "{verb:?}");
        }
    }
}
