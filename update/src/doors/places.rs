//! The folders in which packages are looked for, and the files in them that may be packages.
//!
//! Others write into these folders (a web service, people, whoever made a stick) while they are
//! read. So: nothing but regular files is opened, no link is followed, no more than a bounded
//! number of names is read, and what is told of a file holds for the descriptor that was opened.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fsync, openat, statat, unlinkat};

use crate::history::Door;
use crate::machine::below;
use crate::media::place::MEDIA;
use crate::spoken::Spoken;

/// Where the web interface puts what was uploaded.
pub const WEB: &str = "/var/lib/vigie/web/upload";
/// Where scp and sftp of the service account write.
pub const SCP: &str = "/var/lib/vigie/service/update";
/// Where `vigie-pull` puts what it fetched from the signed index of a server.
pub const HTTPS: &str = "/var/lib/vigie/pull/https";
/// Where it puts what a fleet server had for this machine.
pub const FLEET: &str = "/var/lib/vigie/pull/fleet";
/// A folder on a stick or disc that is looked into beside its root.
const ON_MEDIUM: &str = "update";

/// Names that are read of one folder; more are left unread.
pub const NAMES: usize = 20_000;
/// Files of one folder that are opened.
pub const FILES: usize = 32;
/// Sticks and discs that are looked at.
const MEDIA_AT_ONCE: usize = 16;

/// A folder and the door that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub folder: PathBuf,
    /// How packages come there.
    pub door: Door,
}

impl Place {
    /// What it is called in lists: the medium, as the kernel calls it, and the folder on it.
    #[must_use]
    pub fn name(&self) -> OsString {
        let name = self.folder.file_name().unwrap_or_default();
        let medium = self.folder.parent().and_then(Path::file_name);
        match medium.filter(|_| self.folder.ends_with(ON_MEDIUM)) {
            Some(medium) => Path::new(medium).join(name).into(),
            None => name.to_owned(),
        }
    }
}

/// A regular file that was opened.
#[derive(Debug)]
pub struct Candidate {
    /// Its name in its folder.
    pub name: OsString,
    /// It, for reading.
    pub file: File,
    /// Its length in bytes when it was opened.
    pub size: u64,
    /// When it was last written to.
    pub modified: Option<SystemTime>,
}

/// The folders of the system whose root is `root` that lie on its state volume.
#[must_use]
pub fn fixed(root: &Path) -> Vec<Place> {
    let place = |(folder, door)| Place {
        folder: below(root, folder),
        door,
    };
    [
        (WEB, Door::Web),
        (SCP, Door::Scp),
        (HTTPS, Door::Https),
        (FLEET, Door::Fleet),
    ]
    .map(place)
    .into()
}

/// Those of the sticks and discs that are plugged in. Any of them may not answer: see
/// [`super::look`].
#[must_use]
pub fn media(root: &Path) -> Vec<Place> {
    let media = std::fs::read_dir(below(root, MEDIA));
    let mut media: Vec<PathBuf> = media
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    media.sort();
    let media = media.into_iter().take(MEDIA_AT_ONCE);
    let folders = media.flat_map(|medium| [medium.clone(), medium.join(ON_MEDIUM)]);
    let door = Door::Usb;
    folders.map(|folder| Place { folder, door }).collect()
}

/// The files of a folder that may be packages, likely names first, at most [`FILES`]. A folder
/// that is not there, or is none, has no files.
#[must_use]
pub fn candidates(folder: &Path) -> Vec<Candidate> {
    let Ok(folder) = open_folder(folder) else {
        return Vec::new();
    };
    let names = names(&folder);
    let files = names.into_iter().filter_map(|name| open(&folder, name));
    files.take(FILES).collect()
}

/// Names that may be a package's: as packages are called first, then by name from the end, so
/// that the newest version tends to come early.
fn names(folder: &OwnedFd) -> Vec<OsString> {
    let Ok(entries) = Dir::read_from(folder) else {
        return Vec::new();
    };
    // A stick that is pulled out meanwhile ends the list.
    let names = entries.take(NAMES).map_while(Result::ok);
    let mut names: Vec<OsString> = names
        .map(|entry| OsString::from(OsStr::from_bytes(entry.file_name().to_bytes())))
        .filter(|name| may_be_package(name.as_bytes()))
        .collect();
    let usual = |name: &OsString| name.as_bytes().ends_with(b"-upd.tgz");
    names.sort_by(|a, b| (usual(b), b).cmp(&(usual(a), a)));
    names
}

/// `*.tgz` that is not hidden: `.part` and dot files are still being written by somebody.
fn may_be_package(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.ends_with(b".tgz") && !lower.starts_with(b".")
}

/// Opens a regular file and nothing else. Looked at before as well, because opening a device may
/// already do something.
fn open(folder: &OwnedFd, name: OsString) -> Option<Candidate> {
    let before = statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
        return None;
    }
    let file = File::from(openat(folder, &name, FLAGS, Mode::empty()).ok()?);
    let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(Candidate {
        name,
        size: about.len(),
        modified: about.modified().ok(),
        file,
    })
}

/// For files in folders that others write to: no link is followed, nothing is waited for.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Opens one file of a folder by a name that was checked to be one; neither may be a link.
#[must_use]
pub fn open_named(folder: &Path, name: &str) -> Option<Candidate> {
    let folder = open_folder(folder).ok()?;
    let name = OsStr::new(name);
    is_plain(name).then(|| open(&folder, name.into())).flatten()
}

/// A folder that is none by a link.
fn open_folder(folder: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, folder, flags, Mode::empty())
}

/// Whether a name is one of a folder's own: no path.
fn is_plain(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.contains(&b'/') && !matches!(bytes, b"" | b"." | b"..")
}

/// Deletes a regular file of a folder, by its name alone; neither may be a link.
///
/// # Errors
/// The name is a path; there is no such file, or it is something else.
pub fn delete(folder: &Path, name: &OsStr) -> io::Result<()> {
    if !is_plain(name) {
        let why = Spoken::new(
            "this is no file's name; give the name alone, without its folder",
            "ce n'est pas le nom d'un fichier ; donnez le nom seul, sans son dossier",
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let folder = open_folder(folder)?;
    let about = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
        let why = Spoken::new(
            "this is no regular file, and is left alone",
            "ce n'est pas un fichier ordinaire, il n'est pas touché",
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    // What lies there by now instead, a link too, is removed itself: unlink follows none.
    unlinkat(&folder, name, AtFlags::empty())?;
    fsync(&folder)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let found = candidates(folder).into_iter();
        found.map(|c| c.name.into_string().unwrap()).collect()
    }

    #[test]
    fn c58_only_regular_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("a-upd.tgz"), "x").unwrap();
        std::fs::write(at("secret"), "x").unwrap();
        std::os::unix::fs::symlink(at("secret"), at("link-upd.tgz")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zero-upd.tgz")).unwrap();
        std::os::unix::fs::symlink("/nowhere", at("loose-upd.tgz")).unwrap();
        std::fs::create_dir(at("folder-upd.tgz")).unwrap();
        // Opened without a writer, this would be waited for without end.
        let fifo = at("fifo-upd.tgz");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket-upd.tgz")).unwrap();
        assert_eq!(names_in(dir.path()), ["a-upd.tgz"]);
        for name in [
            "link-upd.tgz",
            "fifo-upd.tgz",
            "folder-upd.tgz",
            "..",
            "",
            "none",
        ] {
            assert!(open_named(dir.path(), name).is_none(), "{name}");
        }
        assert_eq!(open_named(dir.path(), "secret").unwrap().size, 1);
    }

    #[test]
    fn c58_a_name_deletes_a_file_of_its_folder_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("update");
        let at = |name: &str| folder.join(name);
        std::fs::create_dir_all(at("sub")).unwrap();
        std::fs::write(dir.path().join("outside"), "x").unwrap();
        std::fs::write(at("sub/inside"), "x").unwrap();
        std::os::unix::fs::symlink(dir.path().join("outside"), at("link")).unwrap();
        std::os::unix::fs::symlink(&folder, dir.path().join("way")).unwrap();
        let absolute = dir.path().join("outside").display().to_string();
        let before = paths_below(dir.path());
        for name in [
            "",
            ".",
            "..",
            "/",
            "../outside",
            "sub/inside",
            "sub",
            "link",
            "none",
            "./a",
            &absolute,
            "x\0y",
        ] {
            delete(&folder, OsStr::new(name)).unwrap_err();
        }
        std::fs::write(at("a-upd.tgz"), "x").unwrap();
        delete(&dir.path().join("way"), OsStr::new("a-upd.tgz")).unwrap_err();
        // Also what is no package, and what is not valid text.
        let odd = OsStr::from_bytes(b"-\xff \n");
        std::fs::write(folder.join(odd), "x").unwrap();
        for name in [OsStr::new("a-upd.tgz"), odd] {
            delete(&folder, name).unwrap();
            delete(&folder, name).unwrap_err();
        }
        assert_eq!(paths_below(dir.path()), before);
    }

    fn paths_below(folder: &Path) -> std::collections::BTreeSet<PathBuf> {
        let mut paths = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                paths.extend(paths_below(&entry.path()));
            }
            paths.insert(entry.path());
        }
        paths
    }

    #[test]
    fn c58_a_folder_that_is_a_link_is_not_entered() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("a-upd.tgz"), "x").unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        assert!(candidates(&dir.path().join("link")).is_empty());
        assert!(candidates(&real.join("a-upd.tgz")).is_empty());
        assert!(candidates(&dir.path().join("none")).is_empty());
        assert!(open_named(&dir.path().join("link"), "a-upd.tgz").is_none());
        assert_eq!(candidates(&real).len(), 1);
    }

    #[test]
    fn c56_what_is_being_written_under_another_name_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "a-upd.tgz.part",
            ".b-upd.tgz",
            ".c-upd.tgz.x1Y2",
            "notes.txt",
            "d.tar.gz",
            "E-UPD.TGZ",
            "f.tgz",
        ] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        assert_eq!(names_in(dir.path()), ["f.tgz", "E-UPD.TGZ"]);
    }

    #[test]
    fn c62_of_ten_thousand_files_the_likely_ones_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..10_000 {
            std::fs::write(dir.path().join(format!("backup-{number:05}.tgz")), "").unwrap();
        }
        std::fs::write(dir.path().join("Vigie-1.2.3.0-upd.tgz"), "").unwrap();
        let begun = std::time::Instant::now();
        let found = names_in(dir.path());
        assert_eq!(found.len(), FILES);
        assert_eq!(found[..2], ["Vigie-1.2.3.0-upd.tgz", "backup-09999.tgz"]);
        assert!(begun.elapsed().as_secs() < 5);
    }

    #[test]
    fn all_doors_have_their_place() {
        let root = tempfile::tempdir().unwrap();
        let media = below(root.path(), MEDIA);
        for name in ["b", "a"] {
            std::fs::create_dir_all(media.join(name)).unwrap();
        }
        std::os::unix::fs::symlink("/", media.join("link")).unwrap();
        let found: Vec<String> = [fixed(root.path()), super::media(root.path())]
            .concat()
            .into_iter()
            .map(|place| {
                let folder = place.folder.strip_prefix(root.path()).unwrap();
                format!("{:?} {}", place.door, folder.display())
            })
            .collect();
        assert_eq!(
            found,
            [
                "Web var/lib/vigie/web/upload",
                "Scp var/lib/vigie/service/update",
                "Https var/lib/vigie/pull/https",
                "Fleet var/lib/vigie/pull/fleet",
                "Usb run/vigie/media/a",
                "Usb run/vigie/media/a/update",
                "Usb run/vigie/media/b",
                "Usb run/vigie/media/b/update",
            ]
        );
    }
}
