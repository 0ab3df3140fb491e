//! The account's own folder: packages, and what is remembered from one run to the next.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statvfs};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vigie_update::package::envelope::Envelope;
use vigie_update::pulled::{FILE, LOCK, Report};

use crate::http::Trouble;
use crate::part::Accept;

/// Bytes of the state volume that are left free.
const FREE: u64 = 512 << 20;
const SERIAL: &str = "serial.json";
/// What is remembered is short; more is damage.
const NOTE_MAX: u64 = 64 << 10;

/// The folder.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

/// The highest serial that was seen of a server's index.
#[derive(Debug, Serialize, Deserialize)]
struct Serial {
    source: String,
    serial: u64,
}

impl Store {
    /// The store in a folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { folder }
    }

    /// Makes sure to be the only run.
    ///
    /// # Errors
    /// Another one is under way, or the folder cannot be written.
    pub fn lock(&self) -> Result<File, Trouble> {
        let disk = |error| Trouble::disk(("locking the folder", "verrouillage du dossier"), &error);
        let file = File::create(self.folder.join(LOCK)).map_err(disk)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Trouble::passing(
                "another run is under way; wait until it has ended",
                "une autre exécution est en cours ; attendez sa fin",
            )
        })?;
        Ok(file)
    }

    /// A folder of packages in it, which is made where it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn packages(&self, name: &str) -> Result<Folder, Trouble> {
        let path = self.folder.join(name);
        std::fs::create_dir_all(&path)
            .map_err(|error| Trouble::disk(("making a folder", "création d'un dossier"), &error))?;
        Ok(Folder(path))
    }

    /// The highest serial that was seen of the index of this server.
    #[must_use]
    pub fn serial(&self, source: &str) -> u64 {
        let seen: Option<Serial> = self.recall(SERIAL);
        seen.filter(|seen| seen.source == source)
            .map_or(0, |seen| seen.serial)
    }

    /// Remembers a serial.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn keep_serial(&self, source: &str, serial: u64) -> Result<(), Trouble> {
        let source = source.to_owned();
        self.note(SERIAL, &Serial { source, serial })
    }

    /// Leaves a report for people.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn report(&self, report: &Report) -> Result<(), Trouble> {
        self.note(FILE, report)
    }

    /// Forgets what is remembered under a name.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn forget(&self, name: &str) -> Result<(), Trouble> {
        match std::fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Trouble::disk(
                ("forgetting what was seen", "oubli de ce qui a été vu"),
                &error,
            )),
            _ => Ok(()),
        }
    }

    /// What is remembered under a name; nothing where that is damaged.
    #[must_use]
    pub fn recall<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let mut text = String::new();
        let file = File::open(self.folder.join(name)).ok()?;
        file.take(NOTE_MAX).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Remembers it, the old or the new one at every moment.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn note<T: Serialize>(&self, name: &str, what: &T) -> Result<(), Trouble> {
        let text = serde_json::to_string(what).map_err(io::Error::from);
        let written = text.and_then(|text| {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(self.folder.join(name))?;
            Ok(())
        });
        written.map_err(|error| {
            Trouble::disk(
                ("remembering what was seen", "écriture de ce qui a été vu"),
                &error,
            )
        })
    }
}

/// A folder of packages. One at a time lies in it, complete or as `NAME.part`.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Where a complete package lies.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where it lies until it is complete.
    #[must_use]
    pub fn part(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.part"))
    }

    fn tag_file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.part.etag"))
    }

    /// The entity tag of what is half there.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<String> {
        let mut text = String::new();
        let file = File::open(self.tag_file(name)).ok()?;
        file.take(1024).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Remembers an entity tag. Without it a file that has changed is noticed by its chunks.
    pub fn keep_tag(&self, name: &str, tag: Option<&str>) {
        match tag {
            Some(tag) => {
                let _ = std::fs::write(self.tag_file(name), tag);
            }
            None => self.forget_tag(name),
        }
    }

    /// Forgets it.
    pub fn forget_tag(&self, name: &str) {
        let _ = std::fs::remove_file(self.tag_file(name));
    }

    /// Whether a package is here, complete. Its chunks were checked before it got its name, and
    /// are checked again when it is installed.
    #[must_use]
    pub fn has(&self, name: &str, length: u64, accept: &Accept<'_>) -> bool {
        let Ok(file) = File::open(self.file(name)) else {
            return false;
        };
        let complete = file.metadata().is_ok_and(|about| about.len() == length);
        let head = Envelope::read(&mut BufReader::new(file));
        complete && head.is_ok_and(|envelope| accept(&envelope).is_ok())
    }

    /// Removes everything but a package and its beginnings.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn keep_only(&self, name: &str) -> io::Result<()> {
        let kept = [self.file(name), self.part(name), self.tag_file(name)];
        for entry in std::fs::read_dir(&self.0)? {
            let path = entry?.path();
            if !kept.contains(&path) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Removes complete packages by what their heads say.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn remove_where(&self, unwanted: &dyn Fn(&Envelope) -> bool) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.0)? {
            let path = entry?.path();
            let complete = path.extension().is_some_and(|extension| extension == "tgz");
            if complete {
                let head = Envelope::read(&mut BufReader::new(File::open(&path)?));
                if head.is_ok_and(|envelope| unwanted(&envelope)) {
                    std::fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Removes everything.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn clear(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.0)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

/// Whether there is room on the volume.
pub trait Room {
    /// Asks for so many bytes.
    ///
    /// # Errors
    /// They are not there.
    fn ask(&self, bytes: u64) -> Result<(), Trouble>;
}

impl Room for Folder {
    fn ask(&self, bytes: u64) -> Result<(), Trouble> {
        let volume = statvfs(&self.0).map_err(|error| {
            Trouble::disk(("asking for room", "demande de place"), &error.into())
        })?;
        let free = volume.f_bavail.saturating_mul(volume.f_frsize);
        if free < bytes.saturating_add(FREE) {
            let (needs, stays, has) = (bytes >> 20, FREE >> 20, free >> 20);
            return Err(Trouble::lasting(
                format!(
                    "the package needs {needs} MB and {stays} MB are to stay free, but the state \
                     volume has {has} MB; remove packages that were sent by scp or the web page"
                ),
                format!(
                    "le paquet demande {needs} Mo et {stays} Mo doivent rester libres, mais le volume \
                     d'état a {has} Mo ; supprimez des paquets envoyés par scp ou par la page web"
                ),
            ));
        }
        Ok(())
    }
}
