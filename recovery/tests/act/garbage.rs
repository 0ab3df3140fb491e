//! Damage of any kind: what is said may be wrong, but something is said.

use std::fs;

use proptest::prelude::{ProptestConfig, Strategy, any, proptest};
use proptest::test_runner::FileFailurePersistence;

use crate::support::Bench;

/// A bit is turned, or so many bytes are overwritten; where, in millionths of the volume, or of its
/// first 8 KiB.
#[derive(Clone, Debug)]
struct Damage {
    partition: usize,
    near_begin: bool,
    at: u32,
    length: usize,
    byte: u8,
}

fn damage() -> impl Strategy<Value = Damage> {
    let fields = (
        2_usize..9,
        any::<bool>(),
        0_u32..1_000_000,
        0_usize..600,
        any::<u8>(),
    );
    fields.prop_map(|(partition, near_begin, at, length, byte)| Damage {
        partition,
        near_begin,
        at,
        length,
        byte,
    })
}

fn spoil(bytes: &mut [u8], damage: &Damage) {
    let range = if damage.near_begin {
        8192.min(bytes.len())
    } else {
        bytes.len()
    };
    let at = (range as u64 * u64::from(damage.at) / 1_000_000) as usize;
    match damage.length {
        0 => bytes[at] ^= 1 << (damage.byte & 7),
        length => {
            let end = (at + length).min(bytes.len());
            bytes[at..end].fill(damage.byte);
        }
    }
}

#[test]
fn nothing_that_is_on_a_disk_makes_an_inventory_panic() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", "11111111-1111-4111-8111-111111111111");
    // Both slots are filled.
    for (from, to) in [(3, 4), (5, 6)] {
        fs::copy(
            bench.path(&format!("dev/sda{from}")),
            bench.path(&format!("dev/sda{to}")),
        )
        .unwrap();
    }
    let whole: Vec<Vec<u8>> = (1..9)
        .map(|number| fs::read(bench.path(&format!("dev/sda{number}"))).unwrap())
        .collect();
    let cases = std::env::var("VIGIE_REPAIR_SEEDS").ok();
    let config = ProptestConfig {
        cases: cases.map_or(24, |text| text.parse().unwrap()),
        failure_persistence: None::<Box<FileFailurePersistence>>.map(|one| one as _),
        ..ProptestConfig::default()
    };
    proptest!(config, |(damages in proptest::collection::vec(damage(), 1..12))| {
        let mut touched = Vec::new();
        for one in &damages {
            let path = bench.path(&format!("dev/sda{}", one.partition));
            let mut bytes = fs::read(&path).unwrap();
            spoil(&mut bytes, one);
            fs::write(&path, bytes).unwrap();
            touched.push(one.partition);
        }
        let mut found = bench.inventory();
        for installation in &mut found.installations {
            bench.verify(installation);
        }
        assert_eq!(found.installations.len(), 1);
        assert!(serde_json::to_string(&found).is_ok());
        for partition in touched {
            let path = bench.path(&format!("dev/sda{partition}"));
            fs::write(path, &whole[partition - 1]).unwrap();
        }
    });
}
