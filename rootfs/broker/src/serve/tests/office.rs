//! A desk in a folder of its own, whose machine writes down what it is asked.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::rc::Rc;

use vigie_settings::Account;

use super::*;
use crate::journal::Line;
use crate::keeping::Keeper;
use crate::people::tests::{USERS, save};
use crate::session::tests::{IDLE, user};

/// Writes down what it is asked.
#[derive(Default)]
pub(super) struct Script {
    pub(super) done: Vec<String>,
    pub(super) fails: bool,
    users: Rc<RefCell<Vec<User>>>,
    /// The root of the system, and what the trail's last record said when something was done.
    root: PathBuf,
    pub(super) before: Vec<Ended>,
}

impl Users for RefCell<Vec<User>> {
    fn find(&self, name: &str, by: Peer) -> Option<User> {
        self.borrow().find(name, by)
    }
}

impl Script {
    fn did(&mut self, what: &str) -> Result<(), Failure> {
        self.done.push(what.to_owned());
        let last = elsewhere::everything(&self.root).pop();
        self.before.extend(last.map(|record| record.ended));
        match self.fails {
            true => Err(Failure::failed("failed.power", "Access denied")),
            false => Ok(()),
        }
    }
}

impl Machine for Script {
    fn power_off(&mut self) -> Result<(), Failure> {
        self.did("power-off")
    }
    fn restart(&mut self) -> Result<(), Failure> {
        self.did("restart")
    }
    fn set_password(
        &mut self,
        who: &str,
        account: Account,
        _: &Secret,
    ) -> Result<Option<Said>, Failure> {
        assert!(self.users.find(who, Peer::Web).is_some(), "{who}");
        self.did(&format!("set-password {}", account.name()))?;
        let mut users = self.users.borrow_mut();
        let user = users.iter_mut().find(|user| user.name == account.name());
        // As the machine does it: the hash is another one afterwards.
        user.into_iter().for_each(|user| user.hash.push('x'));
        Ok(None)
    }
    fn logs(
        &mut self,
        wanted: &Wanted,
        tell: &mut dyn FnMut(&Line) -> bool,
    ) -> Result<(), Failure> {
        self.did("logs")?;
        (0..wanted.lines).all(|number| {
            let text = format!("line {number}");
            let cursor = format!("i={number}");
            tell(&Line { text, cursor })
        });
        Ok(())
    }
}

impl Keeper for Script {
    fn keep(
        &mut self,
        who: &str,
        ask: &Request,
        tell: &mut dyn FnMut(&Value),
    ) -> Result<(), Failure> {
        assert!(self.users.find(who, Peer::Root).is_some(), "{who}");
        tell(&json!({"event": "kept"}));
        self.did(&format!("{:?}", ask.verb()))
    }
}

/// A desk in a folder of its own.
pub(super) struct Office {
    pub(super) root: tempfile::TempDir,
    pub(super) users: Rc<RefCell<Vec<User>>>,
    pub(super) script: Script,
}

impl Office {
    pub(super) fn new() -> Self {
        let users = vec![
            user("root", Role::Administrator),
            user("olga", Role::Operator),
            user("vera", Role::Viewer),
        ];
        let users = Rc::new(RefCell::new(users));
        let root = tempfile::tempdir().unwrap();
        save(root.path(), USERS);
        let script = Script {
            users: Rc::clone(&users),
            root: root.path().to_owned(),
            ..Script::default()
        };
        Self {
            root,
            users,
            script,
        }
    }

    pub(super) fn sessions(&self) -> Sessions {
        let path = self.root.path().join("sessions");
        Sessions { path, idle: IDLE }
    }

    pub(super) fn token(&self, name: &str) -> String {
        let user = self.users.find(name, Peer::Web).unwrap();
        let token = self.sessions().begin(&user, Peer::Web, now()).unwrap();
        token.expose().to_owned()
    }

    /// What is told to a line.
    pub(super) fn raw(&mut self, peer: Option<Peer>, line: &[u8]) -> Vec<Value> {
        let (sessions, attempts) = (self.sessions(), self.root.path().join("attempts"));
        let mut desk = Desk {
            root: self.root.path().to_owned(),
            attempts,
            sessions,
            code: Code {
                path: self.root.path().join("code"),
            },
            users: &*self.users,
            machine: &mut self.script,
        };
        answered(&mut desk, peer, line)
    }

    pub(super) fn ask(&mut self, peer: Peer, token: Option<&str>, ask: &str) -> Vec<Value> {
        self.raw(Some(peer), line(token, ask).as_bytes())
    }

    pub(super) fn records(&self) -> Vec<Record> {
        elsewhere::everything(self.root.path())
    }
}

/// What a desk tells to a line.
pub(in crate::serve) fn answered(
    desk: &mut Desk<'_>,
    peer: Option<Peer>,
    line: &[u8],
) -> Vec<Value> {
    let (mut near, far) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        // Whoever is refused in the middle of their line cannot write on.
        let writes = || {
            let _ = near.write_all(line);
            let _ = near.shutdown(std::net::Shutdown::Write);
        };
        scope.spawn(writes);
        serve(far, peer, desk);
    });
    let lines = BufReader::new(near).lines().map(Result::unwrap);
    lines
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect()
}

pub(in crate::serve) fn line(token: Option<&str>, ask: &str) -> String {
    let token = token.map_or(String::new(), |token| format!(r#""token":"{token}","#));
    format!("{{{token}\"from\":\"192.0.2.7\",\"ask\":{ask}}}\n")
}

pub(in crate::serve) fn code(told: &[Value]) -> &str {
    let refusal = told.iter().find(|event| !event["code"].is_null());
    refusal.map_or("", |event| event["code"].as_str().unwrap())
}

pub(in crate::serve) fn is_well(told: &[Value]) -> bool {
    told.last() == Some(&json!({"event": "end", "ok": true}))
}
