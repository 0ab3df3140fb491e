//! `vigie-console`: the menu on the screen, on the serial line and over SSH.
//!
//! [`session`] is what a console shows to whoever stands there: plain numbered lines over a
//! [`terminal`], no escape sequences, the same on a screen, on a 9600-baud line and in a test. It trusts
//! nobody on an installed appliance. [`menu`] is for whoever has logged in ([`log_in`]), or is root
//! already: over SSH and in a shell. Both work over a [`system`] (programs and facts), which tests
//! replace; [`machine`] is the running one, [`broker`] does what is for root alone and writes it down.

mod broker;
mod held;
mod log_in;
mod machine;
mod menu;
mod messages;
mod passwd;
#[cfg(test)]
mod script;
mod serial;
mod session;
mod status;
mod system;
mod terminal;
mod update;
mod web;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::log_in::Who;
use crate::machine::{Glass, Machine, identity};
use crate::serial::Speed;
use crate::session::{End, Session};
use crate::status::Mode;
use crate::system::System;
use crate::terminal::Terminal;

const USAGE: &str = "\
vigie-console: the appliance's console menu on standard input and output

usage: vigie-console [--plain]       shows the menu, to root
       vigie-console --at-console    shows the menu of a console, where nobody is known yet
       vigie-console status          prints the status
       vigie-console terminal PORT [SPEED]
                                     connects with a serial port such as ttyS1; Ctrl-O leaves
       vigie-console identity FILE   writes the serial number and the hardware signature into a file
       vigie-console passwd [root|service]
                                     sets a password; so does the name passwd
       vigie-console --probe         exits 0 when standard input is a terminal that works

Exit codes: 0 done, 1 failed, 2 wrong use, 69 the terminal is gone.";

/// `EX_UNAVAILABLE` of sysexits.h. The unit does not start us again after it: a serial port
/// without hardware answers every read with an error.
const TERMINAL_GONE: u8 = 69;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// The menu for root; with plain lines.
    Menu(bool),
    AtConsole,
    Status,
    Terminal(String, Speed),
    Identity(PathBuf),
    Probe,
    Help,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if is_called(passwd::NAME) {
        return set_password(&arguments);
    }
    if let [passwd::NAME, rest @ ..] = arguments.as_slice() {
        return set_password(rest);
    }
    let Some(wanted) = wanted(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match wanted {
        Wanted::Help => println!("{USAGE}"),
        Wanted::Probe if io::stdin().is_terminal() => {}
        Wanted::Probe => return ExitCode::FAILURE,
        Wanted::AtConsole => return at_console(),
        Wanted::Menu(plain) => return menu(plain),
        Wanted::Status => {
            let mut machine = Machine::this(Glass::Plain);
            let language = machine.language();
            for line in menu::status(&mut machine, language) {
                println!("{}", vigie_prompt::text::printable(&line));
            }
        }
        Wanted::Identity(file) => {
            if let Err(error) = identity::write(&vigie_machine::Machine::this(), &file) {
                eprintln!("vigie-console: {error:#}");
                return ExitCode::FAILURE;
            }
        }
        Wanted::Terminal(port, speed) => {
            let mut machine = Machine::this(Glass::AsItSays);
            let language = machine.language();
            if let Err(trouble) = machine.talk(&port, speed, None) {
                eprintln!(
                    "vigie-console: {}",
                    menu::words_of(&trouble, &port, language)
                );
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn wanted(arguments: &[&str]) -> Option<Wanted> {
    Some(match arguments {
        [] => Wanted::Menu(false),
        ["--plain"] => Wanted::Menu(true),
        ["--at-console"] => Wanted::AtConsole,
        ["status"] => Wanted::Status,
        ["terminal", port] => Wanted::Terminal(name(port)?, Speed::ALL[0]),
        ["terminal", port, speed] => Wanted::Terminal(name(port)?, Speed::of(speed)?),
        ["identity", file] => Wanted::Identity(PathBuf::from(file)),
        ["--probe"] => Wanted::Probe,
        ["--help" | "-h"] => Wanted::Help,
        _ => return None,
    })
}

/// Whether the program goes by a name, which a link in the image gives it.
fn is_called(name: &str) -> bool {
    let own = std::env::args_os().next().map(PathBuf::from);
    own.is_some_and(|own| own.file_name() == Some(name.as_ref()))
}

/// Sets a password of an account of the system.
fn set_password(arguments: &[&str]) -> ExitCode {
    let caller = passwd::Caller {
        is_root: rustix::process::geteuid().is_root(),
        at_terminal: io::stdin().is_terminal(),
    };
    let mut machine = Machine::this(Glass::Plain);
    let mut complain = |line: &str| eprintln!("passwd: {}", vigie_prompt::text::printable(line));
    match passwd::run(&mut machine, arguments, caller, &mut complain) {
        Ok(ended) => ended.into(),
        Err(error) => {
            eprintln!("passwd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A port by its name, or by its path.
fn name(port: &str) -> Option<String> {
    let name = port.strip_prefix("/dev/").unwrap_or(port);
    let is_name = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    is_name.then(|| name.to_owned())
}

/// The menu of a console, where nobody is known yet.
fn at_console() -> ExitCode {
    let terminal = Terminal::new(io::stdin().lock(), io::stdout());
    match Session::new(terminal, Machine::this(Glass::Console)).run() {
        Ok(End::Closed) => ExitCode::SUCCESS,
        // The menu must not come back while the system goes down; it ends this process.
        Ok(End::GoingDown) => loop {
            std::thread::park();
        },
        Err(error) => {
            eprintln!("vigie-console: {error}");
            ExitCode::from(TERMINAL_GONE)
        }
    }
}

/// The menu for whoever is root already. What systemd itself starts is nobody's shell: it has the menu
/// of a console, whatever its unit says.
fn menu(plain: bool) -> ExitCode {
    let mut machine = Machine::this(match plain {
        true => Glass::Plain,
        false => Glass::AsItSays,
    });
    if machine.mode() != Mode::Installed
        || rustix::process::getppid() == Some(rustix::process::Pid::INIT)
    {
        return at_console();
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("vigie-console: the menu is root's; log in as root");
        return ExitCode::FAILURE;
    }
    // Over SSH there is no terminal where a command was given, or with -T: a password that is typed
    // would be seen.
    if !io::stdin().is_terminal() {
        eprintln!("vigie-console: the menu needs a terminal; over SSH: ssh -t, and no command");
        return ExitCode::from(2);
    }
    let language = machine.language();
    match menu::run(&mut machine, language, Who::root()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vigie-console: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let speed = |text| Speed::of(text).expect("a speed");
        for (arguments, expected) in [
            (&[][..], Some(Wanted::Menu(false))),
            (&["--plain"], Some(Wanted::Menu(true))),
            (&["--at-console"], Some(Wanted::AtConsole)),
            (&["status"], Some(Wanted::Status)),
            (
                &["terminal", "/dev/ttyS1"],
                Some(Wanted::Terminal("ttyS1".into(), speed("115200"))),
            ),
            (
                &["terminal", "ttyUSB0", "9600"],
                Some(Wanted::Terminal("ttyUSB0".into(), speed("9600"))),
            ),
            (&["terminal", "../sda"], None),
            (&["terminal", "ttyS1", "9601"], None),
            (
                &["identity", "/run/x.json"],
                Some(Wanted::Identity("/run/x.json".into())),
            ),
            (&["identity"], None),
            (&["terminal"], None),
            (&["menu"], None),
            (&["--at-console", "status"], None),
        ] {
            assert_eq!(wanted(arguments), expected, "{arguments:?}");
        }
    }

    /// Whoever stands at a console is nobody yet.
    #[test]
    fn the_unit_starts_the_menu_of_a_console() {
        let unit = include_str!("../../overlay/usr/lib/systemd/system/vigie-console@.service");
        let starts: Vec<&str> = unit
            .lines()
            .filter(|line| line.starts_with("ExecStart="))
            .collect();
        assert_eq!(starts, ["ExecStart=/usr/bin/vigie-console --at-console"]);
        let serial = include_str!(
            "../../overlay/usr/lib/systemd/system/vigie-console@ttyS0.service.d/serial.conf"
        );
        assert!(!serial.contains("ExecStart"), "{serial}");
    }
}
