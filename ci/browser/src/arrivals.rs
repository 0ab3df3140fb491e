//! Files that are moved into a folder: Chromium gives a download its name once it is whole.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// Ending of what is not whole yet.
const UNFINISHED: &str = ".crdownload";

/// A folder that is watched.
pub struct Arrivals {
    folder: PathBuf,
    events: OwnedFd,
}

impl Arrivals {
    /// Watches a folder from now on.
    ///
    /// # Errors
    /// It cannot be watched.
    pub fn watch(folder: &Path) -> Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .context("asking the kernel to tell of files")?;
        inotify::add_watch(&events, folder, WatchFlags::MOVED_TO)
            .with_context(|| format!("watching {}", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            events,
        })
    }

    /// The next file.
    ///
    /// # Errors
    /// None comes within the patience.
    pub fn next(&self, patience: Duration) -> Result<PathBuf> {
        let limit = Instant::now() + patience;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "no file has come within {patience:?}");
            let left = Timespec::try_from(left).context("a patience without end")?;
            poll(&mut [PollFd::new(&self.events, PollFlags::IN)], Some(&left))
                .context("waiting for a file")?;
            if let Some(name) = self.arrived() {
                return Ok(self.folder.join(name));
            }
        }
    }

    fn arrived(&self) -> Option<String> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.events, &mut buffer);
        while let Ok(event) = reader.next() {
            if event.events().contains(ReadFlags::MOVED_TO)
                && let Some(name) = event.file_name().and_then(|name| name.to_str().ok())
                && !name.ends_with(UNFINISHED)
            {
                return Some(name.to_owned());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_there_once_it_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let arrivals = Arrivals::watch(dir.path()).unwrap();
        fs::write(at("a.part"), "x").unwrap();
        fs::rename(at("a.part"), at("a.tgz.crdownload")).unwrap();
        assert!(arrivals.next(Duration::from_millis(1)).is_err());
        fs::rename(at("a.tgz.crdownload"), at("a.tgz")).unwrap();
        assert_eq!(arrivals.next(Duration::from_secs(30)).unwrap(), at("a.tgz"));
        assert!(Arrivals::watch(&at("none")).is_err());
    }
}
