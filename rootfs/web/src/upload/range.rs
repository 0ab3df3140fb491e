//! Which part of an upload a request brings: `Content-Range: bytes FIRST-LAST/TOTAL` and
//! `Content-Length` (RFC 9110, sections 14.4 and 8.6). Pure.

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

impl Part {
    /// The part that a request brings; without a range, all of it.
    ///
    /// # Errors
    /// In words: headers that are missing or contradict each other.
    pub fn of(range: Option<&str>, length: Option<&str>) -> Result<Self, &'static str> {
        let length = length.map(|text| number(text).ok_or("Content-Length is no number"));
        let Some(range) = range else {
            let total = length.ok_or("Content-Length is missing")??;
            return Self::checked(0, total, total);
        };
        let malformed = "Content-Range is not \"bytes FIRST-LAST/TOTAL\"";
        let numbers = range.strip_prefix("bytes ").and_then(|range| {
            let (range, total) = range.split_once('/')?;
            let (first, last) = range.split_once('-')?;
            Some((number(first)?, number(last)?, number(total)?))
        });
        let (first, last, total) = numbers.ok_or(malformed)?;
        let of_range = last
            .checked_sub(first)
            .and_then(|difference| difference.checked_add(1))
            .ok_or(malformed)?;
        match length {
            Some(length) if length? != of_range => {
                Err("Content-Length and Content-Range contradict each other")
            }
            _ => Self::checked(first, of_range, total),
        }
    }

    fn checked(first: u64, length: u64, total: u64) -> Result<Self, &'static str> {
        let end = first
            .checked_add(length)
            .filter(|end| *end <= total && length > 0);
        end.map(|_| Self {
            first,
            length,
            total,
        })
        .ok_or("the part is empty or reaches beyond the upload's end")
    }

    /// Where it ends.
    pub fn end(self) -> u64 {
        self.first + self.length
    }
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
