//! How generations come to be: each by a new file in the place of the one before (invariants 1 and 2).

use std::io;

use super::{Files, SaveError, Settings, Store, VERSION, current, displaced, previous};
use crate::forms::FIRST;
use crate::origin::{Loaded, Made, Origin, digest};
use crate::stamp::Stamp;

impl<F: Files> Store<F> {
    /// Makes `settings` the current generation.
    ///
    /// # Errors
    /// A document that contradicts itself, or a write that failed; the current one then stays.
    pub fn save(&self, settings: &Settings) -> Result<(), SaveError> {
        settings.check()?;
        let text = settings.to_text()?;
        self.make_folder()?;
        let current = current(VERSION);
        let old = match self.generation(&current) {
            Ok(Some(own)) => Some((own.made, self.bytes(&current)?)),
            Ok(None) | Err(_) => None,
        };
        let last = match &old {
            Some((_, bytes)) => self.keep(bytes)?,
            None => self.last_number()?,
        };
        let text = Stamp::now(last + 1, &self.who).put(&text);
        let made = match old {
            Some((made, bytes)) => {
                self.replace(&previous(VERSION), &bytes)?;
                made
            }
            // A person wrote it: it is no migration, and never as one left it.
            None => self.made_of_older("-".to_owned()),
        };
        self.replace(&current, Made::put(made.as_ref(), &text).as_bytes())
    }

    /// Makes `settings` the only generation of any form: what was before comes back neither with a
    /// damaged file nor with an older or newer system. After a cut there are the old settings or
    /// these; doing it again finishes it.
    ///
    /// # Errors
    /// A document that contradicts itself, or a write that failed; the settings are then the old
    /// ones or these.
    pub fn start_over(&self, settings: &Settings) -> Result<(), SaveError> {
        settings.check()?;
        let text = settings.to_text()?;
        self.make_folder()?;
        let text = Stamp::now(1, &self.who).put(&text);
        let (current, previous) = (current(VERSION), previous(VERSION));
        self.replace(&current, text.as_bytes())?;
        self.replace(&previous, text.as_bytes())?;
        let names = self.files.names();
        let names = names.map_err(|error| self.failed("", error))?;
        let others = names.iter().filter(|name| {
            let ours = ["current", "previous", "displaced"];
            let is_generation = name.ends_with(".toml") || name.ends_with(".toml.new");
            is_generation
                && ours
                    .iter()
                    .any(|one| name.trim_start_matches('.').starts_with(one))
                && ![&current, &previous].contains(name)
        });
        for name in others {
            let gone = self.files.remove(name);
            gone.map_err(|error| self.failed(name, error))?;
        }
        let synced = self.files.sync();
        synced.map_err(|error| self.failed("", error))
    }

    /// Makes what was migrated this form's own, so that it can be changed; older software keeps
    /// its document. `false` where there is nothing to do.
    ///
    /// # Errors
    /// A write that failed; all documents are as they were.
    pub fn settle(&self, loaded: &Loaded) -> Result<bool, SaveError> {
        let (Origin::Migrated { from, .. } | Origin::Since { from, .. }) = loaded.origin else {
            return Ok(false);
        };
        let text = loaded.settings.to_text()?;
        let current = current(VERSION);
        let number = self.last_number()? + 1;
        let text = Stamp::now(number, &format!("the version before (form {from})")).put(&text);
        let made = self.made_of_older(digest(text.as_bytes()));
        if let Ok(old) = self.bytes(&current)
            && !old.is_empty()
        {
            self.replace(&displaced(), &old)?;
            if let Ok(Some(_)) = self.generation(&current) {
                self.keep(&old)?;
                self.replace(&previous(VERSION), &old)?;
            }
        }
        self.replace(&current, Made::put(made.as_ref(), &text).as_bytes())?;
        Ok(true)
    }

    /// Where a document that is made now comes from; `result` is the digest of its text.
    fn made_of_older(&self, result: String) -> Option<Made> {
        let found = (FIRST..VERSION).rev().find_map(|form| {
            let bytes = self.files.read(&current(form)).ok()??;
            Some((form, digest(&bytes)))
        });
        found.map(|(form, source)| Made {
            form,
            source,
            result,
        })
    }

    fn make_folder(&self) -> Result<(), SaveError> {
        self.files.make().map_err(|error| self.failed("", error))
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, SaveError> {
        let bytes = self.files.read(name);
        let bytes = bytes.map_err(|error| self.failed(name, error))?;
        Ok(bytes.unwrap_or_default())
    }

    /// Temp file, sync, rename, sync of the folder (invariant 1).
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> Result<(), SaveError> {
        let temp = format!(".{name}.new");
        let files = &self.files;
        let write = || -> io::Result<()> {
            files.write(&temp, content)?;
            files.rename(&temp, name)?;
            files.sync()
        };
        write().map_err(|error| self.failed(name, error))
    }

    /// Why a file of the folder could not be written or read.
    pub(super) fn failed(&self, name: &str, error: io::Error) -> SaveError {
        let path = self.files.path(name);
        SaveError::Io { path, error }
    }
}
