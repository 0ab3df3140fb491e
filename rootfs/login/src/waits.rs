//! Who was wrong how often, and how long they wait for it: longer and longer, up to [`LONGEST`], and
//! never longer than that, so that nobody can lock the administrator out for good.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::kept::Kept;

/// Wrong passwords that cost no wait, where the caller has no other figure.
pub const FREE: u32 = 3;
/// The longest wait.
pub const LONGEST: Duration = Duration::from_secs(60);
/// After this time without an attempt, somebody is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// Those that are remembered; beyond, the oldest are forgotten.
const REMEMBERED: usize = 1000;
/// Longest name that is remembered, in characters.
const LONGEST_NAME: usize = 128;

/// Who is counted, and how many wrong passwords cost them no wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// An address, or an address with an account: whatever they share their waits by.
    pub name: String,
    /// Wrong passwords that cost no wait.
    pub free: u32,
}

impl Who {
    /// Somebody, by name.
    #[must_use]
    pub fn new(name: &str, free: u32) -> Self {
        let name = name.chars().take(LONGEST_NAME).collect();
        Self { name, free }
    }
}

/// The memory of it: a file, in memory itself, so that a restart forgets it.
#[derive(Clone, Debug)]
pub struct Waits {
    /// The file.
    pub path: PathBuf,
}

/// Seconds since the start of the machine: nobody sets this clock.
#[must_use]
pub fn now() -> u64 {
    u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or_default()
}

/// Wrong attempts by name.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Attempts(BTreeMap<String, Attempt>);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Attempt {
    wrong: u32,
    /// In seconds of [`now`].
    last: u64,
}

impl Waits {
    /// Counts an attempt as wrong for each of `all` before it is looked at, so that many at once count
    /// as many; or says how long it has to wait, for the longest of them. One that waits does not count.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn begin(&self, all: &[Who], now: u64) -> io::Result<Option<Duration>> {
        let mut longest = None;
        self.change(|attempts| {
            let recent = |attempt: &Attempt| now.saturating_sub(attempt.last) < FORGOTTEN.as_secs();
            attempts.0.retain(|_, attempt| recent(attempt));
            let left = |who: &Who| attempts.left(who, now);
            longest = all.iter().filter_map(left).max();
            if longest.is_none() {
                all.iter().for_each(|who| attempts.count(who, now));
                attempts.bound();
            }
        })?;
        Ok(longest)
    }

    /// Forgets the wrong attempts of those who were right.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn forget(&self, all: &[Who]) -> io::Result<()> {
        self.change(|attempts| {
            attempts
                .0
                .retain(|name, _| all.iter().all(|who| who.name != *name));
        })
    }

    /// Takes one attempt back from each of those who were right, and leaves what others were wrong. Whoever
    /// was let through did not have to wait, so they do not afterwards.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn take_back(&self, all: &[Who], now: u64) -> io::Result<()> {
        self.change(|attempts| all.iter().for_each(|who| attempts.take_back(who, now)))
    }

    fn change(&self, how: impl FnOnce(&mut Attempts)) -> io::Result<()> {
        let kept = Kept::lock(&self.path)?;
        // Bytes that are no text must not keep anybody from waiting.
        let mut all: Attempts = serde_json::from_slice(&kept.read()?).unwrap_or_default();
        how(&mut all);
        kept.write(&serde_json::to_vec(&all)?)
    }
}

impl Attempts {
    fn left(&self, who: &Who, now: u64) -> Option<Duration> {
        let attempt = self.0.get(&who.name)?;
        let until = attempt.last + delay(attempt.wrong, who.free).as_secs();
        (until > now).then(|| Duration::from_secs(until - now))
    }

    fn count(&mut self, who: &Who, now: u64) {
        let wrong = self.0.get(&who.name).map_or(0, |attempt| attempt.wrong);
        let attempt = Attempt {
            wrong: wrong.saturating_add(1),
            last: now,
        };
        self.0.insert(who.name.clone(), attempt);
    }

    fn take_back(&mut self, who: &Who, now: u64) {
        let Some(attempt) = self.0.get_mut(&who.name) else {
            return;
        };
        attempt.wrong = attempt.wrong.saturating_sub(1);
        let waited = now.saturating_sub(delay(attempt.wrong, who.free).as_secs());
        attempt.last = attempt.last.min(waited);
    }

    fn bound(&mut self) {
        while self.0.len() > REMEMBERED {
            let oldest = self.0.iter().min_by_key(|(_, attempt)| attempt.last);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            self.0.remove(&oldest);
        }
    }
}

/// The wait after so many wrong passwords: none after the free ones, then 2, 4, 8 … seconds.
fn delay(wrong: u32, free: u32) -> Duration {
    match wrong.checked_sub(free) {
        None | Some(0) => Duration::ZERO,
        Some(more) => LONGEST.min(Duration::from_secs(1 << more.min(20))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(dir: &tempfile::TempDir) -> Waits {
        let path = dir.path().join("attempts");
        Waits { path }
    }

    #[test]
    fn c64_waits_grow_to_a_minute_and_are_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let waits = waits(&dir);
        let begin = |name: &str, now| waits.begin(&[Who::new(name, FREE)], now).unwrap();
        let mut now = 1000;
        let mut seen = Vec::new();
        for _ in 0..12 {
            let wait = begin("mallory", now).map_or(0, |wait| wait.as_secs());
            if wait > 0 {
                // Asking again does not make it longer.
                assert_eq!(begin("mallory", now).unwrap().as_secs(), wait);
                assert_eq!(begin("mallory", now + wait - 1).unwrap().as_secs(), 1);
                now += wait;
                assert_eq!(begin("mallory", now), None);
            }
            seen.push(wait);
        }
        assert_eq!(seen, [0, 0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(begin("anne", now), None);
        // Forgotten after a quarter of an hour, and after the right password.
        let _ = begin("mallory", now + 60);
        assert_eq!(begin("mallory", now + 60 + 900), None);
        assert_eq!(begin("mallory", now + 60 + 900), None);
        for _ in 0..6 {
            let _ = begin("anne", now);
        }
        assert!(begin("anne", now).is_some());
        waits.forget(&[Who::new("anne", FREE)]).unwrap();
        assert_eq!(begin("anne", now), None);
    }

    #[test]
    fn whoever_is_counted_by_several_names_waits_for_the_longest() {
        let dir = tempfile::tempdir().unwrap();
        let waits = waits(&dir);
        let ask = |user: &str, now| {
            let all = [Who::new(&format!("here {user}"), 3), Who::new("here", 8)];
            waits.begin(&all, now).unwrap()
        };
        // One account after the other: the address runs out, though no account does.
        for number in 0..9 {
            assert_eq!(ask(&format!("user-{}", number % 4), 10), None, "{number}");
        }
        assert!(ask("user-9", 10).is_some());
        assert_eq!(ask("user-9", 10 + LONGEST.as_secs()), None);
        // From elsewhere, nobody waits for them.
        let elsewhere = [Who::new("there user-1", 3), Who::new("there", 8)];
        assert_eq!(waits.begin(&elsewhere, 10).unwrap(), None);
    }

    #[test]
    fn whoever_was_right_costs_the_others_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let waits = waits(&dir);
        let office = [Who::new("here", 8)];
        for _ in 0..30 {
            assert_eq!(waits.begin(&office, 100).unwrap(), None);
            waits.take_back(&office, 100).unwrap();
        }
        // What others were wrong stays.
        for _ in 0..9 {
            assert_eq!(waits.begin(&office, 100).unwrap(), None);
        }
        assert_eq!(waits.begin(&office, 100).unwrap().unwrap().as_secs(), 2);
        assert_eq!(waits.begin(&office, 102).unwrap(), None);
        waits.take_back(&office, 102).unwrap();
        assert_eq!(waits.begin(&office, 102).unwrap(), None);
        assert_eq!(waits.begin(&office, 102).unwrap().unwrap().as_secs(), 4);
        waits.take_back(&[Who::new("there", 8)], 102).unwrap();
    }

    #[test]
    fn c64_the_memory_is_bounded_and_damage_opens_nothing_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let waits = waits(&dir);
        let begin = |name: &str, now| waits.begin(&[Who::new(name, FREE)], now).unwrap();
        for number in 0..REMEMBERED as u64 + 50 {
            begin(&format!("peer {number}"), number / 100);
        }
        let text = std::fs::read_to_string(&waits.path).unwrap();
        let all: Attempts = serde_json::from_str(&text).unwrap();
        assert_eq!(all.0.len(), REMEMBERED);
        assert!(all.0.contains_key("peer 1049"));
        for damaged in [&b"{"[..], b"{\"anne\xc3", b"\xff"] {
            std::fs::write(&waits.path, damaged).unwrap();
            assert_eq!(begin("anne", 5), None);
        }
        assert_eq!(Who::new(&"x".repeat(500), 3).name.len(), LONGEST_NAME);
    }

    #[test]
    fn c64_many_at_once_count_as_many() {
        let dir = tempfile::tempdir().unwrap();
        let waits = waits(&dir);
        let ask = || waits.begin(&[Who::new("mallory", FREE)], 5).unwrap();
        let waited = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            let answers = all.into_iter().map(|thread| thread.join().unwrap());
            answers.filter(Option::is_some).count()
        });
        assert_eq!(waited, 4);
    }
}
