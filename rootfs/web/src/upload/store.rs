//! The files of uploads: `NAME.part` while they come, `NAME.tgz` when they are whole and checked.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::session;

/// Left free on the state volume, whatever is uploaded: settings and history must be written.
pub const KEEP_FREE: u64 = 64 << 20;
/// An upload that nobody went on with for so long is removed.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// Uploads that are not complete, at most; the oldest give way.
const PARTS: usize = 4;
const NAME: usize = 32;

/// The folder of the uploads.
#[derive(Clone)]
pub struct Store {
    folder: PathBuf,
    writing: Arc<Mutex<HashSet<String>>>,
}

/// The name of an upload: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// The only one who writes to an upload.
pub struct Writing {
    store: Store,
    name: Name,
}

impl Name {
    /// Takes a name that a client sent.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let good = text.len() == NAME && text.bytes().all(digit);
        good.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.store.lock().remove(self.name.as_str());
    }
}

impl Store {
    /// In `folder`, which is made where it is missing.
    pub fn new(folder: PathBuf) -> Self {
        if let Err(error) = fs::create_dir_all(&folder) {
            eprintln!("vigie-web: making {}: {error}", folder.display());
        }
        Self {
            folder,
            writing: Arc::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where an upload lies while it comes.
    pub fn part(&self, name: &Name) -> PathBuf {
        self.folder.join(format!("{}.part", name.0))
    }

    fn whole(&self, name: &Name) -> PathBuf {
        self.folder.join(format!("{}.tgz", name.0))
    }

    /// Begins an empty upload.
    pub fn create(&self) -> io::Result<Name> {
        self.make_room();
        let token = session::token().map_err(io::Error::other)?;
        let name = Name(token[..NAME].to_owned());
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.part(&name))?;
        Ok(name)
    }

    /// Bytes that have come; none where there is no such upload.
    pub fn offset(&self, name: &Name) -> Option<u64> {
        fs::metadata(self.part(name)).ok().map(|about| about.len())
    }

    /// The right to write to an upload; none while another has it.
    pub fn write(&self, name: &Name) -> Option<Writing> {
        let new = self.lock().insert(name.0.clone());
        new.then(|| Writing {
            store: self.clone(),
            name: name.clone(),
        })
    }

    /// Gives a checked upload the name under which it is found.
    pub fn finish(&self, name: &Name) -> io::Result<()> {
        fs::File::open(self.part(name))?.sync_all()?;
        fs::rename(self.part(name), self.whole(name))?;
        fs::File::open(&self.folder)?.sync_all()
    }

    /// Removes an upload that is not complete.
    pub fn abort(&self, name: &Name) {
        let _ = fs::remove_file(self.part(name));
    }

    /// Removes a complete one, by its file's name; false for names that are not an upload's.
    pub fn remove(&self, file: &str) -> bool {
        let name = file.strip_suffix(".tgz").and_then(Name::parse);
        name.is_some_and(|name| fs::remove_file(self.whole(&name)).is_ok())
    }

    /// Bytes that may still be written.
    pub fn room(&self) -> u64 {
        room(&self.folder).unwrap_or_default()
    }

    /// Removes what nobody goes on with.
    pub fn clean(&self) {
        let now = SystemTime::now();
        for (name, modified) in self.parts() {
            // A clock that was set back keeps them a little longer.
            let age = now.duration_since(modified).unwrap_or_default();
            if age > ABANDONED && self.write(&name).is_some() {
                self.abort(&name);
            }
        }
    }

    /// Uploads that are not complete, the oldest first.
    fn parts(&self) -> Vec<(Name, SystemTime)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut parts: Vec<_> = entries
            .filter_map(|entry| {
                let file = entry.file_name().into_string().ok()?;
                let name = Name::parse(file.strip_suffix(".part")?)?;
                Some((name, entry.metadata().ok()?.modified().ok()?))
            })
            .collect();
        parts.sort_by_key(|(_, modified)| *modified);
        parts
    }

    fn make_room(&self) {
        let parts = self.parts();
        let too_many = (parts.len() + 1).saturating_sub(PARTS);
        for (name, _) in parts.into_iter().take(too_many) {
            if self.write(&name).is_some() {
                self.abort(&name);
            }
        }
    }
}

fn room(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    Some(free.saturating_sub(KEEP_FREE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().expect("folder");
        let store = Store::new(dir.path().join("upload"));
        (dir, store)
    }

    #[test]
    fn c18_no_name_of_a_client_becomes_a_path() {
        let (_dir, store) = store();
        let name = store.create().expect("created");
        assert_eq!(Name::parse(name.as_str()), Some(name.clone()));
        let upper = name.as_str().to_uppercase();
        for bad in [
            "",
            "..",
            "../../etc/passwd",
            "x",
            &upper,
            &name.as_str()[..31],
        ] {
            assert_eq!(Name::parse(bad), None, "{bad}");
            assert!(
                !store.remove(bad) && !store.remove(&format!("{bad}.tgz")),
                "{bad}"
            );
        }
        assert!(!store.remove(&format!("{}.part", name.as_str())));
        assert!(
            !store.remove(&format!("{}.tgz", name.as_str())),
            "not whole yet"
        );
        store.finish(&name).expect("finished");
        assert_eq!(store.offset(&name), None);
        assert!(store.remove(&format!("{}.tgz", name.as_str())));
    }

    #[test]
    fn c63_what_nobody_goes_on_with_is_removed_after_a_day() {
        let (_dir, store) = store();
        let age = |name: &Name, hours: u64| {
            let file = fs::File::options()
                .write(true)
                .open(store.part(name))
                .expect("open");
            let then = SystemTime::now() - Duration::from_secs(hours * 3600);
            file.set_modified(then).expect("set");
        };
        let (old, busy, new) = (store.create(), store.create(), store.create());
        let [old, busy, new] = [old, busy, new].map(|name| name.expect("created"));
        let whole = store.create().expect("created");
        age(&old, 25);
        age(&busy, 25);
        age(&new, 23);
        store.finish(&whole).expect("finished");
        let writing = store.write(&busy);
        assert!(writing.is_some() && store.write(&busy).is_none());
        store.clean();
        assert_eq!(store.offset(&old), None);
        assert_eq!([&busy, &new].map(|name| store.offset(name)), [Some(0); 2]);
        assert!(store.whole(&whole).exists());
        drop(writing);
        store.clean();
        assert_eq!(store.offset(&busy), None);
    }

    #[test]
    fn c63_unfinished_uploads_do_not_pile_up() {
        let (_dir, store) = store();
        let names: Vec<Name> = (0..10)
            .map(|minute| {
                let name = store.create().expect("created");
                let file = fs::File::options()
                    .write(true)
                    .open(store.part(&name))
                    .expect("open");
                let then = SystemTime::now() - Duration::from_secs(3600 - minute * 60);
                file.set_modified(then).expect("set");
                name
            })
            .collect();
        let left = names
            .iter()
            .filter(|name| store.offset(name).is_some())
            .count();
        assert_eq!(left, PARTS);
        assert_eq!(store.offset(&names[9]), Some(0));
        assert_eq!(store.offset(&names[0]), None);
    }
}
