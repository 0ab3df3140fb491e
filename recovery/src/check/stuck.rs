//! An e2fsck that does not end. A disk that does not answer keeps it in the kernel, in a sleep that no
//! signal ends ("D", proc_pid_stat(5)), perhaps for good: the other volumes need not wait for that.
//!
//! It is known by this: one of its threads is in that sleep, and for a long time none has run, read or
//! written, nor has the disk finished anything for the volume. A disk that fails answers in the end: the
//! kernel gives a command up after its time-out and five more attempts, 30 s each (drivers/scsi/sd.h).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::in_use::number;

/// How long e2fsck is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// After it was killed.
    pub killed: Duration,
    /// While it does not move and a person has asked to stop.
    pub asked: Duration,
    /// While it does not move.
    pub alone: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            killed: Duration::from_secs(10),
            asked: Duration::from_secs(4 * 60),
            alone: Duration::from_secs(10 * 60),
        }
    }
}

impl Patience {
    /// Whether it is at its end: e2fsck has not moved for so long, a person has asked to stop, it was killed
    /// so long ago.
    #[must_use]
    pub fn ends(&self, still: Duration, asked: bool, killed: Option<Duration>) -> bool {
        let still_for = match asked {
            true => self.asked,
            false => self.alone,
        };
        still >= still_for || killed.is_some_and(|since| since >= self.killed)
    }
}

/// What the kernel says at one moment of a process that works on a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// A thread is in the sleep that no signal ends.
    sleeps: bool,
    /// What all have done so far.
    done: Vec<String>,
}

impl Pulse {
    /// That of now; none where the process is gone.
    #[must_use]
    pub fn of(process: u32, volume: &Path) -> Option<Self> {
        let folder = Path::new("/proc").join(process.to_string());
        let threads = fs::read_dir(folder.join("task")).ok()?;
        let threads =
            threads.filter_map(|one| fs::read_to_string(one.ok()?.path().join("stat")).ok());
        let bytes = fs::read_to_string(folder.join("io")).unwrap_or_default();
        Some(Self::from(threads.collect(), bytes, finished(volume)))
    }

    fn from(threads: Vec<String>, bytes: String, finished: Option<String>) -> Self {
        let mut sleeps = false;
        let mut done = Vec::from_iter(finished);
        done.push(bytes);
        for thread in &threads {
            // Its name may be anything; behind it come its state and, as the fields 14 and 15, its times.
            let words = thread.rsplit_once(") ").map_or("", |(_, words)| words);
            let words: Vec<&str> = words.split(' ').collect();
            sleeps |= words.first() == Some(&"D");
            done.push(words.get(11..13).unwrap_or_default().join(" "));
        }
        done.sort();
        Self { sleeps, done }
    }
}

/// How many reads and writes of a device are over (kernel, Documentation/block/stat.rst).
fn finished(volume: &Path) -> Option<String> {
    let device = number(fs::metadata(volume).ok()?.rdev());
    over(&fs::read_to_string(format!("/sys/dev/block/{device}/stat")).ok()?)
}

/// The other columns move while something waits, too.
fn over(stat: &str) -> Option<String> {
    let words: Vec<&str> = stat.split_whitespace().collect();
    Some(format!("{} {}", words.first()?, words.get(4)?))
}

/// Since when a process has not moved.
#[derive(Debug)]
pub struct Stillness {
    last: Option<Pulse>,
    since: Instant,
}

impl Default for Stillness {
    fn default() -> Self {
        Self {
            last: None,
            since: Instant::now(),
        }
    }
}

impl Stillness {
    /// Takes what is said of it now; for how long it has not moved. One that a signal would end is never
    /// still.
    pub fn take(&mut self, pulse: Option<Pulse>, now: Instant) -> Duration {
        let sleeps = pulse.as_ref().is_some_and(|pulse| pulse.sleeps);
        if !sleeps || pulse != self.last {
            self.last = pulse;
            self.since = now;
        }
        now.saturating_duration_since(self.since)
    }
}

#[cfg(test)]
impl Pulse {
    /// That of a process which does nothing, in the kernel.
    pub(super) fn asleep() -> Self {
        Self {
            sleeps: true,
            done: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASLEEP: &str = "71 (e2fsck) a) D 1 71 71 0 -1 4194560 205 0 3 0 12 34 0 0 20 0 2 0 99";
    const WAITS: &str = "72 (e2fsck) S 1 71 71 0 -1 4194560 205 0 3 0 1 2 0 0 20 0 2 0 99";

    fn pulse(threads: &[&str], bytes: &str, finished: &str) -> Pulse {
        let threads = threads.iter().map(|&one| one.to_owned()).collect();
        Pulse::from(threads, bytes.to_owned(), over(finished))
    }

    #[test]
    fn who_sleeps_and_does_nothing_does_not_move() {
        let still = |pulses: &[Pulse]| {
            let begun = Instant::now();
            let mut stillness = Stillness::default();
            let mut lasted = Duration::ZERO;
            for (seconds, pulse) in (0..).zip(pulses) {
                lasted = stillness.take(Some(pulse.clone()), begun + Duration::from_secs(seconds));
            }
            lasted.as_secs()
        };
        let stuck = pulse(&[ASLEEP, WAITS], "rchar: 5", "8 0 9 1 7 0 0 0 1 5 5");
        assert_eq!(still(&[stuck.clone(), stuck.clone(), stuck.clone()]), 2);
        // Whose time in the queue grows is nobody's work.
        let queued = pulse(&[WAITS, ASLEEP], "rchar: 5", "8 0 9 1 7 0 0 0 1 99 99");
        assert_eq!(still(&[stuck.clone(), queued]), 1);
        let ran = ASLEEP.replace(" 12 34 ", " 13 34 ");
        for moved in [
            pulse(&[&ran, WAITS], "rchar: 5", "8 0 9 1 7"),
            pulse(&[ASLEEP, WAITS], "rchar: 6", "8 0 9 1 7"),
            pulse(&[ASLEEP, WAITS], "rchar: 5", "9 0 9 1 7"),
            pulse(&[ASLEEP, WAITS], "rchar: 5", "8 0 9 1 8"),
            pulse(&[WAITS], "rchar: 5", "8 0 9 1 7"),
        ] {
            assert_eq!(
                still(&[stuck.clone(), stuck.clone(), moved.clone()]),
                0,
                "{moved:?}"
            );
        }
        let waits = pulse(&[WAITS], "rchar: 5", "8 0 9 1 7");
        assert_eq!(still(&[waits.clone(), waits]), 0, "a signal ends that");
    }

    #[test]
    fn patience_ends_sooner_for_who_asks() {
        let patience = Patience::default();
        let seconds = Duration::from_secs;
        for (still, asked, killed, ends) in [
            (599, false, None, false),
            (600, false, None, true),
            (239, true, None, false),
            (240, true, None, true),
            (0, true, Some(9), false),
            (0, true, Some(10), true),
        ] {
            let is = patience.ends(seconds(still), asked, killed.map(seconds));
            assert_eq!(is, ends, "{still} {asked} {killed:?}");
        }
    }

    #[test]
    fn this_process_is_read_and_another_is_not_there() {
        let this = Pulse::of(std::process::id(), Path::new("/")).unwrap();
        assert!(this.done.len() >= 2, "{this:?}");
        assert_eq!(Pulse::of(u32::MAX, Path::new("/")), None);
    }
}
