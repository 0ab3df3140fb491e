//! The interface for programs that administrate.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Person, Web};

/// A program with the token of a session, or without.
struct Program<'a> {
    person: Person<'a>,
    token: Option<String>,
}

impl<'a> Program<'a> {
    fn of(web: &'a Web, name: &str) -> Self {
        let mut program = Self {
            person: Person::new(web),
            token: None,
        };
        let given = json!({"user": name, "password": PASSWORD});
        let (status, begun) = program.ask(Method::POST, "/api/v1/session", Some(given));
        assert_eq!(status, 200);
        program.token = Some(begun["token"].as_str().unwrap().to_owned());
        program
    }

    fn ask(&self, method: Method, path: &str, given: Option<Value>) -> (u16, Value) {
        let mut request = self.person.client.request(method, self.person.url(path));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(given) = given {
            request = request.body(given.to_string());
        }
        let answer = request.send().unwrap();
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_str(&answer.text().unwrap()).unwrap_or_default(),
        )
    }
}

#[test]
fn a_program_administrates_with_its_token() {
    let web = Web::start();
    let anne = Program::of(&web, "anne");
    let user = json!({"event": "user", "name": "vera", "role": "viewer", "language": null, "disabled": false});
    web.broker()
        .answers
        .insert("users".into(), vec![user.clone()]);
    assert_eq!(
        anne.ask(Method::GET, "/api/v1/users", None),
        (200, json!([user]))
    );
    let change = json!({"disabled": true});
    assert_eq!(
        anne.ask(Method::PATCH, "/api/v1/users/vera", Some(change))
            .0,
        200
    );
    let asked = json!({"verb": "user-change", "name": "vera", "disabled": true});
    assert_eq!(web.broker().done.last(), Some(&("anne".to_owned(), asked)));
    let (status, session) = anne.ask(Method::GET, "/api/v1/session", None);
    assert_eq!((status, &session[0]["user"]), (200, &json!("anne")));
    assert_eq!(session[0]["token"], Value::Null);
    let problem = json!({"event": "problem", "field": "a", "reason": "x", "reason_fr": "y"});
    let refused = json!({"event": "refused", "code": "problems"});
    web.broker()
        .answers
        .insert("settings-set".into(), vec![problem.clone(), refused]);
    let set = json!({"changes": [{"path": "a", "value": 1}]});
    let (status, told) = anne.ask(Method::PATCH, "/api/v1/settings", Some(set));
    assert_eq!((status, &told["code"]), (422, &json!("problems")));
    assert_eq!(told["problems"], json!([problem]));
    assert_eq!(anne.ask(Method::DELETE, "/api/v1/session", None).0, 200);
    assert_eq!(anne.ask(Method::GET, "/api/v1/session", None).0, 401);
}

#[test]
fn a_program_sees_and_installs_updates() {
    let web = Web::start();
    let anne = Program::of(&web, "anne");
    let (status, told) = anne.ask(Method::GET, "/api/v1/update", None);
    assert_eq!((status, &told[0]["event"]), (200, &json!("status")));
    for path in ["/api/v1/update/packages", "/api/v1/update/history"] {
        let (status, told) = anne.ask(Method::GET, path, None);
        assert_eq!(status, 200, "{path}: {told}");
        assert!(told.is_array(), "{path}: {told}");
    }
    let installation = "/api/v1/update/installation";
    let (status, told) = anne.ask(Method::GET, installation, None);
    assert_eq!((status, &told[0]["running"]), (200, &json!(false)));
    let given = Some(json!({"id": "none"}));
    let (status, told) = anne.ask(Method::POST, installation, given);
    assert_eq!((status, &told[0]["event"]), (200, &json!("job")));
    let ended = || anne.ask(Method::GET, installation, None).1[0].clone();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let mut job = ended();
    while job["running"] == true && std::time::Instant::now() < deadline {
        std::thread::yield_now();
        job = ended();
    }
    assert_eq!(job["installed"], false, "{job}");
    assert!(
        job["reason"].is_string() && job["reason_fr"].is_string(),
        "{job}"
    );
}

#[test]
fn a_program_changes_the_certificate_and_fetches_the_bundle() {
    let web = Web::start();
    let anne = Program::of(&web, "anne");
    let (status, told) = anne.ask(Method::GET, "/api/v1/certificate", None);
    assert_eq!((status, &told[0]["own"]), (200, &json!(false)));
    let print = told[0]["print"].clone();
    let wrong = Some(json!({"chain": "x", "key": "y"}));
    let (status, told) = anne.ask(Method::PUT, "/api/v1/certificate", wrong);
    assert_eq!((status, &told["code"]), (422, &json!("certificate")));
    let (status, told) = anne.ask(Method::DELETE, "/api/v1/certificate", None);
    assert_eq!((status, &told[0]["print"]), (200, &print));
    let noted = json!({"verb": "certificate", "done": "removed", "print": print});
    assert_eq!(web.broker().done.last(), Some(&("anne".to_owned(), noted)));
    let chunk = json!({"event": "chunk", "data": "YWJj"});
    let file = json!({"event": "file", "name": "nvr-support.tar.gz"});
    web.broker()
        .answers
        .insert("support-bundle".into(), vec![file, chunk]);
    let request = anne
        .person
        .client
        .post(anne.person.url("/api/v1/support-bundle"));
    let token = anne.token.as_deref().unwrap();
    let answer = request.bearer_auth(token).send().unwrap();
    assert_eq!(answer.status(), 200);
    let named = answer.headers()["content-disposition"].to_str().unwrap();
    assert!(named.contains("nvr-support.tar.gz"), "{named}");
    assert_eq!(answer.bytes().unwrap(), &b"abc"[..]);
}

/// What is not the broker's is judged by the role, too, and changes nothing for a lesser one.
#[test]
fn c64_updates_and_the_certificate_take_an_administrator() {
    let web = Web::start();
    let olga = Program::of(&web, "olga");
    let nobody = Program {
        person: Person::new(&web),
        token: None,
    };
    let install = json!({"id": "none"});
    let own = json!({"chain": "x", "key": "y"});
    web.broker().done.clear();
    for (method, path, given) in [
        (Method::GET, "/api/v1/update", None),
        (Method::GET, "/api/v1/update/packages", None),
        (Method::GET, "/api/v1/update/history", None),
        (Method::GET, "/api/v1/update/installation", None),
        (Method::POST, "/api/v1/update/installation", Some(install)),
        (Method::POST, "/api/v1/update/rollback", None),
        (Method::GET, "/api/v1/certificate", None),
        (Method::PUT, "/api/v1/certificate", Some(own)),
        (Method::DELETE, "/api/v1/certificate", None),
        (Method::POST, "/api/v1/support-bundle", None),
    ] {
        let (status, told) = olga.ask(method.clone(), path, given.clone());
        assert_eq!((status, &told["code"]), (403, &json!("role")), "{path}");
        assert_eq!(nobody.ask(method, path, given).0, 401, "{path}");
    }
    assert!(web.broker().done.is_empty());
}

#[test]
fn c64_neither_a_cookie_nor_a_lesser_role_opens_it() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    assert_eq!(anne.get("/api/v1/users").status(), 401);
    let olga = Program::of(&web, "olga");
    assert_eq!(olga.ask(Method::GET, "/api/v1/users", None).0, 403);
    let lines = Some(json!({"lines": 5}));
    assert_eq!(olga.ask(Method::POST, "/api/v1/logs", lines).0, 200);
    web.broker().done.clear();
    for (method, path, given) in [
        (Method::PATCH, "/api/v1/settings", json!({"x": 1})),
        (Method::POST, "/api/v1/users", json!("x")),
        (Method::POST, "/api/v1/session", json!({"user": "anne"})),
    ] {
        let (status, told) = olga.ask(method, path, Some(given));
        assert_eq!((status, &told["code"]), (400, &json!("request")), "{path}");
        assert!(!told.to_string().contains("anne"));
    }
    assert!(web.broker().done.is_empty());
    let huge = json!({"changes": "x".repeat(250 << 10)});
    assert_eq!(
        olga.ask(Method::PATCH, "/api/v1/settings", Some(huge)).0,
        413
    );
    assert_eq!(olga.ask(Method::PUT, "/api/v1/users", None).0, 405);
    let wrong = json!({"user": "anne", "password": "wrong"});
    let (status, told) = olga.ask(Method::POST, "/api/v1/session", Some(wrong));
    assert_eq!((status, &told["code"]), (401, &json!("wrong")));
}

#[test]
fn c64_who_asks_too_often_is_told_to_wait() {
    let web = Web::start();
    let mallory = Program {
        person: Person::new(&web),
        token: Some("x".into()),
    };
    let mut last = (401, Value::Null);
    for _ in 0..2000 {
        last = mallory.ask(Method::GET, "/api/v1/users", None);
        if last.0 == 429 {
            break;
        }
        assert_eq!(last.0, 401);
    }
    assert_eq!((last.0, &last.1["code"]), (429, &json!("rate")));
    // The pages are not counted with it.
    assert_eq!(Person::logged_in(&web).get("/update").status(), 200);
}
