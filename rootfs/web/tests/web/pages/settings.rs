//! Settings as people change them: checked, saved, put on trial, compared and taken back.

use serde_json::{Value, json};

use super::{answers, asked, last, settings};
use crate::support::{Person, Web};

#[test]
fn settings_are_checked_saved_and_put_on_trial() {
    let web = Web::start();
    settings(&web);
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let page = anne.get("/settings").text().unwrap();
    assert!(page.contains("value=\"nvr-hall\"") && page.contains("value=\"192.0.2.1/24\""));
    let form = |hostname: &'static str| {
        [
            ("csrf", csrf.clone()),
            ("section", "system".to_owned()),
            ("generation", "7".to_owned()),
            ("system.hostname", hostname.to_owned()),
            ("system.timezone", "Etc/UTC".to_owned()),
            ("system.language", "en".to_owned()),
            ("system.keymap", "us".to_owned()),
            ("time.ntp", String::new()),
        ]
    };
    let post = |path: &str, hostname| {
        let form = form(hostname);
        let form: Vec<_> = form.iter().map(|(key, value)| (*key, &**value)).collect();
        anne.post(path, &form)
    };
    let change = |value: &str| json!([{"path": "system.hostname", "value": value}]);
    // Nothing is saved where nothing was changed.
    assert_eq!(
        post("/settings", "nvr-hall").headers()["Location"],
        "/settings?done=nothing"
    );
    assert!(asked(&web, "settings-set").is_empty());
    let problem = json!({"event": "problem", "field": "system.hostname", "line": null,
        "reason": "no <name>", "reason_fr": "pas un nom"});
    answers(&web, "settings-check", vec![problem.clone()]);
    let told: Value =
        serde_json::from_str(&post("/settings/check", "a b").text().unwrap()).unwrap();
    assert_eq!(told, json!({"system-hostname": "no <name>"}));
    assert_eq!(
        asked(&web, "settings-check"),
        [json!({"changes": change("a b")})]
    );
    let saved = json!({"event": "saved", "generation": 8, "trial": null, "after_restart": []});
    answers(&web, "settings-set", vec![saved]);
    assert_eq!(
        post("/settings", "nvr-2").headers()["Location"],
        "/settings?done=saved"
    );
    assert_eq!(
        asked(&web, "settings-set"),
        [json!({"changes": change("nvr-2"), "generation": 7})]
    );
    let saved = json!({"event": "saved", "generation": 8, "trial": null, "after_restart": ["system.keymap"]});
    answers(&web, "settings-set", vec![saved]);
    assert!(
        post("/settings", "nvr-2")
            .text()
            .unwrap()
            .contains("next start: system.keymap")
    );
    // What is wrong stands beside its field, with what was typed.
    answers(
        &web,
        "settings-set",
        vec![problem, json!({"event": "refused", "code": "problems"})],
    );
    let answer = post("/settings", "a b");
    assert_eq!(answer.status(), 422);
    let page = answer.text().unwrap();
    assert!(
        page.contains("no &#60;name&#62;")
            && page.contains("value=\"a b\"")
            && page.contains("aria-invalid")
    );
    let saved = json!({"event": "saved", "generation": 8, "trial": 60, "after_restart": [],
        "address": "192.0.2.77/24"});
    answers(&web, "settings-set", vec![saved]);
    let page = post("/settings", "nvr-2").text().unwrap();
    // Where it is about to be, and not where the saved settings have it.
    assert!(page.contains("for 60 seconds more") && page.contains("https://192.0.2.77/"));
    // Nothing is asked any more then: the answer must leave while there is a way.
    assert_eq!(last(&web), "settings-set");
    let trial = json!({"event": "trial", "left": 42, "address": "192.0.2.77/24"});
    answers(&web, "network-trial", vec![trial]);
    // It is said on the first page, too, until it is decided.
    assert!(anne.get("/").text().unwrap().contains("/settings/trial"));
    assert!(
        anne.get("/settings/trial")
            .text()
            .unwrap()
            .contains("for 42 seconds more")
    );
    for (verb, path, done) in [
        (
            "network-confirm",
            "/settings/confirm",
            "/settings?done=confirmed",
        ),
        (
            "network-revert",
            "/settings/revert",
            "/settings?done=reverted",
        ),
    ] {
        let answer = anne.post(path, &[("csrf", &csrf)]);
        assert_eq!(answer.headers()["Location"], done);
        assert_eq!(asked(&web, verb), [json!({})]);
    }
}

#[test]
fn earlier_settings_are_compared_and_restored() {
    let web = Web::start();
    settings(&web);
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let generation = |number: u64, in_use| {
        json!({"event": "generation", "number": number,
        "saved_at": 1_700_000_000, "who": "anne", "in_use": in_use})
    };
    answers(
        &web,
        "settings-history",
        vec![generation(7, true), generation(6, false)],
    );
    let page = anne.get("/settings/history").text().unwrap();
    assert!(page.contains("/settings/history/6") && !page.contains("/settings/history/7"));
    let change = json!({"event": "change", "field": "web.idle_minutes", "old": 15, "new": null});
    answers(&web, "settings-diff", vec![change]);
    let page = anne.get("/settings/history/6").text().unwrap();
    assert!(
        page.contains("<td>15</td>") && page.contains("not set"),
        "{page}"
    );
    assert_eq!(asked(&web, "settings-diff"), [json!({"generation": 6})]);
    for path in [
        "/settings/history/x",
        "/settings/history/-1",
        "/settings/history/..%2f..%2fetc",
    ] {
        assert_eq!(anne.get(path).status(), 400, "{path}");
    }
    let form = [("csrf", &*csrf), ("generation", "6")];
    answers(
        &web,
        "settings-restore",
        vec![json!({"event": "saved", "generation": 8, "trial": null, "after_restart": []})],
    );
    assert_eq!(anne.post("/settings/restore", &form).status(), 303);
    assert_eq!(asked(&web, "settings-restore"), [json!({"generation": 6})]);
}
