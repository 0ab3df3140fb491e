//! The menu: status, numbered entries, one action, again.
//!
//! Invariant: [`entries`] decides what a person at this console may do. On an installed appliance
//! nobody is known yet, so it offers no shell and nothing that changes the machine, but for updates,
//! which ask for root's password. In recovery, which whoever stands at the machine can choose in the
//! disk's own menu, it is as with the medium.

use std::io::{self, BufRead, Write};

use crate::held;
use crate::messages::{Language, Messages};
use crate::status::{self, Gist, Mode};
use crate::system::System;
use crate::terminal::Terminal;
use crate::update;

/// One line of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Install,
    UpdateInstalled,
    Repair,
    Shell,
    LogIn,
    Update,
    Language,
    Reboot,
    PowerOff,
}

const INSTALLER: &str = "/usr/bin/vigie-install";
const RECOVERY: &str = "/usr/bin/vigie-recovery";
const UPDATER: &str = "/usr/bin/vigie-update";

/// Why a session ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The terminal was closed.
    Closed,
    /// The machine reboots or powers off.
    GoingDown,
}

/// One console's menu.
pub struct Session<R, W, S> {
    terminal: Terminal<R, W>,
    system: S,
    mode: Mode,
    language: Language,
}

fn entries(mode: Mode) -> &'static [Entry] {
    match mode {
        Mode::Live => &[
            Entry::Install,
            Entry::UpdateInstalled,
            Entry::Repair,
            Entry::Shell,
            Entry::Language,
            Entry::Reboot,
            Entry::PowerOff,
        ],
        Mode::Recovery => &[
            Entry::Repair,
            Entry::Shell,
            Entry::Language,
            Entry::Reboot,
            Entry::PowerOff,
        ],
        Mode::Installed => &[Entry::LogIn, Entry::Language, Entry::Update],
    }
}

fn label(m: &Messages, entry: Entry) -> &'static str {
    match entry {
        Entry::Install => m.install,
        Entry::UpdateInstalled => m.update_installed,
        Entry::Repair => m.repair,
        Entry::Shell => m.shell,
        Entry::LogIn => m.log_in,
        Entry::Update => m.update,
        Entry::Language => m.language,
        Entry::Reboot => m.reboot,
        Entry::PowerOff => m.power_off,
    }
}

fn chosen(mode: Mode, answer: &str) -> Option<Entry> {
    let number: usize = answer.parse().ok()?;
    entries(mode).get(number.checked_sub(1)?).copied()
}

impl<R: BufRead, W: Write, S: System> Session<R, W, S> {
    pub fn new(terminal: Terminal<R, W>, system: S) -> Self {
        let (mode, language) = (system.mode(), system.language());
        Self {
            terminal,
            system,
            mode,
            language,
        }
    }

    /// Shows the menu until the terminal closes or the machine goes down. While nobody types,
    /// the status is shown again whenever it has changed.
    ///
    /// # Errors
    /// The terminal failed.
    pub fn run(mut self) -> io::Result<End> {
        loop {
            let shown = self.show()?;
            loop {
                self.terminal.prompt(self.messages().choose)?;
                if !self.typed_before_change(&shown) {
                    self.terminal.line("")?;
                    break;
                }
                let Some(answer) = self.terminal.read()? else {
                    return Ok(End::Closed);
                };
                if answer.is_empty() {
                    break;
                }
                let Some(entry) = chosen(self.mode, &answer) else {
                    let text = format!("\"{answer}\" {}", self.messages().not_a_choice);
                    self.terminal.line(&text)?;
                    continue;
                };
                if let Some(end) = self.act(entry)? {
                    return Ok(end);
                }
                break;
            }
        }
    }

    /// Waits until somebody types; false when the status has changed before.
    fn typed_before_change(&self, shown: &Gist) -> bool {
        while !self.system.input_waits() {
            let facts = self.system.facts();
            // A web service that is too busy to answer is no news.
            if facts.health.is_some() && facts.gist() != *shown {
                return false;
            }
        }
        true
    }

    fn messages(&self) -> &'static Messages {
        self.language.messages()
    }

    /// Shows status and entries; gives what a change of the status is told by.
    fn show(&mut self) -> io::Result<Gist> {
        let m = self.messages();
        let facts = self.system.facts();
        self.terminal.line("")?;
        for line in status::lines(m, self.mode, &facts) {
            self.terminal.line(&line)?;
        }
        self.terminal.line("")?;
        for (i, entry) in entries(self.mode).iter().enumerate() {
            self.terminal
                .line(&format!("  {} {}", i + 1, label(m, *entry)))?;
        }
        self.terminal.line("")?;
        // Both lines are for programs that watch the console: the same in every language.
        self.terminal
            .line(&format!("Vigie {} ready", facts.version))?;
        self.terminal.line(match self.mode {
            Mode::Live => "vigie: console ready (live)",
            Mode::Recovery => "vigie: console ready (recovery)",
            Mode::Installed => "vigie: console ready (installed)",
        })?;
        Ok(facts.gist())
    }

    fn act(&mut self, entry: Entry) -> io::Result<Option<End>> {
        match entry {
            Entry::Install => self.install()?,
            Entry::UpdateInstalled => {
                let code = self.messages().code;
                self.program(&[RECOVERY, "--language", code, "update"])?;
            }
            Entry::Repair => self.repair()?,
            Entry::Shell => self.shell()?,
            Entry::LogIn => {
                let error = self.system.become_login();
                self.terminal.line(&format!("{error:#}"))?;
            }
            Entry::Update => return self.update(),
            Entry::Language => self.language = self.language.other(),
            Entry::Reboot => return self.go_down(entry, "reboot"),
            Entry::PowerOff => return self.go_down(entry, "poweroff"),
        }
        Ok(None)
    }

    /// Runs a program on this terminal. What went wrong is said here, the program itself says why.
    fn ran(&mut self, program: &[&str]) -> io::Result<bool> {
        let failed = self.messages().failed;
        match self.system.run(program) {
            Ok(true) => return Ok(true),
            Ok(false) => self.terminal.line(failed)?,
            Err(error) => self.terminal.line(&format!("{error:#}"))?,
        }
        Ok(false)
    }

    /// The same, and leaves the last lines to be read.
    fn program(&mut self, program: &[&str]) -> io::Result<()> {
        self.ran(program)?;
        self.terminal.ask(self.messages().press_enter).map(drop)
    }

    fn confirmed(&mut self, prompt: &str) -> io::Result<bool> {
        let yes = self.messages().yes;
        Ok(self
            .terminal
            .ask(prompt)?
            .is_some_and(|answer| answer.eq_ignore_ascii_case(yes)))
    }

    /// Asks a person everything, unless a volume with answers is plugged in and meant.
    fn install(&mut self) -> io::Result<()> {
        let m = self.messages();
        if self.system.has_provision() {
            self.ran(&[INSTALLER, "--language", m.code, "devices"])?;
            self.terminal.line("")?;
            self.terminal.line(m.provision_found)?;
            if self.confirmed(m.install_word)? {
                return self.program(&[INSTALLER, "--language", m.code, "provision"]);
            }
        }
        self.ran(&[INSTALLER, "--language", m.code, "screen"])?;
        Ok(())
    }

    /// The screen ends in its own way; here it is only said that it could not be shown.
    fn repair(&mut self) -> io::Result<()> {
        let code = self.messages().code;
        self.ran(&[RECOVERY, "--language", code, "screen"])
            .map(drop)
    }

    /// Shows what became of the last update and which packages are there; installs one for whoever
    /// knows root's password.
    fn update(&mut self) -> io::Result<Option<End>> {
        let m = self.messages();
        self.terminal.line("")?;
        let history = self.system.output(&[UPDATER, "history", "--json"]);
        if let Some(last) = update::last(m, &history.unwrap_or_default()) {
            self.terminal.line(&last)?;
        }
        let found = match self.system.output(&[UPDATER, "list", "--json"]) {
            Ok(lines) => update::found(&lines),
            Err(error) => {
                self.terminal.line(&format!("{error:#}"))?;
                self.terminal.ask(m.press_enter)?;
                return Ok(None);
            }
        };
        for line in update::lines(m, &found) {
            self.terminal.line(&line)?;
        }
        let ready: Vec<_> = found.iter().filter(|found| found.is_ready()).collect();
        if ready.is_empty() {
            self.terminal.ask(m.press_enter)?;
            return Ok(None);
        }
        let answer = self.terminal.ask(m.which_package)?.unwrap_or_default();
        let number = answer.parse().ok().and_then(|n: usize| n.checked_sub(1));
        let Some(package) = number.and_then(|number| ready.get(number)) else {
            return Ok(None);
        };
        self.install_update(&package.id)
    }

    fn install_update(&mut self, id: &str) -> io::Result<Option<End>> {
        let m = self.messages();
        let known = self
            .system
            .run(&[UPDATER, "ask-password", "--language", m.code]);
        if !known.unwrap_or(false) {
            self.terminal.ask(m.press_enter)?;
            return Ok(None);
        }
        let apply = [UPDATER, "--language", m.code, "apply", "--id", id];
        if !self.ran(&[&apply[..], &["--who", "root (console)"]].concat())? {
            self.terminal.ask(m.press_enter)?;
            return Ok(None);
        }
        self.terminal.line(m.installed)?;
        self.go_down(Entry::Reboot, "reboot")
    }

    fn shell(&mut self) -> io::Result<()> {
        let m = self.messages();
        self.terminal.line(m.shell_warning)?;
        if !self.confirmed(m.sure)? {
            return Ok(());
        }
        self.terminal.line(m.shell_end)?;
        // How the last command in the shell ended is nobody's concern here.
        if let Err(error) = self.system.run(&["/usr/bin/bash", "--login"]) {
            self.terminal.line(&format!("{error:#}"))?;
        }
        Ok(())
    }

    fn go_down(&mut self, entry: Entry, verb: &str) -> io::Result<Option<End>> {
        let m = self.messages();
        let prompt = format!("{} - {}", label(m, entry), m.sure);
        if !self.confirmed(&prompt)? || self.is_held()? {
            return Ok(None);
        }
        let going = self.ran(&["/usr/bin/systemctl", verb])?;
        Ok(going.then_some(End::GoingDown))
    }

    /// Says what must not be interrupted, such as a repair on another console.
    fn is_held(&mut self) -> io::Result<bool> {
        let m = self.messages();
        let held = held::blocks(&self.system.output(&held::ASK).unwrap_or_default());
        if held.is_empty() {
            return Ok(false);
        }
        self.terminal.line(m.held)?;
        for held in &held {
            self.terminal
                .line(&format!("  {} ({})", held.why, held.who))?;
        }
        self.terminal.line(m.held_until)?;
        self.terminal.ask(m.press_enter)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use crate::status::{Facts, Health, Volume};

    use super::*;

    /// A machine that writes down what it is asked to do.
    struct Script {
        mode: Mode,
        provision: bool,
        asked: Vec<String>,
        failing: bool,
        /// What the updater lists.
        packages: &'static str,
        /// What logind says of its locks.
        locks: &'static str,
        /// Whether the data volume comes late.
        slow: bool,
        /// How often nobody has typed when the menu looks.
        quiet: Cell<u32>,
    }

    const PACKAGES: &str = concat!(
        r#"{"id":"ab12","door":"usb","name":"vigie-0.2.0.0-upd.tgz","state":"ready","size":150000000,"version":"0.2.0.0"}"#,
        "\n",
        r#"{"id":"cd34","door":"scp","name":"old-upd.tgz","state":"refused","size":150000000,"version":"0.0.9.0","reason":"older"}"#,
    );

    impl System for &mut Script {
        fn mode(&self) -> Mode {
            self.mode
        }
        fn language(&self) -> Language {
            Language::En
        }
        fn facts(&self) -> Facts {
            let settled = self.slow && self.quiet.get() < 2;
            let volume = |name: &str, ok| Volume {
                name: name.into(),
                size_bytes: 2_000_000_000_000,
                free_bytes: 150_000_000_000,
                ok,
            };
            let health = Health {
                status: "degraded".into(),
                slot: Some("a".into()),
                volumes: vec![volume("state", true), volume("data-1", settled)],
                failed_units: vec!["ssh.service".into()],
                problems: vec![],
                problems_fr: vec![],
            };
            Facts {
                hostname: "nvr-hall".into(),
                version: "0.1.0.0".into(),
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
    }

    fn session(script: &mut Script, typed: &str) -> (End, String) {
        let mut output = Vec::new();
        let end = Session::new(Terminal::new(typed.as_bytes(), &mut output), script)
            .run()
            .expect("a string never fails");
        (end, String::from_utf8(output).expect("text"))
    }

    fn script(mode: Mode) -> Script {
        Script {
            mode,
            provision: false,
            asked: vec![],
            failing: false,
            packages: PACKAGES,
            locks: r#"{"type":"a(ssssuu)","data":[[]]}"#,
            slow: false,
            quiet: Cell::new(0),
        }
    }

    /// `tests/golden/NAME.txt`; `VIGIE_BLESS=1` writes them.
    #[test]
    fn screens() {
        for (name, mode, typed) in [
            ("live", Mode::Live, ""),
            ("live-fr", Mode::Live, "5\n1\n\n4\nnon\n"),
            ("live-install", Mode::Live, "1\n"),
            ("recovery", Mode::Recovery, "6\n1\n"),
            ("recovery-fr", Mode::Recovery, "3\n2\nnon\n4\n\n"),
            ("installed", Mode::Installed, "4\nx\n2\n"),
            ("installed-update", Mode::Installed, "3\n1\n\n"),
        ] {
            let (_, screen) = session(&mut script(mode), typed);
            assert!(!screen.contains('\x1b'), "{name}: an escape sequence");
            let file =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
            if std::env::var_os("VIGIE_BLESS").is_some() {
                std::fs::write(&file, &screen).expect("written");
            }
            assert_eq!(
                screen,
                std::fs::read_to_string(&file).unwrap_or_default(),
                "{}",
                file.display()
            );
        }
    }

    #[test]
    fn what_is_started() {
        let password = "/usr/bin/vigie-update ask-password --language en";
        let apply = "/usr/bin/vigie-update --language en apply --id ab12 --who root (console)";
        let devices = "/usr/bin/vigie-install --language en devices";
        let screen = "/usr/bin/vigie-install --language en screen";
        let repair = "/usr/bin/vigie-recovery --language en screen";
        for (mode, provision, typed, expected) in [
            (
                Mode::Live,
                false,
                "2\n\n",
                vec!["/usr/bin/vigie-recovery --language en update"],
            ),
            // It ends in its own way: the next word is for the menu.
            (
                Mode::Live,
                false,
                "3\n7\nyes\n",
                vec![repair, "/usr/bin/systemctl poweroff"],
            ),
            (
                Mode::Live,
                false,
                "5\n3\n",
                vec!["/usr/bin/vigie-recovery --language fr screen"],
            ),
            (
                Mode::Recovery,
                true,
                "1\n2\nyes\n4\nyes\n",
                vec![repair, "/usr/bin/bash --login", "/usr/bin/systemctl reboot"],
            ),
            (
                Mode::Recovery,
                false,
                "5\nyes\n",
                vec!["/usr/bin/systemctl poweroff"],
            ),
            // There is nothing to install from.
            (Mode::Recovery, true, "6\n7\n0\n", vec![]),
            (Mode::Live, false, "4\n\n", vec![]),
            (Mode::Live, false, "4\nyes\n", vec!["/usr/bin/bash --login"]),
            (Mode::Live, false, "1\n", vec![screen]),
            (Mode::Live, true, "1\n\n", vec![devices, screen]),
            (
                Mode::Live,
                true,
                "1\nYES\n\n",
                vec![devices, "/usr/bin/vigie-install --language en provision"],
            ),
            (Mode::Live, false, "6\n\n", vec![]),
            (
                Mode::Live,
                false,
                "6\nyes\n",
                vec!["/usr/bin/systemctl reboot"],
            ),
            (
                Mode::Live,
                false,
                "7\nyes\n",
                vec!["/usr/bin/systemctl poweroff"],
            ),
            (
                Mode::Live,
                false,
                "5\n7\nyes\n7\noui\n",
                vec!["/usr/bin/systemctl poweroff"],
            ),
            (Mode::Installed, false, "1\n", vec!["log-in"]),
            (Mode::Installed, false, "3\n\n", vec![]),
            // One that is not accepted has no number.
            (Mode::Installed, false, "3\n2\n", vec![]),
            (Mode::Installed, false, "3\n1\n\n", vec![password, apply]),
            (
                Mode::Installed,
                false,
                "3\n1\nyes\n",
                vec![password, apply, "/usr/bin/systemctl reboot"],
            ),
            // No number, and nothing that a test or a person may guess, gets more than that.
            (
                Mode::Installed,
                true,
                "0\n4\n5\n6\n7\n-1\n99999999999999999999\nshell\nreboot\n",
                vec![],
            ),
        ] {
            let mut script = Script {
                provision,
                ..script(mode)
            };
            session(&mut script, typed);
            assert_eq!(script.asked, expected, "{typed:?}");
        }
    }

    #[test]
    fn c64_without_roots_password_nothing_is_installed() {
        let mut failing = Script {
            failing: true,
            ..script(Mode::Installed)
        };
        session(&mut failing, "3\n1\n\n3\n1\nyes\n");
        let password = "/usr/bin/vigie-update ask-password --language en";
        assert_eq!(failing.asked, [password, password]);
    }

    #[test]
    fn a_status_that_changes_is_shown_again() {
        let mut late = Script {
            slow: true,
            quiet: Cell::new(3),
            ..script(Mode::Installed)
        };
        let (_, screen) = session(&mut late, "");
        assert_eq!(screen.matches("NOT AVAILABLE").count(), 1, "{screen}");
        assert_eq!(screen.matches("console ready").count(), 2, "{screen}");
        let mut steady = Script {
            quiet: Cell::new(3),
            ..script(Mode::Installed)
        };
        let (_, screen) = session(&mut steady, "");
        assert_eq!(screen.matches("console ready").count(), 1, "{screen}");
    }

    #[test]
    fn a_repair_on_another_console_is_not_ended() {
        let locks = r#"{"type":"a(ssssuu)","data":[[["shutdown:sleep","vigie-recovery","data-1 is being repaired","block",0,812]]]}"#;
        for (mode, typed, words) in [
            (Mode::Live, "6\nyes\n\n", "must not be interrupted"),
            (Mode::Live, "5\n7\noui\n\n", "ne doit pas être interrompu"),
            (Mode::Recovery, "4\nyes\n\n", "must not be interrupted"),
            (
                Mode::Recovery,
                "3\n5\noui\n\n",
                "ne doit pas être interrompu",
            ),
        ] {
            let mut held = Script {
                locks,
                ..script(mode)
            };
            let (end, screen) = session(&mut held, typed);
            assert_eq!((end, held.asked), (End::Closed, vec![]), "{typed:?}");
            for part in [words, "data-1 is being repaired (vigie-recovery)"] {
                assert!(screen.contains(part), "{screen}");
            }
            // And the menu is there again.
            assert!(screen.ends_with(": "), "{screen}");
        }
        // After an update, too.
        let mut held = Script {
            locks,
            ..script(Mode::Installed)
        };
        session(&mut held, "3\n1\nyes\n\n");
        assert!(!held.asked.iter().any(|asked| asked.contains("systemctl")));
    }

    #[test]
    fn a_repair_that_cannot_be_started_is_told_of() {
        let mut failing = Script {
            failing: true,
            ..script(Mode::Recovery)
        };
        let (_, screen) = session(&mut failing, "1\n");
        assert!(screen.contains("This failed"), "{screen}");
    }

    #[test]
    fn how_sessions_end() {
        assert_eq!(
            session(&mut script(Mode::Live), "6\nyes\n").0,
            End::GoingDown
        );
        assert_eq!(session(&mut script(Mode::Live), "").0, End::Closed);
        let mut failing = Script {
            failing: true,
            ..script(Mode::Live)
        };
        let (end, screen) = session(&mut failing, "6\nyes\n");
        assert_eq!(end, End::Closed);
        assert!(screen.contains("This failed"));
    }
}
