//! Reinstallations that keep recordings: not a byte of them changes, whatever happens.

use std::path::Path;

use vigie_disk::device::read_vec;
use vigie_disk::device::record::Recorder;
use vigie_disk::table::{Partition, Table};
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, SectorSize, crash};
use vigie_installer::progress::Silent;
use vigie_installer::{Answers, Ids};

use crate::support::{BUILT, SECTORS, Setup, answers, inventory, planned, volume_of};

const KEEP: &str = "[target]\nserial = \"S0\"\nkeep = \"data\"\n[system]\nhostname = \"new\"\n";
const KEEP_ALL: &str = "[target]\nserial = \"S0\"\nkeep = \"data-and-state\"\n";
const KEEP_GROWN: &str = "[target]\nserial = \"S0\"\nkeep = \"data\"\ngrow = true\n";

fn entry(disk: &dyn BlockDevice, name: &str) -> Option<Partition> {
    let table = Table::read(disk).ok()??;
    table.partitions.into_values().find(|one| one.name == name)
}

/// The places of a partition at which recordings lie in these tests, and its ends.
fn samples(disk: &MemoryDevice, name: &str) -> Vec<Vec<u8>> {
    let sector = disk.sector_size();
    let part = entry(disk, name).unwrap();
    let (start, length) = (part.offset(sector), part.length(sector));
    let places = [
        Bytes::ZERO,
        Bytes::mib(600),
        Bytes::mib(900),
        length - Bytes::mib(4),
    ];
    places
        .map(|at| read_vec(disk, start + at, 4 << 20).unwrap())
        .to_vec()
}

/// An installed disk with recordings: bytes that no file system would put there.
fn recorded(setup: &Setup, size: Bytes, sector: SectorSize) -> MemoryDevice {
    let mut disk = MemoryDevice::new(size, sector);
    install(setup, &answers(), &mut disk, "old");
    let start = entry(&disk, "data-1").unwrap().offset(sector);
    let pattern: Vec<u8> = (0..4 << 20_u32)
        .map(|at: u32| (at.wrapping_mul(48_271) >> 9) as u8)
        .collect();
    for at in [Bytes::mib(600), Bytes::mib(900)] {
        disk.write_at(start + at, &pattern).unwrap();
    }
    disk
}

fn install(setup: &Setup, answers: &Answers, disk: &mut dyn BlockDevice, seed: &str) {
    let plan = planned(answers, &inventory(&mut [&mut *disk]), &setup.payload);
    let ids = Ids::seeded(seed, BUILT);
    setup
        .execute(answers, &plan, &ids, &mut [disk], &mut Silent)
        .unwrap();
}

fn settings(setup: &Setup, disk: &mut MemoryDevice, into: &Path) -> vigie_settings::Settings {
    let state = volume_of(disk, "state", into);
    let text = crate::support::run(
        &setup.tools,
        "debugfs",
        &["-R", "cat lib/vigie/settings/current.2.toml"],
        &state,
    );
    std::fs::remove_file(state).unwrap();
    vigie_settings::Settings::from_text(&text).unwrap()
}

#[test]
fn recordings_stay_and_the_system_is_new() {
    for sector in SECTORS {
        let Some(setup) = Setup::new(2 << 20, 1 << 20) else {
            return;
        };
        let folder = setup.folder.path();
        let mut disk = recorded(&setup, Bytes::gb(8), sector);
        let before = (samples(&disk, "data-1"), entry(&disk, "data-1").unwrap());
        let old = settings(&setup, &mut disk, folder);
        install(&setup, &Answers::parse(KEEP).unwrap(), &mut disk, "new");
        let after = (samples(&disk, "data-1"), entry(&disk, "data-1").unwrap());
        assert!(before == after);
        let new = settings(&setup, &mut disk, folder);
        assert_eq!(new.system.hostname.as_str(), "new");
        assert_eq!(new.volumes, old.volumes, "the volume is still the same one");
        for name in ["state", "data-1"] {
            let volume = volume_of(&mut disk, name, folder);
            crate::support::run(&setup.tools, "e2fsck", &["-fn"], &volume);
            std::fs::remove_file(volume).unwrap();
        }
    }
}

#[test]
fn settings_stay_too_when_asked() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    let mut disk = recorded(&setup, Bytes::gb(8), SectorSize::S512);
    let look = |disk: &MemoryDevice| (samples(disk, "data-1"), samples(disk, "state"));
    let (before, esp) = (look(&disk), entry(&disk, "vigie-esp").unwrap());
    install(&setup, &Answers::parse(KEEP_ALL).unwrap(), &mut disk, "new");
    assert!(before == look(&disk));
    assert_ne!(esp.guid, entry(&disk, "vigie-esp").unwrap().guid);
    assert_eq!(
        settings(&setup, &mut disk, setup.folder.path())
            .system
            .hostname
            .as_str(),
        "nvr-7"
    );
}

#[test]
fn a_volume_grows_into_an_enlarged_disk() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    let small = recorded(&setup, Bytes::gb(8), SectorSize::S512);
    let old = entry(&small, "data-1").unwrap();
    let mut large = MemoryDevice::new(Bytes::gb(20), SectorSize::S512);
    for at in (0..small.size().get()).step_by(1 << 20) {
        let length = (small.size().get() - at).min(1 << 20);
        let bytes = read_vec(&small, Bytes::new(at), length as usize).unwrap();
        if bytes.iter().any(|byte| *byte != 0) {
            large.write_at(Bytes::new(at), &bytes).unwrap();
        }
    }
    install(
        &setup,
        &Answers::parse(KEEP_GROWN).unwrap(),
        &mut large,
        "new",
    );
    let new = entry(&large, "data-1").unwrap();
    assert_eq!(
        (new.first, new.guid, new.kind),
        (old.first, old.guid, old.kind)
    );
    assert!(new.length(SectorSize::S512) > old.length(SectorSize::S512) + Bytes::gb(11));
    // The file system is as it was; the kernel enlarges it when it is mounted.
    let volume = volume_of(&mut large, "data-1", setup.folder.path());
    crate::support::run(&setup.tools, "e2fsck", &["-fn"], &volume);
}

/// At every cut the recordings are whole and their partition is in a table; the
/// disk starts the old system, or the new one, or nothing, and can be installed again.
#[test]
fn no_cut_loses_what_is_kept() {
    let Some(setup) = Setup::new(2 << 20, 1 << 20) else {
        return;
    };
    let sector = SectorSize::S512;
    let old = recorded(&setup, Bytes::gb(8), sector);
    let kept = (samples(&old, "data-1"), entry(&old, "data-1").unwrap());
    let answers = Answers::parse(KEEP).unwrap();
    let mut recorder = Recorder::new(old.clone());
    install(&setup, &answers, &mut recorder, "new");
    let (new, log) = recorder.finish();
    let (old_inside, new_inside) = (
        crate::power_cut::inside(&old),
        crate::power_cut::inside(&new),
    );
    let (mut dead, mut alive, mut cut_short) = (0, 0, None);
    let states = crash::enumerate::<vigie_disk::Error>(&old, &log, |cut, disk| {
        let found = entry(disk, "data-1");
        assert_eq!(found.as_ref(), Some(&kept.1), "{cut:?} loses the partition");
        assert!(
            samples(disk, "data-1") == kept.0,
            "{cut:?} changes recordings"
        );
        let first = read_vec(disk, Bytes::ZERO, 440).unwrap();
        let starts = entry(disk, "vigie-esp").is_some();
        if starts {
            let inside = crate::power_cut::inside(disk);
            assert!(
                inside == old_inside || inside == new_inside,
                "{cut:?} half-boots"
            );
            alive += 1;
        } else {
            // The first sector is the last of the old table to go and of the new to come.
            let old_code = read_vec(&old, Bytes::ZERO, 440).unwrap();
            assert!(
                first.iter().all(|byte| *byte == 0) || first == old_code,
                "{cut:?}"
            );
            dead += 1;
            cut_short = Some(disk.clone());
        }
        Ok(())
    })
    .unwrap();
    crash::tell(
        states,
        &format!("of an installation over recordings: {alive} start, {dead} do not"),
    );
    assert!(dead > 50 && alive > 5);

    let mut disk = cut_short.unwrap();
    assert_eq!(Table::read(&disk).unwrap().unwrap().partitions.len(), 1);
    install(&setup, &answers, &mut disk, "again");
    assert!((samples(&disk, "data-1"), entry(&disk, "data-1").unwrap()) == kept);
    assert!(entry(&disk, "system-b").is_some());
}
