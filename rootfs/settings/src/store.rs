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
//! 3. Loading always gives settings: current, else previous, else those of an older form, else
//!    the defaults, and says which.
//! 4. The files of other forms are only read.
//! 5. The last [`KEPT`] good generations are kept; each that another one follows gets a file of its
//!    own (`previous.3-7.toml`) before it is replaced.
//! 6. Nothing that a person saved goes unused without a word: after going back to an older system
//!    it says that a newer one has other settings, and the newer one takes over what was saved
//!    meanwhile, with its own fields that the older one does not know, keeping its own beside it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::check::Problems;
use crate::document::{Settings, VERSION};
use crate::files::{Files, Folder, MAX_BYTES, read_bounded};
use crate::forms::{FIRST, carried, form_of, migrate};
use crate::origin::{Made, digest, without_made};
use crate::read::{ReadError, read_toml};
use crate::stamp::Stamp;
use crate::words::{Said, said};

pub use crate::origin::{Loaded, Origin};
pub use history::{KEPT, Saved};

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

/// The generations in one folder.
#[derive(Debug, Clone)]
pub struct Store<F = Folder> {
    files: F,
    /// Who saves, for the history.
    who: String,
}

/// Why a document in a file was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is larger than any document.
    #[error("is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// It is no text.
    #[error("is no UTF-8 text")]
    NoText,
    /// It is not a document.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It contradicts itself.
    #[error(transparent)]
    Check(#[from] Problems),
    /// It is of an older form and cannot be brought into this one.
    #[error("made for form {from} of the settings, and not usable as form {VERSION}: {why}")]
    Migration {
        /// Its form.
        from: u32,
        /// What is in the way.
        why: String,
    },
}

impl DocumentError {
    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Self::Io(error) => Said::same(error),
            Self::TooLarge => said("document.too-large", &[("most", Said::same(MAX_BYTES))]),
            Self::NoText => said("document.no-text", &[]),
            Self::Read(error) => error.said(),
            Self::Check(problems) => problems.said(),
            Self::Migration { from, why } => {
                let values = [
                    ("from", Said::same(from)),
                    ("own", Said::same(VERSION)),
                    ("why", Said::same(why)),
                ];
                said("document.migration", &values)
            }
        }
    }
}

/// Why a document was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// It contradicts itself.
    #[error("the settings are refused: {0}")]
    Check(#[from] Problems),
    /// It could not be written as text.
    #[error("the settings cannot be written as TOML: {0}")]
    Write(#[from] toml::ser::Error),
    /// The state volume refused it; the old document is still in place.
    #[error(
        "writing {path}: {error}; the settings are unchanged, check the state volume's space and health"
    )]
    Io {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl SaveError {
    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Self::Check(problems) => problems.said(),
            Self::Write(error) => said("document.not-toml", &[("error", Said::same(error))]),
            Self::Io { path, error } => {
                let values = [
                    ("path", Said::same(path.display())),
                    ("error", Said::same(error)),
                ];
                said("document.not-saved", &values)
            }
        }
    }
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
    /// The folder cannot be made or locked.
    pub fn exclusive(&self) -> io::Result<File> {
        self.files.make()?;
        let folder = File::open(&self.files.0)?;
        folder.lock()?;
        Ok(folder)
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

    /// Loads the best generation (invariant 3). Nothing is written.
    #[must_use]
    pub fn load(&self) -> Loaded {
        let (settings, origin) = match self.found(VERSION) {
            Found::Current(own) => self.or_since(own, Origin::Current),
            Found::Previous(own, why) => self.or_since(own, Origin::Previous { why }),
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
    /// migrated: then that one.
    fn or_since(&self, own: Generation, origin: Origin) -> (Settings, Origin) {
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
            Some((settings, from)) => (settings, Origin::Since { from }),
            None => (own.settings, origin),
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

    /// A newer form whose document was changed after it was migrated, so that this one lacks
    /// something that a person has saved.
    fn newer_unused(&self) -> Option<u32> {
        let names = self.files.names().unwrap_or_default();
        let form = |name: &String| {
            let form = name.strip_prefix("current.")?.strip_suffix(".toml")?;
            form.parse().ok().filter(|form| *form > VERSION)
        };
        let newest = names.iter().filter_map(form).max()?;
        let bytes = self.files.read(&current(newest)).ok()??;
        let text = text(bytes).unwrap_or_default();
        let untouched = Made::of(&text)
            .is_some_and(|made| made.result == digest(without_made(&text).as_bytes()));
        (!untouched).then_some(newest)
    }

    fn found(&self, form: u32) -> Found {
        let current = current(form);
        let why = match self.generation(&current) {
            Ok(Some(generation)) => return Found::Current(generation),
            Ok(None) => None,
            Err(why) => Some(why),
        };
        match (self.generation(&previous(form)), why) {
            (Ok(Some(generation)), why) => {
                let why = why.unwrap_or_else(|| format!("{current} is missing"));
                Found::Previous(generation, why)
            }
            (Ok(None), None) => Found::Nothing,
            (Ok(None), Some(why)) => Found::Damaged(why),
            (Err(why), None) => Found::Damaged(format!("{current} is missing, {why}")),
            (Err(second), Some(why)) => {
                let why = format!("{why}; {second}");
                // One that was kept is older, and better than nothing.
                match self.newest_kept().filter(|_| form == VERSION) {
                    Some(generation) => Found::Previous(generation, why),
                    None => Found::Damaged(why),
                }
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
            let made = Made::of(&text);
            Ok(Some(Generation { settings, made }))
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
            None => self.made_of_older(&text),
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
        let (Origin::Migrated { from, .. } | Origin::Since { from }) = loaded.origin else {
            return Ok(false);
        };
        let text = loaded.settings.to_text()?;
        let current = current(VERSION);
        let number = self.last_number()? + 1;
        let text = Stamp::now(number, &format!("the version before (form {from})")).put(&text);
        let made = self.made_of_older(&text);
        if let Ok(old) = self.bytes(&current)
            && !old.is_empty()
        {
            self.replace(&displaced(), &old)?;
            if let Ok(Some(_)) = self.generation(&current) {
                self.keep(&old)?;
            }
        }
        self.replace(&current, Made::put(made.as_ref(), &text).as_bytes())?;
        Ok(true)
    }

    /// Where a document that is made now comes from.
    fn made_of_older(&self, text: &str) -> Option<Made> {
        (FIRST..VERSION).rev().find_map(|form| {
            let bytes = self.files.read(&current(form)).ok()??;
            Some(Made {
                form,
                source: digest(&bytes),
                result: digest(text.as_bytes()),
            })
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
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn named(name: &str) -> Settings {
        let mut settings = Settings::default();
        settings.system.hostname = name.parse().expect("host name");
        settings
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = Store::of_system(folder.path());
        (folder, store)
    }

    fn path(store: &Store, name: &str) -> PathBuf {
        store.files.path(name)
    }

    /// The generation before the current one.
    fn before(store: &Store) -> Settings {
        let found = store.generation(&previous(VERSION)).expect("readable");
        found.expect("there").settings
    }

    #[test]
    fn starting_over_leaves_nothing_of_before() {
        let (_folder, store) = store();
        store.save(&named("one")).expect("saved");
        store.save(&named("two")).expect("saved");
        let form_1 = include_str!("../tests/forms/1.toml");
        for name in [
            "current.toml",
            "previous.toml",
            "displaced.3.toml",
            "current.4.toml",
        ] {
            fs::write(path(&store, name), form_1).expect("written");
        }
        fs::write(path(&store, "notes.txt"), "a person's").expect("written");
        store.start_over(&named("new")).expect("started over");
        let mut names = store.files.names().expect("names");
        names.sort();
        assert_eq!(names, ["current.3.toml", "notes.txt", "previous.3.toml"]);
        assert_eq!(store.load().settings, named("new"));
        fs::write(path(&store, "current.3.toml"), "damaged").expect("written");
        assert_eq!(store.load().settings, named("new"));
        // An older system finds nothing, and what is damaged stops nobody.
        fs::write(path(&store, "previous.3.toml"), "damaged").expect("written");
        store.start_over(&named("newer")).expect("started over");
        assert_eq!(store.load().settings, named("newer"));
        assert_eq!(store.load().origin, Origin::Current);
    }

    #[test]
    fn nothing_stored_means_defaults_without_a_warning() {
        let (_folder, store) = store();
        assert_eq!(
            store.load(),
            Loaded {
                settings: Settings::default(),
                origin: Origin::Absent,
                unused: None
            }
        );
        assert_eq!(store.load().origin.warning(), None);
    }

    #[test]
    fn generations_follow_each_other() {
        let (_folder, store) = store();
        for name in ["one", "two", "three"] {
            store.save(&named(name)).expect("saved");
            assert_eq!(
                store.load(),
                Loaded {
                    settings: named(name),
                    origin: Origin::Current,
                    unused: None
                }
            );
        }
        assert_eq!(before(&store), named("two"));
        let mode = fs::metadata(path(&store, &current(VERSION)))
            .expect("current")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn every_damage_falls_back_and_says_so() {
        let cases: [(&str, &[u8]); 6] = [
            ("empty", b""),
            ("not text", b"\xff\xfe\x00"),
            ("truncated", b"version = 3\n[sys"),
            ("unknown field", b"version = 3\nx = 1\n"),
            ("from the future", b"version = 7\n"),
            (
                "contradiction",
                b"version = 3\n[network.enterprise]\ndhcp = false\n",
            ),
        ];
        for (name, damage) in cases {
            let (_folder, store) = store();
            store.save(&named("one")).expect("saved");
            store.save(&named("two")).expect("saved");
            fs::write(path(&store, &current(VERSION)), damage).expect("damaged");
            let loaded = store.load();
            assert_eq!(loaded.settings, named("one"), "{name}");
            assert!(
                loaded
                    .origin
                    .warning()
                    .is_some_and(|w| w.contains("generation before")),
                "{name}"
            );

            // Saving over a damaged document must not make the damage the fallback.
            store.save(&named("three")).expect("saved");
            assert_eq!(before(&store), named("one"), "{name}");

            fs::write(path(&store, &current(VERSION)), damage).expect("damaged");
            fs::write(path(&store, &previous(VERSION)), damage).expect("damaged");
            // Those that are kept are better than nothing, and lost with all others.
            assert_eq!(store.load().settings, named("one"), "{name}");
            for one in store.history().expect("history") {
                fs::write(
                    path(&store, &format!("previous.3-{}.toml", one.number)),
                    damage,
                )
                .expect("damaged");
            }
            let loaded = store.load();
            assert_eq!(loaded.settings, Settings::default(), "{name}");
            assert!(
                loaded
                    .origin
                    .warning()
                    .is_some_and(|w| w.contains("defaults")),
                "{name}"
            );
        }
    }

    #[test]
    fn a_left_over_temporary_file_or_a_huge_document_does_no_harm() {
        let (_folder, store) = store();
        store.save(&named("one")).expect("saved");
        fs::write(path(&store, ".current.3.toml.new"), "half").expect("left over");
        store.save(&named("two")).expect("saved");
        fs::write(path(&store, &current(VERSION)), vec![b'#'; 2 << 20]).expect("huge");
        assert_eq!(store.load().settings, named("one"));
    }

    #[test]
    fn what_contradicts_itself_is_not_saved() {
        let (_folder, store) = store();
        store.save(&named("one")).expect("saved");
        let mut bad = named("two");
        bad.network.enterprise.dhcp = Some(false);
        assert!(matches!(store.save(&bad), Err(SaveError::Check(_))));
        assert_eq!(store.load().settings, named("one"));
    }

    #[test]
    fn text_reads_back_as_the_same_document() {
        let text = include_str!("../tests/golden/full.toml");
        let settings = Settings::from_text(text).expect("reads");
        assert_eq!(
            Settings::from_text(&settings.to_text().expect("writes")).expect("reads back"),
            settings
        );
    }

    #[test]
    fn the_last_good_generations_are_kept_with_who_and_when() {
        let (_folder, store) = store();
        let store = store.by("anna");
        assert_eq!(store.history().expect("history"), []);
        for number in 1..=20 {
            store
                .save(&named(&format!("name-{number}")))
                .expect("saved");
        }
        let history = store.history().expect("history");
        let numbers: Vec<u32> = history.iter().map(|one| one.number).collect();
        assert_eq!(numbers, [20, 19, 18, 17, 16, 15, 14, 13]);
        assert_eq!(history.len(), KEPT);
        for one in &history {
            let stamp = one.stamp.as_ref().expect("a stamp");
            assert_eq!((stamp.number, stamp.who.as_str()), (one.number, "anna"));
            assert_eq!((one.is_current, &one.fault), (one.number == 20, &None));
            let settings = store.numbered(one.number).expect("read").expect("there");
            assert_eq!(settings, named(&format!("name-{}", one.number)));
        }
        assert!(store.numbered(12).expect("read").is_none());
        // A damaged one says so; one that a person put there has no stamp, and its place.
        put(&store, "previous.3-14.toml", "damaged");
        put(&store, "current.3.toml", "version = 3\n");
        let history = store.history().expect("history");
        assert_eq!((history[0].number, &history[0].stamp), (20, &None));
        assert!(
            history
                .iter()
                .any(|one| one.number == 14 && one.fault.is_some())
        );
        store.save(&named("after")).expect("saved");
        assert_eq!(store.history().expect("history")[0].number, 21);
        assert_eq!(store.numbered(20).expect("read"), Some(Settings::default()));
        // Names that look like one are none.
        for odd in [
            "previous.3-x.toml",
            "previous.3-007.toml",
            "previous.3-4294967295.toml",
        ] {
            put(&store, odd, "version = 3\n");
        }
        assert_eq!(store.history().expect("history").len(), KEPT);
    }

    #[test]
    fn whoever_reads_changes_and_saves_keeps_others_waiting() {
        let (_folder, store) = store();
        let held = store.exclusive().expect("held");
        let folder = File::open(&store.files.0).expect("the folder");
        assert!(folder.try_lock().is_err());
        drop(held);
        assert!(folder.try_lock().is_ok());
    }

    /// The store as a system with form 1 left it.
    fn of_form_1() -> (tempfile::TempDir, Store) {
        let (folder, store) = store();
        store.files.make().expect("folder");
        put(&store, "current.toml", FORM_1);
        (folder, store)
    }

    const FORM_1: &str = include_str!("../tests/forms/1.toml");

    fn put(store: &Store, name: &str, text: &str) {
        store.replace(name, text.as_bytes()).expect("written");
    }

    fn read(store: &Store, name: &str) -> String {
        fs::read_to_string(path(store, name)).expect(name)
    }

    fn settled(store: &Store) -> Loaded {
        let loaded = store.load();
        store.settle(&loaded).expect("settled");
        loaded
    }

    #[test]
    fn c86_an_older_form_is_migrated_once_and_left_as_it_is() {
        let (_folder, store) = of_form_1();
        let loaded = settled(&store);
        assert_eq!(loaded.settings.system.hostname.as_str(), "recorder-1");
        assert!(matches!(
            loaded.origin,
            Origin::Migrated {
                from: 1,
                damage: None
            }
        ));
        assert_eq!(loaded.warnings(), [""; 0]);
        assert_eq!(read(&store, "current.toml"), FORM_1);
        let again = store.load();
        assert_eq!(
            (&again.settings, &again.origin),
            (&loaded.settings, &Origin::Current)
        );
        assert!(!store.settle(&again).expect("settled"));
        store.save(&named("changed")).expect("saved");
        assert_eq!(store.load().settings, named("changed"));
        assert_eq!(read(&store, "current.toml"), FORM_1);
    }

    #[test]
    fn c88_what_the_older_system_saved_after_a_return_is_taken_over() {
        let (_folder, store) = of_form_1();
        settled(&store);
        store.save(&named("newer")).expect("saved");
        // It went back, and a person changed the name there.
        put(
            &store,
            "current.toml",
            &FORM_1.replace("recorder-1", "recorder-2"),
        );
        let loaded = settled(&store);
        assert_eq!(loaded.origin, Origin::Since { from: 1 });
        assert_eq!(loaded.settings.system.hostname.as_str(), "recorder-2");
        assert!(loaded.warnings()[0].contains("meanwhile"));
        assert!(read(&store, "displaced.3.toml").contains("newer"));
        assert_eq!(store.load().origin, Origin::Current);
        // What the older system broke is not taken over.
        put(&store, "current.toml", "version = 1\nx = 1\n");
        assert_eq!(store.load().origin, Origin::Current);
    }

    #[test]
    fn c88_c89_a_newer_form_is_named_once_it_was_changed() {
        let (_folder, store) = store();
        store.save(&named("ours")).expect("saved");
        let body = "version = 4\n[colour]\nof = \"tomorrow\"\n";
        let made = Made {
            form: VERSION,
            source: digest(b"x"),
            result: digest(body.as_bytes()),
        };
        put(&store, "current.4.toml", &Made::put(Some(&made), body));
        assert_eq!(store.load().unused, None);
        put(
            &store,
            "current.4.toml",
            &Made::put(Some(&made), &(body.to_owned() + "x = 1\n")),
        );
        let loaded = store.load();
        assert_eq!((loaded.unused, loaded.settings), (Some(4), named("ours")));
        for odd in ["", "version = 4", "#= from x"] {
            put(&store, "current.4.toml", odd);
            assert_eq!(store.load().unused, Some(4), "{odd}");
        }
    }

    #[test]
    fn what_cannot_be_migrated_is_told_apart_from_damage() {
        let (_folder, store) = of_form_1();
        put(&store, "current.toml", "version = 1\nx = 1\n");
        let loaded = settled(&store);
        assert!(matches!(loaded.origin, Origin::Unmigrated { from: 1, .. }));
        assert_eq!(loaded.settings, Settings::default());
        assert!(!path(&store, "current.3.toml").exists());
        // Its own generation before is better than the defaults.
        put(&store, "previous.toml", FORM_1);
        assert!(matches!(
            store.load().origin,
            Origin::Migrated { from: 1, .. }
        ));
        // A damaged document of the newest form: that of the older one is better than nothing.
        put(&store, "current.3.toml", "\0");
        let loaded = store.load();
        assert!(loaded.warnings()[0].contains("damaged"), "{loaded:?}");
        assert_eq!(loaded.settings.system.hostname.as_str(), "recorder-1");
    }
}
