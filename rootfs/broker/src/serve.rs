//! One request of somebody, and its answer.
//!
//! What is told: what the verb is about, then `{"event":"end","ok":…}`. Failures are `refused`
//! (nothing was changed) or `failed`, with `code`, `reason` and `reason_fr`.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};
use vigie_login::waits::now;
use vigie_settings::{DocumentError, Language, Said, Settings};

use crate::audit::{self, Ended, Record, Trail};
use crate::elsewhere;
use crate::failure::{self, Failure, said};
use crate::journal;
use crate::machine::{Machine, Wanted};
use crate::peer::Peer;
use crate::secret::Secret;
use crate::session::Sessions;
use crate::setup::Code;
use crate::users::{ROOT, User, Users};
use crate::verb::{Envelope, Needs, Request, Role, Verb};

mod people;

/// Longest request in bytes, its newline included: a document of settings has room in it.
const LONGEST: usize = 256 << 10;
/// A request that is not complete by then is not answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// One that does not take its answer for so long is told nothing more.
const UNREAD: Duration = Duration::from_secs(10);
/// Most lines of the log at once.
const MOST_LINES: u32 = 100_000;

/// All that a request is judged by and done with.
pub struct Desk<'a> {
    /// The root of the system, for the audit trail and the users of the settings.
    pub root: PathBuf,
    /// Who was wrong how often.
    pub attempts: PathBuf,
    /// Who is logged in.
    pub sessions: Sessions,
    /// What makes the first administrator.
    pub code: Code,
    /// Who may log in.
    pub users: &'a dyn Users,
    /// Who does it.
    pub machine: &'a mut dyn Machine,
}

/// Who speaks, as what.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Speaker {
    who: String,
    role: Role,
    language: Option<Language>,
    peer: Peer,
}

impl Speaker {
    fn of(user: User, peer: Peer) -> Self {
        Self {
            who: user.name,
            role: user.role,
            language: user.language,
            peer,
        }
    }
}

/// Who asks, and for somebody at which place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    peer: Peer,
    from: String,
}

impl Place {
    /// The web interface gives the address of whom it speaks for, and nothing that looks like another way
    /// to here; root may say anything.
    fn of(peer: Peer, told: Option<&str>) -> Result<Self, Failure> {
        let from = match (peer, told) {
            (Peer::Root, told) => audit::printable(told.unwrap_or("console")),
            (Peer::Web, told) => {
                let address = told.and_then(|told| told.parse::<IpAddr>().ok());
                address
                    .ok_or_else(Failure::from)?
                    .to_canonical()
                    .to_string()
            }
        };
        Ok(Self { peer, from })
    }

    fn record(&self, verb: Verb, ended: Ended) -> Record {
        Record {
            peer: Some(self.peer),
            ..Record::now(verb, &self.from, ended)
        }
    }
}

/// Answers one request of `peer`, or tells them why there is no answer.
pub fn serve(mut socket: UnixStream, peer: Option<Peer>, desk: &mut Desk<'_>) {
    let Some(mut told) = Told::new(&socket) else {
        return;
    };
    let outcome = peer.ok_or_else(Failure::peer).and_then(|peer| {
        let envelope = read(&mut socket).ok_or_else(Failure::request)?;
        desk.answer(peer, &envelope, &mut told)
    });
    if let Err(failure) = &outcome {
        told.send(&failure.event());
    }
    told.send(&json!({"event": "end", "ok": outcome.is_ok()}));
}

/// One line. What is wrong with it is not said: that may hold a part of a password.
fn read(socket: &mut UnixStream) -> Option<Envelope> {
    let begun = Instant::now();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        if left.is_zero() || line.len() > LONGEST {
            return None;
        }
        socket.set_read_timeout(Some(left)).ok()?;
        let mut piece = [0; 4096];
        match socket.read(&mut piece) {
            Ok(0) => return None,
            Ok(got) => line.extend_from_slice(&piece[..got]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    (line.len() <= LONGEST)
        .then(|| serde_json::from_slice(&line).ok())
        .flatten()
}

impl Desk<'_> {
    fn answer(&mut self, peer: Peer, envelope: &Envelope, told: &mut Told) -> Result<(), Failure> {
        let verb = envelope.ask.verb();
        let place = Place::of(peer, envelope.from.as_deref())?;
        let token = envelope.token.as_ref();
        if verb.needs() == Needs::Nobody {
            return self.answer_anybody(&envelope.ask, &place, told);
        }
        let speaker = match self.judge(peer, verb, envelope) {
            Ok(speaker) => speaker,
            // What nobody has asked is not written down: there is no end of that.
            Err((None, failure)) => return Err(failure),
            Err((Some(speaker), failure)) => {
                let record = record(envelope, &speaker, &place, &Err(failure.clone()));
                self.write_down(verb, &record, told);
                return Err(failure);
            }
        };
        let outcome = match self.sense(&envelope.ask, &speaker, &place) {
            Ok(()) => {
                if verb.is_change() {
                    self.announce(verb, &record(envelope, &speaker, &place, &Ok(())));
                }
                self.act(&envelope.ask, &speaker, token, told)
            }
            Err(failure) => Err(failure),
        };
        let record = record(envelope, &speaker, &place, &outcome);
        self.write_down(verb, &record, told);
        outcome
    }

    /// Who speaks, and whether they may say this. With a refusal comes who it was, where that is known.
    fn judge(
        &self,
        peer: Peer,
        verb: Verb,
        envelope: &Envelope,
    ) -> Result<Speaker, (Option<Speaker>, Failure)> {
        let speaker = match (peer, envelope.token.as_ref()) {
            (Peer::Root, None) => Speaker {
                who: ROOT.to_owned(),
                role: Role::Administrator,
                language: None,
                peer,
            },
            (Peer::Web, None) => return Err((None, Failure::session())),
            (_, Some(token)) => {
                let user = match envelope.quiet {
                    true => self.sessions.look(token, self.users, now()),
                    false => self.sessions.of(token, self.users, now()),
                };
                let failed = |error| (None, Failure::failed("failed.session", error));
                let user = user.map_err(failed)?;
                let user = user.ok_or((None, Failure::session()))?;
                Speaker::of(user, peer)
            }
        };
        match verb.needs() {
            Needs::Role(needed) if speaker.role < needed => {
                Err((Some(speaker), Failure::role(needed)))
            }
            Needs::Root if speaker.role < Role::Administrator => {
                Err((Some(speaker), Failure::role(Role::Administrator)))
            }
            Needs::Root if peer != Peer::Root => Err((Some(speaker), Failure::console())),
            Needs::Nobody | Needs::Role(_) | Needs::Root => Ok(speaker),
        }
    }

    fn act(
        &mut self,
        ask: &Request,
        speaker: &Speaker,
        token: Option<&Secret>,
        told: &mut Told,
    ) -> Result<(), Failure> {
        match ask {
            // Judged before anybody has a role.
            Request::LogIn { .. } | Request::SetupState {} | Request::Setup { .. } => {
                return Err(Failure::request());
            }
            Request::SetupCode {}
            | Request::SetPassword { .. }
            | Request::SetOwnPassword { .. }
            | Request::Users {}
            | Request::UserAdd { .. }
            | Request::UserChange { .. }
            | Request::UserRemove { .. }
            | Request::SessionsEnd { .. } => self.act_on_people(ask, speaker, token, told)?,
            Request::LogOut {} => {
                let ended = token.map(|token| self.sessions.end(token, now()));
                let failed = |error| Failure::failed("failed.session", error);
                ended.transpose().map_err(failed)?;
            }
            Request::Session {} => told.send(&self.session(speaker)),
            // It is done; that it is written down is all there is to do.
            Request::Certificate { .. } => {}
            Request::SettingsValidate { document } => {
                problems(document)
                    .iter()
                    .for_each(|problem| told.send(problem));
            }
            Request::Logs { .. } => {
                self.machine.logs(&wanted(ask)?, &mut |line| {
                    told.send(&json!({"event": "line", "text": line.text, "cursor": line.cursor}));
                    told.is_heard()
                })?;
            }
            Request::Audit { last } => {
                let all = elsewhere::everything(&self.root);
                for record in &all[all.len().saturating_sub(*last)..] {
                    told.event("record", record);
                }
            }
            Request::Restart {} => {
                self.machine.restart()?;
                told.send(&json!({"event": "going"}));
            }
            Request::PowerOff {} => {
                self.machine.power_off()?;
                told.send(&json!({"event": "going"}));
            }
            Request::SettingsGet {}
            | Request::SettingsCheck { .. }
            | Request::SettingsSet { .. }
            | Request::NetworkTrial {}
            | Request::NetworkConfirm {}
            | Request::NetworkRevert {}
            | Request::SettingsHistory {}
            | Request::SettingsDiff { .. }
            | Request::SettingsRestore { .. }
            | Request::Backup { .. }
            | Request::Restore { .. }
            | Request::CheckAtBoot { .. }
            | Request::CheckAtBootState {}
            | Request::SupportBundle {} => {
                let mut tell = |event: &Value| told.send(event);
                self.machine.keep(&speaker.who, ask, &mut tell)?;
            }
        }
        Ok(())
    }

    /// Before something is done: whatever stops us in the middle of it, who asked is known. What became of
    /// it follows in a record of its own, and where neither can be written, that one warns.
    fn announce(&self, verb: Verb, record: &Record) {
        let record = Record {
            ended: Ended::Asked,
            ..record.clone()
        };
        if let Err(error) = Trail::of(&self.root, verb, &record).append(&record) {
            eprintln!("vigie-broker: the audit trail cannot be written: {error}");
        }
    }

    /// A full or broken volume must not keep the administrator from what mends it.
    fn write_down(&self, verb: Verb, record: &Record, told: &mut Told) {
        if !verb.is_audited() {
            return;
        }
        if let Err(error) = Trail::of(&self.root, verb, record).append(record) {
            eprintln!("vigie-broker: the audit trail cannot be written: {error}");
            told.warn(&said("warning.audit", &[("error", Said::same(error))]));
        }
    }
}

fn record(
    envelope: &Envelope,
    speaker: &Speaker,
    place: &Place,
    outcome: &Result<(), Failure>,
) -> Record {
    let ended = match outcome {
        Ok(()) => Ended::Done,
        Err(failure) if failure.refused => Ended::Refused,
        Err(_) => Ended::Failed,
    };
    Record {
        who: Some(speaker.who.clone()),
        role: Some(speaker.role),
        about: envelope.ask.about(),
        code: outcome
            .as_ref()
            .err()
            .map(|failure| failure.code.to_owned()),
        ..place.record(envelope.ask.verb(), ended)
    }
}

fn wanted(ask: &Request) -> Result<Wanted, Failure> {
    let Request::Logs {
        lines,
        unit,
        since,
        after,
        log,
    } = ask
    else {
        return Err(Failure::request());
    };
    let is_unit = |unit: &String| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"@._:-\\".contains(&b);
        !unit.is_empty() && unit.len() <= 255 && unit.bytes().all(good)
    };
    let good = (1..=MOST_LINES).contains(lines)
        && unit.as_ref().is_none_or(is_unit)
        && after.as_ref().is_none_or(|after| journal::is_cursor(after));
    good.then(|| Wanted {
        lines: *lines,
        unit: unit.clone(),
        since: *since,
        after: after.clone(),
        log: *log,
    })
    .ok_or_else(|| Failure::logs(MOST_LINES))
}

/// What is wrong with a document of settings; nothing where it would be accepted.
fn problems(document: &str) -> Vec<Value> {
    let problem = |line: Option<usize>, field: Option<&str>, said: &Said| {
        let mut value = failure::words(said);
        value["event"] = "problem".into();
        value["line"] = json!(line);
        value["field"] = json!(field);
        value
    };
    match Settings::from_text(document) {
        Ok(_) => Vec::new(),
        Err(DocumentError::Read(error)) => {
            vec![problem(
                Some(error.line),
                error.field.as_deref(),
                &error.text,
            )]
        }
        Err(DocumentError::Check(all)) => {
            let all = all.0.iter();
            all.map(|one| problem(None, Some(&one.field), &one.text))
                .collect()
        }
        Err(other) => vec![problem(None, None, &Said::same(other))],
    }
}

/// The way back. Who has gone is told nothing, and that is no error.
struct Told(Option<UnixStream>);

impl Told {
    fn new(socket: &UnixStream) -> Option<Self> {
        let socket = socket.try_clone().ok()?;
        socket.set_write_timeout(Some(UNREAD)).ok()?;
        Some(Self(Some(socket)))
    }

    fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    fn send(&mut self, event: &Value) {
        if let Some(socket) = &mut self.0
            && socket.write_all(format!("{event}\n").as_bytes()).is_err()
        {
            self.0 = None;
        }
    }

    fn warn(&mut self, said: &Said) {
        let mut value = failure::words(said);
        value["event"] = "warning".into();
        self.send(&value);
    }

    /// An object with its `event`.
    fn event(&mut self, event: &str, content: &impl Serialize) {
        let mut content = serde_json::to_value(content).unwrap_or_else(|_| json!({}));
        content["event"] = event.into();
        self.send(&content);
    }
}

#[cfg(test)]
mod tests;
