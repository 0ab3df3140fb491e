//! Who saved a generation, and when: a line in front of its document.

use std::time::{SystemTime, UNIX_EPOCH};

/// How the line begins. Software of all later forms reads it, so it stays as it is.
const SAVED: &str = "#= saved ";
/// Longest name of who saved it.
const WHO: usize = 64;
/// Generations have smaller numbers: the names of their files stay short.
pub(crate) const NUMBERS: u32 = 1_000_000_000;

/// Who saved a generation, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Its number; each generation has a higher one than those before.
    pub number: u32,
    /// In seconds since 1970 by the appliance's clock.
    pub at: u64,
    /// A user's name, or what the software was doing.
    pub who: String,
}

/// The time by the appliance's clock, in seconds since 1970.
#[must_use]
pub fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

impl Stamp {
    pub(crate) fn now(number: u32, who: &str) -> Self {
        Self {
            number,
            at: seconds_now(),
            who: plain(who),
        }
    }

    /// Reads the line; only comments in front of a document can be one.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut comments = text.lines().take_while(|line| line.starts_with('#'));
        let line = comments.find_map(|line| line.strip_prefix(SAVED))?;
        let (number, rest) = line.split_once(" at ")?;
        let (at, who) = rest.split_once(" by ")?;
        let number = number.parse().ok().filter(|number| *number < NUMBERS)?;
        Some(Self {
            number,
            at: at.parse().ok()?,
            who: plain(who),
        })
    }

    /// A document's text with the line.
    pub(crate) fn put(&self, text: &str) -> String {
        format!(
            "{SAVED}{} at {} by {}\n{text}",
            self.number, self.at, self.who
        )
    }

    /// The time as `2026-11-30T11:32:20Z`.
    #[must_use]
    pub fn time(&self) -> String {
        utc(self.at)
    }
}

/// A name that stays in its line.
fn plain(who: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    who.chars().take(WHO).map(shown).collect()
}

/// Seconds since 1970 as a date and a time in UTC: `2026-11-30T11:32:20Z`.
#[must_use]
pub fn utc(seconds: u64) -> String {
    // Years up to 9999: what a broken clock says beyond is shown as that.
    let seconds = seconds.min(253_402_300_799);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, in eras of 400 years (Hinnant, "chrono-compatible low-level date algorithms").
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!(
        "{:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z",
        era * 400 + year + later,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_reads_back_and_nothing_else_does() {
        let stamp = Stamp {
            number: 12,
            at: 1_764_500_000,
            who: "anna by web at 3".to_owned(),
        };
        let text = stamp.put("# x\nversion = 3\n");
        assert_eq!(Stamp::of(&text), Some(stamp.clone()));
        assert_eq!(Stamp::of(&format!("#= from 2 a as b\n{text}")), Some(stamp));
        for none in [
            "",
            "#= saved",
            "#= saved x at 1 by y",
            "#= saved 1 at -1 by y",
            "#= saved 1000000000 at 1 by y",
            "version = 3\n#= saved 1 at 1 by y",
        ] {
            assert_eq!(Stamp::of(none), None, "{none}");
        }
        let odd = Stamp::now(1, &format!("a\nversion = 9{}", "x".repeat(100)));
        assert!(!odd.who.contains('\n') && odd.who.chars().count() == WHO);
    }

    #[test]
    fn times() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_764_500_000, "2025-11-30T10:53:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }
}
