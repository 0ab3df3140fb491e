//! Recordings of a time: which files they are, whether they fit onto a stick, and the name of the folder there.
//! `copy` copies them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use rustix::fs::{statfs, statvfs};
use vigie_disk::Bytes;

use super::unread::Unread;
use crate::refusal::Refusal;

/// Folders are not nested deeper; a damaged file system may be.
const DEEPEST: usize = 16;
/// FAT holds no longer files (`MSDOS_SUPER_MAGIC` is what it calls itself).
const FAT: i64 = 0x4d44;
const FAT_MOST: u64 = u32::MAX as u64;
/// So many copies of a volume have their place on a stick.
const MOST_COPIES: u32 = 99;

/// Which recordings.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those below this folder of the volume, such as that of a camera.
    pub folder: Option<PathBuf>,
    /// Those written to at this time or later.
    pub from: Option<SystemTime>,
    /// Those written to before this time.
    pub until: Option<SystemTime>,
}

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its path below the volume's root.
    pub path: PathBuf,
    /// Its length.
    pub size: Bytes,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The files, by their paths.
    pub files: Vec<Recording>,
    /// Folders and files that could not be read.
    pub unreadable: Vec<Unread>,
}

impl Found {
    /// The length of all.
    #[must_use]
    pub fn total(&self) -> Bytes {
        self.files
            .iter()
            .fold(Bytes::ZERO, |sum, file| sum + file.size)
    }
}

/// Finds recordings below `root`.
///
/// # Errors
/// The folder of the selection leads out of the volume, or is not there.
pub fn find(root: &Path, selection: &Selection) -> Result<Found, Refusal> {
    let mut found = Found::default();
    let folder = selection.folder.clone().unwrap_or_default();
    let plain = folder
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        return Err(Refusal::NothingFound);
    }
    let mut at = PathBuf::new();
    for part in folder.components() {
        at.push(part);
        match fs::symlink_metadata(root.join(&at)) {
            Ok(facts) if facts.is_dir() => {}
            Err(error) if !is_absent(&error) => {
                // It may well be there, on a damaged volume.
                found.unreadable.push(Unread::unopened(&at, &error));
                return Ok(found);
            }
            _ => return Err(Refusal::NothingFound),
        }
    }
    walk(root, &folder, DEEPEST, selection, &mut found);
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn walk(root: &Path, folder: &Path, depth: usize, selection: &Selection, found: &mut Found) {
    let mut unreadable = |path: &Path, error: std::io::Error| {
        found.unreadable.push(Unread::unopened(path, &error));
    };
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) => return unreadable(folder, error),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let facts = entry.and_then(|entry| Ok((folder.join(entry.file_name()), entry.metadata()?)));
        let (path, facts) = match facts {
            Ok(facts) => facts,
            Err(error) => {
                unreadable(folder, error);
                continue;
            }
        };
        // lost+found holds pieces without names.
        if facts.is_dir() && path != Path::new("lost+found") {
            folders.push(path);
        } else if facts.is_file() && selection.has(facts.modified().ok()) {
            let size = Bytes::new(facts.len());
            found.files.push(Recording { path, size });
        }
    }
    if depth > 0 {
        for path in folders {
            walk(root, &path, depth - 1, selection, found);
        }
    }
}

impl Selection {
    fn has(&self, modified: Option<SystemTime>) -> bool {
        let Some(modified) = modified else {
            return self.from.is_none() && self.until.is_none();
        };
        self.from.is_none_or(|from| modified >= from)
            && self.until.is_none_or(|until| modified < until)
    }
}

/// Room on a stick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What is free.
    pub free: Bytes,
    /// What a file takes at least, and in steps of.
    pub block: Bytes,
    /// The longest file that it takes.
    pub longest: Bytes,
}

impl Room {
    /// The room in a folder.
    ///
    /// # Errors
    /// It is not there.
    pub fn of(folder: &Path) -> Result<Self> {
        let asked = || format!("asking for the room in {}", folder.display());
        let facts = statvfs(folder).with_context(asked)?;
        let kind = statfs(folder).with_context(asked)?.f_type;
        let longest = match kind {
            FAT => FAT_MOST,
            _ => u64::MAX,
        };
        Ok(Self {
            free: Bytes::new(facts.f_bavail.saturating_mul(facts.f_frsize)),
            block: Bytes::new(facts.f_frsize.max(512)),
            longest: Bytes::new(longest),
        })
    }
}

/// Whether all of it fits, of all volumes together.
///
/// # Errors
/// [`Refusal::NoSpace`], [`Refusal::TooLong`].
pub fn fits(all: &[&Found], room: Room, place: &Path) -> Result<(), Refusal> {
    let files = || all.iter().flat_map(|found| &found.files);
    if let Some(long) = files().find(|file| file.size > room.longest) {
        return Err(Refusal::TooLong(long.path.clone()));
    }
    let block = room.block.get();
    // Each file in whole blocks, and one for its name and its line in the list.
    let blocks = files().map(|file| file.size.get().div_ceil(block) + 1);
    let needed = Bytes::new(blocks.sum::<u64>().saturating_mul(block));
    match needed > room.free {
        true => Err(Refusal::NoSpace {
            needed,
            free: room.free,
            place: place.to_owned(),
        }),
        false => Ok(()),
    }
}

/// The folder for one more copy: `base` in `place`, or where earlier copies lie there `base-2`,
/// `base-3` and so on. [`copy`](super::copy::copy) makes it, and refuses what somebody else has made meanwhile.
///
/// # Errors
/// [`Refusal::Exists`]: the last of them is there, too.
pub fn free_name(place: &Path, base: &str) -> Result<PathBuf, Refusal> {
    let path = |number: u32| match number {
        1 => place.join(base),
        number => place.join(format!("{base}-{number}")),
    };
    // What cannot be asked for is not made either, and that says why.
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    let mut paths = (1..=MOST_COPIES).map(path);
    let free = paths.find(is_free);
    free.ok_or_else(|| Refusal::Exists(path(MOST_COPIES)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs::File;
    use std::time::{Duration, UNIX_EPOCH};

    pub(in crate::export) fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A volume with files, by path, seconds and content.
    pub(in crate::export) fn volume(files: &[(&str, u64, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, seconds, content) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(at(*seconds)).unwrap();
        }
        dir
    }

    pub(in crate::export) fn paths(found: &Found) -> Vec<&str> {
        found
            .files
            .iter()
            .map(|one| one.path.to_str().unwrap())
            .collect()
    }

    pub(in crate::export) const FILES: [(&str, u64, &str); 5] = [
        ("hall/a.mkv", 100, "aaaa"),
        ("hall/b.mkv", 200, "bb"),
        ("yard/2026/c.mkv", 200, "c"),
        ("yard/od\\d\nname", 300, "d"),
        ("lost+found/#12", 200, "pieces"),
    ];

    #[test]
    fn recordings_are_found_by_folder_and_time() {
        let dir = volume(&FILES);
        std::os::unix::fs::symlink("/etc", dir.path().join("hall/link")).unwrap();
        let found = |folder: Option<&str>, from: Option<u64>, until: Option<u64>| {
            let selection = Selection {
                folder: folder.map(PathBuf::from),
                from: from.map(at),
                until: until.map(at),
            };
            find(dir.path(), &selection)
        };
        let all = found(None, None, None).unwrap();
        assert_eq!(all.files.len(), 4);
        assert_eq!(all.total(), Bytes::new(8));
        let hall = found(Some("hall"), Some(101), None).unwrap();
        assert_eq!(paths(&hall), ["hall/b.mkv"]);
        let some = found(None, Some(200), Some(300)).unwrap();
        assert_eq!(paths(&some), ["hall/b.mkv", "yard/2026/c.mkv"]);
        assert!(
            found(Some("yard/2026"), Some(201), None)
                .unwrap()
                .files
                .is_empty()
        );
        for wrong in ["../x", "/etc", "cellar", "hall/link", "hall/a.mkv"] {
            let error = found(Some(wrong), None, None).unwrap_err();
            assert_eq!(error, Refusal::NothingFound, "{wrong}");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_begun() {
        let place = Path::new("/stick");
        let found = |sizes: &[u64]| Found {
            files: sizes
                .iter()
                .map(|size| Recording {
                    path: "a".into(),
                    size: Bytes::new(*size),
                })
                .collect(),
            unreadable: Vec::new(),
        };
        let room = |free| Room {
            free: Bytes::new(free),
            block: Bytes::new(4096),
            longest: Bytes::new(FAT_MOST),
        };
        assert_eq!(fits(&[&found(&[1, 4096])], room(4 * 4096), place), Ok(()));
        let refused = fits(&[&found(&[1, 4096])], room(4 * 4096 - 1), place);
        assert!(matches!(refused, Err(Refusal::NoSpace { .. })));
        // Either volume alone would fit.
        let two = [&found(&[1]), &found(&[4096])];
        assert_eq!(fits(&two, room(4 * 4096), place), Ok(()));
        let refused = fits(&two, room(3 * 4096), place);
        assert!(matches!(refused, Err(Refusal::NoSpace { .. })));
        let long = fits(&[&found(&[1 << 32])], room(1 << 40), place);
        assert_eq!(long, Err(Refusal::TooLong("a".into())));
        assert!(Room::of(Path::new("/tmp")).unwrap().free > Bytes::ZERO);
        assert!(Room::of(Path::new("/no/such/folder")).is_err());
    }
}
