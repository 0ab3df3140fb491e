//! Ctrl-C: what is half-made outside the cache is removed, and machines are switched off,
//! before the program ends. (What is half-made in the cache is swept by the next run.)

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

static HALF_MADE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

static MACHINES: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Exit code of a program that a person ended (128 + SIGINT, as shells count).
const INTERRUPTED: i32 = 130;

/// Starts to listen for Ctrl-C and for being terminated.
pub fn listen() {
    let listening = ctrlc::set_handler(|| {
        let paths = HALF_MADE.lock().unwrap_or_else(PoisonError::into_inner);
        for path in paths.iter() {
            // Nothing more can be done about one that cannot be removed.
            let _ = if path.is_dir() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
        }
        switch_off_machines();
        eprintln!("\ninterrupted; nothing half-made is left, run it again to go on");
        std::process::exit(INTERRUPTED);
    });
    if let Err(error) = listening {
        eprintln!("warning: Ctrl-C will not clean up: {error}");
    }
}

fn switch_off_machines() {
    let machines = MACHINES.lock().unwrap_or_else(PoisonError::into_inner);
    for id in machines.iter() {
        let pid = i32::try_from(*id).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself: Ctrl-C on a terminal reaches it too.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// A machine that is ended when this is dropped, or when the program is interrupted.
pub struct Machine(Child);

impl Machine {
    /// Takes charge of a machine.
    #[must_use]
    pub fn new(child: Child) -> Self {
        MACHINES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(child.id());
        Self(child)
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        MACHINES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.0.id());
        // It may have ended already; there is nobody left to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A path that is half-made as long as this lives.
pub struct HalfMade(PathBuf);

impl HalfMade {
    /// Says that a path is half-made.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        HALF_MADE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for HalfMade {
    fn drop(&mut self) {
        HALF_MADE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.0);
    }
}
