//! Calendar dates from seconds since 1970, without leap seconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment as RFC 3339 writes it, in UTC: "2026-11-22T15:04:05Z".
pub fn utc(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let ((year, month, day), (hour, minute, second)) = civil(since.as_secs());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// (year, month, day) and (hour, minute, second) in UTC.
#[must_use]
pub fn civil(seconds: u64) -> ((u64, u64, u64), (u64, u64, u64)) {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 1 March of year 0, so that a leap day ends a year
    // (H. Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (
        (year, month, day),
        (rest / 3_600, rest / 60 % 60, rest % 60),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (seconds, expected) in [
            (0, ((1970, 1, 1), (0, 0, 0))),
            (951_782_400, ((2000, 2, 29), (0, 0, 0))),
            (1_709_251_199, ((2024, 2, 29), (23, 59, 59))),
            (4_102_444_800, ((2100, 1, 1), (0, 0, 0))),
        ] {
            assert_eq!(civil(seconds), expected);
        }
        let moment = UNIX_EPOCH + std::time::Duration::from_secs(1_709_251_199);
        assert_eq!(utc(moment), "2024-02-29T23:59:59Z");
    }
}
