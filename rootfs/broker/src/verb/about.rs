//! What the audit trail says of a request, beside its verb: never a secret, and no text that may be one.

use vigie_settings::UserName;

use super::{Certificate, Request};
use crate::keeping;

impl Request {
    /// What it is about, for the audit trail; never a secret.
    #[must_use]
    pub fn about(&self) -> Option<String> {
        match self {
            Self::SetPassword { account, .. } => Some(account.name().to_owned()),
            Self::Logs { unit, .. } => unit.clone(),
            Self::UserRemove { name } | Self::SessionsEnd { name } => Some(named(name)),
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
mod tests {
    use super::super::Verb;
    use super::super::tests::request;
    use super::*;

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
