//! What is installed without being asked for: a pure function of what lies there, what became of
//! earlier updates, and the time.
//!
//! Only packages that came by scp, from a server or, where it consents, from a fleet server; never
//! from a stick, which a passer-by can plug in, nor from the web page, where a person is about to
//! decide. Never a version again that came back, and never one package without end.

use std::collections::BTreeSet;

use vigie_settings::Window;

use crate::doors::found::{Found, State};
use crate::history::{self, Door, Outcome, Record};

/// Who is told to have asked.
pub const WHO: &str = "automatic";
/// How often a package is tried.
const ATTEMPTS: usize = 3;

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing.
    Nothing,
    /// Something, when it is time.
    Later,
    /// This package is to be installed.
    Apply(&'a Found),
    /// What was installed is to be started.
    Restart,
}

/// How it stands when the next step is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// Each package once for each attempt.
    pub tried: &'a [String],
    /// A version is installed and not started.
    pub waiting: bool,
    /// A person asked for the other slot, and has not restarted yet.
    pub going_back: bool,
    /// The settings let the machine restart now ([`is_time`]).
    pub in_window: bool,
    /// The settings name a plain server: what came from one that they do not name any more is left.
    pub plain_server: bool,
    /// The package, by the SHA-256 of its signed header, that a fleet server lets be installed now.
    pub consent: Option<&'a str>,
}

/// Whether the settings let the machine restart. `minute` is the local time, since midnight. By a
/// clock that is not set nobody knows what time of day it is: a time of day is waited for then.
#[must_use]
pub fn is_time(window: Option<&Window>, minute: u16, clock_is_set: bool) -> bool {
    window.is_none_or(|window| clock_is_set && window.contains(minute))
}

/// The next step.
#[must_use]
pub fn next<'a>(found: &'a [Found], records: &[Record], now: Now<'_>) -> Step<'a> {
    let Now {
        waiting, in_window, ..
    } = now;
    if now.going_back {
        return Step::Nothing;
    }
    if waiting {
        // What a person installed, a person starts.
        let open = history::open_installation(records);
        let ours = open.is_some_and(|record| record.who.as_deref() == Some(WHO));
        return match (ours, in_window) {
            (true, true) => Step::Restart,
            (true, false) => Step::Later,
            (false, _) => Step::Nothing,
        };
    }
    match best(found, records, now) {
        None => Step::Nothing,
        Some(_) if !in_window => Step::Later,
        Some(found) => Step::Apply(found),
    }
}

/// The highest version; of one version the changes to what runs rather than the whole.
fn best<'a>(found: &'a [Found], records: &[Record], now: Now<'_>) -> Option<&'a Found> {
    let consent = now.consent;
    let not_again = history::not_again(records);
    let may = |found: &Found| match found.door {
        Door::Scp => true,
        Door::Https => now.plain_server,
        Door::Fleet => consent.is_some() && found.package.as_deref() == consent,
        _ => false,
    };
    let wanted = |found: &&Found| {
        may(found)
            && found.state == State::Ready
            && found
                .version
                .is_some_and(|version| !not_again.contains(&version))
            && attempts(found.package.as_ref(), now.tried) < ATTEMPTS
    };
    let rank = |found: &&Found| {
        let shorter = std::cmp::Reverse(found.size);
        (found.version, found.base.is_some(), shorter)
    };
    found.iter().filter(wanted).max_by_key(rank)
}

fn attempts(package: Option<&String>, tried: &[String]) -> usize {
    tried.iter().filter(|one| Some(*one) == package).count()
}

/// The packages that are not tried again without being asked for, whatever became of them.
#[must_use]
pub fn exhausted(tried: &[String]) -> BTreeSet<String> {
    let often = |package: &&String| attempts(Some(*package), tried) >= ATTEMPTS;
    tried.iter().filter(often).cloned().collect()
}

fn has_failed(record: &Record) -> bool {
    matches!(record.outcome, Outcome::Refused | Outcome::Failed)
}

/// Whether a package that failed by this record is tried again, where packages are installed
/// without being asked for.
#[must_use]
pub fn is_tried_again(record: &Record, tried: &[String]) -> bool {
    has_failed(record) && attempts(record.package.as_ref(), tried) < ATTEMPTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Outcome;
    use crate::version::Version;

    fn version(number: u32) -> Version {
        Version([number, 0, 0, 0])
    }

    fn found(door: Door, number: u32, base: bool) -> Found {
        Found {
            id: format!("{door:?} {number} {base}"),
            door,
            name: "a-upd.tgz".into(),
            state: State::Ready,
            size: if base { 10 } else { 100 },
            length: Some(100),
            package: Some(format!("{number} {base}")),
            version: Some(version(number)),
            base: base.then(|| version(1)),
            spent: false,
            reason: None,
            reason_fr: None,
        }
    }

    fn record(outcome: Outcome, number: u32, who: &str) -> Record {
        Record {
            to: Some(version(number)),
            who: Some(who.to_owned()),
            package: Some(format!("{number} false")),
            ..Record::now(outcome, version(1))
        }
    }

    const IN_WINDOW: Now<'_> = Now {
        tried: &[],
        waiting: false,
        going_back: false,
        in_window: true,
        plain_server: true,
        consent: Some("3 false"),
    };

    fn apply(found: &[Found], records: &[Record], tried: &[String]) -> String {
        match next(found, records, Now { tried, ..IN_WINDOW }) {
            Step::Apply(found) => found.id.clone(),
            Step::Nothing => "-".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn c55_the_best_of_the_folders_for_it_and_never_a_stick() {
        let arriving = Found {
            state: State::Arriving,
            ..found(Door::Scp, 9, false)
        };
        let refused = Found {
            state: State::Refused,
            ..found(Door::Https, 9, false)
        };
        for (all, expected) in [
            (vec![], "-"),
            (
                vec![found(Door::Usb, 9, false), found(Door::Web, 9, false)],
                "-",
            ),
            (
                vec![arriving, refused, found(Door::Scp, 2, false)],
                "Scp 2 false",
            ),
            (
                vec![found(Door::Scp, 2, false), found(Door::Https, 3, false)],
                "Https 3 false",
            ),
            (
                vec![found(Door::Fleet, 3, false), found(Door::Https, 2, true)],
                "Fleet 3 false",
            ),
            (
                vec![found(Door::Scp, 3, false), found(Door::Https, 3, true)],
                "Https 3 true",
            ),
        ] {
            assert_eq!(apply(&all, &[], &[]), expected);
        }
    }

    #[test]
    fn c54_c84_what_came_back_is_not_installed_again() {
        use Outcome::{Cancelled, Good, Installed, Returned};
        let all = [found(Door::Https, 3, false), found(Door::Scp, 2, false)];
        let tried = |outcomes: &[Outcome], who: &str| -> Vec<Record> {
            outcomes.iter().map(|o| record(*o, 3, who)).collect()
        };
        for (records, expected) in [
            (tried(&[Installed, Returned], WHO), "Scp 2 false"),
            (tried(&[Installed, Returned], "root"), "Scp 2 false"),
            (tried(&[Installed, Cancelled], WHO), "Scp 2 false"),
            (
                tried(&[Installed, Returned, Installed, Good], WHO),
                "Https 3 false",
            ),
        ] {
            assert_eq!(apply(&all, &records, &[]), expected, "{records:?}");
        }
    }

    /// A disk that fails, or a damaged body: whatever the history has to say of it.
    #[test]
    fn c84_nothing_is_tried_without_end() {
        let all = [found(Door::Https, 3, false), found(Door::Scp, 2, false)];
        let (three, two) = ("3 false", "2 false");
        for (tried, expected) in [
            (&[][..], "Https 3 false"),
            (&[three, three], "Https 3 false"),
            (&[three, two, three, three], "Scp 2 false"),
            (&[three, three, three, two, two, two], "-"),
        ] {
            let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
            assert_eq!(apply(&all, &[], &tried), expected, "{tried:?}");
            // What is passed over here is not fetched either, so that another takes its place.
            assert_eq!(
                exhausted(&tried).contains(three),
                expected != "Https 3 false"
            );
        }
    }

    #[test]
    fn nothing_changes_outside_of_the_window() {
        let all = [found(Door::Scp, 2, false)];
        let ours = [record(Outcome::Installed, 2, WHO)];
        let theirs = [record(Outcome::Installed, 2, "root")];
        for (records, waiting, in_window, expected) in [
            (&[][..], false, false, Step::Later),
            (&[], false, true, Step::Apply(&all[0])),
            (&ours, true, false, Step::Later),
            (&ours, true, true, Step::Restart),
            (&theirs, true, true, Step::Nothing),
            (&theirs, true, false, Step::Nothing),
        ] {
            let now = Now {
                waiting,
                in_window,
                consent: None,
                ..IN_WINDOW
            };
            assert_eq!(next(&all, records, now), expected);
        }
        let outside = Now {
            in_window: false,
            ..IN_WINDOW
        };
        assert_eq!(next(&[], &[], outside), Step::Nothing);
    }

    #[test]
    fn what_a_person_has_decided_is_not_overruled() {
        let all = [found(Door::Https, 3, false)];
        let going_back = Now {
            going_back: true,
            ..IN_WINDOW
        };
        assert_eq!(next(&all, &[], going_back), Step::Nothing);
        let switched_off = Now {
            plain_server: false,
            ..IN_WINDOW
        };
        assert_eq!(next(&all, &[], switched_off), Step::Nothing);
        assert_eq!(next(&all, &[], IN_WINDOW), Step::Apply(&all[0]));
    }

    #[test]
    fn a_fleet_server_is_asked_for_its_consent() {
        let all = [found(Door::Fleet, 3, false), found(Door::Scp, 2, false)];
        for (consent, expected) in [
            (Some("3 false"), &all[0]),
            (Some("2 false"), &all[1]),
            (Some("4 false"), &all[1]),
            (None, &all[1]),
        ] {
            let now = Now {
                consent,
                ..IN_WINDOW
            };
            assert_eq!(next(&all, &[], now), Step::Apply(expected), "{consent:?}");
        }
        let nameless = [Found {
            package: None,
            ..found(Door::Fleet, 3, false)
        }];
        let now = Now {
            consent: None,
            ..IN_WINDOW
        };
        assert_eq!(next(&nameless, &[], now), Step::Nothing);
    }

    /// Local times, as a window of the settings has them.
    fn minute(time: &str) -> u16 {
        let (hours, minutes) = time.split_once(':').unwrap();
        hours.parse::<u16>().unwrap() * 60 + minutes.parse::<u16>().unwrap()
    }

    #[test]
    fn a_time_of_day_is_waited_for_and_a_clock_that_is_not_set_has_none() {
        for (window, time, clock_is_set, expected) in [
            (None, "12:00", true, true),
            (None, "00:00", false, true),
            (Some("02:00-04:00"), "01:59", true, false),
            (Some("02:00-04:00"), "02:00", true, true),
            (Some("02:00-04:00"), "03:59", true, true),
            (Some("02:00-04:00"), "04:00", true, false),
            (Some("02:00-04:00"), "03:00", false, false),
            // Across midnight.
            (Some("23:30-01:00"), "23:29", true, false),
            (Some("23:30-01:00"), "23:30", true, true),
            (Some("23:30-01:00"), "23:59", true, true),
            (Some("23:30-01:00"), "00:00", true, true),
            (Some("23:30-01:00"), "00:59", true, true),
            (Some("23:30-01:00"), "01:00", true, false),
            (Some("23:30-01:00"), "12:00", true, false),
            (Some("23:30-01:00"), "00:00", false, false),
            // All of the day but a part of the night.
            (Some("05:00-04:00"), "04:30", true, false),
            (Some("05:00-04:00"), "00:00", true, true),
        ] {
            let window: Option<Window> = window.map(|text| text.parse().unwrap());
            let found = is_time(window.as_ref(), minute(time), clock_is_set);
            assert_eq!(found, expected, "{window:?} {time} {clock_is_set}");
        }
    }

    /// One night: what the timer finds at each time, and what is done.
    #[test]
    fn a_window_begins_and_ends_while_something_goes_on() {
        let window: Window = "23:30-01:00".parse().unwrap();
        let arriving = |number| Found {
            state: State::Arriving,
            ..found(Door::Https, number, false)
        };
        let ready = |number| found(Door::Https, number, false);
        let ours = [record(Outcome::Installed, 2, WHO)];
        for (time, found, records, waiting, expected) in [
            // It begins while a package is fetched; another that is there does not wait for it.
            ("23:30", vec![arriving(3)], &[][..], false, "nothing"),
            ("23:45", vec![arriving(3), ready(2)], &[], false, "apply 2"),
            // The package is complete within the window, and after midnight.
            ("00:15", vec![ready(3)], &[], false, "apply 3"),
            // It is complete too late: the next night.
            ("01:00", vec![ready(3)], &[], false, "later"),
            ("12:00", vec![ready(3)], &[], false, "later"),
            ("23:30", vec![ready(3)], &[], false, "apply 3"),
            // It was written when the window ended: not restarted in the middle of the day.
            ("00:59", vec![ready(2)], &ours, true, "restart"),
            ("01:00", vec![ready(2)], &ours, true, "later"),
            ("23:30", vec![ready(2)], &ours, true, "restart"),
        ] {
            let now = Now {
                waiting,
                in_window: is_time(Some(&window), minute(time), true),
                consent: None,
                ..IN_WINDOW
            };
            let done = match next(&found, records, now) {
                Step::Nothing => "nothing".to_owned(),
                Step::Later => "later".to_owned(),
                Step::Restart => "restart".to_owned(),
                Step::Apply(found) => format!("apply {}", found.version.unwrap().0[0]),
            };
            assert_eq!(done, expected, "{time}");
        }
    }
}
