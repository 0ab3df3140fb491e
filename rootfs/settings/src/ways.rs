//! The ways into an appliance, so that none is lost unseen.

use std::fmt;
use std::str::FromStr;

use crate::document::Settings;
use crate::words::{Said, said};

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Root's password and the keys that open its account or its menu.
    Root,
    /// The password and the keys of the account `service`.
    Service,
    /// The users of the web interface.
    Users,
}

impl Way {
    const ALL: [Self; 3] = [Self::Root, Self::Service, Self::Users];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Service => "service",
            Self::Users => "users",
        }
    }

    /// In both languages.
    #[must_use]
    pub fn said(self) -> Said {
        match self {
            Self::Root => said("way.root", &[]),
            Self::Service => said("way.service", &[]),
            Self::Users => said("way.users", &[]),
        }
    }

    fn is_open(self, settings: &Settings) -> bool {
        let access = &settings.access;
        match self {
            Self::Root => {
                access.root_password_hash.is_some()
                    || !access.ssh_authorized_keys.is_empty()
                    || !access.menu_ssh_keys.is_empty()
            }
            Self::Service => access.service_is_open(),
            Self::Users => !settings.users.is_empty(),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|way| way.name() == text)
            .ok_or_else(|| "allowed: root, service, users".to_owned())
    }
}

/// The ways that were open and are so no longer.
#[must_use]
pub fn lost(old: &Settings, new: &Settings) -> Vec<Way> {
    let all = Way::ALL.into_iter();
    all.filter(|way| way.is_open(old) && !way.is_open(new))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_lost_with_the_last_that_opens_it() {
        let full = Settings::from_text(include_str!("../tests/golden/full.toml")).expect("reads");
        let nothing = Settings::default();
        assert_eq!(lost(&full, &nothing), Way::ALL);
        assert_eq!(lost(&nothing, &full), []);
        let mut new = full.clone();
        new.access.root_password_hash = None;
        new.access.service_password_hash = None;
        let open = (new.access.service_is_open(), lost(&full, &new));
        assert_eq!(open.0, !open.1.contains(&Way::Service));
        assert!(!open.1.contains(&Way::Root), "keys open it");
        new.access.ssh_authorized_keys.clear();
        new.access.menu_ssh_keys.clear();
        assert!(lost(&full, &new).contains(&Way::Root));
        for way in Way::ALL {
            assert_eq!(way.name().parse(), Ok(way));
        }
        assert!("all".parse::<Way>().is_err());
    }
}
