//! `vigie-update serve`: one question of a program without privileges, and its answer.
//!
//! systemd listens on `/run/vigie/update.sock` and starts one process a connection. A line of JSON
//! comes in ([`Request`]); lines of JSON go out, the last one `{"event":"end","ok":…}`. Failures
//! are told as `refused` (nothing was changed) or `failed`, with `reason` and `reason_fr`; `failed`
//! with `fault`, `machine` where nothing is known against the package.
//!
//! What changes something the web interface asks for with the token of a session, and it must be one of an
//! administrator's: the broker is asked ([`session`](super::session)). `judge` and `check` take none, like `status`:
//! they change nothing and tell nothing that is not in the package, and an upload is checked to its end when the
//! session of who sent it has ended meanwhile. Who may upload at all the web interface has asked the broker
//! before; what it lets in is installed by `apply` alone, for somebody who may.
//!
//! An update that was begun goes on when whoever asked for it has gone.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vigie_settings::{Language, Role, Said};

use super::found::Found;
use super::peer::Peer;
use super::session::Speaker;
use crate::apply::ApplyError;
use crate::history::{Door, LONGEST_WHO, Outcome, Record};
use crate::package::error::Fault;
use crate::printable::printable;
use crate::progress::{Progress, Shown};
use crate::pulled::Report;
use crate::spoken;

/// Longest request in bytes, its newline included.
const LONGEST: usize = 4096;
/// A request that is not complete by then is not answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// One that does not take its answer for so long is told nothing more.
const UNREAD: Duration = Duration::from_secs(10);
/// Records of the history that are told, from the newest.
const RECORDS: usize = 50;

/// The code of a refusal because another installation is under way, or waits for its restart.
const BUSY: &str = "busy";

/// Who asks for a change.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asker {
    /// Their name, for the history.
    #[serde(default)]
    pub who: Option<String>,
    /// Of their session; the web interface must give it.
    #[serde(default)]
    pub token: Option<String>,
}

/// What is asked.
#[derive(Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Version, slots, what is under way: a `status`.
    Status {},
    /// What was installed: `record`s, the newest first.
    History {},
    /// What lies in the folders: `found`s.
    List {},
    /// Whether the beginning of an upload is a package for this machine: a `package`.
    Judge {
        /// The upload's name, 32 hexadecimal digits.
        upload: String,
    },
    /// The same for a complete upload, every byte of it checked: `progress`, a `package`.
    Check {
        /// The upload's name.
        upload: String,
    },
    /// Applies what the list gave this id: `progress`, `installed`.
    Apply {
        /// Of [`Found`].
        id: String,
        /// As in [`Asker`].
        #[serde(default)]
        who: Option<String>,
        /// As in [`Asker`].
        #[serde(default)]
        token: Option<String>,
    },
    /// Back to the other slot: `rollback` or `cancelled`.
    Rollback(Asker),
    /// Restarts the machine: `restarting`.
    Restart(Asker),
    /// Asks the server of the settings what it has; nothing is fetched: an `asked`.
    Ask(Asker),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Nothing was changed.
    pub refused: bool,
    /// Where the fault lies, where it is no refusal.
    pub fault: Fault,
    /// One word for programs.
    pub code: Option<&'static str>,
    /// In English.
    pub english: String,
    /// In French.
    pub french: String,
}

impl Failure {
    /// A refusal.
    #[must_use]
    pub fn refused(english: impl Into<String>, french: impl Into<String>) -> Self {
        Self {
            refused: true,
            fault: Fault::Package,
            code: None,
            english: english.into(),
            french: french.into(),
        }
    }

    /// A fault of the machine.
    #[must_use]
    pub fn of_machine(english: String, french: String) -> Self {
        Self {
            refused: false,
            fault: Fault::Machine,
            code: None,
            english,
            french,
        }
    }

    /// There is no such session, or no longer.
    #[must_use]
    pub fn session() -> Self {
        Self {
            code: Some("session"),
            ..Self::refused(
                "nobody is logged in, or no longer; log in again",
                "personne n'est connecté, ou ne l'est plus ; connectez-vous de nouveau",
            )
        }
    }

    /// Who is logged in may not.
    #[must_use]
    pub fn role() -> Self {
        Self {
            code: Some("role"),
            ..Self::refused(
                "this takes the role administrator; ask somebody who has it",
                "il faut pour cela le rôle administrateur ; demandez à quelqu'un qui l'a",
            )
        }
    }

    fn event(&self) -> Value {
        let event = if self.refused { "refused" } else { "failed" };
        let mut event = json!({"event": event, "reason": self.english, "reason_fr": self.french});
        if !self.refused {
            event["fault"] = json!(self.fault);
        }
        if let Some(code) = self.code {
            event["code"] = code.into();
        }
        event
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        Self {
            refused: error.is_refusal(),
            fault: error.fault(),
            code: error.is_busy().then_some(BUSY),
            english: error.to_string(),
            french: error.french(),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let said = spoken::of(&error);
        Self::of_machine(said.to_string(), said.to(Language::Fr).to_owned())
    }
}

/// What is told of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// SHA-256 of its signed header.
    pub package: String,
    /// The version that it installs.
    pub version: String,
    /// Length of the whole package in bytes.
    pub length: u64,
    /// This machine would take it now.
    pub accepted: bool,
    /// It would not now, and may later: something else waits for a restart or for its health.
    pub later: bool,
    /// Why not, in English.
    pub reason: Option<String>,
    /// The same in French.
    pub reason_fr: Option<String>,
}

/// Does what is asked; a test puts a script in its place.
pub trait Updater {
    /// Version, slots, what is under way.
    fn status(&mut self) -> Result<Value, Failure>;
    /// All records, the oldest first.
    fn history(&mut self) -> Vec<Record>;
    /// What lies in the folders.
    fn list(&mut self) -> Result<Vec<Found>, Failure>;
    /// Looks at the beginning of an upload.
    fn judge(&mut self, upload: &str) -> Result<Verdict, Failure>;
    /// Checks all of an upload.
    fn check(&mut self, upload: &str, progress: &mut Progress) -> Result<Verdict, Failure>;
    /// Applies what was found; gives the version and the slot.
    fn apply(
        &mut self,
        id: &str,
        who: Option<String>,
        progress: &mut Progress,
    ) -> Result<Value, Failure>;
    /// Goes back.
    fn rollback(&mut self, door: Door, who: Option<String>) -> Result<Outcome, Failure>;
    /// Restarts the machine.
    fn restart(&mut self) -> Result<(), Failure>;
    /// Asks the server of the settings.
    fn ask(&mut self) -> Result<Report, Failure>;
    /// Who a session of the web interface is of; where nobody can say it, nobody is let in.
    fn speaker(&mut self, _token: &str) -> Result<Speaker, Failure> {
        Err(Failure::session())
    }
}

/// Answers one request of `peer`, or tells them why there is no answer.
pub fn serve(mut socket: UnixStream, peer: Result<Peer, Said>, updater: &mut dyn Updater) {
    let outcome = peer
        .map_err(|why| Failure::refused(why.to(Language::En), why.to(Language::Fr)))
        .and_then(|peer| {
            let request = read(&mut socket)?;
            let mut told = Told::new(&socket)?;
            answer(request, &peer, updater, &mut told)
        });
    let Ok(mut told) = Told::new(&socket) else {
        return;
    };
    if let Err(failure) = &outcome {
        told.send(&failure.event());
    }
    told.send(&json!({"event": "end", "ok": outcome.is_ok()}));
}

fn read(socket: &mut UnixStream) -> Result<Request, Failure> {
    let wrong = |english: &str, french: &str| {
        Failure::refused(
            format!("the request {english}"),
            format!("la requête {french}"),
        )
    };
    let late = || wrong("did not come in time", "n'est pas venue à temps");
    let begun = Instant::now();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
            return Err(late());
        }
        let mut piece = [0; LONGEST];
        match socket.read(&mut piece) {
            Ok(0) => return Err(wrong("has no end", "n'a pas de fin")),
            Ok(got) => line.extend_from_slice(&piece[..got]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(late()),
        }
        if line.len() > LONGEST {
            return Err(wrong("is too long", "est trop longue"));
        }
    }
    // Not what serde says of it: that may hold a part of a password.
    serde_json::from_slice(&line).map_err(|_| {
        wrong(
            "is not one of those that are known",
            "n'est pas l'une de celles qui sont connues",
        )
    })
}

fn answer(
    request: Request,
    peer: &Peer,
    updater: &mut dyn Updater,
    told: &mut Told,
) -> Result<(), Failure> {
    may(peer, &request)?;
    match request {
        Request::Status {} => told.event("status", &updater.status()?),
        Request::History {} => {
            for record in updater.history().iter().rev().take(RECORDS) {
                told.event("record", record);
            }
        }
        Request::List {} => {
            for found in &updater.list()? {
                told.event("found", found);
            }
        }
        Request::Judge { upload } => told.event("package", &updater.judge(name(&upload)?)?),
        Request::Check { upload } => {
            let verdict = updater.check(name(&upload)?, &mut told.progress())?;
            told.event("package", &verdict);
        }
        Request::Apply { id, who, token } => {
            let who = asks(peer, Asker { who, token }, updater)?;
            let applied = updater.apply(&id, who, &mut told.progress())?;
            told.event("installed", &applied);
        }
        Request::Rollback(asker) => {
            let who = asks(peer, asker, updater)?;
            let outcome = updater.rollback(door(peer), who)?;
            told.send(&json!({"event": outcome}));
        }
        Request::Restart(asker) => {
            asks(peer, asker, updater)?;
            told.send(&json!({"event": "restarting"}));
            updater.restart()?;
        }
        Request::Ask(asker) => {
            asks(peer, asker, updater)?;
            told.event("asked", &updater.ask()?);
        }
    }
    Ok(())
}

fn door(peer: &Peer) -> Door {
    match peer {
        Peer::Web => Door::Web,
        Peer::Root | Peer::Member(_) => Door::Console,
    }
}

/// Uploads are the web interface's affair: a member of the group has no business with judging them.
fn may(peer: &Peer, request: &Request) -> Result<(), Failure> {
    let of_web = matches!(request, Request::Judge { .. } | Request::Check { .. });
    if of_web && matches!(peer, Peer::Member(_)) {
        let (en, fr) = (
            "only the web interface may ask this",
            "seule l'interface web peut le demander",
        );
        return Err(Failure::refused(en, fr));
    }
    Ok(())
}

/// A name that the web interface made; nothing else is opened.
fn name(upload: &str) -> Result<&str, Failure> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let good = upload.len() == 32 && upload.bytes().all(digit);
    good.then_some(upload).ok_or_else(|| {
        Failure::refused("this is no upload's name", "ce n'est pas le nom d'un envoi")
    })
}

/// Who asks for a change, for the history: root says for whom it speaks, and the broker for whom the web
/// interface does, who must be an administrator.
fn asks(peer: &Peer, asker: Asker, updater: &mut dyn Updater) -> Result<Option<String>, Failure> {
    match peer {
        Peer::Member(name) => Ok(Some(name.clone())),
        Peer::Root => Ok(asker.who.map(|who| printable(&who, LONGEST_WHO))),
        Peer::Web => {
            let token = asker.token.ok_or_else(Failure::session)?;
            let speaker = updater.speaker(&token)?;
            if speaker.role != Role::Administrator {
                return Err(Failure::role());
            }
            Ok(Some(spoken_for(speaker.user, asker.who.as_deref())))
        }
    }
}

/// The user of the session, with the address that the web interface gives behind their name: `anne (192.0.2.7)`.
fn spoken_for(user: String, who: Option<&str>) -> String {
    let address = who
        .and_then(|who| {
            who.strip_prefix(&*user)?
                .strip_prefix(" (")?
                .strip_suffix(')')
        })
        .and_then(|address| address.parse::<IpAddr>().ok());
    match address {
        Some(address) => format!("{user} ({address})"),
        None => user,
    }
}

/// The way back. Who has gone is told nothing, and that is no error.
struct Told(Option<UnixStream>);

impl Told {
    fn new(socket: &UnixStream) -> Result<Self, Failure> {
        let socket = socket.try_clone().and_then(|socket| {
            socket.set_write_timeout(Some(UNREAD))?;
            Ok(socket)
        });
        let socket = socket.map_err(|error| {
            let (english, french) = (format!("answering: {error}"), format!("réponse : {error}"));
            Failure::of_machine(english, french)
        })?;
        Ok(Self(Some(socket)))
    }

    fn send(&mut self, event: &Value) {
        if let Some(socket) = &mut self.0
            && socket.write_all(format!("{event}\n").as_bytes()).is_err()
        {
            self.0 = None;
        }
    }

    /// An object with its `event`.
    fn event(&mut self, event: &str, content: &impl Serialize) {
        let mut content = serde_json::to_value(content).unwrap_or_else(|_| json!({}));
        content["event"] = event.into();
        self.send(&content);
    }

    fn progress(&self) -> Progress {
        let socket = self.0.as_ref().and_then(|socket| socket.try_clone().ok());
        Progress::shown(socket.map_or(Shown::Quiet, Shown::Socket))
    }
}

#[cfg(test)]
mod tests;
