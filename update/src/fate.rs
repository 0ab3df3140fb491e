//! What becomes of a slot after it was started: it is good, it is given up, or a person goes back.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::apply::ApplyError;
use crate::apply::target::{Target, save_or_tell};
use crate::boot_state::{BootState, SlotState};
use crate::history::{self, Door, Outcome, Reason, Record};
use crate::machine::Machine;
use crate::package::Keyring;
use crate::policy::Reached;
use crate::reached::{self, Floor};
use crate::slot::Slot;
use crate::version::Version;
use crate::warn;

/// Their file, in the folder of the updater.
pub const FACTS: &str = "slots.json";

/// Why the fate of a slot could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum FateError {
    /// The boot state.
    #[error(transparent)]
    State(#[from] ApplyError),
    /// It is done, but not on every disk.
    #[error(
        "it is done, and the started disk has it, but another disk of this system does not: {0}; \
         replace that disk"
    )]
    Elsewhere(ApplyError),
    /// The state volume.
    #[error("writing {folder}: {source}; check the state volume's space and health")]
    Folder {
        /// Where.
        folder: String,
        /// What happened.
        source: io::Error,
    },
    /// There is no other slot to go to.
    #[error("slot {slot} was never good, so there is nothing to go back to")]
    NothingThere {
        /// The other slot.
        slot: Slot,
    },
    /// The other slot is not safe to run any more.
    #[error(
        "slot {slot} holds {}, made before a security problem was mended that this machine has mended; \
         install a newer version instead",
        known(*version)
    )]
    Unsafe {
        /// The other slot.
        slot: Slot,
        /// What it holds, where that is known.
        version: Option<Version>,
    },
}

fn known(version: Option<Version>) -> String {
    let unknown = || "a version that is not known, which may be one".to_owned();
    version.map_or_else(unknown, |version| version.to_string())
}

impl FateError {
    /// The reason in French.
    #[must_use]
    pub fn french(&self) -> String {
        match self {
            Self::State(error) => error.french(),
            Self::Elsewhere(error) => format!(
                "c'est fait, et le disque de démarrage l'a, mais un autre disque de ce système ne \
                 l'a pas : {} ; remplacez ce disque",
                error.french()
            ),
            Self::Folder { folder, source } => format!(
                "écriture de {folder} : {source} ; vérifiez la place et l'état du volume d'état"
            ),
            Self::NothingThere { slot } => format!(
                "l'emplacement {slot} n'a jamais bien démarré, il n'y a donc rien où revenir"
            ),
            Self::Unsafe { slot, version } => format!(
                "l'emplacement {slot} contient {}, faite avant la correction d'un problème \
                 de sécurité que ce système a corrigé ; installez plutôt une version plus récente",
                version.map_or_else(
                    || "une version inconnue, peut-être".to_owned(),
                    |version| version.to_string()
                )
            ),
        }
    }
}

/// What a slot holds, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotFacts {
    /// Its version.
    pub version: Version,
    /// Its security epoch.
    pub security_epoch: u32,
}

/// What each slot holds; for people, and for going back. Kept on the state volume.
#[must_use]
pub fn facts(folder: &Path) -> BTreeMap<Slot, SlotFacts> {
    let text = std::fs::read_to_string(folder.join(FACTS)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Remembers what a slot holds.
pub fn remember(folder: &Path, slot: Slot, of: SlotFacts) -> Result<(), FateError> {
    let mut facts = facts(folder);
    if facts.insert(slot, of) == Some(of) {
        return Ok(());
    }
    save_facts(folder, &facts)
}

/// Forgets what a slot held: it is about to be written.
///
/// # Errors
/// The state volume.
pub fn forget(folder: &Path, slot: Slot) -> Result<(), FateError> {
    let mut facts = facts(folder);
    if facts.remove(&slot).is_none() {
        return Ok(());
    }
    save_facts(folder, &facts)
}

fn save_facts(folder: &Path, facts: &BTreeMap<Slot, SlotFacts>) -> Result<(), FateError> {
    let text = serde_json::to_string(facts).map_err(io::Error::from);
    let written = text.and_then(|text| reached::write(folder, FACTS, &(text + "\n")));
    written.map_err(|source| in_folder(folder, source))
}

fn in_folder(folder: &Path, source: io::Error) -> FateError {
    let folder = folder.display().to_string();
    FateError::Folder { folder, source }
}

/// The running system has come up healthy. Says what the history was told.
///
/// Where it mends a security problem, nothing from before is started any more, whoever asks for it:
/// the other slot is made unfit in the same sector.
///
/// # Errors
/// The boot state: nothing was changed that counts. The state volume: the slot is good all the
/// same, and the next start tells the floor and the history again. [`FateError::Elsewhere`]: all is
/// done.
pub fn mark_good(
    target: &mut dyn Target,
    slot: Slot,
    machine: &Machine,
    keys: &Keyring,
    folder: &Path,
) -> Result<Option<Outcome>, FateError> {
    let mut state = target.load()?;
    state.mark_good(slot);
    if is_outdated(&state, slot, machine, folder) {
        *state.slot_mut(slot.other()) = SlotState::default();
    }
    let elsewhere = save_or_tell(target, &state)?;
    let floor = Floor {
        reached: Reached {
            version: machine.version,
            security_epoch: machine.security_epoch,
        },
        revoked: keys.revoked.clone(),
    };
    Floor::raise(folder, &floor).map_err(|source| in_folder(folder, source))?;
    let held = SlotFacts {
        version: machine.version,
        security_epoch: machine.security_epoch,
    };
    remember(folder, slot, held)?;
    if waiting(&state, slot) {
        // It was installed since this start, and has had none of its own yet.
        return everywhere(None, elsewhere);
    }
    let told = settle(slot, machine, folder)?;
    everywhere(told, elsewhere)
}

/// Whether the other slot is from before a security problem that is mended now. Where nobody knows
/// what it holds, that is assumed when the epoch rises. What was installed meanwhile and waits was
/// judged when it came.
fn is_outdated(state: &BootState, running: Slot, machine: &Machine, folder: &Path) -> bool {
    let reached = Floor::load(folder).reached.security_epoch;
    let rises = machine.security_epoch > reached;
    let held = facts(folder).get(&running.other()).copied();
    let older = held.map_or(rises, |held| {
        held.security_epoch < reached.max(machine.security_epoch)
    });
    older && !waiting(state, running)
}

/// What was done, unless another disk has something to say.
fn everywhere<T>(done: T, elsewhere: Option<ApplyError>) -> Result<T, FateError> {
    elsewhere.map_or(Ok(done), |error| Err(FateError::Elsewhere(error)))
}

/// Tells the history what became of the last installation.
fn settle(slot: Slot, machine: &Machine, folder: &Path) -> Result<Option<Outcome>, FateError> {
    let records = history::load(folder);
    let Some(installed) = history::open_installation(&records) else {
        return Ok(None);
    };
    let came_up = installed.slot == Some(slot);
    let outcome = if came_up {
        Outcome::Good
    } else {
        Outcome::Returned
    };
    let record = Record {
        door: installed.door,
        who: installed.who.clone(),
        to: installed.to,
        slot: installed.slot,
        package: installed.package.clone(),
        ..Record::now(outcome, machine.version)
    };
    let record = if came_up {
        record
    } else {
        record.because(no_start())
    };
    history::append(folder, &record).map_err(|source| in_folder(folder, source))?;
    Ok(Some(outcome))
}

fn no_start() -> Reason {
    let english = "it did not come up: it crashed, hung, or lost its power at each of its starts";
    let french =
        "elle n'a pas démarré : panne, blocage ou coupure de courant à chacun de ses démarrages";
    Reason {
        english: english.to_owned(),
        french: french.to_owned(),
    }
}

/// What came of giving a slot up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// The next start is the other one's.
    Gone,
    /// It was good once, and such are never left: nothing was changed.
    Good,
    /// Neither was ever good: nothing was changed.
    NoBetter,
}

/// The running system is not healthy. Where it was never good and the other one was, the next
/// start is the other's; else nothing is changed. A state volume that refuses the
/// record hinders nothing, nor does another disk of a RAID: they may be why it is not healthy.
pub fn give_up(
    target: &mut dyn Target,
    slot: Slot,
    machine: &Machine,
    folder: &Path,
    reason: impl Into<Reason>,
) -> Result<GivenUp, FateError> {
    let mut state = target.load()?;
    if state.slot(slot).good {
        return Ok(GivenUp::Good);
    }
    if !state.leave(slot) {
        return Ok(GivenUp::NoBetter);
    }
    if let Some(error) = save_or_tell(target, &state)? {
        warn!("vigie-update: {error}; going back all the same");
    }
    let back_to = facts(folder).get(&slot.other()).map(|facts| facts.version);
    let records = history::load(folder);
    let installed = history::open_installation(&records).filter(|r| r.slot == Some(slot));
    let record = Record {
        door: installed.and_then(|installed| installed.door),
        who: installed.and_then(|installed| installed.who.clone()),
        package: installed.and_then(|installed| installed.package.clone()),
        to: Some(machine.version),
        slot: Some(slot),
        ..Record::now(Outcome::Returned, back_to.unwrap_or_default())
    };
    history::tell(folder, &record.because(reason));
    Ok(GivenUp::Gone)
}

fn go_to_other(state: &mut BootState, slot: Slot) {
    state.first = slot.other();
    *state.slot_mut(slot) = SlotState::default();
}

/// The version that was installed and waits for a start: the other slot comes first and has
/// tries left, and is not good.
#[must_use]
pub fn waiting(state: &BootState, running: Slot) -> bool {
    let other = state.slot(running.other());
    state.first == running.other() && !other.good && other.tries > 0
}

/// Whether a person asked for the other slot, which is good, and has not restarted yet.
#[must_use]
pub fn going_back(state: &BootState, running: Slot) -> bool {
    state.first == running.other() && state.slot(running.other()).good
}

/// A person goes back: takes back an installation, or another going back, that was not started yet,
/// or makes the other slot the next to start.
///
/// # Errors
/// There is nothing to go back to, or the boot state refuses: nothing was changed.
/// [`FateError::Elsewhere`]: all is done.
pub fn rollback(
    target: &mut dyn Target,
    running: Slot,
    machine: &Machine,
    folder: &Path,
    (door, who): (Door, Option<String>),
) -> Result<Outcome, FateError> {
    let mut state = target.load()?;
    let other = running.other();
    let outcome = if waiting(&state, running) {
        go_to_other(&mut state, other);
        Outcome::Cancelled
    } else if going_back(&state, running) {
        state.first = running;
        Outcome::Cancelled
    } else {
        may_go_back(&state, other, machine, folder)?;
        state.first = other;
        Outcome::Rollback
    };
    let elsewhere = save_or_tell(target, &state)?;
    let records = history::load(folder);
    let installed = history::open_installation(&records).filter(|r| r.slot == Some(other));
    let record = Record {
        door: Some(door),
        who,
        package: installed.and_then(|installed| installed.package.clone()),
        to: facts(folder).get(&other).map(|facts| facts.version),
        slot: Some(other),
        ..Record::now(outcome, machine.version)
    };
    history::tell(folder, &record);
    everywhere(outcome, elsewhere)
}

fn may_go_back(
    state: &BootState,
    slot: Slot,
    machine: &Machine,
    folder: &Path,
) -> Result<(), FateError> {
    let reached = Floor::load(folder).reached.security_epoch;
    let reached = reached.max(machine.security_epoch);
    let version = match facts(folder).get(&slot) {
        Some(held) if held.security_epoch < reached => Some(held.version),
        _ if !state.slot(slot).good => return Err(FateError::NothingThere { slot }),
        None if reached > 0 => None,
        _ => return Ok(()),
    };
    Err(FateError::Unsafe { slot, version })
}

#[cfg(test)]
mod tests;
