//! The document's generations on the state volume.
//!
//! Invariants:
//! 1. At every moment, also after a power cut, `current.toml` is the old document or the new one:
//!    it is only ever replaced by renaming a complete, synced file.
//! 2. `previous.toml` is the last generation that passed the check. A damaged `current.toml`
//!    never replaces it.
//! 3. Loading always gives settings: current, else previous, else the defaults, and says which.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::check::Problems;
use crate::document::Settings;
use crate::read::{ReadError, read_toml};

/// The folder of the generations, below the root of the system.
pub const FOLDER: &str = "var/lib/vigie/settings";
/// The same below the root of the state volume, which is mounted at `/var`.
pub const FOLDER_ON_STATE: &str = "lib/vigie/settings";
const CURRENT: &str = "current.toml";
const PREVIOUS: &str = "previous.toml";
/// A document is a few kilobytes; more is damage.
const MAX_BYTES: u64 = 1 << 20;

/// The generations in one folder.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// Settings, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The document.
    pub settings: Settings,
    /// Which generation it is.
    pub origin: Origin,
}

/// Which generation was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The newest one.
    Current,
    /// There is no document: a live system, or an appliance that was never configured.
    Absent,
    /// The one before, because the current one is damaged.
    Previous {
        /// What is wrong with the current one.
        why: String,
    },
    /// The defaults, because every generation is damaged.
    Defaults {
        /// What is wrong with them.
        why: String,
    },
}

impl Origin {
    /// What a person must know; `None` when all is well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Current | Self::Absent => None,
            Self::Previous { why } => Some(format!(
                "the settings are damaged, the generation before them is used; check them and save them again ({why})"
            )),
            Self::Defaults { why } => Some(format!(
                "the settings are damaged, the defaults are used; restore a backup or configure anew ({why})"
            )),
        }
    }
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
    /// It is not a document.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It contradicts itself.
    #[error(transparent)]
    Check(#[from] Problems),
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

impl Settings {
    /// Reads and checks the document in `file`.
    ///
    /// # Errors
    /// An unreadable file, or a document that is refused.
    pub fn from_file(file: &Path) -> Result<Self, DocumentError> {
        Self::from_text(&read_bounded(file)?)
    }

    /// Reads and checks a document.
    ///
    /// # Errors
    /// A document that is refused.
    pub fn from_text(text: &str) -> Result<Self, DocumentError> {
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

fn read_bounded(file: &Path) -> Result<String, DocumentError> {
    let mut text = String::new();
    File::open(file)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        Err(DocumentError::TooLarge)
    } else {
        Ok(text)
    }
}

impl Store {
    /// The generations of the system whose root is `root`; `/` for the running one.
    #[must_use]
    pub fn of_system(root: &Path) -> Self {
        Self {
            folder: root.join(FOLDER),
        }
    }

    /// The generations on a state volume mounted at `volume`.
    #[must_use]
    pub fn on_state_volume(volume: &Path) -> Self {
        Self {
            folder: volume.join(FOLDER_ON_STATE),
        }
    }

    /// Loads the best generation (invariant 3).
    #[must_use]
    pub fn load(&self) -> Loaded {
        let current = self.generation(CURRENT);
        let previous = || self.generation(PREVIOUS);
        let (settings, origin) = match current {
            Ok(Some(settings)) => (settings, Origin::Current),
            Ok(None) => match previous() {
                Ok(Some(settings)) => (
                    settings,
                    Origin::Previous {
                        why: format!("{CURRENT} is missing"),
                    },
                ),
                Ok(None) => (Settings::default(), Origin::Absent),
                Err(why) => (
                    Settings::default(),
                    Origin::Defaults {
                        why: format!("{CURRENT} is missing, {why}"),
                    },
                ),
            },
            Err(why) => match previous() {
                Ok(Some(settings)) => (settings, Origin::Previous { why }),
                Ok(None) => (Settings::default(), Origin::Defaults { why }),
                Err(second) => (
                    Settings::default(),
                    Origin::Defaults {
                        why: format!("{why}; {second}"),
                    },
                ),
            },
        };
        Loaded { settings, origin }
    }

    fn generation(&self, name: &str) -> Result<Option<Settings>, String> {
        match Settings::from_file(&self.folder.join(name)) {
            Ok(settings) => Ok(Some(settings)),
            Err(DocumentError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{name}: {error}")),
        }
    }

    /// Makes `settings` the current generation.
    ///
    /// # Errors
    /// A document that contradicts itself, or a write that failed; the current one then stays.
    pub fn save(&self, settings: &Settings) -> Result<(), SaveError> {
        settings.check()?;
        let text = settings.to_text()?;
        self.make_folder().map_err(|error| SaveError::Io {
            path: self.folder.clone(),
            error,
        })?;
        if let Ok(Some(_)) = self.generation(CURRENT) {
            let path = self.folder.join(CURRENT);
            let old = fs::read(&path).map_err(|error| SaveError::Io { path, error })?;
            self.replace(PREVIOUS, &old)?;
        }
        self.replace(CURRENT, text.as_bytes())
    }

    fn make_folder(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&self.folder)
    }

    /// Temp file, sync, rename, sync of the folder (invariant 1). Mode 0600: it holds a password's hash.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), SaveError> {
        let path = self.folder.join(name);
        let temp = self.folder.join(format!(".{name}.new"));
        let write = || -> io::Result<()> {
            match fs::remove_file(&temp) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temp)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temp, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| SaveError::Io {
            path: path.clone(),
            error,
        })
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn nothing_stored_means_defaults_without_a_warning() {
        let (_folder, store) = store();
        assert_eq!(
            store.load(),
            Loaded {
                settings: Settings::default(),
                origin: Origin::Absent
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
                    origin: Origin::Current
                }
            );
        }
        assert_eq!(store.generation(PREVIOUS), Ok(Some(named("two"))));
        let mode = fs::metadata(store.folder.join(CURRENT))
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
            ("truncated", b"version = 1\n[sys"),
            ("unknown field", b"version = 1\nx = 1\n"),
            ("from the future", b"version = 7\n"),
            (
                "contradiction",
                b"version = 1\n[network.enterprise]\ndhcp = false\n",
            ),
        ];
        for (name, damage) in cases {
            let (_folder, store) = store();
            store.save(&named("one")).expect("saved");
            store.save(&named("two")).expect("saved");
            fs::write(store.folder.join(CURRENT), damage).expect("damaged");
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
            assert_eq!(store.generation(PREVIOUS), Ok(Some(named("one"))), "{name}");

            fs::write(store.folder.join(CURRENT), damage).expect("damaged");
            fs::write(store.folder.join(PREVIOUS), damage).expect("damaged");
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
        fs::write(store.folder.join(".current.toml.new"), "half").expect("left over");
        store.save(&named("two")).expect("saved");
        fs::write(store.folder.join(CURRENT), vec![b'#'; 2 << 20]).expect("huge");
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
}
