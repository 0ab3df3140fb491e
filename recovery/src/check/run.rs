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
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde::Serialize;
use vigie_installer::toolbox::Toolbox;

use super::findings::Findings;
use super::ladder::Step;
use super::outcome::Outcome;
use super::output::{Excerpt, Lines};
use super::progress::Meter;
use super::stuck::{Patience, Pulse, Stillness};

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

/// How a process is, and how long it is waited for.
type Alive<'a> = (&'a dyn Fn(u32) -> Option<Pulse>, Patience);

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

/// What is known of the process itself.
struct Hold<'a> {
    process: u32,
    alive: Alive<'a>,
    stillness: Stillness,
    /// It was told to end.
    is_told: bool,
    killed: Option<Instant>,
    /// It is listened to no more.
    is_given_up: bool,
    /// It had not ended by then.
    is_lost: bool,
}

impl<'a> Hold<'a> {
    fn new(process: u32, alive: Alive<'a>) -> Self {
        Self {
            process,
            alive,
            stillness: Stillness::default(),
            is_told: false,
            killed: None,
            is_given_up: false,
            is_lost: false,
        }
    }

    /// Ends a run that may be ended where a person wants that, and gives up one that does not end.
    fn take(&mut self, child: &mut Child, end: Option<Signal>, asked: bool) -> std::io::Result<()> {
        if let (Some(signal), true, false) = (end, asked, self.is_told) {
            kill_process(Pid::from_child(child), signal)?;
            self.is_told = true;
            self.killed = (signal == Signal::KILL).then(Instant::now);
        }
        let (pulse, patience) = self.alive;
        let still = self.stillness.take(pulse(self.process), Instant::now());
        let killed = self.killed.map(|at| at.elapsed());
        if patience.ends(still, asked, killed) {
            self.is_given_up = true;
            self.is_lost = child.try_wait()?.is_none();
            // Should it come back, it must not go on behind the back of whoever uses the volume then.
            child.kill()?;
        }
        Ok(())
    }
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
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::process::Command;

    /// A shell that is e2fsck.
    struct Shell(&'static str);

    impl Toolbox for Shell {
        fn command(&self, program: &str) -> Command {
            assert_eq!(program, "e2fsck");
            let mut command = Command::new("/bin/sh");
            command.args(["-c", self.0, "e2fsck"]);
            command
        }
    }

    #[derive(Default)]
    struct Told {
        goings: Vec<Going>,
        process: Option<u32>,
        stop: bool,
        /// Only once it says how far it is.
        stop_later: bool,
        /// How often it was asked, which is once each time that something woke us.
        asked: Cell<u32>,
    }

    impl Watch for Told {
        fn begins(&mut self, _: Step, process: u32) {
            self.process = Some(process);
        }

        fn goes(&mut self, going: &Going) {
            self.goings.push(*going);
        }

        fn asked_to_stop(&self) -> bool {
            self.asked.set(self.asked.get() + 1);
            let goes = self.goings.last().is_some_and(|going| going.meter.pass > 0);
            self.stop || self.stop_later && goes
        }
    }

    fn ran(script: &'static str, step: Step, told: &mut Told) -> Ran {
        run(&Shell(script), step, Path::new("/volume"), "state", told).unwrap()
    }

    #[test]
    fn a_run_is_heard_to_its_end() {
        let script = "echo \"$@\"; echo 1 0 10 state >&2; echo 1 5 10 state >&2; \
                      echo 'state: Inode 7, i_size is 1, should be 2.  FIXED.'; \
                      echo 'e2fsck: Input/output error' >&2; printf 'Fix? yes'; read x; \
                      test -z \"$x\" && test \"$LC_ALL\" = C && exit 5";
        let mut told = Told::default();
        let ran = ran(script, Step::FullPreen, &mut told);
        assert_eq!(ran.outcome, Outcome::exit(5));
        assert!(
            ran.output.starts_with("-f -p -C 2 /volume\n"),
            "{}",
            ran.output
        );
        assert!(!ran.output.contains("1 5 10"), "{}", ran.output);
        assert!(ran.output.contains("Input/output error"), "{}", ran.output);
        assert_eq!((ran.findings.count(), ran.findings.changes), (2, 2));
        let last = told.goings.last().unwrap();
        assert_eq!((last.meter.pass, last.meter.permille), (1, 350));
    }

    #[test]
    fn a_silent_run_is_told_of_each_second_and_noise_stays_bounded() {
        let mut told = Told::default();
        let quiet = ran("exec sleep 1.7", Step::Repair, &mut told);
        assert!(quiet.outcome.is_clean());
        assert!(told.goings.len() >= 3, "{:?}", told.goings);
        assert_eq!(
            told.goings.last().unwrap().silent_seconds,
            0,
            "its end was heard"
        );
        assert_eq!(told.goings[told.goings.len() - 2].silent_seconds, 1);
        let loud = ran(
            "yes x | head -c 3000000; yes | head -c 1000000 >&2",
            Step::Repair,
            &mut told,
        );
        assert!(loud.output.len() < 2 * KEPT + 100, "{}", loud.output.len());
        assert!(loud.output.contains("bytes left out"));
    }

    #[test]
    fn progress_does_not_wake_us() {
        let script = "i=0; while test $i -lt 100000; do echo \"2 $i 100000 state\"; i=$((i+1)); done >&2; \
                      echo said last";
        let mut told = Told::default();
        let ran = ran(script, Step::Inspect, &mut told);
        assert_eq!(ran.output, "said last\n");
        let last = told.goings.last().unwrap();
        assert_eq!((last.meter.pass, last.meter.permille), (2, 899));
        let (asked, seconds) = (told.asked.get(), ran.seconds);
        let most = 10.0 + 25.0 * seconds;
        assert!(f64::from(asked) < most, "{asked} times in {seconds} s");
    }

    #[test]
    fn only_a_run_that_does_not_write_is_stopped() {
        let mut told = Told {
            stop: true,
            ..Told::default()
        };
        let looked = ran("exec sleep 60", Step::Inspect, &mut told);
        assert_eq!(looked.outcome.signal, Some(9));
        let wrote = ran("exec sleep 0.7", Step::Repair, &mut told);
        assert!(wrote.outcome.is_clean());
        // One that somebody has asked for at a start ends itself, in its own time.
        let script =
            "trap 'kill $!; sleep 0.7; exit 32' TERM; sleep 60 & echo 1 5 10 state >&2; wait";
        let mut told = Told {
            stop_later: true,
            ..Told::default()
        };
        let thorough = ran(script, Step::Thorough, &mut told);
        assert_eq!(thorough.outcome, Outcome::exit(32));
        assert_ne!(told.process, None);
    }

    /// A process that the kernel does not let go of, as far as anybody can tell.
    fn hangs(
        script: &'static str,
        step: Step,
        told: &mut Told,
        patience: Patience,
    ) -> Result<Ran, RunError> {
        let asleep = |_| Some(Pulse::asleep());
        let volume = Path::new("/volume");
        run_while(
            &Shell(script),
            step,
            volume,
            "state",
            told,
            (&asleep, patience),
        )
    }

    #[test]
    fn a_repair_that_the_kernel_does_not_let_go_of_is_left_behind() {
        let long = Duration::from_secs(3600);
        let brief = Duration::from_millis(300);
        let patience = |asked, alone| Patience {
            killed: long,
            asked,
            alone,
        };
        // With its output open, and with only itself left.
        for script in ["exec sleep 60", "exec >&- 2>&-; exec sleep 60"] {
            for (stop, patience) in [
                (false, patience(long, brief)),
                (true, patience(brief, long)),
            ] {
                let mut told = Told {
                    stop,
                    ..Told::default()
                };
                let error = hangs(script, Step::Repair, &mut told, patience).unwrap_err();
                let process = told.process.unwrap();
                assert!(
                    matches!(error, RunError::Stuck { process: one, .. } if one == process),
                    "{error}"
                );
                assert!(error.to_string().contains(&process.to_string()), "{error}");
            }
        }
        // Nobody gives up one that moves.
        let mut told = Told::default();
        let moves = ran("exec sleep 0.7", Step::Repair, &mut told);
        assert!(moves.outcome.is_clean());
    }

    #[test]
    fn a_look_that_was_ended_is_not_waited_for_without_end() {
        let mut told = Told {
            stop: true,
            ..Told::default()
        };
        let patience = Patience {
            killed: Duration::from_millis(1500),
            asked: Duration::from_secs(3600),
            alone: Duration::from_secs(3600),
        };
        // Its output stays open beyond its own end.
        let script = "sleep 5 & exec sleep 60";
        let begun = Instant::now();
        let looked = hangs(script, Step::Inspect, &mut told, patience).unwrap();
        assert_eq!(looked.outcome.signal, Some(9));
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "{:?}",
            begun.elapsed()
        );
    }

    #[test]
    fn what_cannot_be_started_is_told() {
        struct Nothing;
        impl Toolbox for Nothing {
            fn command(&self, _: &str) -> Command {
                Command::new("/no/such/e2fsck")
            }
        }
        let volume = Path::new("/dev/vda7");
        let error = run(
            &Nothing,
            Step::Repair,
            volume,
            "state",
            &mut Told::default(),
        );
        let error = error.unwrap_err().to_string();
        assert!(error.contains("e2fsck on /dev/vda7"), "{error}");
    }
}
