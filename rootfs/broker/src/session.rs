//! Who is logged in: random tokens, kept as their SHA-256 in a file in memory that only root reads. They
//! end by themselves, with the password that they were begun with, and with the start of the machine.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vigie_login::kept::Kept;

use crate::peer::Peer;
use crate::secret::Secret;
use crate::users::{User, Users};

/// Where they are kept.
pub const SESSIONS: &str = "/run/vigie/broker-sessions";

/// However much it is used.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// At most so many at once; the one that was not used for longest gives way.
const MOST: usize = 64;
/// At most so many of one user, so that nobody pushes the others out.
const MOST_OF_ONE: usize = 8;

/// All who are logged in.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// [`SESSIONS`].
    pub path: PathBuf,
    /// A session that nobody used for so long is over.
    pub idle: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session {
    user: String,
    /// Who logged them in: root is not let in everywhere.
    by: Peer,
    /// [`User::credential`].
    credential: String,
    /// In seconds since the start of the machine.
    begun: u64,
    used: u64,
}

type All = BTreeMap<String, Session>;

impl Sessions {
    /// Begins a session; gives its token.
    ///
    /// # Errors
    /// No random numbers, or the file cannot be written.
    pub fn begin(&self, user: &User, by: Peer, now: u64) -> io::Result<Secret> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let token = Secret::new(hex::encode(bytes));
        let session = Session {
            user: user.name.clone(),
            by,
            credential: user.credential(),
            begun: now,
            used: now,
        };
        self.change(now, |all| {
            make_room(all, MOST_OF_ONE, |session| session.user == user.name);
            make_room(all, MOST, |_| true);
            all.insert(key(&token), session);
        })?;
        Ok(token)
    }

    /// Who a token is of, as they are now: without the user, with another password or after its time it
    /// is over. This counts as use.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(&self, token: &Secret, users: &dyn Users, now: u64) -> io::Result<Option<User>> {
        self.found(token, users, now, true)
    }

    /// The same of what a page asks by itself, with nobody there: it does not count as use.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn look(&self, token: &Secret, users: &dyn Users, now: u64) -> io::Result<Option<User>> {
        self.found(token, users, now, false)
    }

    fn found(
        &self,
        token: &Secret,
        users: &dyn Users,
        now: u64,
        is_use: bool,
    ) -> io::Result<Option<User>> {
        let key = key(token);
        let kept = Kept::lock(&self.path)?;
        let mut all = self.load(&kept, now)?;
        let Some(session) = all.get_mut(&key) else {
            return Ok(None);
        };
        if is_use {
            session.used = now;
        }
        let found = users
            .find(&session.user, session.by)
            .filter(|user| user.credential() == session.credential);
        if found.is_none() {
            all.remove(&key);
        }
        // Without room for when it was used it ends sooner, and is as good until then.
        let _ = kept.write(&serde_json::to_vec(&all)?);
        Ok(found)
    }

    /// The session goes on with a new password, which its own user has set.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn renew(&self, token: &Secret, user: &User, now: u64) -> io::Result<()> {
        self.change(now, |all| {
            let session = all.get_mut(&key(token));
            if let Some(session) = session.filter(|session| session.user == user.name) {
                session.credential = user.credential();
            }
        })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn end(&self, token: &Secret, now: u64) -> io::Result<()> {
        self.change(now, |all| drop(all.remove(&key(token))))
    }

    /// Ends all sessions of a user but `own`; how many there were.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn end_of(&self, user: &str, own: Option<&Secret>, now: u64) -> io::Result<usize> {
        let own = own.map(key);
        let mut ended = 0;
        self.change(now, |all| {
            let before = all.len();
            all.retain(|key, session| session.user != user || own.as_ref() == Some(key));
            ended = before - all.len();
        })?;
        Ok(ended)
    }

    fn change(&self, now: u64, how: impl FnOnce(&mut All)) -> io::Result<()> {
        let kept = Kept::lock(&self.path)?;
        let mut all = self.load(&kept, now)?;
        how(&mut all);
        kept.write(&serde_json::to_vec(&all)?)
    }

    fn load(&self, kept: &Kept<'_>, now: u64) -> io::Result<All> {
        // What is damaged logs nobody in.
        let mut all: All = serde_json::from_slice(&kept.read()?).unwrap_or_default();
        all.retain(|_, session| {
            now.saturating_sub(session.used) < self.idle.as_secs()
                && now.saturating_sub(session.begun) < LONGEST.as_secs()
        });
        Ok(all)
    }
}

/// Makes room for one more of those that are meant: the one that was not used for longest goes.
fn make_room(all: &mut All, most: usize, meant: impl Fn(&Session) -> bool) {
    let mut those: Vec<(u64, String)> = all
        .iter()
        .filter(|(_, session)| meant(session))
        .map(|(key, session)| (session.used, key.clone()))
        .collect();
    those.sort();
    let too_many = (those.len() + 1).saturating_sub(most);
    for (_, key) in &those[..too_many] {
        all.remove(key);
    }
}

fn key(token: &Secret) -> String {
    hex::encode(Sha256::digest(token.expose().as_bytes()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::verb::Role;

    pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);

    pub(crate) fn user(name: &str, role: Role) -> User {
        User {
            name: name.into(),
            role,
            language: None,
            // Of "dix lamas", by Debian's crypt(3).
            hash: "$5$rounds=6000$saltsalt$6L8Ne0RvbU2xHDnSPlr9Cs53aXYWpEJhb5ewTYBzmg7".into(),
        }
    }

    impl Users for Vec<User> {
        fn find(&self, name: &str, _: Peer) -> Option<User> {
            self.iter().find(|user| user.name == name).cloned()
        }
    }

    fn sessions(dir: &tempfile::TempDir) -> Sessions {
        let path = dir.path().join("sessions");
        Sessions { path, idle: IDLE }
    }

    #[test]
    fn they_end_by_themselves_and_by_order() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = sessions(&dir);
        let users = vec![user("anne", Role::Operator)];
        let is = |token: &Secret, now| sessions.of(token, &users, now).unwrap().is_some();
        let token = sessions.begin(&users[0], Peer::Web, 100).unwrap();
        assert_eq!(token.expose().len(), 64);
        for other in [
            "",
            "x",
            &token.expose()[..63],
            &token.expose().to_uppercase(),
        ] {
            assert!(!is(&Secret::new(other), 100), "{other}");
        }
        // Used now and then, it lasts half a day and no longer.
        let mut now = 100;
        for _ in 0..25 {
            now += 28 * 60;
            assert!(is(&token, now));
        }
        assert!(!is(&token, now + 28 * 60));
        let idle = sessions.begin(&users[0], Peer::Web, now).unwrap();
        assert!(!is(&idle, now + IDLE.as_secs()));
        let ended = sessions.begin(&users[0], Peer::Web, now).unwrap();
        sessions.end(&ended, now).unwrap();
        assert!(!is(&ended, now));
    }

    #[test]
    fn c64_all_sessions_of_somebody_end_at_once_but_for_the_one_that_asks() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = sessions(&dir);
        let users = vec![user("anne", Role::Viewer), user("vera", Role::Viewer)];
        let begin = |at: usize| sessions.begin(&users[at], Peer::Web, 1).unwrap();
        let is = |token: &Secret| sessions.of(token, &users, 1).unwrap().is_some();
        let (own, stolen, other) = (begin(0), begin(0), begin(1));
        assert_eq!(sessions.end_of("anne", Some(&own), 1).unwrap(), 1);
        assert!(is(&own) && !is(&stolen) && is(&other));
        assert_eq!(sessions.end_of("anne", Some(&other), 1).unwrap(), 1);
        assert!(!is(&own) && is(&other));
        assert_eq!(sessions.end_of("nobody", None, 1).unwrap(), 0);
    }

    #[test]
    fn c64_a_page_that_nobody_reads_does_not_keep_its_session() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = sessions(&dir);
        let users = vec![user("anne", Role::Viewer)];
        let token = sessions.begin(&users[0], Peer::Web, 0).unwrap();
        let looks = |now| sessions.look(&token, &users, now).unwrap().is_some();
        let idle = sessions.idle.as_secs();
        assert!((1..idle).step_by(30).all(looks));
        assert!(!looks(idle));
    }

    #[test]
    fn where_there_is_no_room_who_is_logged_in_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = sessions(&dir);
        let users = vec![user("anne", Role::Operator)];
        let token = sessions.begin(&users[0], Peer::Web, 1).unwrap();
        std::fs::create_dir(dir.path().join("sessions.new")).unwrap();
        assert!(sessions.of(&token, &users, 2).unwrap().is_some());
        assert!(sessions.begin(&users[0], Peer::Web, 2).is_err());
        assert!(sessions.of(&token, &users, 3).unwrap().is_some());
    }

    #[test]
    fn they_end_with_their_user_and_their_password_and_follow_the_role() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = sessions(&dir);
        let anne = user("anne", Role::Operator);
        let token = sessions.begin(&anne, Peer::Web, 1).unwrap();
        let lower = vec![user("anne", Role::Viewer)];
        let found = sessions.of(&token, &lower, 1).unwrap().unwrap();
        assert_eq!(found.role, Role::Viewer, "the role of now");
        let mut changed = anne.clone();
        changed.hash += "x";
        let other = sessions.begin(&anne, Peer::Web, 1).unwrap();
        // Her own session goes on where she has set it herself; the other one is over, for good.
        sessions.renew(&token, &changed, 1).unwrap();
        let now_ = vec![changed];
        assert!(sessions.of(&token, &now_, 1).unwrap().is_some());
        assert!(sessions.of(&other, &now_, 1).unwrap().is_none());
        assert!(sessions.of(&other, &vec![anne], 1).unwrap().is_none());
        assert!(sessions.of(&token, &Vec::new(), 1).unwrap().is_none());
    }

    #[test]
    fn their_number_is_bounded_and_the_file_holds_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = sessions(&dir);
        let names = (0..=MOST).map(|number| format!("user {number}"));
        let users: Vec<User> = names.map(|name| user(&name, Role::Operator)).collect();
        let is = |token: &Secret| sessions.of(token, &users, 3).unwrap().is_some();
        let tokens: Vec<Secret> = users
            .iter()
            .map(|user| sessions.begin(user, Peer::Web, 2).unwrap())
            .collect();
        assert_eq!(tokens.iter().filter(|token| is(token)).count(), MOST);
        // One who logs in again and again pushes out nobody but themselves.
        std::fs::write(&sessions.path, "").unwrap();
        let other = sessions.begin(&users[1], Peer::Web, 1).unwrap();
        let first = sessions.begin(&users[0], Peer::Web, 1).unwrap();
        let mut last = first.clone();
        for _ in 0..MOST {
            last = sessions.begin(&users[0], Peer::Web, 2).unwrap();
        }
        assert!(is(&other) && is(&last) && !is(&first));
        let text = std::fs::read_to_string(&sessions.path).unwrap();
        assert!(!text.contains(last.expose()) && !text.contains(&users[0].hash));
        let mode = std::fs::metadata(&sessions.path)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&sessions.path, &text[1..]).unwrap();
        assert!(sessions.of(&last, &users, 3).unwrap().is_none(), "damaged");
    }
}
