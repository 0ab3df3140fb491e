//! External programs: where they come from, and the one way to run them.
//!
//! mke2fs, debugfs, mkfs.fat and mtools come from the running system on an
//! appliance, and from locked packages in the builder and in tests.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Where external programs come from.
pub trait Toolbox {
    /// The program, ready to be given arguments.
    fn command(&self, program: &str) -> Command;
}

/// The programs of the running system.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostTools;

impl Toolbox for HostTools {
    fn command(&self, program: &str) -> Command {
        Command::new(find(program).unwrap_or_else(|| PathBuf::from(program)))
    }
}

/// PATH of a user often leaves out where file system tools live.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// An unpacked tree of Debian packages, its programs run by its own loader.
#[derive(Clone, Debug)]
pub struct TreeTools {
    tree: PathBuf,
}

impl TreeTools {
    /// The programs below `tree`.
    pub fn new(tree: impl Into<PathBuf>) -> Self {
        Self { tree: tree.into() }
    }
}

impl Toolbox for TreeTools {
    fn command(&self, program: &str) -> Command {
        let at = |path: &str| self.tree.join(path);
        let file = ["usr/sbin", "usr/bin"]
            .map(|folder| at(folder).join(program))
            .into_iter()
            .find(|file| file.exists())
            .unwrap_or_else(|| PathBuf::from(program));
        let mut command = Command::new(at("usr/lib64/ld-linux-x86-64.so.2"));
        command
            .arg("--library-path")
            .arg(at("usr/lib/x86_64-linux-gnu"))
            .args(["--argv0", program])
            .arg(file);
        command
    }
}

/// A program ended with an error.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {program} failed {said}")]
pub struct ProgramFailed {
    /// What it was run for.
    pub doing: String,
    /// Its name.
    pub program: String,
    /// How it ended, and the last of what it said.
    pub said: String,
}

/// One run of a program: quiet unless it fails, and then with what it said.
pub struct Run {
    command: Command,
    program: String,
    doing: String,
}

impl Run {
    /// A run of `program`; `doing` says what for, as "making the state volume".
    pub fn new(tools: &dyn Toolbox, program: &str, doing: &str) -> Self {
        let mut command = tools.command(program);
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        Self {
            command,
            program: program.to_owned(),
            doing: doing.to_owned(),
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds several arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in a folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it to its end; its output.
    pub fn output(self) -> Result<Vec<u8>> {
        let Self {
            mut command,
            program,
            doing,
        } = self;
        let output = command
            .output()
            .with_context(|| not_started(&doing, &program))?;
        ended(output, doing, program)
    }

    /// The same of a program that works on a disk which may not answer: it is killed after this time. One that
    /// the kernel does not let go of is left behind then, and so is the thread that waits for it.
    ///
    /// # Errors
    /// Those of [`output`](Self::output); it did not end in time.
    pub fn output_within(self, limit: Duration) -> Result<Vec<u8>> {
        let Self {
            mut command,
            program,
            doing,
        } = self;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command
            .spawn()
            .with_context(|| not_started(&doing, &program))?;
        let process = rustix::process::Pid::from_child(&child);
        // By this the process is meant for certain, also where another one has its number by then.
        let handle = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty());
        let (end, ends) = mpsc::channel();
        thread::spawn(move || end.send(child.wait_with_output()));
        match ends.recv_timeout(limit) {
            Ok(output) => ended(output.with_context(|| doing.clone())?, doing, program),
            Err(_) => {
                if let Ok(handle) = handle {
                    let kill = rustix::process::Signal::KILL;
                    let _ = rustix::process::pidfd_send_signal(handle, kill);
                }
                let seconds = limit.as_secs();
                bail!("{doing}: {program} did not end within {seconds} s; does the disk answer?")
            }
        }
    }
}

fn not_started(doing: &str, program: &str) -> String {
    format!("{doing}: {program} could not be started; is it installed?")
}

fn ended(output: Output, doing: String, program: String) -> Result<Vec<u8>> {
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        bail!(ProgramFailed {
            doing,
            program,
            said: format!("({}): {}", output.status, last_lines(&said)),
        });
    }
    Ok(output.stdout)
}

/// The end of what a program said, on one line.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_does_not_end_is_not_waited_for() {
        let run = |script: &str, limit| {
            let run = Run::new(&HostTools, "sh", "listing lost+found of /dev/sda7");
            run.args(["-c", script]).output_within(limit)
        };
        let long = Duration::from_secs(60);
        assert_eq!(run("echo one", long).unwrap(), b"one\n");
        let failed = run("echo two >&2; exit 3", long).unwrap_err();
        assert!(
            failed.to_string().ends_with("exit status: 3): two"),
            "{failed}"
        );
        let begun = std::time::Instant::now();
        let slow = run("exec sleep 60", Duration::from_millis(200)).unwrap_err();
        assert!(
            slow.to_string()
                .contains("/dev/sda7: sh did not end within"),
            "{slow}"
        );
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn failures_say_what_was_being_done_and_what_the_program_said() {
        let said = Run::new(&HostTools, "sh", "making the state volume")
            .args(["-c", "echo one; echo two >&2; exit 3"])
            .output()
            .unwrap_err();
        assert_eq!(
            said.to_string(),
            "making the state volume: sh failed (exit status: 3): one; two"
        );
        let absent = Run::new(&HostTools, "no-such-program", "trying")
            .output()
            .unwrap_err();
        assert!(absent.to_string().contains("is it installed?"), "{absent}");
    }
}
