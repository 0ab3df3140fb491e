//! What follows an installation: reboot, switch off, wait, or beep until somebody comes.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};

use crate::answers::Action;
use crate::messages::Text;

/// Between two beeps: heard across a hall, and not for long enough to be switched off for it.
const INTERVAL: Duration = Duration::from_secs(2);
/// BEL: the speaker on the screen's console, the terminal program's bell on a serial line.
const BELL: &[u8] = b"\x07";

/// Does what follows; `told` hears what is being waited for.
pub fn finish(action: Action, told: &mut dyn FnMut(&Text)) -> Result<()> {
    match action {
        Action::Poweroff => systemctl("poweroff"),
        Action::Reboot => systemctl("reboot"),
        Action::Wait => Ok(()),
        Action::Beep => {
            let mut consoles = consoles();
            if consoles.is_empty() {
                bail!("no console can be opened to beep on");
            }
            told(&Text::new("finish.beeping"));
            beep_until_a_key(&mut consoles, INTERVAL)
        }
    }
}

fn systemctl(verb: &str) -> Result<()> {
    let status = Command::new("systemctl")
        .arg(verb)
        .status()
        .with_context(|| format!("starting systemctl {verb}"))?;
    if !status.success() {
        bail!("systemctl {verb} failed ({status}); switch the machine off by hand");
    }
    Ok(())
}

/// The kernel's consoles that can be opened: the screen's, and serial lines with hardware behind.
fn consoles() -> Vec<Console> {
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let names = active.split_whitespace();
    names
        .filter_map(|name| Console::open(format!("/dev/{name}").into()).ok())
        .collect()
}

/// A terminal that gives every key at once, and is as it was when this is dropped.
struct Console {
    file: File,
    before: Termios,
}

impl Console {
    fn open(path: PathBuf) -> Result<Self> {
        // Not as controlling terminal; and a serial line without a carrier must not hold us up.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, Mode::empty())
            .with_context(|| format!("opening {}", path.display()))?;
        let before = tcgetattr(&file)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&file, OptionalActions::Now, &raw)?;
        // Keys of before are no answer.
        tcflush(&file, QueueSelector::IFlush)?;
        Ok(Self {
            file: file.into(),
            before,
        })
    }
}

impl Console {
    /// Whether it is still there. On a line that is busy with what was printed before, the bell is
    /// left out: somebody may press a key there all the same.
    fn beep(&mut self) -> bool {
        match self.file.write_all(BELL) {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = tcsetattr(&self.file, OptionalActions::Now, &self.before);
    }
}

/// Beeps on every console until a key is pressed on one of them.
fn beep_until_a_key(consoles: &mut Vec<Console>, interval: Duration) -> Result<()> {
    loop {
        consoles.retain_mut(Console::beep);
        if consoles.is_empty() {
            bail!("all consoles are gone");
        }
        if a_key_within(consoles, interval)? {
            return Ok(());
        }
    }
}

fn a_key_within(consoles: &[Console], interval: Duration) -> Result<bool> {
    let mut watched: Vec<PollFd<'_>> = consoles
        .iter()
        .map(|console| PollFd::new(&console.file, PollFlags::IN))
        .collect();
    let interval = Timespec::try_from(interval).context("the time between two beeps")?;
    poll(&mut watched, Some(&interval)).context("waiting for a key")?;
    let pressed = watched
        .iter()
        .any(|one| one.revents().contains(PollFlags::IN));
    Ok(pressed)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// A terminal: its far end, and the path of its near one.
    fn terminal() -> (File, PathBuf) {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let name = ptsname(&far, Vec::new()).unwrap();
        (File::from(far), PathBuf::from(name.to_str().unwrap()))
    }

    #[test]
    fn it_beeps_until_a_key_is_pressed_on_any_console() {
        let (mut screen, screen_path) = terminal();
        let (mut serial, serial_path) = terminal();
        let mut consoles = vec![
            Console::open(screen_path).unwrap(),
            Console::open(serial_path).unwrap(),
        ];
        let beeping = std::thread::spawn(move || {
            beep_until_a_key(&mut consoles, Duration::from_millis(5)).map(|()| consoles)
        });
        for far in [&mut screen, &mut serial] {
            let mut heard = [0; 3];
            far.read_exact(&mut heard).unwrap();
            assert_eq!(heard, [7; 3]);
        }
        assert!(!beeping.is_finished());
        // Not Enter: any key will do.
        serial.write_all(b"x").unwrap();
        beeping.join().unwrap().unwrap();
    }

    #[test]
    fn a_line_that_is_busy_is_listened_to() {
        let (mut far, path) = terminal();
        let mut console = Console::open(path).unwrap();
        let full = loop {
            if let Err(error) = console.file.write_all(&[b'.'; 512]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        far.write_all(b"x").unwrap();
        beep_until_a_key(&mut vec![console], Duration::from_millis(5)).unwrap();
    }

    #[test]
    fn a_terminal_is_as_it_was_afterwards() {
        let (far, path) = terminal();
        let before = tcgetattr(&far).unwrap().local_modes;
        let console = Console::open(path).unwrap();
        assert_ne!(tcgetattr(&far).unwrap().local_modes, before);
        drop(console);
        assert_eq!(tcgetattr(&far).unwrap().local_modes, before);
    }

    #[test]
    fn what_is_no_terminal_is_refused() {
        assert!(Console::open("/dev/null".into()).is_err());
    }
}
