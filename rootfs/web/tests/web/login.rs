//! Log-in, sessions, and who may change what.

use reqwest::Method;

use crate::support::{PASSWORD, Person, Web, id, package, token};

#[test]
fn c64_without_a_session_nothing_is_seen_and_nothing_changes() {
    let web = Web::start();
    let nobody = Person::new(&web);
    let page = nobody.get("/update");
    assert_eq!(page.status(), 303);
    assert_eq!(page.headers()["Location"], "/login?next=/update");
    for (method, path) in [
        (Method::GET, "/update/job"),
        (Method::POST, "/update/install"),
        (Method::POST, "/update/rollback"),
        (Method::POST, "/update/restart"),
        (Method::POST, "/update/ask"),
        (Method::POST, "/update/remove"),
        (Method::POST, "/logout"),
        (Method::POST, "/update/upload"),
        (Method::PUT, "/update/upload"),
        (
            Method::GET,
            "/update/upload/0123456789abcdef0123456789abcdef",
        ),
        (
            Method::PUT,
            "/update/upload/0123456789abcdef0123456789abcdef",
        ),
        (
            Method::DELETE,
            "/update/upload/0123456789abcdef0123456789abcdef",
        ),
    ] {
        for cookie in ["", "__Host-vigie=", "__Host-vigie=0000"] {
            let request = nobody.client.request(method.clone(), nobody.url(path));
            let request = request.header("Cookie", cookie).body("csrf=&id=x&file=x");
            let request = request.header("Content-Type", "application/x-www-form-urlencoded");
            assert_eq!(request.send().unwrap().status(), 401, "{method} {path}");
        }
    }
    assert!(web.done().is_empty() && web.files("").is_empty());
    // What anybody may see is there, too.
    assert_eq!(nobody.get("/health").status(), 200);
    assert_eq!(nobody.get("/").status(), 200);
    assert_eq!(nobody.get("/nothing").status(), 404);
}

#[test]
fn c64_a_wrong_token_changes_nothing() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let other = Person::logged_in(&web);
    let of_other = other.csrf();
    let mine = anne.csrf();
    assert_ne!(of_other, mine);
    for csrf in ["", "x", &of_other, &mine[1..]] {
        for path in [
            "/update/install",
            "/update/rollback",
            "/update/restart",
            "/update/ask",
            "/update/remove",
            "/logout",
        ] {
            let form = [("csrf", csrf), ("id", "x"), ("file", "x")];
            assert_eq!(anne.post(path, &form).status(), 403, "{path} {csrf}");
        }
        let put = anne.client.put(anne.url("/update/upload"));
        let put = put.header("X-CSRF-Token", csrf).body(package(2, 1000));
        assert_eq!(put.send().unwrap().status(), 403);
    }
    // The right one, asked for by another site.
    let form = format!("csrf={mine}");
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://evil.example"),
    ] {
        let request = anne
            .client
            .post(anne.url("/update/restart"))
            .header(name, value);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(request.body(form.clone()).send().unwrap().status(), 403);
    }
    assert!(web.done().is_empty(), "{:?}", web.done());
    assert!(web.files("").is_empty());
    assert_eq!(
        anne.post("/update/restart", &[("csrf", &mine)]).status(),
        200
    );
    assert_eq!(web.done(), ["restart"]);
}

#[test]
fn c64_wrong_passwords_are_told_alike_and_wait() {
    let web = Web::start();
    let mallory = Person::new(&web);
    let mut told = Vec::new();
    for (user, password) in [("root", "wrong"), ("admin", PASSWORD), ("", "")] {
        let answer = mallory.log_in(user, password);
        assert_eq!(answer.status(), 401);
        let page = answer.text().unwrap();
        told.push(page.replace(&token(&page), ""));
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(!told[0].contains("wrong\""), "no password comes back");
    mallory.log_in("root", "wrong");
    let waits = mallory.log_in("root", PASSWORD);
    assert_eq!(waits.status(), 429);
    assert!(waits.text().unwrap().contains("try again in"));
    web.waits_are_over();
    assert_eq!(mallory.log_in("root", PASSWORD).status(), 303);
    // A form that was not fetched from here.
    let stranger = Person::new(&web);
    let form = [("csrf", "x"), ("user", "root"), ("password", PASSWORD)];
    assert_eq!(stranger.post("/login", &form).status(), 403);
}

#[test]
fn c64_others_behind_the_same_address_cannot_keep_the_administrator_out() {
    let web = Web::start();
    let anne = Person::new(&web);
    let answer = anne.log_in("root", PASSWORD);
    let cookies: Vec<_> = answer.headers().get_all("Set-Cookie").iter().collect();
    let known = cookies[2].to_str().unwrap();
    for part in [
        "__Host-vigie-known=",
        "HttpOnly",
        "SameSite=Strict",
        "Max-Age=31536000",
    ] {
        assert!(known.contains(part), "{known}");
    }
    let known = known.split(';').next().unwrap();
    let mallory = Person::new(&web);
    while mallory.log_in("root", "wrong").status() != 429 {}
    for other in ["", "__Host-vigie-known=", &known[..known.len() - 1]] {
        let answer = mallory.log_in_with(other, "root", PASSWORD);
        assert_eq!(answer.status(), 429, "{other}");
    }
    let with = |password| anne.log_in_with(known, "root", password);
    assert_eq!(with(PASSWORD).status(), 303);
    // Who has the cookie may guess no more often than others.
    let mut wrong = 0;
    while with("wrong").status() != 429 {
        wrong += 1;
    }
    assert_eq!((wrong, with(PASSWORD).status().as_u16()), (4, 429));
}

#[test]
fn c64_the_first_visitor_with_the_code_makes_the_administrator() {
    let web = Web::fresh();
    let anne = Person::new(&web);
    let login = anne.get("/login").text().unwrap();
    assert!(login.contains("href=\"/setup\"") && login.contains("value=\"root\""));
    let form = [
        ("code", "abcd-efgh "),
        ("user", "anne"),
        ("password", "vingt lamas"),
        ("again", "vingt lamas"),
    ];
    let with = |key: &str, value: &'static str| {
        form.map(|(name, old)| {
            if name == key {
                (name, value)
            } else {
                (name, old)
            }
        })
    };
    for (form, status, words) in [
        (with("code", "AAAA-AAAA"), 401, "not the code"),
        (with("again", "trente lamas"), 422, "not the same"),
        (with("code", "\"><b>"), 401, "&#34;&#62;&#60;b&#62;"),
    ] {
        let answer = anne.fill_in("/setup", &form);
        assert_eq!(answer.status(), status);
        let page = answer.text().unwrap();
        assert!(page.contains(words) && !page.contains("lamas"), "{page}");
    }
    let mut short = form;
    (short[2].1, short[3].1) = ("lama", "lama");
    assert!(
        anne.fill_in("/setup", &short)
            .text()
            .unwrap()
            .contains("too short")
    );
    // A form that was not fetched from here.
    assert_eq!(anne.post("/setup", &form).status(), 403);
    assert!(web.broker().users.len() == 1);
    let answer = anne.fill_in("/setup", &form);
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["Location"]),
        (303, &"/".try_into().unwrap())
    );
    let anne = Person::with_session(&web, &answer);
    assert_eq!(anne.get("/update").status(), 200);
    // It is done once.
    let next = Person::new(&web);
    assert_eq!(next.get("/setup").headers()["Location"], "/login");
    assert!(!next.get("/login").text().unwrap().contains("/setup"));
    web.broker().code = None;
    assert_eq!(web.broker().users["anne"].role, "administrator");
}

#[test]
fn c64_each_role_sees_and_does_what_is_its_own() {
    let web = Web::start();
    for (name, update) in [("anne", 200), ("olga", 403), ("vera", 403)] {
        let person = Person::logged_in_as(&web, name);
        let home = person.get("/").text().unwrap();
        assert!(home.contains("href=\"/account\""), "{name}");
        assert_eq!(home.contains("href=\"/update\""), update == 200, "{name}");
        assert_eq!(person.get("/update").status(), update, "{name}");
        let csrf = person.csrf();
        let ask = person.post("/update/ask", &[("csrf", &csrf)]);
        assert_eq!(
            ask.status().as_u16(),
            if update == 200 { 303 } else { 403 },
            "{name}"
        );
    }
    assert_eq!(web.done(), ["asked"]);
}

#[test]
fn c64_the_role_is_that_of_now() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    web.broker().users.get_mut("anne").unwrap().role = "viewer";
    assert_eq!(anne.post("/update/ask", &[("csrf", &csrf)]).status(), 403);
    assert_eq!(anne.get("/update").status(), 403);
    web.broker().users.get_mut("anne").unwrap().disabled = true;
    assert_eq!(anne.post("/update/ask", &[("csrf", &csrf)]).status(), 401);
    assert_eq!(anne.get("/update").status(), 303);
    assert!(web.done().is_empty());
}

#[test]
fn the_language_is_that_which_was_chosen() {
    let web = Web::start();
    let anne = Person::new(&web);
    for (next, expected) in [
        ("/login", "/login"),
        ("//evil.example", "/"),
        ("/x\r\nA: b", "/"),
    ] {
        let answer = anne.post("/language", &[("language", "fr"), ("next", next)]);
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["Location"], expected);
        let cookie = crate::support::cookie(&answer);
        assert_eq!(cookie, "__Host-vigie-language=fr");
        let page = anne.client.get(anne.url("/login")).header("Cookie", cookie);
        assert!(page.send().unwrap().text().unwrap().contains("lang=\"fr\""));
    }
    assert_eq!(anne.post("/language", &[("language", "de")]).status(), 400);
    // Somebody's own, where they chose none here.
    web.broker().users.get_mut("anne").unwrap().language = Some("fr".into());
    let anne = Person::logged_in(&web);
    assert!(anne.get("/update").text().unwrap().contains("Mise à jour"));
}

#[test]
fn after_the_log_in_the_page_is_that_which_was_asked_for() {
    let web = Web::start();
    let anne = Person::new(&web);
    for (asked, expected) in [
        ("/login?next=/update", "/update"),
        ("/login", "/"),
        ("/login?next=https://evil.example", "/"),
        ("/login?next=//evil.example", "/"),
    ] {
        let page = anne.get(asked).text().unwrap();
        let next = page.split_once("name=\"next\" value=\"").unwrap().1;
        // The first one is that of the switch of the language.
        let next = next.split_once("name=\"next\" value=\"").unwrap().1;
        assert_eq!(next.split('"').next(), Some(expected), "{asked}");
    }
}

#[test]
fn c64_cookies_and_headers() {
    let web = Web::start();
    let answer = Person::new(&web).log_in("root", PASSWORD);
    let anne = Person::logged_in(&web);
    let cookies: Vec<_> = answer.headers().get_all("Set-Cookie").iter().collect();
    let session = cookies[0].to_str().unwrap();
    for part in [
        "__Host-vigie=",
        "HttpOnly",
        "Secure",
        "SameSite=Strict",
        "Path=/",
    ] {
        assert!(session.contains(part), "{session}");
    }
    let value = session.split(['=', ';']).nth(1).unwrap();
    assert_eq!(value.len(), 64);
    let page = anne.get("/update");
    let policy = page.headers()["Content-Security-Policy"].to_str().unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && page.headers()["Cache-Control"] == "no-store");
    // After the log-out the cookie opens nothing; another session goes on.
    let csrf = anne.csrf();
    assert_eq!(anne.post("/logout", &[("csrf", &csrf)]).status(), 303);
    assert_eq!(anne.get("/update").status(), 303);
    let other = Person::new(&web);
    let other = other
        .client
        .get(other.url("/update"))
        .header("Cookie", format!("__Host-vigie={value}"));
    assert_eq!(other.send().unwrap().status(), 200);
}

#[test]
fn c64_sessions_end_when_the_password_is_changed() {
    let web = Web::start();
    let (anne, thief) = (Person::logged_in(&web), Person::logged_in(&web));
    let (mine, stolen) = (anne.csrf(), thief.csrf());
    web.change_password();
    // The first thing that changes something finds out; from then on reading does, too.
    let restart = thief.post("/update/restart", &[("csrf", &stolen)]);
    assert_eq!(restart.status(), 401);
    assert!(web.done().is_empty(), "{:?}", web.done());
    for ended in [&thief, &anne] {
        assert_eq!(ended.get("/update").status(), 303);
        assert_eq!(ended.get("/update/job").status(), 401);
    }
    assert_eq!(anne.post("/logout", &[("csrf", &mine)]).status(), 401);
    // Who knows the new one begins again at once.
    let anne = Person::logged_in(&web);
    assert_eq!(anne.get("/update").status(), 200);
    let csrf = anne.csrf();
    let restart = anne.post("/update/restart", &[("csrf", &csrf)]);
    assert_eq!((restart.status().as_u16(), web.done().len()), (200, 1));
}

#[test]
fn without_tls_only_what_anybody_may_see() {
    let web = Web::start();
    let anne = Person::new(&web);
    let url = |path: &str| format!("http://{}{path}", web.plain);
    for path in ["/", "/health"] {
        assert_eq!(anne.client.get(url(path)).send().unwrap().status(), 200);
    }
    for path in ["/update", "/login?x=1", "/anything"] {
        let answer = anne.client.get(url(path)).send().unwrap();
        assert_eq!(answer.status(), 307);
        assert_eq!(
            answer.headers()["Location"],
            format!("https://127.0.0.1{path}")
        );
    }
    let answer = anne
        .client
        .post(url("/login"))
        .body("password=x")
        .send()
        .unwrap();
    assert_eq!(answer.status(), 403);
}

#[test]
fn the_server_is_asked_by_a_button_and_its_answer_shown() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let page = || anne.get("/update").text().unwrap();
    let csrf = token(&page());
    let ask = || anne.post("/update/ask", &[("csrf", &csrf)]);
    assert!(page().contains("It has not been asked yet."));
    let answer = ask();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["Location"]),
        (303, &"/update".try_into().unwrap())
    );
    assert!(page().contains("The server offers version 2.5.0.0."));
    web.world.lock().unwrap().mute = true;
    ask();
    assert!(page().contains("no server"));
    web.world.lock().unwrap().mute = false;
    // A server that is slow: the page says so, comes back by itself, and asks it once.
    let go_on = web.holds_what_comes();
    assert_eq!(ask().status(), 303);
    let slow = page();
    assert!(
        slow.contains("is being asked") && slow.contains("http-equiv"),
        "{slow}"
    );
    assert!(!slow.contains("/update/ask"));
    assert_eq!(ask().status(), 303);
    go_on.send(()).unwrap();
    while page().contains("is being asked") {}
    assert_eq!(web.done(), ["asked", "asked", "asked"]);
    assert!(!page().contains("no server"));
}

#[test]
fn a_package_is_uploaded_installed_followed_and_taken_back() {
    let web = Web::start();
    let go_on = web.holds_what_comes();
    let anne = Person::logged_in(&web);
    let bytes = package(2, 400_000);
    assert_eq!(
        anne.put("/update/upload")
            .body(bytes)
            .send()
            .unwrap()
            .status(),
        201
    );
    let page = anne.get("/update").text().unwrap();
    assert!(page.contains("Install 2.0.0.0"), "{page}");
    let (csrf, id) = (token(&page), id(&page));
    let install = || anne.post("/update/install", &[("csrf", &csrf), ("id", &id)]);
    assert_eq!(install().status(), 303);
    let mut job = anne.job(None);
    while job["percent"] != 50 {
        assert!(job["running"] == true && job["percent"] == 0, "{job}");
        job = anne.job(Some(&job));
    }
    // Twice changes nothing: the first one is followed.
    assert_eq!(install().status(), 303);
    assert_eq!(anne.job(None), job);
    go_on.send(()).unwrap();
    while job["running"] == true {
        assert!(job["percent"].as_u64() >= Some(50), "{job}");
        job = anne.job(Some(&job));
    }
    let page = anne.get("/update").text().unwrap();
    assert!(page.contains("Version 2.0.0.0 is installed"), "{page}");
    assert!(page.contains("Restart now") && page.contains("Take it back"));
    assert_eq!(
        anne.post("/update/rollback", &[("csrf", &csrf)]).status(),
        303
    );
    assert_eq!(
        web.done()[1..],
        [
            "installed 2.0.0.0 for anne (127.0.0.1)",
            "rollback Web anne (127.0.0.1)"
        ]
    );
    let file = web.files(".tgz").remove(0);
    let form = [("csrf", &*csrf), ("file", &*file)];
    assert_eq!(anne.post("/update/remove", &form).status(), 303);
    assert!(web.files("").is_empty());
}
