//! Disks that fail while they are installed again: what is kept stays, and what
//! is left starts nothing, or the old system, or the new one.

use vigie_disk::device::faulty::{Fault, Faulty};
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, SectorSize};
use vigie_installer::progress::Silent;
use vigie_installer::{Answers, Ids};

use crate::keep::{KEEP, KEEP_ALL, entry, recorded};
use crate::keep_cuts::Kept;
use crate::power_cut::inside;
use crate::support::{BUILT, Setup, inventory, planned};

/// A reinstallation and what it must keep.
struct Trial {
    setup: Setup,
    answers: Answers,
    old: MemoryDevice,
    kept: Vec<Kept>,
}

impl Trial {
    fn new(answers: &str, stays: &[&'static str]) -> Option<Self> {
        let setup = Setup::new(1 << 20, 1 << 20)?;
        let old = recorded(&setup, Bytes::gb(8), SectorSize::S512);
        Some(Self {
            answers: Answers::parse(answers).unwrap(),
            kept: stays.iter().map(|name| Kept::on(&old, name)).collect(),
            setup,
            old,
        })
    }

    /// With faults: the disk afterwards, what was said, and how much was done to it.
    fn install(&self, faults: Vec<Fault>) -> (MemoryDevice, Result<(), String>, u64) {
        let mut healthy = self.old.clone();
        let found = inventory(&mut [&mut healthy]);
        let plan = planned(&self.answers, &found, &self.setup.payload);
        let what = format!("{faults:?}");
        let mut disk = Faulty::new(healthy, faults);
        let ids = Ids::seeded("faults", BUILT);
        let disks: &mut [&mut dyn BlockDevice] = &mut [&mut disk];
        let setup = &self.setup;
        let outcome = setup.execute(&self.answers, &plan, &ids, disks, &mut Silent);
        let (count, disk) = (disk.count(None), disk.into_inner());
        self.kept.iter().for_each(|one| one.check(&disk, &what));
        (disk, outcome.map_err(|error| format!("{error:#}")), count)
    }
}

#[test]
fn an_error_at_any_point_costs_nothing_that_is_kept() {
    for (answers, stays) in [(KEEP, &["data-1"][..]), (KEEP_ALL, &["state", "data-1"])] {
        let Some(trial) = Trial::new(answers, stays) else {
            return;
        };
        let (whole, outcome, count) = trial.install(Vec::new());
        outcome.unwrap();
        let (old, new) = (inside(&trial.old), inside(&whole));
        // The first operations change the table, the last ones do so again.
        let points = (0..count)
            .step_by(31)
            .chain(0..count.min(14))
            .chain(count.saturating_sub(14)..count);
        let mut failed = 0;
        for point in points {
            for fault in [Fault::Fails(None, point), Fault::Vanishes(point)] {
                let (disk, outcome, _) = trial.install(vec![fault]);
                let starts = entry(&disk, "vigie-esp").is_some();
                let found = inside(&disk);
                let whole = found == new || found == old;
                assert!(!starts || whole, "{fault:?} half-boots");
                match outcome {
                    Ok(()) => assert!(found == new, "{fault:?} is passed over"),
                    Err(said) => {
                        assert!(said.contains("memory"), "{fault:?}: {said}");
                        failed += 1;
                    }
                }
            }
        }
        println!("{failed} failures of {count} operations were told");
        assert!(failed > 20);
    }
}

/// Where something is made they are told; what is kept is not even read.
#[test]
fn bad_blocks_cost_nothing_that_is_kept() {
    let Some(trial) = Trial::new(KEEP, &["data-1"]) else {
        return;
    };
    let found = inventory(&mut [&mut trial.old.clone()]);
    let plan = planned(&trial.answers, &found, &trial.setup.payload);
    for part in plan.system().partitions.parts() {
        let bad = Fault::BadBlocks {
            start: part.offset + Bytes::kib(4),
            length: Bytes::kib(64),
        };
        let (disk, outcome, _) = trial.install(vec![bad]);
        let name = part.purpose.name();
        let starts = entry(&disk, "vigie-esp").is_some();
        assert_eq!(outcome.is_ok(), !part.origin.is_new(), "{name}");
        assert_eq!(starts, outcome.is_ok(), "{name}");
    }
}
