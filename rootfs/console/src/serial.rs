//! A terminal on a serial port, for the consoles of RAID modules and the like. Ctrl-O leaves it.
//!
//! What comes from the port goes to the screen as it is, escape sequences too: menus of such modules
//! are drawn with them. It is only asked for by whoever has logged in, and of a port they choose.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::termios::{ControlModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use vigie_prompt::Tty;

/// Ctrl-O, which no such console needs.
const LEAVE: u8 = 0x0f;

/// Bits in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed(u32);

impl Speed {
    /// Those that are offered; most modules have the fastest or the slowest.
    pub const ALL: [Self; 5] = [
        Self(115_200),
        Self(57_600),
        Self(38_400),
        Self(19_200),
        Self(9_600),
    ];

    /// The speed of a number, where it is one of those.
    pub fn of(text: &str) -> Option<Self> {
        let number: u32 = text.parse().ok()?;
        Self::ALL.into_iter().find(|speed| speed.0 == number)
    }

    /// Its number.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The person pressed Ctrl-O.
    Left,
    /// The person's terminal was closed.
    TerminalGone,
    /// The port has gone, as when its converter is pulled out.
    PortGone,
}

/// Connects the terminal on standard input and output with a port: 8 bits, no parity, one stop bit.
///
/// # Errors
/// It cannot be opened or set, is in use, or goes away.
pub fn talk(port: &Path, speed: Speed) -> anyhow::Result<()> {
    let mut options = File::options();
    options.read(true).write(true);
    // A modem line that waits for a carrier would keep us here; it is not to become our terminal.
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    options.custom_flags(flags.bits() as i32);
    let port = options.open(port).context("opening it")?;
    set(&port, speed).context("setting its speed")?;
    // Raw while this lives: keys come one by one, and Ctrl-C is for the other side.
    let _raw = Tty::raw().context("setting this terminal")?;
    let (input, output) = (io::stdin(), io::stdout());
    let ended = relay(input.as_fd(), output.as_fd(), port.as_fd()).context("talking")?;
    ensure!(ended != Ended::PortGone, "it has gone");
    Ok(())
}

fn set(port: &File, speed: Speed) -> io::Result<()> {
    let mut modes: Termios = tcgetattr(port)?;
    modes.make_raw();
    modes.control_modes -= ControlModes::CSTOPB | ControlModes::PARENB | ControlModes::CRTSCTS;
    modes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    modes.set_speed(speed.bits())?;
    Ok(tcsetattr(port, OptionalActions::Flush, &modes)?)
}

/// Hands bytes to and fro until one side ends it.
///
/// # Errors
/// One of them fails.
pub fn relay(
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
    port: BorrowedFd<'_>,
) -> io::Result<Ended> {
    let mut buffer = [0; 1024];
    loop {
        let mut wanted = [
            PollFd::from_borrowed_fd(input, PollFlags::IN),
            PollFd::from_borrowed_fd(port, PollFlags::IN),
        ];
        match poll(&mut wanted, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [typed, came] = wanted.map(|fd| !fd.revents().is_empty());
        if came {
            match read(port, &mut buffer)? {
                Read::Some(bytes) => write_all(output, bytes)?,
                Read::Nothing => {}
                Read::Gone => return Ok(Ended::PortGone),
            }
        }
        if typed {
            match read(input, &mut buffer)? {
                Read::Some(bytes) => {
                    let (bytes, leaves) = before_leaving(bytes);
                    write_all(port, bytes)?;
                    if leaves {
                        return Ok(Ended::Left);
                    }
                }
                Read::Nothing => {}
                Read::Gone => return Ok(Ended::TerminalGone),
            }
        }
    }
}

/// What was typed before Ctrl-O, and whether that was.
fn before_leaving(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.iter().position(|byte| *byte == LEAVE) {
        Some(at) => (&bytes[..at], true),
        None => (bytes, false),
    }
}

enum Read<'a> {
    Some(&'a [u8]),
    Nothing,
    Gone,
}

fn read<'a>(from: BorrowedFd<'_>, buffer: &'a mut [u8]) -> io::Result<Read<'a>> {
    match rustix::io::read(from, &mut *buffer) {
        // A terminal whose other end went away answers EIO.
        Ok(0) | Err(Errno::IO) => Ok(Read::Gone),
        Ok(length) => Ok(Read::Some(&buffer[..length])),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Read::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// A port that takes nothing at the moment (XOFF, a slow line) is waited for.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::AGAIN) => {
                let mut wanted = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                poll(&mut wanted, None)?;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::thread;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// A serial port in the form of a pseudo-terminal: the module's end, and ours.
    fn port() -> (File, File) {
        let module = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&module).expect("granted");
        unlockpt(&module).expect("unlocked");
        let name = ptsname(&module, Vec::new()).expect("a name");
        let name = name.to_str().expect("text");
        let port = File::options().read(true).write(true).open(name);
        (File::from(module), port.expect("opened"))
    }

    #[test]
    fn bytes_go_both_ways_and_ctrl_o_ends_it() {
        let (mut module, port) = port();
        set(&port, Speed(9_600)).expect("set");
        let modes = tcgetattr(&port).expect("modes");
        assert_eq!(modes.output_speed(), 9_600);
        let (mut person, terminal) = UnixStream::pair().expect("a pair");
        let relayed = thread::spawn(move || {
            relay(terminal.as_fd(), terminal.as_fd(), port.as_fd()).expect("relayed")
        });
        // Ctrl-C and the arrows are for the module; nothing is changed on the way.
        person.write_all(b"raid\r\x03\x1b[A").expect("typed");
        let mut heard = [0; 9];
        module.read_exact(&mut heard).expect("heard");
        assert_eq!(&heard, b"raid\r\x03\x1b[A");
        module.write_all(b"\x1b[2JRAID OK\r\n").expect("answered");
        let mut shown = [0; 13];
        person.read_exact(&mut shown).expect("shown");
        assert_eq!(&shown, b"\x1b[2JRAID OK\r\n");
        person.write_all(b"x\x0fy").expect("typed");
        assert_eq!(relayed.join().expect("ends"), Ended::Left);
        let mut last = [0; 1];
        module.read_exact(&mut last).expect("heard");
        assert_eq!(&last, b"x");
    }

    #[test]
    fn either_side_may_go_away() {
        let (module, port) = port();
        let (person, terminal) = UnixStream::pair().expect("a pair");
        drop(module);
        let ended = relay(terminal.as_fd(), terminal.as_fd(), port.as_fd());
        assert_eq!(ended.expect("relayed"), Ended::PortGone);
        let (module, port) = self::port();
        drop(person);
        let ended = relay(terminal.as_fd(), terminal.as_fd(), port.as_fd());
        assert_eq!(ended.expect("relayed"), Ended::TerminalGone);
        drop(module);
    }

    #[test]
    fn speeds() {
        assert_eq!(Speed::of("9600"), Some(Speed(9_600)));
        for wrong in ["", "9601", "-1", "fast"] {
            assert_eq!(Speed::of(wrong), None);
        }
    }
}
