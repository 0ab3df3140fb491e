//! A trial of networks: they are in force before they are saved, are saved when somebody says that they
//! can be reached, and go back by themselves.
//!
//! ```text
//!            begin                in force              confirm
//!  (none) ─────────> [asked] ───────────────> [in-force] ──────> (none), saved
//!                       │  revert, 60 s           │ revert, 60 s
//!                       └────────> [reverting] <──┘
//!                                       └──> (none), the old ones in force
//! ```
//!
//! Each step is a process of its own under the lock of the settings' folder; what they share is
//! [`FILE`]. The way back is `vigie-trial-revert.timer`, which is started before anything else: it needs
//! neither who asked nor the broker. Both are in memory, so after a restart what is saved holds.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Followed, System, follow, follow_after, in_force, write_secret};
use crate::changing::{ChangeError, Changing};
use crate::document::Settings;
use crate::store::{Exclusive, Store};
use crate::values::Language;
use crate::words::{Said, said};

/// How long a trial lasts, in seconds; `vigie-trial-revert.timer` has the same.
pub const SECONDS: u64 = 60;
/// The trial that is under way, below the root; for root alone.
pub const FILE: &str = "run/vigie/trial.json";

pub(super) const TIMER: &str = "vigie-trial-revert.timer";
pub(super) const REVERT: &str = "vigie-trial-revert.service";
pub(super) const BEGIN: &str = "vigie-trial-begin.service";

/// A trial that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// When it is over, by [`System::clock`].
    until: u64,
    /// Whose change it is.
    who: String,
    phase: Phase,
    /// Somebody has confirmed it in time: where it is saved, too, it stays.
    confirmed: bool,
    /// What was in force before.
    old: Settings,
    /// What is tried.
    new: Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    /// It is about to be put in force.
    Asked,
    /// It is in force.
    InForce,
    /// Somebody does not want it.
    Reverting,
}

/// What somebody wants of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// The unit that puts it in force.
    PutInForce,
    /// A person keeps it.
    Confirm,
    /// A person does not.
    Revert,
    /// The unit that takes it back, by the timer or because a person has said so.
    TakeBack,
}

/// Why a wish is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// There is no trial.
    None,
    /// It is not in force yet.
    NotYet,
    /// It is over: the old ones come back.
    Over,
}

impl Trial {
    /// Seconds that are left at a time of [`System::clock`].
    fn left(&self, now: u64) -> u64 {
        match self.phase {
            Phase::Reverting => 0,
            Phase::Asked | Phase::InForce => self.until.saturating_sub(now).div_ceil(1000),
        }
    }

    fn is_over(&self, now: u64) -> bool {
        self.left(now) == 0
    }
}

/// Whether a wish is followed; `false` where there is nothing to do.
fn judge(trial: Option<&Trial>, wish: Wish, now: u64) -> Result<bool, Unfit> {
    let Some(trial) = trial else {
        return match wish {
            Wish::PutInForce | Wish::TakeBack => Ok(false),
            Wish::Confirm | Wish::Revert => Err(Unfit::None),
        };
    };
    let over = trial.is_over(now);
    match (wish, trial.phase) {
        (Wish::PutInForce, Phase::Asked) => Ok(!over),
        (Wish::PutInForce, Phase::InForce | Phase::Reverting) => Ok(false),
        (Wish::Confirm, _) if over => Err(Unfit::Over),
        (Wish::Confirm, Phase::Asked) => Err(Unfit::NotYet),
        (Wish::Confirm, Phase::InForce | Phase::Reverting) | (Wish::Revert, _) => Ok(true),
        // A timer of a trial before must not end this one early.
        (Wish::TakeBack, _) => Ok(over),
    }
}

/// Why a trial does not go on.
#[derive(Debug)]
pub enum TrialError {
    /// It is not the time for it.
    Unfit(Unfit),
    /// The settings are not to be changed, or cannot be saved.
    Change(ChangeError),
    /// Not everything follows; the timer takes it back, or it is tried again.
    Followed(Followed),
    /// The trial cannot be read or written.
    Io(io::Error),
}

impl TrialError {
    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Self::Unfit(Unfit::None) => said("trial.none", &[]),
            Self::Unfit(Unfit::NotYet) => said("trial.not-yet", &[]),
            Self::Unfit(Unfit::Over) => said("trial.over", &[]),
            Self::Change(error) => error.said(),
            Self::Followed(followed) => {
                let warnings = followed.warnings.iter();
                let text = |language| {
                    let warnings = warnings.clone().map(|one| one.to(language));
                    warnings.collect::<Vec<_>>().join("; ")
                };
                Said::new(text(Language::En), text(Language::Fr))
            }
            Self::Io(error) => said("trial.file", &[("error", Said::same(error))]),
        }
    }
}

impl fmt::Display for TrialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}

impl std::error::Error for TrialError {}

impl From<io::Error> for TrialError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ChangeError> for TrialError {
    fn from(error: ChangeError) -> Self {
        Self::Change(error)
    }
}

/// Seconds that are left of the trial that is under way below `root`.
///
/// # Errors
/// It cannot be read.
pub fn left(root: &Path, system: &dyn System) -> io::Result<Option<u64>> {
    let trial = load(root)?;
    Ok(trial.map(|trial| trial.left(system.clock())))
}

/// What is tried below `root`, where a trial is under way.
///
/// # Errors
/// It cannot be read.
pub fn tried(root: &Path) -> io::Result<Option<Settings>> {
    Ok(load(root)?.map(|trial| trial.new))
}

fn path(root: &Path) -> PathBuf {
    root.join(FILE)
}

fn load(root: &Path) -> io::Result<Option<Trial>> {
    match std::fs::read(path(root)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => serde_json::from_slice(&bytes?)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

fn keep(root: &Path, trial: &Trial) -> io::Result<()> {
    write_secret(&path(root), &serde_json::to_vec(trial)?)
}

fn forget(root: &Path) -> io::Result<()> {
    match std::fs::remove_file(path(root)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether one is under way: nothing else is changed meanwhile.
pub(crate) fn is_under_way(root: &Path) -> bool {
    path(root).exists()
}

/// Puts `new` on trial for `who`, in place of `saved` where it is not known what is in force; whoever
/// asks holds the settings. It is in force a moment later, when they have their answer.
pub(crate) fn begin(
    root: &Path,
    who: &str,
    (saved, new): (&Settings, &Settings),
    system: &mut dyn System,
) -> io::Result<u64> {
    let trial = Trial {
        until: system.clock().saturating_add(SECONDS * 1000),
        who: who.to_owned(),
        phase: Phase::Asked,
        confirmed: false,
        old: in_force(root).unwrap_or_else(|| saved.clone()),
        new: new.clone(),
    };
    // The way back is there before anything is on its way.
    let started = system.run(&["systemctl", "restart", TIMER]);
    started.map_err(io::Error::other)?;
    keep(root, &trial)?;
    if let Err(error) = system.run(&["systemctl", "--no-block", "start", BEGIN]) {
        forget(root)?;
        return Err(io::Error::other(error));
    }
    Ok(SECONDS)
}

/// Keeps others waiting; without a folder nobody changes anything in it.
fn held(root: &Path, system: &dyn System) -> io::Result<Option<Exclusive>> {
    match Store::of_system(root).exclusive_as_it_is(system.patience()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        held => held.map(Some),
    }
}

/// The same for the way back, which waits for nobody for good: not for a shell that was stopped while it had the
/// settings, nor for what puts the trial in force and does not end, which has no business any more. All that the
/// others may do while a trial is there is to end it.
fn held_or_not(root: &Path, system: &mut dyn System) -> Option<Exclusive> {
    held(root, system)
        .or_else(|_| {
            let _ = system.run(&["systemctl", "stop", BEGIN]);
            held(root, system)
        })
        .ok()
        .flatten()
}

/// Puts in force what was asked for: `vigie-trial-begin.service`.
///
/// # Errors
/// Not everything follows: nobody can confirm it, and the timer takes it back.
pub fn put_in_force(root: &Path, system: &mut dyn System) -> Result<(), TrialError> {
    system.let_the_answer_go();
    let _others_wait = held(root, system)?;
    let trial = load(root)?;
    let wanted = judge(trial.as_ref(), Wish::PutInForce, system.clock());
    let (true, Some(mut trial)) = (wanted.map_err(TrialError::Unfit)?, trial) else {
        return Ok(());
    };
    let followed = follow(root, &trial.new, system);
    if followed.network_failed {
        return Err(TrialError::Followed(followed));
    }
    trial.phase = Phase::InForce;
    keep(root, &trial)?;
    Ok(())
}

/// Saves what is on trial; the number of its generation.
///
/// # Errors
/// There is none, or it cannot be saved: then it goes on, and back by itself.
pub fn confirm(root: &Path, system: &mut dyn System) -> Result<Option<u32>, TrialError> {
    let who = load(root)?.map(|trial| trial.who).unwrap_or_default();
    let changing = Changing::on_trial(root, &who)?;
    let trial = load(root)?;
    let wanted = judge(trial.as_ref(), Wish::Confirm, system.clock());
    let (true, Some(mut trial)) = (wanted.map_err(TrialError::Unfit)?, trial) else {
        return Err(TrialError::Unfit(Unfit::None));
    };
    // Whoever ends us between here and the last line, what is saved is in force.
    trial.confirmed = true;
    let _ = keep(root, &trial);
    if let Err(error) = changing.save_what_differs(&trial.new) {
        trial.confirmed = false;
        let _ = keep(root, &trial);
        return Err(ChangeError::Save(error).into());
    }
    forget(root)?;
    // It finds nothing to take back.
    let _ = system.run(&["systemctl", "stop", TIMER]);
    Ok(changing.generation())
}

/// Has the trial taken back, a moment later, by its unit: whoever asks may be cut off by it.
///
/// # Errors
/// There is none.
pub fn ask_to_revert(root: &Path, system: &mut dyn System) -> Result<(), TrialError> {
    let _others_wait = held_or_not(root, system);
    let trial = load(root)?;
    let wanted = judge(trial.as_ref(), Wish::Revert, system.clock());
    let (true, Some(mut trial)) = (wanted.map_err(TrialError::Unfit)?, trial) else {
        return Err(TrialError::Unfit(Unfit::None));
    };
    trial.phase = Phase::Reverting;
    keep(root, &trial)?;
    let started = system.run(&["systemctl", "--no-block", "start", REVERT]);
    Ok(started.map_err(io::Error::other)?)
}

/// Puts what was before in force again, where the trial is over: `vigie-trial-revert.service`. Tells
/// whether there was something to do.
///
/// # Errors
/// Not everything follows: systemd starts this again.
pub fn take_back(root: &Path, system: &mut dyn System) -> Result<bool, TrialError> {
    let is_asked = |trial: Option<Trial>| trial.is_some_and(|one| one.phase == Phase::Reverting);
    if load(root).is_ok_and(is_asked) {
        system.let_the_answer_go();
    }
    let _others_wait = held_or_not(root, system);
    let Some((tried, old)) = way_back(root, system.clock())? else {
        return Ok(false);
    };
    // Not only what is noted: whoever put it in force, or took it back, may have been ended in between.
    let followed = follow_after(root, tried.as_ref(), &old, system);
    if followed.network_failed {
        return Err(TrialError::Followed(followed));
    }
    forget(root)?;
    let _ = system.run(&["systemctl", "--no-block", "stop", TIMER]);
    Ok(true)
}

/// What may be in force, where that is known, and what comes in its place; nothing where there is no trial, or one
/// that goes on or has ended well.
fn way_back(root: &Path, now: u64) -> Result<Option<(Option<Settings>, Settings)>, TrialError> {
    let saved = || Store::of_system(root).load().settings;
    let trial = match load(root) {
        // What is saved is what a restart would give, too.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Ok(Some((None, saved())));
        }
        trial => trial?,
    };
    let wanted = judge(trial.as_ref(), Wish::TakeBack, now);
    let (true, Some(trial)) = (wanted.map_err(TrialError::Unfit)?, trial) else {
        return Ok(None);
    };
    if trial.confirmed && saved() == trial.new {
        forget(root)?;
        return Ok(None);
    }
    Ok(Some((Some(trial.new), trial.old)))
}

#[cfg(test)]
mod tests;
