//! Files that come into a folder, told by the kernel when they are whole.

use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// How browsers call what is not whole yet.
const HALF: &[u8] = b".crdownload";

/// A folder that is watched.
pub(super) struct Arrivals(OwnedFd);

impl Arrivals {
    /// Watches from now on.
    pub fn in_folder(folder: &Path) -> Result<Arrivals> {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let whole = WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&watch, folder, whole)
            .with_context(|| format!("watching {}", folder.display()))?;
        Ok(Arrivals(watch))
    }

    /// The name of the next file that is whole.
    pub fn next(&self, patience: Duration) -> Result<OsString> {
        let end = Instant::now() + patience;
        loop {
            if let Some(name) = self.come()? {
                return Ok(name);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("no file has come within {patience:?}");
            }
            let mut watch = [PollFd::new(&self.0, PollFlags::IN)];
            poll(&mut watch, Some(&Timespec::try_from(left)?))?;
        }
    }

    fn come(&self) -> Result<Option<OsString>> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(&self.0, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error).context("reading what has come"),
            };
            let name = event.file_name().map(|name| name.to_bytes().to_vec());
            let is_whole = |name: &Vec<u8>| !name.ends_with(HALF) && !name.starts_with(b".");
            if let Some(name) = name.filter(is_whole) {
                return Ok(Some(OsString::from_vec(name)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_told_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("before"), "x").unwrap();
        let arrivals = Arrivals::in_folder(folder.path()).unwrap();
        assert!(arrivals.next(Duration::ZERO).is_err());
        fs::write(at("a.crdownload"), "x").unwrap();
        fs::write(at(".hidden"), "x").unwrap();
        assert!(arrivals.next(Duration::ZERO).is_err());
        fs::rename(at("a.crdownload"), at("a")).unwrap();
        assert_eq!(arrivals.next(Duration::from_secs(60)).unwrap(), "a");
        fs::write(at("b"), "x").unwrap();
        assert_eq!(arrivals.next(Duration::from_secs(60)).unwrap(), "b");
    }
}
