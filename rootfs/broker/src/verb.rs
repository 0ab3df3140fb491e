//! The verbs, and which role each takes: [`Verb::needs`] is the one place that says it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use vigie_settings::{Account, Language, UserName};

use crate::journal::Log;
use crate::keeping;
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

impl Role {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }
}

impl From<vigie_settings::Role> for Role {
    fn from(role: vigie_settings::Role) -> Self {
        match role {
            vigie_settings::Role::Viewer => Self::Viewer,
            vigie_settings::Role::Operator => Self::Operator,
            vigie_settings::Role::Administrator => Self::Administrator,
        }
    }
}

impl From<Role> for vigie_settings::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Administrator => Self::Administrator,
        }
    }
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

/// A verb by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// [`Request::LogIn`].
    LogIn,
    /// [`Request::SetupState`].
    SetupState,
    /// [`Request::SetupCode`].
    SetupCode,
    /// [`Request::Setup`].
    Setup,
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
    /// [`Request::SetOwnPassword`].
    SetOwnPassword,
    /// [`Request::Users`].
    Users,
    /// [`Request::UserAdd`].
    UserAdd,
    /// [`Request::UserChange`].
    UserChange,
    /// [`Request::UserRemove`].
    UserRemove,
    /// [`Request::Logs`].
    Logs,
    /// [`Request::Audit`].
    Audit,
    /// [`Request::Restart`].
    Restart,
    /// [`Request::PowerOff`].
    PowerOff,
    /// [`Request::SettingsCheck`].
    SettingsCheck,
    /// [`Request::SettingsSet`].
    SettingsSet,
    /// [`Request::NetworkTrial`].
    NetworkTrial,
    /// [`Request::NetworkConfirm`].
    NetworkConfirm,
    /// [`Request::NetworkRevert`].
    NetworkRevert,
    /// [`Request::SettingsHistory`].
    SettingsHistory,
    /// [`Request::SettingsDiff`].
    SettingsDiff,
    /// [`Request::SettingsRestore`].
    SettingsRestore,
    /// [`Request::Backup`].
    Backup,
    /// [`Request::Restore`].
    Restore,
    /// [`Request::CheckAtBoot`].
    CheckAtBoot,
    /// [`Request::CheckAtBootState`].
    CheckAtBootState,
    /// [`Request::SupportBundle`].
    SupportBundle,
    /// [`Request::Certificate`].
    Certificate,
}

/// Who may say a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Whoever may connect.
    Nobody,
    /// Who has this role or one above it.
    Role(Role),
    /// Root itself, as an administrator: not the web interface, whoever it speaks for.
    Root,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::LogIn,
        Self::SetupState,
        Self::SetupCode,
        Self::Setup,
        Self::LogOut,
        Self::Session,
        Self::SettingsGet,
        Self::SettingsValidate,
        Self::SetPassword,
        Self::SetOwnPassword,
        Self::Users,
        Self::UserAdd,
        Self::UserChange,
        Self::UserRemove,
        Self::Logs,
        Self::Audit,
        Self::Restart,
        Self::PowerOff,
        Self::SettingsCheck,
        Self::SettingsSet,
        Self::NetworkTrial,
        Self::NetworkConfirm,
        Self::NetworkRevert,
        Self::SettingsHistory,
        Self::SettingsDiff,
        Self::SettingsRestore,
        Self::Backup,
        Self::Restore,
        Self::CheckAtBoot,
        Self::CheckAtBootState,
        Self::SupportBundle,
        Self::Certificate,
    ];

    /// Who may say it.
    #[must_use]
    pub const fn needs(self) -> Needs {
        match self {
            Self::LogIn | Self::SetupState | Self::Setup => Needs::Nobody,
            Self::SetupCode => Needs::Root,
            Self::LogOut | Self::Session | Self::SetOwnPassword => Needs::Role(Role::Viewer),
            Self::SettingsGet | Self::SettingsValidate | Self::Logs => Needs::Role(Role::Operator),
            Self::SetPassword
            | Self::Users
            | Self::UserAdd
            | Self::UserChange
            | Self::UserRemove
            | Self::Audit
            | Self::Restart
            | Self::PowerOff
            | Self::SettingsCheck
            | Self::SettingsSet
            | Self::NetworkConfirm
            | Self::NetworkRevert
            | Self::SettingsHistory
            | Self::SettingsDiff
            | Self::SettingsRestore
            | Self::Backup
            | Self::Restore
            | Self::CheckAtBoot
            | Self::SupportBundle
            | Self::Certificate => Needs::Role(Role::Administrator),
            Self::NetworkTrial | Self::CheckAtBootState => Needs::Role(Role::Viewer),
        }
    }

    /// Whether it does something to the settings, or to what the next start does.
    const fn changes_settings(self) -> bool {
        matches!(
            self,
            Self::SettingsSet
                | Self::NetworkConfirm
                | Self::NetworkRevert
                | Self::SettingsRestore
                | Self::Restore
                | Self::CheckAtBoot
        )
    }

    /// Whether it does something to the machine: that is written down before, too.
    #[must_use]
    pub const fn is_change(self) -> bool {
        self.changes_settings()
            || matches!(
                self,
                Self::Setup
                    | Self::SetPassword
                    | Self::SetOwnPassword
                    | Self::UserAdd
                    | Self::UserChange
                    | Self::UserRemove
                    | Self::Restart
                    | Self::PowerOff
            )
    }

    /// Whether it is written down that it was said: what changes something. Who looks is not: a page that
    /// follows the log asks each second, and would push out everything else.
    #[must_use]
    pub const fn is_audited(self) -> bool {
        // Whoever takes a backup away has the hashes of all passwords, and logs leave with a bundle.
        let leaves = matches!(self, Self::Backup | Self::SupportBundle);
        // It was done before it is said.
        let done = matches!(self, Self::LogIn | Self::LogOut | Self::Certificate);
        leaves || done || self.is_change()
    }
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

    /// What it is about, for the audit trail; never a secret.
    #[must_use]
    pub fn about(&self) -> Option<String> {
        match self {
            Self::SetPassword { account, .. } => Some(account.name().to_owned()),
            Self::Logs { unit, .. } => unit.clone(),
            Self::UserRemove { name } => Some(named(name)),
            Self::UserAdd { name, role, .. } => Some(format!("{}, {}", named(name), role.name())),
            Self::UserChange {
                name,
                role,
                password,
                language,
                disabled,
            } => {
                let what = [
                    role.map(|role| role.name().to_owned()),
                    password.as_ref().map(|_| "password".to_owned()),
                    language.map(|_| "language".to_owned()),
                    disabled.map(|disabled| (if disabled { "disabled" } else { "enabled" }).into()),
                ];
                let what = what.into_iter().flatten();
                let all: Vec<String> = std::iter::once(named(name)).chain(what).collect();
                Some(all.join(", "))
            }
            // The fields' names, never their values.
            Self::SettingsSet { changes, .. } => Some(keeping::fields(changes)),
            Self::SettingsRestore { generation } => Some(generation.to_string()),
            Self::CheckAtBoot { on } => Some((if *on { "on" } else { "off" }).to_owned()),
            Self::Certificate { done, print } => Some(done.about(print)),
            // A name that was typed may be a password; whose it is, is found out before it is written.
            Self::LogIn { .. }
            | Self::SetupState {}
            | Self::SetupCode {}
            | Self::Setup { .. }
            | Self::SetOwnPassword { .. }
            | Self::Users {}
            | Self::LogOut {}
            | Self::Session {}
            | Self::SettingsGet {}
            | Self::SettingsValidate { .. }
            | Self::Audit { .. }
            | Self::Restart {}
            | Self::PowerOff {}
            | Self::SettingsCheck { .. }
            | Self::NetworkTrial {}
            | Self::NetworkConfirm {}
            | Self::NetworkRevert {}
            | Self::SettingsHistory {}
            | Self::SettingsDiff { .. }
            | Self::Backup { .. }
            | Self::Restore { .. }
            | Self::CheckAtBootState {}
            | Self::SupportBundle {} => None,
        }
    }
}

impl Certificate {
    fn about(self, print: &str) -> String {
        let is_print = (1..=95).contains(&print.len())
            && print.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        let done = match self {
            Self::Installed => "installed",
            Self::Removed => "removed",
        };
        format!("{done}, {}", if is_print { print } else { "?" })
    }
}

/// A name for the audit trail: what is none may be a password that was typed at the wrong place.
fn named(name: &str) -> String {
    let name = name.parse::<UserName>();
    name.map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request of each verb, as it comes in.
    pub(crate) fn request(verb: Verb) -> &'static str {
        match verb {
            Verb::LogIn => r#"{"verb":"log-in","user":"anne","password":"dix lamas"}"#,
            Verb::SetupState => r#"{"verb":"setup-state"}"#,
            Verb::SetupCode => r#"{"verb":"setup-code"}"#,
            Verb::Setup => {
                r#"{"verb":"setup","code":"ABCD-EFGH","user":"anne","password":"dix lamas"}"#
            }
            Verb::LogOut => r#"{"verb":"log-out"}"#,
            Verb::Session => r#"{"verb":"session"}"#,
            Verb::SettingsGet => r#"{"verb":"settings-get"}"#,
            Verb::SettingsValidate => r#"{"verb":"settings-validate","document":"version = 2"}"#,
            Verb::SetPassword => {
                r#"{"verb":"set-password","account":"service","password":"vingt lamas","own":"dix lamas"}"#
            }
            Verb::SetOwnPassword => {
                r#"{"verb":"set-own-password","old":"dix lamas","new":"vingt lamas"}"#
            }
            Verb::Users => r#"{"verb":"users"}"#,
            Verb::UserAdd => {
                r#"{"verb":"user-add","name":"nina","role":"operator","password":"vingt lamas"}"#
            }
            Verb::UserChange => {
                r#"{"verb":"user-change","name":"gina","role":"operator","language":null,"disabled":true}"#
            }
            Verb::UserRemove => r#"{"verb":"user-remove","name":"gina"}"#,
            Verb::Logs => r#"{"verb":"logs","lines":5,"unit":"vigie-web.service"}"#,
            Verb::Audit => r#"{"verb":"audit","last":5}"#,
            Verb::Restart => r#"{"verb":"restart"}"#,
            Verb::PowerOff => r#"{"verb":"power-off"}"#,
            Verb::SettingsCheck => {
                r#"{"verb":"settings-check","changes":[{"path":"system.hostname","value":"x"}]}"#
            }
            Verb::SettingsSet => {
                r#"{"verb":"settings-set","changes":[{"path":"web.x_hash","value":"dix lamas"}]}"#
            }
            Verb::NetworkTrial => r#"{"verb":"network-trial"}"#,
            Verb::NetworkConfirm => r#"{"verb":"network-confirm"}"#,
            Verb::NetworkRevert => r#"{"verb":"network-revert"}"#,
            Verb::SettingsHistory => r#"{"verb":"settings-history"}"#,
            Verb::SettingsDiff => r#"{"verb":"settings-diff","generation":7}"#,
            Verb::SettingsRestore => r#"{"verb":"settings-restore","generation":7}"#,
            Verb::Backup => r#"{"verb":"backup","passphrase":"dix lamas"}"#,
            Verb::Restore => r#"{"verb":"restore","data":"AAAA","passphrase":"dix lamas"}"#,
            Verb::CheckAtBoot => r#"{"verb":"check-at-boot","on":true}"#,
            Verb::CheckAtBootState => r#"{"verb":"check-at-boot-state"}"#,
            Verb::SupportBundle => r#"{"verb":"support-bundle"}"#,
            Verb::Certificate => r#"{"verb":"certificate","done":"installed","print":"AB:CD"}"#,
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
            (Verb::SetupState, None, false),
            (Verb::Setup, None, true),
            (Verb::SetOwnPassword, Some(Viewer), true),
            (Verb::Users, Some(Administrator), false),
            (Verb::UserAdd, Some(Administrator), true),
            (Verb::UserChange, Some(Administrator), true),
            (Verb::UserRemove, Some(Administrator), true),
            (Verb::LogOut, Some(Viewer), true),
            (Verb::Session, Some(Viewer), false),
            (Verb::SettingsGet, Some(Operator), false),
            (Verb::SettingsValidate, Some(Operator), false),
            (Verb::SetPassword, Some(Administrator), true),
            (Verb::Logs, Some(Operator), false),
            (Verb::Audit, Some(Administrator), false),
            (Verb::Restart, Some(Administrator), true),
            (Verb::PowerOff, Some(Administrator), true),
            (Verb::SettingsCheck, Some(Administrator), false),
            (Verb::SettingsSet, Some(Administrator), true),
            (Verb::NetworkTrial, Some(Viewer), false),
            (Verb::NetworkConfirm, Some(Administrator), true),
            (Verb::NetworkRevert, Some(Administrator), true),
            (Verb::SettingsHistory, Some(Administrator), false),
            (Verb::SettingsDiff, Some(Administrator), false),
            (Verb::SettingsRestore, Some(Administrator), true),
            (Verb::Backup, Some(Administrator), true),
            (Verb::Restore, Some(Administrator), true),
            (Verb::CheckAtBoot, Some(Administrator), true),
            (Verb::CheckAtBootState, Some(Viewer), false),
            (Verb::SupportBundle, Some(Administrator), true),
            (Verb::Certificate, Some(Administrator), true),
        ] {
            assert_eq!(verb.needs(), needs.map_or(Needs::Nobody, Needs::Role));
            assert_eq!(verb.is_audited(), audited, "{verb:?}");
        }
        assert_eq!(Verb::SetupCode.needs(), Needs::Root);
    }

    #[test]
    fn what_is_done_to_users_is_told_and_no_secret() {
        for (ask, expected) in [
            (request(Verb::UserAdd), "nina, operator"),
            (request(Verb::Certificate), "installed, AB:CD"),
            (
                r#"{"verb":"certificate","done":"removed","print":"dix lamas"}"#,
                "removed, ?",
            ),
            (
                request(Verb::UserChange),
                "gina, operator, language, disabled",
            ),
            (
                r#"{"verb":"user-change","name":"gina","password":"dix lamas","disabled":false}"#,
                "gina, password, enabled",
            ),
            (r#"{"verb":"user-change","name":"gina"}"#, "gina"),
            (r#"{"verb":"user-remove","name":"Dix lamas"}"#, "?"),
        ] {
            let read: Request = serde_json::from_str(ask).unwrap();
            assert_eq!(read.about().unwrap(), expected, "{ask}");
        }
    }
}
