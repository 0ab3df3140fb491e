//! A virtual machine that a test drives.
//!
//! [`Vm::start`] starts QEMU with its processors stopped, connects the machine protocol and
//! the serial console over socket pairs (no path, no race: QEMU inherits them as its
//! standard input and output), and then switches the machine on; that moment is time zero.
//! Every wait follows events and has a deadline. A wait that fails says what it waited for,
//! the last console lines, and where the screenshot and the full log are.
//!
//! In its folder: `console.log` (cleaned, with times), `console.raw`, `qemu.log` (the command
//! line and QEMU's own words), `firmware.log` (SeaBIOS), screenshots, and after a failure
//! `processors.log`: registers and interrupts of each processor.

pub use image_builder::vm::{accel, command};
pub mod cable;
pub mod console;
pub mod dialog;
mod failure;
mod hands;
mod http;
pub mod images;
mod keys;
pub mod markers;
pub mod qmp;
pub mod record;
pub mod sparse;
mod waits;
mod wires;

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::process::{self, Watchdog};
use command::{Forward, Machine, Programs, Wire};
use console::Line;
pub use http::{Response, get};
use markers::Seen;
use qmp::Qmp;
use record::{Mark, Record, State, Waited};
use wires::{read_console, read_qmp};

const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// Lines after which nothing that a test waits for can come any more.
const FATAL: [&str; 6] = [
    "Kernel panic - not syncing",
    "grub rescue>",
    "BdsDxe: No bootable option or device",
    "Security Violation",
    "You are in emergency mode",
    "vigie: fatal",
];

/// The emulation failed, which says nothing about the guest; a step may try again.
#[derive(Debug)]
pub struct EmulationFault(String);

impl std::fmt::Display for EmulationFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the emulation failed, not the guest: {}", self.0)
    }
}

impl std::error::Error for EmulationFault {}

/// Linux gives up with this when the host is so busy that no emulated timer interrupt comes
/// within its ten ticks of patience. Real machines do not say it.
const STARVED: &str = "IO-APIC + timer doesn't work";

/// A running (or ended) machine. Dropping it kills QEMU.
pub struct Vm {
    name: String,
    folder: PathBuf,
    forwards: Vec<Forward>,
    cpus: u32,
    record: Arc<Record>,
    qmp: Qmp,
    serial: Mutex<UnixStream>,
    process: Mutex<Process>,
    fatal: bool,
}

struct Process {
    child: Child,
    /// Taken when the child was waited for.
    watchdog: Option<Watchdog>,
}

impl Vm {
    /// Starts a machine; `folder` receives its logs. The machine's wires and free host ports
    /// are set here.
    pub fn start(
        programs: &dyn Programs,
        machine: &Machine,
        folder: &Path,
        name: &str,
    ) -> Result<Vm> {
        const TRIES: u32 = 3;
        let mut tries = 1;
        loop {
            match Vm::start_once(programs, machine, folder, name) {
                // Another process took a port between our choice and QEMU's use of it.
                Err(error) if tries < TRIES && port_was_taken(folder) => {
                    eprintln!("{name}: {error:#}; trying other ports");
                    tries += 1;
                }
                started => {
                    return started.with_context(|| {
                        format!("starting {name}; see {}", folder.join("qemu.log").display())
                    });
                }
            }
        }
    }

    fn start_once(
        programs: &dyn Programs,
        machine: &Machine,
        folder: &Path,
        name: &str,
    ) -> Result<Vm> {
        let mut machine = machine.clone();
        let log = process::create(&folder.join("qemu.log"))?;
        choose_ports(&mut machine.forwards)?;
        machine.qmp = Wire::Fd(0);
        machine.serial = Wire::Fd(1);
        machine.firmware_log = Wire::File(folder.join("firmware.log"));
        machine.paused = true;

        let record = Arc::new(Record::default());
        let (qmp, qmp_of_qemu) = UnixStream::pair().context("making a socket pair")?;
        let (serial, serial_of_qemu) = UnixStream::pair().context("making a socket pair")?;
        let ends = [qmp_of_qemu, serial_of_qemu];
        let process = start_qemu(programs, &machine, folder, ends, log)?;
        read_qmp(&qmp, &record)?;
        read_console(&serial, &record, folder)?;

        let vm = Vm {
            name: format!("{name} ({}, {})", machine.firmware, machine.accel),
            folder: folder.to_owned(),
            forwards: machine.forwards,
            cpus: machine.cpus,
            qmp: Qmp::new(qmp, Arc::clone(&record)),
            record,
            serial: Mutex::new(serial),
            process: Mutex::new(process),
            fatal: true,
        };
        vm.switch_on()
            .with_context(|| format!("{}{}", vm.name, last_words(folder)))?;
        Ok(vm)
    }

    fn switch_on(&self) -> Result<()> {
        self.qmp.handshake()?;
        self.record.switch_on();
        self.command("cont", json!({})).map(drop)
    }

    /// Lines such as a kernel panic do not end a wait: this test is about them.
    pub fn expecting_trouble(mut self) -> Vm {
        self.fatal = false;
        self
    }

    /// The folder with the logs and screenshots.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The full console log.
    pub fn console_log(&self) -> PathBuf {
        self.folder.join("console.log")
    }

    /// Time since the machine was switched on.
    pub fn now(&self) -> Duration {
        self.record.now()
    }

    /// The present end of what the machine has said; waits can start there.
    pub fn mark(&self) -> Mark {
        self.record.mark()
    }

    /// All console lines so far, the unfinished one included.
    pub fn lines(&self) -> Vec<Line> {
        self.record.lock().tail(usize::MAX)
    }

    /// When the boot first reached each of its stages.
    pub fn timings(&self) -> Result<Vec<Seen>> {
        markers::timings(&self.lines())
    }

    /// Ends QEMU in order.
    pub fn quit(&self) -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(30);
        self.command("quit", json!({}))?;
        let waited = self
            .record
            .wait(LIMIT, |state| state.closed().then_some(()));
        self.explain(waited, "QEMU to quit", LIMIT)?;
        self.reap().map(drop)
    }

    /// `kill -9`: the power cut.
    pub fn kill(&self) -> Result<()> {
        self.process().child.kill().context("killing QEMU")?;
        self.reap().map(drop)
    }

    /// Waits while the machine is well: a fatal line, a stop or the end of QEMU end the wait.
    fn wait_alive<T>(
        &self,
        what: &str,
        mark: Mark,
        limit: Duration,
        mut check: impl FnMut(&State) -> Option<T>,
    ) -> Result<T> {
        let mut from = mark.line;
        let waited = self.record.wait(limit, |state| {
            if let Some(found) = check(state) {
                return Some(Ok(found));
            }
            self.trouble(state, mark, &mut from).map(Err)
        });
        match self.explain(waited, what, limit)? {
            Ok(found) => Ok(found),
            Err(trouble) => Err(self.in_trouble(what, trouble)),
        }
    }

    fn check_alive(&self, what: &str) -> Result<()> {
        let state = self.record.lock();
        let closed = state.closed();
        let trouble = self.trouble(&state, Mark::default(), &mut 0);
        drop(state);
        if closed {
            return Err(self.ended(what));
        }
        match trouble {
            Some(trouble) => Err(self.in_trouble(what, trouble)),
            None => Ok(()),
        }
    }

    fn in_trouble(&self, what: &str, trouble: String) -> anyhow::Error {
        let error = self.failure(format!("waiting for {what}: {trouble}"));
        if trouble.contains(STARVED) {
            return error.context(EmulationFault(trouble));
        }
        error
    }

    /// A reason why nothing good can come, among the lines from `from` on.
    fn trouble(&self, state: &State, mark: Mark, from: &mut usize) -> Option<String> {
        let mut events = state.events.iter().skip(mark.event);
        if events.any(|(_, event)| event.name == "STOP") {
            return Some("the machine has stopped (STOP event)".to_owned());
        }
        self.fatal_line(state, from)
    }

    /// A fatal line among those from `from` on, which moves past them.
    fn fatal_line(&self, state: &State, from: &mut usize) -> Option<String> {
        if !self.fatal {
            *from = state.lines.len();
            return None;
        }
        let start = (*from).min(state.lines.len());
        *from = state.lines.len();
        line_with(&state.lines[start..], &FATAL)
    }

    fn explain<T>(&self, waited: Waited<T>, what: &str, limit: Duration) -> Result<T> {
        match waited {
            Waited::Found(found) => Ok(found),
            Waited::TimedOut => Err(self.failure(format!(
                "waiting for {what}: not seen in {} s",
                limit.as_secs()
            ))),
            Waited::Closed => Err(self.ended(what)),
        }
    }

    /// QEMU ended while a test waited for something else.
    fn ended(&self, what: &str) -> anyhow::Error {
        let status = match self.reap() {
            Ok(status) => status,
            Err(error) => return error,
        };
        let words = last_words(&self.folder);
        let reason = self.shutdown_reason().unwrap_or_default();
        let error = self.failure(format!(
            "waiting for {what}: QEMU ended: {status} {reason}{words}"
        ));
        match status.signal() {
            Some(SIGABRT | SIGSEGV) => {
                error.context(EmulationFault(format!("QEMU: {status}{words}")))
            }
            _ => error,
        }
    }

    fn shutdown_reason(&self) -> Option<String> {
        let state = self.record.lock();
        let mut events = state.events.iter().rev();
        let shutdown = events.find(|(_, event)| event.name == "SHUTDOWN");
        shutdown.map(|(_, event)| event.reason().to_owned())
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reap(&self) -> Result<ExitStatus> {
        let mut process = self.process();
        let status = process.child.wait().context("waiting for QEMU")?;
        drop(process.watchdog.take());
        Ok(status)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Ended already in most tests; a machine that is left over has nothing to save.
        let _ = self.kill();
    }
}

/// The first line with one of the texts, in words.
fn line_with(lines: &[Line], texts: &[&str]) -> Option<String> {
    let has = |line: &&Line| texts.iter().any(|text| line.text.contains(text));
    let line = lines.iter().find(has)?;
    Some(format!("the console says `{}`", line.text.trim()))
}

/// What QEMU wrote to its log after the command line, on one line.
fn last_words(folder: &Path) -> String {
    let log = std::fs::read(folder.join("qemu.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let words: Vec<&str> = log.lines().skip(1).collect();
    if words.is_empty() {
        return String::new();
    }
    format!("; its last words: {}", words.join(" / "))
}

fn start_qemu(
    programs: &dyn Programs,
    machine: &Machine,
    folder: &Path,
    [stdin, stdout]: [UnixStream; 2],
    mut log: File,
) -> Result<Process> {
    let mut command = programs.command("qemu-system-x86_64");
    command.args(machine.arguments(programs.share_dir())?);
    writeln!(log, "$ {}", process::command_line(&command)).context("writing qemu.log")?;
    command
        // Where the throw-away overlays of `snapshot=on` go.
        .env("TMPDIR", folder)
        .stdin(OwnedFd::from(stdin))
        .stdout(OwnedFd::from(stdout))
        .stderr(log);
    let (child, watchdog) = process::spawn(&mut command)?;
    Ok(Process {
        child,
        watchdog: Some(watchdog),
    })
}

/// Gives a free port of this host to each forward that has none.
fn choose_ports(forwards: &mut [Forward]) -> Result<()> {
    // All are held until all are chosen, so that no two are the same.
    let mut held = Vec::new();
    for forward in forwards.iter_mut().filter(|forward| forward.host == 0) {
        let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
        forward.host = listener
            .local_addr()
            .context("looking for a free port")?
            .port();
        held.push(listener);
    }
    Ok(())
}

fn port_was_taken(folder: &Path) -> bool {
    let log = std::fs::read(folder.join("qemu.log")).unwrap_or_default();
    String::from_utf8_lossy(&log).contains("Could not set up host forwarding rule")
}

/// Refuses anything but a PNG picture; gives its width and height.
pub fn png_size(path: &Path) -> Result<(u32, u32)> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    match bytes.get(..24) {
        Some(head) if head.starts_with(b"\x89PNG\r\n\x1a\n") && &head[12..16] == b"IHDR" => {
            let number = |at: usize| {
                u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
            };
            Ok((number(16), number(20)))
        }
        _ => bail!("{} is not a PNG picture", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_different_and_given_ports_stay() {
        let forward = |host, guest| Forward { host, guest };
        let mut forwards = [forward(0, 80), forward(0, 22), forward(8443, 443)];
        choose_ports(&mut forwards).unwrap();
        assert_ne!(forwards[0].host, 0);
        assert_ne!(forwards[0].host, forwards[1].host);
        assert_eq!(forwards[2].host, 8443);
    }

    #[test]
    fn only_pictures_are_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x05\0\0\0\x03\x20rest";
        std::fs::write(&path, head).unwrap();
        assert_eq!(png_size(&path).unwrap(), (1280, 800));
        std::fs::write(&path, b"P6 1280 800").unwrap();
        assert!(png_size(&path).is_err());
    }
}
