//! A fleet server by a script: what a real one answers, in `tests/hawkbit` (its README names the
//! sources), with the address, the controller and the package of a test put in.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use https_test_server::{Answer, Certificate, Request, Server, answer};
use serde_json::{Value, json};
use vigie_pull::http::Trouble;
use vigie_update::history::Outcome;
use vigie_update::pulled::{CONSENT, Consent, Report};
use vigie_update::situation::Fate;

use crate::support::{Box, CHUNK, Package, package, serve};

pub const SETTINGS: &str = "[update]\n[update.hawkbit]\nurl = \"HOST/\"\ntenant = \"DEFAULT\"\n\
                        token = \"3bc13b476cb3962a0c63a5c92beacfh7\"\n";
pub const ROOT: &str = "/DEFAULT/controller/v1/SN-1";
pub const DEPLOYMENT: &str = "/deploymentBase/8/feedback";
pub const IDLE: &str = include_str!("../hawkbit/base-idle.json");
pub const CANCEL: &str = include_str!("../hawkbit/base-cancel.json");
/// Where the recorded answers say that the server and its files are.
const RECORDED: [&str; 2] = ["https://management-api.host.com", "https://link-to-cdn.com"];
/// The module of the recorded action that holds our package, and its name; the two others are other
/// devices'.
const MODULE: (usize, &str) = (1, "softwaremodules/24");

/// What the server has now; a test changes it between two questions.
#[derive(Clone)]
pub struct Script {
    pub base: &'static str,
    pub package: Arc<Package>,
    /// Another of the same action.
    pub beside: Option<Arc<Package>>,
    /// The status that feedback is answered by.
    pub feedback: u16,
    /// The status that attributes are answered by.
    pub attributes: u16,
    /// The status that a package is answered by, where it is not sent.
    pub broken: Option<u16>,
    /// Replacements in the recorded texts.
    pub changes: Vec<(String, String)>,
    /// Values of the action's order.
    pub order: Vec<(&'static str, Value)>,
    /// Links are those of a server with its default properties.
    pub by_default: bool,
}

pub struct Fleet {
    pub server: Server,
    pub script: Arc<Mutex<Script>>,
    /// Requests that [`Fleet::told`] has looked at.
    seen: Cell<usize>,
}

impl Fleet {
    /// A server whose action is the version 1.3.0.0, with the id of that package.
    pub fn of_one_chunk() -> (Self, String) {
        let package = package("1.3.0.0", CHUNK);
        let id = package.id.clone();
        (Self::new(package), id)
    }

    pub fn new(package: Package) -> Self {
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
        let fleet = Self {
            server,
            script,
            seen: Cell::new(0),
        };
        for recorded in RECORDED {
            fleet.change(recorded, &host);
        }
        fleet.change("TENANT_ID", "DEFAULT");
        fleet.change("CONTROLLER_ID", "SN-1");
        // The recorded question and the recorded action are of two exchanges.
        fleet.change("/deploymentBase/5?", "/deploymentBase/8?");
        fleet
    }

    pub fn change(&self, from: &str, to: &str) {
        let change = (from.to_owned(), to.to_owned());
        self.with(|script| script.changes.push(change));
    }

    pub fn base(&self, text: &'static str) {
        self.with(|script| script.base = text);
    }

    pub fn order(&self, order: &[(&'static str, Value)]) {
        self.with(|script| script.order = order.to_vec());
    }

    pub fn with(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub fn ask(&self, machine: &Box) -> Result<Report, Trouble> {
        machine.ask_as(SETTINGS, &self.server, &self.server)
    }

    /// What it was told since the last time: the resource, execution and result.
    pub fn told(&self) -> Vec<String> {
        let requests = self.server.requests();
        let new = requests[self.seen.replace(requests.len())..]
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
        told.collect()
    }

    /// Since the last time it was told this of the action, and nothing else: execution and result.
    #[track_caller]
    pub fn is_told(&self, expected: &[&str]) {
        let expected = expected.iter().map(|told| format!("{DEPLOYMENT} {told}"));
        assert_eq!(self.told(), expected.collect::<Vec<_>>());
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

pub fn fate(machine: &mut Box, package: &str, outcome: Outcome) {
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
        reason_fr: None,
        again: false,
    }];
}

pub fn consent(machine: &Box) -> Option<Consent> {
    machine.store().recall(CONSENT)
}
