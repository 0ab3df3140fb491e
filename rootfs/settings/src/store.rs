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

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::document::{Settings, VERSION};
use crate::files::{Files, Folder, MAX_BYTES, read_bounded};
use crate::forms::{FIRST, carried, form_of, migrate};
use crate::origin::{Made, digest, without_made};
use crate::read::read_toml;
use crate::stamp::Stamp;

pub use crate::origin::{Loaded, Origin, Unused};
pub use error::{DocumentError, SaveError};
pub use history::{KEPT, Saved};

mod error;
mod history;

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

/// Who waits for another one does so no longer: that may be somebody's shell, which was stopped in the middle.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps others that ask for the same waiting until it is dropped.
#[derive(Debug)]
pub struct Exclusive {
    _folder: File,
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

/// A generation that could be read.
struct Generation {
    settings: Settings,
    /// Where it was migrated from.
    made: Option<Made>,
    /// The number that it has, where it was saved by this software.
    number: Option<u32>,
}

/// A newer form's document, of which nothing but its first lines can be read.
struct Newer {
    form: u32,
    made: Option<Made>,
    /// It is as it was made.
    is_untouched: bool,
}

/// What became of a form's two files.
enum Found {
    Current(Generation),
    Previous(Generation, String),
    Damaged(String),
    Nothing,
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

    /// Keeps others that ask for the same waiting until the result is dropped: for reading, changing
    /// and saving in one.
    ///
    /// # Errors
    /// The folder cannot be made or locked; [`io::ErrorKind::WouldBlock`] where somebody has it for longer than
    /// [`PATIENCE`].
    pub fn exclusive(&self) -> io::Result<Exclusive> {
        self.files.make()?;
        self.exclusive_as_it_is(PATIENCE)
    }

    /// The same without making the folder, and with another patience.
    ///
    /// # Errors
    /// The folder is not there or cannot be locked.
    pub fn exclusive_as_it_is(&self, patience: Duration) -> io::Result<Exclusive> {
        let folder = File::open(&self.files.0)?;
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => wait_for(folder, patience),
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => Ok(Exclusive { _folder: folder }),
        }
    }
}

/// The kernel's wait has no end of its own; a thread that comes to it later lets the folder go again.
fn wait_for(folder: File, patience: Duration) -> io::Result<Exclusive> {
    let (tell, told) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let locked = folder.lock();
        let _ = tell.send(locked.map(|()| Exclusive { _folder: folder }));
    })?;
    let late = |_| Err(io::ErrorKind::WouldBlock.into());
    told.recv_timeout(patience).unwrap_or_else(late)
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

    /// Loads the best generation (invariant 3). Nothing is written.
    #[must_use]
    pub fn load(&self) -> Loaded {
        let (settings, origin) = match self.found(VERSION) {
            Found::Current(own) => self.or_since(own, None),
            Found::Previous(own, why) => self.or_since(own, Some(why)),
            Found::Damaged(why) => self.of_older(Some(why)),
            Found::Nothing => self.of_older(None),
        };
        let unused = self.newer_unused();
        Loaded {
            settings,
            origin,
            unused,
        }
    }

    /// This form's own generation, unless an older system has saved its document since that was
    /// migrated: then that one. `damage` is what is wrong with this form's current one.
    fn or_since(&self, own: Generation, damage: Option<String>) -> (Settings, Origin) {
        let since = own.made.as_ref().filter(|made| {
            let older = self.files.read(&current(made.form));
            matches!(older, Ok(Some(bytes)) if digest(&bytes) != made.source)
        });
        let migrated = since.and_then(|made| match self.found(made.form) {
            Found::Current(older) => {
                let settings = carried(older.settings, &own.settings, made.form);
                Some((settings, made.form))
            }
            _ => None,
        });
        match migrated {
            Some((settings, from)) => (settings, Origin::Since { from, damage }),
            None => {
                let previous = |why| Origin::Previous { why };
                (own.settings, damage.map_or(Origin::Current, previous))
            }
        }
    }

    /// The newest of the older forms; `damage` is what is wrong with this form's own.
    fn of_older(&self, damage: Option<String>) -> (Settings, Origin) {
        for from in (FIRST..VERSION).rev() {
            match self.found(from) {
                Found::Nothing => {}
                Found::Current(older) | Found::Previous(older, _) => {
                    return (older.settings, Origin::Migrated { from, damage });
                }
                Found::Damaged(why) => {
                    let origin = match damage {
                        Some(own) => Origin::Defaults {
                            why: format!("{own}; {why}"),
                        },
                        None => Origin::Unmigrated { from, why },
                    };
                    return (Settings::default(), origin);
                }
            }
        }
        let origin = damage.map_or(Origin::Absent, |why| Origin::Defaults { why });
        (Settings::default(), origin)
    }

    /// The newest of the newer forms whose document was changed after it was migrated, so that this one lacks
    /// something that a person has saved. What is saved here is taken over where each newer form looks for
    /// it here ([`Self::or_since`]), and nowhere in between.
    fn newer_unused(&self) -> Option<Unused> {
        let names = self.files.names().unwrap_or_default();
        let form = |name: &String| {
            let form = name.strip_prefix("current.")?.strip_suffix(".toml")?;
            form.parse().ok().filter(|form| *form > VERSION)
        };
        let mut forms: Vec<u32> = names.iter().filter_map(form).collect();
        forms.sort_unstable();
        let newest = self.newer(*forms.last()?)?;
        let is_ours = |form: &u32| {
            let newer = self.newer(*form);
            newer.is_some_and(|one| one.made.is_some_and(|made| made.form == VERSION))
        };
        (!newest.is_untouched).then(|| Unused {
            form: newest.form,
            takes_over: forms.iter().all(is_ours),
        })
    }

    fn newer(&self, form: u32) -> Option<Newer> {
        let bytes = self.files.read(&current(form)).ok()??;
        let text = text(bytes).unwrap_or_default();
        let made = Made::of(&text);
        let as_made = |made: &Made| made.result == digest(without_made(&text).as_bytes());
        let is_untouched = made.as_ref().is_some_and(as_made);
        Some(Newer {
            form,
            made,
            is_untouched,
        })
    }

    fn found(&self, form: u32) -> Found {
        let current = current(form);
        let why = match self.generation(&current) {
            Ok(Some(generation)) => return Found::Current(generation),
            Ok(None) => None,
            Err(why) => Some(why),
        };
        let previous = self.generation(&previous(form));
        let kept = match form {
            VERSION => self.newest_kept(),
            _ => None,
        };
        let missing = || format!("{current} is missing");
        match (previous, kept) {
            (Ok(None), None) => why.map_or(Found::Nothing, Found::Damaged),
            (Err(second), None) => match why {
                Some(why) => Found::Damaged(format!("{why}; {second}")),
                None => Found::Damaged(format!("{}, {second}", missing())),
            },
            (Err(second), Some(kept)) => {
                let why = why.unwrap_or_else(missing);
                Found::Previous(kept, format!("{why}; {second}"))
            }
            (Ok(previous), kept) => {
                // Where they are equally old they are the same.
                let both = previous.into_iter().chain(kept);
                let newest = both.max_by_key(|one| one.number);
                let why = why.unwrap_or_else(missing);
                newest.map_or(Found::Nothing, |one| Found::Previous(one, why))
            }
        }
    }

    fn generation(&self, name: &str) -> Result<Option<Generation>, String> {
        let read = || -> Result<_, DocumentError> {
            let Some(bytes) = self.files.read(name)? else {
                return Ok(None);
            };
            let text = text(bytes)?;
            let settings = Settings::from_text(&text)?;
            Ok(Some(Generation {
                settings,
                made: Made::of(&text),
                number: Stamp::of(&text).map(|stamp| stamp.number),
            }))
        };
        read().map_err(|error| format!("{name}: {error}"))
    }

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
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), SaveError> {
        let temp = format!(".{name}.new");
        let files = &self.files;
        let write = || -> io::Result<()> {
            files.write(&temp, content)?;
            files.rename(&temp, name)?;
            files.sync()
        };
        write().map_err(|error| self.failed(name, error))
    }

    fn failed(&self, name: &str, error: io::Error) -> SaveError {
        let path = self.files.path(name);
        SaveError::Io { path, error }
    }
}

#[cfg(test)]
mod cuts;

#[cfg(test)]
mod tests;
