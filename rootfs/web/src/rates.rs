//! How often one address may ask the interface for programs: so much at once, and so much a second after
//! that. A program that errs must not take the one thread from everybody else.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Requests at once.
const BURST: f64 = 60.0;
/// Requests a second after that.
const PER_SECOND: f64 = 10.0;
/// Addresses that are remembered; who comes anew makes others be forgotten.
const REMEMBERED: usize = 4096;

/// What each address may still ask.
#[derive(Default)]
pub struct Rates(Mutex<HashMap<IpAddr, Left>>);

struct Left {
    requests: f64,
    at: Instant,
}

impl Left {
    fn now(&self, now: Instant) -> f64 {
        let since = now.duration_since(self.at).as_secs_f64();
        (self.requests + since * PER_SECOND).min(BURST)
    }
}

impl Rates {
    /// Whether one more request of this address is answered.
    pub fn allow(&self, address: IpAddr) -> bool {
        let (address, now) = (counted_as(address), Instant::now());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED && !all.contains_key(&address) {
            // Whoever has all of it is as good as unknown.
            all.retain(|_, left| left.now(now) < BURST);
            if all.len() >= REMEMBERED {
                all.clear();
            }
        }
        let left = all.entry(address).or_insert(Left {
            requests: BURST,
            at: now,
        });
        let requests = left.now(now);
        let allowed = requests >= 1.0;
        *left = Left {
            requests: if allowed { requests - 1.0 } else { requests },
            at: now,
        };
        allowed
    }
}

/// Of IPv6 the network: whoever has one address there has 2^64.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn c64_one_address_does_not_ask_without_end_and_keeps_no_other_out() {
        let rates = Rates::default();
        let many = |address: &str| {
            let address = address.parse().expect("address");
            (0..1000).filter(|_| rates.allow(address)).count()
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
        let rates = Rates::default();
        for number in 0..10_000_u32 {
            assert!(rates.allow(std::net::Ipv4Addr::from_bits(number).into()));
        }
        assert!(rates.0.lock().expect("free").len() <= REMEMBERED);
    }
}
