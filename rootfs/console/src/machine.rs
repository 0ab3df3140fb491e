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

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;
use vigie_prompt::{Prompter, Words};
use vigie_settings::Language;

use crate::broker::{self, Broker};
use crate::messages::of_variable;
use crate::serial::{self, Speed, Trouble};
use crate::status::{Facts, IP, Mode, addresses};
use crate::system::{Identity, Line, Name, Port, System};
use crate::web::Web;
use programs::{output, run, terminal_type};

/// The running system.
pub struct Machine {
    broker: Broker,
    glass: Glass,
}

/// What its person looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glass {
    /// A terminal that says by `TERM` what it can do.
    AsItSays,
    /// Numbered lines, also where the terminal could do more.
    Plain,
    /// A console of this machine. Its unit says `dumb` on the serial line, so that systemd sends no escape
    /// sequences while nobody is there; the menu is like the installer's there.
    Console,
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
    pub fn this(glass: Glass) -> Self {
        let ssh = std::env::var("SSH_CONNECTION").ok();
        Self {
            broker: Broker::this(ssh.as_deref()),
            glass,
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

    fn name(&self) -> Name {
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Name {
            hostname: hostname.trim().to_owned(),
            version: facts::value_in("/usr/lib/os-release", "VERSION_ID"),
        }
    }

    fn facts(&self) -> Facts {
        let Name { hostname, version } = self.name();
        let links = output(&IP).unwrap_or_default();
        Facts {
            hostname,
            version,
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
        match self.glass {
            Glass::AsItSays => vigie_prompt::open_for(false, words, patience),
            Glass::Plain => vigie_prompt::open_on(true, words, patience),
            Glass::Console => vigie_prompt::open_on(false, words, patience),
        }
    }

    fn ask(&mut self, token: Option<&str>, request: &Value) -> Result<Vec<Value>, broker::Trouble> {
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

    fn talk(
        &mut self,
        line: &str,
        speed: Speed,
        patience: Option<Duration>,
    ) -> Result<serial::Ended, Trouble> {
        serial::talk(&Path::new("/dev").join(line), speed, patience)
    }

    fn keep(&mut self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        bundle::keep(Path::new(bundle::FOLDER), name, content)
    }
}
