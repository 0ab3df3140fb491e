//! The id of an array or of a member.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// Sixteen bytes, in the order in which they lie in a superblock.
///
/// Shown as mdadm does, `9cd5ba69:8ab5ee76:3a7e3b08:2d8b1f20`; read in that form
/// or in the usual one with dashes. Serialized as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The usual form, as `9cd5ba69-8ab5-ee76-3a7e-3b082d8b1f20` (udev's and blkid's).
    pub fn dashed(self) -> String {
        crate::ext4::uuid_text(&self.0)
    }
}

impl From<[u8; 16]> for Uuid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

#[cfg(feature = "table")]
impl From<Uuid> for uuid::Uuid {
    fn from(id: Uuid) -> Self {
        Self::from_bytes(id.0)
    }
}

#[cfg(feature = "table")]
impl From<uuid::Uuid> for Uuid {
    fn from(id: uuid::Uuid) -> Self {
        Self(id.into_bytes())
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 && index % 4 == 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for Uuid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Parse(format!("\"{text}\" is not the id of an array"));
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| !matches!(c, ':' | '-'))
            .map(|c| c.to_digit(16).map(|digit| digit as u8))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        match digits.len() {
            32 => bytes.try_into().map(Self).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let id = Uuid(std::array::from_fn(|at| at as u8 * 0x11));
        assert_eq!(id.to_string(), "00112233:44556677:8899aabb:ccddeeff");
        for text in [id.to_string(), id.dashed(), id.dashed().replace('-', "")] {
            assert_eq!(text.parse::<Uuid>().unwrap(), id, "{text}");
        }
        for text in ["", "00", "0011223g:44556677:8899aabb:ccddeeff", "é"] {
            assert!(text.parse::<Uuid>().is_err(), "{text:?}");
        }
        assert!("0".repeat(31).parse::<Uuid>().is_err());
        assert!("0".repeat(34).parse::<Uuid>().is_err());
    }
}
