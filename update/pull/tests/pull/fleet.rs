//! hawkBit: an exchange as its public documentation has it, in `tests/hawkbit/*.json`.

use std::sync::{Arc, Mutex};

use https_test_server::{Answer, Certificate, Request, Server, answer};
use serde_json::Value;
use vigie_pull::http::Trouble;
use vigie_update::history::Outcome;
use vigie_update::policy::Waiting;
use vigie_update::pulled::{Answer as Told, Report};
use vigie_update::situation::Fate;

use crate::support::{Box, CHUNK, Package, package, package_of, serve};

const SETTINGS: &str = "[update]\n[update.hawkbit]\nurl = \"HOST/\"\ntenant = \"DEFAULT\"\n\
                        token = \"3bc13b476cb3962a0c63a5c92beacfh7\"\n";
const ROOT: &str = "/DEFAULT/controller/v1/SN-1";

/// What the server has now; a test changes it between two questions.
#[derive(Clone)]
struct Script {
    base: &'static str,
    package: Arc<Package>,
    /// The status that feedback is answered by.
    feedback: u16,
    /// Replacements in the recorded texts.
    changes: Vec<(String, String)>,
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
            feedback: 200,
            changes: Vec::new(),
        }));
        let shared = script.clone();
        let server = Server::start(Certificate::Good, move |request| {
            reply(request, &shared.lock().unwrap())
        });
        let host = server.url("");
        let fleet = Self { server, script };
        fleet.change("https://fleet.example.org", &host);
        fleet
    }

    fn change(&self, from: &str, to: &str) {
        let change = (from.to_owned(), to.to_owned());
        self.script.lock().unwrap().changes.push(change);
    }

    fn base(&self, text: &'static str) {
        self.script.lock().unwrap().base = text;
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
    let size = script.package.bytes.len().to_string();
    let recorded = |text: &str| {
        let text = text.replace("\"size\" : 13", &format!("\"size\" : {size}"));
        let changes = script.changes.iter();
        let text = changes.fold(text, |text, (from, to)| text.replace(from, to));
        answer(200, &text).with("Content-Type", "application/hal+json")
    };
    if request.header("authorization") != Some("TargetToken 3bc13b476cb3962a0c63a5c92beacfh7") {
        return answer(401, "");
    }
    let path = request.path();
    match path.strip_prefix(ROOT) {
        Some("") => recorded(script.base),
        Some("/deploymentBase/8?c=-2129030598") => {
            recorded(include_str!("../hawkbit/deployment.json"))
        }
        Some("/cancelAction/11") => recorded(include_str!("../hawkbit/cancel.json")),
        Some(feedback) if feedback.ends_with("/feedback") => answer(script.feedback, ""),
        Some(file) if file.ends_with("/artifacts/vigie-1.3.0.0-upd.tgz") => {
            serve(request, &script.package.bytes, "\"1\"")
        }
        _ => answer(404, ""),
    }
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
        let deployment = "/deploymentBase/8/feedback";
        assert_eq!(
            fleet.told(&mut seen),
            [
                format!("{deployment} download none"),
                format!("{deployment} downloaded none")
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
            [format!("{deployment} proceeding none")]
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
        assert_eq!(fleet.told(&mut seen), [format!("{deployment} {last}")]);
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
        let post = fleet.server.requests().pop().unwrap();
        let body = String::from_utf8(post.body).unwrap();
        assert!(body.contains(word), "{body}");
        assert_eq!(
            fleet.told(&mut seen),
            ["/deploymentBase/8/feedback closed failure"]
        );
    }
    let (fleet, mut seen) = (Fleet::new(package("1.3.0.0", CHUNK)), 0);
    fleet.change("vigie-1.3.0.0-upd.tgz\",", "binary.rpm\",");
    fleet.ask(&Box::new()).unwrap();
    assert_eq!(
        fleet.told(&mut seen),
        ["/deploymentBase/8/feedback closed failure"]
    );
}

#[test]
fn nothing_is_fetched_that_is_not_wanted() {
    let (fleet, mut seen) = (Fleet::new(package("1.3.0.0", CHUNK)), 0);
    let mut machine = Box::new();
    machine.fetch = false;
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Offered);
    machine.fetch = true;
    fleet.change("\"download\" : \"forced\"", "\"download\" : \"skip\"");
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::Offered);
    fleet.base(include_str!("../hawkbit/base-idle.json"));
    assert_eq!(fleet.ask(&machine).unwrap().answer, Told::UpToDate);
    assert!(fleet.told(&mut seen).is_empty());
    assert!(!vigie_pull::hawkbit::is_due(&machine.store()));
}

#[test]
fn a_cancellation_is_honoured_until_it_is_installed() {
    for (installed, expected) in [(false, "closed success"), (true, "rejected none")] {
        let package = package("1.3.0.0", CHUNK);
        let id = package.id.clone();
        let (fleet, mut seen) = (Fleet::new(package), 0);
        let mut machine = Box::new();
        fleet.ask(&machine).unwrap();
        fleet.told(&mut seen);
        fleet.base(include_str!("../hawkbit/base-cancel.json"));
        if installed {
            fate(&mut machine, &id, Outcome::Installed);
        }
        fleet.ask(&machine).unwrap();
        let told = fleet.told(&mut seen);
        let last = told.last().unwrap();
        assert_eq!(*last, format!("/cancelAction/11/feedback {expected}"));
        let left = std::fs::read_dir(machine.folder.path().join("fleet")).unwrap();
        assert_eq!(left.count(), usize::from(installed));
        if installed {
            // How it ends is still told.
            fleet.base(include_str!("../hawkbit/base-idle.json"));
            fate(&mut machine, &id, Outcome::Good);
            fleet.ask(&machine).unwrap();
            assert_eq!(
                fleet.told(&mut seen),
                ["/deploymentBase/8/feedback closed success"]
            );
        }
    }
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
        ["/deploymentBase/8/feedback closed failure"]
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
    fleet.base(include_str!("../hawkbit/base-idle.json"));
    fate(&mut machine, &id, Outcome::Good);
    // A server that is down hears of it later.
    fleet.script.lock().unwrap().feedback = 503;
    assert!(fleet.ask(&machine).unwrap_err().passing);
    assert_eq!(fleet.told(&mut seen).len(), 1);
    fleet.script.lock().unwrap().feedback = 410;
    fleet.ask(&machine).unwrap();
    assert_eq!(fleet.told(&mut seen).len(), 1);
    fleet.ask(&machine).unwrap();
    assert!(fleet.told(&mut seen).is_empty());
}

#[test]
fn a_server_that_names_others_or_talks_nonsense_is_not_followed() {
    let elsewhere = Server::start(Certificate::Good, |_| answer(200, "{}"));
    for what in ["/deploymentBase/8?c", "/softwaremodules/"] {
        let fleet = Fleet::new(package("1.3.0.0", CHUNK));
        let host = fleet.server.url("");
        let from = format!("{host}{ROOT}{what}");
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
