//! What an appliance can say about its slots.

use serde::Serialize;

use crate::boot_state::{BootState, SlotState};
use crate::choice::choose;
use crate::running::{Mode, Running};
use crate::slot::Slot;

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
            version: os_release_field(os_release, "VERSION_ID"),
            slot: running.slot,
            slots: state.map(|state| Slots {
                first: state.first,
                a: state.slot(Slot::A),
                b: state.slot(Slot::B),
            }),
            next: state.map(|state| choose(state, &Slot::BOTH).slot),
        }
    }

    /// The same for a person.
    pub fn lines(&self) -> Vec<String> {
        let version = self.version.as_deref().unwrap_or("unknown");
        let (Some(slots), Some(next)) = (&self.slots, self.next) else {
            return vec![format!("version {version}, live system")];
        };
        let running = self.slot.map_or("?".to_owned(), |slot| slot.to_string());
        let mut lines = vec![format!("version {version}, running from slot {running}")];
        for (slot, state) in [(Slot::A, slots.a), (Slot::B, slots.b)] {
            let health = match state {
                SlotState { good: true, .. } => "good".to_owned(),
                SlotState { tries: 0, .. } => "not good, no tries left".to_owned(),
                SlotState { tries, .. } => format!("not yet good, tries left: {tries}"),
            };
            lines.push(format!("slot {slot}: {health}"));
        }
        lines.push(format!("next start: slot {next}"));
        lines
    }
}

/// A field of os-release(5).
fn os_release_field(text: &str, name: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
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
        let status = Status::new(&running, "ID=vigie\nVERSION_ID=\"0.1.0.0\"\n", Some(&state));
        assert_eq!(
            status.lines(),
            [
                "version 0.1.0.0, running from slot a",
                "slot a: good",
                "slot b: not good, no tries left",
                "next start: slot a"
            ]
        );
        assert_eq!(
            serde_json::to_string(&status).unwrap(),
            r#"{"mode":"installed","version":"0.1.0.0","slot":"a","slots":{"first":"a","a":{"good":true,"tries":3},"b":{"good":false,"tries":0}},"next":"a"}"#
        );
    }
}
