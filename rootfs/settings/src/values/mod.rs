//! The values that a settings document is made of.
//!
//! Each is a string that was parsed once; having one means that it is well-formed. Every refusal
//! says what is wrong and what is allowed ([`Invalid`]); the reader adds line and field.

mod access;
mod net;
#[cfg(any(test, feature = "schema"))]
mod schema;
mod system;
mod update;
mod users;
mod volume;

pub use access::{PasswordHash, SshKey};
pub use net::{Cidr, Host, InterfaceName, MacAddress};
pub use system::{HostName, Keymap, Language, TimeZone};
pub use update::{Certificates, HttpsUrl, PathName, Token, Window};
pub use users::{Email, IdleMinutes, Line, UserName, WebHash};
pub use volume::{FsUuid, MountPoint, VolumeName};

use crate::words::{Said, said};

/// Why a text is not the value that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub struct Invalid {
    /// The refused text (left out of messages for secrets).
    pub found: String,
    /// Key of the words for what is wrong with it, which follow the text: "is not …".
    pub wrong: &'static str,
    /// Key of the words for what would be accepted.
    pub allowed: &'static str,
}

impl Invalid {
    fn new(found: &str, wrong: &'static str, allowed: &'static str) -> Self {
        // A megabyte of garbage in one field must not become a megabyte of message.
        let found = found.chars().take(80).collect();
        Self {
            found,
            wrong,
            allowed,
        }
    }

    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        sentence(&format!("{:?}", self.found), self.wrong, self.allowed)
    }
}

/// The refusal of a text that stands in quotes already.
pub(crate) fn sentence(quoted: &str, wrong: &str, allowed: &str) -> Said {
    let values = [
        ("found", Said::same(quoted)),
        ("wrong", said(wrong, &[])),
        ("allowed", said(allowed, &[])),
    ];
    said("value.sentence", &values)
}

/// A string that holds only after `$check` passed, with the conversions that serde and people need.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text as it stands in the document.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::values::Invalid;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::values::Invalid;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
use text_value;

/// `Debug` as the plain text; not for secrets.
macro_rules! plain_debug {
    ($($name:ident),+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    )+};
}
use plain_debug;
