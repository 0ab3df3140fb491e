//! The verbs, and which role each takes: [`Verb::needs`] is the one place that says it.

mod about;
mod request;
mod role;

pub use request::{Certificate, Edited, Envelope, Request};
pub use role::Role;
use serde::{Deserialize, Serialize};

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
    /// [`Request::SessionsEnd`].
    SessionsEnd,
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
    pub const ALL: [Self; 33] = [
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
        Self::SessionsEnd,
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
            Self::LogOut | Self::Session | Self::SetOwnPassword | Self::SessionsEnd => {
                Needs::Role(Role::Viewer)
            }
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
                    | Self::SessionsEnd
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
            Verb::SessionsEnd => r#"{"verb":"sessions-end","name":"gina"}"#,
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
            (Verb::SessionsEnd, Some(Viewer), true),
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
}
