//! Who may log in, and as what: the users of the settings, and root until there is an administrator
//! among them.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use vigie_settings::{Language, Store};

use crate::peer::Peer;
use crate::people;
use crate::verb::Role;

/// The accounts' hashes.
pub const SHADOW: &str = "/etc/shadow";

/// The account that may do everything.
pub const ROOT: &str = "root";

/// Somebody who may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The language of their pages, where it is not that of the appliance.
    pub language: Option<Language>,
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

impl From<&vigie_settings::User> for User {
    fn from(user: &vigie_settings::User) -> Self {
        Self {
            name: user.name.to_string(),
            role: user.role.into(),
            language: user.language,
            hash: user.password_hash.as_str().to_owned(),
        }
    }
}

/// Where users come from: the accounts of the system, and the users of the settings.
pub trait Users {
    /// The user of a name, as whoever logs in `by` somebody finds them, unless no password opens it.
    fn find(&self, name: &str, by: Peer) -> Option<User>;
}

/// Those of a system.
#[derive(Clone, Debug)]
pub struct OfSystem {
    /// The root of the system.
    pub root: PathBuf,
    /// The account of root.
    pub accounts: Accounts,
}

impl Users for OfSystem {
    fn find(&self, name: &str, by: Peer) -> Option<User> {
        let settings = Store::of_system(&self.root).load().settings;
        if name == ROOT {
            // The web interface lets root in to mend what is wrong, until somebody has a name of their own.
            let is_open = by == Peer::Root || !people::has_administrator(&settings);
            return is_open.then(|| self.accounts.root()).flatten();
        }
        let mut users = settings.users.iter();
        let user = users.find(|user| user.name.as_str() == name && !user.disabled)?;
        Some(user.into())
    }
}

/// The accounts of the system: root is an administrator, and nobody else has a business here.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// [`SHADOW`].
    pub shadow: PathBuf,
}

impl Accounts {
    /// Root, unless no password opens it.
    #[must_use]
    pub fn root(&self) -> Option<User> {
        let shadow = std::fs::read_to_string(&self.shadow).unwrap_or_default();
        let of_root = |line: &str| line.strip_prefix("root:").map(str::to_owned);
        let line = shadow.lines().find_map(of_root)?;
        let hash = line
            .split(':')
            .next()
            .filter(|hash| hash.starts_with('$'))?;
        Some(User {
            name: ROOT.to_owned(),
            role: Role::Administrator,
            language: None,
            hash: hash.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::tests::{USERS, save};

    #[test]
    fn root_logs_in_to_the_web_interface_until_somebody_has_a_name_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let shadow = root.join("shadow");
        std::fs::write(&shadow, "root:$y$j9T$a$b:1::::::\n").unwrap();
        let users = OfSystem {
            root: root.to_owned(),
            accounts: Accounts { shadow },
        };
        let web = |name| users.find(name, Peer::Web);
        assert!(web("root").is_some() && web("anne").is_none());
        save(root, USERS);
        assert!(web("root").is_none());
        assert!(users.find("root", Peer::Root).is_some());
        let anne = web("anne").unwrap();
        assert_eq!((&*anne.name, anne.role), ("anne", Role::Administrator));
        let vera = web("vera").unwrap();
        assert_eq!(
            (vera.role, vera.language),
            (Role::Viewer, Some(Language::Fr))
        );
        for nobody in ["dora", "Anne", "", "nina"] {
            assert!(web(nobody).is_none(), "{nobody}");
        }
    }

    #[test]
    fn only_an_account_with_a_password_may_log_in() {
        let dir = tempfile::tempdir().unwrap();
        let shadow = dir.path().join("shadow");
        let accounts = Accounts {
            shadow: shadow.clone(),
        };
        assert!(accounts.root().is_none(), "no file");
        for (hash, opens) in [
            ("$y$j9T$a$b", true),
            ("", false),
            ("*", false),
            ("!$y$a", false),
        ] {
            let text = format!("rootless:$y$x:1::\nroot:{hash}:1::::::\nservice:$y$a$b:1::\n");
            std::fs::write(&shadow, text).unwrap();
            let root = accounts.root();
            assert_eq!(root.is_some(), opens, "{hash}");
        }
        let user = |hash: &str| User {
            name: "a".into(),
            role: Role::Viewer,
            language: None,
            hash: hash.into(),
        };
        assert_ne!(user("$y$1").credential(), user("$y$2").credential());
        assert!(!user("$y$1").credential().contains("$y$1"));
    }
}
