//! What an installation says of itself: its host name, from its settings; the version in each slot.

use std::collections::BTreeMap;

use serde::Serialize;
use vigie_disk::Bytes;
use vigie_installer::layout::Purpose;
use vigie_settings::Store;
use vigie_update::fate::{self, SlotFacts};
use vigie_update::{Slot, Version};

use super::slot::{self, Opened, Wholeness};
use super::{Content, Installation, Machine, Open};
use crate::inside::Files;

/// The updater's folder on the state volume, which is mounted at /var.
pub const UPDATES: &str = "lib/vigie/update";
/// What the updater remembers of the slots is a line.
const MOST: u64 = 64 << 10;

/// What an installation says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The host name in its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The serial number of the machine that it is in; settings hold none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// What a person must know of its settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What is in the slots.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slots: BTreeMap<Slot, SlotSays>,
    /// Its time zone.
    #[serde(skip)]
    pub zone: Option<String>,
    /// File systems of its data volumes, by their UUIDs.
    #[serde(skip)]
    pub data: Vec<String>,
}

/// What is in a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlotSays {
    /// The version in it, where that is known.
    pub version: Option<Version>,
    /// Whether it is whole, where that was asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub wholeness: Option<Wholeness>,
}

impl Installation {
    /// The version that the next start runs, as far as it is known: of the slot that is tried first,
    /// else of the other.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        let first = self.boot.map_or(Slot::A, |boot| boot.first);
        let of = |slot: Slot| self.facts.slots.get(&slot)?.version;
        of(first).or_else(|| of(first.other()))
    }

    /// Its host name; the default one where nobody knows it.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.facts.host.clone();
        host.unwrap_or_else(|| vigie_settings::HostName::default().to_string())
    }

    /// Reads both slots and says whether they are whole. `note` is told how many of how many bytes
    /// of a slot are done.
    pub fn verify(&mut self, open: Open, note: &mut dyn FnMut(Slot, Bytes, Bytes)) {
        for slot in Slot::BOTH {
            let wholeness = match self.open_slot(slot, open) {
                Ok(opened) => slot::verify(&opened, &mut |done, total| note(slot, done, total)),
                Err(why) => Wholeness::Unknown { why },
            };
            let wholeness = wholeness.of_slot(self.was_filled(slot));
            self.facts.slots.entry(slot).or_default().wholeness = Some(wholeness);
        }
    }

    /// Whether a system was written into a slot, as the boot state remembers it.
    fn was_filled(&self, slot: Slot) -> bool {
        let state = self.boot.map(|boot| match slot {
            Slot::A => boot.a,
            Slot::B => boot.b,
        });
        state.is_some_and(|state| state.good || state.tries > 0)
    }

    /// Opens the volumes of a slot for reading.
    ///
    /// # Errors
    /// One is not there or cannot be opened.
    pub fn open_slot(&self, slot: Slot, open: Open) -> Result<Opened, String> {
        let one = |purpose: Purpose| {
            let volume = self.volumes.iter().find(|one| one.name == purpose);
            let volume = volume.ok_or_else(|| format!("there is no {}", purpose.name()))?;
            open(&volume.node).map_err(|error| error.to_string())
        };
        Ok(Opened {
            boot: one(Purpose::Boot(slot))?,
            system: one(Purpose::System(slot))?,
        })
    }
}

pub(super) fn of(installation: &Installation, machine: &Machine, serial: Option<&str>) -> Facts {
    let mut facts = Facts {
        serial: serial.map(str::to_owned),
        ..Facts::default()
    };
    let remembered = match state(installation, machine) {
        Ok(files) => {
            settings(&files, &mut facts);
            remembered(&files)
        }
        Err(why) => {
            facts.warnings.push(why);
            BTreeMap::new()
        }
    };
    for slot in Slot::BOTH {
        // What is in the slot itself counts; the updater's note helps where that is damaged.
        let read = || {
            let opened = installation.open_slot(slot, machine.open).ok()?;
            slot::version(opened.system.as_ref()).ok()
        };
        let filled = installation
            .volumes
            .iter()
            .any(|one| one.name == Purpose::System(slot) && one.content == Content::Image);
        let version = filled.then(read).flatten();
        let noted = || Some(remembered.get(&slot)?.version);
        let version = version.or_else(noted);
        let wholeness = None;
        facts.slots.insert(slot, SlotSays { version, wholeness });
    }
    facts
}

/// The files of the state volume.
fn state(installation: &Installation, machine: &Machine) -> Result<Files, String> {
    let volumes = installation.volumes.iter();
    let mut states = volumes.filter(|one| one.name == Purpose::State);
    let volume = states.next().ok_or("there is no state volume")?;
    let device = machine.device(&volume.node, volume.array.as_deref(), Purpose::State)?;
    Files::open(device).map_err(|error| error.to_string())
}

fn settings(files: &Files, facts: &mut Facts) {
    let loaded = Store::new(files.settings()).load();
    facts.warnings.extend(loaded.warnings());
    let known = !matches!(
        loaded.origin,
        vigie_settings::Origin::Absent
            | vigie_settings::Origin::Defaults { .. }
            | vigie_settings::Origin::Unmigrated { .. }
    );
    if known {
        facts.host = Some(loaded.settings.system.hostname.to_string());
        facts.zone = Some(loaded.settings.system.timezone.to_string());
        let volumes = loaded.settings.volumes.iter();
        facts.data = volumes.map(|one| one.uuid.to_string()).collect();
    }
}

fn remembered(files: &Files) -> BTreeMap<Slot, SlotFacts> {
    let read = files.read(&format!("/{UPDATES}/{}", fate::FACTS), MOST);
    let bytes = read.ok().flatten().unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}
