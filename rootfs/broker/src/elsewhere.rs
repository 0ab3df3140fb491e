//! All that was done to an appliance, in one list: by the broker, by the recovery from outside, by the
//! updater. Each writes down its own; here they are only read.

use std::path::Path;

use serde::Deserialize;
use vigie_settings::rows::text;

use crate::audit::{Ended, Record, Trail, printable};

/// What the recovery did to this installation from outside, below the root of the system
/// (`vigie-recovery`, `audit.rs`).
pub const FROM_OUTSIDE: &str = "var/lib/vigie/recovery/actions.jsonl";

/// What was updated, by whom and through which door (`vigie-update`, `history.rs`).
pub const UPDATES: &str = "var/lib/vigie/update/history.jsonl";

/// All that was done to a system, from inside and from outside, updates, log-ins and refusals included;
/// the oldest first.
#[must_use]
pub fn everything(root: &Path) -> Vec<Record> {
    let rows = Trail::all(root);
    let mut all: Vec<Record> = rows.iter().flat_map(Trail::load).collect();
    all.extend(from_outside(&root.join(FROM_OUTSIDE)));
    all.extend(updates(&root.join(UPDATES)));
    all.sort_by_key(|record| record.time);
    all
}

/// What the recovery wrote down of its own: who did it nobody knows, but for that they had a medium.
fn from_outside(path: &Path) -> Vec<Record> {
    #[derive(Deserialize)]
    struct Entry {
        time: String,
        action: String,
        what: String,
        medium: Option<String>,
    }
    let text = text(path);
    let entries = text.lines().filter_map(|line| {
        let entry: Entry = serde_json::from_str(line).ok()?;
        let medium = entry
            .medium
            .map_or(String::new(), |medium| format!(" {medium}"));
        Some(Record {
            time: seconds(&entry.time)?,
            who: None,
            role: None,
            from: format!("recovery{medium}"),
            peer: None,
            action: entry.action,
            about: Some(entry.what),
            ended: Ended::Done,
            code: None,
        })
    });
    entries.map(|record| record.bounded()).collect()
}

/// What the updater wrote down of its own.
fn updates(path: &Path) -> Vec<Record> {
    #[derive(Deserialize)]
    struct Entry {
        time: u64,
        outcome: String,
        door: Option<String>,
        who: Option<String>,
        to: Option<String>,
    }
    let text = text(path);
    let entries = text.lines().filter_map(|line| {
        let entry: Entry = serde_json::from_str(line).ok()?;
        let ended = match entry.outcome.as_str() {
            "refused" => Ended::Refused,
            "failed" => Ended::Failed,
            _ => Ended::Done,
        };
        Some(Record {
            time: entry.time,
            who: entry.who,
            role: None,
            // What the machine finds out by itself, such as that a version is good, has no door.
            from: entry.door.unwrap_or_else(|| "-".to_owned()),
            peer: None,
            action: printable(&format!("update-{}", entry.outcome)),
            about: entry.to,
            ended,
            code: None,
        })
    });
    entries.map(|record| record.bounded()).collect()
}

/// Seconds since 1970 of `2026-11-30T11:32:21Z`.
fn seconds(utc: &str) -> Option<u64> {
    let number = |from: usize, to: usize| utc.get(from..to)?.parse::<u64>().ok();
    let shape = utc.len() == 20 && utc.ends_with('Z');
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let good = shape && year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !good {
        return None;
    }
    // As `vigie_settings::utc`, backwards: years begin on 1 March (H. Hinnant, days_from_civil).
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use vigie_settings::noted::{self, Deed};
    use vigie_settings::utc;

    use crate::peer::Peer;
    use crate::verb::{Role, Verb};

    fn record(number: u64) -> Record {
        Record {
            time: number,
            who: Some("anne".into()),
            role: Some(Role::Administrator),
            ..Record::now(Verb::SetPassword, "192.0.2.7", Ended::Done)
        }
    }

    #[test]
    fn what_was_done_from_outside_is_told_with_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(FROM_OUTSIDE);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // As vigie-recovery writes it.
        let line = r#"{"time":"1970-01-01T00:00:15Z","action":"password","what":"root","medium":"1.2.3.4"}"#;
        let no_medium = r#"{"time":"1970-01-01T00:00:05Z","action":"rollback","what":"slot b"}"#;
        fs::write(&path, format!("{line}\nhalf\n{no_medium}\n")).unwrap();
        Trail::actions(root.path()).append(&record(10)).unwrap();
        Trail::wrong(root.path()).append(&record(20)).unwrap();
        let all = everything(root.path());
        let told: Vec<(u64, &str, &str)> = all
            .iter()
            .map(|record| (record.time, &*record.from, &*record.action))
            .collect();
        assert_eq!(
            told,
            [
                (5, "recovery", "rollback"),
                (10, "192.0.2.7", "set-password"),
                (15, "recovery 1.2.3.4", "password"),
                (20, "192.0.2.7", "set-password"),
            ]
        );
        assert_eq!(all[2].about.as_deref(), Some("root"));
        // The names that both sides mean.
        let theirs = include_str!("../../../recovery/src/audit.rs");
        assert!(theirs.contains("FILE: &str = \"actions.jsonl\""));
        let folder = include_str!("../../../recovery/src/check/keep.rs");
        assert!(folder.contains("ON_STATE: &str = \"lib/vigie/recovery\""));
    }

    #[test]
    fn what_root_did_by_a_command_is_told_with_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let deed = Deed {
            who: "root",
            from: "192.0.2.7",
            action: "settings-set",
            about: Some("system.hostname".to_owned()),
        };
        for ended in [
            noted::Ended::Asked,
            noted::Ended::Done,
            noted::Ended::Failed,
        ] {
            noted::note(root.path(), &deed, ended).unwrap();
        }
        let all = everything(root.path());
        let ended = all.iter().map(|record| record.ended).collect::<Vec<_>>();
        assert_eq!(ended, [Ended::Asked, Ended::Done, Ended::Failed]);
        let expected = Record {
            time: all[1].time,
            who: Some("root".into()),
            role: Some(Role::Administrator),
            peer: Some(Peer::Root),
            about: Some("system.hostname".into()),
            ..Record::now(Verb::SettingsSet, "192.0.2.7", Ended::Done)
        };
        assert_eq!(all[1], expected);
    }

    #[test]
    fn updates_are_told_with_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(UPDATES);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // As vigie-update writes it.
        let lines = r#"{"time":5,"outcome":"installed","door":"web","who":"anne","from":"1.0.0.0","to":"1.1.0.0","slot":"b","seconds":9}
{"time":7,"outcome":"good","from":"1.1.0.0","to":"1.1.0.0"}
{"time":9,"outcome":"refused","door":"scp","from":"1.1.0.0","reason":"older","reason_fr":"plus ancien"}
{"time":
"#;
        fs::write(&path, lines).unwrap();
        Trail::actions(root.path()).append(&record(6)).unwrap();
        let all = everything(root.path());
        let told: Vec<(u64, Option<&str>, &str, &str, Ended)> = all
            .iter()
            .map(|r| (r.time, r.who.as_deref(), &*r.from, &*r.action, r.ended))
            .collect();
        assert_eq!(
            told,
            [
                (5, Some("anne"), "web", "update-installed", Ended::Done),
                (6, Some("anne"), "192.0.2.7", "set-password", Ended::Done),
                (7, None, "-", "update-good", Ended::Done),
                (9, None, "scp", "update-refused", Ended::Refused),
            ]
        );
        assert_eq!(all[0].about.as_deref(), Some("1.1.0.0"));
        let theirs = include_str!("../../../update/src/history.rs");
        assert!(theirs.contains("const FILE: &str = \"history.jsonl\""));
    }

    #[test]
    fn times_go_both_ways() {
        for (seconds_, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_796_038_341, "2026-11-30T11:32:21Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds_), text);
            assert_eq!(seconds(text), Some(seconds_), "{text}");
        }
        for bad in [
            "",
            "2026-11-30",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "2026-11-30T11:32:21+",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
