//! What an appliance can say about its slots.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use vigie_settings::Language;

use crate::boot_state::{BootState, SlotState};
use crate::choice::choose;
use crate::esp::EspError;
use crate::fate::SlotFacts;
use crate::machine;
use crate::running::{Mode, Running};
use crate::slot::Slot;
use crate::spoken::esp_in_french;

/// The answer of `vigie-update status`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How the system was started.
    pub mode: Mode,
    /// Version of the running system.
    pub version: Option<String>,
    /// The running slot.
    pub slot: Option<Slot>,
    /// The slots' states, absent in the live system.
    pub slots: Option<Slots>,
    /// The slot that the next start will boot.
    pub next: Option<Slot>,
    /// The boot states on the other disks of a RAID system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Copy>,
    /// What each slot holds, as far as it is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<Slot, SlotFacts>,
    /// A version is installed and waits for a restart.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
}

/// The boot state on another disk of the system.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// The disk's node.
    pub disk: String,
    /// It is as on the started disk; none where it cannot be read.
    pub same: Option<bool>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The same in French.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_fr: Option<String>,
}

impl Copy {
    /// Compares what was found on a disk with the started disk's state.
    pub fn new(disk: &Path, found: Result<BootState, EspError>, own: &BootState) -> Self {
        let why = found.as_ref().err();
        let (error, error_fr) = (why.map(ToString::to_string), why.map(esp_in_french));
        let same = found.ok().map(|found| found == *own);
        Self {
            disk: disk.display().to_string(),
            same,
            error,
            error_fr,
        }
    }

    fn line(&self, language: Language) -> String {
        let why = match language {
            Language::En => &self.error,
            Language::Fr => &self.error_fr,
        };
        let why = why.as_deref().unwrap_or("?");
        let words = match (self.same, language) {
            (Some(true), Language::En) => "the same".to_owned(),
            (Some(true), Language::Fr) => "le même".to_owned(),
            (Some(false), Language::En) => {
                "different; the next healthy start makes it the same".to_owned()
            }
            (Some(false), Language::Fr) => {
                "différent ; le prochain démarrage sain le rend identique".to_owned()
            }
            (None, Language::En) => format!("cannot be read: {why}"),
            (None, Language::Fr) => format!("illisible : {why}"),
        };
        match language {
            Language::En => format!("boot state on {}: {words}", self.disk),
            Language::Fr => format!("état de démarrage sur {} : {words}", self.disk),
        }
    }
}

/// Both slots and their order.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Slots {
    /// The slot that is tried first.
    pub first: Slot,
    /// Slot A.
    pub a: SlotState,
    /// Slot B.
    pub b: SlotState,
}

impl Status {
    /// Puts together what is known.
    pub fn new(running: &Running, os_release: &str, state: Option<&BootState>) -> Self {
        Self {
            mode: running.mode,
            version: machine::field(os_release, "VERSION_ID").ok(),
            slot: running.slot,
            slots: state.map(|state| Slots {
                first: state.first,
                a: state.slot(Slot::A),
                b: state.slot(Slot::B),
            }),
            next: state.map(|state| choose(state, &Slot::BOTH).slot),
            copies: Vec::new(),
            holds: BTreeMap::new(),
            waiting: false,
        }
    }

    /// The same for a person.
    pub fn lines(&self, language: Language) -> Vec<String> {
        let version = self.version.as_deref().unwrap_or("?");
        let (Some(slots), Some(next)) = (&self.slots, self.next) else {
            return vec![match (language, self.slot) {
                (Language::En, None) => format!("version {version}, live system"),
                (Language::Fr, None) => format!("version {version}, système démarré du support"),
                (Language::En, Some(slot)) => {
                    format!("version {version}, recovery from slot {slot}")
                }
                (Language::Fr, Some(slot)) => {
                    format!("version {version}, récupération depuis l'emplacement {slot}")
                }
            }];
        };
        let running = self.slot.map_or("?".to_owned(), |slot| slot.to_string());
        let mut lines = vec![match language {
            Language::En => format!("version {version}, running from slot {running}"),
            Language::Fr => format!("version {version}, depuis l'emplacement {running}"),
        }];
        for (slot, state) in [(Slot::A, slots.a), (Slot::B, slots.b)] {
            let holds = self.holds.get(&slot);
            let holds = holds.map_or(String::new(), |facts| format!("{}, ", facts.version));
            let health = health(state, language);
            lines.push(match language {
                Language::En => format!("slot {slot}: {holds}{health}"),
                Language::Fr => format!("emplacement {slot} : {holds}{health}"),
            });
        }
        lines.push(next_start(next, self.waiting, language));
        lines.extend(self.copies.iter().map(|copy| copy.line(language)));
        lines
    }
}

fn health(state: SlotState, language: Language) -> String {
    match (state, language) {
        (SlotState { good: true, .. }, Language::En) => "good".to_owned(),
        (SlotState { good: true, .. }, Language::Fr) => "bon".to_owned(),
        (SlotState { tries: 0, .. }, Language::En) => "not good, no tries left".to_owned(),
        (SlotState { tries: 0, .. }, Language::Fr) => "pas bon, plus d'essais".to_owned(),
        (SlotState { tries, .. }, Language::En) => format!("not yet good, tries left: {tries}"),
        (SlotState { tries, .. }, Language::Fr) => {
            format!("pas encore bon, essais restants : {tries}")
        }
    }
}

fn next_start(next: Slot, waiting: bool, language: Language) -> String {
    match (language, waiting) {
        (Language::En, false) => format!("next start: slot {next}"),
        (Language::En, true) => format!("next start: slot {next}, newly installed"),
        (Language::Fr, false) => format!("prochain démarrage : emplacement {next}"),
        (Language::Fr, true) => {
            format!("prochain démarrage : emplacement {next}, installé depuis peu")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_json() {
        let running: Running =
            serde_json::from_str(r#"{"mode":"installed","slot":"a","disk":"/dev/vda"}"#).unwrap();
        let mut state = BootState::default();
        state.mark_good(Slot::A);
        let mut status = Status::new(&running, "ID=vigie\nVERSION_ID=\"0.1.0.0\"\n", Some(&state));
        assert_eq!(
            status.lines(Language::En),
            [
                "version 0.1.0.0, running from slot a",
                "slot a: good",
                "slot b: not good, no tries left",
                "next start: slot a"
            ]
        );
        assert_eq!(
            status.lines(Language::Fr),
            [
                "version 0.1.0.0, depuis l'emplacement a",
                "emplacement a : bon",
                "emplacement b : pas bon, plus d'essais",
                "prochain démarrage : emplacement a"
            ]
        );
        assert_eq!(
            serde_json::to_string(&status).unwrap(),
            r#"{"mode":"installed","version":"0.1.0.0","slot":"a","slots":{"first":"a","a":{"good":true,"tries":3},"b":{"good":false,"tries":0}},"next":"a"}"#
        );
        let other = BootState::default();
        let found = |disk: &str, found| Copy::new(Path::new(disk), found, &state);
        status.copies = vec![
            found("/dev/vdb", Ok(state.clone())),
            found("/dev/vdc", Ok(other)),
            found("/dev/vdd", Err(EspError::Live)),
        ];
        for (language, words) in [
            (Language::En, ["the same", "different", "cannot be read"]),
            (Language::Fr, ["le même", "différent", "illisible"]),
        ] {
            let lines = status.lines(language);
            for (line, word) in lines[4..].iter().zip(words) {
                assert!(line.contains(word), "{line}");
            }
        }
        for (slot, english, french) in [
            ("null", "live system", "système démarré du support"),
            (
                "\"b\"",
                "recovery from slot b",
                "récupération depuis l'emplacement b",
            ),
        ] {
            let running = format!(r#"{{"mode":"live","slot":{slot}}}"#);
            let live = Status::new(&serde_json::from_str(&running).unwrap(), "", None);
            assert_eq!(live.lines(Language::En), [format!("version ?, {english}")]);
            assert_eq!(live.lines(Language::Fr), [format!("version ?, {french}")]);
        }
        let json = serde_json::to_value(&status).unwrap();
        let same: Vec<_> = (0..3).map(|i| json["copies"][i]["same"].clone()).collect();
        assert_eq!(same, [true.into(), false.into(), serde_json::Value::Null]);
    }
}
