//! What the appliance says of itself, judged, at most a second old: however many ask at once, the
//! system is looked at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::facts::{Facts, Source};
use crate::health::Health;
use crate::temperatures::Temperatures;
use crate::units::Units;

/// Nobody sees an older one. A browser renews the status page every 30 seconds.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Facts and what they mean.
#[derive(Debug)]
pub struct Snapshot {
    pub facts: Facts,
    pub health: Health,
}

/// Where they come from, and the last ones.
pub struct Snapshots {
    pub source: Source,
    units: Units,
    temperatures: Temperatures,
    last: Mutex<Option<(Instant, Arc<Snapshot>)>>,
}

impl Snapshots {
    pub fn new(source: Source) -> Self {
        Self {
            source,
            units: Units::default(),
            temperatures: Temperatures::default(),
            last: Mutex::default(),
        }
    }

    /// The present ones. Who comes while the system is looked at waits for that.
    pub async fn now(&self) -> Arc<Snapshot> {
        let mut last = self.last.lock().await;
        if let Some((when, snapshot)) = &*last
            && when.elapsed() < KEPT_FOR
        {
            return Arc::clone(snapshot);
        }
        let seen = self.units.seen().await;
        let mut facts = self.source.read();
        facts.temperatures = self.temperatures.now(self.source.root()).await;
        let services = seen.as_ref().map(|seen| seen.services.clone());
        let health = Health {
            services: services.unwrap_or_default(),
            ..Health::of(&facts, seen.map(|seen| seen.failed))
        };
        let snapshot = Arc::new(Snapshot { facts, health });
        *last = Some((Instant::now(), Arc::clone(&snapshot)));
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_at_once_gets_the_same_one() {
        let root = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(Source::new(root.path().to_owned()));
        let (first, second) = tokio::join!(snapshots.now(), snapshots.now());
        assert!(Arc::ptr_eq(&first, &second));
        // An old one is not kept.
        let long_ago = Instant::now().checked_sub(KEPT_FOR).unwrap();
        *snapshots.last.lock().await = Some((long_ago, Arc::clone(&first)));
        assert!(!Arc::ptr_eq(&first, &snapshots.now().await));
    }
}
