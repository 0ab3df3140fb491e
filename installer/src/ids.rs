//! The ids of an installation: GUIDs of disk, partitions and file systems.
//!
//! Two installed disks in one machine must never be confused, so an
//! installation draws fresh ids; a test names its seed and gets the same bytes
//! every time (DESIGN section 3).

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The source of an installation's ids, and its clock.
#[derive(Clone, Debug)]
pub struct Ids {
    seed: Vec<u8>,
    time: Option<u64>,
}

impl Ids {
    /// Fresh ids; file systems carry the time at which they are made.
    pub fn random() -> Self {
        let seed = [Uuid::new_v4(), Uuid::new_v4()]
            .iter()
            .flat_map(|uuid| *uuid.as_bytes())
            .collect();
        Self { seed, time: None }
    }

    /// Ids that follow from the seed; file systems carry this time (seconds since 1970).
    pub fn seeded(seed: &str, time: u64) -> Self {
        Self {
            seed: seed.as_bytes().to_vec(),
            time: Some(time),
        }
    }

    /// The id for one purpose, as "partition state". The same purpose gives the same id.
    pub fn uuid(&self, purpose: &str) -> Uuid {
        Builder::from_random_bytes(self.bytes(purpose)).into_uuid()
    }

    /// The serial number of the FAT volume on a member of the system's disks.
    pub fn fat_serial(&self, member: usize) -> u32 {
        let [a, b, c, d, ..] = self.bytes(&format!("fat serial {member}"));
        u32::from_le_bytes([a, b, c, d])
    }

    /// A number for one purpose.
    pub fn number(&self, purpose: &str) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes(purpose);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The time to give to everything made; none means the present.
    pub fn time(&self) -> Option<u64> {
        self.time
    }

    fn bytes(&self, purpose: &str) -> [u8; 16] {
        let digest = Sha256::new()
            .chain_update(&self.seed)
            .chain_update([0])
            .chain_update(purpose)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_purposes_tell_ids_apart() {
        let one = Ids::seeded("one", 0);
        assert_eq!(one.uuid("disk"), Ids::seeded("one", 9).uuid("disk"));
        assert_ne!(one.uuid("disk"), one.uuid("partition state"));
        assert_ne!(one.uuid("disk"), Ids::seeded("two", 0).uuid("disk"));
        assert_ne!(Ids::random().uuid("disk"), Ids::random().uuid("disk"));
        assert_eq!(one.uuid("disk").get_version_num(), 4);
    }
}
