//! Back to the version in the other slot, with the updater's own rules. From outside: the slot that
//! runs is the one that would be started.

pub mod command;

use std::path::Path;

use anyhow::Result;
use vigie_disk::Bytes;
use vigie_update::apply::target::Target;
use vigie_update::fate::{self, FateError};
use vigie_update::history::{Door, Outcome};
use vigie_update::machine::Machine;
use vigie_update::reached::Floor;
use vigie_update::{BootState, Slot};

use crate::refusal::Refusal;
use crate::update::starts_from;
use crate::volumes::slot::{self, Opened, Wholeness};

/// What would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The slot that stands for the running one.
    pub from: Slot,
    /// The slot that the next start shall run.
    pub to: Slot,
    /// Whether a version that was installed and never started is taken back.
    pub takes_back: bool,
}

/// What going back means for a boot state.
#[must_use]
pub fn plan(state: &BootState) -> Plan {
    let from = starts_from(state);
    let takes_back = fate::waiting(state, from);
    let to = match takes_back {
        true => from,
        false => from.other(),
    };
    Plan {
        from,
        to,
        takes_back,
    }
}

/// It is done.
#[derive(Debug)]
pub struct Done {
    /// What was planned.
    pub plan: Plan,
    /// What the history was told.
    pub outcome: Outcome,
    /// What another disk of the system said; it is done all the same.
    pub elsewhere: Option<FateError>,
}

/// Goes back, once every block of the slot to go to was read and is whole. `folder` is the
/// updater's on the state volume.
///
/// # Errors
/// A [`Refusal`] or [`FateError`]: nothing was changed.
pub fn run(
    target: &mut dyn Target,
    folder: &Path,
    who: Option<String>,
    note: &mut dyn FnMut(Bytes, Bytes),
) -> Result<Done> {
    let plan = plan(&target.load()?);
    let machine = machine(target, plan.from, folder);
    let opened = target.open(plan.to, false)?.devices;
    let opened = Opened {
        boot: opened.boot,
        system: opened.system,
    };
    match slot::verify(&opened, note) {
        Wholeness::Intact => {}
        broken => return Err(Refusal::NotWhole(plan.to, broken).into()),
    }
    drop(opened);
    let asked = (Door::Medium, who);
    let (outcome, elsewhere) = match fate::rollback(target, plan.from, &machine, folder, asked) {
        Ok(outcome) => (outcome, None),
        Err(error @ FateError::Elsewhere(_)) => (told(plan), Some(error)),
        Err(error) => return Err(error.into()),
    };
    Ok(Done {
        plan,
        outcome,
        elsewhere,
    })
}

const fn told(plan: Plan) -> Outcome {
    match plan.takes_back {
        true => Outcome::Cancelled,
        false => Outcome::Rollback,
    }
}

/// What the slot that is left holds. Where it is damaged, which is why a person goes back, the
/// updater's notes tell: of these rules only the security epoch asks.
fn machine(target: &mut dyn Target, slot: Slot, folder: &Path) -> Machine {
    let opened = target.open(slot, false).ok();
    let read = opened.and_then(|opened| slot::machine(opened.devices.system.as_ref()).ok());
    read.unwrap_or_else(|| {
        let reached = Floor::load(folder).reached;
        let held = fate::facts(folder).get(&slot).copied();
        Machine {
            product: String::new(),
            arch: String::new(),
            hardware: String::new(),
            version: held.map_or(reached.version, |held| held.version),
            security_epoch: held.map_or(reached.security_epoch, |held| held.security_epoch),
        }
    })
}
