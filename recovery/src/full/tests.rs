//! Full volumes: folders with what may go and what may not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use vigie_settings::{Files, Store};

use super::*;
use crate::message::words_of;
use vigie_settings::Language;

const JOURNAL: &str = "log/journal/0f3b";
const KEPT: [&str; 6] = [
    "lib/vigie/settings/current.3.toml",
    "lib/vigie/update/history.jsonl",
    "lib/vigie/recovery/actions.jsonl",
    "lib/vigie/recovery/check-20261103T000000Z-data-1.json",
    "log/journal/0f3b/system.journal",
    "log/journal/0f3b/user-1000.journal",
];
/// What goes first.
pub(crate) const OLD: [&str; 3] = [
    "log/journal/0f3b/system@a-2.journal",
    "lib/vigie/recovery/check-20261101T000000Z.en.txt",
    "lib/vigie/recovery/check-20261101T000000Z.json",
];
/// What goes after that, one by one.
const NEWER: [&str; 2] = [
    "log/journal/0f3b/system@a-1.journal",
    "log/journal/0f3b/system@b.journal~",
];

/// The root of a volume that has all of these.
pub(crate) fn volume() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (seconds, file) in (1..).zip(KEPT.iter().chain(&OLD).chain(&NEWER)) {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made = File::create(&path).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        made.set_modified(time).unwrap();
    }
    dir
}

fn freed(state: &Path) -> Vec<PathBuf> {
    let mut freed = Freed::default();
    free(state, &mut freed).unwrap();
    freed.files
}

fn is_there(state: &Path, file: &str) -> bool {
    state.join(file).exists()
}

#[test]
fn the_oldest_of_what_an_appliance_writes_about_itself_goes() {
    let dir = volume();
    let freed = freed(dir.path());
    assert_eq!(freed, OLD.map(PathBuf::from));
    for (files, there) in [(&KEPT[..], true), (&OLD, false), (&NEWER, true)] {
        for file in files {
            assert_eq!(is_there(dir.path(), file), there, "{file}");
        }
    }
    // Then the next ones, until nothing is left that may go.
    for file in NEWER {
        assert_eq!(self::freed(dir.path()), [PathBuf::from(file)]);
    }
    assert_eq!(self::freed(dir.path()), [] as [PathBuf; 0]);
    assert!(KEPT.iter().all(|file| is_there(dir.path(), file)));
}

#[test]
fn links_are_not_followed_and_an_empty_volume_has_nothing() {
    let (dir, other) = (tempfile::tempdir().unwrap(), volume());
    assert_eq!(freed(dir.path()), [] as [PathBuf; 0]);
    fs::create_dir_all(dir.path().join("log/journal")).unwrap();
    let theirs = other.path().join(JOURNAL);
    std::os::unix::fs::symlink(theirs, dir.path().join(JOURNAL)).unwrap();
    std::os::unix::fs::symlink(other.path().join("lib"), dir.path().join("lib")).unwrap();
    assert_eq!(freed(dir.path()), [] as [PathBuf; 0]);
}

fn full() -> anyhow::Error {
    let error = io::Error::from(io::ErrorKind::StorageFull);
    let path = PathBuf::from("current.3.toml");
    anyhow::Error::from(SaveError::Io { path, error }).context("saving the settings")
}

#[test]
fn what_has_no_room_is_saved_once_more_and_no_more_often() {
    let run = |state: &Path, fails: usize, why: &dyn Fn() -> anyhow::Error| {
        let mut tries = 0;
        let mut save = || {
            tries += 1;
            if tries > fails { Ok(tries) } else { Err(why()) }
        };
        let saved = with_room(state, |room| room.saving(&mut save));
        (saved, tries)
    };
    let dir = volume();
    let (saved, _) = run(dir.path(), 0, &full);
    assert_eq!(saved.unwrap(), (1, None));
    // It fails for another reason: nothing goes.
    let (saved, tries) = run(dir.path(), 1, &|| anyhow!("read-only"));
    assert!(saved.is_err() && tries == 1 && is_there(dir.path(), OLD[0]));
    let (saved, _) = run(dir.path(), 1, &full);
    let (tries, freed) = saved.unwrap();
    let said = freed.unwrap().message().to(Language::Fr);
    assert!(tries == 2 && said.contains(OLD[0]), "{said}");
    // Nothing can go, as seen by a report that cannot be written.
    let empty = tempfile::tempdir().unwrap();
    let report = || anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull));
    let (saved, tries) = run(empty.path(), 1, &|| report().context("writing a report"));
    assert!(tries == 1 && is_full(&saved.unwrap_err()));
}

#[test]
fn what_went_in_vain_is_named_in_the_error() {
    let names = |error: &anyhow::Error, files: &[&str]| {
        for language in [Language::En, Language::Fr] {
            let said = words_of(error, language);
            for file in files {
                assert!(said.contains(file), "{said}");
            }
        }
    };
    // Still no room: that is the error, too.
    let dir = volume();
    let mut tries = 0;
    let mut save = || {
        tries += 1;
        Err::<(), _>(full())
    };
    let error = with_room(dir.path(), |room| room.saving(&mut save)).unwrap_err();
    assert_eq!(tries, 2);
    names(&error, &OLD);
    names(&error, &["current.3.toml"]);
    // What went for one thing is named where the next fails for whatever reason.
    let dir = volume();
    let error = with_room(dir.path(), |room| {
        let mut first = true;
        room.saving(&mut || match std::mem::take(&mut first) {
            true => Err(full()),
            false => Ok(()),
        })?;
        room.saving(&mut || Err::<(), _>(anyhow!("the disk is gone")))
    });
    let error = error.unwrap_err();
    names(&error, &OLD);
    names(&error, &["the disk is gone"]);
    // One of them cannot be removed: those before it are gone all the same.
    let dir = volume();
    fs::remove_file(dir.path().join(OLD[2])).unwrap();
    fs::create_dir(dir.path().join(OLD[2])).unwrap();
    let error = with_room(dir.path(), |room| room.saving(&mut || Err::<(), _>(full())));
    names(&error.unwrap_err(), &OLD[..2]);
}

/// The files of settings in memory, on a volume that is full while an old report is there.
pub(crate) struct Scarce {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    until_gone: PathBuf,
}

impl Scarce {
    /// On the volume with this root.
    pub(crate) fn store(state: &Path) -> Store<Self> {
        Store::new(Self {
            files: RefCell::default(),
            until_gone: state.join(OLD[2]),
        })
    }
}

impl Files for Scarce {
    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files.borrow().get(name).cloned())
    }
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files.borrow().keys().cloned().collect())
    }
    fn make(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        if self.until_gone.exists() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut files = self.files.borrow_mut();
        files.insert(name.to_owned(), content.to_owned());
        Ok(())
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files.borrow_mut();
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.borrow_mut().remove(name);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
