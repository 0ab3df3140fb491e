//! What the updater says → the lines of the update screen. Pure.

use serde::Deserialize;

use crate::messages::Messages;
use crate::status::size;

/// The updater.
pub const UPDATER: &str = "/usr/bin/vigie-update";

/// A line of `vigie-update list --json`; other fields exist.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Found {
    pub id: String,
    pub door: String,
    pub name: String,
    pub state: String,
    pub size: u64,
    pub version: Option<String>,
    pub reason: Option<String>,
    pub reason_fr: Option<String>,
}

/// The state of a stick or disc that was not mounted.
const NOT_READ: &str = "not-read";

impl Found {
    /// Whether it can be installed.
    pub fn is_ready(&self) -> bool {
        self.state == "ready"
    }
}

/// A line of `vigie-update history --json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Record {
    outcome: String,
    to: Option<String>,
    reason: Option<String>,
    reason_fr: Option<String>,
}

/// The packages in the updater's answer; those that can be installed come first.
pub fn found(json_lines: &str) -> Vec<Found> {
    let lines = json_lines.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The packages, a number before each that can be installed.
pub fn lines(m: &Messages, all: &[Found]) -> Vec<String> {
    if all.is_empty() {
        return vec![m.no_package.to_owned()];
    }
    let mut number = 0;
    let mut lines = Vec::new();
    for found in all {
        let mark = match found.is_ready() {
            true => {
                number += 1;
                number.to_string()
            }
            false => "-".to_owned(),
        };
        let word = state(m, found);
        lines.push(format!("  {mark} {} {word}", title(found)));
        lines.extend(place(found).map(|place| format!("    {place}")));
        let reason = if m.code == "fr" {
            &found.reason_fr
        } else {
            &found.reason
        };
        lines.extend(reason.iter().map(|reason| format!("    {reason}")));
    }
    lines
}

/// Whether it can be installed, in a word or two.
pub fn state(m: &Messages, found: &Found) -> &'static str {
    match found.state.as_str() {
        "ready" => m.ready,
        "arriving" => m.arriving,
        "later" => m.later,
        NOT_READ => m.not_read,
        _ => m.refused,
    }
}

/// What it is: a version, or a stick or disc as a whole.
pub fn title(found: &Found) -> &str {
    match found.state.as_str() {
        NOT_READ => &found.name,
        _ => found.version.as_deref().unwrap_or("?"),
    }
}

/// Where it lies, and how much it is; none of a stick or disc as a whole.
pub fn place(found: &Found) -> Option<String> {
    let place = || format!("{}, {}, {}", found.door, found.name, size(found.size));
    (found.state != NOT_READ).then(place)
}

/// What became of the last update, of `vigie-update history --json`; none where there was none.
pub fn last(m: &Messages, json_lines: &str) -> Option<String> {
    let record: Record = serde_json::from_str(json_lines.lines().last()?).ok()?;
    let words = m.outcomes.iter().find(|(word, _)| *word == record.outcome);
    let words = words.map_or(record.outcome.as_str(), |(_, words)| words);
    let version = record.to.unwrap_or_default();
    let french = record.reason_fr.filter(|_| m.code == "fr");
    let reason = french.or(record.reason);
    let reason = reason.map(|reason| format!(" ({reason})"));
    Some(format!(
        "{}: {version} {words}{}",
        m.last_update,
        reason.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_settings::Language;

    use crate::messages::messages;

    #[test]
    fn packages_and_the_last_outcome() {
        let json = r#"{"id":"ab","door":"usb","name":"x-upd.tgz","state":"ready","size":150000000,"version":"1.2.0.0"}
garbage
{"id":"cd","door":"scp","name":"y.tgz","state":"refused","size":1,"version":"1.0.0.0","reason":"older","reason_fr":"plus ancien"}
{"id":"gh","door":"usb","name":"v.tgz","state":"later","size":1,"version":"1.1.0.0","reason":"another waits","reason_fr":"une autre attend"}
{"id":"ef","door":"web","name":"z.tgz","state":"unreadable","size":1,"reason":"damaged","reason_fr":"abîmé"}
{"id":"ij","door":"usb","name":"sdb1 (USB DISK)","state":"not-read","size":0,"reason":"it holds ntfs","reason_fr":"il contient ntfs"}"#;
        let found = found(json);
        assert_eq!(found.len(), 5);
        let shown = lines(messages(Language::Fr), &found);
        assert_eq!(
            shown,
            [
                "  1 1.2.0.0 prêt à installer",
                "    usb, x-upd.tgz, 150 MB",
                "  - 1.0.0.0 pas accepté",
                "    scp, y.tgz, 0 MB",
                "    plus ancien",
                "  - 1.1.0.0 plus tard",
                "    usb, v.tgz, 0 MB",
                "    une autre attend",
                "  - ? pas accepté",
                "    web, z.tgz, 0 MB",
                "    abîmé",
                "  - sdb1 (USB DISK) non lu",
                "    il contient ntfs",
            ]
        );
        let m = messages(Language::En);
        assert_eq!(lines(m, &[]), [m.no_package]);
        let history = "{\"outcome\":\"good\"}\n{\"outcome\":\"returned\",\"to\":\"1.2.0.0\",\"reason\":\"it hung\"}\n";
        let told = last(m, history);
        let expected =
            "Last update: 1.2.0.0 has not come up; this is the version before it (it hung)";
        assert_eq!(told.as_deref(), Some(expected));
        assert_eq!(last(m, ""), None);
        // In the menu's language, where that was kept.
        let m = messages(Language::Fr);
        assert!(last(m, history).is_some_and(|told| told.ends_with("(it hung)")));
        let history = r#"{"outcome":"returned","reason":"it hung","reason_fr":"elle s'est figée"}"#;
        assert!(last(m, history).is_some_and(|told| told.ends_with("(elle s'est figée)")));
    }
}
