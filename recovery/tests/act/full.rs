//! A state volume that is filled to its last block, those for root included, and was not unmounted.

use std::fs;

use vigie_disk::ext4::{Health, Superblock};
use vigie_disk::{Bytes, FileDevice, SectorSize};
use vigie_installer::toolbox::Run;
use vigie_recovery::check::{Mode, Silent, Verdict};
use vigie_recovery::state::{self, Mended};

use crate::support::Bench;

const UUID: &str = "11111111-1111-4111-8111-111111111111";

#[test]
fn a_full_state_volume_is_read_preened_and_repaired() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID);
    let path = bench.path("dev/sda7");
    let debugfs = |request: &str| {
        let run = Run::new(&bench.tools, "debugfs", "filling the volume");
        run.args(["-w", "-R", request]).arg(&path).output().unwrap();
    };
    let filler = bench.path("filler");
    fs::write(&filler, vec![0xA5; 8 << 20]).unwrap();
    // It writes what there is room for.
    debugfs(&format!("write {} filler", filler.display()));
    let superblock = || {
        let device = FileDevice::open_read_only(&path, SectorSize::S512).unwrap();
        Superblock::read(&device).unwrap().unwrap()
    };
    assert_eq!(superblock().free, Bytes::ZERO);
    let facts = bench.inventory().installations.remove(0).facts;
    assert_eq!(facts.host.as_deref(), Some("hall"));
    debugfs("feature needs_recovery");
    assert_eq!(superblock().health, Health::NeedsRecovery);
    let ready = || state::ready(&path, &bench.tools, false, Ok(()), &mut Silent);
    let (mended, report) = ready().unwrap();
    assert_eq!(mended, Mended::Preened);
    assert_eq!(report.unwrap().volumes[0].verdict, Verdict::Clean);
    // Damaged in its first group, which the kernel met and marked, it is repaired all the same: without it nothing
    // can be asked for.
    debugfs("ssv state 3");
    let mut damaged = fs::read(&path).unwrap();
    damaged[40 << 10..60 << 10].fill(0xFF);
    fs::write(&path, &damaged).unwrap();
    let (mended, report) = ready().unwrap();
    let report = report.unwrap();
    assert_eq!(mended, Mended::Repaired, "{report:?}");
    assert_eq!(report.mode, Mode::Repair);
    assert!(report.volumes[0].verdict.is_good(), "{report:?}");
}
