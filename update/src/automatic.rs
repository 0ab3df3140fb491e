//! What is installed without being asked for: a pure function of what lies there, what became of
//! earlier updates, and the time.
//!
//! Only packages that came by scp, from a server or from a fleet server; never from a stick, which
//! a passer-by can plug in, nor from the web page, where a person is about to decide. Never a
//! version again that came back, and never one package without end.

use crate::doors::found::{Found, State};
use crate::history::{self, Door, Record};

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

/// The next step. `tried` holds each package once for each attempt, `waiting` says whether a version is installed and not started, `in_window`
/// whether the settings let the machine restart now.
#[must_use]
pub fn next<'a>(
    found: &'a [Found],
    records: &[Record],
    tried: &[String],
    waiting: bool,
    in_window: bool,
) -> Step<'a> {
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
    match best(found, records, tried) {
        None => Step::Nothing,
        Some(_) if !in_window => Step::Later,
        Some(found) => Step::Apply(found),
    }
}

/// The highest version; of one version the changes to what runs rather than the whole.
fn best<'a>(found: &'a [Found], records: &[Record], tried: &[String]) -> Option<&'a Found> {
    let not_again = history::not_again(records);
    let wanted = |found: &&Found| {
        matches!(found.door, Door::Scp | Door::Https | Door::Fleet)
            && found.state == State::Ready
            && found
                .version
                .is_some_and(|version| !not_again.contains(&version))
            && attempts(found, tried) < ATTEMPTS
    };
    let rank = |found: &&Found| {
        let shorter = std::cmp::Reverse(found.size);
        (found.version, found.base.is_some(), shorter)
    };
    found.iter().filter(wanted).max_by_key(rank)
}

fn attempts(found: &Found, tried: &[String]) -> usize {
    let package = found.package.as_ref();
    tried.iter().filter(|one| Some(*one) == package).count()
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

    fn apply(found: &[Found], records: &[Record], tried: &[String]) -> String {
        match next(found, records, tried, false, true) {
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
            assert_eq!(next(&all, records, &[], waiting, in_window), expected);
        }
        assert_eq!(next(&[], &[], &[], false, false), Step::Nothing);
    }
}
