//! Where facts are read from: a tree like /sys, and the permanent addresses that only a system
//! call tells.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use vigie_settings::MacAddress;

use crate::netlink;

/// Where the facts of a machine come from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The tree, /sys on a running machine.
    pub sysfs: PathBuf,
    /// Permanent hardware addresses by the ports' names, as far as they can be had.
    pub permanent: BTreeMap<String, MacAddress>,
}

impl Source {
    /// The running machine.
    #[must_use]
    pub fn this() -> Self {
        Self {
            sysfs: PathBuf::from("/sys"),
            // Without an answer the ports' own word has to do (see `ports`).
            permanent: netlink::permanent_addresses().unwrap_or_default(),
        }
    }

    /// A file's text without white space around it; none where there is no such file.
    pub(crate) fn text(&self, path: &str) -> Fact {
        match fs::read(self.sysfs.join(path)) {
            Ok(bytes) => Fact::Read(String::from_utf8_lossy(&bytes).trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Fact::Forbidden,
            Err(_) => Fact::Absent,
        }
    }

    /// The last part of what a link leads to.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.sysfs.join(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }
}

/// What reading a file came to.
pub(crate) enum Fact {
    Read(String),
    Absent,
    Forbidden,
}

impl Fact {
    pub(crate) fn known(self) -> Option<String> {
        match self {
            Self::Read(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}
