//! Changing the settings: one road for the command line and the broker, so that nobody changes what
//! another one is changing, what is damaged, or what a newer version has saved beyond it.

use std::path::Path;
use std::{fmt, fs, io};

use serde_json::Value;

use crate::document::Settings;
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
        Ok(Self { old, store, held })
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
        if let Some(form) = loaded.unused {
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

/// Whether an installed system runs without its state volume. A live system has none to lose.
fn is_lost(root: &Path) -> bool {
    let text = fs::read_to_string(root.join(BOOT)).unwrap_or_default();
    let boot: Value = serde_json::from_str(&text).unwrap_or_default();
    boot["mode"] == "installed" && boot["state_device"].is_null()
}

impl ChangeError {
    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Self::Lost => said("command.lost-settings", &[]),
            Self::Locked(error) => Said::same(error),
            Self::Newer { form } => said("command.newer-settings", &[("form", Said::same(form))]),
            Self::Damaged { why } => said("command.damaged-settings", &[("why", Said::same(why))]),
            Self::Save(error) => error.said(),
        }
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}

impl std::error::Error for ChangeError {}
