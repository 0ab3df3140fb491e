//! The program itself on a terminal of the kernel.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vigie-console");
const LIMIT: Duration = Duration::from_secs(60);

/// A person at a console.
struct Person {
    program: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    _terminal: File,
}

impl Person {
    fn at(argument: &str, term: &str) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let mut options = File::options();
        let terminal = options.read(true).write(true).open(name.to_str().unwrap());
        let terminal = terminal.unwrap();
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let mut command = Command::new(PROGRAM);
        command.arg(argument).env("TERM", term);
        command.stdin(end()).stdout(end()).stderr(end());
        let program = command.spawn().unwrap();
        let keyboard = File::from(keyboard);
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut piece) {
                if sender.send(piece[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            program,
            keyboard,
            screen,
            seen: String::new(),
            _terminal: terminal,
        }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for words, and gives what was shown up to them.
    fn sees(&mut self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.seen.find(words) {
                let rest = self.seen.split_off(at + words.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let left = LIMIT.saturating_sub(begun.elapsed());
            let piece = self.screen.recv_timeout(left);
            let piece = piece.unwrap_or_else(|_| panic!("no `{words}` in {:?}", self.seen));
            self.seen += &String::from_utf8_lossy(&piece);
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// No broker listens on the machine of a test: the log-in is refused, and the console is there again.
#[test]
fn a_console_asks_who_it_is_and_shows_no_password() {
    // The unit of the serial line says `dumb`, for systemd.
    for term in ["dumb", "vt220"] {
        let mut person = Person::at("--at-console", term);
        let shown = person.sees("vigie: console ready (installed)");
        assert!(!shown.contains('\x1b'), "{shown:?}");
        person.types("4\r");
        let shown = person.sees("Name");
        assert!(shown.contains('\x1b'), "{term}: {shown:?}");
        person.sees("root");
        // The end of a file, a signal, a halt: letters like others, and none that a name has.
        person.types("\x04\x1c\x1a\x04\r");
        person.sees("Password");
        person.types("dix lamas verts\r");
        let shown = person.sees("/run/vigie/broker.sock");
        assert!(!shown.contains("lamas"), "{shown:?}");
        person.sees("Name");
        person.types("\x1b");
        person.sees("vigie: console ready (installed)");
        // The terminal is as it was: a line ends with Enter, and is shown.
        person.types("x\r");
        person.sees("\"x\" is not one of the numbers above.");
        // Ctrl-C at the log-in is a step back, too.
        person.types("4\r");
        person.sees("Name");
        person.types("\x03");
        person.sees("vigie: console ready (installed)");
    }
}

#[test]
fn without_a_terminal_there_is_no_menu() {
    let output = Command::new(PROGRAM).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("needs a terminal") || said.contains("as root"),
        "{said}"
    );
    assert!(output.stdout.is_empty());
}
