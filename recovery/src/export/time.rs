//! Times that a person writes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::message::Message;
use crate::refusal::Refusal;

/// A moment: `2026-11-22T15:04:05Z`, or without zone in that of the appliance (`2026-11-22T15:04`,
/// `2026-11-22`).
///
/// # Errors
/// [`Refusal::NoTime`].
pub fn moment(word: &str, zone: &TimeZone) -> Result<SystemTime, Refusal> {
    let local = || {
        let time: DateTime = word.parse().ok()?;
        Some(zone.to_timestamp(time).ok()?.as_second())
    };
    let seconds = match word.parse::<Timestamp>() {
        Ok(time) => Some(time.as_second()),
        Err(_) => local(),
    };
    let since = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let since = since.ok_or_else(|| Refusal::NoTime(word.chars().take(40).collect()))?;
    Ok(UNIX_EPOCH + Duration::from_secs(since))
}

/// That times are taken as UTC: the appliance's zone is not known, or not here.
#[must_use]
pub fn without_zone(zone: Option<&str>) -> Message {
    match zone {
        Some(zone) => Message::new("export.no-zone").with("zone", zone),
        None => Message::new("export.no-settings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_appliance() {
        let paris = TimeZone::fixed(jiff::tz::offset(1));
        for (word, seconds) in [
            ("2026-11-22T15:04:05Z", Some(1_795_359_845)),
            ("2026-11-22T16:04:05", Some(1_795_359_845)),
            ("2026-11-22T16:04", Some(1_795_359_840)),
            ("2026-11-22 16:04", Some(1_795_359_840)),
            ("2026-11-22", Some(1_795_302_000)),
            ("2026-13-01", None),
            ("yesterday", None),
            ("", None),
        ] {
            let found = moment(word, &paris).ok();
            let found = found.map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs());
            assert_eq!(found, seconds, "{word}");
        }
    }
}
