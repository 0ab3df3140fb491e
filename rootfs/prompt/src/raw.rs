//! Raw mode, and the way back from it: when the value is dropped, when the program panics (the
//! image's programs abort then, and drop nothing) and when a signal ends it. Only SIGKILL leaves
//! the terminal raw; whoever started the program restores it then.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr,
    tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The terminal that is raw at the moment, and what it was. One program has one terminal.
static SAVED: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);
static GUARDS: Once = Once::new();
static IGNORED: AtomicBool = AtomicBool::new(false);
static LENT: Mutex<Lending> = Mutex::new(Lending::Never);

/// Whether another program has the terminal.
#[derive(Clone, Copy, Debug)]
enum Lending {
    Never,
    Now,
    /// Until then.
    Until(Instant),
}

/// What is pressed at the very end of a program that has the terminal is meant for it, and its signal may
/// be looked at when it has gone.
const LATE: Duration = Duration::from_secs(1);

/// A terminal is raw while this lives. One within another changes nothing: the outer one puts back.
#[derive(Debug)]
pub struct RawMode {
    outermost: bool,
}

impl RawMode {
    /// Sets raw mode: bytes come one by one and are not shown, keys send no signals. What is
    /// written keeps its translation of line ends, and XON/XOFF stays as it is: old terminals
    /// depend on it.
    pub(crate) fn set(terminal: &impl AsFd) -> io::Result<Self> {
        let outermost = slot().is_none();
        let mut raw = match outermost {
            true => keep(terminal)?,
            false => tcgetattr(terminal)?,
        };
        raw.input_modes -= InputModes::BRKINT
            | InputModes::PARMRK
            | InputModes::ISTRIP
            | InputModes::INLCR
            | InputModes::IGNCR
            | InputModes::ICRNL;
        raw.input_modes |= InputModes::IGNBRK;
        raw.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
        raw.local_modes -= LocalModes::ECHO
            | LocalModes::ECHONL
            | LocalModes::ICANON
            | LocalModes::ISIG
            | LocalModes::IEXTEN;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Now, &raw)?;
        Ok(Self { outermost })
    }
}

/// Remembers how a terminal is set, for [`restore`]; gives it.
pub(crate) fn keep(terminal: &impl AsFd) -> io::Result<Termios> {
    let saved = tcgetattr(terminal)?;
    let kept = terminal.as_fd().try_clone_to_owned()?;
    GUARDS.call_once(watch);
    *slot() = Some((kept, saved.clone()));
    Ok(saved)
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if self.outermost {
            restore();
        }
    }
}

/// Puts the terminal back; does nothing where none is raw.
pub fn restore() {
    if let Some((terminal, saved)) = slot().take() {
        // Nobody is left to be told.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &saved);
    }
}

fn slot() -> std::sync::MutexGuard<'static, Option<(OwnedFd, Termios)>> {
    SAVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a panic and a signal that ends the program put the terminal back first.
fn watch() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        before(panic);
    }));
    // A thread takes the signals, so that putting back may lock and allocate. Without it the
    // program works all the same.
    let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if IGNORED.load(Ordering::SeqCst) || is_for_another(signal) {
                continue;
            }
            restore();
            // Ends the program as the signal would have.
            let _ = emulate_default_handler(signal);
        }
    });
}

/// Whether a signal came from a key that was pressed for the program that has the terminal.
fn is_for_another(signal: i32) -> bool {
    let lent = *LENT.lock().unwrap_or_else(PoisonError::into_inner);
    let is_key = matches!(signal, SIGINT | SIGQUIT);
    is_key
        && match lent {
            Lending::Never => false,
            Lending::Now => true,
            Lending::Until(end) => end.elapsed() < LATE,
        }
}

/// While this lives, another program has the terminal, as it is: Ctrl-C and Ctrl-\ end that one, and not
/// this one, which goes on behind it. As system(3) has it for a shell.
#[derive(Debug)]
pub struct Lent(());

impl Lent {
    /// Begins.
    pub fn begin() -> Self {
        GUARDS.call_once(watch);
        set_lent(Lending::Now);
        Self(())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        set_lent(Lending::Until(Instant::now()));
    }
}

fn set_lent(lending: Lending) {
    *LENT.lock().unwrap_or_else(PoisonError::into_inner) = lending;
}

/// While this lives, the work is not interrupted: hang-up, Ctrl-C and the like do not end the
/// program, nor those that it has started, because the terminal sends no signals and shows no keys.
/// SIGTERM waits too: a shutdown waits for a while and then kills.
#[derive(Debug)]
pub struct Uninterrupted {
    /// Whether the terminal was not raw already.
    quieted: bool,
}

impl Uninterrupted {
    /// Begins.
    pub fn begin() -> Self {
        GUARDS.call_once(watch);
        IGNORED.store(true, Ordering::SeqCst);
        let is_raw = slot().is_some();
        Self {
            quieted: !is_raw && io::stdin().is_terminal() && quiet().is_ok(),
        }
    }
}

impl Drop for Uninterrupted {
    fn drop(&mut self) {
        IGNORED.store(false, Ordering::SeqCst);
        if self.quieted {
            restore();
        }
    }
}

fn quiet() -> io::Result<()> {
    let terminal = io::stdin();
    let mut modes = keep(&terminal)?;
    modes.local_modes -= LocalModes::ISIG | LocalModes::ECHO;
    Ok(tcsetattr(&terminal, OptionalActions::Now, &modes)?)
}
