//! The document's generations on the state volume.
//!
//! Each form of the document ([`crate::forms`]) has files of its own: `current.toml` and
//! `previous.toml` are of form 1, `current.2.toml` and `previous.2.toml` of form 2, and so on. Both
//! slots share the volume, and the software of each finds the document that it understands.
//!
//! Invariants:
//! 1. At every moment, also after a power cut, the current file is the old document or the new
//!    one: it is only ever replaced by renaming a complete, synced file.
//! 2. The previous file is the last generation that passed the check. A damaged current one
//!    never replaces it.
//! 3. Loading always gives settings: current, else the newest good one of previous and those that
//!    are kept, else those of an older form, else the defaults, and says which.
//! 4. The files of other forms are only read.
//! 5. The last [`KEPT`] good generations are kept; each that another one follows gets a file of its
//!    own (`previous.3-7.toml`) before it is replaced.
//! 6. Nothing that a person saved goes unused without a word: after going back to an older system
//!    it says that a newer one has other settings, and the newer one takes over what was saved
//!    meanwhile, with its own fields that the older one does not know, keeping its own beside it.
//!    Where it would not (its document was not made from this form's), nothing is changed here.

use std::path::Path;

use crate::document::{Settings, VERSION};
use crate::files::{Files, Folder, MAX_BYTES, read_bounded};
use crate::forms::{FIRST, form_of, migrate};
use crate::read::read_toml;

pub use crate::origin::{Loaded, Origin, Unused};
pub use error::{DocumentError, SaveError};
pub use exclusive::{Exclusive, PATIENCE};
pub use history::{KEPT, Saved};
use load::Generation;

mod error;
mod exclusive;
mod history;
mod load;
mod save;

/// No document is longer, in bytes.
pub const DOCUMENT_MAX: usize = MAX_BYTES as usize;

/// The folder of the generations, below the root of the system.
pub const FOLDER: &str = "var/lib/vigie/settings";
/// The same below the root of the state volume, which is mounted at `/var`.
pub const FOLDER_ON_STATE: &str = "lib/vigie/settings";

/// The name of a form's newest generation.
#[must_use]
pub fn current(form: u32) -> String {
    named("current", form)
}

fn previous(form: u32) -> String {
    named("previous", form)
}

fn named(name: &str, form: u32) -> String {
    if form == FIRST {
        format!("{name}.toml")
    } else {
        format!("{name}.{form}.toml")
    }
}

/// Where the settings that an older system saved meanwhile have displaced this form's.
fn displaced() -> String {
    named("displaced", VERSION)
}

/// The generations in one folder.
#[derive(Debug, Clone)]
pub struct Store<F = Folder> {
    files: F,
    /// Who saves, for the history.
    who: String,
}

impl Settings {
    /// Reads and checks the document in `file`, of this form or an older one.
    ///
    /// # Errors
    /// An unreadable file, or a document that is refused.
    pub fn from_file(file: &Path) -> Result<Self, DocumentError> {
        Self::from_text(text(read_bounded(file)?)?.as_str())
    }

    /// Reads and checks a document of this form or an older one.
    ///
    /// # Errors
    /// A document that is refused.
    pub fn from_text(text: &str) -> Result<Self, DocumentError> {
        if let Some(form) = form_of(text).filter(|form| *form < VERSION) {
            return migrate(text, form);
        }
        let settings: Self = read_toml(text)?;
        settings.check()?;
        Ok(settings)
    }

    /// The document's text as it is stored.
    ///
    /// # Errors
    /// None for values that were made by this crate.
    pub fn to_text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!(
            "# Settings of this appliance; `vigie-settings validate FILE` checks a copy.\n{}",
            toml::to_string(self)?
        ))
    }
}

fn text(bytes: Vec<u8>) -> Result<String, DocumentError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(DocumentError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| DocumentError::NoText)
}

impl Store {
    /// The generations of the system whose root is `root`; `/` for the running one.
    #[must_use]
    pub fn of_system(root: &Path) -> Self {
        Self::new(Folder(root.join(FOLDER)))
    }

    /// The generations on a state volume mounted at `volume`.
    #[must_use]
    pub fn on_state_volume(volume: &Path) -> Self {
        Self::new(Folder(volume.join(FOLDER_ON_STATE)))
    }
}

impl<F: Files> Store<F> {
    /// The generations in a folder.
    pub fn new(files: F) -> Self {
        Self {
            files,
            who: "the system".to_owned(),
        }
    }

    /// The same, whose changes are those of `who`: a user's name, or what the software does.
    #[must_use]
    pub fn by(mut self, who: &str) -> Self {
        who.clone_into(&mut self.who);
        self
    }
}

#[cfg(test)]
mod cuts;

#[cfg(test)]
mod tests;
