//! A machine in a test: it writes down what it is asked to do, and gives answers that were written
//! down for it. Its terminal is a script of keys, and what a terminal emulator shows.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use vigie_prompt::{Capable, Plain, Prompter, Size, Wire, Words};
use vigie_settings::Language;

use crate::broker::Trouble;
use crate::serial::{self, Speed};
use crate::status::{Array, Facts, Health, Mode, Volume};
use crate::system::{Identity, Line, Name, Port, System};

pub const PACKAGES: &str = concat!(
    r#"{"id":"ab12","door":"usb","name":"vigie-0.2.0.0-upd.tgz","state":"ready","size":150000000,"version":"0.2.0.0"}"#,
    "\n",
    r#"{"id":"cd34","door":"scp","name":"old-upd.tgz","state":"refused","size":150000000,"version":"0.0.9.0","reason":"older","reason_fr":"plus ancienne"}"#,
);

/// The broker's answer to a verb.
pub type Answer = (&'static str, Result<Vec<Value>, Trouble>);

/// What the broker tells, as JSON.
pub fn told(events: &str) -> Result<Vec<Value>, Trouble> {
    Ok(serde_json::from_str(events).expect("events"))
}

/// What it refuses with.
pub fn refused(code: &str, reason: &str, reason_fr: &str) -> Result<Vec<Value>, Trouble> {
    Err(Trouble::Told {
        code: code.to_owned(),
        reason: reason.to_owned(),
        reason_fr: reason_fr.to_owned(),
        events: vec![],
    })
}

/// The machine.
pub struct Script {
    pub mode: Mode,
    pub provision: bool,
    /// What was asked for: programs, and requests to the broker with who speaks.
    pub asked: Vec<String>,
    pub failing: bool,
    /// What the updater lists.
    pub packages: &'static str,
    /// What logind says of its locks.
    pub locks: &'static str,
    /// Whether the data volume comes late.
    pub slow: bool,
    /// How often nobody has typed when the menu looks.
    pub quiet: Cell<u32>,
    /// Whether root has a password.
    pub password: bool,
    /// Whether somebody else is at the serial port; who has patience for it leaves it alone.
    pub in_use: bool,
    /// How often the status was looked at.
    pub looked: Cell<u32>,
    /// The broker's answers; one that was given goes, unless it is the last of its verb.
    pub broker: Vec<Answer>,
    /// Whether the terminal moves its cursor.
    pub capable: bool,
    pub terminal: Rc<RefCell<Glass>>,
}

/// What a person types, and sees.
pub struct Glass {
    keys: VecDeque<u8>,
    /// All that was written, where the terminal does nothing but print.
    text: String,
    emulator: vt100::Parser,
    /// The screen whenever Enter or Esc was pressed.
    shots: Vec<String>,
    /// How often what was typed before was to be forgotten.
    forgotten: u32,
}

impl Script {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            provision: false,
            asked: vec![],
            failing: false,
            packages: PACKAGES,
            locks: r#"{"type":"a(ssssuu)","data":[[]]}"#,
            slow: false,
            quiet: Cell::new(0),
            password: true,
            in_use: false,
            looked: Cell::new(0),
            broker: vec![],
            capable: false,
            terminal: Rc::new(RefCell::new(Glass {
                keys: VecDeque::new(),
                text: String::new(),
                emulator: vt100::Parser::new(24, 80, 0),
                shots: vec![],
                forgotten: 0,
            })),
        }
    }

    /// What will be typed; `~` is a silence, such as follows Esc. After it the terminal is closed.
    pub fn types(&mut self, keys: &str) {
        let silence = |byte| match byte {
            b'~' => 0xff,
            byte => byte,
        };
        self.terminal.borrow_mut().keys = keys.bytes().map(silence).collect();
    }

    /// How often what was typed too early was forgotten.
    pub fn forgotten(&self) -> u32 {
        self.terminal.borrow().forgotten
    }

    /// What was seen.
    pub fn screen(&self) -> String {
        let glass = self.terminal.borrow();
        match self.capable {
            false => glass.text.clone(),
            true => glass.shots.join("\n--------\n") + "\n",
        }
    }
}

impl Glass {
    fn shoot(&mut self) {
        let screen = self.emulator.screen();
        let (row, column) = screen.cursor_position();
        let rows: Vec<String> = screen
            .rows(0, 80)
            .map(|row| row.trim_end().to_owned())
            .collect();
        let shown = rows.join("\n").trim_end().to_owned();
        self.shots
            .push(format!("{shown}\n(cursor at {row}, {column})"));
    }
}

struct Keys(Rc<RefCell<Glass>>, bool);

impl Wire for Keys {
    fn byte(&mut self, patience: Option<Duration>) -> io::Result<Option<u8>> {
        let mut glass = self.0.borrow_mut();
        match glass.keys.pop_front() {
            // A silence, which is never a part of UTF-8.
            Some(0xff) => Ok(None),
            Some(byte) => {
                if self.1 && (byte == b'\r' || byte == 0x1b) {
                    glass.shoot();
                }
                Ok(Some(byte))
            }
            // After Esc, as the silence that follows it.
            None if patience.is_some_and(|patience| patience < Duration::from_secs(1)) => Ok(None),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    fn write(&mut self, text: &str) -> io::Result<()> {
        let mut glass = self.0.borrow_mut();
        glass.text.push_str(text);
        glass
            .emulator
            .process(text.replace('\n', "\r\n").as_bytes());
        Ok(())
    }
    fn size(&self) -> Option<Size> {
        self.1.then_some(Size::USUAL)
    }
    fn echo(&mut self, _: bool) -> io::Result<()> {
        Ok(())
    }
    fn forget(&mut self) -> io::Result<()> {
        // The script goes on.
        self.0.borrow_mut().forgotten += 1;
        Ok(())
    }
}

impl System for &mut Script {
    fn mode(&self) -> Mode {
        self.mode
    }
    fn language(&self) -> Language {
        Language::En
    }
    fn name(&self) -> Name {
        Name {
            hostname: "nvr-hall".into(),
            version: "0.1.0.0".into(),
        }
    }
    fn facts(&self) -> Facts {
        self.looked.set(self.looked.get() + 1);
        let settled = self.slow && self.quiet.get() < 2;
        let volume = |name: &str, ok| Volume {
            name: name.into(),
            size_bytes: 2_000_000_000_000,
            free_bytes: 150_000_000_000,
            ok,
        };
        let array = Array {
            name: "state".into(),
            level: "raid1".into(),
            members: vec!["sda7".into(), "sdb7".into()],
            ..Array::default()
        };
        let health = Health {
            status: "degraded".into(),
            slot: Some("a".into()),
            volumes: vec![volume("state", true), volume("data-1", settled)],
            arrays: vec![array],
            failed_units: vec!["ssh.service".into()],
            problems: vec![],
            problems_fr: vec![],
        };
        Facts {
            hostname: self.name().hostname,
            version: self.name().version,
            addresses: match self.mode {
                Mode::Live | Mode::Recovery => vec![],
                Mode::Installed => vec!["enp1s0 192.168.1.10/24".into()],
            },
            health: (self.mode == Mode::Installed).then_some(health),
        }
    }
    fn input_waits(&self) -> bool {
        let quiet = self.quiet.get();
        self.quiet.set(quiet.saturating_sub(1));
        quiet == 0
    }
    fn run(&mut self, program: &[&str]) -> anyhow::Result<bool> {
        self.asked.push(program.join(" "));
        Ok(!self.failing)
    }
    fn output(&mut self, program: &[&str]) -> anyhow::Result<String> {
        Ok(match program[1] {
            "list" => self.packages.to_owned(),
            "--json=short" => self.locks.to_owned(),
            _ => r#"{"outcome":"good","to":"0.1.0.0"}"#.to_owned(),
        })
    }
    fn become_login(&mut self) -> anyhow::Error {
        self.asked.push("log-in".into());
        anyhow::anyhow!("starting the log-in (agetty)")
    }
    fn has_provision(&self) -> bool {
        self.provision
    }
    fn prompter(&mut self, words: &'static Words, _: Option<Duration>) -> Box<dyn Prompter> {
        let keys = Keys(Rc::clone(&self.terminal), self.capable);
        match self.capable {
            false => Box::new(Plain::new(keys, words)),
            true => Box::new(Capable::new(keys, words)),
        }
    }
    fn ask(&mut self, token: Option<&str>, request: &Value) -> Result<Vec<Value>, Trouble> {
        let verb = request["verb"].as_str().expect("a verb");
        let unanswered = || {
            Err(Trouble::Unanswered {
                reason: "nobody listens".to_owned(),
                reason_fr: String::new(),
            })
        };
        let answers = self.broker.iter().filter(|(known, _)| *known == verb);
        if answers.count() == 0 && verb.starts_with("setup-") {
            return unanswered();
        }
        let who = token.unwrap_or("-");
        self.asked.push(format!("broker {who} {request}"));
        let Some(at) = self.broker.iter().position(|(known, _)| *known == verb) else {
            return unanswered();
        };
        let more = self.broker[at + 1..]
            .iter()
            .any(|(known, _)| *known == verb);
        match more {
            true => self.broker.remove(at).1,
            false => self.broker[at].1.clone(),
        }
    }
    fn identity(&self) -> Identity {
        let port = |name: &str, mac: &str| Port {
            name: name.into(),
            mac: Some(mac.into()),
        };
        Identity {
            serial: Some("CZJ1234567".into()),
            signature: Some("3f2a-91bc-0d11-77aa-1234-5678-9abc-def0".into()),
            ports: vec![
                port("enp1s0", "52:54:00:12:34:56"),
                port("enp2s0", "52:54:00:12:34:57"),
            ],
        }
    }
    fn root_has_password(&self) -> bool {
        self.password
    }
    fn keymaps(&self) -> Vec<String> {
        ["us", "fr-latin9", "it"].map(str::to_owned).to_vec()
    }
    fn serial_lines(&self) -> Vec<Line> {
        let line = |name: &str, is_console| Line {
            name: name.into(),
            is_console,
        };
        vec![line("ttyS0", true), line("ttyS1", false)]
    }
    fn talk(
        &mut self,
        line: &str,
        speed: Speed,
        patience: Option<Duration>,
    ) -> Result<serial::Ended, serial::Trouble> {
        self.asked.push(format!("talk {line} {}", speed.bits()));
        match self.in_use {
            true => Err(serial::Trouble::InUse),
            false if patience.is_some() => Ok(serial::Ended::Idle),
            false => Ok(serial::Ended::Left),
        }
    }
    fn keep(&mut self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        let content = String::from_utf8_lossy(content);
        self.asked.push(format!("keep {name} {content}"));
        Ok(PathBuf::from("/var/lib/vigie/support").join(name))
    }
}
