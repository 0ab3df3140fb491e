//! The running machine behind the menus.

mod bundle;
mod facts;
pub mod identity;
mod programs;

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;
use vigie_prompt::{Prompter, Words};
use vigie_settings::Language;

use crate::broker::{Broker, Trouble};
use crate::messages::of_variable;
use crate::serial::{self, Speed};
use crate::status::{Facts, Mode, addresses};
use crate::system::{Identity, Line, Port, System};
use crate::web::Web;
use programs::{output, run, terminal_type};

/// The running system.
pub struct Machine {
    broker: Broker,
    /// Numbered lines, also where the terminal could do more.
    plain: bool,
}

/// Left by the initrd; recovery has both.
const LIVE_MARK: &str = "/run/vigie/live";
const RECOVERY_MARK: &str = "/run/vigie/recovery";
const PROVISION: &str = "/dev/disk/by-label/PROVISION";

/// How often the status is looked at while nobody types.
const LOOK_AGAIN: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

impl Machine {
    /// The machine that this runs on.
    pub fn this(plain: bool) -> Self {
        let ssh = std::env::var("SSH_CONNECTION").ok();
        Self {
            broker: Broker::this(ssh.as_deref()),
            plain,
        }
    }
}

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
        of_variable(&facts::value_in("/etc/locale.conf", "LANGUAGE"))
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
            version: facts::value_in("/usr/lib/os-release", "VERSION_ID"),
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
        run(program)
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

    fn prompter(&mut self, words: &'static Words, patience: Option<Duration>) -> Box<dyn Prompter> {
        vigie_prompt::open_for(self.plain, words, patience)
    }

    fn ask(&mut self, token: Option<&str>, request: &Value) -> Result<Vec<Value>, Trouble> {
        self.broker.ask(token, request)
    }

    fn identity(&self) -> Identity {
        let machine = vigie_machine::Machine::this();
        let port = |port: vigie_machine::Port| Port {
            mac: port.permanent.map(|mac| mac.as_str().to_owned()),
            name: port.name,
        };
        Identity {
            serial: machine.dmi.serial,
            signature: machine.signature.map(|signature| signature.to_string()),
            ports: machine.ports.into_iter().map(port).collect(),
        }
    }

    fn root_has_password(&self) -> bool {
        // What cannot be read is no reason to show a code to strangers.
        let shadow = fs::read_to_string("/etc/shadow");
        shadow.map_or(true, |shadow| facts::root_has_password(&shadow))
    }

    fn keymaps(&self) -> Vec<String> {
        facts::keymaps(Path::new("/usr/share/keymaps"))
    }

    fn serial_lines(&self) -> Vec<Line> {
        facts::serial_lines(Path::new("/sys/class/tty"))
    }

    fn talk(&mut self, line: &str, speed: Speed) -> anyhow::Result<()> {
        let port = Path::new("/dev").join(line);
        serial::talk(&port, speed).with_context(|| format!("the serial port {line}"))
    }

    fn keep(&mut self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        bundle::keep(Path::new(bundle::FOLDER), name, content)
    }
}
