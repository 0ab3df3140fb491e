//! Browsers that a user has logged in with: for that user each waits after wrong passwords of its own, and not
//! after those of others behind the same address. So whoever shares a network with the
//! administrator cannot keep them out by guessing without an end (OWASP calls it a device cookie).
//!
//! It is known for that user alone: who has an account must not get fresh browsers with it, to guess at
//! the passwords of others without a wait.
//!
//! The cookie opens nothing: without it, passwords are judged all the same. It is a number and its
//! HMAC, so nothing is kept of a browser; the key lies beside the certificate.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::session;

/// The cookie's name.
pub const COOKIE: &str = "__Host-vigie-known";
const FILE: &str = "known.key";
/// Bytes of the key.
const KEY: usize = 32;
/// Hexadecimal digits of a browser's number.
const DIGITS: usize = 16;
/// A browser is known for a year after its last log-in, in seconds.
const AGE: u32 = 365 * 86_400;

/// Makes and recognises the cookies.
pub struct Known([u8; KEY]);

impl Known {
    /// With the key in `folder`; without a folder to keep one, browsers are known until the service
    /// ends.
    ///
    /// # Errors
    /// The kernel gives no random numbers.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        if let Some(key) = fs::read(&path).ok().and_then(|kept| kept.try_into().ok()) {
            return Ok(Self(key));
        }
        let mut key = [0; KEY];
        getrandom::fill(&mut key)
            .ok()
            .context("no random numbers")?;
        if let Err(error) = keep(&path, &key) {
            eprintln!("vigie-web: {FILE} is not kept: {error}");
        }
        Ok(Self(key))
    }

    /// The number of a browser that `user` has logged in with, by its cookie.
    pub fn number<'a>(&self, cookie: &'a str, user: &str) -> Option<&'a str> {
        let (number, digest) = cookie.split_at_checked(DIGITS)?;
        session::same(&self.digest(number, user), digest).then_some(number)
    }

    /// What a browser is told to keep after a log-in of `user`: its number stays the same.
    ///
    /// # Errors
    /// The kernel gives no random numbers.
    pub fn set_cookie(&self, present: Option<&str>, user: &str) -> Result<String> {
        let fresh = session::token()?;
        let number = present.unwrap_or(&fresh[..DIGITS]);
        let value = format!("{number}{}", self.digest(number, user));
        let cookie = session::set_cookie(COOKIE, &value);
        Ok(format!("{cookie}; Max-Age={AGE}"))
    }

    /// The number has always the same length, so what follows it is the user.
    fn digest(&self, number: &str, user: &str) -> String {
        // A key of any length is one; without a digest nothing is recognised.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(number.as_bytes());
        mac.update(user.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

/// A write that breaks off leaves a file of another length: it is made again.
fn keep(path: &Path, key: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(cookie: &str) -> &str {
        cookie.split(['=', ';']).nth(1).expect("a value")
    }

    #[test]
    fn c64_only_our_own_cookies_are_known() {
        let dir = tempfile::tempdir().expect("folder");
        let known = Known::load(dir.path()).expect("made");
        let cookie = known.set_cookie(None, "anne").expect("made");
        let mine = value(&cookie);
        let number = known.number(mine, "anne").expect("known");
        let again = known.set_cookie(Some(number), "anne").expect("made");
        assert_eq!(value(&again), mine);
        assert_ne!(value(&known.set_cookie(None, "anne").expect("made")), mine);
        let changed = format!("0000000000000000{}", &mine[DIGITS..]);
        for other in [
            "",
            "x",
            number,
            &mine[1..],
            &mine[..mine.len() - 1],
            &changed,
        ] {
            assert_eq!(known.number(other, "anne"), None, "{other}");
        }
        // Not for somebody else.
        for user in ["vera", "ann", "anne ", ""] {
            assert_eq!(known.number(mine, user), None, "{user}");
        }
        // After a restart, and with another key.
        let restarted = Known::load(dir.path()).expect("read");
        assert_eq!(restarted.number(mine, "anne"), Some(number));
        fs::write(dir.path().join(FILE), [0; KEY - 1]).expect("damaged");
        let other = Known::load(dir.path()).expect("made again");
        assert_eq!(other.number(mine, "anne"), None);
        let nowhere = Known::load(&dir.path().join("none")).expect("not kept");
        assert_eq!(nowhere.number(mine, "anne"), None);
    }
}
