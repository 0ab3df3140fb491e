//! Sizes and addresses on a disk, one type each, so that they cannot be mixed up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// A number of bytes: a size, or an offset from the start of a device.
///
/// Written by people as `50GB` (10⁹), `1.5TB`, `512MiB` (2²⁰), `4096` or `4096B`;
/// serialized as a plain number, read from a number or such a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);
    /// 2²⁰ bytes, the alignment of everything we place.
    pub const MIB: Self = Self::mib(1);

    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many KiB (2¹⁰).
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// So many MiB (2²⁰).
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// So many GiB (2³⁰).
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// So many TiB (2⁴⁰).
    pub const fn tib(n: u64) -> Self {
        Self(n << 40)
    }

    /// So many GB (10⁹), as disks are sold.
    pub const fn gb(n: u64) -> Self {
        Self(n * 1_000_000_000)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As a person writes it, and exactly: `4GB`, `2TiB`.
    pub fn as_written(self) -> String {
        const UNITS: [(u64, &str); 8] = [
            (1 << 40, "TiB"),
            (1_000_000_000_000, "TB"),
            (1 << 30, "GiB"),
            (1_000_000_000, "GB"),
            (1 << 20, "MiB"),
            (1_000_000, "MB"),
            (1 << 10, "KiB"),
            (1_000, "kB"),
        ];
        let fits = |(unit, _): &&(u64, &str)| self.0 >= *unit && self.0.is_multiple_of(*unit);
        match UNITS.iter().find(fits) {
            Some((unit, name)) => format!("{}{name}", self.0 / unit),
            None => format!("{}B", self.0),
        }
    }

    /// The largest multiple of `unit` that is not above this.
    pub const fn align_down(self, unit: Self) -> Self {
        Self(self.0 - self.0 % unit.0)
    }

    /// The smallest multiple of `unit` that is not below this.
    pub const fn align_up(self, unit: Self) -> Self {
        Self(self.0.div_ceil(unit.0) * unit.0)
    }

    /// The difference, or zero where it would be negative.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Bytes {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::ops::Mul<u64> for Bytes {
    type Output = Self;
    fn mul(self, n: u64) -> Self {
        Self(self.0 * n)
    }
}

impl std::ops::Div<u64> for Bytes {
    type Output = Self;
    fn div(self, n: u64) -> Self {
        Self(self.0 / n)
    }
}

impl std::ops::AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl std::iter::Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        Self(items.map(|b| b.0).sum())
    }
}

impl fmt::Display for Bytes {
    /// As disks are labelled: decimal units, one digit behind the point where it tells something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [
            (1_000_000_000_000, "TB"),
            (1_000_000_000, "GB"),
            (1_000_000, "MB"),
            (1_000, "kB"),
        ];
        let Some((unit, name)) = UNITS.iter().find(|(unit, _)| self.0 >= *unit) else {
            return write!(f, "{} B", self.0);
        };
        let tenths = (u128::from(self.0) * 10 / u128::from(*unit)) as u64;
        match tenths % 10 {
            0 => write!(f, "{} {name}", tenths / 10),
            tenth => write!(f, "{}.{tenth} {name}", tenths / 10),
        }
    }
}

impl FromStr for Bytes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::Parse(format!(
                "\"{text}\" is not a size; write a number with a unit, as 50GB, 2TB, 512MiB or 4096B"
            ))
        };
        let text_trimmed = text.trim();
        let digits = text_trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text_trimmed.len());
        let (number, unit) = text_trimmed.split_at(digits);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(wrong()),
        };
        times(number, factor).map(Self).ok_or_else(wrong)
    }
}

/// A number as `2` or `2.1`, so many times; what is less than a byte is dropped.
fn times(number: &str, factor: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let ten = 10_u64.checked_pow(decimals.len().try_into().ok()?)?;
    // A point among single bytes is a slip.
    if factor == 1 && number.contains('.') {
        return None;
    }
    let part = u128::from(decimals.parse::<u64>().ok()?) * u128::from(factor) / u128::from(ten);
    let whole: u64 = whole.parse().ok()?;
    whole
        .checked_mul(factor)?
        .checked_add(part.try_into().ok()?)
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, as \"50GB\" or a number of bytes")
            }
            fn visit_u64<E>(self, n: u64) -> Result<Bytes, E> {
                Ok(Bytes(n))
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Bytes, E> {
                u64::try_from(n)
                    .map(Bytes)
                    .map_err(|_| E::custom("a size cannot be negative"))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Bytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A size: \"50GB\" (powers of 1000), \"512MiB\" (powers of 1024), or a number of bytes.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^([0-9]+ ?[bB]?|[0-9]+(\\.[0-9]+)? ?[kKmMgGtT][iI]?[bB])$" },
            ],
        })
    }
}

/// The logical sector size of a disk: 512 or 4096 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
pub enum SectorSize {
    /// 512 bytes.
    S512,
    /// 4096 bytes ("4Kn").
    S4096,
}

impl SectorSize {
    /// The size in bytes.
    pub const fn bytes(self) -> Bytes {
        Bytes(self.get())
    }

    /// The size as a number of bytes.
    pub const fn get(self) -> u64 {
        match self {
            Self::S512 => 512,
            Self::S4096 => 4096,
        }
    }
}

impl From<SectorSize> for u64 {
    fn from(size: SectorSize) -> u64 {
        size.get()
    }
}

impl TryFrom<u64> for SectorSize {
    type Error = Error;

    fn try_from(bytes: u64) -> Result<Self, Error> {
        match bytes {
            512 => Ok(Self::S512),
            4096 => Ok(Self::S4096),
            other => Err(Error::Parse(format!(
                "a disk with sectors of {other} bytes; only 512 and 4096 are supported"
            ))),
        }
    }
}

/// The address of a sector, counted from the start of its disk.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Lba(pub u64);

impl Lba {
    /// The sector that starts at this byte, or none where none does.
    pub fn of(offset: Bytes, sector: SectorSize) -> Option<Self> {
        offset
            .0
            .is_multiple_of(sector.get())
            .then(|| Self(offset.0 / sector.get()))
    }

    /// The sector's first byte.
    pub const fn offset(self, sector: SectorSize) -> Bytes {
        Bytes(self.0 * sector.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("4096B", Some(4096)),
            ("50GB", Some(50_000_000_000)),
            ("2 TB", Some(2_000_000_000_000)),
            (" 512MiB ", Some(512 << 20)),
            ("1tib", Some(1 << 40)),
            ("", None),
            ("GB", None),
            ("-1GB", None),
            ("1.5GB", Some(1_500_000_000)),
            ("2.1 TB", Some(2_100_000_000_000)),
            ("0.3KiB", Some(307)),
            ("1.5", None),
            ("1.5B", None),
            ("1.GB", None),
            (".5GB", None),
            ("1.2.3GB", None),
            ("1.00000000000000000000GB", None),
            ("10PB", None),
            ("99999999999999999999", None),
            ("18446744073709551615TB", None),
        ] {
            assert_eq!(
                text.parse::<Bytes>().ok().map(Bytes::get),
                bytes,
                "{text:?}"
            );
        }
    }

    #[test]
    fn sizes_are_shown() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 kB"),
            (8_000_000_000, "8 GB"),
            (8_589_934_592, "8.5 GB"),
            (20_000_588_955_648, "20 TB"),
            (u64::MAX, "18446744 TB"),
        ] {
            let shown = Bytes::new(bytes).to_string();
            assert!(shown == text || bytes == u64::MAX, "{bytes}: {shown}");
        }
    }

    #[test]
    fn alignment() {
        for (bytes, down, up) in [
            (0, 0, 0),
            (1, 0, 1 << 20),
            ((1 << 20) + 1, 1 << 20, 2 << 20),
        ] {
            assert_eq!(Bytes(bytes).align_down(Bytes::MIB), Bytes(down));
            assert_eq!(Bytes(bytes).align_up(Bytes::MIB), Bytes(up));
        }
    }
}
