//! Users of the web interface, and who answers for the appliance.

use super::system::is_dns_label;
use super::{Invalid, plain_debug, text_value};

text_value!(
    /// The name of a user of the web interface: lower case, so that no two differ in capitals alone;
    /// never that of an account of the system.
    UserName,
    check_user
);
text_value!(
    /// The hash of a user's password, argon2id in the PHC form:
    /// `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`. Never printed by `Debug`.
    WebHash,
    check_web_hash
);
text_value!(
    /// One line of text: a name, a place, a telephone number.
    Line,
    check_line
);
text_value!(
    /// An address for mail.
    Email,
    check_email
);
plain_debug!(UserName, Line, Email);

impl std::fmt::Debug for WebHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Minutes without a request after which a session of the web interface ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct IdleMinutes(u32);

impl IdleMinutes {
    /// The shortest time.
    pub const LEAST: u32 = 1;
    /// The longest: a day.
    pub const MOST: u32 = 24 * 60;

    /// The number of minutes.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for IdleMinutes {
    fn default() -> Self {
        Self(30)
    }
}

impl TryFrom<u32> for IdleMinutes {
    type Error = Invalid;
    fn try_from(minutes: u32) -> Result<Self, Invalid> {
        if (Self::LEAST..=Self::MOST).contains(&minutes) {
            return Ok(Self(minutes));
        }
        let found = minutes.to_string();
        Err(Invalid::new(
            &found,
            "wrong.idle-minutes",
            "allowed.idle-minutes",
        ))
    }
}

impl From<IdleMinutes> for u32 {
    fn from(value: IdleMinutes) -> Self {
        value.0
    }
}

/// Accounts of the system: in the audit trail nobody shall be taken for them.
const TAKEN: [&str; 2] = ["root", "service"];

fn check_user(text: &str) -> Result<(), Invalid> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let ok = (1..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(plain)
        && !TAKEN.contains(&text);
    if ok {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.user-name", "allowed.user-name"))
}

/// In KiB: less is soon guessed (OWASP's least for argon2id), more than this does not fit beside
/// the web interface, which a document must not be able to stop.
const HASH_MEMORY: std::ops::RangeInclusive<u32> = 7168..=32_768;
const HASH_PASSES: std::ops::RangeInclusive<u32> = 1..=16;
const HASH_LANES: std::ops::RangeInclusive<u32> = 1..=4;

fn check_web_hash(text: &str) -> Result<(), Invalid> {
    let base64 = |text: &str, length: std::ops::RangeInclusive<usize>| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"+/".contains(&b);
        length.contains(&text.len()) && text.len() % 4 != 1 && text.bytes().all(plain)
    };
    let ok = text
        .strip_prefix("$argon2id$v=19$")
        .and_then(|rest| {
            let mut parts = rest.split('$');
            let cost = cost(parts.next()?)?;
            let salt = base64(parts.next()?, 11..=64);
            // 16 to 64 bytes.
            let hash = base64(parts.next()?, 22..=86);
            Some(cost && salt && hash && parts.next().is_none())
        })
        .unwrap_or_default();
    if ok {
        return Ok(());
    }
    // The text may be a clear password: it must not reach a message or a log.
    Err(Invalid::new(
        "(hidden)",
        "wrong.web-hash",
        "allowed.web-hash",
    ))
}

/// Whether `m=19456,t=2,p=1` is within bounds.
fn cost(text: &str) -> Option<bool> {
    let mut parts = text.split(',');
    let mut number = |name: &str| -> Option<u32> {
        let digits = parts.next()?.strip_prefix(name)?;
        let number: u32 = digits.parse().ok()?;
        // One spelling.
        (number.to_string() == digits).then_some(number)
    };
    let (memory, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
    let within = HASH_MEMORY.contains(&memory)
        && HASH_PASSES.contains(&passes)
        && HASH_LANES.contains(&lanes);
    Some(within && parts.next().is_none())
}

fn check_line(text: &str) -> Result<(), Invalid> {
    let count = text.chars().count();
    if (1..=200).contains(&count) && !text.contains(char::is_control) && text.trim() == text {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.line", "allowed.line"))
}

fn check_email(text: &str) -> Result<(), Invalid> {
    let local = |part: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
        (1..=64).contains(&part.len()) && part.bytes().all(plain)
    };
    let ok = text.len() <= 254
        && text
            .rsplit_once('@')
            .is_some_and(|(name, domain)| local(name) && domain.split('.').all(is_dns_label));
    if ok {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.email", "allowed.email"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn user_names() {
        for good in ["anna", "j.martin", "op-2", "a"] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        let long = "a".repeat(33);
        for bad in [
            "", "Anna", "1st", "a b", "é", "root", "service", "a\n", &long,
        ] {
            assert!(bad.parse::<UserName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn hashes_of_argon2id_alone_and_of_bounded_cost() {
        assert!(HASH.parse::<WebHash>().is_ok());
        assert_eq!(format!("{:?}", HASH.parse::<WebHash>()), "Ok((hidden))");
        for (from, to) in [
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("m=19456", "m=019456"),
            ("m=19456", "m=1024"),
            ("m=19456", "m=4194304"),
            ("t=2", "t=0"),
            ("t=2", "t=999999"),
            ("p=1", "p=64"),
            ("p=1", "p=1,x=1"),
            ("$c29t", "$"),
            ("$nf65", "$$nf65"),
            ("nf65EO", "nf65:EO"),
        ] {
            let bad = HASH.replace(from, to);
            let bad = if to == "$" {
                bad.replace("ZXNhbHRzb21lc2FsdA", "")
            } else {
                bad
            };
            let error = bad.parse::<WebHash>().expect_err(&bad).to_string();
            assert!(
                !error.contains("nf65EO") && !error.contains("c29t"),
                "{error}"
            );
        }
        for bad in [
            "",
            "secret",
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMf",
        ] {
            let error = bad.parse::<WebHash>().expect_err(bad).to_string();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }

    #[test]
    fn lines_addresses_and_minutes() {
        for (text, good) in [
            ("Musée d'Orsay", true),
            ("+33 1 23 45 67 89", true),
            ("", false),
            (" a", false),
            ("a\nb", false),
            ("a\u{1b}[2J", false),
        ] {
            assert_eq!(text.parse::<Line>().is_ok(), good, "{text:?}");
        }
        assert!("é".repeat(200).parse::<Line>().is_ok());
        assert!("é".repeat(201).parse::<Line>().is_err());
        for (text, good) in [
            ("anna@example.org", true),
            ("a.b+c@mail.example.org", true),
            ("", false),
            ("anna", false),
            ("@example.org", false),
            ("a@", false),
            ("a@b@c", false),
            ("a b@example.org", false),
            ("a@example.org\nBcc: x@y", false),
        ] {
            assert_eq!(text.parse::<Email>().is_ok(), good, "{text:?}");
        }
        for (minutes, good) in [(0, false), (1, true), (1440, true), (1441, false)] {
            assert_eq!(IdleMinutes::try_from(minutes).is_ok(), good, "{minutes}");
        }
    }
}
