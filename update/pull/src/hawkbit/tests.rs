use std::collections::BTreeSet;

use vigie_update::history::Outcome;
use vigie_update::machine::Machine;
use vigie_update::situation::{Fate, Situation};

use super::*;

fn base(text: &str) -> Base {
    serde_json::from_str(text).unwrap()
}

#[test]
fn pauses_are_read_as_they_are_written() {
    for (sleep, expected) in [
        ("00:05:00", Some(300)),
        ("12:30:05", Some(45_005)),
        ("00:00:00", Some(0)),
        ("5", None),
        ("00:60:00", None),
        ("-1:00:00", None),
        ("99999999999999999999:00:00", None),
        ("PT5M", None),
    ] {
        let text = format!("{{\"config\":{{\"polling\":{{\"sleep\":\"{sleep}\"}}}}}}");
        assert_eq!(base(&text).sleep(), expected, "{sleep}");
    }
    assert_eq!(base("{}").sleep(), None);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path());
    assert!(is_due(&store));
    for (ago, sleep, due) in [
        (0, 0, false),
        (29, 0, false),
        (31, 0, true),
        (86_000, u64::MAX, false),
        (86_401, u64::MAX, true),
    ] {
        let asked = now() - ago;
        store.note(POLL, &Poll { asked, sleep }).unwrap();
        assert_eq!(is_due(&store), due, "{ago} {sleep}");
    }
    // An open action is told of sooner.
    let mut action = Action {
        id: "8".into(),
        package: Some("a".into()),
        before: None,
        failed: BTreeSet::new(),
        told: None,
        answered: None,
    };
    let asked = now() - 301;
    store
        .note(
            POLL,
            &Poll {
                asked,
                sleep: 80_000,
            },
        )
        .unwrap();
    assert!(!is_due(&store));
    store.note(ACTION, &action).unwrap();
    assert!(is_due(&store));
    action.told = Some(Feedback::success("well"));
    store.note(ACTION, &action).unwrap();
    assert!(!is_due(&store));
    // A clock that was set back must not silence a machine.
    let asked = now() + 1_000_000;
    store.note(POLL, &Poll { asked, sleep: 30 }).unwrap();
    assert!(is_due(&store));
}

#[test]
fn c77_c78_c84_success_is_told_only_of_what_was_marked_good() {
    let action = Action {
        id: "8".into(),
        package: Some("a".into()),
        before: None,
        failed: BTreeSet::new(),
        told: None,
        answered: None,
    };
    let told = |outcomes: &[Outcome], again: &bool| {
        let situation = Situation {
            machine: Machine {
                product: "vigie".into(),
                arch: "amd64".into(),
                hardware: "any".into(),
                version: "1.2.0.0".parse().unwrap(),
                security_epoch: 1,
            },
            reached: "1.2.0.0".parse().unwrap(),
            reached_epoch: 1,
            waiting: None,
            licensed_major: u32::MAX,
            revoked: BTreeSet::new(),
            not_again: BTreeSet::new(),
            fates: outcomes
                .iter()
                .map(|outcome| Fate {
                    package: "a".into(),
                    time: 7,
                    outcome: *outcome,
                    reason: Some("why".into()),
                    reason_fr: None,
                    again: *again,
                })
                .collect(),
            exhausted: BTreeSet::new(),
            serial: None,
            busy: false,
        };
        let feedback = fate(&action, &situation)?;
        let json: serde_json::Value =
            serde_json::from_str(&feedback.json("8", "20140511T121314")).unwrap();
        let status = &json["status"];
        Some(format!(
            "{} {}: {}",
            status["execution"].as_str().unwrap(),
            status["result"]["finished"].as_str().unwrap(),
            status["details"][0].as_str().unwrap()
        ))
    };
    for (outcome, again, expected) in [
        (None, false, None),
        (
            Some(Outcome::Installed),
            false,
            Some("proceeding none: installed; it waits for a restart"),
        ),
        (
            Some(Outcome::Good),
            false,
            Some("closed success: it has come up well"),
        ),
        (
            Some(Outcome::Returned),
            false,
            Some("closed failure: it did not come up, the version before runs: why"),
        ),
        (
            Some(Outcome::Refused),
            false,
            Some("closed failure: refused: why"),
        ),
        // Whatever it was: a disk, the base of a delta, the unpacking.
        (
            Some(Outcome::Failed),
            false,
            Some("closed failure: it failed: why"),
        ),
        (
            Some(Outcome::Failed),
            true,
            Some("proceeding none: it could not be installed, which is tried again: why"),
        ),
        (
            Some(Outcome::Refused),
            true,
            Some("proceeding none: it could not be installed, which is tried again: why"),
        ),
        (
            Some(Outcome::Cancelled),
            false,
            Some("closed failure: a person took it back before it was started"),
        ),
    ] {
        let found = told(outcome.as_slice(), &again);
        assert_eq!(found.as_deref(), expected, "{outcome:?} {again}");
    }
}
