//! How often one source may ask for what costs something: so much at once, and so much a second after
//! that. A program that errs must not take the one thread from everybody else, and each log-in starts a
//! process of the broker's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Sources that are remembered; who comes anew makes others be forgotten.
const REMEMBERED: usize = 4096;

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    Address(IpAddr),
    /// A browser that somebody has logged in with, by its number.
    Browser(String),
}

impl Source {
    /// An address; of IPv6 the network: whoever has one address there has 2^64.
    pub fn of(address: IpAddr) -> Self {
        let network = |address: Ipv6Addr| address.to_bits() & !u128::from(u64::MAX);
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(network(address)).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// What each source may still ask.
pub struct Rates {
    /// Requests at once.
    burst: f64,
    /// Requests a second after that.
    per_second: f64,
    all: Mutex<HashMap<Source, Left>>,
}

struct Left {
    requests: f64,
    at: Instant,
}

impl Rates {
    fn new(burst: f64, per_second: f64) -> Self {
        Self {
            burst,
            per_second,
            all: Mutex::default(),
        }
    }

    /// Of programs.
    pub fn of_programs() -> Self {
        Self::new(60.0, 10.0)
    }

    /// Of log-ins: an office behind one address may come to work at the same time.
    pub fn of_log_ins() -> Self {
        Self::new(40.0, 1.0)
    }

    fn left(&self, left: &Left, now: Instant) -> f64 {
        let since = now.duration_since(left.at).as_secs_f64();
        (left.requests + since * self.per_second).min(self.burst)
    }

    /// Whether one more request of this source is answered.
    pub fn allow(&self, source: Source) -> bool {
        let now = Instant::now();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED && !all.contains_key(&source) {
            // Whoever has all of it is as good as unknown.
            all.retain(|_, left| self.left(left, now) < self.burst);
            if all.len() >= REMEMBERED {
                all.clear();
            }
        }
        let left = all.entry(source).or_insert(Left {
            requests: self.burst,
            at: now,
        });
        let requests = self.left(left, now);
        let allowed = requests >= 1.0;
        *left = Left {
            requests: if allowed { requests - 1.0 } else { requests },
            at: now,
        };
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn c64_one_address_does_not_ask_without_end_and_keeps_no_other_out() {
        let rates = Rates::of_programs();
        let many = |address: &str| {
            let source = Source::of(address.parse().expect("address"));
            (0..1000).filter(|_| rates.allow(source.clone())).count()
        };
        assert_eq!(many("192.0.2.1"), 60);
        assert_eq!(many("192.0.2.1"), 0);
        assert_eq!(many("192.0.2.2"), 60);
        assert_eq!(many("2001:db8::1"), 60);
        assert_eq!(many("2001:db8::2"), 0);
        advance(Duration::from_secs(2)).await;
        assert_eq!(many("192.0.2.1"), 20);
        advance(Duration::from_secs(3600)).await;
        assert_eq!(many("192.0.2.1"), 60);
    }

    #[test]
    fn c64_what_is_remembered_is_bounded() {
        let rates = Rates::of_programs();
        for number in 0..10_000_u32 {
            assert!(rates.allow(Source::of(std::net::Ipv4Addr::from_bits(number).into())));
        }
        assert!(rates.all.lock().expect("free").len() <= REMEMBERED);
    }
}
