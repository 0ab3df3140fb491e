//! One updater at a time, through whatever door it came.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::ApplyError;

/// Where the lock is, in memory: it does not outlive a restart.
pub const LOCK: &str = "/run/vigie/update.lock";

/// How long the lock is tried for: [`holder`] has it for a moment each time that it is asked.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// The right to change slots, as long as it is held.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

/// Takes the lock, or says who has it.
///
/// # Errors
/// [`ApplyError::Busy`] while another has it, [`ApplyError::Lock`] where it cannot be had at all.
pub fn take(path: &Path, who: &str) -> Result<Lock, ApplyError> {
    take_within(path, who, PATIENCE)
}

/// The same, after waiting for another who has it, no longer than `patience`.
///
/// # Errors
/// As [`take`].
pub fn take_within(path: &Path, who: &str, patience: Duration) -> Result<Lock, ApplyError> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let mut file = options.open(path).map_err(|source| ApplyError::Lock {
        path: path.display().to_string(),
        source,
    })?;
    let begun = Instant::now();
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if begun.elapsed() >= patience {
            let mut holder = String::new();
            let _ = (&file).take(200).read_to_string(&mut holder);
            return Err(ApplyError::Busy(holder));
        }
        thread::sleep(PAUSE);
    }
    // Only for people: what is held is the lock, not the text.
    let _ = file.set_len(0).and_then(|()| file.rewind());
    let _ = file.write_all(who.as_bytes());
    Ok(Lock(file))
}

/// Who holds the lock now, in their own words; for people.
#[must_use]
pub fn holder(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockShared).err()?;
    let mut holder = String::new();
    let _ = Read::by_ref(&mut file)
        .take(200)
        .read_to_string(&mut holder);
    Some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c59_two_at_once_are_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = take(&path, "web, anne").unwrap();
        assert_eq!(holder(&path).as_deref(), Some("web, anne"));
        let second = take(&path, "scp").unwrap_err().to_string();
        assert!(second.contains("web, anne"), "{second}");
        drop(first);
        assert_eq!(holder(&path), None);
        assert_eq!(holder(&dir.path().join("none")), None);
        take(&path, "scp").unwrap();
    }

    #[test]
    fn c59_asking_who_holds_the_lock_keeps_nobody_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        drop(take(&path, "web").unwrap());
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let asking = path.clone();
        let asks = thread::spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                assert_ne!(holder(&asking).as_deref(), Some("nobody"));
            }
        });
        for _ in 0..1000 {
            take_within(&path, "scp", Duration::from_secs(60)).unwrap();
        }
        drop(stop);
        asks.join().unwrap();
    }

    #[test]
    fn a_lock_that_cannot_be_opened_is_no_other_update() {
        let dir = tempfile::tempdir().unwrap();
        let error = take(dir.path(), "web").unwrap_err();
        assert!(matches!(error, ApplyError::Lock { .. }), "{error}");
        assert!(!error.is_refusal());
        assert!(!error.to_string().contains("under way"), "{error}");
    }
}
