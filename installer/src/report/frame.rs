//! What a report has beside the installation itself: the machine, the time, the lines shown.

use std::collections::VecDeque;
use std::time::{Instant, SystemTime};

use vigie_machine::Machine;

use crate::clock::utc;

/// So many lines are kept: a plan for a server full of disks has a hundred.
const LINES: usize = 400;
/// So many characters of a line.
const WIDTH: usize = 500;

/// The frame of a run.
#[derive(Debug)]
pub struct Frame {
    machine: Machine,
    started: SystemTime,
    begun: Instant,
    shown: VecDeque<String>,
    dropped: usize,
}

/// A moment of a run.
#[derive(Clone, Debug)]
pub struct Moment {
    /// By the clock, which may be set meanwhile.
    pub utc: String,
    /// Since the beginning, whatever the clock says.
    pub seconds: f64,
}

impl Frame {
    /// Begins now.
    pub fn start(machine: Machine) -> Self {
        Self {
            machine,
            started: SystemTime::now(),
            begun: Instant::now(),
            shown: VecDeque::new(),
            dropped: 0,
        }
    }

    /// The machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The machine as it is found now: ports may have come meanwhile.
    pub fn set_machine(&mut self, machine: Machine) {
        self.machine = machine;
    }

    /// When the run began.
    pub fn started(&self) -> String {
        utc(self.started)
    }

    /// The present.
    pub fn now(&self) -> Moment {
        Moment {
            utc: utc(SystemTime::now()),
            seconds: self.begun.elapsed().as_secs_f64(),
        }
    }

    /// Keeps what was shown.
    pub fn keep(&mut self, text: &str) {
        for line in text.lines() {
            if self.shown.len() == LINES {
                self.shown.pop_front();
                self.dropped += 1;
            }
            self.shown.push_back(line.chars().take(WIDTH).collect());
        }
    }

    /// The lines that were shown; of many the last, after a line that says how many came before.
    pub fn log(&self) -> Vec<String> {
        let dropped = (self.dropped > 0).then(|| format!("({} lines before)", self.dropped));
        dropped
            .into_iter()
            .chain(self.shown.iter().cloned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded() {
        let mut frame = Frame::start(Machine::default());
        frame.keep("one\ntwo");
        assert_eq!(frame.log(), ["one", "two"]);
        frame.keep(&"é".repeat(2 * WIDTH));
        frame.keep(&"line\n".repeat(LINES));
        let log = frame.log();
        assert_eq!(log.len(), LINES + 1);
        assert_eq!(log[0], "(3 lines before)");
        assert!(log.iter().all(|line| line.chars().count() <= WIDTH));
    }
}
