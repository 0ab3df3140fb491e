//! The pages of administration: what they ask the broker, and for whom.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Person, Web, multipart};

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
const CHANGES: [(&str, [bool; 3]); 17] = [
    ("/account/password", [true, true, true]),
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

fn send(person: &Person<'_>, path: &str, fields: &[(&str, &[u8])]) -> reqwest::blocking::Response {
    let (kind, body) = multipart(fields);
    let request = person.client.post(person.url(path));
    request
        .header("Content-Type", kind)
        .body(body)
        .send()
        .unwrap()
}

#[test]
fn a_backup_is_made_and_restored() {
    let web = Web::start();
    settings(&web);
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let backup = json!({"event": "backup", "name": "../a\"\r\nb.backup", "data": "aGVsbG8="});
    answers(&web, "backup", vec![backup]);
    let form = [("csrf", &*csrf), ("passphrase", "x"), ("again", "x")];
    let answer = anne.post("/backup/make", &form);
    assert_eq!(
        answer.headers()["Content-Disposition"],
        "attachment; filename=\"ab.backup\""
    );
    assert_eq!(answer.text().unwrap(), "hello");
    assert_eq!(asked(&web, "backup"), [json!({"passphrase": "x"})]);
    let form = [("csrf", &*csrf), ("passphrase", "x"), ("again", "y")];
    assert_eq!(anne.post("/backup/make", &form).status(), 422);
    answers(
        &web,
        "restore",
        vec![json!({"event": "saved", "generation": 8, "trial": null, "after_restart": []})],
    );
    let fields = [
        ("csrf", csrf.as_bytes()),
        ("file", b"hello".as_slice()),
        ("passphrase", b"x"),
    ];
    assert_eq!(send(&anne, "/backup/restore", &fields).status(), 303);
    assert_eq!(
        asked(&web, "restore"),
        [json!({"data": "aGVsbG8=", "passphrase": "x"})]
    );
    // Without the token in front, or with a wrong one.
    for fields in [
        &fields[1..],
        &[fields[1], fields[0]],
        &[("csrf", b"x".as_slice()), fields[1]],
        &[],
    ] {
        let status = send(&anne, "/backup/restore", fields).status();
        assert!(status == 403 || status == 400, "{status}");
    }
    assert_eq!(send(&anne, "/backup/restore", &fields[..1]).status(), 422);
    let huge = vec![b'x'; 181 << 10];
    let fields = [fields[0], ("file", huge.as_slice())];
    assert_eq!(send(&anne, "/backup/restore", &fields).status(), 413);
    assert!(asked(&web, "restore").is_empty());
}

#[test]
fn an_own_certificate_is_installed_and_given_up() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let pem = std::fs::read_to_string(web.dir.path().join("state/tls.pem")).unwrap();
    let at = pem.find("-----BEGIN CERTIFICATE").unwrap();
    let (key, chain) = pem.split_at(at);
    let fields = [
        ("csrf", csrf.as_bytes()),
        ("chain", chain.as_bytes()),
        ("key", b"x".as_slice()),
    ];
    let answer = send(&anne, "/settings/certificate", &fields);
    assert_eq!(answer.status(), 422);
    assert!(answer.text().unwrap().contains("no private key"));
    let fields = [fields[0], fields[1], ("key", key.as_bytes())];
    let answer = send(&anne, "/settings/certificate", &fields);
    assert_eq!(answer.status(), 200);
    assert!(answer.text().unwrap().contains("Your own certificate"));
    assert!(web.dir.path().join("state/own.pem").exists());
    let noted = asked(&web, "certificate");
    assert_eq!((noted.len(), &noted[0]["done"]), (1, &json!("installed")));
    assert_eq!(noted[0]["print"].as_str().unwrap().len(), 95);
    let answer = anne.post("/settings/certificate/self-made", &[("csrf", &csrf)]);
    assert_eq!(answer.status(), 303);
    assert_eq!(asked(&web, "certificate")[0]["done"], "removed");
    assert!(!web.dir.path().join("state/own.pem").exists());
    assert!(
        anne.get("/settings/certificate")
            .text()
            .unwrap()
            .contains("made its certificate itself")
    );
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
