//! The places at one port: how many connections it serves at once, and which one ends when there
//! are more.
//!
//! Invariant: no host keeps another one out. Where every place is taken, a newcomer gets that of
//! the source that has the most; so whoever takes many loses their own first. Nobody is cut in what
//! has bounds of its own ([`Lifetime::hold`]), which takes a password to begin.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::lifetime::Lifetime;

/// Connections that one port serves at once.
const PLACES: usize = 256;
/// How often it is looked again whether somebody can go, where all are held.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Whose connections are counted together: an IPv4 address; of IPv6 the network, because whoever has
/// one address there has 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Source(IpAddr);

impl Source {
    fn of(address: IpAddr) -> Self {
        let network = |address: Ipv6Addr| address.to_bits() & !u128::from(u64::MAX);
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(network(address)).into(),
        })
    }
}

/// The places of a port.
pub struct Places {
    free: Arc<Semaphore>,
    guests: Arc<Mutex<Guests>>,
}

/// Who has a place.
#[derive(Default)]
struct Guests {
    /// How many have ever come.
    came: u64,
    /// In the order in which they came.
    here: BTreeMap<u64, Guest>,
}

struct Guest {
    source: Source,
    lifetime: Lifetime,
    task: AbortHandle,
}

/// One place; it is free again when this is dropped.
struct Place {
    number: u64,
    guests: Arc<Mutex<Guests>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub fn new() -> Self {
        Self::of(PLACES)
    }

    fn of(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            guests: Arc::default(),
        }
    }

    /// Serves a connection in the background, as soon as there is a place for it.
    ///
    /// # Errors
    /// None is expected.
    pub async fn serve(
        &self,
        from: IpAddr,
        lifetime: Lifetime,
        connection: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let source = Source::of(from);
        let permit = self.free_for(source).await?;
        // Whoever is done at once waits here with taking the entry out until it is in.
        let mut guests = lock(&self.guests);
        let place = Place {
            number: guests.came,
            guests: Arc::clone(&self.guests),
            _permit: permit,
        };
        guests.came += 1;
        let number = place.number;
        let task = tokio::spawn(async move {
            connection.await;
            drop(place);
        });
        let guest = Guest {
            source,
            lifetime,
            task: task.abort_handle(),
        };
        guests.here.insert(number, guest);
        Ok(())
    }

    async fn free_for(&self, source: Source) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(permit);
        }
        loop {
            if let Some(guest) = lock(&self.guests).take_one_out(source) {
                guest.task.abort();
            }
            let freed = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = timeout(LOOK_AGAIN, freed).await {
                return permit.context("waiting for a place");
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.guests).here.remove(&self.number);
    }
}

fn lock(guests: &Mutex<Guests>) -> std::sync::MutexGuard<'_, Guests> {
    guests.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guests {
    fn take_one_out(&mut self, newcomer: Source) -> Option<Guest> {
        let here = self.here.iter();
        let here = here.map(|(number, guest)| (*number, guest.source, guest.lifetime.is_held()));
        let number = who_goes(here, newcomer)?;
        self.here.remove(&number)
    }
}

/// Who gives up a place to a newcomer: of the sources that have most, the newcomer counted in, the
/// oldest connection that nothing holds. Those who are here come in the order of their arrival, with
/// their source and whether they are held.
fn who_goes(
    here: impl DoubleEndedIterator<Item = (u64, Source, bool)> + Clone,
    newcomer: Source,
) -> Option<u64> {
    let mut connections = HashMap::from([(newcomer, 1_usize)]);
    for (_, source, _) in here.clone() {
        *connections.entry(source).or_default() += 1;
    }
    // Of equals the last one is taken: so the oldest one comes last.
    here.rev()
        .filter(|(_, _, held)| !held)
        .max_by_key(|(_, source, _)| connections.get(source))
        .map(|(number, _, _)| number)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn sources() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let (a, b) = (Source::of(address(one)), Source::of(address(other)));
            assert_eq!(a == b, same, "{one} {other}");
        }
    }

    #[test]
    fn whoever_has_most_gives_up_the_oldest() {
        // Sources in the order of arrival, `!` where something holds the connection.
        for (here, newcomer, goes) in [
            ("a b b", "c", Some(1)),
            ("b a b a b", "a", Some(0)),
            // Who comes once more is who has most.
            ("a b a b", "a", Some(0)),
            ("a b a b", "b", Some(1)),
            ("a a b b b", "a", Some(0)),
            ("b b a a a", "a", Some(2)),
            ("b b a a a", "b", Some(0)),
            ("a b c", "c", Some(2)),
            // All have the same: the oldest one goes, whose it may be.
            ("a b c", "d", Some(0)),
            // What is held stays, and counts.
            ("a! a! a b b", "c", Some(2)),
            ("a! a! a! b c c", "d", Some(4)),
            ("a! b! c", "a", Some(2)),
            ("a! b!", "a", None),
            ("", "a", None),
        ] {
            let source = |name: &str| {
                let last = name.bytes().next().unwrap();
                Source(IpAddr::from([127, 0, 0, last]))
            };
            let words: Vec<_> = here.split_whitespace().collect();
            let here_now = (0..).zip(&words);
            let here_now: Vec<_> = here_now
                .map(|(n, word)| (n, source(word), word.ends_with('!')))
                .collect();
            let found = who_goes(here_now.into_iter(), source(newcomer));
            assert_eq!(found, goes, "{here}, then {newcomer}");
        }
    }

    /// A connection that is served until it is cut: then the receiver says so.
    async fn come(places: &Places, from: &str, lifetime: &Lifetime) -> oneshot::Receiver<()> {
        let (open, cut) = oneshot::channel::<()>();
        let connection = async move {
            let _open = open;
            std::future::pending::<()>().await;
        };
        let served = places.serve(address(from), lifetime.clone(), connection);
        served.await.unwrap();
        cut
    }

    fn is_cut(connection: &mut oneshot::Receiver<()>) -> bool {
        connection.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[tokio::test]
    async fn a_place_is_made_free_and_never_more_are_taken() {
        let (places, lifetime) = (Places::of(2), Lifetime::begin());
        let mut first = come(&places, "127.0.0.2", &lifetime).await;
        let mut second = come(&places, "127.0.0.2", &lifetime).await;
        assert!(!is_cut(&mut first));
        let mut third = come(&places, "127.0.0.3", &lifetime).await;
        // Who had the place is gone before the next one is served.
        assert!(is_cut(&mut first));
        assert!(!is_cut(&mut second) && !is_cut(&mut third));
        assert_eq!(lock(&places.guests).here.len(), 2);
        // Who leaves makes room, and nobody is cut for the next one.
        let none = std::future::ready(());
        let served = places.serve(address("127.0.0.2"), lifetime.clone(), none);
        served.await.unwrap();
        assert!(is_cut(&mut second));
        tokio::task::yield_now().await;
        let mut fourth = come(&places, "127.0.0.4", &lifetime).await;
        assert!(!is_cut(&mut third) && !is_cut(&mut fourth));
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_held_a_newcomer_waits_until_one_is_not() {
        let (places, lifetime) = (Places::of(1), Lifetime::begin());
        let hold = lifetime.hold();
        let mut held = come(&places, "127.0.0.2", &lifetime).await;
        let other = Lifetime::begin();
        let mut next = Box::pin(come(&places, "127.0.0.3", &other));
        let long = Duration::from_secs(3600);
        assert!(timeout(long, &mut next).await.is_err());
        assert!(!is_cut(&mut held));
        drop(hold);
        let mut next = next.await;
        assert!(is_cut(&mut held) && !is_cut(&mut next));
    }
}
