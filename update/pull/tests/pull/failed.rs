//! What a fleet server is told of a package that failed, and of one that has not.

use std::sync::Arc;

use serde_json::json;
use vigie_update::history::Outcome;
use vigie_update::pulled::{Answer as Told, CONSENT};

use crate::scripted::{Fleet, consent, fate};
use crate::support::{Box, CHUNK, Package, delta, package, package_of};

#[test]
fn c33_c50_c84_what_is_refused_is_told_with_its_reason() {
    let mut again = Box::new();
    again.situation.not_again.insert("1.3.0.0".parse().unwrap());
    for (machine, package, word) in [
        (
            Box::new(),
            package_of("vigie", "1.3.0.0", CHUNK, 2),
            "not known here",
        ),
        (
            Box::new(),
            package_of("other", "1.3.0.0", CHUNK, 1),
            "it is for other",
        ),
        (Box::new(), package("1.1.0.0", CHUNK), "already reached"),
        (Box::new(), package("3.0.0.0", CHUNK), "licence"),
        (again, package("1.3.0.0", CHUNK), "came back"),
    ] {
        let fleet = Fleet::new(package);
        fleet.ask(&machine).unwrap();
        let mut requests = fleet.server.requests().into_iter();
        let post = requests.rfind(|request| request.head.starts_with("POST"));
        let post = post.unwrap();
        let body = String::from_utf8(post.body).unwrap();
        assert!(body.contains(word), "{body}");
        fleet.is_told(&["closed failure"]);
    }
    let (fleet, _) = Fleet::of_one_chunk();
    fleet.change(
        "\"filename\":\"vigie-1.3.0.0-upd.tgz\"",
        "\"filename\":\"binary.rpm\"",
    );
    fleet.change("\"filename\":\"binary.tgz\"", "\"filename\":\"binary.rpm\"");
    fleet.ask(&Box::new()).unwrap();
    fleet.is_told(&["closed failure"]);
}

#[test]
fn a_download_that_broke_goes_on_and_has_not_failed() {
    let (fleet, _) = Fleet::of_one_chunk();
    let machine = Box::new();
    // Broken at the head.
    fleet.with(|script| script.broken = Some(503));
    for told in [&["proceeding none"][..], &[]] {
        assert!(fleet.ask(&machine).unwrap_err().passing);
        // The same trouble is told once.
        fleet.is_told(told);
    }
    // What does not mend by itself may be mended on the server.
    fleet.with(|script| script.broken = Some(403));
    assert!(!fleet.ask(&machine).unwrap_err().passing);
    fleet.is_told(&["proceeding none"]);
    // Longer than the server says: known only when it is fetched.
    fleet.with(|script| script.broken = None);
    let longer = package("1.3.0.0", CHUNK + 9);
    let bytes = [&longer.bytes[..], b"more"].concat();
    fleet.with(|script| script.package = Arc::new(Package { bytes, ..longer }));
    let trouble = fleet.ask(&machine).unwrap_err();
    assert!(trouble.text.contains("bytes long"), "{trouble}");
    fleet.is_told(&["download none", "proceeding none"]);
    // Mended: it goes on where it was, and its beginning is not told again.
    fleet.with(|script| script.package = Arc::new(package("1.3.0.0", CHUNK + 9)));
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Fetched);
    fleet.is_told(&["downloaded none"]);
}

#[test]
fn an_installation_that_is_tried_again_has_not_failed() {
    let (fleet, id) = Fleet::of_one_chunk();
    let mut machine = Box::new();
    fleet.order(&[("maintenanceWindow", json!("available"))]);
    fleet.ask(&machine).unwrap();
    fleet.told();
    fate(&mut machine, &id, Outcome::Failed);
    machine.situation.fates[0].again = true;
    for told in [&["proceeding none"][..], &[]] {
        machine.store().forget(CONSENT).unwrap();
        fleet.ask(&machine).unwrap();
        fleet.is_told(told);
        assert!(consent(&machine).is_some(), "the next try needs it");
    }
    machine.situation.fates[0].again = false;
    machine.situation.fates[0].time += 1;
    fleet.ask(&machine).unwrap();
    fleet.is_told(&["closed failure"]);
}

/// A delta whose base is damaged here fails each time; the action is not over as long as it holds
/// the whole too.
#[test]
fn c84_a_package_that_failed_makes_room_for_another_of_its_action() {
    let (changes, whole) = (delta("1.3.0.0", CHUNK), package("1.3.0.0", CHUNK));
    let (first, second) = (changes.id.clone(), whole.id.clone());
    let fleet = Fleet::new(whole);
    fleet.with(|script| script.beside = Some(Arc::new(changes)));
    let mut machine = Box::new();
    let here = |machine: &Box| {
        let folder = std::fs::read_dir(machine.folder.path().join("fleet")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    fleet.ask(&machine).unwrap();
    fleet.told();
    assert_eq!(here(&machine), ["beside-upd.tgz"]);
    assert_eq!(consent(&machine).unwrap().package, first);
    fate(&mut machine, &first, Outcome::Failed);
    machine.situation.fates[0].reason = Some("the base is damaged".into());
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Fetched);
    fleet.is_told(&["proceeding none", "download none", "downloaded none"]);
    assert_eq!(here(&machine), ["vigie-1.3.0.0-upd.tgz"]);
    assert_eq!(consent(&machine).unwrap().package, second);
    fleet.ask(&machine).unwrap();
    // Told once.
    fleet.is_told(&[]);
    // How it ends is how the other one ends.
    for (outcome, ended) in [
        (Outcome::Good, "closed success"),
        (Outcome::Failed, "closed failure"),
    ] {
        let note = machine.folder.path().join("action.json");
        let before = std::fs::read(&note).unwrap();
        let earlier = machine.situation.fates.clone();
        fate(&mut machine, &second, outcome);
        machine.situation.fates.extend(earlier.clone());
        fleet.ask(&machine).unwrap();
        fleet.is_told(&[ended]);
        fleet.ask(&machine).unwrap();
        fleet.is_told(&[]);
        std::fs::write(&note, before).unwrap();
        machine.situation.fates = earlier;
    }
    // A lower version of the same action is not what the server asked for.
    let mut machine = Box::new();
    let lower = package("1.2.5.0", CHUNK);
    fleet.with(|script| {
        let changes = script.beside.replace(Arc::new(lower));
        script.package = changes.unwrap();
    });
    fleet.ask(&machine).unwrap();
    fleet.told();
    fate(&mut machine, &first, Outcome::Failed);
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Refused);
    fleet.is_told(&["closed failure"]);
}

#[test]
fn what_became_of_a_package_before_says_nothing_of_a_new_action() {
    let (fleet, id) = Fleet::of_one_chunk();
    let mut machine = Box::new();
    fate(&mut machine, &id, Outcome::Refused);
    fleet.ask(&machine).unwrap();
    fleet.ask(&machine).unwrap();
    let told = fleet.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].ends_with("downloaded none"));
    fate(&mut machine, &id, Outcome::Refused);
    fleet.ask(&machine).unwrap();
    fleet.is_told(&["closed failure"]);
}
