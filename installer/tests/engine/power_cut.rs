//! Power cuts at every write of an installation (DESIGN section 7).

use vigie_disk::device::record::Recorder;
use vigie_disk::table::Table;
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, crash};
use vigie_installer::Ids;
use vigie_installer::progress::Silent;

use crate::support::{BUILT, SECTORS, Setup, answers, inventory, planned};

/// Everything between the first and the last MiB, where tables and boot code lie.
pub fn inside(disk: &MemoryDevice) -> MemoryDevice {
    let mut disk = disk.clone();
    let edge = Bytes::MIB;
    disk.zero(Bytes::ZERO, edge).unwrap();
    disk.zero(disk.size() - edge, edge).unwrap();
    disk
}

pub fn looks_bootable(disk: &MemoryDevice) -> bool {
    let first = vigie_disk::device::read_vec(disk, Bytes::ZERO, 512).unwrap();
    let has_table = !matches!(Table::read(disk), Ok(None));
    has_table || first[..440].iter().any(|byte| *byte != 0)
}

/// DESIGN section 7 over an installation: at every cut the disk is the old
/// system untouched, or plainly not bootable, or the new system complete.
#[test]
fn no_cut_leaves_a_disk_that_half_boots() {
    for sector in SECTORS {
        let Some(setup) = Setup::new(3 << 20, 1 << 20) else {
            return;
        };
        let blank = MemoryDevice::new(Bytes::gb(8), sector);
        let answers = answers();
        let install = |disk: &mut dyn BlockDevice, seed: &str| {
            let plan = planned(&answers, &inventory(&mut [&mut *disk]), &setup.payload);
            let ids = Ids::seeded(seed, BUILT);
            setup
                .execute(&answers, &plan, &ids, &mut [disk], &mut Silent)
                .unwrap();
        };
        let mut old = blank;
        install(&mut old, "old");
        let mut recorder = Recorder::new(old.clone());
        install(&mut recorder, "new");
        let (new, log) = recorder.finish();
        let (old_inside, new_inside) = (inside(&old), inside(&new));
        assert!(old_inside != new_inside && looks_bootable(&new));
        let (mut dead, mut alive) = (0, 0);
        let states = crash::enumerate::<vigie_disk::Error>(&old, &log, |cut, disk| {
            if looks_bootable(disk) {
                let found = inside(disk);
                assert!(
                    found == old_inside || found == new_inside,
                    "{cut:?} half-boots"
                );
                alive += 1;
            } else {
                dead += 1;
            }
            Ok(())
        })
        .unwrap();
        println!(
            "{states} states of {} operations: {alive} bootable, {dead} not",
            log.len()
        );
        assert!(dead > 50 && alive > 5);
    }
}
