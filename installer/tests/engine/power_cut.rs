//! Power cuts at every write of an installation (DESIGN section 7).

use vigie_disk::device::record::{Recorder, Sequence};
use vigie_disk::table::Table;
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, SectorSize, crash};
use vigie_installer::plan::plan as plan_of;
use vigie_installer::progress::Silent;
use vigie_installer::{Answers, Ids};

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
        crash::tell(
            states,
            &format!("of an installation: {alive} start, {dead} do not"),
        );
        assert!(dead > 50 && alive > 5);
    }
}

/// A rule takes empty disks only. A new disk whose installation was cut is still one, so that the
/// factory starts it again with the same answers; it is refused only where all but the finish was done.
#[test]
fn an_installation_that_was_cut_is_made_again_by_the_same_rule() {
    let Some(setup) = Setup::new(3 << 20, 1 << 20) else {
        return;
    };
    let answers = Answers::parse("[target]\nsize_min = \"1GB\"\n").unwrap();
    let blank = MemoryDevice::new(Bytes::gb(8), SectorSize::S512);
    let mut recorder = Recorder::new(blank.clone());
    let plan = planned(&answers, &inventory(&mut [&mut recorder]), &setup.payload);
    let ids = Ids::seeded("cut", BUILT);
    setup
        .execute(&answers, &plan, &ids, &mut [&mut recorder], &mut Silent)
        .unwrap();
    let (new, log) = recorder.finish();
    let new = inside(&new);
    let mut refused = 0;
    let states = crash::enumerate::<vigie_disk::Error>(&blank, &log, |cut, disk| {
        let mut disk = disk.clone();
        let found = inventory(&mut [&mut disk]);
        if plan_of(&answers, &found, setup.payload.manifest()).is_err() {
            assert!(inside(&disk) == new, "{cut:?} is refused");
            refused += 1;
        }
        Ok(())
    })
    .unwrap();
    crash::tell(
        states,
        &format!("of an installation by a rule: {refused} are refused the next time"),
    );
    assert!(states > 500 && refused > 0 && refused < states / 20);
}

/// The same over two mirrored disks: whichever of them still starts something
/// starts the old system or the new one, whole.
#[test]
fn no_cut_leaves_a_mirror_that_half_boots() {
    let Some(setup) = Setup::new(2 << 20, 1 << 20) else {
        return;
    };
    let answers = Answers::parse(
        "[target]\nraid = \"raid1\"\nerase = true\n\
         disks = [{ serial = \"S0\" }, { serial = \"S1\" }]\n",
    )
    .unwrap();
    let install = |disks: &mut [&mut dyn BlockDevice], seed: &str| {
        let plan = planned(&answers, &inventory(disks), &setup.payload);
        let ids = Ids::seeded(seed, BUILT);
        setup
            .execute(&answers, &plan, &ids, disks, &mut Silent)
            .unwrap();
    };
    let blank = || MemoryDevice::new(Bytes::gb(8), SectorSize::S512);
    let mut old = [blank(), blank()];
    let [one, other] = &mut old;
    install(&mut [one, other], "old");
    let sequence = Sequence::default();
    let mut recorders = old.clone().map(|disk| Recorder::sharing(disk, &sequence));
    let [one, other] = &mut recorders;
    install(&mut [one, other], "new");
    let logs = recorders.map(Recorder::finish_numbered);
    let new = logs.each_ref().map(|(disk, _)| inside(disk));
    let was = old.each_ref().map(inside);
    let recorded: Vec<_> = old.into_iter().zip(logs.map(|(_, log)| log)).collect();
    let (mut states, mut alive) = (0, 0);
    crash::enumerate_all::<vigie_disk::Error>(&recorded, |at, cut, disks| {
        states += 1;
        for (number, disk) in disks.iter().enumerate() {
            if looks_bootable(disk) {
                let found = inside(disk);
                let whole = found == was[number] || found == new[number];
                assert!(whole, "disk {number} half-boots after {cut:?} of disk {at}");
                alive += 1;
            }
        }
        Ok(())
    })
    .unwrap();
    crash::tell(
        states,
        &format!("of an installation onto two disks: in {alive} a disk starts"),
    );
    assert!(states > 500 && alive > 20);
}
