//! hawkBit: actions, cancellations and consent, against [`crate::scripted`].

use https_test_server::{Certificate, Server, answer};
use serde_json::{Value, json};
use vigie_settings::Language;
use vigie_update::history::Outcome;
use vigie_update::policy::Waiting;
use vigie_update::pulled::Answer as Told;

use crate::scripted::{CANCEL, DEPLOYMENT, Fleet, IDLE, ROOT, SETTINGS, consent, fate};
use crate::support::{Box, CHUNK, package};

#[test]
fn c77_c78_an_action_is_closed_by_what_became_of_its_package() {
    for (outcome, last) in [
        (Outcome::Good, "closed success"),
        (Outcome::Returned, "closed failure"),
        (Outcome::Failed, "closed failure"),
        (Outcome::Refused, "closed failure"),
    ] {
        let package = package("1.3.0.0", 2 * CHUNK);
        let (id, bytes) = (package.id.clone(), package.bytes.clone());
        let fleet = Fleet::new(package);
        let mut machine = Box::new();
        assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Fetched);
        fleet.is_told(&["download none", "downloaded none"]);
        let file = machine.folder.path().join("fleet/vigie-1.3.0.0-upd.tgz");
        assert!(std::fs::read(file).unwrap() == bytes);
        // It lies there until its time of day; the server is not told so again and again.
        assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Fetched);
        fleet.is_told(&[]);
        // Installed, and not confirmed: nothing is claimed.
        fate(&mut machine, &id, Outcome::Installed);
        machine.situation.waiting = Some(Waiting {
            version: "1.3.0.0".parse().ok(),
        });
        fleet.ask(&machine).unwrap();
        fleet.is_told(&["proceeding none"]);
        fleet.ask(&machine).unwrap();
        fleet.is_told(&[]);
        machine.situation.waiting = None;
        fate(&mut machine, &id, outcome);
        if outcome == Outcome::Good {
            machine.situation.machine.version = "1.3.0.0".parse().unwrap();
            machine.situation.reached = "1.3.0.0".parse().unwrap();
        }
        fleet.ask(&machine).unwrap();
        fleet.is_told(&[last]);
        // It is told once, though the server lists the action for a while.
        fleet.ask(&machine).unwrap();
        fleet.is_told(&[]);
    }
}

#[test]
fn nothing_is_fetched_that_is_not_wanted() {
    let (fleet, _) = Fleet::of_one_chunk();
    let mut machine = Box::new();
    machine.fetch = false;
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Offered);
    machine.fetch = true;
    fleet.order(&[("download", json!("skip"))]);
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Offered);
    fleet.base(IDLE);
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::UpToDate);
    fleet.is_told(&[]);
    assert!(!vigie_pull::hawkbit::is_due(&machine.store()));
}

#[test]
fn a_cancellation_is_honoured_until_an_installation_has_begun() {
    let cancel = |answer: &str| format!("/cancelAction/8/feedback {answer}");
    // What each question finds: an installation under way, the package in its slot.
    for (questions, expected) in [
        (
            &[(false, None), (false, None)][..],
            &["proceeding none", "closed success"][..],
        ),
        (&[(false, Some(Outcome::Installed))], &["rejected none"]),
        (&[(false, Some(Outcome::Good))], &["rejected none"]),
        (
            &[
                (true, None),
                (true, None),
                (false, Some(Outcome::Installed)),
            ],
            &["proceeding none", "", "rejected none"],
        ),
        (
            &[(true, None), (true, None), (false, None)],
            &["proceeding none", "", "closed success"],
        ),
        (
            &[(true, None), (false, Some(Outcome::Failed))],
            &["proceeding none", "closed success"],
        ),
    ] {
        let (fleet, id) = Fleet::of_one_chunk();
        let mut machine = Box::new();
        fleet.ask(&machine).unwrap();
        assert!(consent(&machine).is_some());
        fleet.told();
        fleet.base(CANCEL);
        for ((busy, outcome), expected) in questions.iter().zip(expected) {
            machine.situation.busy = *busy;
            if let Some(outcome) = outcome {
                fate(&mut machine, &id, *outcome);
            }
            fleet.ask(&machine).unwrap();
            let told = fleet.told();
            let told: Vec<_> = told
                .iter()
                .filter(|told| told.contains("cancelAction"))
                .collect();
            let expected = Some(cancel(expected)).filter(|_| !expected.is_empty());
            assert_eq!(told, expected.iter().collect::<Vec<_>>(), "{questions:?}");
            assert_eq!(consent(&machine), None);
        }
        // A server that goes on listing it is not told again.
        fleet.ask(&machine).unwrap();
        fleet.is_told(&[]);
        let left = std::fs::read_dir(machine.folder.path().join("fleet")).unwrap();
        let rejected = expected.last() == Some(&"rejected none");
        assert_eq!(left.count(), usize::from(rejected && expected.len() == 1));
        // How a rejected one ends is still told, if it was not before.
        fleet.base(IDLE);
        fate(&mut machine, &id, Outcome::Returned);
        fleet.ask(&machine).unwrap();
        let ended = [format!("{DEPLOYMENT} closed failure")];
        let was_open = rejected && questions[0].1 != Some(Outcome::Good);
        let expected = if was_open { &ended[..] } else { &[] };
        assert_eq!(fleet.told(), expected, "{questions:?}");
    }
}

#[test]
fn it_is_installed_when_the_server_consents() {
    for (order, expected) in [
        (&[("maintenanceWindow", Value::Null)][..], Some(false)),
        (
            &[
                ("update", json!("attempt")),
                ("maintenanceWindow", Value::Null),
            ],
            Some(false),
        ),
        (&[("maintenanceWindow", json!("available"))], Some(true)),
        // As a server says it before its window begins.
        (
            &[
                ("update", json!("skip")),
                ("maintenanceWindow", json!("unavailable")),
            ],
            None,
        ),
        (&[("maintenanceWindow", json!("unavailable"))], None),
        // To be fetched alone.
        (
            &[
                ("update", json!("skip")),
                ("maintenanceWindow", Value::Null),
            ],
            None,
        ),
        (
            &[
                ("update", json!("later")),
                ("maintenanceWindow", Value::Null),
            ],
            None,
        ),
        (&[("maintenanceWindow", json!("perhaps"))], None),
    ] {
        let (fleet, id) = Fleet::of_one_chunk();
        let machine = Box::new();
        fleet.order(order);
        // Fetched it is in any case, and a person may install it.
        let told = fleet.ask(&machine).unwrap();
        assert_eq!(told.answer, Told::Fetched, "{order:?}");
        assert_eq!(told.reason.is_none(), expected.is_some(), "{told:?}");
        let given = consent(&machine);
        let ends = given.as_ref().map(|consent| consent.until.is_some());
        assert_eq!(ends, expected, "{order:?}");
        assert!(given.is_none_or(|consent| consent.package == id));
        // The window ends, or the action is taken from the list.
        fleet.order(&[
            ("update", json!("skip")),
            ("maintenanceWindow", json!("unavailable")),
        ]);
        fleet.ask(&machine).unwrap();
        assert_eq!(consent(&machine), None);
        fleet.order(order);
        fleet.ask(&machine).unwrap();
        assert_eq!(consent(&machine).is_some(), expected.is_some());
        fleet.base(IDLE);
        fleet.ask(&machine).unwrap();
        assert_eq!(consent(&machine), None);
    }
}

#[test]
fn a_server_with_its_default_properties_is_understood() {
    let (fleet, _) = Fleet::of_one_chunk();
    fleet.with(|script| script.by_default = true);
    assert_eq!(fleet.ask(&Box::new()).unwrap().answer, Told::Fetched);
    assert_eq!(fleet.told().len(), 2);
    // Behind a proxy that does not say that it was asked by HTTPS.
    let (fleet, _) = Fleet::of_one_chunk();
    fleet.with(|script| script.by_default = true);
    let own = format!("{}{ROOT}/softwaremodules", fleet.server.url(""));
    fleet.change(&own, &own.replace("https:", "http:"));
    let trouble = fleet.ask(&Box::new()).unwrap_err();
    assert!(trouble.text.contains("by HTTPS"), "{trouble}");
    fleet.is_told(&["proceeding none"]);
}

#[test]
fn what_waits_to_be_confirmed_is_left_and_told() {
    let (fleet, _) = Fleet::of_one_chunk();
    let machine = Box::new();
    fleet.base(include_str!("../hawkbit/base-confirmation.json"));
    let told = fleet.ask(&machine).unwrap();
    assert_eq!(told.answer, Told::Unconfirmed);
    assert!(
        told.words(0, Language::En)
            .contains("confirmed there first")
    );
    fleet.is_told(&[]);
    assert_eq!(fleet.server.requests().len(), 1, "nothing else is asked");
}

#[test]
fn what_this_machine_is_is_told_where_it_is_asked() {
    let (fleet, _) = Fleet::of_one_chunk();
    let mut machine = Box::new();
    machine.situation.serial = Some("SN-1".to_owned());
    fleet.ask(&machine).unwrap();
    let put = |fleet: &Fleet| {
        let requests = fleet.server.requests();
        let mut put = requests
            .into_iter()
            .filter(|request| request.head.starts_with("PUT"));
        (put.next(), put.count())
    };
    let (Some(request), 0) = put(&fleet) else {
        panic!("not told, or twice")
    };
    assert_eq!(request.path(), format!("{ROOT}/configData"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let documented: Value =
        serde_json::from_str(include_str!("../hawkbit/config-data.json")).unwrap();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&body), keys(&documented));
    assert_eq!(body["mode"], documented["mode"]);
    let expected = json!({
        "product": "vigie", "version": "1.2.0.0", "arch": "amd64", "hardware": "x86-server",
        "serial": "SN-1",
    });
    assert_eq!(body["data"], expected);
    // A server that does not take it hinders no update.
    let (fleet, _) = Fleet::of_one_chunk();
    fleet.with(|script| script.attributes = 403);
    let told = fleet.ask(&Box::new()).unwrap();
    assert_eq!(told.answer, Told::Fetched);
    assert!(told.reason.unwrap().contains("403"));
    // Nor is one that does not ask told.
    fleet.base(IDLE);
    fleet.ask(&machine).unwrap();
    assert_eq!(put(&fleet).1, 0);
}

#[test]
fn an_action_that_the_server_has_forgotten_is_left() {
    let (fleet, id) = Fleet::of_one_chunk();
    let mut machine = Box::new();
    fleet.ask(&machine).unwrap();
    fleet.told();
    fleet.base(IDLE);
    fate(&mut machine, &id, Outcome::Good);
    // A server that is down hears of it later.
    fleet.with(|script| script.feedback = 503);
    assert!(fleet.ask(&machine).unwrap_err().passing);
    assert_eq!(fleet.told().len(), 1);
    fleet.with(|script| script.feedback = 410);
    fleet.ask(&machine).unwrap();
    assert_eq!(fleet.told().len(), 1);
    fleet.ask(&machine).unwrap();
    fleet.is_told(&[]);
}

#[test]
fn a_server_that_names_others_or_talks_nonsense_is_not_followed() {
    let elsewhere = Server::start(Certificate::Good, |_| answer(200, "{}"));
    let files = "/api/v1/DEFAULT/download/controller/SN-1/softwaremodules/24";
    for what in [&format!("{ROOT}/deploymentBase/8?c"), files] {
        let (fleet, _) = Fleet::of_one_chunk();
        let host = fleet.server.url("");
        let from = format!("{host}{what}");
        fleet.change(&from, &from.replace(&host, &elsewhere.url("")));
        let trouble = fleet.ask(&Box::new()).unwrap_err();
        assert!(trouble.text.contains("not its own"), "{trouble}");
    }
    assert!(elsewhere.requests().is_empty());
    for text in ["", "7", "{\"_links\":{\"deploymentBase\":{}}}"] {
        let (fleet, _) = Fleet::of_one_chunk();
        fleet.base(text);
        assert!(fleet.ask(&Box::new()).is_err(), "{text}");
    }
    let (fleet, _) = Fleet::of_one_chunk();
    let wrong = SETTINGS.replace("3bc1", "XXXX");
    let machine = Box::new();
    let trouble = machine
        .ask_as(&wrong, &fleet.server, &fleet.server)
        .unwrap_err();
    assert!(
        trouble.text.contains("401") && !trouble.text.contains("XXXX"),
        "{trouble}"
    );
    let mut nameless = Box::new();
    nameless.situation.serial = None;
    assert!(
        fleet
            .ask(&nameless)
            .unwrap_err()
            .text
            .contains("controller")
    );
}
