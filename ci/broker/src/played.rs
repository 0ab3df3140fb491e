//! What is played: systemd, the clock of the machine and its log. A trial's units are two functions of
//! `rootfs/settings` that systemd would start, so they are called here, the way back after its time.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use vigie_broker::failure::Failure;
use vigie_broker::journal::Line;
use vigie_broker::keeping::{Keeper, Shelf};
use vigie_broker::machine::{Machine, Wanted};
use vigie_broker::running::Running;
use vigie_broker::secret::Secret;
use vigie_broker::verb::Request;
use vigie_settings::live::{System, trial};
use vigie_settings::{Account, Said};

/// The networks of a trial are in force.
pub const IN_FORCE: &str = "(in force)";
/// Those of before are in force again.
pub const TAKEN_BACK: &str = "(taken back)";

/// What all connections share.
pub struct Played {
    root: PathBuf,
    begun: Instant,
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    done: Vec<String>,
    log: Vec<String>,
    /// The timer of the way back; it never goes off once this is dropped.
    timer: Option<Sender<()>>,
}

impl Played {
    /// A system in a folder.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            begun: Instant::now(),
            seen: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one connection works with.
    pub fn machine(self: &Arc<Self>) -> PlayedMachine {
        PlayedMachine(Arc::clone(self))
    }

    /// A line of the log.
    pub fn log(&self, line: &str) {
        self.seen().log.push(line.to_owned());
    }

    /// Waits for something that is done, and forgets it with all before it.
    pub fn waits_for(&self, what: &str, patience: Duration) -> bool {
        let place = |seen: &Seen| seen.done.iter().position(|done| done == what);
        let waited = self
            .changed
            .wait_timeout_while(self.seen(), patience, |seen| place(seen).is_none());
        let (mut seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let found = place(&seen);
        seen.done.drain(..found.map_or(0, |place| place + 1));
        found.is_some()
    }

    fn did(&self, what: &str) {
        self.seen().done.push(what.to_owned());
        self.changed.notify_all();
    }

    /// systemd: the units of a trial do what they do, all else is written down alone.
    fn systemd(self: &Arc<Self>, words: &[&str]) {
        let (played, mut system) = (Arc::clone(self), PlayedSystem(Arc::clone(self)));
        match words {
            ["systemctl", "restart", "vigie-trial-revert.timer"] => {
                let (stop, stopped) = mpsc::channel();
                self.seen().timer = Some(stop);
                let seconds = Duration::from_secs(trial::SECONDS);
                std::thread::spawn(move || {
                    if stopped.recv_timeout(seconds) == Err(RecvTimeoutError::Timeout) {
                        let done = trial::take_back(&played.root, &mut system);
                        played.end(TAKEN_BACK, done.map(|_| ()));
                    }
                });
            }
            ["systemctl", .., "stop", "vigie-trial-revert.timer"] => self.seen().timer = None,
            [
                "systemctl",
                "--no-block",
                "start",
                "vigie-trial-begin.service",
            ] => {
                std::thread::spawn(move || {
                    played.end(IN_FORCE, trial::put_in_force(&played.root, &mut system));
                });
            }
            [
                "systemctl",
                "--no-block",
                "start",
                "vigie-trial-revert.service",
            ] => {
                std::thread::spawn(move || {
                    let done = trial::take_back(&played.root, &mut system);
                    played.end(TAKEN_BACK, done.map(|_| ()));
                });
            }
            _ => {}
        }
        self.did(&words.join(" "));
    }

    /// How a unit ended: what it has done, or a line of the log.
    fn end(&self, what: &str, done: Result<(), trial::TrialError>) {
        match done {
            Ok(()) => self.did(what),
            Err(error) => self.log(&format!("vigie-settings: {error}")),
        }
    }
}

/// The running system.
struct PlayedSystem(Arc<Played>);

impl System for PlayedSystem {
    fn run(&mut self, words: &[&str]) -> Result<(), String> {
        self.0.systemd(words);
        Ok(())
    }
    fn clock(&self) -> u64 {
        let since = self.0.begun.elapsed().as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
    // Nobody is cut off here.
    fn let_the_answer_go(&mut self) {}
}

/// The machine of one connection.
pub struct PlayedMachine(Arc<Played>);

impl Machine for PlayedMachine {
    fn power_off(&mut self) -> Result<(), Failure> {
        self.0.systemd(&["systemctl", "--no-block", "poweroff"]);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.0.systemd(&["systemctl", "--no-block", "reboot"]);
        Ok(())
    }

    fn set_password(
        &mut self,
        who: &str,
        account: Account,
        password: &Secret,
    ) -> Result<Option<Said>, Failure> {
        let root = self.0.root.clone();
        Running { root }.set_password(who, account, password)
    }

    fn logs(
        &mut self,
        wanted: &Wanted,
        tell: &mut dyn FnMut(&Line) -> bool,
    ) -> Result<(), Failure> {
        let after = wanted.after.as_deref().and_then(number);
        let seen = self.0.seen().log.clone();
        let newest = seen.len().saturating_sub(wanted.lines as usize);
        let first = after.map_or(newest, |after| after + 1);
        let lines = seen.iter().enumerate().skip(first);
        let mut lines = lines.take(wanted.lines as usize);
        lines.all(|(number, text)| {
            let cursor = format!("i={number}");
            tell(&Line {
                text: text.clone(),
                cursor,
            })
        });
        Ok(())
    }
}

fn number(cursor: &str) -> Option<usize> {
    cursor.strip_prefix("i=")?.parse().ok()
}

impl Keeper for PlayedMachine {
    fn keep(
        &mut self,
        who: &str,
        ask: &Request,
        tell: &mut dyn FnMut(&serde_json::Value),
    ) -> Result<(), Failure> {
        if let Request::SupportBundle {} = ask {
            // Its exporter is another program.
            tell(&json!({"event": "file", "name": "x-support.tar.gz"}));
            tell(&json!({"event": "chunk", "data": "YWJj"}));
            return Ok(());
        }
        let mut system = PlayedSystem(Arc::clone(&self.0));
        let mut shelf = Shelf {
            root: self.0.root.clone(),
            system: &mut system,
        };
        shelf.keep(who, ask, tell)
    }
}
