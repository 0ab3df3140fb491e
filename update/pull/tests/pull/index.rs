//! The index: whose it is, how old, from which server.

use https_test_server::{Answer, Certificate, Request, Server, answer};
use vigie_update::history::Outcome;
use vigie_update::index::Index;
use vigie_update::policy::Waiting;
use vigie_update::pulled::Answer as Told;
use vigie_update::situation::Fate;

use crate::support::{Box, delta, index_of, key, package};

fn with_index(index: Vec<u8>) -> Server {
    Server::start(Certificate::Good, move |_| {
        answer(200, "").with_body(index.clone())
    })
}

fn seal(index: &Index) -> Vec<u8> {
    index.seal(&[key(1)])
}

fn checking() -> Box {
    Box {
        fetch: false,
        ..Box::new()
    }
}

#[test]
fn c46_c50_c52_c84_what_is_offered() {
    let (low, high, licence) = (
        package("1.2.0.0", 9),
        package("1.3.0.0", 9),
        package("3.0.0.0", 9),
    );
    let foreign = Index {
        product: "other".into(),
        ..index_of(&[&high], 1)
    };
    let mut again = checking();
    again.situation.not_again.insert(high.header.version);
    let mut waiting = checking();
    waiting.situation.waiting = Some(Waiting {
        version: Some(high.header.version),
    });
    for (machine, index, answer, word) in [
        (checking(), index_of(&[], 1), Told::UpToDate, ""),
        (checking(), index_of(&[&low], 1), Told::UpToDate, ""),
        (checking(), index_of(&[&low, &high], 1), Told::Offered, ""),
        (
            checking(),
            index_of(&[&licence], 1),
            Told::Refused,
            "licence",
        ),
        (checking(), foreign, Told::Refused, "for the product other"),
        (again, index_of(&[&high], 1), Told::Refused, "came back"),
        (
            waiting,
            index_of(&[&high], 1),
            Told::Refused,
            "waits for a restart",
        ),
    ] {
        let server = with_index(seal(&index));
        let told = machine.ask(&server).unwrap();
        assert_eq!(told.answer, answer, "{told:?}");
        assert_eq!(told.made, Some(1_763_800_000));
        assert!(told.reason.unwrap_or_default().contains(word));
    }
}

#[test]
fn what_was_fetched_and_is_withdrawn_is_removed() {
    let (low, high) = (package("1.2.0.0", 9), package("1.3.0.0", 9));
    let machine = Box::new();
    let lies = |name: &str| machine.folder.path().join("https").join(name).exists();
    let ask = |index: Index| {
        let index = seal(&index);
        let file = high.bytes.clone();
        let server = Server::start(Certificate::Good, move |request| {
            match request.path().ends_with(".tgz") {
                true => crate::support::serve(request, &file, "tag"),
                false => answer(200, "").with_body(index.clone()),
            }
        });
        machine.ask(&server).unwrap().answer
    };
    assert_eq!(ask(index_of(&[&high], 1)), Told::Fetched);
    assert!(lies(&high.name()));
    // An index of another product says nothing of ours.
    let foreign = Index {
        product: "other".into(),
        ..index_of(&[], 2)
    };
    ask(foreign);
    assert!(lies(&high.name()));
    assert_eq!(ask(index_of(&[&low], 2)), Told::UpToDate);
    assert!(!lies(&high.name()));
}

/// A delta whose base is damaged here fails each time; the whole does not need the base.
#[test]
fn c84_a_delta_that_failed_here_makes_room_for_the_whole() {
    let (delta, whole) = (delta("1.3.0.0", 9), package("1.3.0.0", 9));
    let index = seal(&index_of(&[&delta, &whole], 1));
    let files = [&delta, &whole].map(|one| (one.name(), one.bytes.clone()));
    let server = Server::start(Certificate::Good, move |request| {
        let asked = files
            .iter()
            .find(|(name, _)| request.path().ends_with(name.as_str()));
        match asked {
            Some((_, file)) => crate::support::serve(request, file, "tag"),
            None => answer(200, "").with_body(index.clone()),
        }
    });
    let mut machine = Box::new();
    let fetched = |machine: &Box| {
        let told = machine.ask(&server).unwrap();
        let here = [&delta, &whole].map(|one| machine.file(&one.name()).exists());
        (told, here)
    };
    let fate = |again| Fate {
        package: delta.id.clone(),
        time: 1,
        outcome: Outcome::Failed,
        reason: Some("the base is damaged".into()),
        reason_fr: None,
        again,
    };
    let (told, here) = fetched(&machine);
    assert_eq!((told.answer, here), (Told::Fetched, [true, false]));
    // It is tried again, and fetching something else meanwhile would hinder that.
    machine.situation.fates = vec![fate(true)];
    assert_eq!(fetched(&machine).1, [true, false]);
    machine.situation.fates = vec![fate(false)];
    let (told, here) = fetched(&machine);
    assert_eq!((told.answer, here), (Told::Fetched, [false, true]));
    // So it does where nobody knows how the attempts ended.
    let mut cut = Box::new();
    cut.situation.exhausted.insert(delta.id.clone());
    assert_eq!(fetched(&cut).1, [false, true]);
    // With nothing else to take, that is said.
    let failed = Fate {
        package: whole.id.clone(),
        ..fate(false)
    };
    machine.situation.fates.push(failed);
    let (told, _) = fetched(&machine);
    assert_eq!(told.answer, Told::Refused);
    let reason = told.reason.unwrap();
    assert!(
        reason.contains("could not be installed here (the base is damaged)"),
        "{reason}"
    );
}

#[test]
fn c54_an_index_that_is_older_than_what_was_seen_is_refused() {
    let high = package("1.3.0.0", 9);
    let machine = checking();
    let ask = |index: Index| machine.ask(&with_index(seal(&index)));
    // One address: the serial is remembered for it.
    let store = machine.store();
    let server = with_index(seal(&index_of(&[&high], 7)));
    store.keep_serial(&server.url("/a/"), 8).unwrap();
    let why = machine.ask(&server).unwrap_err().text;
    assert!(why.contains("serial 7, 8 was seen"), "{why}");
    store.keep_serial(&server.url("/a/"), 7).unwrap();
    assert_eq!(machine.ask(&server).unwrap().answer, Told::Offered);
    store.keep_serial(&server.url("/a/"), 6).unwrap();
    machine.ask(&server).unwrap();
    assert_eq!(store.serial(&server.url("/a/")), 7);
    // What is not believed, or of another product, does not raise it.
    let foreign = Index {
        product: "other".into(),
        serial: u64::MAX,
        ..index_of(&[&high], 1)
    };
    let other = with_index(seal(&foreign));
    machine.ask(&other).unwrap();
    assert_eq!(store.serial(&other.url("/a/")), 0);
    assert!(
        ask(index_of(&[&high], 1)).is_ok(),
        "another server counts anew"
    );
}

#[test]
fn c32_c33_c34_c65_what_is_not_an_index() {
    let high = package("1.3.0.0", 9);
    let index = index_of(&[&high], 1);
    for (bytes, word) in [
        (index.seal(&[]), "not signed"),
        (index.seal(&[key(2)]), "not known here"),
        (vec![b'x'; 70_000], "longer than 60000"),
        (b"<html>".to_vec(), "does not begin as an index"),
        (high.bytes.clone(), "is not text"),
    ] {
        let machine = checking();
        let trouble = machine.ask(&with_index(bytes)).unwrap_err();
        assert!(!trouble.passing && trouble.text.contains(word), "{trouble}");
        assert!(!machine.folder.path().join("serial.json").exists());
    }
}

#[test]
fn who_the_server_must_be() {
    let high = package("1.3.0.0", 9);
    let index = seal(&index_of(&[&high], 1));
    for (certificate, passing, word) in [
        (Certificate::Good, true, ""),
        (
            Certificate::Expired,
            true,
            "By this machine's clock it is 20",
        ),
        (Certificate::NotYetValid, true, "set the clock"),
        (Certificate::OfAnotherHost, false, "not who it should be"),
    ] {
        let index = index.clone();
        let server = Server::start(certificate, move |_| {
            answer(200, "").with_body(index.clone())
        });
        match checking().ask(&server) {
            Ok(_) => assert!(word.is_empty(), "{certificate:?}"),
            Err(trouble) => {
                assert!(!word.is_empty() && trouble.text.contains(word), "{trouble}");
                assert_eq!(trouble.passing, passing, "{trouble}");
            }
        }
    }
    let [one, other] = [index.clone(), index].map(with_index);
    let source = "[update]\nsource = \"HOST/a/\"\n";
    let why = checking().ask_as(source, &one, &other).unwrap_err();
    assert!(
        !why.passing && why.text.contains("not who it should be"),
        "{why}"
    );
}

#[test]
fn redirects_stay_on_the_server() {
    let index = seal(&index_of(&[&package("1.3.0.0", 9)], 1));
    let other = with_index(index.clone());
    let elsewhere = other.url("/index");
    let redirect = move |request: &Request| -> Answer {
        match request.path() {
            "/b/index" => answer(302, "").with("Location", &elsewhere),
            "/c/index" => answer(302, "").with("Location", "/c/index"),
            "/d/index" => answer(302, "").with("Location", "http://127.0.0.1/index"),
            "/e/index" => answer(302, "").with("Location", "/real"),
            _ => answer(200, "").with_body(index.clone()),
        }
    };
    let server = Server::start(Certificate::Good, redirect);
    for (path, word) in [
        ("b", "to another server"),
        ("c", "without end"),
        ("d", "another server"),
        ("e", ""),
    ] {
        let source = format!("[update]\nsource = \"HOST/{path}/\"\n");
        match checking().ask_as(&source, &server, &server) {
            Ok(told) => assert!(word.is_empty() && told.answer == Told::Offered),
            Err(trouble) => {
                assert!(!word.is_empty() && trouble.text.contains(word), "{trouble}");
                assert!(!trouble.passing);
            }
        }
    }
    assert!(other.requests().is_empty());
    for (status, passing) in [(404, false), (503, true), (429, true)] {
        let server = Server::start(Certificate::Good, move |_| answer(status, ""));
        assert_eq!(checking().ask(&server).unwrap_err().passing, passing);
    }
}
