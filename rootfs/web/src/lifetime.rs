//! How long a connection may live: a minute, and longer only while something holds it that has
//! bounds of its own, such as an upload. A large answer renews it with each piece that is taken.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// No connection lives longer, whatever it does: a slow reader must not keep a place for good.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One connection's time.
#[derive(Clone)]
pub struct Lifetime(Arc<Mutex<State>>);

struct State {
    until: Instant,
    held: usize,
}

/// As long as this exists, the connection is not cut for its age.
pub struct Hold(Lifetime);

impl Lifetime {
    pub fn begin() -> Self {
        Self(Arc::new(Mutex::new(State {
            until: Instant::now() + CONNECTION_TIME,
            held: 0,
        })))
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the connection until it is dropped.
    pub fn hold(&self) -> Hold {
        self.with(|state| state.held += 1);
        Hold(self.clone())
    }

    /// As if the connection had just begun.
    pub fn renew(&self) {
        self.with(|state| state.until = Instant::now() + CONNECTION_TIME);
    }

    /// Whether something keeps it.
    pub fn is_held(&self) -> bool {
        self.with(|state| state.held > 0)
    }

    /// Comes back when the connection's time is over.
    pub async fn over(&self) {
        while self.with(|state| state.held > 0 || Instant::now() < state.until) {
            sleep(LOOK_AGAIN).await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.held -= 1;
            // Time to take the answer.
            state.until = Instant::now() + CONNECTION_TIME;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_and_longer_while_it_is_held() {
        let begun = Instant::now();
        let plain = Lifetime::begin();
        plain.over().await;
        assert!((60..63).contains(&begun.elapsed().as_secs()));
        let held = Lifetime::begin();
        let hold = held.hold();
        let over = tokio::spawn(async move { held.over().await });
        sleep(Duration::from_secs(3600)).await;
        assert!(!over.is_finished());
        drop(hold);
        sleep(Duration::from_secs(55)).await;
        assert!(!over.is_finished());
        sleep(Duration::from_secs(10)).await;
        assert!(over.is_finished());
    }
}
