//! On a real terminal of the kernel: bytes that come late, and the way back from raw mode.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use vigie_prompt::{Answer, Capable, ENGLISH, Item, Prompter, Tty};

/// Raw mode is one for a program, so the tests that set it take turns.
static TURN: Mutex<()> = Mutex::new(());
const LIMIT: Duration = Duration::from_secs(20);

fn pty() -> (File, File) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    (File::from(controller), terminal)
}

fn local_modes(terminal: &File) -> LocalModes {
    let modes: Termios = tcgetattr(terminal).unwrap();
    modes.local_modes
}

/// A choice from three, the keys sent byte by byte.
fn chosen(keys: &[u8], gap: Duration, silence: Duration) -> Answer<usize> {
    let _turn = TURN.lock().unwrap();
    let (mut controller, terminal) = pty();
    let input = OwnedFd::from(terminal.try_clone().unwrap());
    let output = OwnedFd::from(terminal.try_clone().unwrap());
    let tty = Tty::over(input, output).unwrap();
    let mut reader = controller.try_clone().unwrap();
    // Whatever is written is taken off, as a terminal does.
    std::thread::spawn(move || while reader.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {});
    let keys = keys.to_vec();
    let typist = std::thread::spawn(move || {
        for key in keys {
            controller.write_all(&[key]).unwrap();
            std::thread::sleep(gap);
        }
        controller
    });
    let items = ["one", "two", "three"].map(Item::new);
    let mut person = Capable::new(tty, &ENGLISH).with_esc_silence(silence);
    let answer = person.choose(&items, 0).unwrap();
    drop(typist.join().unwrap());
    answer
}

#[test]
fn sequences_whose_bytes_come_apart() {
    // 9600 baud is 1 ms a byte; converters that collect bytes add 16 ms and more. The wait is
    // longer than in use: a busy machine stretches the gaps.
    for gap in [0, 1, 5, 20, 50] {
        let gap = Duration::from_millis(gap);
        assert_eq!(
            chosen(b"\x1b[B\x1bOB\r", gap, LIMIT),
            Answer::Given(2),
            "{gap:?}"
        );
    }
}

#[test]
fn a_lone_esc_goes_back_soon() {
    let begun = Instant::now();
    assert_eq!(
        chosen(b"\x1b", Duration::ZERO, vigie_prompt::keys::ESC_SILENCE),
        Answer::Back
    );
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(90), "{took:?}");
    assert!(took < LIMIT, "{took:?}");
}

/// The program `ask` on a terminal of its own.
struct Asked {
    controller: File,
    terminal: File,
    child: Child,
    before: LocalModes,
}

impl Asked {
    fn new(term: &str) -> Self {
        let (controller, terminal) = pty();
        let before = local_modes(&terminal);
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let child = Command::new(program())
            .env("TERM", term)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let mut asked = Self {
            controller,
            terminal,
            child,
            before,
        };
        asked.wait_for("Way out: ");
        asked
    }

    /// Reads until the terminal has shown a text.
    fn wait_for(&mut self, text: &str) {
        let mut shown = String::new();
        let begun = Instant::now();
        while !shown.contains(text) {
            assert!(begun.elapsed() < LIMIT, "{shown}");
            let mut buffer = [0; 256];
            let length = self.controller.read(&mut buffer).unwrap();
            shown += &String::from_utf8_lossy(&buffer[..length]);
        }
    }

    fn type_keys(&mut self, keys: &[u8]) {
        self.controller.write_all(keys).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; whether the terminal is as it was.
    fn ends_restored(mut self) -> bool {
        let mut reader = self.controller.try_clone().unwrap();
        std::thread::spawn(
            move || while reader.read(&mut [0; 256]).is_ok_and(|length| length > 0) {},
        );
        self.child.wait().unwrap();
        local_modes(&self.terminal) == self.before
    }
}

fn program() -> PathBuf {
    // target/debug/deps/pty-…, the examples stand beside deps.
    let tests = std::env::current_exe().unwrap();
    tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/ask")
}

#[test]
fn the_terminal_is_put_back() {
    let _turn = TURN.lock().unwrap();
    for keys in [&b"x\r"[..], b"panic\r", b"\x03"] {
        let mut asked = Asked::new("vt220");
        assert!(!local_modes(&asked.terminal).contains(LocalModes::ECHO));
        asked.type_keys(keys);
        assert!(asked.ends_restored(), "{}", String::from_utf8_lossy(keys));
    }
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let asked = Asked::new("vt220");
        asked.signal(signal);
        assert!(asked.ends_restored(), "{signal:?}");
    }
}

/// What has the terminal for a while, within a menu, does not let it fall back: a Ctrl-C of that moment
/// would end both.
#[test]
fn raw_within_raw_stays_raw() {
    let _turn = TURN.lock().unwrap();
    let (_controller, terminal) = pty();
    let ends = || OwnedFd::from(terminal.try_clone().unwrap());
    let before = local_modes(&terminal);
    let outer = Tty::over(ends(), ends()).unwrap();
    let raw = local_modes(&terminal);
    assert_ne!(raw, before);
    drop(Tty::over(ends(), ends()).unwrap());
    assert_eq!(local_modes(&terminal), raw);
    drop(outer);
    assert_eq!(local_modes(&terminal), before);
}

/// The tests above can fail: a program that restores nothing leaves the terminal raw.
#[test]
fn an_abort_is_not_put_back() {
    let mut asked = Asked::new("vt220");
    asked.type_keys(b"abort\r");
    assert!(!asked.ends_restored());
}

#[test]
fn while_it_is_busy_signals_wait() {
    for term in ["vt220", "dumb"] {
        let mut asked = Asked::new(term);
        asked.type_keys(b"busy\r");
        asked.wait_for("Again: ");
        assert!(!local_modes(&asked.terminal).intersects(LocalModes::ISIG | LocalModes::ECHO));
        for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
            asked.signal(signal);
        }
        asked.type_keys(b"x\r");
        asked.wait_for("done");
        assert!(asked.ends_restored(), "{term:?}");
    }
}

#[test]
fn keys_for_another_program_do_not_end_this_one() {
    for term in ["vt220", "dumb"] {
        let mut asked = Asked::new(term);
        asked.type_keys(b"lend\r");
        asked.wait_for("ended by itself: false");
        assert!(asked.child.wait().unwrap().success(), "{term:?}");
    }
}

#[test]
fn a_dumb_terminal_stays_as_it_is() {
    for term in ["dumb", ""] {
        let mut asked = Asked::new(term);
        assert_eq!(local_modes(&asked.terminal), asked.before);
        asked.type_keys(b"x\r");
        asked.wait_for("Given(\"x\")");
        assert!(asked.ends_restored());
    }
}
