//! The menu of a console: status, numbered entries, one action, again.
//!
//! [`entry`] says which entries there are, and so what a person whom nobody knows may do.

mod entry;
mod power;
pub mod setup;
mod update;

use std::io::{self, BufRead, Write};

use vigie_settings::Language;

use crate::log_in;
use crate::menu::{self, Ended};
use crate::messages::{self, Messages, messages};
use crate::status::{self, Gist, Mode};
use crate::system::System;
use crate::terminal::Terminal;
use entry::{Entry, chosen, entries, label};
use setup::Setup;

const INSTALLER: &str = "/usr/bin/vigie-install";
const RECOVERY: &str = "/usr/bin/vigie-recovery";

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

/// What a change of the screen is told by.
#[derive(PartialEq, Eq)]
struct Shown {
    gist: Gist,
    setup: Setup,
}

/// How many looks at the status there are to one at the first setup: that one starts a process.
const LOOKS: u32 = 12;

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
    fn typed_before_change(&mut self, shown: &Shown) -> bool {
        let mut looks = 0;
        while !self.system.input_waits() {
            let facts = self.system.facts();
            // A web service that is too busy to answer is no news.
            if facts.health.is_some() && facts.gist() != shown.gist {
                return false;
            }
            looks = (looks + 1) % LOOKS;
            let look = looks == 0 && shown.setup != Setup::Done;
            if look && setup::look(&mut self.system, self.mode) != shown.setup {
                return false;
            }
        }
        true
    }

    fn messages(&self) -> &'static Messages {
        messages(self.language)
    }

    /// Shows status and entries; gives what a change of the status is told by.
    fn show(&mut self) -> io::Result<Shown> {
        let m = self.messages();
        let facts = self.system.facts();
        self.terminal.line("")?;
        for line in status::lines(m, self.mode, &facts) {
            self.terminal.line(&line)?;
        }
        let setup = setup::look(&mut self.system, self.mode);
        for line in setup::lines(m, &setup, &facts.addresses) {
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
        Ok(Shown {
            gist: facts.gist(),
            setup,
        })
    }

    fn act(&mut self, entry: Entry) -> io::Result<Option<End>> {
        match entry {
            Entry::Install => self.install(&["screen"])?,
            Entry::InstallPlain => self.install(&["screen", "--plain"])?,
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
            Entry::Menu => return self.menu(),
            Entry::Language => self.language = messages::other(self.language),
            Entry::Reboot => return self.go_down(entry, "reboot"),
            Entry::PowerOff => return self.go_down(entry, "poweroff"),
        }
        Ok(None)
    }

    /// The menu, for whoever says who they are. A terminal that is closed meanwhile ends this session, as
    /// at any other place: by an error the unit would take it for one that is gone for good.
    fn menu(&mut self) -> io::Result<Option<End>> {
        match self.menu_of_somebody() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(End::Closed)),
            ended => ended,
        }
    }

    fn menu_of_somebody(&mut self) -> io::Result<Option<End>> {
        let who = match log_in::ask(&mut self.system, self.language) {
            Ok(Some(who)) => who,
            Ok(None) => return Ok(None),
            Err(error) => return menu::left(error).map(|_| None),
        };
        let ended = menu::run(&mut self.system, self.language, who)?;
        Ok((ended == Ended::GoingDown).then_some(End::GoingDown))
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
    fn install(&mut self, screen: &[&str]) -> io::Result<()> {
        let m = self.messages();
        if self.system.has_provision() {
            self.ran(&[INSTALLER, "--language", m.code, "devices"])?;
            self.terminal.line("")?;
            self.terminal.line(m.provision_found)?;
            if self.confirmed(m.install_word)? {
                return self.program(&[INSTALLER, "--language", m.code, "provision"]);
            }
        }
        let program = [&[INSTALLER, "--language", m.code], screen].concat();
        self.ran(&program)?;
        Ok(())
    }

    /// The screen ends in its own way; here it is only said that it could not be shown.
    fn repair(&mut self) -> io::Result<()> {
        let code = self.messages().code;
        self.ran(&[RECOVERY, "--language", code, "screen"])
            .map(drop)
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
}

#[cfg(test)]
mod tests;
