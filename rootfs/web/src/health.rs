//! Facts → health. Pure. The form of `GET /health`, which the tests and the health gate read.

use serde::Serialize;

use crate::facts::{Facts, VolumeFacts};
use crate::units::FailedUnits;

/// `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    pub status: Status,
    pub version: Option<String>,
    pub slot: Option<String>,
    pub mode: Option<String>,
    pub uptime_s: u64,
    pub volumes: Vec<Volume>,
    pub failed_units: Vec<String>,
    /// Other reasons for `degraded`, in English.
    pub problems: Vec<String>,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// It works, and somebody should look: a unit failed, a volume is absent or read-only, the
    /// settings are damaged.
    Degraded,
}

/// One volume that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Volume {
    pub name: String,
    pub mount: String,
    pub size_bytes: u64,
    pub free_bytes: u64,
    /// Mounted and writable.
    pub ok: bool,
}

impl Health {
    pub fn of(facts: &Facts, failed: FailedUnits) -> Self {
        let mut problems = facts.settings_warnings.clone();
        let failed_units = failed.unwrap_or_else(|why| {
            problems.push(why);
            Vec::new()
        });
        let volumes: Vec<Volume> = facts.volumes.iter().map(volume).collect();
        let well = failed_units.is_empty()
            && problems.is_empty()
            && volumes.iter().all(|volume| volume.ok);
        Self {
            status: if well { Status::Ok } else { Status::Degraded },
            version: facts.version.clone(),
            slot: facts.boot.slot.clone(),
            mode: facts.boot.mode.clone(),
            uptime_s: facts.uptime_s,
            volumes,
            failed_units,
            problems,
        }
    }
}

fn volume(facts: &VolumeFacts) -> Volume {
    Volume {
        name: facts.name.clone(),
        mount: facts.mount.clone(),
        size_bytes: facts.space.map_or(0, |space| space.size),
        free_bytes: facts.space.map_or(0, |space| space.free),
        ok: facts.space.is_some_and(|space| space.writable),
    }
}

#[cfg(test)]
pub mod tests {
    use crate::facts::{Boot, Space};

    use super::*;

    /// An installed appliance with a state volume and one data volume.
    pub fn facts() -> Facts {
        let volume = |name: &str, mount: &str, size: u64, free: u64| VolumeFacts {
            name: name.into(),
            mount: mount.into(),
            space: Some(Space {
                size,
                free,
                writable: true,
            }),
        };
        Facts {
            hostname: "nvr-hall".into(),
            version: Some("0.1.0.0".into()),
            boot: Boot {
                mode: Some("installed".into()),
                slot: Some("a".into()),
            },
            uptime_s: 93_784,
            volumes: vec![
                volume("state", "/var", 4_000_000_000, 3_900_000_000),
                volume("data-1", "/srv/data-1", 2_000_000_000_000, 150_000_000_000),
            ],
            settings_warnings: vec![],
        }
    }

    /// The same with everything wrong that can be.
    pub fn bad_facts() -> Facts {
        let mut facts = facts();
        facts.volumes[1].space = None;
        facts.settings_warnings = vec!["the settings are damaged <b>".into()];
        facts
    }

    #[test]
    fn json_is_as_agreed() {
        let health = Health::of(&facts(), Ok(vec![]));
        assert_eq!(
            serde_json::to_string(&health).expect("json"),
            concat!(
                r#"{"status":"ok","version":"0.1.0.0","slot":"a","mode":"installed","uptime_s":93784,"#,
                r#""volumes":[{"name":"state","mount":"/var","size_bytes":4000000000,"free_bytes":3900000000,"ok":true},"#,
                r#"{"name":"data-1","mount":"/srv/data-1","size_bytes":2000000000000,"free_bytes":150000000000,"ok":true}],"#,
                r#""failed_units":[],"problems":[]}"#
            )
        );
    }

    #[test]
    fn what_degrades() {
        let read_only = || {
            let mut facts = facts();
            facts.volumes[0].space = Some(Space {
                size: 1,
                free: 1,
                writable: false,
            });
            facts
        };
        for (name, facts, failed, expected) in [
            ("all well", facts(), Ok(vec![]), Status::Ok),
            (
                "a unit failed",
                facts(),
                Ok(vec!["x.service".to_owned()]),
                Status::Degraded,
            ),
            (
                "units unknown",
                facts(),
                Err("no answer".to_owned()),
                Status::Degraded,
            ),
            (
                "volume absent, settings damaged",
                bad_facts(),
                Ok(vec![]),
                Status::Degraded,
            ),
            ("state read-only", read_only(), Ok(vec![]), Status::Degraded),
        ] {
            assert_eq!(Health::of(&facts, failed).status, expected, "{name}");
        }
    }
}
