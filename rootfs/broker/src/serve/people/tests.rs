use std::fs;
use std::path::Path;

use crate::audit::{self, Trail};
use crate::elsewhere;
use crate::people::tests::{USERS, save};
use crate::running::Running;
use crate::serve::tests::{answered, code, is_well, line};
use crate::session::Sessions;
use crate::session::tests::IDLE;
use crate::setup::Code;
use crate::users::{Accounts, OfSystem};

use super::*;

/// A system in a folder: its own settings and accounts.
struct House(tempfile::TempDir);

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["etc", "run/vigie", "usr/share/zoneinfo/Etc"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("usr/share/zoneinfo/Etc/UTC"), "TZif").unwrap();
        // Of "dix lamas".
        let hash = "$5$rounds=6000$saltsalt$6L8Ne0RvbU2xHDnSPlr9Cs53aXYWpEJhb5ewTYBzmg7";
        let shadow = format!("root:{hash}:1::::::\nservice:*:1::::::\n");
        fs::write(root.join("etc/shadow"), shadow).unwrap();
        Self(dir)
    }

    fn with_users() -> Self {
        let house = Self::new();
        save(house.root(), USERS);
        house
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn code(&self) -> Code {
        let path = self.root().join("run/vigie/setup-code");
        Code { path }
    }

    fn sessions(&self) -> Sessions {
        Sessions {
            path: self.root().join("run/vigie/sessions"),
            idle: IDLE,
        }
    }

    fn ask(&self, peer: Peer, token: Option<&str>, ask: &str) -> Vec<Value> {
        self.say(peer, &line(token, ask))
    }

    fn say(&self, peer: Peer, line: &str) -> Vec<Value> {
        let root = self.root().to_owned();
        let users = OfSystem {
            accounts: Accounts {
                shadow: root.join("etc/shadow"),
            },
            root: root.clone(),
        };
        let mut machine = Running { root: root.clone() };
        let mut desk = Desk {
            attempts: root.join("run/vigie/attempts"),
            sessions: self.sessions(),
            code: self.code(),
            users: &users,
            machine: &mut machine,
            root,
        };
        answered(&mut desk, Some(peer), line.as_bytes())
    }

    /// The token of somebody who is logged in.
    fn token(&self, name: &str) -> String {
        let settings = Store::of_system(self.root()).load().settings;
        let mut users = settings.users.iter();
        let user = users.find(|user| user.name.as_str() == name).unwrap();
        let token = self
            .sessions()
            .begin(&user.into(), Peer::Web, now())
            .unwrap();
        token.expose().to_owned()
    }

    fn is_logged_in(&self, token: &str) -> bool {
        is_well(&self.ask(Peer::Web, Some(token), r#"{"verb":"session"}"#))
    }

    fn set_up(&self, code: &str, user: &str, password: &str) -> Vec<Value> {
        let ask = json!({
            "verb": "setup", "code": code, "user": user, "password": password, "language": "fr",
        });
        self.ask(Peer::Web, None, &ask.to_string())
    }

    fn is_open(&self) -> bool {
        let told = self.ask(Peer::Web, None, r#"{"verb":"setup-state"}"#);
        told[0]["open"].as_bool().unwrap()
    }

    fn logs_in(&self, peer: Peer, user: &str, password: &str) -> String {
        let ask = json!({"verb": "log-in", "user": user, "password": password});
        code(&self.ask(peer, None, &ask.to_string())).to_owned()
    }

    /// Nothing that was written down holds any of these.
    fn hides(&self, secrets: &[&str]) {
        let folder = self.root().join(audit::FOLDER);
        for file in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            for secret in secrets {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }
}

const CODE: &str = r#"{"verb":"setup-code"}"#;

fn shown(house: &House) -> String {
    let told = house.ask(Peer::Root, None, CODE);
    assert!(is_well(&told), "{told:?}");
    told[0]["code"].as_str().unwrap().to_owned()
}

#[test]
fn who_reads_the_code_is_the_first_administrator_and_nobody_is_the_second() {
    let house = House::new();
    assert!(house.is_open());
    // Before, root mends what is wrong.
    assert_eq!(house.logs_in(Peer::Web, "root", "dix lamas"), "");
    let of_root = house.ask(
        Peer::Web,
        None,
        r#"{"verb":"log-in","user":"root","password":"dix lamas"}"#,
    );
    let of_root = of_root[0]["token"].as_str().unwrap();
    assert_eq!(code(&house.ask(Peer::Web, Some(of_root), CODE)), "console");
    let right = shown(&house);
    assert_eq!(shown(&house), right);
    assert_eq!(
        code(&house.set_up("ABCD-EFGH", "anne", "vingt lamas")),
        "wrong-code"
    );
    for (user, password, expected) in [
        ("root", "vingt lamas", "user-name"),
        ("Anne", "vingt lamas", "user-name"),
        ("anne", "kurz", "password"),
    ] {
        let told = house.set_up(&right, user, password);
        assert_eq!(code(&told), expected, "{user} {password}");
    }
    assert!(house.is_open());
    let told = house.set_up(&right.to_lowercase(), "anne", "vingt lamas");
    assert!(is_well(&told), "{told:?}");
    let told = &told[0];
    assert_eq!(
        (&told["event"], &told["user"]),
        (&json!("session"), &json!("anne"))
    );
    assert_eq!(
        (&told["role"], &told["language"]),
        (&json!("administrator"), &json!("fr"))
    );
    assert!(house.is_logged_in(told["token"].as_str().unwrap()));
    // It is over: the code opens nothing more, and root has no business at the web interface.
    assert!(!house.is_open());
    assert_eq!(code(&house.set_up(&right, "eve", "vingt lamas")), "closed");
    assert_eq!(code(&house.ask(Peer::Root, None, CODE)), "closed");
    assert!(!house.code().is(&right).unwrap());
    for peer in [Peer::Web, Peer::Root] {
        // Nor does somebody who asks for the web interface, as the updater does, find root logged in there.
        let told = house.ask(peer, Some(of_root), r#"{"verb":"session"}"#);
        assert_eq!(code(&told), "session", "{peer:?}");
    }
    assert_eq!(house.logs_in(Peer::Web, "root", "dix lamas"), "wrong");
    assert_eq!(house.logs_in(Peer::Root, "root", "dix lamas"), "");
    assert_eq!(house.logs_in(Peer::Web, "anne", "vingt lamas"), "");
    let actions = Trail::actions(house.root()).load();
    let actions: Vec<_> = actions
        .iter()
        .map(|one| (&*one.action, one.who.as_deref(), one.ended))
        .collect();
    assert_eq!(
        actions,
        [
            ("setup", Some("anne"), Ended::Asked),
            ("setup", Some("anne"), Ended::Done)
        ]
    );
    house.hides(&["lamas", &right, &right.replace('-', "")]);
}

#[test]
fn who_guesses_the_code_waits_and_pushes_out_no_action() {
    let house = House::new();
    let right = shown(&house);
    let mut said: Vec<String> = Vec::new();
    for _ in 0..50 {
        let told = house.set_up("ABCD-EFGH", "anne", "vingt lamas");
        said.push(code(&told).to_owned());
    }
    assert_eq!(said[..4], ["wrong-code"; 4]);
    assert!(said.iter().filter(|one| *one == "wait").count() > 40);
    // The right one waits there, too, and at no other place.
    assert_eq!(code(&house.set_up(&right, "anne", "vingt lamas")), "wait");
    assert!(Trail::actions(house.root()).load().is_empty());
    let wrong = Trail::wrong(house.root()).load();
    assert!(!wrong.is_empty() && wrong.len() < 12);
    assert!(
        wrong
            .iter()
            .all(|one| one.who.is_none() && one.about.is_none())
    );
    let ask = json!({"verb": "setup", "code": right, "user": "anne", "password": "vingt lamas"});
    let elsewhere = format!("{{\"from\":\"192.0.2.1\",\"ask\":{ask}}}\n");
    assert!(is_well(&house.say(Peer::Web, &elsewhere)));
}

#[test]
fn without_a_volume_to_save_it_on_nobody_is_the_first() {
    let house = House::new();
    let right = shown(&house);
    let lost = r#"{"mode":"installed","state_device":null}"#;
    fs::write(house.root().join("run/vigie/boot.json"), lost).unwrap();
    assert!(!house.is_open());
    assert_eq!(code(&house.set_up(&right, "anne", "vingt lamas")), "closed");
    assert_eq!(code(&house.ask(Peer::Root, None, CODE)), "closed");
}

#[test]
fn users_are_told_added_changed_and_removed_and_none_is_told_a_hash() {
    let house = House::with_users();
    let anne = house.token("anne");
    let ask = |ask: &str| house.ask(Peer::Web, Some(&anne), ask);
    let told = ask(r#"{"verb":"users"}"#);
    assert_eq!(told.len(), USERS.len() + 1);
    assert_eq!(
        told[2],
        json!({
            "event": "user", "name": "vera", "role": "viewer", "language": "fr", "disabled": false,
        })
    );
    assert_eq!(told[4]["disabled"], true);
    assert!(!format!("{told:?}").contains("argon2"));
    for (request, expected) in [
        (
            r#"{"verb":"user-add","name":"nina","role":"operator","password":"vingt lamas"}"#,
            "",
        ),
        (
            r#"{"verb":"user-add","name":"nina","role":"viewer","password":"vingt lamas"}"#,
            "user-taken",
        ),
        (
            r#"{"verb":"user-add","name":"root","role":"viewer","password":"vingt lamas"}"#,
            "user-name",
        ),
        (
            r#"{"verb":"user-add","name":"otto","role":"viewer","password":"lamas"}"#,
            "password",
        ),
        (
            r#"{"verb":"user-change","name":"gina","password":"lamas"}"#,
            "password",
        ),
        (
            r#"{"verb":"user-change","name":"otto","disabled":true}"#,
            "no-user",
        ),
        (r#"{"verb":"user-remove","name":"otto"}"#, "no-user"),
        (
            r#"{"verb":"user-remove","name":"anne"}"#,
            "last-administrator",
        ),
        (
            r#"{"verb":"user-change","name":"anne","role":"viewer"}"#,
            "last-administrator",
        ),
        (
            r#"{"verb":"user-change","name":"anne","disabled":true}"#,
            "last-administrator",
        ),
        (r#"{"verb":"user-remove","name":"gina"}"#, ""),
    ] {
        assert_eq!(code(&ask(request)), expected, "{request}");
    }
    assert_eq!(house.logs_in(Peer::Web, "nina", "vingt lamas"), "");
    let store = Store::of_system(house.root());
    let names: Vec<String> = store
        .load()
        .settings
        .users
        .iter()
        .map(|user| user.name.to_string())
        .collect();
    assert_eq!(names, ["anne", "olga", "vera", "dora", "nina"]);
    let about: Vec<_> = Trail::actions(house.root()).load();
    let about = about.iter().filter(|one| one.ended == Ended::Done);
    let about: Vec<_> = about.map(|one| one.about.as_deref().unwrap()).collect();
    assert_eq!(about, ["nina, operator", "gina"]);
    house.hides(&["lamas"]);
}

#[test]
fn sessions_end_with_their_user_and_their_password_and_follow_the_role() {
    let house = House::with_users();
    let anne = house.token("anne");
    let ask = |ask: &str| assert!(is_well(&house.ask(Peer::Web, Some(&anne), ask)), "{ask}");
    let (gina, olga, vera) = (
        house.token("gina"),
        house.token("olga"),
        house.token("vera"),
    );
    ask(r#"{"verb":"user-change","name":"olga","role":"viewer"}"#);
    let told = house.ask(Peer::Web, Some(&olga), r#"{"verb":"session"}"#);
    assert_eq!(told[0]["role"], "viewer");
    ask(r#"{"verb":"user-change","name":"olga","disabled":true}"#);
    ask(r#"{"verb":"user-change","name":"vera","password":"vingt lamas"}"#);
    ask(r#"{"verb":"user-remove","name":"gina"}"#);
    for token in [&olga, &vera, &gina] {
        assert!(!house.is_logged_in(token));
    }
    // Her own goes on, and her others end.
    let other = house.token("anne");
    ask(r#"{"verb":"user-change","name":"anne","password":"trente lamas"}"#);
    assert!(house.is_logged_in(&anne) && !house.is_logged_in(&other));
    assert_eq!(house.logs_in(Peer::Web, "olga", "dix lamas"), "wrong");
}

#[test]
fn a_new_password_takes_the_present_one_and_who_sets_their_own_stays() {
    let house = House::with_users();
    let anne = house.token("anne");
    let hash = r#"{"verb":"user-change","name":"vera","password":"dix lamas"}"#;
    assert!(is_well(&house.ask(Peer::Web, Some(&anne), hash)));
    let (vera, other) = (house.token("vera"), house.token("vera"));
    let own = |old: &str, new: &str| {
        let ask = json!({"verb": "set-own-password", "old": old, "new": new});
        house.ask(Peer::Web, Some(&vera), &ask.to_string())
    };
    assert_eq!(code(&own("douze lamas", "vingt lamas")), "wrong-own");
    assert_eq!(code(&own("dix lamas", "lamas")), "password");
    assert!(is_well(&own("dix lamas", "vingt lamas")));
    assert!(house.is_logged_in(&vera) && !house.is_logged_in(&other));
    assert_eq!(house.logs_in(Peer::Web, "vera", "vingt lamas"), "");
    // As often as she likes, and no action is pushed out.
    let actions = Trail::actions(house.root()).load();
    assert!(actions.iter().all(|one| one.who.as_deref() == Some("anne")));
    // Who was found logged in is not guessed: that waits, and nobody logs in later for it.
    let path = house.root().join("run/vigie/attempts");
    for minute in 0..6 {
        let later = now() + 61 * minute;
        let begun = Waits { path: path.clone() }.begin(&login::counted_own("vera"), later);
        assert_eq!(begun.unwrap(), None);
    }
    assert_eq!(code(&own("vingt lamas", "trente lamas")), "wait");
    assert_eq!(house.logs_in(Peer::Web, "vera", "vingt lamas"), "");
    house.hides(&["lamas"]);
}

#[test]
fn c64_sessions_are_ended_by_their_user_and_by_an_administrator() {
    let house = House::with_users();
    let (anne, vera, stolen) = (
        house.token("anne"),
        house.token("vera"),
        house.token("vera"),
    );
    let end = |token: &str, name: &str| {
        let ask = json!({"verb": "sessions-end", "name": name});
        house.ask(Peer::Web, Some(token), &ask.to_string())
    };
    assert_eq!(code(&end(&vera, "anne")), "role");
    assert!(house.is_logged_in(&anne));
    let told = end(&vera, "vera");
    assert!(is_well(&told) && told[0]["sessions"] == 1, "{told:?}");
    assert!(house.is_logged_in(&vera) && !house.is_logged_in(&stolen));
    assert!(is_well(&end(&anne, "vera")));
    assert!(!house.is_logged_in(&vera) && house.is_logged_in(&anne));
    // As often as she likes, and no action is pushed out.
    let actions = Trail::actions(house.root()).load();
    assert!(actions.iter().all(|one| one.who.as_deref() == Some("anne")));
    let about = actions.last().unwrap().about.as_deref();
    assert_eq!(about, Some("vera"));
}

#[test]
fn the_accounts_of_the_system_take_the_password_of_who_asks() {
    let house = House::with_users();
    let anne = house.token("anne");
    let change = r#"{"verb":"user-change","name":"anne","password":"dix lamas"}"#;
    assert!(is_well(&house.ask(Peer::Web, Some(&anne), change)));
    // From then on the account follows the settings.
    let root = r#"{"verb":"set-password","account":"root","password":"dix lamas"}"#;
    assert!(is_well(&house.ask(Peer::Root, None, root)));
    for (peer, token, own, expected) in [
        (Peer::Web, Some(&*anne), "", "wrong-own"),
        (
            Peer::Web,
            Some(&anne),
            r#","own":"douze lamas""#,
            "wrong-own",
        ),
        (Peer::Web, Some(&anne), r#","own":"dix lamas""#, ""),
        (Peer::Root, None, "", ""),
        (Peer::Root, None, r#","own":"dix lamas""#, ""),
        (Peer::Root, None, r#","own":"douze lamas""#, "wrong-own"),
    ] {
        let ask = format!(
            r#"{{"verb":"set-password","account":"service","password":"vingt lamas"{own}}}"#
        );
        assert_eq!(
            code(&house.ask(peer, token, &ask)),
            expected,
            "{peer:?} {own}"
        );
    }
    let ask = r#"{"verb":"set-own-password","old":"dix lamas","new":"vingt lamas"}"#;
    assert!(is_well(&house.ask(Peer::Root, None, ask)));
    assert_eq!(house.logs_in(Peer::Root, "root", "vingt lamas"), "");
    let shadow = fs::read_to_string(house.root().join("etc/shadow")).unwrap();
    assert!(shadow.lines().all(|line| line.contains(":$y$")), "{shadow}");
}

#[test]
fn a_browser_that_is_none_is_refused() {
    let house = House::with_users();
    for (browser, expected) in [("1a2b", "wrong"), ("", "request"), ("x", "request")] {
        let ask = json!({
            "verb": "log-in", "user": "anne", "password": "dix lamas", "browser": browser,
        });
        let told = house.ask(Peer::Web, None, &ask.to_string());
        assert_eq!(code(&told), expected, "{browser}");
    }
    assert_eq!(elsewhere::everything(house.root()).len(), 1);
}
