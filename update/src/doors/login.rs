//! Whether a password is root's: for the console's menu, which knows nobody.
//!
//! The hash is that of `/etc/shadow`, which follows from the settings. Each peer that was wrong waits longer and longer, up to a minute,
//! and never longer than that (`vigie-login`): nobody can lock the administrator out for good.

use std::path::PathBuf;
use std::time::Duration;

use vigie_login::hash;
use vigie_login::waits::{self, FREE, Waits, Who};

/// The account that updates are installed for at the console.
pub const USER: &str = "root";
/// The accounts' hashes.
pub const SHADOW: &str = "/etc/shadow";
/// Who was wrong how often, in memory: a restart forgets it.
pub const ATTEMPTS: &str = "/run/vigie/login-attempts";

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
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            shadow: SHADOW.into(),
            attempts: ATTEMPTS.into(),
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

    /// Judges a name and a password that came from `peer`.
    #[must_use]
    pub fn ask(&self, user: &str, password: &str, peer: &str) -> Answer {
        let shadow = std::fs::read_to_string(&self.shadow).unwrap_or_default();
        let Some(hash) = hash_of(&shadow, USER) else {
            return Answer::NoPassword;
        };
        let waits = Waits {
            path: self.attempts.clone(),
        };
        let peer = [Who::new(peer, FREE)];
        match waits.begin(&peer, waits::now()) {
            Ok(None) => {}
            Ok(Some(wait)) => return Answer::Wait(wait),
            // Without a memory every attempt waits a little: better than a closed door.
            Err(_) => std::thread::sleep(Duration::from_secs(2)),
        }
        let known = user == USER && password.len() <= hash::LONGEST;
        // An unknown name takes as long as a known one.
        let verdict = hash::matches(if known { hash } else { hash::NO_ACCOUNT }, password);
        match (known, verdict) {
            (true, Some(true)) => {
                // What is left of it is forgotten in a quarter of an hour anyway.
                let _ = waits.forget(&peer);
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

#[cfg(test)]
mod tests {
    use std::path::Path;

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
        }
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
    fn words_in_both_languages() {
        let (code, english, french) = Answer::Wait(Duration::from_secs(7)).words();
        assert_eq!(code, "wait");
        assert!(english.contains("8 s") && french.contains("8 s"));
    }
}
