//! `vigie-console`: the menu on the screen and on the serial line.
//!
//! [`session`] runs the menu over a [`terminal`] (plain numbered lines, no escape sequences: the
//! same on a screen, on a 9600-baud line and in a test) and a [`system`] (programs and facts).
//! It trusts nobody on an installed appliance: only the live medium and recovery from the disk's own
//! menu offer more than status, log-in and, to whoever knows root's password, updates.

mod held;
mod messages;
mod session;
mod status;
mod system;
mod terminal;
mod update;
mod web;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use crate::session::{End, Session};
use crate::system::Machine;
use crate::terminal::Terminal;

const USAGE: &str = "\
vigie-console: the appliance's console menu on standard input and output

usage: vigie-console            shows the menu
       vigie-console --probe    exits 0 when standard input is a terminal that works

Exit codes: 0 done, 1 failed, 2 wrong use, 69 the terminal is gone.";

/// `EX_UNAVAILABLE` of sysexits.h. The unit does not start us again after it: a serial port
/// without hardware answers every read with an error.
const TERMINAL_GONE: u8 = 69;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run(),
        ["--probe"] if io::stdin().is_terminal() => ExitCode::SUCCESS,
        ["--probe"] => ExitCode::FAILURE,
        ["--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run() -> ExitCode {
    let terminal = Terminal::new(io::stdin().lock(), io::stdout());
    match Session::new(terminal, Machine).run() {
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
