//! Whether a password is root's: for the web interface, which may read no hash.
//!
//! What opens the console and SSH opens the web interface: the hash is that of `/etc/shadow`,
//! which follows from the settings. Each peer that was wrong waits longer and longer, up to
//! [`LONGEST`], and never longer than that: nobody can lock the administrator out for good.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use sha_crypt::ShaCrypt;
use yescrypt::{PasswordVerifier, Yescrypt};

use super::digest;

/// The only account of the web interface, until there are more.
pub const USER: &str = "root";
/// The accounts' hashes.
pub const SHADOW: &str = "/etc/shadow";
/// Who was wrong how often, in memory: a restart forgets it.
pub const ATTEMPTS: &str = "/run/vigie/login-attempts";
/// The key of [`Gate::digest`], in memory as well.
pub const KEY: &str = "/run/vigie/login-key";

/// Wrong passwords that cost no wait.
const FREE: u32 = 3;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// After this time without an attempt, a peer is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// Peers that are remembered; beyond, the oldest are forgotten.
const PEERS: usize = 1000;
/// Longest password in bytes, as crypt(3) has it.
const LONGEST_PASSWORD: usize = 511;

/// A hash that nothing opens, at Debian's cost: an unknown name takes as long as a known one.
const NOBODY: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$00000000000000000000000000000000000000000000";

/// What is answered to a name and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is right.
    Welcome,
    /// It is not, or the name is not.
    Wrong,
    /// Too many were wrong; this one was not looked at.
    Wait(Duration),
    /// No password opens the account.
    NoPassword,
    /// The hash is of a kind that this program cannot compute.
    OtherHash,
}

impl Answer {
    /// One word for programs, and what a person is told, in English and French.
    #[must_use]
    pub fn words(self) -> (&'static str, String, String) {
        let own = |code, en: &str, fr: &str| (code, en.to_owned(), fr.to_owned());
        match self {
            Self::Welcome => own("welcome", "", ""),
            Self::Wrong => own(
                "wrong",
                "the name or the password is wrong",
                "le nom ou le mot de passe est faux",
            ),
            Self::Wait(left) => {
                let seconds = left.as_secs() + 1;
                (
                    "wait",
                    format!("too many wrong passwords; try again in {seconds} s"),
                    format!("trop de mots de passe faux ; réessayez dans {seconds} s"),
                )
            }
            Self::NoPassword => own(
                "no-password",
                "root has no password yet, so nobody can log in here; log in over SSH with a key \
                 and set one with passwd",
                "root n'a pas encore de mot de passe, personne ne peut se connecter ici ; \
                 connectez-vous par SSH avec une clé et donnez-en un avec passwd",
            ),
            Self::OtherHash => own(
                "other-hash",
                "root's password is kept in a form that cannot be checked here; set it again with \
                 passwd",
                "le mot de passe de root est gardé sous une forme qui ne peut être vérifiée ici ; \
                 donnez-le de nouveau avec passwd",
            ),
        }
    }
}

/// The files that this reads and writes.
#[derive(Clone, Debug)]
pub struct Gate {
    /// [`SHADOW`].
    pub shadow: PathBuf,
    /// [`ATTEMPTS`].
    pub attempts: PathBuf,
    /// [`KEY`].
    pub key: PathBuf,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            shadow: SHADOW.into(),
            attempts: ATTEMPTS.into(),
            key: KEY.into(),
        }
    }
}

impl Gate {
    /// Whether any password opens the account.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let shadow = std::fs::read_to_string(&self.shadow).unwrap_or_default();
        hash_of(&shadow, USER).is_some()
    }

    /// What changes whenever the password is changed or taken away, and tells nothing of it: a keyed
    /// digest (HMAC-SHA-256) of its hash, in hexadecimal digits. The key lives as long as this boot.
    ///
    /// # Errors
    /// The key cannot be read or kept.
    pub fn digest(&self) -> io::Result<String> {
        let shadow = std::fs::read_to_string(&self.shadow)?;
        let hash = hash_of(&shadow, USER).unwrap_or_default();
        digest::keyed(&digest::key(&self.key)?, hash)
    }

    /// Judges a name and a password that came from `peer`.
    #[must_use]
    pub fn ask(&self, user: &str, password: &str, peer: &str) -> Answer {
        let shadow = std::fs::read_to_string(&self.shadow).unwrap_or_default();
        let Some(hash) = hash_of(&shadow, USER) else {
            return Answer::NoPassword;
        };
        let peer: String = peer.chars().take(64).collect();
        match Attempts::begin(&self.attempts, &peer, now()) {
            Ok(None) => {}
            Ok(Some(wait)) => return Answer::Wait(wait),
            // Without a memory every attempt waits a little: better than a closed door.
            Err(_) => std::thread::sleep(Duration::from_secs(2)),
        }
        let known = user == USER && password.len() <= LONGEST_PASSWORD;
        let verdict = matches(if known { hash } else { NOBODY }, password);
        match (known, verdict) {
            (true, Some(true)) => {
                // What is left of it is forgotten in a quarter of an hour anyway.
                let _ = Attempts::forget(&self.attempts, &peer);
                Answer::Welcome
            }
            (true, None) => Answer::OtherHash,
            _ => Answer::Wrong,
        }
    }
}

/// The hash of an account in shadow(5); none where no password opens it.
fn hash_of<'a>(shadow: &'a str, user: &str) -> Option<&'a str> {
    let of_user = |line: &'a str| line.strip_prefix(user)?.strip_prefix(':');
    let hash = shadow.lines().find_map(of_user)?.split(':').next()?;
    hash.starts_with('$').then_some(hash)
}

/// Compares in constant time; none for hashes of other kinds.
fn matches(hash: &str, password: &str) -> Option<bool> {
    let password = password.as_bytes();
    match hash.split('$').nth(1)? {
        "y" => Some(Yescrypt::default().verify_password(password, hash).is_ok()),
        "5" | "6" => Some(ShaCrypt::default().verify_password(password, hash).is_ok()),
        _ => None,
    }
}

/// Seconds since the start of the machine: nobody sets this clock.
fn now() -> u64 {
    u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or_default()
}

/// Wrong attempts by peer.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Attempts(BTreeMap<String, Attempt>);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Attempt {
    wrong: u32,
    /// In seconds of [`now`].
    last: u64,
}

impl Attempts {
    /// Counts an attempt as wrong before it is looked at, so that many at once count as many;
    /// or says how long it has to wait. One that waits does not count.
    fn begin(path: &Path, peer: &str, now: u64) -> io::Result<Option<Duration>> {
        let mut wait = None;
        Self::change(path, |all| {
            let recent = |attempt: &Attempt| now.saturating_sub(attempt.last) < FORGOTTEN.as_secs();
            all.0.retain(|_, attempt| recent(attempt));
            let attempt = all.0.entry(peer.to_owned());
            let attempt = attempt.or_insert(Attempt {
                wrong: 0,
                last: now,
            });
            let until = attempt.last + delay(attempt.wrong).as_secs();
            if until > now {
                wait = Some(Duration::from_secs(until - now));
                return;
            }
            *attempt = Attempt {
                wrong: attempt.wrong.saturating_add(1),
                last: now,
            };
            all.bound();
        })?;
        Ok(wait)
    }

    fn forget(path: &Path, peer: &str) -> io::Result<()> {
        Self::change(path, |all| {
            all.0.remove(peer);
        })
    }

    fn bound(&mut self) {
        while self.0.len() > PEERS {
            let oldest = self.0.iter().min_by_key(|(_, attempt)| attempt.last);
            let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) else {
                return;
            };
            self.0.remove(&oldest);
        }
    }

    fn change(path: &Path, how: impl FnOnce(&mut Self)) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file: File = options.mode(0o600).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut all: Self = serde_json::from_str(&text).unwrap_or_default();
        how(&mut all);
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(serde_json::to_string(&all)?.as_bytes())
    }
}

/// The wait after so many wrong passwords: 2, 4, 8 … seconds after the fourth and later ones.
fn delay(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None | Some(0) => Duration::ZERO,
        Some(more) => LONGEST.min(Duration::from_secs(1 << more.min(20))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What crypt(3) of Debian made of "dix lamas".
    const HASHES: [&str; 4] = [
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$.nXTgE8mfMFsrqCIGaltCKfCKrMvhvqfe51rXEdhaj6",
        "$y$j9T$abcdefgh$I.A7i42nhECDyVzZrzDcyZ829Jno3C/YDNQEdf.oxfA",
        "$6$saltsalt$Z7BuatYono.PjOZwtmxoR.lLJxP.sbq/pgrbFym0AO.TcCl4gREb4NOUqxPwFp4KHfLmd1U99uCzDVdnvu7xS0",
        "$5$rounds=6000$saltsalt$6L8Ne0RvbU2xHDnSPlr9Cs53aXYWpEJhb5ewTYBzmg7",
    ];

    fn gate(dir: &Path, hash: &str) -> Gate {
        let shadow = dir.join("shadow");
        let text = format!("rootless:{}::::::\nroot:{hash}:::::::\n", HASHES[0]);
        std::fs::write(&shadow, text).unwrap();
        Gate {
            shadow,
            attempts: dir.join("attempts"),
            key: dir.join("key"),
        }
    }

    #[test]
    fn c64_the_digest_follows_the_password_and_holds_nothing_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = Vec::new();
        for hash in [HASHES[0], HASHES[1], "!*"] {
            let gate = gate(dir.path(), hash);
            let digest = gate.digest().unwrap();
            assert_eq!((digest.len(), gate.digest().unwrap()), (64, digest.clone()));
            assert!(!seen.contains(&digest), "{hash}");
            seen.push(digest);
        }
        // Of another boot nothing is recognised, nor where there was no time for the whole key.
        for lost in ["", "short"] {
            std::fs::write(dir.path().join("key"), lost).unwrap();
            let digest = gate(dir.path(), HASHES[0]).digest().unwrap();
            assert!(!seen.contains(&digest), "{lost}");
            seen.push(digest);
        }
        let nowhere = Gate {
            key: dir.path().join("none/key"),
            ..gate(dir.path(), HASHES[0])
        };
        assert!(nowhere.digest().is_err());
    }

    #[test]
    fn c64_what_debian_hashed_is_verified() {
        let dir = tempfile::tempdir().unwrap();
        for hash in HASHES {
            let gate = gate(dir.path(), hash);
            let long = "x".repeat(600);
            for (user, password, expected) in [
                ("root", "dix lamas", Answer::Welcome),
                ("root", "dix lama", Answer::Wrong),
                ("root", "", Answer::Wrong),
                ("root", &long, Answer::Wrong),
                ("rootless", "dix lamas", Answer::Wrong),
                ("", "dix lamas", Answer::Wrong),
            ] {
                let _ = std::fs::remove_file(&gate.attempts);
                let answer = gate.ask(user, password, "peer");
                assert_eq!(answer, expected, "{hash} {user} {password:.20}");
            }
        }
    }

    #[test]
    fn c64_without_a_password_nothing_opens_and_the_way_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for hash in ["", "*", "!*", "!", "x", &format!("!{}", HASHES[0])] {
            let gate = gate(dir.path(), hash);
            assert!(!gate.has_password());
            for password in ["", "*", "x", "dix lamas"] {
                assert_eq!(gate.ask("root", password, "peer"), Answer::NoPassword);
            }
        }
        let (_, english, french) = Answer::NoPassword.words();
        assert!(english.contains("passwd") && french.contains("passwd"));
        for other in [
            "$2b$05$abcdefghijklmnopqrstuuNsZBF69wK6s0Hz1AcD/NR/blAQLafYi",
            "$gy$j9T$F5Jx5fExrKuPp53xLKQ..1$1xbdL3QGgzz7SCiANxTdx8UiADXW1UznQPLGIHFwS2.",
        ] {
            let _ = std::fs::remove_file(dir.path().join("attempts"));
            let gate = gate(dir.path(), other);
            assert_eq!(gate.ask("root", "dix lamas", "peer"), Answer::OtherHash);
        }
        // Damaged hashes open nothing either.
        for damaged in [
            "$y$",
            "$y$j9T$",
            "$y$j9T$a$",
            "$y$j9T$F5Jx$",
            "$6$$",
            "$y$$$",
        ] {
            let _ = std::fs::remove_file(dir.path().join("attempts"));
            let gate = gate(dir.path(), damaged);
            assert_eq!(gate.ask("root", "", "peer"), Answer::Wrong, "{damaged}");
        }
    }

    #[test]
    fn c64_unknown_names_cost_what_known_ones_cost() {
        // Computed at the same cost and found different, not refused before.
        assert_eq!(NOBODY[..7], HASHES[0][..7]);
        let error = Yescrypt::default().verify_password(b"x", NOBODY);
        assert_eq!(format!("{:?}", error.unwrap_err()), "PasswordInvalid");
        assert_eq!(matches(NOBODY, "x"), Some(false));
    }

    #[test]
    fn c64_waits_grow_to_a_minute_and_are_by_peer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attempts");
        let begin = |peer: &str, now| Attempts::begin(&path, peer, now).unwrap();
        let mut now = 1000;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let wait = begin("mallory", now).map_or(0, |wait| wait.as_secs());
            if wait > 0 {
                // Asking again does not make it longer.
                assert_eq!(begin("mallory", now).unwrap().as_secs(), wait);
                assert_eq!(begin("mallory", now + wait - 1).unwrap().as_secs(), 1);
                now += wait;
                assert_eq!(begin("mallory", now), None);
            }
            waits.push(wait);
        }
        assert_eq!(waits, [0, 0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(begin("anne", now), None);
        // Forgotten after a quarter of an hour, and after the right password.
        let _ = begin("mallory", now + 60);
        assert_eq!(begin("mallory", now + 60 + 900), None);
        assert_eq!(begin("mallory", now + 60 + 900), None);
        for _ in 0..6 {
            let _ = begin("anne", now);
        }
        assert!(begin("anne", now).is_some());
        Attempts::forget(&path, "anne").unwrap();
        assert_eq!(begin("anne", now), None);
    }

    #[test]
    fn c64_the_memory_is_bounded_and_damage_opens_nothing_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attempts");
        for number in 0..PEERS as u64 + 50 {
            Attempts::begin(&path, &format!("peer {number}"), number / 100).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let all: Attempts = serde_json::from_str(&text).unwrap();
        assert_eq!(all.0.len(), PEERS);
        assert!(all.0.contains_key("peer 1049"));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Attempts::begin(&path, "anne", 5).unwrap(), None);
        // Many at once count as many.
        let gate = gate(dir.path(), HASHES[0]);
        let _ = std::fs::remove_file(&gate.attempts);
        let ask = || gate.ask("root", "wrong", "mallory");
        let waited = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            let answers = all.into_iter().map(|thread| thread.join().unwrap());
            answers.filter(|a| matches!(a, Answer::Wait(_))).count()
        });
        assert!(waited >= 3, "{waited}");
    }

    #[test]
    fn words_in_both_languages() {
        let (code, english, french) = Answer::Wait(Duration::from_secs(7)).words();
        assert_eq!(code, "wait");
        assert!(english.contains("8 s") && french.contains("8 s"));
    }
}
