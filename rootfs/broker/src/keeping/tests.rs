use std::cell::Cell;
use std::fs;

use super::*;
use crate::verb::Request;

/// Writes down what it runs.
#[derive(Default)]
struct Recorder {
    ran: Vec<String>,
    time: Cell<u64>,
}

impl System for Recorder {
    fn run(&mut self, words: &[&str]) -> Result<(), String> {
        self.ran.push(words.join(" "));
        Ok(())
    }
    fn clock(&self) -> u64 {
        self.time.get()
    }
    fn let_the_answer_go(&mut self) {}
}

/// A system that has settings.
struct Appliance {
    root: tempfile::TempDir,
    system: Recorder,
}

impl Appliance {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["etc", "run/vigie", "usr/share/zoneinfo/Europe"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for zone in ["Etc/UTC", "Europe/Paris"] {
            let path = root.path().join("usr/share/zoneinfo").join(zone);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "TZif").unwrap();
        }
        let text = include_str!("../../../settings/tests/golden/full.toml");
        let settings = Settings::from_text(text).unwrap();
        let store = Store::of_system(root.path()).by("installer");
        store.save(&settings).unwrap();
        let report = vigie_settings::apply::apply_early(root.path());
        assert!(!report.failed, "{report:?}");
        Self {
            root,
            system: Recorder::default(),
        }
    }

    fn settings(&self) -> Settings {
        Store::of_system(self.root.path()).load().settings
    }

    /// What is told, and the code of a failure.
    fn ask(&mut self, ask: Value) -> (Vec<Value>, &'static str) {
        let request: Request = serde_json::from_value(ask).unwrap();
        let mut told = Vec::new();
        let mut shelf = Shelf {
            root: self.root.path().to_owned(),
            system: &mut self.system,
        };
        let done = shelf.keep("anna", &request, &mut |event| told.push(event.clone()));
        (told, done.err().map_or("", |failure| failure.code))
    }

    fn set(&mut self, changes: Value) -> (Vec<Value>, &'static str) {
        self.ask(json!({"verb": "settings-set", "changes": changes}))
    }
}

#[test]
fn a_change_is_saved_in_force_and_of_who_asked() {
    let mut appliance = Appliance::new();
    let (told, code) = appliance.ask(json!({"verb": "settings-get"}));
    assert_eq!((code, &told[0]["generation"]), ("", &json!(1)));
    assert_eq!(told[0]["settings"]["users"][0]["password_hash"], "(set)");
    let changes = json!([
        {"path": "system.hostname", "value": "hall-2"},
        {"path": "registration.phone", "value": null},
    ]);
    let ask = json!({"verb": "settings-set", "changes": changes, "generation": 1});
    let (told, code) = appliance.ask(ask.clone());
    assert_eq!(code, "");
    let saved = json!({"event": "saved", "generation": 2, "trial": null, "after_restart": [], "address": null});
    assert_eq!(told, [saved]);
    assert_eq!(appliance.settings().system.hostname.as_str(), "hall-2");
    assert_eq!(
        appliance.system.ran,
        ["hostnamectl --transient hostname hall-2"]
    );
    // Somebody else was faster.
    let (told, code) = appliance.ask(ask);
    assert_eq!((told.len(), code), (0, "changed"));
    let (told, _) = appliance.ask(json!({"verb": "settings-history"}));
    assert_eq!((told.len(), &told[0]["who"]), (2, &json!("anna")));
    assert_eq!(
        (&told[0]["in_use"], &told[1]["in_use"], &told[1]["number"]),
        (&json!(true), &json!(false), &json!(1))
    );
    assert!(told[0]["saved_at"].as_u64().unwrap() > 1_000_000_000);
}

#[test]
fn what_is_wrong_is_told_by_its_field_and_nothing_is_saved() {
    let mut appliance = Appliance::new();
    let before = appliance.settings();
    for (path, value, field) in [
        ("system.hostname", json!("a b"), "system.hostname"),
        ("system.timezone", json!("Mars/Olympus"), "system.timezone"),
        ("system.colour", json!("red"), "system.colour"),
        ("time.ntp", json!([null]), "time.ntp"),
        (
            "access.root_password_hash",
            json!("$y$x"),
            "access.root_password_hash",
        ),
        ("access", json!(null), "access"),
        ("users", json!([]), "users"),
    ] {
        let changes = json!([{"path": path, "value": value}]);
        let (told, code) = appliance.set(changes.clone());
        assert_eq!(code, "problems", "{path}");
        assert_eq!(told[0]["field"], field, "{told:?}");
        assert_ne!(told[0]["reason"], told[0]["reason_fr"]);
        let (checked, code) = appliance.ask(json!({"verb": "settings-check", "changes": changes}));
        assert_eq!((checked, code), (told, ""), "{path}");
    }
    let good = json!([{"path": "system.timezone", "value": "Europe/Paris"}]);
    let (told, code) = appliance.ask(json!({"verb": "settings-check", "changes": good}));
    assert_eq!((told.len(), code), (0, ""));
    assert_eq!(appliance.settings(), before);
    assert!(appliance.system.ran.is_empty());
}

#[test]
fn the_last_way_to_root_is_not_taken_away_from_here() {
    let mut appliance = Appliance::new();
    let store = Store::of_system(appliance.root.path());
    let mut settings = appliance.settings();
    settings.access.root_password_hash = None;
    settings.access.menu_ssh_keys.clear();
    assert!(!settings.access.ssh_authorized_keys.is_empty());
    store.save(&settings).unwrap();
    let changes = json!([{"path": "access.ssh_authorized_keys", "value": null}]);
    let (told, code) = appliance.set(changes);
    assert_eq!((code, &told[0]["field"]), ("problems", &json!("access")));
    assert_eq!(appliance.settings(), settings);
}

#[test]
fn other_networks_are_saved_when_they_are_confirmed() {
    let mut appliance = Appliance::new();
    let before = appliance.settings();
    let trial = |appliance: &mut Appliance| {
        let (told, code) = appliance.ask(json!({"verb": "network-trial"}));
        assert_eq!(code, "");
        (told[0]["left"].clone(), told[0]["address"].clone())
    };
    let tried = json!("10.9.0.2/24");
    assert_eq!(trial(&mut appliance), (Value::Null, Value::Null));
    for verb in ["network-confirm", "network-revert"] {
        assert_eq!(appliance.ask(json!({"verb": verb})).1, "trial");
    }
    let changes = json!([
        {"path": "network.enterprise.address", "value": "10.9.0.2/24"},
        {"path": "network.enterprise.gateway", "value": "10.9.0.1"},
        {"path": "network.enterprise.dhcp", "value": null},
    ]);
    let (told, code) = appliance.set(changes.clone());
    assert_eq!((code, &told[0]["trial"]), ("", &json!(60)));
    assert_eq!(told[0]["address"], tried);
    assert_eq!(appliance.settings(), before, "not saved");
    assert_eq!(trial(&mut appliance), (json!(60), tried.clone()));
    let (_, code) = appliance.set(json!([{"path": "system.hostname", "value": "x"}]));
    assert_eq!(code, "trial");
    trial::put_in_force(appliance.root.path(), &mut appliance.system).unwrap();
    appliance.system.time.set(2000);
    assert_eq!(trial(&mut appliance), (json!(58), tried));
    let (told, code) = appliance.ask(json!({"verb": "network-confirm"}));
    assert_eq!((code, &told[0]["generation"]), ("", &json!(2)));
    assert_eq!(told[0]["address"], json!("10.9.0.2/24"));
    let network = appliance.settings().network.enterprise;
    assert_eq!(network.address.unwrap().to_string(), "10.9.0.2/24");
    assert_eq!(trial(&mut appliance), (Value::Null, Value::Null));
    // And one that nobody wants.
    let changes = json!([{"path": "network.enterprise.address", "value": "10.9.0.3/24"}]);
    assert_eq!(appliance.set(changes).1, "");
    assert_eq!(appliance.ask(json!({"verb": "network-revert"})).1, "");
    let last = appliance.system.ran.last().unwrap();
    assert!(last.ends_with("start vigie-trial-revert.service"), "{last}");
    assert!(trial::take_back(appliance.root.path(), &mut appliance.system).unwrap());
    assert_eq!(appliance.settings().network.enterprise, network);
}

#[test]
fn a_generation_is_compared_and_taken_again_without_secrets() {
    let mut appliance = Appliance::new();
    let store = Store::of_system(appliance.root.path());
    let mut settings = appliance.settings();
    settings.system.hostname = "hall-2".parse().unwrap();
    settings.access.root_password_hash = None;
    store.save(&settings).unwrap();
    let (told, code) = appliance.ask(json!({"verb": "settings-diff", "generation": 1}));
    assert_eq!((code, told.len()), ("", 2));
    assert_eq!(
        told[0],
        json!({"event": "change", "field": "access.root_password_hash", "old": "(set)", "new": null})
    );
    assert_eq!(told[1]["new"], "hall-2");
    let (told, code) = appliance.ask(json!({"verb": "settings-restore", "generation": 1}));
    assert_eq!((code, &told[0]["generation"]), ("", &json!(3)));
    assert_ne!(appliance.settings().system.hostname.as_str(), "hall-2");
    for verb in ["settings-diff", "settings-restore"] {
        let (_, code) = appliance.ask(json!({"verb": verb, "generation": 77}));
        assert_eq!(code, "generation", "{verb}");
    }
}

#[test]
fn a_backup_goes_out_and_comes_back() {
    let mut appliance = Appliance::new();
    let before = appliance.settings();
    for passphrase in [Value::Null, json!("dix lamas verts")] {
        let ask = json!({"verb": "backup", "passphrase": passphrase});
        let (told, code) = appliance.ask(ask);
        assert_eq!(code, "");
        let name = told[0]["name"].as_str().unwrap();
        assert!(
            name.ends_with(".vigie-settings") && name.contains("-20"),
            "{name}"
        );
        let data = told[0]["data"].clone();
        let changes = json!([{"path": "system.hostname", "value": "hall-2"}]);
        assert_eq!(appliance.set(changes).1, "");
        let wrong = json!({"verb": "restore", "data": data, "passphrase": "neuf lamas"});
        assert_eq!(appliance.ask(wrong).1, "passphrase");
        let ask = json!({"verb": "restore", "data": data, "passphrase": passphrase});
        let (told, code) = appliance.ask(ask);
        assert_eq!((code, &told[0]["trial"]), ("", &Value::Null));
        assert_eq!(appliance.settings(), before);
    }
    for data in ["", "????", "AAAA"] {
        let (_, code) = appliance.ask(json!({"verb": "restore", "data": data}));
        assert_eq!(code, "backup", "{data}");
    }
    let (_, code) = appliance.ask(json!({"verb": "backup", "passphrase": "short"}));
    assert_eq!(code, "passphrase");
    assert_eq!(appliance.settings(), before);
}

#[test]
fn a_backup_says_which_version_made_it_and_an_older_one_is_told() {
    let mut appliance = Appliance::new();
    let release = appliance.root.path().join("usr/lib/os-release");
    std::fs::create_dir_all(release.parent().unwrap()).unwrap();
    std::fs::write(&release, "ID=x\nVERSION_ID=\"0.2.0.0\"\n").unwrap();
    let (told, _) = appliance.ask(json!({"verb": "backup"}));
    let data = told[0]["data"].clone();
    let bytes = BASE64_STANDARD.decode(data.as_str().unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("\nsystem 0.2.0.0\n"), "{text}");
    for (own, told_first) in [("0.2.0.0", "saved"), ("0.1.0.0", "warning")] {
        std::fs::write(&release, format!("VERSION_ID={own}\n")).unwrap();
        let (told, code) = appliance.ask(json!({"verb": "restore", "data": data}));
        assert_eq!((code, told[0]["event"].as_str()), ("", Some(told_first)));
    }
}

#[test]
fn a_backup_of_newer_software_is_named_and_changes_nothing() {
    let mut appliance = Appliance::new();
    let before = appliance.settings();
    let newer = include_bytes!("../../../settings/tests/fuzz/corpus/backup/newer");
    let data = BASE64_STANDARD.encode(newer);
    let (told, code) = appliance.ask(json!({"verb": "restore", "data": data}));
    assert_eq!((told, code), (vec![], "newer"));
    assert_eq!(appliance.settings(), before);
    assert!(appliance.system.ran.is_empty());
}

#[test]
fn the_next_start_checks_when_it_is_told_to() {
    let mut appliance = Appliance::new();
    let state = |appliance: &mut Appliance| {
        let (told, _) = appliance.ask(json!({"verb": "check-at-boot-state"}));
        told[0]["on"].as_bool().unwrap()
    };
    assert!(!state(&mut appliance));
    for on in [true, true, false, false] {
        let (_, code) = appliance.ask(json!({"verb": "check-at-boot", "on": on}));
        assert_eq!((code, state(&mut appliance)), ("", on));
    }
}

#[test]
fn the_trail_has_the_fields_and_nothing_of_their_values() {
    let changes = json!([
        {"path": "system.hostname", "value": "hall-2"},
        {"path": "access.root_password_hash", "value": "$y$secret"},
        {"path": "dix lamas", "value": null},
    ]);
    let changes: Vec<Edited> = serde_json::from_value(changes).unwrap();
    assert_eq!(
        fields(&changes),
        "? access.root_password_hash system.hostname"
    );
}
