//! Versions: four numbers, compared as numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version, `x.y.z.w`. The first number is the major version.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Version(pub [u32; 4]);

impl Version {
    /// The first number: another one needs a licence.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.0[0]
    }
}

/// A word that is no version.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no version; a version is four numbers up to 4294967295, as 1.2.3.0")]
pub struct NoVersion(String);

impl NoVersion {
    /// The same in French.
    #[must_use]
    pub fn french(&self) -> String {
        format!(
            "« {} » n'est pas une version ; une version, ce sont quatre nombres jusqu'à 4294967295, \
             comme 1.2.3.0",
            self.0
        )
    }
}

impl FromStr for Version {
    type Err = NoVersion;

    /// Strict, so that one version has one spelling: no sign, no leading zero, no fifth part.
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let wrong = || NoVersion(text.chars().take(40).collect());
        let mut numbers = [0; 4];
        let mut parts = text.split('.');
        for number in &mut numbers {
            let part = parts.next().ok_or_else(wrong)?;
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || (part.len() > 1 && part.starts_with('0')) {
                return Err(wrong());
            }
            *number = part.parse().map_err(|_| wrong())?;
        }
        match parts.next() {
            None => Ok(Self(numbers)),
            Some(_) => Err(wrong()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x, y, z, w] = self.0;
        write!(f, "{x}.{y}.{z}.{w}")
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_strict() {
        for (text, good) in [
            ("0.1.0.0", true),
            ("1.2.3.4294967295", true),
            ("1.2.3.4294967296", false),
            ("1.2.3", false),
            ("1.2.3.4.5", false),
            ("01.2.3.4", false),
            ("1.2.3.00", false),
            ("1.2.3.-4", false),
            ("1.2.3.+4", false),
            ("1.2.3.4 ", false),
            ("1..3.4", false),
            ("", false),
            ("١.2.3.4", false),
        ] {
            let read = text.parse::<Version>();
            assert_eq!(read.is_ok(), good, "{text}");
            if let Ok(version) = read {
                assert_eq!(version.to_string(), text);
            }
        }
    }

    #[test]
    fn order_is_numeric() {
        let sorted = ["0.9.9.9", "1.9.0.0", "1.10.0.0", "1.10.0.1", "10.0.0.0"];
        for pair in sorted.windows(2) {
            let (low, high): (Version, Version) =
                (pair[0].parse().unwrap(), pair[1].parse().unwrap());
            assert!(low < high, "{low} {high}");
        }
    }
}
