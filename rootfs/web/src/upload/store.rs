//! The files of uploads: `NAME.part` while they come, `NAME.tgz` when they are whole and checked.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::session;

/// Left free on the state volume, whatever is uploaded: settings and history must be written.
pub const KEEP_FREE: u64 = 64 << 20;
/// An upload that nobody went on with for so long is removed.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// Uploads that are not complete, at most; the oldest give way. They do too where a new one would
/// not fit beside them.
const PARTS: usize = 4;
const NAME: usize = 32;
/// The unit of `st_blocks` (stat(2)), in bytes.
const BLOCK: u64 = 512;

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

impl Writing {
    /// Which upload.
    pub fn name(&self) -> &Name {
        &self.name
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

    /// Begins an empty upload that will have `length` bytes; none where it cannot fit.
    ///
    /// # Errors
    /// The state volume refuses.
    pub fn create(&self, length: u64) -> io::Result<Option<Name>> {
        self.make_room(length);
        if length > self.room() {
            return Ok(None);
        }
        let token = session::token().map_err(io::Error::other)?;
        let name = Name(token[..NAME].to_owned());
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.part(&name))?;
        Ok(Some(name))
    }

    /// Bytes that have come; none where there is no such upload.
    pub fn offset(&self, name: &Name) -> Option<u64> {
        fs::metadata(self.part(name)).ok().map(|about| about.len())
    }

    /// Bytes of an upload that is complete and was checked; none where it is not.
    pub fn whole_length(&self, name: &Name) -> Option<u64> {
        fs::metadata(self.whole(name)).ok().map(|about| about.len())
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

    /// Whether any upload is complete.
    pub fn has_whole(&self) -> bool {
        self.names(".tgz").next().is_some()
    }

    /// Bytes that may still be written.
    pub fn room(&self) -> u64 {
        room(&self.folder).unwrap_or_default()
    }

    /// Removes what nobody goes on with.
    pub fn clean(&self) {
        let now = SystemTime::now();
        for part in self.parts() {
            // A clock that was set back keeps them a little longer.
            let age = now.duration_since(part.modified).unwrap_or_default();
            if age > ABANDONED {
                self.give_up(&part.name);
            }
        }
    }

    /// Removes an upload to which nobody is writing.
    fn give_up(&self, name: &Name) {
        if self.write(name).is_some() {
            self.abort(name);
        }
    }

    /// The names of the files with an ending, and what is known of each.
    fn names(&self, ending: &str) -> impl Iterator<Item = (Name, fs::Metadata)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(move |entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = Name::parse(file.strip_suffix(ending)?)?;
            Some((name, entry.metadata().ok()?))
        })
    }

    /// Uploads that are not complete, the oldest first.
    fn parts(&self) -> Vec<Part> {
        let part = |(name, about): (Name, fs::Metadata)| {
            Some(Part {
                modified: about.modified().ok()?,
                bytes: about.blocks().saturating_mul(BLOCK),
                idle: !self.lock().contains(name.as_str()),
                name,
            })
        };
        let mut parts: Vec<Part> = self.names(".part").filter_map(part).collect();
        parts.sort_by_key(|part| part.modified);
        parts
    }

    fn make_room(&self, length: u64) {
        for part in give_way(&self.parts(), self.room(), length) {
            self.give_up(&part.name);
        }
    }
}

/// An upload that is not complete.
struct Part {
    name: Name,
    modified: SystemTime,
    /// Room that it takes.
    bytes: u64,
    /// Nobody is writing to it.
    idle: bool,
}

/// Which of the parts, the oldest first, make room for a new upload of `length` bytes where `room`
/// are free: those that are too many, and as many more as it takes, unless it would not fit even so.
fn give_way(parts: &[Part], room: u64, length: u64) -> Vec<&Part> {
    let idle: Vec<&Part> = parts.iter().filter(|part| part.idle).collect();
    let too_many = (parts.len() + 1).saturating_sub(PARTS).min(idle.len());
    let freed = idle.iter().scan(room, |free, part| {
        *free = free.saturating_add(part.bytes);
        Some(*free)
    });
    let enough = std::iter::once(room)
        .chain(freed)
        .position(|free| free >= length);
    let count = too_many.max(enough.unwrap_or_default());
    idle.into_iter().take(count).collect()
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

    fn create(store: &Store) -> Name {
        store.create(1000).expect("created").expect("it fits")
    }

    #[test]
    fn c18_no_name_of_a_client_becomes_a_path() {
        let (_dir, store) = store();
        let name = create(&store);
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
        assert_eq!(store.whole_length(&name), Some(0));
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
        let [old, busy, new, whole] = std::array::from_fn(|_| create(&store));
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
                let name = create(&store);
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
    #[test]
    fn c63_a_new_upload_does_not_drive_others_away_in_vain() {
        let (_dir, store) = store();
        let kept = create(&store);
        assert!(store.create(u64::MAX).expect("asked").is_none());
        assert_eq!(store.offset(&kept), Some(0));
        assert_eq!(store.parts().len(), 1);
        assert!(!store.has_whole());
        store.finish(&kept).expect("finished");
        assert!(store.has_whole());
    }

    #[test]
    fn c63_which_uploads_give_way_to_a_new_one() {
        let part = |number: u64, (bytes, idle): (u64, bool)| Part {
            name: Name(number.to_string()),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(number),
            bytes,
            idle,
        };
        let (idle, busy) = (|bytes| (bytes, true), |bytes| (bytes, false));
        for (parts, room, length, expected) in [
            (&[][..], 10, 5, &[][..]),
            (&[idle(5), idle(5)], 10, 10, &[]),
            (&[idle(5), idle(5)], 10, 11, &["0"]),
            (&[idle(5), idle(5)], 10, 20, &["0", "1"]),
            // It would not fit even so.
            (&[idle(5), idle(5)], 10, 21, &[]),
            (&[busy(5), idle(5)], 10, 15, &["1"]),
            (&[busy(5), idle(5)], 10, 16, &[]),
            // Too many.
            (&[idle(1), idle(1), idle(1)], 10, 5, &[]),
            (&[idle(1), idle(1), idle(1), idle(1)], 10, 5, &["0"]),
            (&[idle(1), idle(1), idle(1), idle(1)], 10, 12, &["0", "1"]),
            (&[busy(1), busy(1), busy(1), busy(1)], 10, 5, &[]),
        ] {
            let numbered = (0..).zip(parts).map(|(number, about)| part(number, *about));
            let parts: Vec<Part> = numbered.collect();
            let gone = give_way(&parts, room, length).into_iter();
            let gone: Vec<&str> = gone.map(|part| part.name.as_str()).collect();
            assert_eq!(gone, expected, "{room} {length}");
        }
    }
}
