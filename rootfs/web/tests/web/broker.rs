//! A broker after the broker's own contract, in memory: who may log in, sessions, waits, settings; and
//! what it was asked, by whom.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// Wrong passwords that cost no wait.
const FREE: u32 = 4;

/// Somebody who may log in.
#[derive(Clone)]
pub struct User {
    pub password: String,
    pub role: &'static str,
    pub language: Option<String>,
    pub disabled: bool,
}

/// What it knows.
#[derive(Default)]
pub struct World {
    pub users: BTreeMap<String, User>,
    /// By token: whose.
    pub sessions: BTreeMap<String, String>,
    /// Wrong passwords, by address and browser.
    pub wrong: BTreeMap<String, u32>,
    /// The code of the first setup, while it is open.
    pub code: Option<String>,
    /// What was asked but for passwords, sessions and logs: who, and the request.
    pub done: Vec<(String, Value)>,
    /// What verbs answer that are not told here.
    pub answers: BTreeMap<String, Vec<Value>>,
    /// How often a verb was said.
    pub asked: BTreeMap<String, usize>,
    /// How often something was asked that is no use of a session.
    pub quiet: usize,
    /// Wrong passwords cost no wait.
    pub forgiving: bool,
    begun: u64,
}

/// The end of an answer: why not, where it was not done.
type Outcome = Result<Vec<Value>, (&'static str, &'static str)>;

impl World {
    /// With these who may log in, all by one password.
    pub fn of(users: &[(&str, &'static str)], password: &str) -> Self {
        let user = |role| User {
            password: password.to_owned(),
            role,
            language: None,
            disabled: false,
        };
        Self {
            users: users
                .iter()
                .map(|(name, role)| ((*name).to_owned(), user(role)))
                .collect(),
            ..Self::default()
        }
    }

    /// As many sessions of somebody as the broker keeps.
    pub fn sessions_of_one_are_bounded(&mut self, name: &str) {
        let of_one = self.sessions.iter().filter(|(_, user)| *user == name);
        let tokens: Vec<String> = of_one.map(|(token, _)| token.clone()).collect();
        for token in tokens.iter().skip(7) {
            self.sessions.remove(token);
        }
    }

    /// Whose session a token is, and what they may.
    fn who(&self, token: &Value) -> Option<(String, &User)> {
        let name = self.sessions.get(token.as_str()?)?;
        let user = self.users.get(name).filter(|user| !user.disabled)?;
        Some((name.clone(), user))
    }

    fn begin(&mut self, name: &str) -> Value {
        self.begun += 1;
        let token = format!("token-{}", self.begun);
        self.sessions.insert(token.clone(), name.to_owned());
        let user = &self.users[name];
        json!({"event": "session", "user": name, "role": user.role, "token": token,
            "language": user.language, "idle_minutes": 30})
    }

    fn log_in(&mut self, from: &str, ask: &Value) -> Outcome {
        // Unknown browsers wait by their address.
        let whom = ask["browser"].as_str().unwrap_or(from).to_owned();
        let wrong = self.wrong.entry(whom.clone()).or_default();
        if *wrong >= FREE && !self.forgiving {
            return Err(("wait", "too many wrong passwords; try again in 2 s"));
        }
        *wrong += 1;
        let name = ask["user"].as_str().unwrap_or_default();
        let is_right = |user: &User| !user.disabled && user.password == ask["password"];
        if !self.users.get(name).is_some_and(is_right) {
            return Err(("wrong", "the name or the password is wrong"));
        }
        self.wrong.remove(&whom);
        Ok(vec![self.begin(name)])
    }

    fn set_up(&mut self, ask: &Value) -> Outcome {
        let Some(code) = &self.code else {
            return Err(("closed", "the appliance is set up already"));
        };
        if ask["code"] != **code {
            return Err(("wrong-code", "this is not the code that the console shows"));
        }
        self.code = None;
        let name = ask["user"].as_str().unwrap_or_default().to_owned();
        let user = User {
            password: ask["password"].as_str().unwrap_or_default().to_owned(),
            role: "administrator",
            language: ask["language"].as_str().map(str::to_owned),
            disabled: false,
        };
        self.users.insert(name.clone(), user);
        Ok(vec![self.begin(&name)])
    }

    fn answer(&mut self, line: &Value) -> Outcome {
        let ask = &line["ask"];
        let from = line["from"].as_str().unwrap_or_default();
        let verb = ask["verb"].as_str().unwrap_or_default();
        // The updater asks for itself, and only that.
        let is_updater = from == "the updater" && verb == "session";
        let is_address = from.parse::<std::net::IpAddr>().is_ok();
        assert!(is_updater || is_address, "{line}");
        *self.asked.entry(verb.to_owned()).or_default() += 1;
        self.quiet += usize::from(line["quiet"] == true);
        match verb {
            "log-in" => return self.log_in(from, ask),
            "setup" => return self.set_up(ask),
            "setup-state" => {
                return Ok(vec![json!({"event": "setup", "open": self.code.is_some()})]);
            }
            _ => {}
        }
        let Some((name, user)) = self.who(&line["token"]) else {
            return Err(("session", "nobody is logged in, or no longer; log in again"));
        };
        let rank = |role: &str| {
            ["viewer", "operator", "administrator"]
                .iter()
                .position(|r| *r == role)
        };
        let needed = match verb {
            "session"
            | "log-out"
            | "set-own-password"
            | "sessions-end"
            | "network-trial"
            | "check-at-boot-state" => "viewer",
            "settings-get" | "logs" => "operator",
            _ => "administrator",
        };
        if rank(user.role) < rank(needed) {
            return Err(("role", "this takes another role"));
        }
        let session = json!({"event": "session", "user": name, "role": user.role,
            "language": user.language, "idle_minutes": 30});
        match verb {
            "session" => return Ok(vec![session]),
            "log-out" => {
                self.sessions
                    .remove(line["token"].as_str().unwrap_or_default());
                return Ok(vec![]);
            }
            "sessions-end" if ask["name"] != *name && user.role != "administrator" => {
                return Err(("role", "this takes another role"));
            }
            "sessions-end" => {
                let own = line["token"].as_str().unwrap_or_default().to_owned();
                let is_left = |token: &String, of: &String| *token == own || ask["name"] != **of;
                self.sessions.retain(|token, of| is_left(token, of));
            }
            _ => {}
        }
        self.done.push((name, ask.clone()));
        Ok(self.answers.get(verb).cloned().unwrap_or_default())
    }
}

/// Answers whoever comes.
pub fn start(socket: &Path, world: Arc<Mutex<World>>) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let world = Arc::clone(&world);
            std::thread::spawn(move || serve(connection, &world));
        }
    });
}

fn serve(mut connection: UnixStream, world: &Mutex<World>) {
    let mut line = String::new();
    let read = BufReader::new(&connection).read_line(&mut line);
    if read.is_err() {
        return;
    }
    let line: Value = serde_json::from_str(&line).unwrap();
    let outcome = world
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .answer(&line);
    let mut events = match &outcome {
        Ok(events) => events.clone(),
        Err((code, reason)) => {
            vec![
                json!({"event": "refused", "code": code, "reason": reason, "reason_fr": format!("{reason} (fr)")}),
            ]
        }
    };
    // A test may say that something is refused, after other events.
    for event in &mut events {
        if event["event"] == "refused" && event["reason"].is_null() {
            event["reason"] = "as the test said".into();
        }
    }
    let refused = events.iter().any(|event| event["event"] == "refused");
    events.push(json!({"event": "end", "ok": !refused}));
    for event in events {
        // Who has gone is told nothing.
        let _ = connection.write_all(format!("{event}\n").as_bytes());
    }
}
