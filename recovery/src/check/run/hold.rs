//! The process of a run: ended where that may be, and given up where it does not end.

use std::process::Child;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::super::stuck::{Patience, Pulse, Stillness};

/// How a process is, and how long it is waited for.
pub(super) type Alive<'a> = (&'a dyn Fn(u32) -> Option<Pulse>, Patience);

/// What is known of the process itself.
pub(super) struct Hold<'a> {
    /// Its number.
    pub(super) process: u32,
    alive: Alive<'a>,
    stillness: Stillness,
    /// It was told to end.
    pub(super) is_told: bool,
    killed: Option<Instant>,
    /// It is listened to no more.
    pub(super) is_given_up: bool,
    /// It had not ended by then.
    pub(super) is_lost: bool,
}

impl<'a> Hold<'a> {
    pub(super) fn new(process: u32, alive: Alive<'a>) -> Self {
        Self {
            process,
            alive,
            stillness: Stillness::default(),
            is_told: false,
            killed: None,
            is_given_up: false,
            is_lost: false,
        }
    }

    /// Ends a run that may be ended where a person wants that, and gives up one that does not end.
    pub(super) fn take(
        &mut self,
        child: &mut Child,
        end: Option<Signal>,
        asked: bool,
    ) -> std::io::Result<()> {
        if let (Some(signal), true, false) = (end, asked, self.is_told) {
            kill_process(Pid::from_child(child), signal)?;
            self.is_told = true;
            self.killed = (signal == Signal::KILL).then(Instant::now);
        }
        let (pulse, patience) = self.alive;
        let still = self.stillness.take(pulse(self.process), Instant::now());
        let killed = self.killed.map(|at| at.elapsed());
        if patience.ends(still, asked, killed) {
            self.is_given_up = true;
            self.is_lost = child.try_wait()?.is_none();
            // Should it come back, it must not go on behind the back of whoever uses the volume then.
            child.kill()?;
        }
        Ok(())
    }
}
