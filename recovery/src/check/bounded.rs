//! What this program itself reads of a volume, on a thread that can be left behind: a disk that does not answer
//! keeps a read in the kernel, perhaps for good, as it does with e2fsck ([`super::stuck`]).

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::stuck::Patience;

/// How often a person is asked whether to stop.
const TICK: Duration = Duration::from_millis(200);

/// What a function gives, if it does in the time that a silent e2fsck would have; `asked` is whether a person
/// has asked to stop.
pub fn bounded<T: Send + 'static>(
    patience: Patience,
    asked: &dyn Fn() -> bool,
    read: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let begun = Instant::now();
    let (give, given) = mpsc::channel();
    // Nobody hears what comes too late.
    let started = thread::Builder::new().spawn(move || drop(give.send(read())));
    started.ok()?;
    loop {
        match given.recv_timeout(TICK) {
            Ok(value) => return Some(value),
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if patience.ends(begun.elapsed(), asked(), None) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        let long = Patience::default();
        let short = Patience {
            alone: Duration::from_millis(100),
            ..long
        };
        let impatient = Patience {
            asked: Duration::from_millis(100),
            ..long
        };
        let hang = || -> u8 {
            loop {
                thread::park();
            }
        };
        let begun = Instant::now();
        assert_eq!(bounded(long, &|| false, || 7), Some(7));
        assert_eq!(bounded(short, &|| false, hang), None);
        assert_eq!(bounded(impatient, &|| true, hang), None);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
