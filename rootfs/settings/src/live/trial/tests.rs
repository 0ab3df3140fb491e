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
        confirmed: false,
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
/// is in force. A restart, then or later, must not lead to networks that nobody has confirmed.
#[test]
fn what_was_saved_before_is_not_saved_until_it_is_confirmed() {
    for confirmed in [false, true] {
        let root = started(OLD);
        let named =
            |networks: &str| document(&format!("[system]\nhostname = \"hall\"\n{networks}"));
        let store = Store::of_system(root.path());
        store.save(&named(NEW)).expect("saved");
        let mut system = Recorder::default();
        let changing = Changing::begin(root.path(), "anna").expect("begun");
        let new = changing.old.settings.clone();
        let taken = changing.take(&new, &mut system).expect("taken");
        assert_eq!(taken, Taken::Trial { seconds: SECONDS });
        drop(changing);
        // All else that was saved stays so.
        assert_eq!(saved(root.path()), named(OLD));
        put_in_force(root.path(), &mut system).expect("in force");
        if confirmed {
            confirm(root.path(), &mut system).expect("confirmed");
            assert_eq!(saved(root.path()), named(NEW));
            continue;
        }
        system.time.set(MINUTE);
        assert!(take_back(root.path(), &mut system).expect("taken back"));
        assert!(networkd(root.path()).contains("10.0.0.2"));
        assert_eq!(saved(root.path()), named(OLD));
    }
    // Without room for that nothing goes on trial.
    let root = started(OLD);
    let store = Store::of_system(root.path());
    store.save(&document(NEW)).expect("saved");
    let new = root
        .path()
        .join(crate::store::FOLDER)
        .join(".current.3.toml.new");
    std::fs::create_dir_all(new.join("in the way")).expect("folder");
    let changing = Changing::begin(root.path(), "anna").expect("begun");
    let mut system = Recorder::default();
    let error = changing.take(&document(NEW), &mut system);
    assert!(matches!(error, Err(ChangeError::Save(_))), "{error:?}");
    assert!(ran(&mut system).is_empty() && !is_under_way(root.path()));
}

/// Whoever was ended in the middle has noted nothing of what is in force.
#[test]
fn the_way_back_is_gone_again_until_the_networks_follow() {
    let (root, mut system) = asked();
    // A part came in force, and that is not noted.
    system.fails = Some("systemctl reload systemd-networkd");
    assert!(put_in_force(root.path(), &mut system).is_err());
    assert_eq!(in_force(root.path()), Some(document(OLD)));
    system.time.set(MINUTE);
    for _ in 0..3 {
        assert!(take_back(root.path(), &mut system).is_err());
        assert!(is_under_way(root.path()));
    }
    system.fails = None;
    ran(&mut system);
    assert!(take_back(root.path(), &mut system).expect("taken back"));
    assert_eq!(
        ran(&mut system)[0],
        "systemctl reload systemd-networkd.service"
    );
    assert!(networkd(root.path()).contains("10.0.0.2"));
}

/// A shell that was stopped in the middle of a command, say.
#[test]
fn the_way_back_waits_for_nobody_for_good() {
    let (root, mut system) = asked();
    put_in_force(root.path(), &mut system).expect("in force");
    let stopped = Store::of_system(root.path()).exclusive().expect("held");
    let store = Store::of_system(root.path());
    let error = store
        .exclusive_as_it_is(system.patience())
        .expect_err("held");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let said = ChangeError::Locked(error).said();
    assert_ne!(said.to(Language::En), said.to(Language::Fr));
    ran(&mut system);
    system.time.set(MINUTE);
    assert!(take_back(root.path(), &mut system).expect("taken back"));
    assert_eq!(
        ran(&mut system)[..2],
        [
            "systemctl stop vigie-trial-begin.service",
            "systemctl reload systemd-networkd.service",
        ]
    );
    assert!(networkd(root.path()).contains("10.0.0.2"));
    drop(stopped);
    // What cannot have the settings for itself puts nothing in force.
    let (root, mut system) = asked();
    let _stopped = Store::of_system(root.path()).exclusive().expect("held");
    assert!(put_in_force(root.path(), &mut system).is_err());
    assert!(networkd(root.path()).contains("10.0.0.2"));
}

/// Else the next start would have other networks than those that it went back to.
#[test]
fn what_was_confirmed_and_saved_stays_whoever_was_ended_then() {
    for (is_saved, address) in [(true, "10.0.0.3"), (false, "10.0.0.2")] {
        let (root, mut system) = asked();
        put_in_force(root.path(), &mut system).expect("in force");
        let trial = load(root.path()).expect("read").expect("there");
        let trial = Trial {
            confirmed: true,
            ..trial
        };
        keep(root.path(), &trial).expect("kept");
        if is_saved {
            let store = Store::of_system(root.path());
            store.save(&document(NEW)).expect("saved");
        }
        system.time.set(MINUTE);
        let back = take_back(root.path(), &mut system).expect("ended");
        assert_eq!(back, !is_saved);
        assert!(networkd(root.path()).contains(address), "{is_saved}");
        let of_saved = document(if is_saved { NEW } else { OLD });
        assert_eq!(saved(root.path()), of_saved);
        assert!(!is_under_way(root.path()));
    }
}

#[test]
fn what_cannot_be_saved_is_not_confirmed() {
    let (root, mut system) = asked();
    put_in_force(root.path(), &mut system).expect("in force");
    let folder = root.path().join(crate::store::FOLDER);
    // There is no room.
    let new = folder.join(".current.3.toml.new");
    std::fs::create_dir_all(new.join("in the way")).expect("folder");
    assert!(confirm(root.path(), &mut system).is_err());
    let trial = load(root.path()).expect("read").expect("still there");
    assert!(!trial.confirmed && trial.phase == Phase::InForce);
    system.time.set(MINUTE);
    assert!(take_back(root.path(), &mut system).expect("taken back"));
    assert_eq!(saved(root.path()), document(OLD));
    assert!(networkd(root.path()).contains("10.0.0.2"));
}

#[test]
fn a_trial_that_cannot_be_read_goes_back_to_what_is_saved() {
    let (root, mut system) = asked();
    put_in_force(root.path(), &mut system).expect("in force");
    std::fs::write(root.path().join(FILE), "{").expect("damaged");
    assert!(confirm(root.path(), &mut system).is_err());
    assert!(take_back(root.path(), &mut system).expect("taken back"));
    assert!(networkd(root.path()).contains("10.0.0.2"));
    assert!(Changing::begin(root.path(), "anna").is_ok());
}

#[test]
fn a_trial_is_read_as_it_was_kept() {
    let root = started(OLD);
    let full = include_str!("../../../tests/golden/full.toml");
    let trial = Trial {
        new: Settings::from_text(full).expect("reads"),
        ..of(Phase::InForce)
    };
    keep(root.path(), &trial).expect("kept");
    assert_eq!(load(root.path()).expect("read"), Some(trial));
}

/// A password that was set since the start is not taken back with the networks.
#[test]
fn a_trial_brings_no_old_password_back() {
    let root = started(OLD);
    let hash = "$6$saltsalt$hashhashhash";
    let access = format!("[access]\nroot_password_hash = \"{hash}\"\n");
    let changing = Changing::begin(root.path(), "anna").expect("begun");
    let with = document(&(access.clone() + OLD));
    changing.save(&with).expect("saved");
    let _ = crate::apply::apply_access(root.path(), changing.held());
    let mut system = Recorder::default();
    let new = document(&(access + NEW));
    changing.take(&new, &mut system).expect("on trial");
    drop(changing);
    put_in_force(root.path(), &mut system).expect("in force");
    system.time.set(MINUTE);
    assert!(take_back(root.path(), &mut system).expect("taken back"));
    let shadow = std::fs::read_to_string(root.path().join("etc/shadow")).expect("shadow");
    assert!(shadow.contains(hash), "{shadow}");
    assert!(networkd(root.path()).contains("10.0.0.2"));
}
