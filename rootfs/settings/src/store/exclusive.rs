//! One after the other: whoever changes the generations has their folder alone.

use std::fs::{File, TryLockError};
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::Store;
use crate::files::Files as _;

/// Who waits for another one does so no longer: that may be somebody's shell, which was stopped in the middle.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps others that ask for the same waiting until it is dropped.
#[derive(Debug)]
pub struct Exclusive {
    _folder: File,
}

impl Store {
    /// Keeps others that ask for the same waiting until the result is dropped: for reading, changing
    /// and saving in one.
    ///
    /// # Errors
    /// The folder cannot be made or locked; [`io::ErrorKind::WouldBlock`] where somebody has it for longer than
    /// [`PATIENCE`].
    pub fn exclusive(&self) -> io::Result<Exclusive> {
        self.files.make()?;
        self.exclusive_as_it_is(PATIENCE)
    }

    /// The same without making the folder, and with another patience.
    ///
    /// # Errors
    /// The folder is not there or cannot be locked.
    pub fn exclusive_as_it_is(&self, patience: Duration) -> io::Result<Exclusive> {
        let folder = File::open(&self.files.0)?;
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => wait_for(folder, patience),
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => Ok(Exclusive { _folder: folder }),
        }
    }
}

/// The kernel's wait has no end of its own; a thread that comes to it later lets the folder go again.
fn wait_for(folder: File, patience: Duration) -> io::Result<Exclusive> {
    let (tell, told) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let locked = folder.lock();
        let _ = tell.send(locked.map(|()| Exclusive { _folder: folder }));
    })?;
    let late = |_| Err(io::ErrorKind::WouldBlock.into());
    told.recv_timeout(patience).unwrap_or_else(late)
}
