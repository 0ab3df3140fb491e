//! The pages of administration: what they ask the broker, and for whom.

mod kept;
mod settings;
mod users;

use serde_json::{Value, json};

use crate::support::{Person, Web};

/// Pages, and which of the three roles sees them.
const PAGES: [(&str, [u16; 3]); 13] = [
    ("/account", [200, 200, 200]),
    ("/help", [200, 200, 200]),
    ("/help/licences", [200, 200, 200]),
    ("/logs", [200, 200, 403]),
    ("/logs?log=audit", [200, 403, 403]),
    ("/logs/audit", [200, 403, 403]),
    ("/settings", [200, 403, 403]),
    ("/settings/history", [200, 403, 403]),
    ("/settings/certificate", [200, 403, 403]),
    ("/settings/trial", [200, 403, 403]),
    ("/users", [200, 403, 403]),
    ("/backup", [200, 403, 403]),
    ("/power", [200, 403, 403]),
];

/// What changes something, and which of the three roles may.
const CHANGES: [(&str, [bool; 3]); 19] = [
    ("/account/password", [true, true, true]),
    ("/account/sessions", [true, true, true]),
    ("/help/registration", [true, true, true]),
    ("/help/support", [true, true, true]),
    ("/help/bundle", [true, false, false]),
    ("/settings", [true, false, false]),
    ("/settings/check", [true, false, false]),
    ("/settings/confirm", [true, false, false]),
    ("/settings/revert", [true, false, false]),
    ("/settings/restore", [true, false, false]),
    ("/settings/certificate/self-made", [true, false, false]),
    ("/users/add", [true, false, false]),
    ("/users/change", [true, false, false]),
    ("/users/remove", [true, false, false]),
    ("/users/account", [true, false, false]),
    ("/users/sessions", [true, false, false]),
    ("/backup/make", [true, false, false]),
    ("/power/restart", [true, false, false]),
    ("/power/off", [true, false, false]),
];

/// The answer to a verb.
fn answers(web: &Web, verb: &str, events: Vec<Value>) {
    web.broker().answers.insert(verb.to_owned(), events);
}

/// The requests of a verb, without the verb.
fn asked(web: &Web, verb: &str) -> Vec<Value> {
    let mut broker = web.broker();
    let mut asked: Vec<Value> = broker.done.iter().map(|(_, ask)| ask.clone()).collect();
    asked.retain(|ask| ask["verb"] == verb);
    for ask in &mut asked {
        ask.as_object_mut().unwrap().remove("verb");
    }
    broker.done.clear();
    asked
}

/// The verb of the last request.
fn last(web: &Web) -> String {
    let broker = web.broker();
    let verb = broker.done.last().map(|(_, ask)| &ask["verb"]);
    verb.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn settings(web: &Web) {
    let settings = json!({
        "system": {"hostname": "nvr-hall", "timezone": "Etc/UTC", "language": "en", "keymap": "us"},
        "network": {"enterprise": {"address": "192.0.2.1/24"}},
    });
    let event = json!({"event": "settings", "settings": settings, "generation": 7});
    answers(web, "settings-get", vec![event]);
}

#[test]
fn c64_each_page_is_for_those_whose_role_it_is() {
    let web = Web::start();
    settings(&web);
    let nobody = Person::new(&web);
    let people = ["anne", "olga", "vera"].map(|name| Person::logged_in_as(&web, name));
    for (path, expected) in PAGES {
        let found = people
            .each_ref()
            .map(|person| person.get(path).status().as_u16());
        assert_eq!(found, expected, "{path}");
        let answer = nobody.get(path);
        let path = path.split('?').next().unwrap();
        assert_eq!(answer.status(), 303, "{path}");
        assert_eq!(answer.headers()["Location"], format!("/login?next={path}"));
    }
    for path in ["/logs/follow", "/logs/download"] {
        assert_eq!(people[2].get(path).status(), 403, "{path}");
        assert_eq!(people[1].get(path).status(), 200, "{path}");
    }
    assert_eq!(nobody.get("/logs/follow").status(), 401);
}

#[test]
fn c64_each_change_takes_the_role_and_the_token() {
    let web = Web::start();
    settings(&web);
    let nobody = Person::new(&web);
    let people = ["anne", "olga", "vera"].map(|name| Person::logged_in_as(&web, name));
    let tokens = people.each_ref().map(Person::csrf);
    for (path, may) in CHANGES {
        assert_eq!(nobody.post(path, &[("csrf", "")]).status(), 401, "{path}");
        for (person, may) in people.iter().zip(may) {
            web.broker().done.clear();
            for csrf in ["", "x", &tokens[0][1..], &tokens[(may as usize) * 2]] {
                if may && person.csrf() == csrf {
                    continue;
                }
                let status = person.post(path, &[("csrf", csrf)]).status();
                assert_eq!(status, 403, "{path} {csrf}");
            }
            assert!(web.broker().done.is_empty(), "{path}");
        }
        for ((person, csrf), may) in people.iter().zip(&tokens).zip(may) {
            let status = person.post(path, &[("csrf", csrf)]).status();
            assert_eq!(status != 403 && status != 401, may, "{path}: {status}");
        }
    }
}

#[test]
fn who_was_logged_out_gets_back_what_they_had_typed() {
    let web = Web::start();
    let vera = Person::logged_in_as(&web, "vera");
    let csrf = vera.csrf();
    web.change_password();
    let sends = |person: &Person<'_>, accept: &str| {
        let request = person.client.post(person.url("/help/support"));
        let request = request.header("Accept", accept);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let body = format!("csrf={csrf}&message=It+beeps+%3Cb%3E&password=dix+lamas");
        request.body(body).send().unwrap()
    };
    for person in [&vera, &Person::new(&web)] {
        let answer = sends(person, "text/html,*/*");
        assert_eq!(answer.status(), 401);
        let page = answer.text().unwrap();
        assert!(page.contains("It beeps &#60;b&#62;"), "{page}");
        assert!(page.contains("href=\"/login?next=/help\""), "{page}");
        assert!(!page.contains("lamas") && !page.contains(&csrf));
        assert_eq!(sends(person, "*/*").text().unwrap(), "log in first\n");
    }
}

#[test]
fn c64_a_page_that_renews_itself_is_no_use_of_its_session() {
    let web = Web::start();
    let vera = Person::logged_in_as(&web, "vera");
    let page = vera.get("/").text().unwrap();
    assert!(page.contains("content=\"30;url=/?again\""), "{page}");
    // Until the broker is asked whose session it is.
    let asks_quietly = || web.broker().quiet;
    while asks_quietly() == 0 {
        assert!(vera.get("/?again").text().unwrap().contains("vera"));
    }
    let nobody = Person::new(&web).get("/").text().unwrap();
    assert!(nobody.contains("content=\"30\""));
}

#[test]
fn logs_are_filtered_followed_and_downloaded() {
    let web = Web::start();
    let olga = Person::logged_in_as(&web, "olga");
    let line = |text: &str, cursor: &str| json!({"event": "line", "text": text, "cursor": cursor});
    answers(
        &web,
        "logs",
        vec![
            line("one <b>", "c1"),
            line("two", "c2"),
            line("THREE <b>", "c3"),
        ],
    );
    let page = olga
        .get("/logs?unit=ssh.service&since=2026-11-30T08:15&lines=2")
        .text()
        .unwrap();
    assert!(
        page.contains("two\nTHREE &#60;b&#62;\n") && !page.contains("one &#60;"),
        "{page}"
    );
    assert!(page.contains("data-after=\"c3\""));
    assert_eq!(
        asked(&web, "logs"),
        [json!({"lines": 2, "log": "system", "unit": "ssh.service", "since": 1_796_026_500})]
    );
    let told = olga.get("/logs/follow?text=three&after=c0").text().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&told).unwrap(),
        json!({"lines": ["THREE <b>"], "after": "c3"})
    );
    let asked_for = asked(&web, "logs");
    assert_eq!(asked_for[0]["after"], "c0");
    let file = olga.get("/logs/download?log=disconnections");
    assert!(
        file.headers()["Content-Disposition"]
            .to_str()
            .unwrap()
            .contains("-disconnections.log")
    );
    assert_eq!(file.text().unwrap(), "one <b>\ntwo\nTHREE <b>\n");
    assert_eq!(olga.get("/logs?since=yesterday").status(), 422);
    let anne = Person::logged_in(&web);
    let record = json!({"event": "record", "time": 1_700_000_000, "who": "vera", "from": "192.0.2.7",
        "action": "restart", "ended": "refused", "code": "role"});
    answers(&web, "audit", vec![record]);
    let page = anne.get("/logs?log=audit").text().unwrap();
    assert!(
        page.contains("<td>vera</td><td>192.0.2.7</td><td>restart</td><td>refused (role)</td>"),
        "{page}"
    );
    let file = anne.get("/logs/audit").text().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&file).unwrap()["who"], "vera");
}

#[test]
fn c64_help_makes_files_and_reads_nothing_else() {
    let web = Web::start();
    let vera = Person::logged_in_as(&web, "vera");
    let csrf = vera.csrf();
    let form = [
        ("csrf", &*csrf),
        ("organisation", "Musée"),
        ("message", "It beeps."),
    ];
    let answer = vera.post("/help/support", &form);
    let disposition = answer.headers()["Content-Disposition"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(disposition.starts_with("attachment") && disposition.contains("-support.txt"));
    let text = answer.text().unwrap();
    assert!(
        text.contains("Organisation: Musée") && text.contains("It beeps."),
        "{text}"
    );
    for path in [
        "/help/licences/own/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/help/licences/packages/..",
        "/help/licences/..%2f/passwd",
        "/help/licences/crates/%2e%2e",
        "/help/../../etc/passwd",
    ] {
        let status = vera.get(path).status().as_u16();
        assert!(matches!(status, 404 | 303), "{path}: {status}");
    }
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let events = vec![
        json!({"event": "file", "name": "vigie-support.tar.gz"}),
        json!({"event": "chunk", "data": "aGVs"}),
        json!({"event": "chunk", "data": "bG8="}),
    ];
    answers(&web, "support-bundle", events);
    let answer = anne.post("/help/bundle", &[("csrf", &csrf)]);
    assert_eq!(
        answer.headers()["Content-Disposition"],
        "attachment; filename=\"vigie-support.tar.gz\""
    );
    assert_eq!(answer.text().unwrap(), "hello");
}

#[test]
fn power_takes_a_second_thought() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    for (path, verb, words) in [
        ("/power/restart", "restart", "restarts"),
        ("/power/off", "power-off", "switches itself off"),
    ] {
        assert_eq!(anne.post(path, &[("csrf", &csrf)]).status(), 422);
        assert!(asked(&web, verb).is_empty());
        let answer = anne.post(path, &[("csrf", &csrf), ("sure", "on")]);
        assert!(answer.text().unwrap().contains(words));
        assert_eq!(asked(&web, verb), [json!({})]);
    }
    answers(
        &web,
        "check-at-boot-state",
        vec![json!({"event": "check", "on": true})],
    );
    assert!(
        anne.get("/power")
            .text()
            .unwrap()
            .contains("are checked at the next start")
    );
    assert_eq!(
        anne.post("/power/check", &[("csrf", &csrf), ("on", "on")])
            .status(),
        303
    );
    assert_eq!(asked(&web, "check-at-boot"), [json!({"on": true})]);
    assert_eq!(anne.post("/power/check", &[("csrf", &csrf)]).status(), 303);
    assert_eq!(asked(&web, "check-at-boot"), [json!({"on": false})]);
}

#[test]
fn c64_a_huge_form_is_refused() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let huge = "x".repeat(33 << 10);
    for path in ["/users/add", "/settings", "/help/support"] {
        let answer = anne.post(path, &[("csrf", &csrf), ("name", &huge)]);
        assert_eq!(answer.status(), 413, "{path}");
    }
    assert!(asked(&web, "user-add").is_empty());
}
