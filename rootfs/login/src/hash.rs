//! Password hashes: those of Debian's accounts and those of the web interface's.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use sha_crypt::ShaCrypt;
use yescrypt::{Mode, PasswordHasher as _, PasswordVerifier as _, Yescrypt};

/// Longest password in bytes, as crypt(3) has it.
pub const LONGEST: usize = 511;

/// A hash that nothing opens, at the cost of Debian's accounts.
pub const NO_ACCOUNT: &str =
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$00000000000000000000000000000000000000000000";
/// A hash that nothing opens, at the cost of [`for_user`].
pub const NO_USER: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                           AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// KiB of memory that verifying may take: a hash that was put in by others must not take it all. Four times
/// that of Debian's accounts; the settings take less.
const MOST_MEMORY: u32 = 64 << 10;
/// Rounds of SHA-crypt: Debian's accounts have 5000, other programs give up to 656,000. The kind of hash
/// takes a thousand million, which is minutes, for everybody who waits behind it.
const MOST_ROUNDS: u32 = 1_000_000;

/// Whether a password is the one of a hash, compared in constant time; none for hashes of kinds that
/// this cannot compute.
#[must_use]
pub fn matches(hash: &str, password: &str) -> Option<bool> {
    if password.len() > LONGEST {
        return Some(false);
    }
    let bytes = password.as_bytes();
    match hash.split('$').nth(1)? {
        "y" => Some(yescrypt_is_bearable(hash) && yescrypt(hash, bytes)),
        "5" | "6" => Some(sha_is_bearable(hash) && sha(hash, bytes)),
        "argon2id" => Some(argon2id(hash, bytes)),
        _ => None,
    }
}

fn yescrypt(hash: &str, password: &[u8]) -> bool {
    Yescrypt::default().verify_password(password, hash).is_ok()
}

/// Time goes with memory, unless the hash says otherwise; crypt(3) never makes one that does.
fn yescrypt_is_bearable(hash: &str) -> bool {
    let Some(Ok(params)) = hash.split('$').nth(2).map(str::parse::<yescrypt::Params>) else {
        return false;
    };
    let (n, r, p) = (params.n(), params.r(), params.p());
    let kib = n.saturating_mul(u64::from(r)) / 8;
    let plain = yescrypt::Params::new(Mode::default(), n, r, p);
    plain.is_ok_and(|plain| plain == params) && p == 1 && kib <= u64::from(MOST_MEMORY)
}

fn sha(hash: &str, password: &[u8]) -> bool {
    ShaCrypt::default().verify_password(password, hash).is_ok()
}

fn sha_is_bearable(hash: &str) -> bool {
    let rounds = hash.split('$').nth(2);
    let rounds = rounds.and_then(|field| field.strip_prefix("rounds="));
    let within = |rounds: &str| {
        rounds
            .parse()
            .is_ok_and(|rounds: u32| rounds <= MOST_ROUNDS)
    };
    rounds.is_none_or(within)
}

fn argon2id(hash: &str, password: &[u8]) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else {
        return false;
    };
    let Ok(params) = Params::try_from(&parsed) else {
        return false;
    };
    let bearable = params.m_cost() <= MOST_MEMORY && params.t_cost() <= 16 && params.p_cost() <= 4;
    bearable && argon2().verify_password(password, &parsed).is_ok()
}

/// At OWASP's cost: 19 MiB, two passes.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// The hash of a password for an account of the system: yescrypt at Debian's cost.
///
/// # Errors
/// In words: it is too long, or there are no random numbers.
pub fn for_account(password: &str) -> Result<String, String> {
    bounded(password)?;
    let hash = Yescrypt::default().hash_password(password.as_bytes());
    let hash = hash.map_err(|error| format!("hashing the password: {error}"))?;
    Ok(hash.as_str().to_owned())
}

/// The hash of a password for a user of the web interface: argon2id.
///
/// # Errors
/// In words: it is too long, or there are no random numbers.
pub fn for_user(password: &str) -> Result<String, String> {
    bounded(password)?;
    let failed = |error: &dyn std::fmt::Display| format!("hashing the password: {error}");
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| failed(&error))?;
    let salt = SaltString::encode_b64(&bytes).map_err(|error| failed(&error))?;
    let hash = argon2().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| failed(&error))?.to_string())
}

fn bounded(password: &str) -> Result<(), String> {
    match password.len() <= LONGEST {
        true => Ok(()),
        false => Err(format!("the password is longer than {LONGEST} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_verified_and_salted() {
        for (make, kind) in [
            (for_account as fn(&str) -> Result<String, String>, "$y$j9T$"),
            (for_user, "$argon2id$v=19$m=19456,t=2,p=1$"),
        ] {
            let (one, two) = (make("dix lamas").unwrap(), make("dix lamas").unwrap());
            assert!(one.starts_with(kind), "{one}");
            assert_ne!(one, two);
            assert_eq!(matches(&one, "dix lamas"), Some(true));
            for wrong in ["dix lama", "", "dix lamas "] {
                assert_eq!(matches(&one, wrong), Some(false), "{wrong}");
            }
            let long = "x".repeat(LONGEST + 1);
            assert!(make(&long).is_err());
            assert_eq!(matches(&one, &long), Some(false));
        }
    }

    #[test]
    fn c64_unknown_names_cost_what_known_ones_cost() {
        // Computed at the same cost and found different, not refused before.
        assert!(for_account("x").unwrap().starts_with(&NO_ACCOUNT[..7]));
        assert!(for_user("x").unwrap().starts_with(&NO_USER[..31]));
        let error = Yescrypt::default().verify_password(b"x", NO_ACCOUNT);
        assert_eq!(format!("{:?}", error.unwrap_err()), "PasswordInvalid");
        let parsed = PasswordHash::new(NO_USER).unwrap();
        let error = argon2().verify_password(b"x", &parsed).unwrap_err();
        assert_eq!(error, argon2::password_hash::Error::Password);
        assert_eq!(matches(NO_ACCOUNT, "x"), Some(false));
        assert_eq!(matches(NO_USER, "x"), Some(false));
    }

    #[test]
    fn debian_and_others_make_no_hash_that_is_too_costly() {
        for (hash, bearable) in [
            ("$y$j9T$salt$hash", true),
            ("$y$jBT$salt$hash", true),
            ("$y$jCT$salt$hash", false),
            ("$y$jFT$salt$hash", false),
            ("$y$j95$salt$hash", true),
            // More threads, more time for the same memory.
            ("$y$j9T/.$salt$hash", false),
            ("$y$j9T0.$salt$hash", false),
            ("$y$$salt$hash", false),
            ("$y$", false),
        ] {
            assert_eq!(yescrypt_is_bearable(hash), bearable, "{hash}");
        }
        for (hash, bearable) in [
            ("$6$salt$hash", true),
            ("$5$rounds=6000$salt$hash", true),
            ("$6$rounds=656000$salt$hash", true),
            ("$6$rounds=1000001$salt$hash", false),
            ("$5$rounds=999999999$salt$hash", false),
            ("$6$rounds=99999999999$salt$hash", false),
            ("$6$rounds=$salt$hash", false),
        ] {
            assert_eq!(sha_is_bearable(hash), bearable, "{hash}");
        }
    }

    #[test]
    fn a_damaged_or_costly_hash_opens_nothing() {
        let begun = std::time::Instant::now();
        for hash in [
            "$6$rounds=999999999$saltsalt$6L8Ne0RvbU2xHDnSPlr9Cs53aXYWpEJhb5ewTYBzmg7",
            "$5$rounds=999999999$saltsalt$6L8Ne0RvbU2xHDnSPlr9Cs53aXYWpEJhb5ewTYBzmg7",
            "$y$jJT$F5Jx5fExrKuPp53xLKQ..1$00000000000000000000000000000000000000000000",
            "$argon2id$v=19$m=65537,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$",
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$",
            "$argon2id$v=19$m=4294967295,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=4000000,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
            "$y$",
            "$6$$",
        ] {
            for password in ["", "x"] {
                assert_eq!(matches(hash, password), Some(false), "{hash}");
            }
        }
        assert!(begun.elapsed().as_secs() < 20, "they were computed");
        for other in [
            "",
            "x",
            "!",
            "$2b$05$abc",
            "$argon2i$v=19$m=8,t=1,p=1$a$b",
            "$gy$j9T$a$b",
        ] {
            assert_eq!(matches(other, "x"), None, "{other}");
        }
    }
}
