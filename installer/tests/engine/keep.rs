//! Reinstallations that keep recordings: not a byte of them changes, whatever happens.

use std::path::Path;

use vigie_disk::device::read_vec;
use vigie_disk::table::{Partition, Table};
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, SectorSize};
use vigie_installer::progress::Silent;
use vigie_installer::{Answers, Ids};

use crate::support::{BUILT, SECTORS, Setup, answers, inventory, planned, volume_of};

pub const KEEP: &str = "[target]\nserial = \"S0\"\nkeep = \"data\"\n[system]\nhostname = \"new\"\n";
pub const KEEP_ALL: &str = "[target]\nserial = \"S0\"\nkeep = \"data-and-state\"\n";
pub const KEEP_GROWN: &str = "[target]\nserial = \"S0\"\nkeep = \"data\"\ngrow = true\n";

pub fn entry(disk: &dyn BlockDevice, name: &str) -> Option<Partition> {
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

/// An installed disk with recordings.
pub fn recorded(setup: &Setup, size: Bytes, sector: SectorSize) -> MemoryDevice {
    let mut disk = MemoryDevice::new(size, sector);
    install(setup, &answers(), &mut [&mut disk], "old");
    record(&mut disk, "data-1");
    disk
}

/// Puts recordings onto a partition: bytes that no file system would put there.
pub fn record(disk: &mut MemoryDevice, name: &str) {
    let start = entry(disk, name).unwrap().offset(disk.sector_size());
    let pattern: Vec<u8> = (0..4 << 20_u32)
        .map(|at: u32| (at.wrapping_mul(48_271) >> 9) as u8)
        .collect();
    for at in [Bytes::mib(600), Bytes::mib(900)] {
        disk.write_at(start + at, &pattern).unwrap();
    }
}

/// The same on a larger disk, as a logical volume is enlarged.
pub fn enlarged(small: &MemoryDevice, size: Bytes) -> MemoryDevice {
    let mut large = MemoryDevice::new(size, small.sector_size());
    for at in (0..small.size().get()).step_by(1 << 20) {
        let length = (small.size().get() - at).min(1 << 20);
        let bytes = read_vec(small, Bytes::new(at), length as usize).unwrap();
        if bytes.iter().any(|byte| *byte != 0) {
            large.write_at(Bytes::new(at), &bytes).unwrap();
        }
    }
    large
}

/// Installs onto disks that stand in the order of the answers; nothing is
/// written to those at the end of which all is kept.
pub fn install(setup: &Setup, answers: &Answers, disks: &mut [&mut dyn BlockDevice], seed: &str) {
    let plan = planned(answers, &inventory(disks), &setup.payload);
    let ids = Ids::seeded(seed, BUILT);
    setup
        .execute(answers, &plan, &ids, disks, &mut Silent)
        .unwrap();
}

/// The settings on a copied state volume, which is removed.
pub fn settings_of(setup: &Setup, state: &Path) -> vigie_settings::Settings {
    let text = crate::support::run(
        &setup.tools,
        "debugfs",
        &["-R", "cat lib/vigie/settings/current.3.toml"],
        state,
    );
    std::fs::remove_file(state).unwrap();
    vigie_settings::Settings::from_text(&text).unwrap()
}

fn settings(setup: &Setup, disk: &mut MemoryDevice, into: &Path) -> vigie_settings::Settings {
    settings_of(setup, &volume_of(disk, "state", into))
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
        let keep = Answers::parse(KEEP).unwrap();
        install(&setup, &keep, &mut [&mut disk], "new");
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
    let keep = Answers::parse(KEEP_ALL).unwrap();
    install(&setup, &keep, &mut [&mut disk], "new");
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
    let mut large = enlarged(&small, Bytes::gb(20));
    let keep = Answers::parse(KEEP_GROWN).unwrap();
    install(&setup, &keep, &mut [&mut large], "new");
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
