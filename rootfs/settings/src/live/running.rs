//! The running system: programs, bounded in time, and the kernel's clock.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::System;

/// Longest that one program takes, in seconds; most take less than one. It is coreutils' `timeout` that
/// ends it.
const LONGEST: &str = "30";
/// Time in which an answer reaches a browser, before its address is gone.
const ANSWER: Duration = Duration::from_secs(2);

/// Seconds since the start, with two decimals: proc_uptime(5).
const UPTIME: &str = "/proc/uptime";

fn milliseconds(uptime: &str) -> Option<u64> {
    let first = uptime.split_ascii_whitespace().next()?;
    let (seconds, hundredths) = first.split_once('.')?;
    let (seconds, hundredths): (u64, u64) = (seconds.parse().ok()?, hundredths.parse().ok()?);
    Some(seconds * 1000 + hundredths * 10)
}

/// The system that this runs in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Running;

impl Running {
    /// The system whose root is `root`, where that is the one that runs.
    #[must_use]
    pub fn of(root: &Path) -> Option<Self> {
        (root == Path::new("/")).then_some(Self)
    }
}

impl System for Running {
    fn run(&mut self, words: &[&str]) -> Result<(), String> {
        let output = Command::new("timeout")
            .args(["--kill-after=5", LONGEST])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(match (output.status.code(), told.is_empty()) {
            (Some(124 | 137), _) => format!("no answer within {LONGEST} s"),
            (_, true) => output.status.to_string(),
            (_, false) => told,
        })
    }

    fn clock(&self) -> u64 {
        let text = std::fs::read_to_string(UPTIME).unwrap_or_default();
        // Without a clock every trial is over: the safe end of it.
        milliseconds(&text).unwrap_or(u64::MAX)
    }

    fn let_the_answer_go(&mut self) {
        std::thread::sleep(ANSWER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_run_by_its_words_and_what_it_says_is_told() {
        let mut system = Running;
        assert_eq!(system.run(&["true"]), Ok(()));
        let error = system.run(&["sh", "-c", "echo no bus >&2; exit 3"]);
        assert_eq!(error, Err("no bus".to_owned()));
        assert!(system.run(&["false"]).is_err_and(|why| why.contains('1')));
        assert!(system.run(&["/nonexistent/program"]).is_err());
        let before = system.clock();
        assert!(system.clock() >= before && before > 0);
        assert!(system.clock() < u64::MAX);
        assert_eq!(milliseconds("17.05 3.20\n"), Some(17_050));
        assert_eq!(milliseconds(""), None);
        assert!(Running::of(Path::new("/tmp")).is_none());
    }
}
