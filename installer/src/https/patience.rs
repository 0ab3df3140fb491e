//! Trying again: a network comes up late, a server restarts, a clock is set.

use std::time::{Duration, Instant};

use super::Trouble;
use crate::messages::Text;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// The time that passes; tests have their own.
pub trait Time {
    /// Since the first attempt.
    fn elapsed(&self) -> Duration;
    /// Waits.
    fn pause(&mut self, length: Duration);
}

/// The time of this machine.
#[derive(Debug)]
pub struct RealTime(Instant);

impl RealTime {
    /// From now on.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Time for RealTime {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn pause(&mut self, length: Duration) {
        std::thread::sleep(length);
    }
}

/// Tries until it works, until it cannot work any more, or until `limit` is over; before each
/// pause somebody is told why and how long. The last trouble is the error.
pub fn patiently<T>(
    limit: Duration,
    time: &mut dyn Time,
    told: &mut dyn FnMut(&Text),
    attempt: &mut dyn FnMut() -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut pause = FIRST;
    loop {
        let trouble = match attempt() {
            Ok(value) => return Ok(value),
            Err(trouble) => trouble,
        };
        let left = limit.saturating_sub(time.elapsed());
        if !trouble.passing || left <= pause {
            return Err(trouble);
        }
        let text = Text::new("https.again")
            .with("pause", pause.as_secs())
            .with("left", left.as_secs());
        told(&text.with_text("why", trouble.text));
        time.pause(pause);
        pause = (pause * 2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Pauses(Vec<u64>);

    impl Time for Pauses {
        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.0.iter().sum())
        }

        fn pause(&mut self, length: Duration) {
            self.0.push(length.as_secs());
        }
    }

    fn trouble(passing: bool) -> Trouble {
        Trouble {
            text: Text::new("https.clock"),
            passing,
        }
    }

    fn run(limit: u64, mut answers: Vec<Result<(), Trouble>>) -> (bool, Vec<u64>, usize) {
        let (mut time, mut told) = (Pauses::default(), 0);
        answers.reverse();
        let mut attempt = || answers.pop().unwrap_or_else(|| Err(trouble(true)));
        let limit = Duration::from_secs(limit);
        let result = patiently(limit, &mut time, &mut |_| told += 1, &mut attempt);
        (result.is_ok(), time.0, told)
    }

    #[test]
    fn pauses_grow_and_end() {
        let passing = || Err(trouble(true));
        assert_eq!(run(300, vec![Ok(())]), (true, vec![], 0));
        assert_eq!(
            run(300, vec![passing(), passing(), Ok(())]),
            (true, vec![1, 2], 2)
        );
        assert_eq!(
            run(300, vec![passing(), Err(trouble(false))]),
            (false, vec![1], 1)
        );
        let (ok, pauses, told) = run(120, vec![]);
        assert_eq!((ok, &pauses[..]), (false, &[1, 2, 4, 8, 16, 30, 30][..]));
        assert_eq!(told, pauses.len());
    }
}
