//! Whether a name and a password log somebody in.
//!
//! Wrong ones make wait: by their address with the name, and by the address alone, where that has tried
//! many. Never longer than a minute, and nobody for what others do: `vigie-login`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use vigie_login::hash;
use vigie_login::waits::{FREE, Waits, Who};

use crate::secret::Secret;
use crate::users::{User, Users};

/// Who was wrong how often, in memory.
pub const ATTEMPTS: &str = "/run/vigie/broker-attempts";

/// Wrong passwords of one address, whatever the names: an office behind one address has its typing errors.
const FREE_OF_ADDRESS: u32 = 20;
/// Longest name that is remembered by itself, in characters.
const LONGEST_NAME: usize = 64;

/// What is answered.
#[derive(PartialEq, Eq)]
pub enum Answer {
    /// It is right.
    Welcome(User),
    /// It is not, or the name is not.
    Wrong,
    /// Too many were wrong; this one was not looked at.
    Wait(Duration),
}

/// Judges a name and a password that came from an address.
#[must_use]
pub fn judge(
    attempts: &Path,
    users: &dyn Users,
    (name, password): (&str, &Secret),
    from: &str,
    now: u64,
) -> Answer {
    let user = users.find(name);
    // Names that nobody has share one: they would fill the memory.
    let known = user.as_ref().map_or("?", |user| &user.name);
    let known: String = known.chars().take(LONGEST_NAME).collect();
    let all = [
        Who::new(&format!("{from} {known}"), FREE),
        Who::new(from, FREE_OF_ADDRESS),
    ];
    let waits = Waits {
        path: attempts.to_owned(),
    };
    match waits.begin(&all, now) {
        Ok(None) => {}
        Ok(Some(wait)) => return Answer::Wait(wait),
        // Without a memory every attempt waits a little: better than a closed door.
        Err(_) => std::thread::sleep(Duration::from_secs(2)),
    }
    let _one = one_at_a_time(attempts);
    // An unknown name takes as long as a known one.
    let hash = user.as_ref().map_or(hash::NO_USER, |user| &user.hash);
    let right = hash::matches(hash, password.expose()) == Some(true);
    match user.filter(|_| right) {
        Some(user) => {
            // What is left of it is forgotten in a quarter of an hour anyway. Of the address only this one is
            // taken back: who has an account must not guess the others' for nothing.
            let _ = waits.forget(&all[..1]);
            let _ = waits.take_back(&all[1..], now);
            Answer::Welcome(user)
        }
        None => Answer::Wrong,
    }
}

/// Verifying takes memory: those who guess from everywhere at once must not take it all.
fn one_at_a_time(attempts: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(attempts.with_extension("lock")).ok()?;
    flock(&file, FlockOperation::LockExclusive).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::user;
    use crate::verb::Role;

    fn answer(users: &Vec<User>, at: &Path, who: (&str, &str), from: &str, now: u64) -> String {
        let password = Secret::new(who.1);
        match judge(at, users, (who.0, &password), from, now) {
            Answer::Welcome(user) => format!("welcome {}", user.name),
            Answer::Wrong => "wrong".into(),
            Answer::Wait(left) => format!("wait {}", left.as_secs()),
        }
    }

    #[test]
    fn only_the_right_password_of_a_user_logs_in() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("attempts");
        let mut argon = user("jean", Role::Viewer);
        argon.hash = hash::for_user("vingt lamas").unwrap();
        let users = vec![user("anne", Role::Operator), argon];
        for (name, password, expected) in [
            ("anne", "dix lamas", "welcome anne"),
            ("anne", "vingt lamas", "wrong"),
            ("jean", "vingt lamas", "welcome jean"),
            ("jean", "dix lamas", "wrong"),
            ("jean", "", "wrong"),
            ("", "", "wrong"),
            ("nobody", "dix lamas", "wrong"),
        ] {
            let _ = std::fs::remove_file(&at);
            let told = answer(&users, &at, (name, password), "a", 1);
            assert_eq!(told, expected, "{name} {password}");
        }
    }

    #[test]
    fn passwords_are_verified_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("attempts");
        let held = one_at_a_time(&at).unwrap();
        let other = File::open(at.with_extension("lock")).unwrap();
        let taken = || flock(&other, FlockOperation::NonBlockingLockExclusive);
        assert!(taken().is_err());
        drop(held);
        assert!(taken().is_ok());
        assert!(one_at_a_time(&dir.path().join("none/attempts")).is_none());
    }

    #[test]
    fn an_office_that_types_its_passwords_right_never_waits() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("attempts");
        let users = vec![user("anne", Role::Operator), user("jean", Role::Viewer)];
        for number in 0..=FREE_OF_ADDRESS * 2 {
            let name = ["anne", "jean"][number as usize % 2];
            let told = answer(&users, &at, (name, "dix lamas"), "192.0.2.7", 10);
            assert_eq!(told, format!("welcome {name}"), "{number}");
        }
    }

    #[test]
    fn who_guesses_waits_and_nobody_waits_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("attempts");
        let users = vec![
            user("anne", Role::Administrator),
            user("jean", Role::Viewer),
        ];
        let ask = |who: (&str, &str), from, now| answer(&users, &at, who, from, now);
        for _ in 0..4 {
            assert_eq!(ask(("anne", "x"), "192.0.2.66", 10), "wrong");
        }
        // Even the right one waits there; not elsewhere, and not of another account.
        assert_eq!(ask(("anne", "dix lamas"), "192.0.2.66", 10), "wait 2");
        assert_eq!(ask(("anne", "dix lamas"), "192.0.2.1", 10), "welcome anne");
        assert_eq!(ask(("jean", "dix lamas"), "192.0.2.66", 10), "welcome jean");
        assert_eq!(ask(("anne", "dix lamas"), "192.0.2.66", 12), "welcome anne");
        // Many names from one address.
        for number in 0..20 {
            let now = 1000 + number * 61;
            assert_eq!(ask((&format!("n{number}"), "x"), "192.0.2.7", now), "wrong");
        }
        let now = 1000 + 20 * 61;
        assert_eq!(ask(("n", "x"), "192.0.2.7", now), "wrong");
        assert_eq!(ask(("jean", "x"), "192.0.2.7", now), "wait 2");
        assert_eq!(
            ask(("jean", "dix lamas"), "192.0.2.7", now + 60),
            "welcome jean"
        );
    }
}
