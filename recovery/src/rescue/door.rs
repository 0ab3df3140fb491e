//! The door: PAM asks it for each log-in while rescue access is open (`pam_exec`, service
//! `vigie-rescue`). What was typed comes on standard input, who and from where in PAM_USER and
//! PAM_RHOST.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use yescrypt::{PasswordVerifier, Yescrypt};

use super::password::plain;

/// Held by the program that a person sees.
pub const LOCK: &str = "lock";
/// The hash.
pub const KEY: &str = "key.json";
/// Who came in.
pub const GUEST: &str = "guest.json";
/// Longer is no password.
const LONGEST: u64 = 1024;

/// What opens the door.
#[derive(Debug, Serialize, Deserialize)]
pub struct Key {
    /// The hash of the password's letters.
    pub hash: String,
    /// From when on it opens nothing, seconds since the start of the machine.
    pub until: u64,
}

/// Who came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The address.
    pub from: String,
    /// When, seconds since 1970 by the machine's clock.
    pub time: u64,
}

/// Why somebody is not let in. Nobody but the tests is told.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// Only root comes in here.
    #[error("the account is not root")]
    Account,
    /// Nobody waits, or it was never open.
    #[error("rescue access is not open")]
    NotOpen,
    /// Its time is over.
    #[error("rescue access is over")]
    TimeUp,
    /// The password is another.
    #[error("wrong password")]
    Wrong,
    /// Somebody is in already.
    #[error("rescue access was used")]
    Used,
    /// The system fails.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs the door for PAM: the exit code.
#[must_use]
pub fn run() -> u8 {
    let of = |name| std::env::var(name).unwrap_or_default();
    let mut typed = String::with_capacity(LONGEST as usize + 1);
    let read = io::stdin().take(LONGEST).read_to_string(&mut typed);
    let typed = plain(&typed);
    let folder = Path::new(super::access::FOLDER);
    let admitted = read.map_err(Closed::from).and_then(|_| {
        admit(
            folder,
            super::now(),
            &of("PAM_USER"),
            &of("PAM_RHOST"),
            typed.expose(),
        )
    });
    u8::from(admitted.is_err())
}

/// Lets root in, once. `typed` are the letters of what was typed, `now` seconds since the start of
/// the machine.
///
/// # Errors
/// Why not.
pub fn admit(folder: &Path, now: u64, user: &str, from: &str, typed: &str) -> Result<(), Closed> {
    if user != "root" {
        return Err(Closed::Account);
    }
    if !is_held(&folder.join(LOCK)) {
        return Err(Closed::NotOpen);
    }
    let key = fs::read(folder.join(KEY)).map_err(|_| Closed::NotOpen)?;
    let key: Key = serde_json::from_slice(&key).map_err(|_| Closed::NotOpen)?;
    if now >= key.until {
        return Err(Closed::TimeUp);
    }
    let right = Yescrypt::default().verify_password(typed.as_bytes(), key.hash.as_str());
    right.map_err(|_| Closed::Wrong)?;
    come_in(folder, from)?;
    // The next does not even cost a hash. Were this to fail, the guest is written down all the same.
    let _ = fs::remove_file(folder.join(KEY));
    Ok(())
}

/// Whether another process holds the lock.
fn is_held(lock: &Path) -> bool {
    let tried = File::open(lock).map(|file| file.try_lock_shared());
    matches!(tried, Ok(Err(TryLockError::WouldBlock)))
}

/// Writes down who comes in, where nobody has before: the name is given to a complete file, by the
/// one step that fails where it is taken.
fn come_in(folder: &Path, from: &str) -> Result<(), Closed> {
    let from = from.chars().filter(|c| !c.is_control()).take(100).collect();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let guest = Guest {
        from,
        time: since.unwrap_or_default().as_secs(),
    };
    let own = folder.join(format!("guest.{}.{}", std::process::id(), thread_number()));
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    serde_json::to_writer(file.open(&own)?, &guest).map_err(io::Error::from)?;
    let linked = fs::hard_link(&own, folder.join(GUEST));
    let _ = fs::remove_file(&own);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Closed::Used),
        linked => Ok(linked?),
    }
}

/// Tells threads of one process apart: the tests'.
fn thread_number() -> String {
    let number = format!("{:?}", std::thread::current().id());
    number.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use vigie_installer::screen::live::hash;

    const TYPED: &str = "lusabbabadgutihtugad";

    fn open(until: u64) -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let lock = File::create(dir.path().join(LOCK)).unwrap();
        lock.try_lock().unwrap();
        let hash = hash(&plain(TYPED)).unwrap().as_str().to_owned();
        let key = serde_json::to_vec(&Key { hash, until }).unwrap();
        fs::write(dir.path().join(KEY), key).unwrap();
        (dir, lock)
    }

    #[test]
    fn who_knows_the_password_comes_in_and_nobody_after() {
        let (dir, _lock) = open(100);
        let admit = |now, user, typed| admit(dir.path(), now, user, "192.0.2.7\n", typed);
        assert!(matches!(admit(5, "service", TYPED), Err(Closed::Account)));
        assert!(matches!(admit(5, "root", "wrong"), Err(Closed::Wrong)));
        assert!(matches!(admit(5, "root", ""), Err(Closed::Wrong)));
        assert!(matches!(admit(100, "root", TYPED), Err(Closed::TimeUp)));
        assert!(!dir.path().join(GUEST).exists());
        admit(5, "root", TYPED).unwrap();
        let guest = fs::read(dir.path().join(GUEST)).unwrap();
        let guest: Guest = serde_json::from_slice(&guest).unwrap();
        assert_eq!(guest.from, "192.0.2.7");
        assert!(matches!(admit(6, "root", TYPED), Err(Closed::NotOpen)));
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn of_many_at_the_same_time_one_comes_in() {
        let (dir, _lock) = open(100);
        let start = Barrier::new(8);
        let came = std::thread::scope(|scope| {
            let guests: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        admit(dir.path(), 5, "root", "192.0.2.7", TYPED).is_ok()
                    })
                })
                .collect();
            let came = guests.into_iter().map(|one| one.join().unwrap());
            came.filter(|came| *came).count()
        });
        assert_eq!(came, 1);
    }

    #[test]
    fn nobody_comes_in_where_nobody_waits() {
        let (dir, lock) = open(100);
        // As after a kill.
        drop(lock);
        let admit = || admit(dir.path(), 5, "root", "192.0.2.7", TYPED);
        assert!(matches!(admit(), Err(Closed::NotOpen)));
        let _lock = File::open(dir.path().join(LOCK)).unwrap();
        _lock.try_lock().unwrap();
        fs::write(dir.path().join(KEY), "{\"hash\":\"\",\"until\":100}").unwrap();
        assert!(matches!(admit(), Err(Closed::Wrong)));
        fs::write(dir.path().join(KEY), "damaged").unwrap();
        assert!(matches!(admit(), Err(Closed::NotOpen)));
        fs::remove_file(dir.path().join(LOCK)).unwrap();
        assert!(matches!(admit(), Err(Closed::NotOpen)));
    }
}
