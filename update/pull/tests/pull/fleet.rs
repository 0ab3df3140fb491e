//! hawkBit: what a real server answers, in `tests/hawkbit` (its README names the sources), with the
//! address, the controller and the package of a test put in.

use std::sync::{Arc, Mutex};

use https_test_server::{Answer, Certificate, Request, Server, answer};
use serde_json::{Value, json};
use vigie_pull::http::Trouble;
use vigie_update::history::Outcome;
use vigie_update::policy::Waiting;
use vigie_update::pulled::{Answer as Told, CONSENT, Consent, Report};
use vigie_update::situation::Fate;

use crate::support::{Box, CHUNK, Package, delta, package, package_of, serve};

const SETTINGS: &str = "[update]\n[update.hawkbit]\nurl = \"HOST/\"\ntenant = \"DEFAULT\"\n\
                        token = \"3bc13b476cb3962a0c63a5c92beacfh7\"\n";
const ROOT: &str = "/DEFAULT/controller/v1/SN-1";
const DEPLOYMENT: &str = "/deploymentBase/8/feedback";
const IDLE: &str = include_str!("../hawkbit/base-idle.json");
const CANCEL: &str = include_str!("../hawkbit/base-cancel.json");
/// Where the recorded answers say that the server and its files are.
const RECORDED: [&str; 2] = ["https://management-api.host.com", "https://link-to-cdn.com"];
/// The module of the recorded action that holds our package, and its name; the two others are other
/// devices'.
const MODULE: (usize, &str) = (1, "softwaremodules/24");

/// What the server has now; a test changes it between two questions.
#[derive(Clone)]
struct Script {
    base: &'static str,
    package: Arc<Package>,
    /// Another of the same action.
    beside: Option<Arc<Package>>,
    /// The status that feedback is answered by.
    feedback: u16,
    /// The status that attributes are answered by.
    attributes: u16,
    /// The status that a package is answered by, where it is not sent.
    broken: Option<u16>,
    /// Replacements in the recorded texts.
    changes: Vec<(String, String)>,
    /// Values of the action's order.
    order: Vec<(&'static str, Value)>,
    /// Links are those of a server with its default properties.
    by_default: bool,
}

struct Fleet {
    server: Server,
    script: Arc<Mutex<Script>>,
}

impl Fleet {
    fn new(package: Package) -> Self {
        let script = Arc::new(Mutex::new(Script {
            base: include_str!("../hawkbit/base-deployment.json"),
            package: Arc::new(package),
            beside: None,
            feedback: 200,
            attributes: 200,
            broken: None,
            changes: Vec::new(),
            // Not in the answer of an action without a schedule.
            order: vec![("maintenanceWindow", Value::Null)],
            by_default: false,
        }));
        let shared = script.clone();
        let server = Server::start(Certificate::Good, move |request| {
            reply(request, &shared.lock().unwrap())
        });
        let host = server.url("");
        let fleet = Self { server, script };
        for recorded in RECORDED {
            fleet.change(recorded, &host);
        }
        fleet.change("TENANT_ID", "DEFAULT");
        fleet.change("CONTROLLER_ID", "SN-1");
        // The recorded question and the recorded action are of two exchanges.
        fleet.change("/deploymentBase/5?", "/deploymentBase/8?");
        fleet
    }

    fn change(&self, from: &str, to: &str) {
        let change = (from.to_owned(), to.to_owned());
        self.with(|script| script.changes.push(change));
    }

    fn base(&self, text: &'static str) {
        self.with(|script| script.base = text);
    }

    fn order(&self, order: &[(&'static str, Value)]) {
        self.with(|script| script.order = order.to_vec());
    }

    fn with(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    fn ask(&self, machine: &Box) -> Result<Report, Trouble> {
        machine.ask_as(SETTINGS, &self.server, &self.server)
    }

    /// What it was told since the last time: the resource, execution and result.
    fn told(&self, seen: &mut usize) -> Vec<String> {
        let requests = self.server.requests();
        let new = requests[*seen..]
            .iter()
            .filter(|r| r.head.starts_with("POST"));
        let told = new.map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let status = &body["status"];
            assert!(
                request
                    .path()
                    .contains(&format!("/{}/feedback", text(&body["id"])))
            );
            format!(
                "{} {} {}",
                request.path().strip_prefix(ROOT).unwrap(),
                text(&status["execution"]),
                text(&status["result"]["finished"])
            )
        });
        let told = told.collect();
        *seen = requests.len();
        told
    }
}

fn reply(request: &Request, script: &Script) -> Answer {
    let recorded = |text: &str| {
        let changes = script.changes.iter();
        let text = changes.fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        answer(200, &text).with("Content-Type", "application/hal+json")
    };
    if request.header("authorization") != Some("TargetToken 3bc13b476cb3962a0c63a5c92beacfh7") {
        return answer(401, "");
    }
    let path = request.path();
    match path.strip_prefix(ROOT) {
        Some("") => recorded(script.base),
        Some("/deploymentBase/8?c=-2127183556") => recorded(&deployment(script)),
        Some("/cancelAction/8") => recorded(include_str!("../hawkbit/cancel.json")),
        Some("/configData") => answer(script.attributes, ""),
        Some(feedback) if feedback.ends_with("/feedback") => answer(script.feedback, ""),
        _ if path.ends_with("/vigie-1.3.0.0-upd.tgz") && path.contains(MODULE.1) => {
            match script.broken {
                Some(status) => answer(status, ""),
                // The tag of an artifact is its SHA-1, in quotes.
                None => serve(request, &script.package.bytes, "\"574cd34be20f75d1\""),
            }
        }
        _ if path.ends_with("/beside-upd.tgz") && path.contains(MODULE.1) => {
            let package = script.beside.as_ref().unwrap();
            serve(request, &package.bytes, "\"9ab34be20f75d100\"")
        }
        _ if path.ends_with("/binary.tgz") => answer(200, "no package   "),
        _ => answer(404, ""),
    }
}

/// The recorded action, with our package in one of its modules.
fn deployment(script: &Script) -> String {
    let mut action: Value =
        serde_json::from_str(include_str!("../hawkbit/deployment.json")).unwrap();
    let order = &mut action["deployment"];
    for (key, value) in &script.order {
        order[*key] = value.clone();
    }
    let artifacts = &mut order["chunks"][MODULE.0]["artifacts"];
    if let Some(package) = &script.beside {
        let mut artifact = artifacts[0].clone();
        put(&mut artifact, "beside-upd.tgz", package, script);
        artifacts.as_array_mut().unwrap().push(artifact);
    }
    put(
        &mut artifacts[0],
        "vigie-1.3.0.0-upd.tgz",
        &script.package,
        script,
    );
    action.to_string()
}

/// Makes a recorded artifact that of a package.
fn put(artifact: &mut Value, name: &str, package: &Package, script: &Script) {
    artifact["filename"] = json!(name);
    artifact["size"] = json!(package.bytes.len());
    let links = &mut artifact["_links"];
    *links = if script.by_default {
        let controller = "https://management-api.host.com/TENANT_ID/controller/v1/CONTROLLER_ID";
        let module = MODULE.1;
        let href = format!("{controller}/{module}/artifacts/{name}");
        let md5 = format!("{href}.MD5SUM");
        json!({"download-http": {"href": href}, "md5sum-http": {"href": md5}})
    } else {
        let text = links.to_string().replace("binary.tgz", name);
        serde_json::from_str(&text).unwrap()
    };
}

fn fate(machine: &mut Box, package: &str, outcome: Outcome) {
    let time = machine
        .situation
        .fates
        .first()
        .map_or(1, |fate| fate.time + 1);
    machine.situation.fates = vec![Fate {
        package: package.to_owned(),
        time,
        outcome,
        reason: None,
        again: false,
    }];
}

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
        let (mut machine, mut seen) = (Box::new(), 0);
        assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Fetched);
        assert_eq!(
            fleet.told(&mut seen),
            [
                format!("{DEPLOYMENT} download none"),
                format!("{DEPLOYMENT} downloaded none")
            ]
        );
        let file = machine.folder.path().join("fleet/vigie-1.3.0.0-upd.tgz");
        assert!(std::fs::read(file).unwrap() == bytes);
        // It lies there until its time of day; the server is not told so again and again.
        assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Fetched);
        assert!(fleet.told(&mut seen).is_empty());
        // Installed, and not confirmed: nothing is claimed.
        fate(&mut machine, &id, Outcome::Installed);
        machine.situation.waiting = Some(Waiting {
            version: "1.3.0.0".parse().ok(),
        });
        fleet.ask(&machine).unwrap();
        assert_eq!(
            fleet.told(&mut seen),
            [format!("{DEPLOYMENT} proceeding none")]
        );
        fleet.ask(&machine).unwrap();
        assert!(fleet.told(&mut seen).is_empty());
        machine.situation.waiting = None;
        fate(&mut machine, &id, outcome);
        if outcome == Outcome::Good {
            machine.situation.machine.version = "1.3.0.0".parse().unwrap();
            machine.situation.reached = "1.3.0.0".parse().unwrap();
        }
        fleet.ask(&machine).unwrap();
        assert_eq!(fleet.told(&mut seen), [format!("{DEPLOYMENT} {last}")]);
        // It is told once, though the server lists the action for a while.
        fleet.ask(&machine).unwrap();
        assert!(fleet.told(&mut seen).is_empty());
    }
}

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
        let (fleet, mut seen) = (Fleet::new(package), 0);
        fleet.ask(&machine).unwrap();
        let mut requests = fleet.server.requests().into_iter();
        let post = requests.rfind(|request| request.head.starts_with("POST"));
        let post = post.unwrap();
        let body = String::from_utf8(post.body).unwrap();
        assert!(body.contains(word), "{body}");
        assert_eq!(
            fleet.told(&mut seen),
            [format!("{DEPLOYMENT} closed failure")]
        );
    }
    let (fleet, mut seen) = (Fleet::new(package("1.3.0.0", CHUNK)), 0);
    fleet.change(
        "\"filename\":\"vigie-1.3.0.0-upd.tgz\"",
        "\"filename\":\"binary.rpm\"",
    );
    fleet.change("\"filename\":\"binary.tgz\"", "\"filename\":\"binary.rpm\"");
    fleet.ask(&Box::new()).unwrap();
    assert_eq!(
        fleet.told(&mut seen),
        [format!("{DEPLOYMENT} closed failure")]
    );
}

#[test]
fn nothing_is_fetched_that_is_not_wanted() {
    let (fleet, mut seen) = (Fleet::new(package("1.3.0.0", CHUNK)), 0);
    let mut machine = Box::new();
    machine.fetch = false;
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Offered);
    machine.fetch = true;
    fleet.order(&[("download", json!("skip"))]);
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Offered);
    fleet.base(IDLE);
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::UpToDate);
    assert!(fleet.told(&mut seen).is_empty());
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
        let package = package("1.3.0.0", CHUNK);
        let id = package.id.clone();
        let (fleet, mut seen) = (Fleet::new(package), 0);
        let mut machine = Box::new();
        fleet.ask(&machine).unwrap();
        assert!(consent(&machine).is_some());
        fleet.told(&mut seen);
        fleet.base(CANCEL);
        for ((busy, outcome), expected) in questions.iter().zip(expected) {
            machine.situation.busy = *busy;
            if let Some(outcome) = outcome {
                fate(&mut machine, &id, *outcome);
            }
            fleet.ask(&machine).unwrap();
            let told = fleet.told(&mut seen);
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
        assert!(fleet.told(&mut seen).is_empty());
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
        assert_eq!(fleet.told(&mut seen), expected, "{questions:?}");
    }
}

fn consent(machine: &Box) -> Option<Consent> {
    machine.store().recall(CONSENT)
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
        let package = package("1.3.0.0", CHUNK);
        let id = package.id.clone();
        let fleet = Fleet::new(package);
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
    let (fleet, mut seen) = (Fleet::new(package("1.3.0.0", CHUNK)), 0);
    fleet.with(|script| script.by_default = true);
    assert_eq!(fleet.ask(&Box::new()).unwrap().answer, Told::Fetched);
    assert_eq!(fleet.told(&mut seen).len(), 2);
    // Behind a proxy that does not say that it was asked by HTTPS.
    let fleet = Fleet::new(package("1.3.0.0", CHUNK));
    fleet.with(|script| script.by_default = true);
    let own = format!("{}{ROOT}/softwaremodules", fleet.server.url(""));
    fleet.change(&own, &own.replace("https:", "http:"));
    let trouble = fleet.ask(&Box::new()).unwrap_err();
    assert!(trouble.text.contains("by HTTPS"), "{trouble}");
    assert_eq!(
        fleet.told(&mut 0),
        [format!("{DEPLOYMENT} proceeding none")]
    );
}

#[test]
fn a_download_that_broke_goes_on_and_has_not_failed() {
    let (fleet, mut seen) = (Fleet::new(package("1.3.0.0", CHUNK)), 0);
    let machine = Box::new();
    // Broken at the head.
    fleet.with(|script| script.broken = Some(503));
    for told in [&[format!("{DEPLOYMENT} proceeding none")][..], &[]] {
        assert!(fleet.ask(&machine).unwrap_err().passing);
        assert_eq!(fleet.told(&mut seen), told, "the same trouble is told once");
    }
    // What does not mend by itself may be mended on the server.
    fleet.with(|script| script.broken = Some(403));
    assert!(!fleet.ask(&machine).unwrap_err().passing);
    assert_eq!(
        fleet.told(&mut seen),
        [format!("{DEPLOYMENT} proceeding none")]
    );
    // Longer than the server says: known only when it is fetched.
    fleet.with(|script| script.broken = None);
    let longer = package("1.3.0.0", CHUNK + 9);
    let bytes = [&longer.bytes[..], b"more"].concat();
    fleet.with(|script| script.package = Arc::new(Package { bytes, ..longer }));
    let trouble = fleet.ask(&machine).unwrap_err();
    assert!(trouble.text.contains("bytes long"), "{trouble}");
    let expected = ["download none", "proceeding none"];
    assert_eq!(
        fleet.told(&mut seen),
        expected.map(|told| format!("{DEPLOYMENT} {told}"))
    );
    // Mended: it goes on where it was, and its beginning is not told again.
    fleet.with(|script| script.package = Arc::new(package("1.3.0.0", CHUNK + 9)));
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Fetched);
    assert_eq!(
        fleet.told(&mut seen),
        [format!("{DEPLOYMENT} downloaded none")]
    );
}

#[test]
fn an_installation_that_is_tried_again_has_not_failed() {
    let package = package("1.3.0.0", CHUNK);
    let id = package.id.clone();
    let (fleet, mut seen) = (Fleet::new(package), 0);
    let mut machine = Box::new();
    fleet.order(&[("maintenanceWindow", json!("available"))]);
    fleet.ask(&machine).unwrap();
    fleet.told(&mut seen);
    fate(&mut machine, &id, Outcome::Failed);
    machine.situation.fates[0].again = true;
    for told in [&[format!("{DEPLOYMENT} proceeding none")][..], &[]] {
        machine.store().forget(CONSENT).unwrap();
        fleet.ask(&machine).unwrap();
        assert_eq!(fleet.told(&mut seen), told);
        assert!(consent(&machine).is_some(), "the next try needs it");
    }
    machine.situation.fates[0].again = false;
    machine.situation.fates[0].time += 1;
    fleet.ask(&machine).unwrap();
    assert_eq!(
        fleet.told(&mut seen),
        [format!("{DEPLOYMENT} closed failure")]
    );
}

/// A delta whose base is damaged here fails each time; the action is not over as long as it holds
/// the whole too.
#[test]
fn c84_a_package_that_failed_makes_room_for_another_of_its_action() {
    let (changes, whole) = (delta("1.3.0.0", CHUNK), package("1.3.0.0", CHUNK));
    let (first, second) = (changes.id.clone(), whole.id.clone());
    let (fleet, mut seen) = (Fleet::new(whole), 0);
    fleet.with(|script| script.beside = Some(Arc::new(changes)));
    let mut machine = Box::new();
    let here = |machine: &Box| {
        let folder = std::fs::read_dir(machine.folder.path().join("fleet")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    fleet.ask(&machine).unwrap();
    fleet.told(&mut seen);
    assert_eq!(here(&machine), ["beside-upd.tgz"]);
    assert_eq!(consent(&machine).unwrap().package, first);
    fate(&mut machine, &first, Outcome::Failed);
    machine.situation.fates[0].reason = Some("the base is damaged".into());
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Fetched);
    let told = ["proceeding none", "download none", "downloaded none"];
    assert_eq!(
        fleet.told(&mut seen),
        told.map(|told| format!("{DEPLOYMENT} {told}"))
    );
    assert_eq!(here(&machine), ["vigie-1.3.0.0-upd.tgz"]);
    assert_eq!(consent(&machine).unwrap().package, second);
    fleet.ask(&machine).unwrap();
    assert!(fleet.told(&mut seen).is_empty(), "told once");
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
        assert_eq!(fleet.told(&mut seen), [format!("{DEPLOYMENT} {ended}")]);
        fleet.ask(&machine).unwrap();
        assert!(fleet.told(&mut seen).is_empty());
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
    fleet.told(&mut seen);
    fate(&mut machine, &first, Outcome::Failed);
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Refused);
    assert_eq!(
        fleet.told(&mut seen),
        [format!("{DEPLOYMENT} closed failure")]
    );
}

#[test]
fn what_waits_to_be_confirmed_is_left_and_told() {
    let (fleet, mut seen) = (Fleet::new(package("1.3.0.0", CHUNK)), 0);
    let machine = Box::new();
    fleet.base(include_str!("../hawkbit/base-confirmation.json"));
    let told = fleet.ask(&machine).unwrap();
    assert_eq!(told.answer, Told::Unconfirmed);
    assert!(told.words(0).contains("confirmed there first"));
    assert!(fleet.told(&mut seen).is_empty());
    assert_eq!(fleet.server.requests().len(), 1, "nothing else is asked");
}

#[test]
fn what_this_machine_is_is_told_where_it_is_asked() {
    let fleet = Fleet::new(package("1.3.0.0", CHUNK));
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
    let fleet = Fleet::new(package("1.3.0.0", CHUNK));
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
fn what_became_of_a_package_before_says_nothing_of_a_new_action() {
    let package = package("1.3.0.0", CHUNK);
    let id = package.id.clone();
    let (fleet, mut seen) = (Fleet::new(package), 0);
    let mut machine = Box::new();
    fate(&mut machine, &id, Outcome::Refused);
    fleet.ask(&machine).unwrap();
    fleet.ask(&machine).unwrap();
    let told = fleet.told(&mut seen);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].ends_with("downloaded none"));
    fate(&mut machine, &id, Outcome::Refused);
    fleet.ask(&machine).unwrap();
    assert_eq!(
        fleet.told(&mut seen),
        [format!("{DEPLOYMENT} closed failure")]
    );
}

#[test]
fn an_action_that_the_server_has_forgotten_is_left() {
    let package = package("1.3.0.0", CHUNK);
    let id = package.id.clone();
    let (fleet, mut seen) = (Fleet::new(package), 0);
    let mut machine = Box::new();
    fleet.ask(&machine).unwrap();
    fleet.told(&mut seen);
    fleet.base(IDLE);
    fate(&mut machine, &id, Outcome::Good);
    // A server that is down hears of it later.
    fleet.with(|script| script.feedback = 503);
    assert!(fleet.ask(&machine).unwrap_err().passing);
    assert_eq!(fleet.told(&mut seen).len(), 1);
    fleet.with(|script| script.feedback = 410);
    fleet.ask(&machine).unwrap();
    assert_eq!(fleet.told(&mut seen).len(), 1);
    fleet.ask(&machine).unwrap();
    assert!(fleet.told(&mut seen).is_empty());
}

#[test]
fn a_server_that_names_others_or_talks_nonsense_is_not_followed() {
    let elsewhere = Server::start(Certificate::Good, |_| answer(200, "{}"));
    let files = "/api/v1/DEFAULT/download/controller/SN-1/softwaremodules/24";
    for what in [&format!("{ROOT}/deploymentBase/8?c"), files] {
        let fleet = Fleet::new(package("1.3.0.0", CHUNK));
        let host = fleet.server.url("");
        let from = format!("{host}{what}");
        fleet.change(&from, &from.replace(&host, &elsewhere.url("")));
        let trouble = fleet.ask(&Box::new()).unwrap_err();
        assert!(trouble.text.contains("not its own"), "{trouble}");
    }
    assert!(elsewhere.requests().is_empty());
    for text in ["", "7", "{\"_links\":{\"deploymentBase\":{}}}"] {
        let fleet = Fleet::new(package("1.3.0.0", CHUNK));
        fleet.base(text);
        assert!(fleet.ask(&Box::new()).is_err(), "{text}");
    }
    let fleet = Fleet::new(package("1.3.0.0", CHUNK));
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
