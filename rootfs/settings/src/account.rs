//! The accounts of the system whose passwords are in the settings, and what a password must be.

use serde::{Deserialize, Serialize};

use crate::document::Access;
use crate::values::PasswordHash;

/// Shortest password that is set anywhere, in characters: of accounts of the system and of users.
pub const SHORTEST_PASSWORD: usize = 8;

/// An account of the system whose password is in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Account {
    /// The administrator.
    Root,
    /// Who sends update packages by scp.
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

    /// Where the hash of its password is.
    pub fn hash(self, access: &mut Access) -> &mut Option<PasswordHash> {
        match self {
            Self::Root => &mut access.root_password_hash,
            Self::Service => &mut access.service_password_hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_name_and_its_hash() {
        for account in [Account::Root, Account::Service] {
            let name = serde_json::to_value(account).unwrap();
            assert_eq!(name, account.name());
            let mut access = Access::default();
            let hash: PasswordHash = "$6$saltsalt$hashhashhash".parse().unwrap();
            *account.hash(&mut access) = Some(hash);
            let written = toml::to_string(&access).unwrap();
            assert!(written.starts_with(&format!("{}_password_hash", account.name())));
        }
    }
}
