//! Copies recordings onto a stick: whole files, each read once, with a list of their digests beside them.
//!
//! Invariants:
//! 1. A file has its name only when it is whole and on the stick; the list of digests comes last, so
//!    that what has one is all there, but for what [`UNREADABLE`] beside it names.
//! 2. What an earlier copy left on the stick, whole or cut off, is never written to.
//! 3. What cannot be read ends no copy: the rest of the file may be lost, other files are not. What cannot be
//!    written ends it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use vigie_disk::Bytes;

use super::create;
use super::recordings::Found;
use super::unread::{self, UNREADABLE, Unread};
use crate::message::{Failed, Message};
use crate::refusal::Refusal;

/// The list of digests, as `sha256sum --check` reads it.
pub const LIST: &str = "SHA256SUMS";
/// How the name ends of the beginning of a file that could not be read to its end.
pub const INCOMPLETE: &str = ".incomplete";
const CHUNK: usize = 1 << 20;

/// Opens a file of the volume, by its path below the root; tests bring files that fail.
pub type Open<'a> = &'a dyn Fn(&Path) -> io::Result<Box<dyn Read>>;

/// The files below a folder.
pub fn below(root: &Path) -> impl Fn(&Path) -> io::Result<Box<dyn Read>> {
    let root = root.to_owned();
    move |path| Ok(Box::new(File::open(root.join(path))?))
}

/// A person has asked to stop: what has its name is whole, the list of digests is missing.
#[must_use]
pub fn stopped() -> Failed {
    Failed(Message::new("export.stopped"))
}

/// Copies what was found into the new folder `into`, and writes beside it what could not be read, and the list of
/// digests. `note` is told how many bytes are done, and says whether to go on. What could not be read, of what
/// was found before, too.
///
/// # Errors
/// A [`Refusal`]: the folder is there already; a file cannot be written: it is named; [`stopped`].
pub fn copy(
    open: Open,
    found: &Found,
    into: &Path,
    note: &mut dyn FnMut(Bytes) -> bool,
) -> Result<Vec<Unread>> {
    match fs::create_dir(into) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Refusal::Exists(into.to_owned()).into());
        }
        made => made.with_context(|| format!("making {}", into.display()))?,
    }
    let mut list = Vec::new();
    let mut unread = found.unreadable.clone();
    let mut done = Bytes::ZERO;
    for file in &found.files {
        if !note(done) {
            return Err(stopped().into());
        }
        let mut source = match open(&file.path) {
            Ok(source) => source,
            Err(error) => {
                unread.push(Unread::unopened(&file.path, &error));
                continue;
            }
        };
        let target = into.join(&file.path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let copied = copy_one(source.as_mut(), &target, &mut |step| {
            done += step;
            note(done)
        });
        match copied.with_context(|| format!("copying {}", file.path.display()))? {
            Copied::Whole(digest) => list.extend(line(&file.path, &digest)),
            Copied::Broken { at, error } => {
                unread.push(Unread::at(&file.path, Some(at), &error));
            }
        }
    }
    if !unread.is_empty() {
        write_list(into, UNREADABLE, &unread::list(&unread))?;
    }
    write_list(into, LIST, &list)?;
    Ok(unread)
}

/// What became of a file.
enum Copied {
    /// It is there; its digest.
    Whole([u8; 32]),
    /// It could not be read from there on.
    Broken { at: Bytes, error: io::Error },
}

/// Copies a file. What comes before a place that cannot be read stays, under a name of its own.
fn copy_one(
    source: &mut dyn Read,
    target: &Path,
    note: &mut dyn FnMut(Bytes) -> bool,
) -> Result<Copied> {
    let part = with(target, ".part");
    let copied = copy_whole(source, &part, note);
    match &copied {
        Ok(Copied::Whole(_)) => fs::rename(&part, target)?,
        Ok(Copied::Broken { at, .. }) if *at > Bytes::ZERO => {
            fs::rename(&part, with(target, INCOMPLETE))?;
        }
        // It is of no use; that it stays says nothing wrong, as it does not have the name.
        _ => drop(fs::remove_file(&part)),
    }
    copied
}

/// A path with an ending behind its name.
fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn copy_whole(
    source: &mut dyn Read,
    part: &Path,
    note: &mut dyn FnMut(Bytes) -> bool,
) -> Result<Copied> {
    let mut out = create(part)?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; CHUNK]);
    let mut at = Bytes::ZERO;
    let copied = loop {
        let length = match source.read(&mut buffer) {
            Ok(0) => break Copied::Whole(digest.finalize().into()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => break Copied::Broken { at, error },
        };
        digest.update(&buffer[..length]);
        out.write_all(&buffer[..length])?;
        let step = Bytes::new(length as u64);
        at += step;
        if !note(step) {
            return Err(stopped().into());
        }
    };
    out.sync_all()?;
    Ok(copied)
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

fn write_list(into: &Path, name: &str, list: &[u8]) -> Result<()> {
    let path = into.join(name);
    let mut file = create(&path)?;
    let write = file.write_all(list).and_then(|()| file.sync_all());
    let synced = write.and_then(|()| File::open(into)?.sync_all());
    synced.with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::recordings::tests::{FILES, paths, volume};
    use crate::export::recordings::{Selection, find, free_name};
    use std::process::Command;

    fn all(dir: &tempfile::TempDir) -> Found {
        find(dir.path(), &Selection::default()).unwrap()
    }

    fn is_proven(into: &Path) -> bool {
        let mut check = Command::new("sha256sum");
        let check = check.args(["--check", "--strict", "--status", LIST]);
        check.current_dir(into).status().unwrap().success()
    }

    /// A file that gives these bytes, and then what a bad block gives.
    struct Failing(&'static [u8]);

    impl Read for Failing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match self.0.is_empty() {
                true => Err(io::Error::from_raw_os_error(5)),
                false => self.0.read(into),
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_ends_no_copy_and_is_listed() {
        let (dir, stick) = (volume(&FILES), tempfile::tempdir().unwrap());
        let into = stick.path().join("hall-data-1");
        let good = below(dir.path());
        let open = |path: &Path| -> io::Result<Box<dyn Read>> {
            match path.to_str() {
                Some("hall/a.mkv") => Ok(Box::new(Failing(b"aa"))),
                Some("hall/b.mkv") => Err(io::Error::from_raw_os_error(5)),
                Some("yard/2026/c.mkv") => Ok(Box::new(Failing(b""))),
                _ => good(path),
            }
        };
        let mut found = all(&dir);
        let error = io::Error::from_raw_os_error(117);
        found.unreadable = vec![Unread::unopened(Path::new("cellar"), &error)];
        let unread = copy(&open, &found, &into, &mut |_| true).unwrap();
        let listed: Vec<_> = unread
            .iter()
            .map(|one| (one.path.to_str().unwrap(), one.offset.map(Bytes::get)))
            .collect();
        let expected = [
            ("cellar", None),
            ("hall/a.mkv", Some(2)),
            ("hall/b.mkv", None),
            ("yard/2026/c.mkv", Some(0)),
        ];
        assert_eq!(listed, expected);
        let text = fs::read_to_string(into.join(UNREADABLE)).unwrap();
        assert_eq!(text.lines().count(), 4);
        assert!(text.contains("hall/a.mkv\t2\tInput/output error"), "{text}");
        let sums = fs::read_to_string(into.join(LIST)).unwrap();
        assert_eq!(sums.lines().count(), 1, "{sums}");
        assert!(is_proven(&into));
        // The beginning is kept, and has not the file's name.
        let begin = into.join("hall/a.mkv.incomplete");
        assert_eq!(fs::read(begin).unwrap(), b"aa");
        let left = all(&stick);
        let left = paths(&left);
        assert_eq!(left.len(), 4, "{left:?}");
    }

    #[test]
    fn copies_are_whole_and_the_list_says_so() {
        let (dir, stick) = (volume(&FILES), tempfile::tempdir().unwrap());
        let found = all(&dir);
        let into = stick.path().join("vigie-hall");
        let mut done = Bytes::ZERO;
        copy(&below(dir.path()), &found, &into, &mut |bytes| {
            done = bytes;
            true
        })
        .unwrap();
        assert_eq!(
            (done, into.join(UNREADABLE).exists()),
            (found.total(), false)
        );
        for (path, _, content) in &FILES[..4] {
            assert_eq!(fs::read_to_string(into.join(path)).unwrap(), *content);
        }
        assert!(is_proven(&into));
        let error = copy(&below(dir.path()), &found, &into, &mut |_| true).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Refusal::Exists(into)));
    }

    #[test]
    fn a_copy_that_is_stopped_leaves_whole_files_and_no_list() {
        let (dir, stick) = (volume(&FILES), tempfile::tempdir().unwrap());
        let found = all(&dir);
        let into = stick.path().join("vigie-hall");
        let mut go_on = |done: Bytes| done < Bytes::new(6);
        let error = copy(&below(dir.path()), &found, &into, &mut go_on).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&stopped()));
        let left = find(&into, &Selection::default()).unwrap();
        assert_eq!(paths(&left), ["hall/a.mkv"]);
    }

    #[test]
    fn each_copy_has_a_folder_of_its_own() {
        let (dir, stick) = (volume(&FILES), tempfile::tempdir().unwrap());
        let found = all(&dir);
        let free = || free_name(stick.path(), "hall-data-1");
        // One that was cut off, and two that are whole.
        for (name, go_on) in [
            ("hall-data-1", false),
            ("hall-data-1-2", true),
            ("hall-data-1-3", true),
        ] {
            let into = free().unwrap();
            assert_eq!(into, stick.path().join(name));
            let done = copy(&below(dir.path()), &found, &into, &mut |_| go_on);
            assert_eq!((done.is_ok(), into.join(LIST).exists()), (go_on, go_on));
        }
        for number in 4..=99 {
            fs::create_dir(free().unwrap()).unwrap();
            assert!(stick.path().join(format!("hall-data-1-{number}")).is_dir());
        }
        let last = stick.path().join("hall-data-1-99");
        assert_eq!(free(), Err(Refusal::Exists(last)));
    }
}
