//! Changing the settings: one road for the command line and the broker, so that nobody changes what
//! another one is changing, what is damaged, or what a newer version has saved beyond it.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use serde_json::Value;

use crate::document::Settings;
use crate::live::{self, Followed, System, trial};
use crate::origin::Unused;
use crate::store::{Exclusive, Loaded, SaveError, Store};
use crate::words::{Said, said};

/// Settings that are being changed; others that ask for the same wait until this is dropped.
#[derive(Debug)]
pub struct Changing {
    /// The settings as they are.
    pub old: Loaded,
    store: Store,
    held: Exclusive,
    root: PathBuf,
    who: String,
}

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is saved, and the running system follows it.
    Saved(Followed),
    /// It is not saved: it is in force for so long, unless it is confirmed.
    Trial {
        /// How long.
        seconds: u64,
    },
}

/// Why the settings are not changed.
#[derive(Debug)]
pub enum ChangeError {
    /// The state volume is lost: what is saved would be in memory alone.
    Lost,
    /// The folder cannot be made or locked.
    Locked(io::Error),
    /// A newer form was changed, and would not take over what is saved here.
    Newer {
        /// Which.
        form: u32,
    },
    /// A change would be made to older settings than those saved last.
    Damaged {
        /// What is wrong.
        why: String,
    },
    /// A change of the networks is on trial.
    Trial,
    /// The networks cannot go on trial: they are as they were.
    NotOnTrial(io::Error),
    /// They could not be written.
    Save(SaveError),
}

impl Changing {
    /// Begins a change of the settings below `root` by `who`.
    ///
    /// # Errors
    /// They are not to be changed.
    pub fn begin(root: &Path, who: &str) -> Result<Self, ChangeError> {
        let begun = Self::mending(root, who)?;
        if begun.old.origin.is_loss() {
            let why = begun.old.origin.warning().unwrap_or_default();
            return Err(ChangeError::Damaged { why });
        }
        Ok(begun)
    }

    /// The same for what mends damaged settings.
    ///
    /// # Errors
    /// They are not to be changed.
    pub fn mending(root: &Path, who: &str) -> Result<Self, ChangeError> {
        let begun = Self::on_trial(root, who)?;
        match trial::is_under_way(root) {
            true => Err(ChangeError::Trial),
            false => Ok(begun),
        }
    }

    /// The same for what ends a trial of the networks.
    pub(crate) fn on_trial(root: &Path, who: &str) -> Result<Self, ChangeError> {
        if is_lost(root) {
            return Err(ChangeError::Lost);
        }
        let store = Store::of_system(root).by(who);
        let held = store.exclusive().map_err(ChangeError::Locked)?;
        let old = store.load();
        if let Some(Unused { form, takes_over }) = old.unused
            && !takes_over
        {
            return Err(ChangeError::Newer { form });
        }
        if !old.origin.is_loss() {
            store.settle(&old).map_err(ChangeError::Save)?;
        }
        Ok(Self {
            old,
            store,
            held,
            root: root.to_owned(),
            who: who.to_owned(),
        })
    }

    /// Makes `new` the settings of the running system, and saves it, unless it may cut off whoever asks:
    /// then it goes on trial, and is saved when that is confirmed.
    ///
    /// # Errors
    /// As [`Self::save`]; or it cannot go on trial.
    pub fn take(&self, new: &Settings, system: &mut dyn System) -> Result<Taken, ChangeError> {
        new.check().map_err(SaveError::Check)?;
        let saved = &self.old.settings;
        let before = live::in_force(&self.root).unwrap_or_else(|| saved.clone());
        if live::needs_trial(&before, new) {
            self.keep_networks_of(&before)?;
            let begun = trial::begin(&self.root, &self.who, (saved, new), system);
            let seconds = begun.map_err(ChangeError::NotOnTrial)?;
            return Ok(Taken::Trial { seconds });
        }
        self.save_what_differs(new)?;
        Ok(Taken::Saved(live::follow(&self.root, new, system)))
    }

    /// While networks are on trial those that are in force are saved, also where others were saved for the next
    /// start: a power cut in the middle, or long after nobody has confirmed them, must lead to none that nobody has
    /// reached. They stay in the history.
    fn keep_networks_of(&self, in_force: &Settings) -> Result<(), SaveError> {
        let saved = &self.old.settings;
        if self.old.origin.is_loss() || !live::needs_trial(in_force, saved) {
            return Ok(());
        }
        self.save(&Settings {
            network: in_force.network.clone(),
            ..saved.clone()
        })
    }

    /// Makes `new` the settings, where they are other ones.
    pub(crate) fn save_what_differs(&self, new: &Settings) -> Result<(), SaveError> {
        match self.old.origin.is_loss() || self.old.settings != *new {
            true => self.save(new),
            false => Ok(()),
        }
    }

    /// The number of the generation that is saved now.
    #[must_use]
    pub fn generation(&self) -> Option<u32> {
        self.store.generation_in_use()
    }

    /// The settings below `root` where they may be changed; nothing is locked or written.
    ///
    /// # Errors
    /// They are not to be changed.
    pub fn look(root: &Path) -> Result<Loaded, ChangeError> {
        if is_lost(root) {
            return Err(ChangeError::Lost);
        }
        let loaded = Store::of_system(root).load();
        if let Some(Unused { form, takes_over }) = loaded.unused
            && !takes_over
        {
            return Err(ChangeError::Newer { form });
        }
        match loaded.origin.is_loss() {
            true => Err(ChangeError::Damaged {
                why: loaded.origin.warning().unwrap_or_default(),
            }),
            false => Ok(loaded),
        }
    }

    /// Makes `new` the settings.
    ///
    /// # Errors
    /// A document that contradicts itself, or a write that failed; the old ones then stay.
    pub fn save(&self, new: &Settings) -> Result<(), SaveError> {
        self.store.save(new)
    }

    /// The generations.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What keeps others waiting.
    #[must_use]
    pub fn held(&self) -> &Exclusive {
        &self.held
    }
}

/// What the initrd found, below the root.
const BOOT: &str = "run/vigie/boot.json";

/// What the initrd found; null where it is not known.
pub(crate) fn boot(root: &Path) -> Value {
    let text = fs::read_to_string(root.join(BOOT)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Whether an installed system runs without its state volume. A live system has none to lose.
fn is_lost(root: &Path) -> bool {
    let boot = boot(root);
    boot["mode"] == "installed" && boot["state_device"].is_null()
}

impl ChangeError {
    /// Whether somebody else has the settings, and does not let go of them.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Locked(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Self::Lost => said("command.lost-settings", &[]),
            Self::Locked(_) if self.is_busy() => said("command.held", &[]),
            Self::Locked(error) => Said::same(error),
            Self::Newer { form } => said("command.newer-settings", &[("form", Said::same(form))]),
            Self::Damaged { why } => said("command.damaged-settings", &[("why", Said::same(why))]),
            Self::Trial => said(
                "trial.under-way",
                &[("seconds", Said::same(trial::SECONDS))],
            ),
            Self::NotOnTrial(error) => said("trial.not-begun", &[("error", Said::same(error))]),
            Self::Save(error) => error.said(),
        }
    }
}

impl From<SaveError> for ChangeError {
    fn from(error: SaveError) -> Self {
        Self::Save(error)
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}

impl std::error::Error for ChangeError {}
