//! Who is logged in: random tokens in memory, which end by themselves.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// A session that nobody used for so long is over.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// However much it is used.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// At most so many at once; the one that was not used for longest gives way.
const MOST: usize = 64;

/// The session's cookie. The prefix binds it to this host and to HTTPS.
pub const COOKIE: &str = "__Host-vigie";
/// The cookie that belongs to a log-in form.
pub const FORM_COOKIE: &str = "__Host-vigie-form";

/// One person who is logged in.
#[derive(Clone, Debug)]
pub struct Session {
    /// The account.
    pub user: String,
    /// What every change must bring along: another site does not know it.
    pub csrf: String,
    /// Of the password that it was begun with ([`crate::credential`]).
    pub digest: String,
    begun: Instant,
    used: Instant,
}

/// All who are logged in, by the SHA-256 of their token: a look-up tells nothing of a token.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

/// 256 random bits, in hexadecimal digits.
///
/// # Errors
/// The kernel gives none.
pub fn token() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .ok()
        .context("no random numbers")?;
    Ok(hex::encode(bytes))
}

/// Whether two tokens are the same, in constant time.
pub fn same(one: &str, other: &str) -> bool {
    !one.is_empty() && bool::from(one.as_bytes().ct_eq(other.as_bytes()))
}

/// The value of a cookie in a `Cookie` header.
pub fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(found, value)| (found == name).then_some(value))
}

/// A `Set-Cookie` that scripts cannot read and other sites cannot use; ends with the browser.
pub fn set_cookie(name: &str, value: &str) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict")
}

/// The same, taking it away.
pub fn drop_cookie(name: &str) -> String {
    set_cookie(name, "") + "; Max-Age=0"
}

impl Sessions {
    fn with<T>(&self, look: impl FnOnce(&mut HashMap<[u8; 32], Session>) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, session| session.used.elapsed() < IDLE && session.begun.elapsed() < LONGEST);
        look(&mut all)
    }

    /// Begins a session of a password with this digest; gives its token.
    ///
    /// # Errors
    /// No random numbers.
    pub fn begin(&self, user: &str, digest: &str) -> Result<String> {
        let (token, csrf, now) = (token()?, self::token()?, Instant::now());
        let session = Session {
            user: user.to_owned(),
            csrf,
            digest: digest.to_owned(),
            begun: now,
            used: now,
        };
        self.with(|all| {
            while all.len() >= MOST {
                let oldest = all.iter().min_by_key(|(_, session)| session.used);
                let Some(oldest) = oldest.map(|(key, _)| *key) else {
                    break;
                };
                all.remove(&oldest);
            }
            all.insert(key(&token), session);
        });
        Ok(token)
    }

    /// The session of a token; this counts as use.
    pub fn of(&self, token: &str) -> Option<Session> {
        self.with(|all| {
            let session = all.get_mut(&key(token))?;
            session.used = Instant::now();
            Some(session.clone())
        })
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        self.with(|all| all.remove(&key(token)));
    }
}

fn key(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn c64_sessions_end_by_themselves() {
        let sessions = Sessions::default();
        let token = sessions.begin("root", "d").expect("begun");
        assert_eq!(token.len(), 64);
        assert!(sessions.of(&token).is_some());
        for other in ["", "x", &token[..63], &token.to_uppercase()] {
            assert!(sessions.of(other).is_none(), "{other}");
        }
        // Used now and then, it lasts half a day and no longer.
        for _ in 0..25 {
            advance(Duration::from_secs(28 * 60)).await;
            assert!(sessions.of(&token).is_some());
        }
        advance(Duration::from_secs(28 * 60)).await;
        assert!(sessions.of(&token).is_none());
        let idle = sessions.begin("root", "d").expect("begun");
        advance(IDLE).await;
        assert!(sessions.of(&idle).is_none());
        let ended = sessions.begin("root", "d").expect("begun");
        sessions.end(&ended);
        assert!(sessions.of(&ended).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn c64_their_number_is_bounded() {
        let sessions = Sessions::default();
        let first = sessions.begin("root", "d").expect("begun");
        advance(Duration::from_secs(1)).await;
        for _ in 0..MOST {
            sessions.begin("root", "d").expect("begun");
        }
        assert!(sessions.of(&first).is_none());
        assert_eq!(sessions.with(|all| all.len()), MOST);
    }

    #[test]
    fn cookies() {
        let header = "a=b; __Host-vigie=abc ;__Host-vigie-form=d=e; c";
        for (name, expected) in [
            (COOKIE, Some("abc")),
            (FORM_COOKIE, Some("d=e")),
            ("vigie", None),
            ("c", None),
        ] {
            assert_eq!(cookie(header, name), expected, "{name}");
        }
        assert!(same("ab", "ab") && !same("ab", "ac") && !same("ab", "a") && !same("", ""));
    }
}
