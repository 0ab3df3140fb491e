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
