//! Who may log in, and as what.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::verb::Role;

/// The accounts' hashes.
pub const SHADOW: &str = "/etc/shadow";

/// Somebody who may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The hash of the password.
    pub hash: String,
}

impl User {
    /// What changes with the password, and tells nothing of it: a session ends with it.
    #[must_use]
    pub fn credential(&self) -> String {
        hex::encode(Sha256::digest(self.hash.as_bytes()))
    }
}

/// Where users come from: the accounts of the system, and the users of the settings.
pub trait Users {
    /// The user of a name, unless no password opens it.
    fn find(&self, name: &str) -> Option<User>;
}

/// The accounts of the system: root is an administrator, and nobody else has a business here.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// [`SHADOW`].
    pub shadow: PathBuf,
}

impl Users for Accounts {
    fn find(&self, name: &str) -> Option<User> {
        if name != "root" {
            return None;
        }
        let shadow = std::fs::read_to_string(&self.shadow).unwrap_or_default();
        let of_root = |line: &str| line.strip_prefix("root:").map(str::to_owned);
        let line = shadow.lines().find_map(of_root)?;
        let hash = line
            .split(':')
            .next()
            .filter(|hash| hash.starts_with('$'))?;
        Some(User {
            name: name.to_owned(),
            role: Role::Administrator,
            hash: hash.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_account_with_a_password_may_log_in() {
        let dir = tempfile::tempdir().unwrap();
        let shadow = dir.path().join("shadow");
        let accounts = Accounts {
            shadow: shadow.clone(),
        };
        assert!(accounts.find("root").is_none(), "no file");
        for (hash, opens) in [
            ("$y$j9T$a$b", true),
            ("", false),
            ("*", false),
            ("!$y$a", false),
        ] {
            let text = format!("rootless:$y$x:1::\nroot:{hash}:1::::::\nservice:$y$a$b:1::\n");
            std::fs::write(&shadow, text).unwrap();
            let root = accounts.find("root");
            assert_eq!(root.is_some(), opens, "{hash}");
            for other in ["service", "rootless", "root:", ""] {
                assert!(accounts.find(other).is_none(), "{other}");
            }
        }
        let user = |hash: &str| User {
            name: "a".into(),
            role: Role::Viewer,
            hash: hash.into(),
        };
        assert_ne!(user("$y$1").credential(), user("$y$2").credential());
        assert!(!user("$y$1").credential().contains("$y$1"));
    }
}
