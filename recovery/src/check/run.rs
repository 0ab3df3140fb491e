//! One run of e2fsck: a child of its own process group, so that what a person types at the
//! terminal does not reach it; nothing on its standard input, its output in bounded memory, its
//! progress told at least each second.
//!
//! Progress comes through standard error (`-C 2`), which e2fsck otherwise uses for what it says of
//! itself alone: lines that are none of progress are output. A repair is never ended from
//! here, but where the kernel does not let go of it ([`super::stuck`]), and then it ends should it ever come
//! back; one that only looks is, where a person asks to stop. One that somebody has asked for at a start is told to
//! end itself: a restart must not wait for the hours that it takes, nor kill it after thirty minutes, as systemd does.
//!
//! e2fsck writes a line of progress for each group and each block of a folder. To wake for each would take
//! more time than some checks do: only its output wakes us, which it ends with, and progress is read when
//! we are awake, at least twenty times a second.

mod hold;

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Serialize;
use vigie_installer::toolbox::Toolbox;

use super::findings::Findings;
use super::ladder::Step;
use super::outcome::Outcome;
use super::output::{Excerpt, Lines};
use super::progress::Meter;
use super::stuck::{Patience, Pulse};
use hold::{Alive, Hold};

/// How often it is told how far a run is, be there news or not.
const TICK: Duration = Duration::from_millis(500);
/// What is kept of the beginning of an output, and of its end.
const KEPT: usize = 64 << 10;
/// How often progress is read.
const PAUSE: Duration = Duration::from_millis(50);
/// What the pipe of progress is to hold: that of some pauses. No process may have more without rights.
const PROGRESS: usize = 1 << 20;
/// What is read at a time.
const CHUNK: usize = 64 << 10;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Going {
    /// The step.
    pub step: Step,
    /// Pass and share.
    #[serde(flatten)]
    pub meter: Meter,
    /// Since the run began.
    pub seconds: u64,
    /// Since e2fsck last said anything.
    pub silent_seconds: u64,
}

/// Who is told of a run, and who may end it.
pub trait Watch {
    /// e2fsck runs, as this process.
    fn begins(&mut self, step: Step, process: u32);
    /// At least each second.
    fn goes(&mut self, going: &Going);
    /// Whether a person has asked to stop.
    fn asked_to_stop(&self) -> bool;
}

/// A run that came to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    /// The step.
    pub step: Step,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
    /// What e2fsck said, understood.
    pub findings: Findings,
    /// What e2fsck said; its middle may be left out.
    pub output: String,
}

/// What kept e2fsck from being run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It is not there, or the system has no room for it.
    #[error("starting e2fsck on {}: {source}; is e2fsprogs installed?", volume.display())]
    Start {
        /// The volume.
        volume: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// It does not end, and nobody can end it.
    #[error("e2fsck on {} (process {process}) does not end", volume.display())]
    Stuck {
        /// The volume.
        volume: PathBuf,
        /// The process, which is left behind.
        process: u32,
    },
    /// Its output could not be read.
    #[error("listening to e2fsck on {}: {source}", volume.display())]
    Listen {
        /// The volume.
        volume: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
}

/// Runs a step on a volume; `name` is what e2fsck calls it: its label, or its path.
///
/// # Errors
/// e2fsck could not be started, or not be listened to, or it does not end.
pub fn run(
    tools: &dyn Toolbox,
    step: Step,
    volume: &Path,
    name: &str,
    watch: &mut dyn Watch,
) -> Result<Ran, RunError> {
    let pulse = |process| Pulse::of(process, volume);
    let pulse = (&pulse as &dyn Fn(u32) -> Option<Pulse>, Patience::default());
    run_while(tools, step, volume, name, watch, pulse)
}

/// The same, as long as e2fsck is alive.
fn run_while(
    tools: &dyn Toolbox,
    step: Step,
    volume: &Path,
    name: &str,
    watch: &mut dyn Watch,
    alive: Alive,
) -> Result<Ran, RunError> {
    let begun = Instant::now();
    let start = |source| RunError::Start {
        volume: volume.to_owned(),
        source,
    };
    let mut command = tools.command("e2fsck");
    command.args(step.arguments()).args(["-C", "2"]).arg(volume);
    command.env("LC_ALL", "C").process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(start)?;
    watch.begins(step, child.id());
    let mut heard = Heard::new(step, name, begun);
    let mut hold = Hold::new(child.id(), alive);
    let listened = listen(&mut child, &mut heard, &mut hold, watch);
    // Whatever happened, the child is waited for: nobody else may write to the volume before.
    let status = until_end(&mut child, &mut heard, &mut hold, watch);
    let listen = |source| RunError::Listen {
        volume: volume.to_owned(),
        source,
    };
    listened.map_err(listen)?;
    let stuck = || RunError::Stuck {
        volume: volume.to_owned(),
        process: hold.process,
    };
    let status = status.map_err(listen)?.ok_or_else(stuck)?;
    Ok(heard.end(status.into()))
}

/// Waits for the end of a process whose output has ended; none where it does not end.
fn until_end(
    child: &mut Child,
    heard: &mut Heard,
    hold: &mut Hold,
    watch: &mut dyn Watch,
) -> std::io::Result<Option<ExitStatus>> {
    let handle = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok();
    loop {
        // One that was given up has been killed since: that it may end by now changes nothing.
        if hold.is_lost {
            return Ok(None);
        }
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        match &handle {
            Some(handle) => {
                is_ready(handle.as_fd(), PAUSE)?;
            }
            None => thread::sleep(PAUSE),
        }
        heard.tick(child, hold, watch)?;
    }
}

fn listen(
    child: &mut Child,
    heard: &mut Heard,
    hold: &mut Hold,
    watch: &mut dyn Watch,
) -> std::io::Result<()> {
    let mut out = child.stdout.take();
    let mut errors = child.stderr.take();
    if let Some(errors) = &errors {
        let flags = fcntl_getfl(errors)? | OFlags::NONBLOCK;
        fcntl_setfl(errors, flags)?;
        // With less room e2fsck waits for us now and then.
        let _ = fcntl_setpipe_size(errors, PROGRESS);
    }
    let mut buffer = vec![0; CHUNK];
    while !hold.is_given_up && (out.is_some() || errors.is_some()) {
        let said = heard.wait(out.as_ref(), errors.as_ref())?;
        // Progress last: what is said before it is heard before it.
        if said && out.is_some() && !heard.hear_output(out.as_mut(), &mut buffer)? {
            out = None;
        }
        if !heard.hear_errors(errors.as_mut(), &mut buffer)? {
            errors = None;
        }
        heard.tick(child, hold, watch)?;
    }
    watch.goes(&heard.going());
    Ok(())
}

/// Whether a stream has something to read, be it its end, before a time is over.
fn is_ready(stream: BorrowedFd<'_>, limit: Duration) -> std::io::Result<bool> {
    let limit = Timespec::try_from(limit).map_err(std::io::Error::other)?;
    match poll(&mut [PollFd::new(&stream, PollFlags::IN)], Some(&limit)) {
        Ok(ready) => Ok(ready > 0),
        // A signal: the caller looks whether it was asked to stop.
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What was heard of a run so far.
struct Heard<'a> {
    step: Step,
    name: &'a str,
    begun: Instant,
    /// When it was last told how far the run is.
    told: Instant,
    /// When e2fsck last said anything.
    spoke: Instant,
    meter: Meter,
    findings: Findings,
    kept: Excerpt,
    out: Lines,
    errors: Lines,
}

impl<'a> Heard<'a> {
    fn new(step: Step, name: &'a str, begun: Instant) -> Self {
        Self {
            step,
            name,
            begun,
            told: begun,
            spoke: begun,
            meter: Meter::default(),
            findings: Findings::default(),
            kept: Excerpt::new(KEPT),
            out: Lines::default(),
            errors: Lines::default(),
        }
    }

    /// Tells how far the run is where it is time for that, and looks after the process.
    fn tick(
        &mut self,
        child: &mut Child,
        hold: &mut Hold,
        watch: &mut dyn Watch,
    ) -> std::io::Result<()> {
        let asked = watch.asked_to_stop();
        let end = self.step.end();
        let is_time = self.until_tick().is_zero();
        if is_time {
            watch.goes(&self.going());
            self.told = Instant::now();
        }
        // To look costs more than to listen.
        if is_time || asked && end.is_some() && !hold.is_told {
            hold.take(child, end, asked)?;
        }
        Ok(())
    }

    fn until_tick(&self) -> Duration {
        TICK.saturating_sub(self.told.elapsed())
    }

    /// Waits for output; without one any more, for what comes through standard error. Whether it was
    /// output that came.
    fn wait(
        &self,
        out: Option<&ChildStdout>,
        errors: Option<&ChildStderr>,
    ) -> std::io::Result<bool> {
        match (out, errors) {
            (Some(out), _) => is_ready(out.as_fd(), self.until_tick().min(PAUSE)),
            (None, Some(errors)) => is_ready(errors.as_fd(), self.until_tick()).and(Ok(false)),
            (None, None) => Ok(false),
        }
    }

    fn going(&self) -> Going {
        Going {
            step: self.step,
            meter: self.meter,
            seconds: self.begun.elapsed().as_secs(),
            silent_seconds: self.spoke.elapsed().as_secs(),
        }
    }

    /// Reads what is there of the standard output; false at its end.
    fn hear_output(
        &mut self,
        stream: Option<&mut ChildStdout>,
        buffer: &mut [u8],
    ) -> std::io::Result<bool> {
        let bytes = read(stream, buffer)?;
        self.spoke = Instant::now();
        let (findings, name) = (&mut self.findings, self.name);
        self.kept.push(bytes);
        self.out.take(bytes, |line| {
            findings.take(&String::from_utf8_lossy(line), name);
        });
        Ok(!bytes.is_empty())
    }

    /// Reads what is there of standard error, where progress comes, too, as much as its pipe holds; false at
    /// its end.
    fn hear_errors(
        &mut self,
        mut stream: Option<&mut ChildStderr>,
        buffer: &mut [u8],
    ) -> std::io::Result<bool> {
        for _ in 0..=PROGRESS / CHUNK {
            match read(stream.as_deref_mut(), buffer) {
                Ok([]) => return Ok(false),
                Ok(bytes) => self.take_errors(bytes),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn take_errors(&mut self, bytes: &[u8]) {
        self.spoke = Instant::now();
        let (meter, findings, kept) = (&mut self.meter, &mut self.findings, &mut self.kept);
        let name = self.name;
        self.errors.take(bytes, |line| {
            if !meter.take(line) {
                kept.push(line);
                kept.push(b"\n");
                findings.take(&String::from_utf8_lossy(line), name);
            }
        });
    }

    fn end(mut self, outcome: Outcome) -> Ran {
        let (findings, kept, name) = (&mut self.findings, &mut self.kept, self.name);
        let mut last = |line: &[u8]| findings.take(&String::from_utf8_lossy(line), name);
        self.out.finish(&mut last);
        self.errors.finish(|line| {
            kept.push(line);
            last(line);
        });
        Ran {
            step: self.step,
            outcome,
            seconds: self.begun.elapsed().as_secs_f64(),
            findings: self.findings,
            output: self.kept.text(),
        }
    }
}

fn read<'b>(stream: Option<&mut impl Read>, buffer: &'b mut [u8]) -> std::io::Result<&'b [u8]> {
    let Some(stream) = stream else { return Ok(&[]) };
    loop {
        match stream.read(buffer) {
            Ok(length) => return Ok(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
