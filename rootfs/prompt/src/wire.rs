//! The terminal itself: bytes in with patience, text out, its size.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::termios::{self, LocalModes, OptionalActions, QueueSelector};

use crate::raw::{RawMode, keep, restore};

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

impl Size {
    /// What a terminal has that does not say: a serial line tells 0x0.
    pub const USUAL: Self = Self {
        columns: 80,
        rows: 24,
    };

    /// A size as the kernel tells it. One too small to be drawn on is not believed.
    fn told(columns: u16, rows: u16) -> Self {
        if columns < 20 || rows < 8 {
            return Self::USUAL;
        }
        Self {
            columns: columns.into(),
            rows: rows.into(),
        }
    }
}

/// What a prompter needs of a terminal; tests put a script in its place.
pub trait Wire {
    /// The next byte; none when none came for so long. An error of kind `UnexpectedEof` when the
    /// terminal was closed.
    fn byte(&mut self, patience: Option<Duration>) -> io::Result<Option<u8>>;
    /// Writes at once.
    fn write(&mut self, text: &str) -> io::Result<()>;
    /// How much fits; none where nobody scrolls (a file, a pipe).
    fn size(&self) -> Option<Size>;
    /// Whether the terminal shows what is typed.
    fn echo(&mut self, on: bool) -> io::Result<()>;
    /// Forgets what came and was not read.
    fn forget(&mut self) -> io::Result<()>;
}

/// A terminal in raw mode; what it was before comes back when this is dropped.
pub struct Tty {
    input: OwnedFd,
    output: OwnedFd,
    come: VecDeque<u8>,
    _raw: RawMode,
}

impl Tty {
    /// The terminal on standard input and output.
    ///
    /// # Errors
    /// There is none, or it cannot be set.
    pub fn raw() -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::other("standard output is not a terminal"));
        }
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Self::over(input, io::stdout().as_fd().try_clone_to_owned()?)
    }

    /// Any terminal.
    ///
    /// # Errors
    /// It is none, or it cannot be set.
    pub fn over(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        let raw = RawMode::set(&input)?;
        Ok(Self {
            input,
            output,
            come: VecDeque::new(),
            _raw: raw,
        })
    }
}

impl Wire for Tty {
    fn byte(&mut self, patience: Option<Duration>) -> io::Result<Option<u8>> {
        if self.come.is_empty() {
            if !waits(self.input.as_fd(), patience)? {
                return Ok(None);
            }
            fill(self.input.as_fd(), &mut self.come)?;
        }
        Ok(self.come.pop_front())
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        write_all(self.output.as_fd(), text.as_bytes())
    }

    fn size(&self) -> Option<Size> {
        Some(size_of(self.output.as_fd()))
    }

    fn echo(&mut self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        self.come.clear();
        Ok(termios::tcflush(&self.input, QueueSelector::IFlush)?)
    }
}

/// Standard input and output as they are.
#[derive(Debug)]
pub struct Stdio;

thread_local! {
    /// What was read ahead from standard input.
    static AHEAD: std::cell::RefCell<VecDeque<u8>> = const { std::cell::RefCell::new(VecDeque::new()) };
}

impl Wire for Stdio {
    fn byte(&mut self, patience: Option<Duration>) -> io::Result<Option<u8>> {
        AHEAD.with_borrow_mut(|ahead| {
            if ahead.is_empty() {
                let stdin = io::stdin();
                if !waits(stdin.as_fd(), patience)? {
                    return Ok(None);
                }
                fill(stdin.as_fd(), ahead)?;
            }
            Ok(ahead.pop_front())
        })
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn size(&self) -> Option<Size> {
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        is_terminal.then(|| size_of(io::stdout().as_fd()))
    }

    fn echo(&mut self, on: bool) -> io::Result<()> {
        let stdin = io::stdin();
        if on {
            restore();
        }
        if on || !stdin.is_terminal() {
            return Ok(());
        }
        let mut mode = keep(&stdin)?;
        mode.local_modes -= LocalModes::ECHO;
        Ok(termios::tcsetattr(&stdin, OptionalActions::Now, &mode)?)
    }

    fn forget(&mut self) -> io::Result<()> {
        if io::stdin().is_terminal() {
            AHEAD.with_borrow_mut(VecDeque::clear);
            termios::tcflush(io::stdin(), QueueSelector::IFlush)?;
        }
        Ok(())
    }
}

/// Waits for input; false when none came in time. A terminal that failed says so when it is read.
fn waits(input: BorrowedFd<'_>, patience: Option<Duration>) -> io::Result<bool> {
    let timeout = patience.map(|patience| Timespec {
        tv_sec: patience.as_secs() as i64,
        tv_nsec: patience.subsec_nanos().into(),
    });
    loop {
        let mut wanted = [PollFd::from_borrowed_fd(input, PollFlags::IN)];
        match poll(&mut wanted, timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn fill(input: BorrowedFd<'_>, come: &mut VecDeque<u8>) -> io::Result<()> {
    let mut buffer = [0; 256];
    loop {
        match read(input, &mut buffer) {
            // A terminal whose other end went away answers EIO.
            Ok(0) | Err(Errno::IO) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                come.extend(&buffer[..length]);
                return Ok(());
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn write_all(output: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(output, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn size_of(terminal: BorrowedFd<'_>) -> Size {
    termios::tcgetwinsize(terminal).map_or(Size::USUAL, |size| Size::told(size.ws_col, size.ws_row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_cannot_be() {
        for (columns, rows, expected) in [(0, 0, (80, 24)), (132, 43, (132, 43)), (80, 1, (80, 24))]
        {
            let Size { columns, rows } = Size::told(columns, rows);
            assert_eq!((columns, rows), expected);
        }
    }
}
