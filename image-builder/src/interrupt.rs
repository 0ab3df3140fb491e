//! Ctrl-C: what is half-made outside the cache is removed before the program ends.
//! (What is half-made in the cache is swept by the next run.)

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static HALF_MADE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

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
        eprintln!("\ninterrupted; nothing half-made is left, run it again to go on");
        std::process::exit(INTERRUPTED);
    });
    if let Err(error) = listening {
        eprintln!("warning: Ctrl-C will not clean up: {error}");
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
