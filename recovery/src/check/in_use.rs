//! Whether a volume may be touched at all: not while it is mounted, swapped to, a part of another
//! device, or held by another program.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock, major, minor};
use rustix::io::Errno;
use vigie_disk::sysfs::{Sysfs, node};

use super::verdict::Refusal;

/// What the kernel says of who uses what.
#[derive(Clone, Debug)]
pub struct Uses {
    /// Disks and what is built on them.
    pub sysfs: Sysfs,
    /// /proc/self/mountinfo.
    pub mounts: String,
    /// /proc/swaps.
    pub swaps: String,
}

impl Uses {
    /// Those of this machine, now.
    #[must_use]
    pub fn now() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            sysfs: Sysfs::default(),
            mounts: read("/proc/self/mountinfo"),
            swaps: read("/proc/swaps"),
        }
    }

    /// What keeps a volume from being touched; `path` is without links.
    ///
    /// # Errors
    /// It is in use.
    pub fn free(&self, path: &Path) -> Result<(), Refusal> {
        let unreadable = |error: io::Error| Refusal::Unreadable {
            error: error.to_string(),
        };
        let facts = fs::metadata(path).map_err(unreadable)?;
        if facts.file_type().is_block_device() {
            self.device_free(path, &number(facts.rdev()))?;
            return exclusively(path);
        }
        if !facts.is_file() {
            return Err(Refusal::NoVolume);
        }
        self.file_free(path)
    }

    fn device_free(&self, path: &Path, number: &str) -> Result<(), Refusal> {
        if let Some(at) = mounted_at(&self.mounts, number) {
            return Err(Refusal::Mounted { at });
        }
        self.no_swap(path)?;
        let name = Sysfs::kernel_name(path).unwrap_or_default();
        match self.sysfs.holders(&name).first() {
            Some(holder) => Err(Refusal::PartOf {
                device: node(holder),
            }),
            None => Ok(()),
        }
    }

    fn file_free(&self, path: &Path) -> Result<(), Refusal> {
        self.no_swap(path)?;
        let backs = |name: &String| {
            let file = self.sysfs.attribute(name, "loop/backing_file");
            file.is_some_and(|file| Path::new(&file) == path)
        };
        match self.sysfs.disks().iter().find(|name| backs(name)) {
            Some(name) => Err(Refusal::PartOf { device: node(name) }),
            None => Ok(()),
        }
    }

    fn no_swap(&self, path: &Path) -> Result<(), Refusal> {
        let used = self.swaps.lines().filter_map(|line| line.split(' ').next());
        match used.into_iter().any(|used| Path::new(used) == path) {
            true => Err(Refusal::Swap),
            false => Ok(()),
        }
    }
}

/// Where a device is mounted, by its number (proc(5), "mountinfo": the third and fifth fields).
fn mounted_at(mounts: &str, number: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(2);
        let found = fields.next()? == number;
        let at = fields.nth(1)?;
        found.then(|| unescaped(at).into())
    })
}

/// The kernel writes blanks and backslashes of a path in octal.
fn unescaped(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (code, plain)| {
        text.replace(code, plain)
    })
}

pub(super) fn number(device: u64) -> String {
    format!("{}:{}", major(device), minor(device))
}

/// The kernel refuses O_EXCL on a device that anything has for itself. e2fsck asks the same again
/// when it opens the device for writing.
fn exclusively(path: &Path) -> Result<(), Refusal> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::EXCL.bits() as i32);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
            Err(Refusal::Busy)
        }
        Err(error) => Err(Refusal::Unreadable {
            error: error.to_string(),
        }),
    }
}

/// Keeps a volume from a second check or repair of ours as long as this lasts.
#[derive(Debug)]
pub struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // To close it is not enough: what another thread is just starting has it open, too, until
        // it runs.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Holds a volume; who holds it already is waited for. udev has a lock like ours for the moment in
/// which it looks at a device that has come.
///
/// # Errors
/// It is still held after that time, or cannot be opened.
pub fn hold(path: &Path, patience: Duration) -> Result<Held, Refusal> {
    const AGAIN: Duration = Duration::from_millis(50);
    let begun = Instant::now();
    loop {
        match try_hold(path) {
            Err(Refusal::Busy) if begun.elapsed() < patience => std::thread::sleep(AGAIN),
            result => return result,
        }
    }
}

fn try_hold(path: &Path) -> Result<Held, Refusal> {
    let unreadable = |error: io::Error| Refusal::Unreadable {
        error: error.to_string(),
    };
    let file = File::open(path).map_err(unreadable)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Held(file)),
        Err(Errno::WOULDBLOCK) => Err(Refusal::Busy),
        Err(error) => Err(unreadable(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 8:7 / /var rw - ext4 /dev/sda7 rw\n\
                          23 22 8:9 /a /srv/data\\0401 rw - ext4 /dev/sda9 rw\n";

    fn uses(files: &[(&str, &str)], swaps: &str) -> (tempfile::TempDir, Uses) {
        let dir = tempfile::tempdir().unwrap();
        for (path, contents) in files {
            let path = dir.path().join("block").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let uses = Uses {
            sysfs: Sysfs::new(dir.path()),
            mounts: MOUNTS.to_owned(),
            swaps: swaps.to_owned(),
        };
        (dir, uses)
    }

    #[test]
    fn mounts_are_found_by_number() {
        assert_eq!(mounted_at(MOUNTS, "8:7"), Some("/var".into()));
        assert_eq!(mounted_at(MOUNTS, "8:9"), Some("/srv/data 1".into()));
        assert_eq!(mounted_at(MOUNTS, "8:70"), None);
        assert_eq!(mounted_at("garbage\n\n1 2", "8:7"), None);
    }

    #[test]
    fn a_device_in_use_is_refused_with_its_user() {
        let swaps = "Filename Type Size\n/dev/sda8 partition 1\n";
        let (_dir, uses) = uses(&[("sda/sda6/holders/md127/x", "")], swaps);
        let free = |path: &str, number: &str| uses.device_free(Path::new(path), number);
        let mounted = Refusal::Mounted { at: "/var".into() };
        assert_eq!(free("/dev/sda7", "8:7"), Err(mounted));
        assert_eq!(free("/dev/sda8", "8:8"), Err(Refusal::Swap));
        let device = "/dev/md127".into();
        assert_eq!(free("/dev/sda6", "8:6"), Err(Refusal::PartOf { device }));
        assert_eq!(free("/dev/sda5", "8:5"), Ok(()));
    }

    #[test]
    fn a_file_in_use_is_refused_and_held_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().canonicalize().unwrap();
        let backing = format!("{}\n", path.display());
        let (_dir, used) = uses(&[("loop3/loop/backing_file", &backing)], "");
        let device = "/dev/loop3".into();
        assert_eq!(used.free(&path), Err(Refusal::PartOf { device }));
        let (_other, free) = uses(&[], "");
        assert_eq!(free.free(&path), Ok(()));
        assert_eq!(free.free(Path::new("/dev/null")), Err(Refusal::NoVolume));
        assert_eq!(free.free(Path::new("/")), Err(Refusal::NoVolume));
        assert!(matches!(
            free.free(Path::new("/no/such/volume")),
            Err(Refusal::Unreadable { .. })
        ));
        let held = hold(&path, Duration::ZERO).unwrap();
        assert_eq!(hold(&path, Duration::ZERO).unwrap_err(), Refusal::Busy);
        let waiting = std::thread::spawn(move || hold(&path, Duration::from_secs(60)).is_ok());
        drop(held);
        assert!(waiting.join().unwrap());
    }
}
