//! Recordings of a time, copied onto a stick: whole files below a folder of a data volume, each read
//! once, with a list of their digests beside them.
//!
//! Invariants:
//! 1. Nothing is written before it is known that all of it fits.
//! 2. A file has its name only when it is whole and on the stick; the list of digests comes last, so
//!    that what has one is all there.
//! 3. What an earlier copy left on the stick, whole or cut off, is never written to.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use rustix::fs::{statfs, statvfs};
use sha2::{Digest, Sha256};
use vigie_disk::Bytes;

use super::create;
use crate::message::{Failed, Message};
use crate::refusal::Refusal;

/// The list of digests, as `sha256sum --check` reads it.
pub const LIST: &str = "SHA256SUMS";
/// Folders are not nested deeper; a damaged file system may be.
const DEEPEST: usize = 16;
/// FAT holds no longer files (`MSDOS_SUPER_MAGIC` is what it calls itself).
const FAT: i64 = 0x4d44;
const FAT_MOST: u64 = u32::MAX as u64;
const CHUNK: usize = 1 << 20;
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
    /// Folders and files that could not be read, each with the reason.
    pub unreadable: Vec<String>,
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
pub fn find(root: &Path, selection: &Selection) -> Result<Found> {
    let mut found = Found::default();
    let folder = selection.folder.clone().unwrap_or_default();
    let plain = folder
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|one| one.is_dir());
    let mut at = root.to_owned();
    let way = folder.components().all(|part| {
        at.push(part);
        is_folder(&at)
    });
    if !plain || !way {
        return Err(Refusal::NothingFound.into());
    }
    walk(root, &folder, DEEPEST, selection, &mut found);
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, folder: &Path, depth: usize, selection: &Selection, found: &mut Found) {
    let mut unreadable = |path: &Path, error: std::io::Error| {
        found
            .unreadable
            .push(format!("{}: {error}", path.display()));
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

/// Whether all of it fits.
///
/// # Errors
/// [`Refusal::NothingFound`], [`Refusal::NoSpace`], [`Refusal::TooLong`].
pub fn fits(found: &Found, room: Room, place: &Path) -> Result<(), Refusal> {
    if found.files.is_empty() {
        return Err(Refusal::NothingFound);
    }
    if let Some(long) = found.files.iter().find(|file| file.size > room.longest) {
        return Err(Refusal::TooLong(long.path.clone()));
    }
    let block = room.block.get();
    // Each file in whole blocks, and one for its name and its line in the list.
    let blocks = found
        .files
        .iter()
        .map(|file| file.size.get().div_ceil(block) + 1);
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
/// `base-3` and so on. [`copy`] makes it, and refuses what somebody else has made meanwhile.
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

/// A person has asked to stop: what has its name is whole, the list of digests is missing.
#[must_use]
pub fn stopped() -> Failed {
    Failed(Message::new("export.stopped"))
}

/// Copies what was found below `root` into the new folder `into`, and writes the list of digests
/// beside it. `note` is told how many bytes are done, and says whether to go on.
///
/// # Errors
/// A [`Refusal`]: the folder is there already; a file cannot be read or written: it is named;
/// [`stopped`].
pub fn copy(
    root: &Path,
    found: &Found,
    into: &Path,
    note: &mut dyn FnMut(Bytes) -> bool,
) -> Result<()> {
    match fs::create_dir(into) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Refusal::Exists(into.to_owned()).into());
        }
        made => made.with_context(|| format!("making {}", into.display()))?,
    }
    let mut list = Vec::new();
    let mut done = Bytes::ZERO;
    for file in &found.files {
        let target = into.join(&file.path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let mut source = File::open(root.join(&file.path))
            .with_context(|| format!("reading {}", file.path.display()))?;
        let digest = copy_one(&mut source, &target, &mut |step| {
            done += step;
            note(done)
        })
        .with_context(|| format!("copying {}", file.path.display()))?;
        list.extend(line(&file.path, &digest));
    }
    write_list(into, &list)
}

fn copy_one(
    source: &mut File,
    target: &Path,
    note: &mut dyn FnMut(Bytes) -> bool,
) -> Result<[u8; 32]> {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let copied = copy_whole(source, &part, note);
    if copied.is_err() {
        // It is of no use; that it stays says nothing wrong, as it does not have the name.
        let _ = fs::remove_file(&part);
    }
    let digest = copied?;
    fs::rename(&part, target)?;
    Ok(digest)
}

fn copy_whole(
    source: &mut File,
    part: &Path,
    note: &mut dyn FnMut(Bytes) -> bool,
) -> Result<[u8; 32]> {
    let mut out = create(part)?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        let length = source.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        digest.update(&buffer[..length]);
        out.write_all(&buffer[..length])?;
        if !note(Bytes::new(length as u64)) {
            return Err(stopped().into());
        }
    }
    out.sync_all()?;
    Ok(digest.finalize().into())
}

/// A line of the list. As sha256sum(1) does, names with a backslash or a newline are escaped, and the
/// line then begins with a backslash.
fn line(path: &Path, digest: &[u8; 32]) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let name = path.as_os_str().as_bytes();
    let mut escaped = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b'\n' => escaped.extend(b"\\n"),
            b'\\' => escaped.extend(b"\\\\"),
            byte => escaped.push(*byte),
        }
    }
    let mark = if escaped.len() == name.len() {
        ""
    } else {
        "\\"
    };
    let mut line = format!("{mark}{}  ", hex::encode(digest)).into_bytes();
    line.extend(escaped);
    line.push(b'\n');
    line
}

fn write_list(into: &Path, list: &[u8]) -> Result<()> {
    let path = into.join(LIST);
    let mut file = create(&path)?;
    let write = file.write_all(list).and_then(|()| file.sync_all());
    let synced = write.and_then(|()| File::open(into)?.sync_all());
    synced.with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::{Duration, UNIX_EPOCH};

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A volume with files, by path, seconds and content.
    fn volume(files: &[(&str, u64, &str)]) -> tempfile::TempDir {
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

    fn paths(found: &Found) -> Vec<&str> {
        found
            .files
            .iter()
            .map(|one| one.path.to_str().unwrap())
            .collect()
    }

    const FILES: [(&str, u64, &str); 5] = [
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
            assert_eq!(
                error.downcast_ref(),
                Some(&Refusal::NothingFound),
                "{wrong}"
            );
        }
    }

    #[test]
    fn copies_are_whole_and_the_list_says_so() {
        let (dir, stick) = (volume(&FILES), tempfile::tempdir().unwrap());
        let found = find(dir.path(), &Selection::default()).unwrap();
        let into = stick.path().join("vigie-hall");
        let mut done = Bytes::ZERO;
        copy(dir.path(), &found, &into, &mut |bytes| {
            done = bytes;
            true
        })
        .unwrap();
        assert_eq!(done, found.total());
        for (path, _, content) in &FILES[..4] {
            assert_eq!(fs::read_to_string(into.join(path)).unwrap(), *content);
        }
        let mut check = Command::new("sha256sum");
        let check = check.args(["--check", "--strict", "--status", LIST]);
        assert!(check.current_dir(&into).status().unwrap().success());
        let error = copy(dir.path(), &found, &into, &mut |_| true).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Refusal::Exists(into)));
    }

    #[test]
    fn a_copy_that_is_stopped_leaves_whole_files_and_no_list() {
        let (dir, stick) = (volume(&FILES), tempfile::tempdir().unwrap());
        let found = find(dir.path(), &Selection::default()).unwrap();
        let into = stick.path().join("vigie-hall");
        let mut go_on = |done: Bytes| done < Bytes::new(6);
        let error = copy(dir.path(), &found, &into, &mut go_on).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&stopped()));
        let left = find(&into, &Selection::default()).unwrap();
        assert_eq!(paths(&left), ["hall/a.mkv"]);
    }

    #[test]
    fn each_copy_has_a_folder_of_its_own() {
        let (dir, stick) = (volume(&FILES), tempfile::tempdir().unwrap());
        let found = find(dir.path(), &Selection::default()).unwrap();
        let free = || free_name(stick.path(), "hall-data-1");
        // One that was cut off, and two that are whole.
        for (name, go_on) in [
            ("hall-data-1", false),
            ("hall-data-1-2", true),
            ("hall-data-1-3", true),
        ] {
            let into = free().unwrap();
            assert_eq!(into, stick.path().join(name));
            let done = copy(dir.path(), &found, &into, &mut |_| go_on);
            assert_eq!((done.is_ok(), into.join(LIST).exists()), (go_on, go_on));
        }
        for number in 4..=MOST_COPIES {
            fs::create_dir(free().unwrap()).unwrap();
            assert!(stick.path().join(format!("hall-data-1-{number}")).is_dir());
        }
        let last = stick.path().join("hall-data-1-99");
        assert_eq!(free(), Err(Refusal::Exists(last)));
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
        assert_eq!(
            fits(&found(&[]), room(1 << 40), place),
            Err(Refusal::NothingFound)
        );
        assert_eq!(fits(&found(&[1, 4096]), room(4 * 4096), place), Ok(()));
        let refused = fits(&found(&[1, 4096]), room(4 * 4096 - 1), place);
        assert!(matches!(refused, Err(Refusal::NoSpace { .. })));
        let long = fits(&found(&[1 << 32]), room(1 << 40), place);
        assert_eq!(long, Err(Refusal::TooLong("a".into())));
        assert!(Room::of(Path::new("/tmp")).unwrap().free > Bytes::ZERO);
        assert!(Room::of(Path::new("/no/such/folder")).is_err());
    }
}
