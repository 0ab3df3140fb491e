//! Facts → health. Pure. The form of `GET /health`, which the tests and the health gate read.

use schemars::JsonSchema;
use serde::Serialize;

use crate::arrays::{Action, ArrayFacts};
use crate::facts::{Check, Facts, StateCheck, VolumeFacts};
use crate::language::Language;
use crate::messages::Messages;
use crate::services::Service;
use crate::temperatures::TemperatureFacts;
use crate::units::FailedUnits;

/// `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Health {
    /// The verdict.
    pub status: Status,
    /// The version that runs.
    pub version: Option<String>,
    /// The slot that it runs from, `a` or `b`; none in the live system of the medium.
    pub slot: Option<String>,
    /// `installed`, `live` or `recovery`.
    pub mode: Option<String>,
    /// Time since the kernel started, in seconds.
    pub uptime_s: u64,
    /// The volumes that must be there.
    pub volumes: Vec<Volume>,
    /// The md RAID arrays.
    pub arrays: Vec<Array>,
    /// What the sensors say; none where there are none.
    pub temperatures: Vec<Temperature>,
    /// The appliance's services; none where they could not be asked for.
    pub services: Vec<Service>,
    /// Services that have failed, by systemd's names.
    pub failed_units: Vec<String>,
    /// Other reasons for `degraded`, in English.
    pub problems: Vec<String>,
    /// The same in French, as far as they are translated.
    pub problems_fr: Vec<String>,
    /// What the start has mended by itself, in English: no reason for `degraded`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The same in French.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes_fr: Vec<String>,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything works.
    Ok,
    /// It works, and somebody should look: a unit failed, a volume is absent or read-only, an
    /// array lacks a disk, the settings are damaged.
    Degraded,
}

/// One volume that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Volume {
    /// Its name, such as `state` or `data-1`.
    pub name: String,
    /// Where it is mounted.
    pub mount: String,
    /// Its size in bytes; 0 where it is not mounted.
    pub size_bytes: u64,
    /// What is free on it, in bytes; 0 where it is not mounted.
    pub free_bytes: u64,
    /// Its check at the start goes on, or did not find it clean: `problems` says what there is to
    /// say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub checked: bool,
    /// How much is done of the step of its check, while it goes on; the next step begins at 0 again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_percent: Option<u8>,
    /// The phase of the step, 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_pass: Option<u8>,
    /// Mounted and writable.
    pub ok: bool,
}

/// One md RAID array. A first synchronisation alone is nothing to worry about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Array {
    /// Its name, such as `state`.
    pub name: String,
    /// `raid1` and so on; empty while it waits for members.
    pub level: String,
    /// Members of the whole array; 0 while it waits for them.
    pub disks: usize,
    /// Members in use (or waiting), by the kernel's names.
    pub members: Vec<String>,
    /// Members that are missing, failed or not up to date.
    pub missing: usize,
    /// Running with all its members.
    pub ok: bool,
    /// What passes over it.
    pub sync: Option<Action>,
    /// How far that is.
    pub sync_percent: Option<u8>,
}

/// The volume of settings, logs and uploads.
const STATE: &str = "state";
/// With less than that left on it, in bytes, soon nothing can be kept. Uploads leave twice as much.
const LITTLE: u64 = 32 << 20;

/// What a sensor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Temperature {
    /// The chip, the disk, and what the chip calls it, such as `coretemp Core 0`.
    pub name: String,
    /// In degrees Celsius.
    pub celsius: i32,
    /// What it must stay below, where the sensor says it.
    pub limit_celsius: Option<i32>,
    /// It is below that, or nobody knows.
    pub ok: bool,
}

impl Health {
    pub fn of(facts: &Facts, failed: FailedUnits) -> Self {
        let mut problems = facts.settings_warnings.clone();
        let failed_units = failed.unwrap_or_else(|why| {
            problems.push(why);
            Vec::new()
        });
        let mut problems_fr: Vec<String> = problems.iter().map(|one| french(one, facts)).collect();
        for array in &facts.arrays {
            problems.extend(array_problem(Messages::of(Language::En), array));
            problems_fr.extend(array_problem(Messages::of(Language::Fr), array));
        }
        for hot in facts.temperatures.iter().filter(|one| !is_cool(one)) {
            problems.push(hot_problem(Messages::of(Language::En), hot));
            problems_fr.push(hot_problem(Messages::of(Language::Fr), hot));
        }
        for check in facts.volumes.iter().filter_map(unused) {
            problems.push(check.english.clone());
            problems_fr.push(check.french.clone());
        }
        if facts.volumes.iter().any(is_little) {
            problems.push(Messages::of(Language::En).state_full.to_owned());
            problems_fr.push(Messages::of(Language::Fr).state_full.to_owned());
        }
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
            arrays: facts.arrays.iter().map(array).collect(),
            temperatures: facts.temperatures.iter().map(temperature).collect(),
            // They are seen to beside what is judged here.
            services: Vec::new(),
            failed_units,
            problems,
            problems_fr,
            notes: notes(facts, Language::En),
            notes_fr: notes(facts, Language::Fr),
        }
    }
}

/// How `vigie-settings` begins to say that the state volume is used although it is damaged.
const USED_ALL_THE_SAME: &str = "the state volume is damaged and used all the same";

/// What `vigie-settings` says at boot, in French where the initrd has said that, too.
fn french(warning: &str, facts: &Facts) -> String {
    match facts.boot.used_state() {
        Some(check) if warning.starts_with(USED_ALL_THE_SAME) => {
            let text = Messages::of(Language::Fr).state_used_all_the_same;
            text.replace("{summary}", &check.summary_fr)
        }
        _ => warning.to_owned(),
    }
}

/// What the start has mended: the initrd the state volume, its units the others.
fn notes(facts: &Facts, language: Language) -> Vec<String> {
    let is_mended = |check: &&StateCheck| (1..=3).contains(&check.exit);
    let state = facts.boot.used_state().filter(is_mended).map(|check| {
        let summary = match language {
            Language::En => &check.summary,
            Language::Fr => &check.summary_fr,
        };
        let text = Messages::of(language).state_mended;
        text.replace("{summary}", summary)
    });
    let checks = facts.volumes.iter().filter_map(|one| one.check.as_ref());
    let others = checks
        .filter(|check| check.good && !check.checking)
        .map(|check| match language {
            Language::En => check.english.clone(),
            Language::Fr => check.french.clone(),
        });
    state.into_iter().chain(others).collect()
}

/// Why a volume is not there, where its check knows.
fn unused(volume: &VolumeFacts) -> Option<&Check> {
    let check = volume.check.as_ref().filter(|check| !check.good);
    check.filter(|_| volume.space.is_none())
}

/// Whether too little is left on the state volume.
fn is_little(volume: &VolumeFacts) -> bool {
    let space = volume.space.filter(|space| space.writable);
    volume.name == STATE && space.is_some_and(|space| space.free < LITTLE)
}

fn volume(facts: &VolumeFacts) -> Volume {
    Volume {
        name: facts.name.clone(),
        mount: facts.mount.clone(),
        size_bytes: facts.space.map_or(0, |space| space.size),
        free_bytes: facts.space.map_or(0, |space| space.free),
        checked: facts.check.is_some(),
        check_percent: facts.check.as_ref().and_then(|check| check.percent),
        check_pass: facts.check.as_ref().and_then(|check| check.pass),
        ok: facts.space.is_some_and(|space| space.writable),
    }
}

fn array(facts: &ArrayFacts) -> Array {
    Array {
        name: facts.name.clone(),
        level: facts.level.clone(),
        disks: facts.disks,
        members: facts.members.clone(),
        missing: facts.missing,
        ok: facts.running && facts.missing == 0,
        sync: facts.sync.map(|sync| sync.action),
        sync_percent: facts.sync.map(|sync| sync.percent),
    }
}

fn is_cool(facts: &TemperatureFacts) -> bool {
    facts.limit.is_none_or(|limit| facts.celsius < limit)
}

fn temperature(facts: &TemperatureFacts) -> Temperature {
    Temperature {
        name: facts.name.clone(),
        celsius: facts.celsius,
        limit_celsius: facts.limit,
        ok: is_cool(facts),
    }
}

/// Without how hot it is, which changes all the time.
fn hot_problem(m: &Messages, facts: &TemperatureFacts) -> String {
    m.too_hot.replace("{name}", &facts.name)
}

/// What is wrong with an array, in words.
fn array_problem(m: &Messages, array: &ArrayFacts) -> Option<String> {
    let text = match (array.running, array.missing) {
        (true, 0) => return None,
        (true, _) => m.array_degraded,
        (false, _) => m.array_stopped,
    };
    let there = match &array.members[..] {
        [] => m.none.to_lowercase(),
        members => members.join(", "),
    };
    let text = text
        .replace("{missing}", &array.missing.to_string())
        .replace("{disks}", &array.disks.to_string())
        .replace("{there}", &there);
    Some(text.replace("{name}", &array.name))
}

#[cfg(test)]
pub mod tests {
    use crate::arrays::Sync;
    use crate::facts::{Boot, Space};
    use crate::services::{Name, State};

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
            check: None,
        };
        Facts {
            hostname: "nvr-hall".into(),
            version: Some("0.1.0.0".into()),
            boot: Boot {
                mode: Some("installed".into()),
                slot: Some("a".into()),
                ..Boot::default()
            },
            uptime_s: 93_784,
            volumes: vec![
                volume("state", "/var", 4_000_000_000, 3_900_000_000),
                volume("data-1", "/srv/data-1", 2_000_000_000_000, 150_000_000_000),
            ],
            arrays: vec![],
            temperatures: vec![],
            settings_warnings: vec![],
        }
    }

    /// The same on two disks whose arrays are whole; one is being synchronised.
    pub fn raid_facts() -> Facts {
        let array = |name: &str| ArrayFacts {
            name: name.into(),
            level: "raid1".into(),
            disks: 2,
            members: vec!["vda7".into(), "vdb7".into()],
            missing: 0,
            running: true,
            sync: None,
        };
        let mut facts = facts();
        facts.arrays = vec![array("data-1"), array("state")];
        facts.arrays[0].sync = Some(Sync {
            action: Action::Resync,
            percent: 37,
        });
        facts.temperatures = vec![
            sensor("coretemp Core 0", 45, Some(100)),
            sensor("acpitz", 28, None),
        ];
        facts
    }

    fn sensor(name: &str, celsius: i32, limit: Option<i32>) -> TemperatureFacts {
        TemperatureFacts {
            name: name.into(),
            celsius,
            limit,
        }
    }

    /// All services, the updater failed.
    pub fn services() -> Vec<Service> {
        let states = [
            State::Running,
            State::Ready,
            State::Failed,
            State::Stopped,
            State::Starting,
            State::Idle,
        ];
        let both = Name::ALL.into_iter().zip(states);
        both.map(|(name, state)| Service { name, state }).collect()
    }

    /// The same with everything wrong that can be.
    pub fn bad_facts() -> Facts {
        let mut facts = facts();
        facts.volumes[1].space = None;
        facts.settings_warnings = vec!["the settings are damaged <b>".into()];
        facts.arrays = raid_facts().arrays;
        facts.arrays[0].running = false;
        (facts.arrays[0].disks, facts.arrays[0].sync) = (0, None);
        (facts.arrays[0].level, facts.arrays[0].members) = (String::new(), vec![]);
        facts.arrays[1].missing = 1;
        facts.arrays[1].members = vec!["<b>".into()];
        facts.arrays[1].sync = Some(Sync {
            action: Action::Recover,
            percent: 9,
        });
        facts.temperatures = vec![sensor("drivetemp <b>", 70, Some(70))];
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
                r#""arrays":[],"temperatures":[],"services":[],"failed_units":[],"problems":[],"problems_fr":[]}"#
            )
        );
    }

    #[test]
    fn a_full_state_volume_is_said_and_full_recordings_are_not() {
        let mut facts = facts();
        let set = |facts: &mut Facts, volume: usize, free| {
            let space = facts.volumes[volume].space.as_mut();
            space.expect("mounted").free = free;
        };
        set(&mut facts, 0, LITTLE);
        // The recorder fills its volumes, and makes room itself.
        set(&mut facts, 1, 0);
        let health = Health::of(&facts, Ok(vec![]));
        assert_eq!((health.status, health.problems), (Status::Ok, vec![]));
        set(&mut facts, 0, 1_500_000);
        let health = Health::of(&facts, Ok(vec![]));
        assert_eq!(health.status, Status::Degraded);
        assert!(health.problems[0].starts_with("the state volume is nearly full"));
        assert!(health.problems_fr[0].contains("presque plein"));
        assert!(health.volumes[0].ok);
    }

    #[test]
    fn what_the_start_has_mended_is_told_and_nothing_is_wrong() {
        let mut facts = facts();
        let none = Health::of(&facts, Ok(vec![]));
        assert_eq!((&none.notes[..], &none.notes_fr[..]), (&[][..], &[][..]));
        for (exit, device, told) in [
            (0, true, 0),
            (1, true, 1),
            (3, true, 1),
            (8, true, 0),
            (1, false, 0),
        ] {
            facts.boot.state_device = device.then(|| "/dev/vda7".into());
            facts.boot.state_check = Some(StateCheck {
                exit,
                summary: "repaired: clean now".into(),
                summary_fr: "réparé : sain maintenant".into(),
            });
            let health = Health::of(&facts, Ok(vec![]));
            assert_eq!(health.status, Status::Ok);
            assert_eq!(
                (health.notes.len(), health.notes_fr.len()),
                (told, told),
                "{exit}"
            );
            for (notes, words) in [
                (&health.notes, "repaired: clean now"),
                (&health.notes_fr, "réparé : sain maintenant"),
            ] {
                let tells = |note: &String| {
                    note.contains(words) && note.contains("/var/lib/vigie/recovery")
                };
                assert!(notes.iter().all(tells), "{notes:?}");
            }
        }
        facts.volumes[1].check = Some(Check {
            good: true,
            english: "volume data-1 was damaged".into(),
            french: "le volume data-1 était endommagé".into(),
            ..Check::default()
        });
        let health = Health::of(&facts, Ok(vec![]));
        assert_eq!(health.notes, ["volume data-1 was damaged"]);
        assert_eq!(health.notes_fr, ["le volume data-1 était endommagé"]);
        let json = serde_json::to_value(&health).unwrap();
        assert_eq!(json["notes"][0], "volume data-1 was damaged");
    }

    #[test]
    fn that_a_damaged_state_volume_is_used_is_told_in_french_too() {
        let said = include_str!("../../settings/src/apply.rs");
        assert!(said.contains(&format!("\"{USED_ALL_THE_SAME} ({{summary}})")));
        let mut facts = facts();
        facts.boot.state_device = Some("/dev/vda7".into());
        facts.boot.state_check = Some(StateCheck {
            exit: 8,
            summary: "NOT CLEAN".into(),
            summary_fr: "PAS SAIN".into(),
        });
        facts.settings_warnings = vec![format!("{USED_ALL_THE_SAME} (NOT CLEAN)"), "other".into()];
        let health = Health::of(&facts, Ok(vec![]));
        assert_eq!(health.problems, facts.settings_warnings);
        let [first, second] = &health.problems_fr[..] else {
            panic!("{health:?}")
        };
        assert!(
            first.contains("volume d’état") && first.contains("PAS SAIN"),
            "{first}"
        );
        assert_eq!(second, "other");
    }

    #[test]
    fn how_far_a_check_is_is_told_with_its_volume_and_in_words() {
        let mut facts = facts();
        facts.volumes[1].space = None;
        facts.volumes[1].check = Some(Check {
            checking: true,
            percent: Some(42),
            pass: Some(1),
            good: false,
            english: "volume data-1: checking: 42 %, phase 1 of 5".into(),
            french: "volume data-1 : vérification : 42 %, phase 1 sur 5".into(),
        });
        let health = Health::of(&facts, Ok(vec![]));
        assert_eq!(
            health.problems,
            ["volume data-1: checking: 42 %, phase 1 of 5"]
        );
        assert_eq!(
            health.problems_fr,
            ["volume data-1 : vérification : 42 %, phase 1 sur 5"]
        );
        assert_eq!(
            serde_json::to_string(&health.volumes[1]).expect("json"),
            r#"{"name":"data-1","mount":"/srv/data-1","size_bytes":0,"free_bytes":0,"checked":true,"check_percent":42,"check_pass":1,"ok":false}"#
        );
    }

    fn broken_array(running: bool, missing: usize) -> Facts {
        let mut facts = raid_facts();
        (facts.arrays[1].running, facts.arrays[1].missing) = (running, missing);
        facts
    }

    #[test]
    fn an_array_without_a_disk_is_told_in_both_languages() {
        let health = Health::of(&broken_array(true, 1), Ok(vec![]));
        for (problems, word) in [
            (&health.problems, "1 of 2"),
            (&health.problems_fr, "1 disque"),
        ] {
            assert_eq!(problems.len(), 1);
            for part in ["state", "vda7, vdb7", word] {
                assert!(problems[0].contains(part), "{problems:?}");
            }
            assert!(!problems[0].contains('{'), "{problems:?}");
        }
        let json = serde_json::to_string(&health.arrays[0]).expect("json");
        assert_eq!(
            json,
            r#"{"name":"data-1","level":"raid1","disks":2,"members":["vda7","vdb7"],"missing":0,"ok":true,"sync":"resync","sync_percent":37}"#
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
            (
                "a first synchronisation",
                raid_facts(),
                Ok(vec![]),
                Status::Ok,
            ),
            (
                "an array without a disk",
                broken_array(true, 1),
                Ok(vec![]),
                Status::Degraded,
            ),
            (
                "an array that waits",
                broken_array(false, 0),
                Ok(vec![]),
                Status::Degraded,
            ),
        ] {
            assert_eq!(Health::of(&facts, failed).status, expected, "{name}");
        }
    }
}
