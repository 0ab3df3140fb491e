//! Users and passwords: what the pages ask the broker for them.

use serde_json::json;

use super::{answers, asked, settings};
use crate::support::{PASSWORD, Person, Web};

#[test]
fn users_are_added_changed_and_removed() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let user = json!({"event": "user", "name": "j.martin", "role": "viewer", "language": "fr", "disabled": true});
    answers(&web, "users", vec![user]);
    let page = anne.get("/users").text().unwrap();
    assert!(
        page.contains(
            "<strong>j.martin</strong> viewer, Français, <span class=\"bad\">disabled</span>"
        ),
        "{page}"
    );
    let new = [
        ("csrf", &*csrf),
        ("name", " olivia "),
        ("role", "operator"),
        ("language", ""),
        ("password", "vingt lamas"),
        ("again", "vingt lamas"),
    ];
    let answer = anne.post("/users/add", &new);
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["Location"]),
        (303, &"/users?done".try_into().unwrap())
    );
    assert_eq!(
        asked(&web, "user-add"),
        [json!({"name": "olivia", "role": "operator", "password": "vingt lamas"})]
    );
    let mut differs = new;
    differs[5].1 = "trente lamas";
    let page = anne.post("/users/add", &differs);
    assert_eq!(page.status(), 422);
    let page = page.text().unwrap();
    assert!(
        page.contains("not the same")
            && page.contains("value=\" olivia \"")
            && !page.contains("lamas")
    );
    let change = [
        ("csrf", &*csrf),
        ("name", "j.martin"),
        ("role", "administrator"),
        ("language", "en"),
        ("disabled", "on"),
        ("password", ""),
        ("again", ""),
    ];
    assert_eq!(anne.post("/users/change", &change).status(), 303);
    assert_eq!(
        asked(&web, "user-change"),
        [json!({"name": "j.martin", "role": "administrator", "language": "en", "disabled": true})]
    );
    let remove = [("csrf", &*csrf), ("name", "j.martin")];
    assert_eq!(anne.post("/users/remove", &remove).status(), 422);
    assert!(asked(&web, "user-remove").is_empty());
    let sure = [("csrf", &*csrf), ("name", "j.martin"), ("sure", "on")];
    assert_eq!(anne.post("/users/remove", &sure).status(), 303);
    assert_eq!(asked(&web, "user-remove"), [json!({"name": "j.martin"})]);
    // What the broker refuses is said with its words.
    answers(&web, "user-remove", vec![json!({"event": "refused"})]);
    let answer = anne.post("/users/remove", &sure);
    assert_eq!(answer.status(), 422);
    assert!(answer.text().unwrap().contains("as the test said"));
    let account = [
        ("csrf", &*csrf),
        ("account", "service"),
        ("own", PASSWORD),
        ("password", "vingt lamas"),
        ("again", "vingt lamas"),
    ];
    assert_eq!(anne.post("/users/account", &account).status(), 303);
    assert_eq!(
        asked(&web, "set-password"),
        [json!({"account": "service", "own": PASSWORD, "password": "vingt lamas"})]
    );
}

#[test]
fn one_sets_ones_own_password() {
    let web = Web::start();
    let vera = Person::logged_in_as(&web, "vera");
    let csrf = vera.csrf();
    let form = [
        ("csrf", &*csrf),
        ("old", PASSWORD),
        ("password", "vingt lamas"),
        ("again", "vingt lamas"),
    ];
    assert_eq!(vera.post("/account/password", &form).status(), 303);
    assert_eq!(
        asked(&web, "set-own-password"),
        [json!({"old": PASSWORD, "new": "vingt lamas"})]
    );
    assert!(vera.get("/account?done").text().unwrap().contains("Saved."));
}

#[test]
fn c64_sessions_in_strange_hands_end_at_once() {
    let web = Web::start();
    let (anne, vera) = (Person::logged_in(&web), Person::logged_in_as(&web, "vera"));
    let thief = Person::logged_in_as(&web, "vera");
    assert_eq!(thief.get("/account").status(), 200);
    let csrf = vera.csrf();
    let mine = vera.post("/account/sessions", &[("csrf", &*csrf)]);
    assert_eq!(mine.status(), 303);
    // Also what was read a moment ago is read no more.
    assert_ne!(thief.get("/account").status(), 200);
    assert_eq!(vera.get("/account").status(), 200);
    let csrf = anne.csrf();
    let theirs = anne.post("/users/sessions", &[("csrf", &*csrf), ("name", "vera")]);
    assert_eq!(theirs.status(), 303);
    assert_ne!(vera.get("/account").status(), 200);
    assert_eq!(anne.get("/account").status(), 200);
    let named = json!({"name": "vera"});
    assert_eq!(asked(&web, "sessions-end"), [named.clone(), named]);
}

#[test]
fn what_is_done_with_a_warning_is_said_with_it() {
    let web = Web::start();
    settings(&web);
    let warning = json!({"event": "warning", "reason": "saved, <not> in force", "reason_fr": "x"});
    let saved = json!({"event": "saved", "generation": 8, "trial": null, "after_restart": []});
    for verb in [
        "set-password",
        "set-own-password",
        "user-add",
        "network-confirm",
        "certificate",
    ] {
        answers(&web, verb, vec![warning.clone()]);
    }
    answers(&web, "settings-set", vec![warning.clone(), saved]);
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let password = [("password", "vingt lamas"), ("again", "vingt lamas")];
    let form = |more: &[(&'static str, &'static str)]| {
        let mut form = vec![("csrf", &*csrf)];
        form.extend(password);
        form.extend(more);
        form
    };
    for (path, form) in [
        (
            "/users/account",
            form(&[("account", "root"), ("own", PASSWORD)]),
        ),
        ("/account/password", form(&[("old", PASSWORD)])),
        ("/users/add", form(&[("name", "nina"), ("role", "viewer")])),
        ("/settings/confirm", form(&[])),
        ("/settings/certificate/self-made", form(&[])),
        (
            "/settings",
            form(&[("section", "system"), ("system.hostname", "nvr-2")]),
        ),
    ] {
        let answer = anne.post(path, &form);
        assert_eq!(answer.status(), 200, "{path}");
        let page = answer.text().unwrap();
        assert!(
            page.contains("saved, &#60;not&#62; in force"),
            "{path}: {page}"
        );
    }
}
