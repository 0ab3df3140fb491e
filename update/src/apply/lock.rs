//! One updater at a time, through whatever door it came.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::ApplyError;

/// Where the lock is, in memory: it does not outlive a restart.
pub const LOCK: &str = "/run/vigie/update.lock";

/// The right to change slots, as long as it is held.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

/// Takes the lock, or says who has it.
///
/// # Errors
/// [`ApplyError::Busy`] while another has it.
pub fn take(path: &Path, who: &str) -> Result<Lock, ApplyError> {
    let busy = |who: String| ApplyError::Busy(who);
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let mut file = options
        .open(path)
        .map_err(|e| busy(format!("{}: {e}", path.display())))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        let _ = (&file).take(200).read_to_string(&mut holder);
        return Err(busy(holder));
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
}
