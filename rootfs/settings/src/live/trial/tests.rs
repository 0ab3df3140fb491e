//! The table of wishes, and trials with a system that writes down what it is asked.

use super::*;
use crate::live::tests::{Recorder, document, started};
use crate::{SaveError, Taken};

const MINUTE: u64 = SECONDS * 1000;
const OLD: &str = "[network.enterprise]\naddress = \"10.0.0.2/24\"\n";
const NEW: &str = "[network.enterprise]\naddress = \"10.0.0.3/24\"\n";
const NETWORKD: &str = "etc/systemd/network/20-vigie-enterprise.network";

fn of(phase: Phase) -> Trial {
    Trial {
        until: MINUTE,
        who: "anna".to_owned(),
        phase,
        old: document(OLD),
        new: document(NEW),
    }
}

#[test]
fn every_wish_in_every_state() {
    use Wish::{Confirm, PutInForce, Revert, TakeBack};
    let (yes, no) = (Ok(true), Ok(false));
    let (none, not_yet, over) = (Err(Unfit::None), Err(Unfit::NotYet), Err(Unfit::Over));
    let wishes = [PutInForce, Confirm, Revert, TakeBack];
    for (phase, now, expected) in [
        (None, 0, [no, none, none, no]),
        (Some(Phase::Asked), 0, [yes, not_yet, yes, no]),
        (Some(Phase::Asked), MINUTE - 1, [yes, not_yet, yes, no]),
        (Some(Phase::Asked), MINUTE, [no, over, yes, yes]),
        (Some(Phase::InForce), 0, [no, yes, yes, no]),
        (Some(Phase::InForce), MINUTE - 1, [no, yes, yes, no]),
        (Some(Phase::InForce), MINUTE, [no, over, yes, yes]),
        (Some(Phase::InForce), MINUTE * 9, [no, over, yes, yes]),
        (Some(Phase::Reverting), 0, [no, over, yes, yes]),
        (Some(Phase::Reverting), MINUTE, [no, over, yes, yes]),
    ] {
        let trial = phase.map(of);
        for (wish, expected) in wishes.into_iter().zip(expected) {
            let found = judge(trial.as_ref(), wish, now);
            assert_eq!(found, expected, "{phase:?} {wish:?} at {now}");
        }
    }
    assert_eq!(of(Phase::InForce).left(0), 60);
    assert_eq!(of(Phase::InForce).left(MINUTE - 1), 1);
    assert_eq!(of(Phase::Reverting).left(0), 0);
}

/// A system that has asked for [`NEW`] in the place of [`OLD`].
fn asked() -> (tempfile::TempDir, Recorder) {
    let root = started(OLD);
    let mut system = Recorder::default();
    let changing = Changing::begin(root.path(), "anna").expect("begun");
    let taken = changing.take(&document(NEW), &mut system).expect("taken");
    assert_eq!(taken, Taken::Trial { seconds: SECONDS });
    (root, system)
}

fn saved(root: &Path) -> Settings {
    Store::of_system(root).load().settings
}

fn networkd(root: &Path) -> String {
    std::fs::read_to_string(root.join(NETWORKD)).expect("networkd's file")
}

fn ran(system: &mut Recorder) -> Vec<String> {
    std::mem::take(&mut system.ran)
}

#[test]
fn the_way_back_is_there_before_anything_is_in_force() {
    let (root, mut system) = asked();
    assert_eq!(
        ran(&mut system),
        [
            "systemctl restart vigie-trial-revert.timer",
            "systemctl --no-block start vigie-trial-begin.service",
        ]
    );
    assert!(networkd(root.path()).contains("10.0.0.2"));
    assert_eq!(saved(root.path()), document(OLD));
    put_in_force(root.path(), &mut system).expect("in force");
    assert_eq!(
        ran(&mut system),
        ["(a moment)", "systemctl reload systemd-networkd.service"]
    );
    assert!(networkd(root.path()).contains("10.0.0.3"));
    // A restart has forgotten it: what is saved is the old one.
    assert_eq!(saved(root.path()), document(OLD));
    let mode = std::fs::metadata(root.path().join(FILE)).expect("there");
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Once more is nothing.
    put_in_force(root.path(), &mut system).expect("nothing to do");
    assert_eq!(ran(&mut system), ["(a moment)"]);
}

#[test]
fn what_is_confirmed_is_saved_for_who_asked() {
    let (root, mut system) = asked();
    let error = confirm(root.path(), &mut system).expect_err("too early");
    assert!(matches!(error, TrialError::Unfit(Unfit::NotYet)));
    put_in_force(root.path(), &mut system).expect("in force");
    ran(&mut system);
    assert_eq!(left(root.path(), &system).expect("read"), Some(60));
    assert_eq!(confirm(root.path(), &mut system).expect("kept"), Some(2));
    assert_eq!(
        ran(&mut system),
        ["systemctl stop vigie-trial-revert.timer"]
    );
    assert_eq!(saved(root.path()), document(NEW));
    let history = Store::of_system(root.path()).history().expect("history");
    assert_eq!(history[0].stamp.as_ref().expect("a stamp").who, "anna");
    // The timer may come all the same.
    system.time.set(MINUTE);
    assert!(!take_back(root.path(), &mut system).expect("nothing"));
    assert!(networkd(root.path()).contains("10.0.0.3"));
    assert_eq!(left(root.path(), &system).expect("read"), None);
    let error = confirm(root.path(), &mut system).expect_err("none");
    assert!(matches!(error, TrialError::Unfit(Unfit::None)));
}

#[test]
fn what_nobody_confirms_goes_back() {
    let (root, mut system) = asked();
    put_in_force(root.path(), &mut system).expect("in force");
    ran(&mut system);
    // The timer of another trial.
    system.time.set(MINUTE - 1);
    assert!(!take_back(root.path(), &mut system).expect("too early"));
    system.time.set(MINUTE);
    let error = confirm(root.path(), &mut system).expect_err("too late");
    assert!(matches!(error, TrialError::Unfit(Unfit::Over)));
    // What fails is tried again, and nothing else is changed meanwhile.
    system.fails = Some("systemctl reload systemd-networkd");
    assert!(take_back(root.path(), &mut system).is_err());
    assert!(is_under_way(root.path()));
    system.fails = None;
    ran(&mut system);
    assert!(take_back(root.path(), &mut system).expect("taken back"));
    assert_eq!(
        ran(&mut system)[0],
        "systemctl reload systemd-networkd.service"
    );
    assert!(networkd(root.path()).contains("10.0.0.2"));
    assert_eq!(saved(root.path()), document(OLD));
    assert!(Changing::begin(root.path(), "anna").is_ok());
}

#[test]
fn whoever_does_not_want_it_has_it_back_at_once() {
    let (root, mut system) = asked();
    put_in_force(root.path(), &mut system).expect("in force");
    ran(&mut system);
    ask_to_revert(root.path(), &mut system).expect("asked");
    assert_eq!(
        ran(&mut system),
        ["systemctl --no-block start vigie-trial-revert.service"]
    );
    assert_eq!(left(root.path(), &system).expect("read"), Some(0));
    assert!(confirm(root.path(), &mut system).is_err());
    assert!(take_back(root.path(), &mut system).expect("taken back"));
    let did = ran(&mut system);
    assert_eq!(
        did[..2],
        ["(a moment)", "systemctl reload systemd-networkd.service"]
    );
    assert!(networkd(root.path()).contains("10.0.0.2"));
    let error = ask_to_revert(root.path(), &mut system).expect_err("none");
    assert!(matches!(error, TrialError::Unfit(Unfit::None)));
}

#[test]
fn nothing_else_is_changed_during_a_trial() {
    let (root, mut system) = asked();
    for begun in [
        Changing::begin(root.path(), "olga"),
        Changing::mending(root.path(), "olga"),
    ] {
        let error = begun.expect_err("refused");
        assert!(matches!(error, ChangeError::Trial));
        let said = error.said();
        assert!(said.to_string().contains("60 s"));
        assert_ne!(said.to(Language::En), said.to(Language::Fr));
    }
    system.time.set(MINUTE);
    assert!(take_back(root.path(), &mut system).expect("taken back"));
    assert!(Changing::begin(root.path(), "olga").is_ok());
}

#[test]
fn what_cannot_go_on_trial_changes_nothing() {
    for fails in [
        "systemctl restart vigie-trial-revert.timer",
        "systemctl --no-block start vigie-trial-begin.service",
    ] {
        let root = started(OLD);
        let mut system = Recorder {
            fails: Some(fails),
            ..Recorder::default()
        };
        let changing = Changing::begin(root.path(), "anna").expect("begun");
        let error = changing.take(&document(NEW), &mut system);
        assert!(matches!(error, Err(ChangeError::NotOnTrial(_))), "{fails}");
        assert!(!is_under_way(root.path()));
        assert!(networkd(root.path()).contains("10.0.0.2"));
        drop(changing);
        assert!(Changing::begin(root.path(), "anna").is_ok());
    }
    // Nobody can confirm what did not come in force.
    let (root, mut system) = asked();
    system.fails = Some("systemctl reload systemd-networkd");
    assert!(put_in_force(root.path(), &mut system).is_err());
    let error = confirm(root.path(), &mut system).expect_err("not in force");
    assert!(matches!(error, TrialError::Unfit(Unfit::NotYet)));
}

#[test]
fn what_cuts_nobody_off_is_saved_and_in_force_at_once() {
    let root = started(OLD);
    let mut system = Recorder::default();
    let changing = Changing::begin(root.path(), "anna").expect("begun");
    let new = document(&format!("[system]\nhostname = \"hall\"\n{OLD}"));
    let taken = changing.take(&new, &mut system).expect("taken");
    assert!(matches!(taken, Taken::Saved(_)));
    assert_eq!(saved(root.path()), new);
    assert_eq!(changing.generation(), Some(2));
    assert_eq!(ran(&mut system), ["hostnamectl --transient hostname hall"]);
    drop(changing);
    // The same again is no generation of its own.
    let changing = Changing::begin(root.path(), "anna").expect("begun");
    changing.take(&new, &mut system).expect("taken");
    assert_eq!((changing.generation(), ran(&mut system)), (Some(2), vec![]));
    let mut wrong = new;
    wrong.network.enterprise.dhcp = Some(true);
    let error = changing.take(&wrong, &mut system);
    assert!(matches!(error, Err(ChangeError::Save(SaveError::Check(_)))));
}

/// What was saved for the next start is made to hold at once: it goes on trial, too, and back to what
/// is in force.
#[test]
fn what_was_saved_before_is_tried_against_what_is_in_force() {
    let root = started(OLD);
    Store::of_system(root.path())
        .save(&document(NEW))
        .expect("saved");
    let mut system = Recorder::default();
    let changing = Changing::begin(root.path(), "anna").expect("begun");
    let new = changing.old.settings.clone();
    let taken = changing.take(&new, &mut system).expect("taken");
    assert_eq!(taken, Taken::Trial { seconds: SECONDS });
    drop(changing);
    put_in_force(root.path(), &mut system).expect("in force");
    system.time.set(MINUTE);
    assert!(take_back(root.path(), &mut system).expect("taken back"));
    assert!(networkd(root.path()).contains("10.0.0.2"));
    assert_eq!(saved(root.path()), document(NEW));
}
