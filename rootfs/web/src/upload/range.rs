//! Which part of an upload a request brings: `Content-Range: bytes FIRST-LAST/TOTAL` and
//! `Content-Length` (RFC 9110, sections 14.4 and 8.6); `bytes */TOTAL` brings none. Pure.

use crate::failure::Failure;

/// A part of an upload, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins.
    pub first: u64,
    /// Its length.
    pub length: u64,
    /// Length of the whole upload.
    pub total: u64,
}

/// What a request to go on with an upload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It brings a part.
    Part(Part),
    /// All is here already: it is to be checked.
    Finish {
        /// Length of the whole upload in bytes.
        total: u64,
    },
}

impl Asked {
    /// What a request's headers say.
    ///
    /// # Errors
    /// Headers that are missing or contradict each other.
    pub fn of(range: Option<&str>, length: Option<&str>) -> Result<Self, Failure> {
        let Some(total) = range.and_then(|range| range.strip_prefix("bytes */")) else {
            return Part::of(range, length).map(Self::Part);
        };
        match (number(total), length) {
            (Some(total), None | Some("0")) => Ok(Self::Finish { total }),
            (Some(_), Some(_)) => Err(contradiction()),
            (None, _) => Err(malformed()),
        }
    }
}

impl Part {
    /// The part that a request brings; without a range, all of it.
    ///
    /// # Errors
    /// Headers that are missing or contradict each other.
    pub fn of(range: Option<&str>, length: Option<&str>) -> Result<Self, Failure> {
        let length = length
            .map(|text| number(text).ok_or_else(no_length))
            .transpose()?;
        let Some(range) = range else {
            let total = length.ok_or_else(no_length)?;
            return Self::checked(0, total, total);
        };
        let numbers = range.strip_prefix("bytes ").and_then(|range| {
            let (range, total) = range.split_once('/')?;
            let (first, last) = range.split_once('-')?;
            Some((number(first)?, number(last)?, number(total)?))
        });
        let (first, last, total) = numbers.ok_or_else(malformed)?;
        let of_range = last
            .checked_sub(first)
            .and_then(|difference| difference.checked_add(1))
            .ok_or_else(malformed)?;
        match length {
            Some(length) if length != of_range => Err(contradiction()),
            _ => Self::checked(first, of_range, total),
        }
    }

    fn checked(first: u64, length: u64, total: u64) -> Result<Self, Failure> {
        let end = first
            .checked_add(length)
            .filter(|end| *end <= total && length > 0);
        end.map(|_| Self {
            first,
            length,
            total,
        })
        .ok_or_else(|| {
            Failure::new(
                "the part is empty or reaches beyond the upload's end",
                "la partie est vide ou dépasse la fin de l’envoi",
            )
        })
    }

    /// Where it ends.
    pub fn end(self) -> u64 {
        self.first + self.length
    }
}

fn no_length() -> Failure {
    Failure::new(
        "Content-Length is missing or no number",
        "Content-Length manque ou n’est pas un nombre",
    )
}

fn malformed() -> Failure {
    Failure::new(
        "Content-Range is neither \"bytes FIRST-LAST/TOTAL\" nor \"bytes */TOTAL\"",
        "Content-Range n’est ni « bytes PREMIER-DERNIER/TOTAL » ni « bytes */TOTAL »",
    )
}

fn contradiction() -> Failure {
    Failure::new(
        "Content-Length and Content-Range contradict each other",
        "Content-Length et Content-Range se contredisent",
    )
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    #[test]
    fn c13_c14_c63_headers() {
        let part = |first, length, total| {
            Some(Part {
                first,
                length,
                total,
            })
        };
        for (range, length, expected) in [
            (None, Some("10"), part(0, 10, 10)),
            (
                None,
                Some("8589934593"),
                part(0, (8 << 30) + 1, (8 << 30) + 1),
            ),
            (Some("bytes 0-9/10"), Some("10"), part(0, 10, 10)),
            (Some("bytes 5-9/10"), None, part(5, 5, 10)),
            (
                Some("bytes 4294967295-4294967295/4294967296"),
                Some("1"),
                part(u32::MAX.into(), 1, 1 << 32),
            ),
            (None, None, None),
            (None, Some("0"), None),
            (None, Some("-1"), None),
            (None, Some("18446744073709551616"), None),
            (Some("bytes 5-9/10"), Some("4"), None),
            (Some("bytes 5-10/10"), Some("6"), None),
            (Some("bytes 9-5/10"), None, None),
            (Some("bytes 5-9/*"), None, None),
            (Some("bytes */10"), None, None),
            (Some("bytes +5-9/10"), None, None),
            (Some("5-9/10"), None, None),
            (
                Some("bytes 0-18446744073709551615/18446744073709551615"),
                None,
                None,
            ),
            (Some(""), Some("10"), None),
        ] {
            assert_eq!(
                Part::of(range, length).ok(),
                expected,
                "{range:?} {length:?}"
            );
        }
    }

    #[test]
    fn c63_what_has_come_is_to_be_checked() {
        for (range, length, expected) in [
            ("bytes */10", None, Some(10)),
            ("bytes */10", Some("0"), Some(10)),
            ("bytes */8589934593", Some("0"), Some((8 << 30) + 1)),
            ("bytes */10", Some("1"), None),
            ("bytes */10", Some("x"), None),
            ("bytes */-1", None, None),
            ("bytes */*", None, None),
            ("bytes */", None, None),
        ] {
            let expected = expected.map(|total| Asked::Finish { total });
            assert_eq!(Asked::of(Some(range), length).ok(), expected, "{range}");
        }
        let part = Asked::of(Some("bytes 5-9/10"), None);
        assert!(matches!(part, Ok(Asked::Part(Part { first: 5, .. }))));
        let why = Asked::of(Some("bytes */x"), None).expect_err("malformed");
        assert!(why.text(Language::En).contains("is neither"));
        assert!(why.text(Language::Fr).contains("n’est ni"));
    }
}
