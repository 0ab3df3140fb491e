use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const SOON: Duration = Duration::from_secs(30);

fn ask(socket: &Path, envelope: &Value) -> Vec<Value> {
    let mut broker = UnixStream::connect(socket).unwrap();
    broker
        .write_all(format!("{envelope}\n").as_bytes())
        .unwrap();
    let lines = BufReader::new(broker).lines();
    lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

fn web(broker: &Broker, token: Option<&str>, ask_for: Value) -> Vec<Value> {
    let envelope = json!({"from": "192.0.2.7", "token": token, "ask": ask_for});
    ask(&broker.for_web(), &envelope)
}

#[test]
fn the_first_administrator_tries_networks_and_keeps_or_loses_them() {
    let root = tempfile::tempdir().unwrap();
    let text = "version = 3\n[network.enterprise]\naddress = \"192.0.2.1/24\"\n";
    let broker = Broker::start(root.path(), &Settings::from_text(text).unwrap()).unwrap();
    let first = json!({"verb": "setup", "code": broker.code().unwrap(), "user": "anne",
        "password": "dix lamas", "language": "fr"});
    let begun = web(&broker, None, first);
    let token = begun[0]["token"].as_str().unwrap();
    let address = |address: &str| {
        let change = json!({"path": "network.enterprise.address", "value": address});
        json!({"verb": "settings-set", "changes": [change]})
    };
    let saved = || broker.settings().network.enterprise.address.unwrap();
    let in_force = || {
        let settings = broker.in_force().unwrap();
        settings.network.enterprise.address.unwrap().to_string()
    };
    let told = web(&broker, Some(token), address("192.0.2.2/24"));
    assert_eq!(told[0]["trial"], 60, "{told:?}");
    assert!(broker.waits_for(IN_FORCE, SOON));
    assert_eq!(in_force(), "192.0.2.2/24");
    assert_eq!(saved().to_string(), "192.0.2.1/24");
    web(&broker, Some(token), json!({"verb": "network-confirm"}));
    assert_eq!(saved().to_string(), "192.0.2.2/24");
    web(&broker, Some(token), address("192.0.2.3/24"));
    assert!(broker.waits_for(IN_FORCE, SOON));
    web(&broker, Some(token), json!({"verb": "network-revert"}));
    assert!(broker.waits_for(TAKEN_BACK, SOON));
    assert_eq!(in_force(), "192.0.2.2/24");
    // What ends the host is only written down.
    web(&broker, Some(token), json!({"verb": "restart"}));
    assert!(broker.waits_for("systemctl --no-block reboot", Duration::ZERO));
}

#[test]
fn who_asks_at_which_socket_is_whom() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(root.path(), &Settings::default()).unwrap();
    broker
        .add_user("anne", Role::Administrator, "dix lamas")
        .unwrap();
    let users = json!({"ask": {"verb": "users"}});
    let told = ask(&broker.for_root(), &users);
    assert_eq!((told.len(), &told[0]["name"]), (2, &json!("anne")));
    let told = web(&broker, None, json!({"verb": "users"}));
    assert_eq!(told[0]["code"], "session");
    let log_in = |password: &str| {
        let log_in = json!({"verb": "log-in", "user": "anne", "password": password});
        web(&broker, None, log_in)[0].clone()
    };
    for _ in 0..30 {
        log_in("dix lames");
    }
    assert_eq!(log_in("dix lamas")["code"], "wait");
    broker.waits_are_over().unwrap();
    assert_eq!(log_in("dix lamas")["role"], "administrator");
}

#[test]
fn the_log_is_followed_from_a_cursor() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(root.path(), &Settings::default()).unwrap();
    for line in ["one", "two", "three"] {
        broker.log(line);
    }
    let logs = |ask_for: Value| {
        let told = ask(&broker.for_root(), &json!({"ask": ask_for}));
        let texts = told.iter().filter_map(|event| event["text"].as_str());
        let texts: Vec<_> = texts.map(str::to_owned).collect();
        (texts, told[0]["cursor"].clone())
    };
    let (texts, first) = logs(json!({"verb": "logs", "lines": 2}));
    assert_eq!(texts, ["two", "three"]);
    let (texts, _) = logs(json!({"verb": "logs", "lines": 9, "after": first}));
    assert_eq!(texts, ["three"]);
}
