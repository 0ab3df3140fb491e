//! A run of updates with a real server that is not hawkBit's own: `tests/hawkbit/goosebit.json` (the
//! README there says how it was recorded) has each request that this program sent and each answer.
//! Here it must send the same again, in the same order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use https_test_server::{Answer, Certificate, Request, Server, answer};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use vigie_update::history::Outcome;
use vigie_update::policy::Waiting;
use vigie_update::pulled::{Answer as Told, CONSENT, Consent};
use vigie_update::situation::Fate;

use crate::support::{Box, CHUNK, Package, package};

const RECORD: &str = include_str!("../hawkbit/goosebit.json");
const SETTINGS: &str = "[update]\n[update.hawkbit]\nurl = \"HOST/\"\ntenant = \"DEFAULT\"\n\
                        token = \"TOKEN\"\n";
const TOKEN: &str = "3bc13b476cb3962a0c63a5c92beacfh7";
/// Where the record says that the server is.
const HOST: &str = "https://fleet.example";

/// What was asked and answered in one run of the program.
#[derive(Deserialize)]
struct Step {
    step: String,
    exchanges: Vec<Exchange>,
}

#[derive(Clone, Deserialize)]
struct Exchange {
    request: Asked,
    answer: Answered,
}

/// A request; of its headers those that matter here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    /// Without the time in it, which is another one today.
    body: Option<Value>,
}

#[derive(Clone, Deserialize)]
struct Answered {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    package: Option<Sent>,
}

/// A package in an answer.
#[derive(Clone, Deserialize)]
struct Sent {
    version: String,
    /// Of the whole file.
    sha256: String,
    /// From this byte on.
    from: usize,
    /// The connection broke after so many.
    broke_after: Option<usize>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let names = ["authorization", "content-type", "range", "if-range"];
        let header = |name: &str| Some((name.to_owned(), request.header(name)?.to_owned()));
        let mut body: Option<Value> = serde_json::from_slice(&request.body).ok();
        if let Some(Value::Object(body)) = &mut body {
            body.remove("time");
        }
        Self {
            method: request.head.split(' ').next().unwrap().to_owned(),
            path: request.path().to_owned(),
            headers: names.into_iter().filter_map(header).collect(),
            body,
        }
    }
}

impl Answered {
    fn again(&self, host: &str) -> Answer {
        let text = self.body.as_deref().unwrap_or_default();
        let mut again = answer(self.status, &text.replace(HOST, host));
        for (name, value) in &self.headers {
            again = again.with(name, value);
        }
        let Some(sent) = &self.package else {
            return again;
        };
        let bytes = of_version(&sent.version).bytes;
        assert_eq!(hex::encode(Sha256::digest(&bytes)), sent.sha256);
        let whole = bytes[sent.from..].to_vec();
        let length = whole.len();
        let until = sent.broke_after.unwrap_or(length);
        let again = again.with_body(whole[..until].to_vec());
        again.claiming(length as u64)
    }
}

fn of_version(version: &str) -> Package {
    package(version, 2 * CHUNK + 9)
}

/// The server as it was.
struct Recorded {
    server: Server,
    left: Arc<Mutex<VecDeque<Exchange>>>,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Recorded {
    fn start() -> Self {
        let left = Arc::<Mutex<VecDeque<Exchange>>>::default();
        let wrong = Arc::<Mutex<Vec<String>>>::default();
        let (script, errors) = (left.clone(), wrong.clone());
        let server = Server::start(Certificate::Good, move |request| {
            let asked = Asked::of(request);
            match script.lock().unwrap().pop_front() {
                Some(recorded) if recorded.request == asked => {
                    let host = request.header("host").unwrap();
                    recorded.answer.again(&format!("https://{host}"))
                }
                other => {
                    let expected = other.map(|exchange| exchange.request);
                    let text = format!("{asked:#?} in place of {expected:#?}");
                    errors.lock().unwrap().push(text);
                    answer(500, "")
                }
            }
        });
        Self {
            server,
            left,
            wrong,
        }
    }
}

fn fate(machine: &mut Box, version: &str, outcome: Outcome) {
    let last = machine.situation.fates.first();
    let time = last.map_or(1, |fate| fate.time + 1);
    machine.situation.fates = vec![Fate {
        package: of_version(version).id,
        time,
        outcome,
        reason: None,
        reason_fr: None,
        again: false,
    }];
}

/// What has happened to the machine before a step, and what it tells then.
fn before(step: &str, machine: &mut Box) -> Told {
    machine.fetch = true;
    match step {
        "only asked for" => {
            machine.fetch = false;
            return Told::Offered;
        }
        "fetched, the connection breaks" | "asked again" | "the next one" | "offered again" => {
            return Told::Fetched;
        }
        "installed" => {
            fate(machine, "1.3.0.0", Outcome::Installed);
            let version = "1.3.0.0".parse().ok();
            machine.situation.waiting = Some(Waiting { version });
        }
        "good" => {
            fate(machine, "1.3.0.0", Outcome::Good);
            machine.situation.waiting = None;
            machine.situation.machine.version = "1.3.0.0".parse().unwrap();
            machine.situation.reached = "1.3.0.0".parse().unwrap();
        }
        "came back" => {
            fate(machine, "1.4.0.0", Outcome::Returned);
            let version = "1.4.0.0".parse().unwrap();
            machine.situation.not_again.insert(version);
        }
        "registered" | "nothing more" | "withdrawn" | "after the failure" => {}
        other => panic!("{other}"),
    }
    Told::UpToDate
}

#[test]
fn c77_c78_c84_a_recorded_run_of_updates_is_gone_through_again() {
    let recorded = Recorded::start();
    let mut machine = Box::new();
    let steps: Vec<Step> = serde_json::from_str(RECORD).unwrap();
    assert!(steps.len() > 10);
    for Step { step, exchanges } in steps {
        recorded.left.lock().unwrap().extend(exchanges);
        let expected = before(&step, &mut machine);
        let settings = SETTINGS.replace("TOKEN", TOKEN);
        let server = &recorded.server;
        let told = machine.ask_as(&settings, server, server);
        assert_eq!(recorded.wrong.lock().unwrap()[..], [""; 0], "{step}");
        assert!(recorded.left.lock().unwrap().is_empty(), "{step}");
        let told = told.map(|report| (report.answer, report.reason));
        assert_eq!(told, Ok((expected, None)), "{step}");
        // The server consents as long as it offers.
        let consent: Option<Consent> = machine.store().recall(CONSENT);
        let offers = matches!(expected, Told::Offered | Told::Fetched);
        assert!(consent.is_some() || !offers, "{step}");
        if step == "withdrawn" {
            assert_eq!(consent, None);
        }
    }
}
