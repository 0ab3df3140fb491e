//! The machine behind the menu: its facts, and the programs that the menu starts.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::messages::Language;
use crate::status::{Facts, Mode, addresses};
use crate::web::Web;

/// What the menu needs; tests put a script in its place.
pub trait System {
    /// Live medium, recovery or installed appliance.
    fn mode(&self) -> Mode;
    /// The language of the settings.
    fn language(&self) -> Language;
    /// What the status shows.
    fn facts(&self) -> Facts;
    /// Waits some seconds for somebody to type; true when there is something to read.
    fn input_waits(&self) -> bool;
    /// Runs a program on this terminal and says whether it went well; an error when it could not
    /// be started.
    fn run(&mut self, program: &[&str]) -> anyhow::Result<bool>;
    /// Runs a program and gives what it printed; an error when it failed.
    fn output(&mut self, program: &[&str]) -> anyhow::Result<String>;
    /// Becomes the log-in on this terminal; returns only when that fails. After the log-out the
    /// unit starts the menu again.
    fn become_login(&mut self) -> anyhow::Error;
    /// Whether a volume labelled PROVISION is plugged in.
    fn has_provision(&self) -> bool;
}

/// The running system.
pub struct Machine;

/// Left by the initrd; recovery has both.
const LIVE_MARK: &str = "/run/vigie/live";
const RECOVERY_MARK: &str = "/run/vigie/recovery";
const PROVISION: &str = "/dev/disk/by-label/PROVISION";

/// How often the status is looked at while nobody types.
const LOOK_AGAIN: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

impl System for Machine {
    fn mode(&self) -> Mode {
        if Path::new(RECOVERY_MARK).exists() {
            Mode::Recovery
        } else if Path::new(LIVE_MARK).exists() {
            Mode::Live
        } else {
            Mode::Installed
        }
    }

    fn language(&self) -> Language {
        Language::of_variable(&value_in("/etc/locale.conf", "LANGUAGE"))
    }

    fn facts(&self) -> Facts {
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname")
            .unwrap_or_default()
            .trim()
            .to_owned();
        let links = output(&["/usr/bin/ip", "-json", "address", "show", "scope", "global"])
            .unwrap_or_default();
        Facts {
            hostname,
            version: value_in("/usr/lib/os-release", "VERSION_ID"),
            addresses: addresses(&links),
            health: Web::default().health().ok(),
        }
    }

    fn input_waits(&self) -> bool {
        let stdin = io::stdin();
        let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
        // A terminal that fails says so when it is read.
        poll(&mut wanted, Some(&LOOK_AGAIN)).map_or(true, |ready| ready > 0)
    }

    fn run(&mut self, program: &[&str]) -> anyhow::Result<bool> {
        // A program that was killed may leave the terminal raw: this menu could not be typed into.
        let stdin = io::stdin();
        let modes = tcgetattr(&stdin);
        let status = command(program)?
            .status()
            .with_context(|| format!("starting {}", program.join(" ")));
        if let Ok(modes) = modes {
            let _ = tcsetattr(&stdin, OptionalActions::Now, &modes);
        }
        Ok(status?.success())
    }

    fn output(&mut self, program: &[&str]) -> anyhow::Result<String> {
        output(program)
    }

    fn become_login(&mut self) -> anyhow::Error {
        let terminal = terminal_type();
        // As Debian's getty units call it; "-" is the terminal that standard input already is.
        let error = Command::new("/usr/sbin/agetty")
            .args([
                "-o",
                "-- \\u",
                "--noreset",
                "--noclear",
                "--timeout",
                "120",
                "-",
                &terminal,
            ])
            .exec();
        anyhow::Error::new(error).context("starting the log-in (agetty)")
    }

    fn has_provision(&self) -> bool {
        Path::new(PROVISION).exists()
    }
}

fn command(program: &[&str]) -> anyhow::Result<Command> {
    let (name, arguments) = program.split_first().context("no program was named")?;
    let mut command = Command::new(name);
    command.args(arguments);
    command.env("TERM", terminal_type());
    // A service has no home; a shell wants one.
    command
        .env("HOME", "/root")
        .env("USER", "root")
        .env("LOGNAME", "root");
    if Path::new("/root").is_dir() {
        command.current_dir("/root");
    }
    Ok(command)
}

/// The menu on a serial line runs as `dumb`, so that systemd sends it no escape sequences; what is
/// started from it may use what every serial terminal understands.
fn terminal_type() -> String {
    match std::env::var("TERM") {
        Ok(name) if !name.is_empty() && name != "dumb" => name,
        _ => "vt220".to_owned(),
    }
}

fn output(program: &[&str]) -> anyhow::Result<String> {
    let output = command(program)?
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", program.join(" ")))?;
    if !output.status.success() {
        bail!(
            "{}: {}",
            program.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The value of `key` in a file of `KEY=value` lines; empty when there is none.
fn value_in(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches('"').to_owned()
}
