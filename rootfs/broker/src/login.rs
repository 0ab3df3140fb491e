//! Whether a name and a password log somebody in.
//!
//! Wrong ones make wait: by their source with the name, and by the source alone, where that has tried
//! many ([`counted`]). Never longer than a minute, and nobody for what others do: `vigie-login`.

use std::fs::{File, OpenOptions};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use vigie_login::hash;
use vigie_login::waits::{FREE, Waits, Who};

use crate::peer::Peer;
use crate::secret::Secret;
use crate::users::{User, Users};

/// Who was wrong how often, in memory.
pub const ATTEMPTS: &str = "/run/vigie/broker-attempts";

/// Wrong passwords of one source, whatever the names: an office behind one address has its typing errors.
const FREE_OF_SOURCE: u32 = 20;
/// The part of an IPv6 address that says in which network somebody is; the rest they choose themselves.
const PREFIX: u32 = 64;
/// The part that a provider gives a customer: they have 256 networks, and choose among those, too (RIPE-690, 4.2).
const SITE: u32 = 56;
/// Wrong passwords of all networks of a customer.
const FREE_OF_SITE: u32 = 60;

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

/// By what wrong passwords for a name are counted: first by what is forgotten when one was right.
///
/// A browser that the web interface knows waits for itself, and not for others behind its address. A name
/// is one of 256 buckets, whether anybody has it or not: whoever waits learns nothing of that, and names fill no
/// memory.
#[must_use]
pub fn counted(from: &str, browser: Option<&str>, name: &str) -> Vec<Who> {
    let source = match browser {
        Some(number) => format!("browser {number}"),
        None => source(from),
    };
    let bucket = Sha256::digest(name.as_bytes())[0];
    let mut all = vec![
        Who::new(&format!("{source} {bucket}"), FREE),
        Who::new(&source, FREE_OF_SOURCE),
    ];
    all.extend(browser.is_none().then(|| site(from)).flatten());
    all
}

/// The same for the code of the first setup.
#[must_use]
pub fn counted_code(from: &str) -> Vec<Who> {
    let own = Who::new(&format!("{} setup", source(from)), FREE);
    [own].into_iter().chain(site(from)).collect()
}

/// The same for the present password of who is logged in: nobody else can make them wait.
#[must_use]
pub fn counted_own(name: &str) -> Vec<Who> {
    vec![Who::new(&format!("own {name}"), FREE)]
}

/// Whether a browser's number is one.
#[must_use]
pub fn is_browser(number: &str) -> bool {
    (1..=32).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where somebody is: an address, of IPv6 the network that they chose it from.
fn source(from: &str) -> String {
    match from.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => network(address, PREFIX),
        _ => from.to_owned(),
    }
}

/// All networks of an IPv6 customer.
fn site(from: &str) -> Option<Who> {
    let address = from.parse::<Ipv6Addr>().ok()?;
    Some(Who::new(&network(address, SITE), FREE_OF_SITE))
}

fn network(address: Ipv6Addr, prefix: u32) -> String {
    let network = address.to_bits() & (u128::MAX << (128 - prefix));
    format!("{}/{prefix}", Ipv6Addr::from_bits(network))
}

/// Judges a name and a password of somebody who is [`counted`], and whom `by` logs in.
#[must_use]
pub fn judge(
    attempts: &Path,
    (users, by): (&dyn Users, Peer),
    (name, password): (&str, &Secret),
    counted: &[Who],
    now: u64,
) -> Answer {
    let user = users.find(name, by);
    let waits = Waits {
        path: attempts.to_owned(),
    };
    match waits.begin(counted, now) {
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
            // What is left of it is forgotten in a quarter of an hour anyway. Of the source only this one is
            // taken back: who has an account must not guess the others' for nothing.
            let (first, others) = counted.split_at(counted.len().min(1));
            let _ = waits.forget(first);
            let _ = waits.take_back(others, now);
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
        let counted = counted(from, None, who.0);
        match judge(at, (users, Peer::Web), (who.0, &password), &counted, now) {
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
        for number in 0..=FREE_OF_SOURCE * 2 {
            let name = ["anne", "jean"][number as usize % 2];
            let told = answer(&users, &at, (name, "dix lamas"), "192.0.2.7", 10);
            assert_eq!(told, format!("welcome {name}"), "{number}");
        }
    }

    fn names(counted: Vec<Who>) -> Vec<String> {
        counted.into_iter().map(|who| who.name).collect()
    }

    #[test]
    fn of_ipv6_the_network_is_counted_and_of_a_known_browser_itself_alone() {
        let of = |from| names(counted(from, None, "anne"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1")[1..], ["2001:db8::/64", "2001:db8::/56"]);
        assert_eq!(of("192.0.2.1").len(), 2);
        assert_eq!(of("console")[1], "console");
        let one = names(counted("192.0.2.1", Some("1a"), "anne"));
        assert!(one.iter().all(|name| name.starts_with("browser 1a")));
        for (number, good) in [
            ("1a", true),
            ("0123456789abcdef0123456789ABCDEF", true),
            ("0123456789abcdef0123456789ABCDEF0", false),
            ("", false),
            ("1a ", false),
            ("é", false),
        ] {
            assert_eq!(is_browser(number), good, "{number}");
        }
    }

    #[test]
    fn who_changes_the_network_of_an_ipv6_site_waits_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("attempts");
        let waits = Waits { path: at };
        let ask = |from: &str| waits.begin(&counted(from, None, "anne"), 10).unwrap();
        for number in 0..=FREE_OF_SITE {
            assert_eq!(ask(&format!("2001:db8:0:{number:x}::1")), None, "{number}");
        }
        assert!(ask("2001:db8:0:f0::1").is_some());
        assert_eq!(ask("2001:db8:0:100::1"), None, "another customer");
        assert!(
            waits
                .begin(&counted_code("2001:db8:0:f1::1"), 10)
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn waiting_does_not_tell_which_names_exist() {
        let dir = tempfile::tempdir().unwrap();
        let users = vec![user("anne", Role::Operator)];
        let ask = |name, now| {
            let at = dir.path().join(format!("attempts of {name}"));
            answer(&users, &at, (name, "x"), "192.0.2.7", now)
        };
        for now in 0..10 {
            assert_eq!(ask("anne", now), ask("nobody", now), "{now}");
        }
        // Nor does what was tried before with names that nobody has.
        let at = dir.path().join("attempts");
        let tried = |name| answer(&users, &at, (name, "x"), "192.0.2.7", 10);
        for name in ["a", "b", "c", "d", "e", "anne", "nobody"] {
            assert_eq!(tried(name), "wrong", "{name}");
        }
    }

    #[test]
    fn a_known_browser_does_not_wait_for_who_guesses_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("attempts");
        let users = vec![user("anne", Role::Administrator)];
        for number in 0..30 {
            answer(&users, &at, ("anne", "x"), "192.0.2.7", 10 + number);
        }
        let ask = |browser, password| {
            let counted = counted("192.0.2.7", browser, "anne");
            judge(
                &at,
                (&users, Peer::Web),
                ("anne", &Secret::new(password)),
                &counted,
                40,
            )
        };
        assert!(matches!(ask(None, "dix lamas"), Answer::Wait(_)));
        assert!(matches!(ask(Some("1a"), "dix lamas"), Answer::Welcome(_)));
        for _ in 0..4 {
            assert!(matches!(ask(Some("1a"), "x"), Answer::Wrong));
        }
        assert!(matches!(ask(Some("1a"), "dix lamas"), Answer::Wait(_)));
        assert!(matches!(ask(Some("1b"), "dix lamas"), Answer::Welcome(_)));
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
