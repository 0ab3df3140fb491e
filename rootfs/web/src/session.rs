//! Who is logged in: random tokens in memory, which end by themselves.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::broker::User;

/// However much it is used, a session is over after that.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// At most so many at once; the one that was not used for longest gives way.
const MOST: usize = 64;
/// At most so many of one user, as with the broker: whoever logs in again and again pushes nobody else out.
const MOST_OF_ONE: usize = 8;

/// The session's cookie. The prefix binds it to this host and to HTTPS.
pub const COOKIE: &str = "__Host-vigie";
/// The cookie that belongs to a log-in form.
pub const FORM_COOKIE: &str = "__Host-vigie-form";

/// Pages may be read for so long before the broker is asked again whose session this is; a change
/// always asks.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// One person who is logged in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who, as the broker said last.
    pub user: User,
    /// Of their session with the broker; it never leaves this machine.
    pub token: String,
    /// What every change must bring along: another site does not know it.
    pub csrf: String,
    begun: Instant,
    used: Instant,
    /// When the broker said so; none where that is doubted.
    told: Option<Instant>,
}

impl Session {
    /// Whether what the broker said last is good enough for reading.
    pub fn is_fresh(&self) -> bool {
        self.told.is_some_and(|told| told.elapsed() < KEPT_FOR)
    }

    fn is_over(&self) -> bool {
        let idle = Duration::from_secs(self.user.idle_minutes.saturating_mul(60));
        self.used.elapsed() >= idle || self.begun.elapsed() >= LONGEST
    }
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
        all.retain(|_, session| !session.is_over());
        look(&mut all)
    }

    /// Begins a session of one with the broker; gives the token of ours.
    ///
    /// # Errors
    /// No random numbers.
    pub fn begin(&self, user: User, of_broker: String) -> Result<String> {
        let (token, csrf, now) = (token()?, self::token()?, Instant::now());
        let session = Session {
            user,
            token: of_broker,
            csrf,
            begun: now,
            used: now,
            told: Some(now),
        };
        self.with(|all| {
            make_room(all, MOST_OF_ONE, |other| {
                other.user.name == session.user.name
            });
            make_room(all, MOST, |_| true);
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

    /// The same for what a page asks by itself: it does not count as use.
    pub fn look(&self, token: &str) -> Option<Session> {
        self.with(|all| all.get(&key(token)).cloned())
    }

    /// Notes who the broker says that a session is of.
    pub fn renew(&self, token: &str, user: &User) {
        self.with(|all| {
            if let Some(session) = all.get_mut(&key(token)) {
                session.user = user.clone();
                session.told = Some(Instant::now());
            }
        });
    }

    /// Where one was over, others may be, too: each is asked for before it is believed again.
    pub fn doubt(&self) {
        self.with(|all| all.values_mut().for_each(|session| session.told = None));
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        self.with(|all| all.remove(&key(token)));
    }
}

/// Makes room for one more of those that are meant: the one that was not used for longest goes.
fn make_room(all: &mut HashMap<[u8; 32], Session>, most: usize, meant: impl Fn(&Session) -> bool) {
    let mut those: Vec<_> = all
        .iter()
        .filter(|(_, session)| meant(session))
        .map(|(key, session)| (session.used, *key))
        .collect();
    those.sort_unstable();
    let too_many = (those.len() + 1).saturating_sub(most);
    for (_, key) in those.iter().take(too_many) {
        all.remove(key);
    }
}

fn key(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::broker::Role;

    fn user() -> User {
        User {
            name: "anne".into(),
            role: Role::Viewer,
            language: None,
            idle_minutes: 30,
        }
    }

    fn begin(sessions: &Sessions) -> String {
        sessions.begin(user(), "t".into()).expect("begun")
    }

    #[tokio::test(start_paused = true)]
    async fn c64_sessions_end_by_themselves() {
        let sessions = Sessions::default();
        let token = begin(&sessions);
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
        let idle = begin(&sessions);
        advance(Duration::from_secs(30 * 60)).await;
        assert!(sessions.of(&idle).is_none());
        // What the settings say counts from when the broker tells it.
        let short = begin(&sessions);
        sessions.renew(
            &short,
            &User {
                idle_minutes: 1,
                ..user()
            },
        );
        advance(Duration::from_secs(59)).await;
        assert!(sessions.of(&short).is_some());
        advance(Duration::from_secs(60)).await;
        assert!(sessions.of(&short).is_none());
        // A page that renews itself is no use of it.
        let left = begin(&sessions);
        for _ in 0..59 {
            advance(Duration::from_secs(30)).await;
            assert!(sessions.look(&left).is_some());
        }
        advance(Duration::from_secs(30)).await;
        assert!(sessions.look(&left).is_none());
        let ended = begin(&sessions);
        sessions.end(&ended);
        assert!(sessions.of(&ended).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn c64_their_number_is_bounded() {
        let sessions = Sessions::default();
        let of = |name: &str| {
            let name = name.to_owned();
            let begun = sessions.begin(User { name, ..user() }, "t".into());
            begun.expect("begun")
        };
        let first = of("olga");
        advance(Duration::from_secs(1)).await;
        let mine = begin(&sessions);
        advance(Duration::from_secs(1)).await;
        // Who logs in again and again pushes out themselves.
        for _ in 0..MOST {
            begin(&sessions);
        }
        assert!(sessions.of(&mine).is_none() && sessions.of(&first).is_some());
        assert_eq!(sessions.with(|all| all.len()), MOST_OF_ONE + 1);
        for number in 0..MOST {
            advance(Duration::from_secs(1)).await;
            of(&format!("user-{number}"));
        }
        assert!(sessions.of(&first).is_none());
        assert_eq!(sessions.with(|all| all.len()), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn c64_what_the_broker_said_is_good_for_five_seconds() {
        let sessions = Sessions::default();
        let token = begin(&sessions);
        let fresh = || sessions.of(&token).map(|session| session.is_fresh());
        assert_eq!(fresh(), Some(true));
        advance(KEPT_FOR).await;
        assert_eq!(fresh(), Some(false));
        let role = Role::Administrator;
        sessions.renew(&token, &User { role, ..user() });
        assert_eq!(fresh(), Some(true));
        assert_eq!(sessions.of(&token).map(|s| s.user.role), Some(role));
        sessions.doubt();
        assert_eq!(fresh(), Some(false));
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
