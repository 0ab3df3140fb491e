//! A terminal on a serial port, for the consoles of RAID modules and the like. Ctrl-O leaves it, whatever
//! the port does.
//!
//! What comes from the port goes to the screen as it is, escape sequences too: menus of such modules
//! are drawn with them. It is only asked for by whoever has logged in, and of a port they choose. Behind
//! it the terminal is what our own menus are drawn on again ([`RESET`]).

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::{ControlModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use vigie_prompt::Tty;

/// Ctrl-O, which no such console needs.
const LEAVE: u8 = 0x0f;

/// Bytes that wait for a port which takes nothing; more is typed by nobody.
const MOST_WAITING: usize = 4096;

/// What a module may have left behind: a scroll region (the cursor stays where it is), line-drawing
/// letters, colours, a hidden cursor, no line breaks, other arrow keys.
const RESET: &[u8] = b"\x1b7\x1b[r\x1b8\x1b(B\x0f\x1b[0m\x1b[?25h\x1b[?7h\x1b[?1l\x1b>\r\n";

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
    /// The person has typed nothing for too long.
    Idle,
    /// The person's terminal was closed.
    TerminalGone,
}

/// Why there is no connection, or no longer.
#[derive(Debug)]
pub enum Trouble {
    /// The port cannot be opened.
    Open(io::Error),
    /// Somebody else is connected with it.
    InUse,
    /// It cannot be set to this speed.
    Set(io::Error),
    /// The port has gone, as when its converter is pulled out.
    Gone,
    /// It fails, or the terminal does.
    Broken(io::Error),
}

impl Trouble {
    /// The key of its words.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Open(_) => "serial.not-opened",
            Self::InUse => "serial.in-use",
            Self::Set(_) => "serial.not-set",
            Self::Gone => "serial.gone",
            Self::Broken(_) => "serial.broken",
        }
    }
}

impl fmt::Display for Trouble {
    /// What the system says of it; empty where the words say it all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) | Self::Set(error) | Self::Broken(error) => error.fmt(f),
            Self::InUse | Self::Gone => Ok(()),
        }
    }
}

/// Connects the terminal on standard input and output with a port: 8 bits, no parity, one stop bit.
///
/// # Errors
/// It cannot be opened or set, is in use, or goes away.
pub fn talk(port: &Path, speed: Speed, patience: Option<Duration>) -> Result<Ended, Trouble> {
    let port = open(port)?;
    set(&port, speed).map_err(Trouble::Set)?;
    // Raw while this lives: keys come one by one, and Ctrl-C is for the other side.
    let _raw = Tty::raw().map_err(Trouble::Broken)?;
    let (input, output) = (io::stdin(), io::stdout());
    relay(input.as_fd(), output.as_fd(), port.as_fd(), patience)
}

/// A port for us alone: two at it would each get half of what it says.
fn open(port: &Path) -> Result<File, Trouble> {
    let mut options = File::options();
    options.read(true).write(true);
    // A modem line that waits for a carrier would keep us here; it is not to become our terminal.
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    options.custom_flags(flags.bits() as i32);
    let port = options.open(port).map_err(Trouble::Open)?;
    match flock(&port, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(port),
        Err(Errno::WOULDBLOCK) => Err(Trouble::InUse),
        Err(error) => Err(Trouble::Open(error.into())),
    }
}

fn set(port: &File, speed: Speed) -> io::Result<()> {
    let mut modes: Termios = tcgetattr(port)?;
    modes.make_raw();
    modes.control_modes -= ControlModes::CSTOPB | ControlModes::PARENB | ControlModes::CRTSCTS;
    modes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    modes.set_speed(speed.bits())?;
    Ok(tcsetattr(port, OptionalActions::Flush, &modes)?)
}

/// Hands bytes to and fro until one side ends it, or the person has typed nothing for as long as `patience`
/// says; the port is read and written without waiting for it.
///
/// # Errors
/// One of them fails, or the port goes away.
pub fn relay(
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
    port: BorrowedFd<'_>,
    patience: Option<Duration>,
) -> Result<Ended, Trouble> {
    let mut line = Relay {
        input,
        output,
        port,
        waiting: VecDeque::new(),
    };
    let ended = line.run(patience);
    if !matches!(ended, Ok(Ended::TerminalGone)) {
        // Nobody is left to be told where that fails.
        let _ = write_all(output, RESET);
    }
    ended
}

struct Relay<'a> {
    input: BorrowedFd<'a>,
    output: BorrowedFd<'a>,
    port: BorrowedFd<'a>,
    /// What was typed and the port has not taken yet.
    waiting: VecDeque<u8>,
}

impl Relay<'_> {
    fn run(&mut self, patience: Option<Duration>) -> Result<Ended, Trouble> {
        let mut typed_at = Instant::now();
        loop {
            let left = patience.map(|patience| patience.saturating_sub(typed_at.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Ended::Idle);
            }
            let [typed, port] = self.wait(left).map_err(Trouble::Broken)?;
            if port.contains(PollFlags::OUT) {
                self.send().map_err(Trouble::Broken)?;
            }
            if !(port - PollFlags::OUT).is_empty() {
                self.show()?;
            }
            if !typed.is_empty() {
                typed_at = Instant::now();
                if let Some(ended) = self.take().map_err(Trouble::Broken)? {
                    return Ok(ended);
                }
            }
        }
    }

    /// Waits until the person or the port has something, or takes something; what it is.
    fn wait(&self, left: Option<Duration>) -> io::Result<[PollFlags; 2]> {
        let of_port = match self.waiting.is_empty() {
            true => PollFlags::IN,
            false => PollFlags::IN | PollFlags::OUT,
        };
        let mut wanted = [
            PollFd::from_borrowed_fd(self.input, PollFlags::IN),
            PollFd::from_borrowed_fd(self.port, of_port),
        ];
        let left = left.map(|left| Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut wanted, left.as_ref()) {
            Ok(_) => Ok(wanted.map(|fd| fd.revents())),
            Err(Errno::INTR) => Ok([PollFlags::empty(); 2]),
            Err(error) => Err(error.into()),
        }
    }

    /// What came from the port, to the screen.
    fn show(&mut self) -> Result<(), Trouble> {
        let mut buffer = [0; 1024];
        match read(self.port, &mut buffer).map_err(Trouble::Broken)? {
            Read::Some(bytes) => write_all(self.output, bytes).map_err(Trouble::Broken),
            Read::Nothing => Ok(()),
            Read::Gone => Err(Trouble::Gone),
        }
    }

    /// What was typed, for the port; or how that ends it.
    fn take(&mut self) -> io::Result<Option<Ended>> {
        let mut buffer = [0; 1024];
        let bytes = match read(self.input, &mut buffer)? {
            Read::Some(bytes) => bytes,
            Read::Nothing => return Ok(None),
            Read::Gone => return Ok(Some(Ended::TerminalGone)),
        };
        let (bytes, leaves) = before_leaving(bytes);
        let room = MOST_WAITING.saturating_sub(self.waiting.len());
        self.waiting.extend(bytes.iter().take(room));
        self.send()?;
        Ok(leaves.then_some(Ended::Left))
    }

    /// As much of what waits as the port takes at once (XOFF, a slow line).
    fn send(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            let (first, _) = self.waiting.as_slices();
            match rustix::io::write(self.port, first) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                // That it has gone is said by reading.
                Err(Errno::IO) => self.waiting.clear(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
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
    use std::path::PathBuf;
    use std::thread;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// A serial port in the form of a pseudo-terminal: the module's end, and where ours is.
    fn module() -> (File, PathBuf) {
        let module = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&module).expect("granted");
        unlockpt(&module).expect("unlocked");
        let name = ptsname(&module, Vec::new()).expect("a name");
        (File::from(module), name.to_str().expect("text").into())
    }

    fn port() -> (File, File) {
        let (module, path) = module();
        let port = open(&path).expect("opened");
        set(&port, Speed(9_600)).expect("set");
        (module, port)
    }

    fn relayed(
        terminal: &UnixStream,
        port: &File,
        patience: Option<Duration>,
    ) -> Result<Ended, Trouble> {
        relay(terminal.as_fd(), terminal.as_fd(), port.as_fd(), patience)
    }

    #[test]
    fn bytes_go_both_ways_and_ctrl_o_ends_it() {
        let (mut module, port) = port();
        let modes = tcgetattr(&port).expect("modes");
        assert_eq!(modes.output_speed(), 9_600);
        let (mut person, terminal) = UnixStream::pair().expect("a pair");
        let talking = thread::spawn(move || relayed(&terminal, &port, None).expect("relayed"));
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
        assert_eq!(talking.join().expect("ends"), Ended::Left);
        let mut last = [0; 1];
        module.read_exact(&mut last).expect("heard");
        assert_eq!(&last, b"x");
        // Line-drawing letters and the like do not stay behind.
        let mut rest = Vec::new();
        person.read_to_end(&mut rest).expect("shown");
        assert_eq!(rest, RESET);
    }

    #[test]
    fn a_module_that_takes_nothing_can_be_left() {
        let (_module, port) = port();
        let (mut person, terminal) = UnixStream::pair().expect("a pair");
        let talking = thread::spawn(move || relayed(&terminal, &port, None).expect("relayed"));
        // More than the port and all that waits for it hold.
        person.write_all(&[b'x'; 100_000]).expect("typed");
        person.write_all(&[LEAVE]).expect("typed");
        assert_eq!(talking.join().expect("ends"), Ended::Left);
    }

    #[test]
    fn who_types_nothing_is_not_waited_for_whatever_the_module_says() {
        let (mut module, port) = port();
        rustix::fs::fcntl_setfl(&module, OFlags::NONBLOCK).expect("set");
        let (mut person, terminal) = UnixStream::pair().expect("a pair");
        thread::spawn(move || person.read_to_end(&mut Vec::new()));
        let patience = Some(Duration::from_millis(50));
        let talking = thread::spawn(move || relayed(&terminal, &port, patience).expect("relayed"));
        while !talking.is_finished() {
            // It may be full, or nobody listens any more.
            let _ = module.write_all(b"rebuilding\r\n");
            thread::yield_now();
        }
        assert_eq!(talking.join().expect("ends"), Ended::Idle);
    }

    #[test]
    fn one_port_is_for_one_person() {
        let (_module, path) = module();
        let first = open(&path).expect("opened");
        assert!(matches!(open(&path), Err(Trouble::InUse)));
        drop(first);
        open(&path).expect("free again");
        let absent = open(Path::new("/dev/vigie-no-such-port"));
        assert!(matches!(absent, Err(Trouble::Open(_))));
    }

    #[test]
    fn either_side_may_go_away() {
        let (module, port) = port();
        let (person, terminal) = UnixStream::pair().expect("a pair");
        drop(module);
        let ended = relayed(&terminal, &port, None);
        assert!(matches!(ended, Err(Trouble::Gone)), "{ended:?}");
        let (module, port) = self::port();
        drop(person);
        let (person, terminal) = UnixStream::pair().expect("a pair");
        drop(person);
        let ended = relayed(&terminal, &port, None);
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
