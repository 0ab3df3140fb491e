//! What root did by `vigie-settings`, for the audit trail: lines as the broker writes them
//! (`rootfs/broker/src/audit.rs`, which reads them), in files of their own. Only the program writes
//! them: what the broker does by this library is in its own record.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use serde::Serialize;

use crate::rows::{FOLDER, FULL, Rows};
use crate::stamp::seconds_now;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It is about to be done.
    Asked,
    /// It was done.
    Done,
    /// It was tried.
    Failed,
}

/// What somebody did.
#[derive(Clone, Debug)]
pub struct Deed<'a> {
    /// Who.
    pub who: &'a str,
    /// From where: an address, or `console`.
    pub from: &'a str,
    /// What: the broker's verb for the same.
    pub action: &'a str,
    /// The fields that change, or another word of ours; never a value.
    pub about: Option<String>,
}

/// One line: the broker's `Record`.
#[derive(Serialize)]
struct Line<'a> {
    time: u64,
    who: &'a str,
    role: &'a str,
    from: &'a str,
    peer: &'a str,
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    ended: Ended,
}

/// Longest word that is kept, in characters.
const LONGEST: usize = 200;

fn bounded(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(LONGEST).collect()
}

/// The files, below the root of a system.
#[must_use]
pub fn rows(root: &Path) -> Rows {
    Rows {
        folder: root.join(FOLDER),
        name: "commands",
        kept: 4,
        full: FULL,
    }
}

/// Writes down what became of a deed.
///
/// # Errors
/// The state volume refuses.
pub fn note(root: &Path, deed: &Deed<'_>, ended: Ended) -> io::Result<()> {
    let line = Line {
        time: seconds_now(),
        who: &bounded(deed.who),
        role: "administrator",
        from: deed.from,
        peer: "root",
        action: deed.action,
        about: deed.about.as_deref().map(bounded),
        ended,
    };
    rows(root).append(&serde_json::to_string(&line)?)
}

/// From where somebody works, by what SSH leaves in the environment (`SSH_CONNECTION`, ssh(1)).
#[must_use]
pub fn place(ssh: Option<&str>) -> String {
    let address = ssh.and_then(|text| text.split(' ').next());
    let address = address.and_then(|text| text.parse::<IpAddr>().ok());
    address.map_or_else(
        || "console".to_owned(),
        |address| address.to_canonical().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_where_somebody_works() {
        for (ssh, expected) in [
            (None, "console"),
            (Some(""), "console"),
            (Some("x"), "console"),
            (Some("192.0.2.7 5000 192.0.2.1 22"), "192.0.2.7"),
            (Some("::ffff:192.0.2.7 5000 ::1 22"), "192.0.2.7"),
            (Some("fd00::7 5000 fd00::1 22"), "fd00::7"),
        ] {
            assert_eq!(place(ssh), expected, "{ssh:?}");
        }
    }
}
