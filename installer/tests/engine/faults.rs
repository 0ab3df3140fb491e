//! Disks that fail: the installation says so, and what is left starts nothing
//! or the whole system.

use vigie_disk::device::faulty::{Fault, Faulty, Kind};
use vigie_disk::device::read_vec;
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, SectorSize};
use vigie_installer::payload::Role;
use vigie_installer::progress::{Event, Phase, Progress, Silent};
use vigie_installer::{Answers, Ids};

use crate::power_cut::{inside, looks_bootable};
use crate::support::{BUILT, Setup, answers, inventory, planned};

const SIZE: Bytes = Bytes::gb(8);

fn blank() -> MemoryDevice {
    MemoryDevice::new(SIZE, SectorSize::S512)
}

/// Installs onto a disk with faults: the disk afterwards, and what was said.
fn install(setup: &Setup, faults: Vec<Fault>) -> (MemoryDevice, Result<(), String>, u64) {
    let answers = answers();
    let mut healthy = blank();
    let plan = planned(&answers, &inventory(&mut [&mut healthy]), &setup.payload);
    let mut disk = Faulty::new(healthy, faults);
    let ids = Ids::seeded("faults", BUILT);
    let outcome = setup.execute(&answers, &plan, &ids, &mut [&mut disk], &mut Silent);
    let count = disk.count(None);
    (
        disk.into_inner(),
        outcome.map_err(|error| format!("{error:#}")),
        count,
    )
}

#[test]
fn an_error_at_any_point_ends_the_installation() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    let (whole, outcome, count) = install(&setup, Vec::new());
    outcome.unwrap();
    let whole = inside(&whole);
    // A prime stride meets every kind of step; the last operations are tried one by one.
    let points = (0..count)
        .step_by(31)
        .chain(count.saturating_sub(14)..count);
    let mut failed = 0;
    for point in points {
        for fault in [Fault::Fails(None, point), Fault::Vanishes(point)] {
            let (disk, outcome, _) = install(&setup, vec![fault]);
            let bootable = looks_bootable(&disk);
            assert!(!bootable || inside(&disk) == whole, "{fault:?} half-boots");
            if let Err(said) = outcome {
                assert!(
                    said.contains("memory"),
                    "{fault:?} is not told by the disk's name: {said}"
                );
                failed += 1;
            } else {
                assert!(bootable, "{fault:?} is passed over");
            }
        }
    }
    println!("{failed} failures of {count} operations were told");
    assert!(failed > 20);
}

/// The same onto a mirror of two, of which one has faults: both disks afterwards.
fn install_mirror(
    setup: &Setup,
    sick: usize,
    faults: Vec<Fault>,
) -> ([MemoryDevice; 2], Result<(), String>, u64) {
    let answers = Answers::parse(
        "[target]\nraid = \"raid1\"\ndisks = [{ serial = \"S0\" }, { serial = \"S1\" }]\n",
    )
    .unwrap();
    let [mut one, mut other] = [blank(), blank()];
    let inventory = inventory(&mut [&mut one, &mut other]);
    let plan = planned(&answers, &inventory, &setup.payload);
    let mut faults = [faults, Vec::new()];
    if sick == 1 {
        faults.reverse();
    }
    let [first, second] = faults;
    let (mut one, mut other) = (Faulty::new(one, first), Faulty::new(other, second));
    let ids = Ids::seeded("faults", BUILT);
    let disks: &mut [&mut dyn BlockDevice] = &mut [&mut one, &mut other];
    let outcome = setup.execute(&answers, &plan, &ids, disks, &mut Silent);
    let count = [&one, &other][sick].count(None);
    let disks = [one.into_inner(), other.into_inner()];
    (disks, outcome.map_err(|error| format!("{error:#}")), count)
}

/// Whichever member fails, and wherever: it is told, and neither disk starts half a system.
#[test]
fn an_error_of_either_member_ends_the_installation_of_a_mirror() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    for sick in [0, 1] {
        let (whole, outcome, count) = install_mirror(&setup, sick, Vec::new());
        outcome.unwrap();
        let whole = whole.each_ref().map(inside);
        let points = (0..count).step_by(61).chain(count.saturating_sub(9)..count);
        let mut failed = 0;
        for point in points {
            for fault in [Fault::Fails(None, point), Fault::Vanishes(point)] {
                let (disks, outcome, _) = install_mirror(&setup, sick, vec![fault]);
                for (number, disk) in disks.iter().enumerate() {
                    let starts = looks_bootable(disk);
                    assert!(
                        !starts || inside(disk) == whole[number],
                        "{fault:?} of disk {sick}: disk {number} half-boots"
                    );
                    assert!(starts || outcome.is_err(), "{fault:?} is passed over");
                }
                failed += usize::from(outcome.is_err());
            }
        }
        println!("{failed} failures of {count} operations of member {sick} were told");
        assert!(failed > 20);
    }
}

/// The first MiB in which two disks differ.
fn first_difference(one: &MemoryDevice, other: &MemoryDevice) -> Option<u64> {
    (0..SIZE.get() >> 20).find(|at| {
        let read = |disk: &MemoryDevice| read_vec(disk, Bytes::mib(*at), 1 << 20).unwrap();
        read(one) != read(other)
    })
}

#[test]
fn bad_blocks_and_lost_writes_are_found() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    let answers = answers();
    let plan = planned(&answers, &inventory(&mut [&mut blank()]), &setup.payload);
    for part in plan.system().partitions.parts() {
        let name = part.purpose.name();
        let bad = Fault::BadBlocks {
            start: part.offset + Bytes::kib(4),
            length: Bytes::kib(64),
        };
        let (disk, outcome, _) = install(&setup, vec![bad]);
        outcome.expect_err(&name);
        assert!(!looks_bootable(&disk), "{name}");
    }
    let (_, outcome, _) = install(&setup, Vec::new());
    outcome.unwrap();
    let writes = {
        let mut disk = Faulty::new(blank(), Vec::new());
        let ids = Ids::seeded("faults", BUILT);
        setup
            .execute(&answers, &plan, &ids, &mut [&mut disk], &mut Silent)
            .unwrap();
        disk.count(Some(Kind::Write))
    };
    let whole = inside(&install(&setup, Vec::new()).0);
    let (mut told, mut harmless) = (0, 0);
    for point in (0..writes)
        .step_by(11)
        .chain(writes.saturating_sub(6)..writes)
    {
        let (disk, outcome, _) = install(&setup, vec![Fault::DropsWrite(point)]);
        match outcome {
            Err(_) => {
                told += 1;
                assert!(
                    !looks_bootable(&disk) || inside(&disk) == whole,
                    "write {point} half-boots"
                );
            }
            // Bytes that were there already, or a copy of the table that has another.
            Ok(()) => {
                harmless += 1;
                let differs = first_difference(&inside(&disk), &whole);
                assert_eq!(differs, None, "write {point} is lost and not missed");
            }
        }
    }
    println!("{told} lost writes were told, {harmless} changed nothing");
    assert!(told > 5);
}

#[test]
fn a_disk_that_is_smaller_than_it_says_is_refused() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    for fault in [Fault::Wraps(Bytes::gib(4)), Fault::Loses(Bytes::gb(6))] {
        let (disk, outcome, _) = install(&setup, vec![fault]);
        let said = outcome.unwrap_err();
        assert!(said.starts_with("clearing the disks: "), "{said}");
        assert!(!looks_bootable(&disk));
    }
}

/// A volume that was right when it was read back is not, in the end: at these sizes no mark of
/// the check of the size shows that addresses wrap, and a later write has landed on it.
#[test]
fn a_disk_that_wraps_at_an_odd_size_is_found_out() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    let plan = planned(&answers(), &inventory(&mut [&mut blank()]), &setup.payload);
    let start = |name: &str| {
        let parts = plan.system().partitions.parts();
        let part = parts.iter().find(|part| part.purpose.name() == name);
        part.unwrap().offset
    };
    // The last copy of the superblock of the data volume, in its group 27.
    let copy = start("data-1") + Bytes::mib(27 * 128);
    let table = SIZE - Bytes::new(512 * 33);
    for (hit, size) in [
        ("vigie-esp", copy - start("vigie-esp") - Bytes::kib(512)),
        ("state", copy - start("state")),
        ("data-1", copy - start("system-a")),
        ("state", table - start("state") - Bytes::kib(4)),
    ] {
        let (disk, outcome, _) = install(&setup, vec![Fault::Wraps(size)]);
        let said = outcome.expect_err(hit);
        let expected = "making the disk bootable: looking at the volumes again: ";
        let about = format!("{hit} on disk in memory does not hold any more");
        assert!(
            said.starts_with(expected) && said.contains(&about),
            "{said}"
        );
        assert!(!looks_bootable(&disk), "{hit}");
    }
}

/// Changes a file of the payload when a phase ends; notes which phases have ended.
struct Changes {
    file: std::path::PathBuf,
    after: Phase,
    ended: Vec<Phase>,
}

impl Progress for Changes {
    fn event(&mut self, event: &Event) {
        if event.done < event.total {
            return;
        }
        self.ended.push(event.phase);
        if event.phase == self.after {
            let mut bytes = std::fs::read(&self.file).unwrap();
            bytes[200] ^= 1;
            std::fs::write(&self.file, bytes).unwrap();
        }
    }
}

/// The check of the medium is long past when its files are used.
#[test]
fn a_medium_that_changes_its_mind_is_found_out() {
    for (role, after) in [
        (Role::Shim, Phase::Check),
        (Role::Mok, Phase::Clear),
        (Role::GrubCfg, Phase::Clear),
        (Role::Boot, Phase::Data),
        (Role::System, Phase::Boot),
        (Role::BiosCore, Phase::System),
        (Role::BiosBoot, Phase::System),
    ] {
        let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
            return;
        };
        let answers = answers();
        let mut disk = blank();
        let plan = planned(&answers, &inventory(&mut [&mut disk]), &setup.payload);
        let mut changes = Changes {
            file: setup.payload.path(role).unwrap(),
            after,
            ended: Vec::new(),
        };
        let ids = Ids::seeded("changes", BUILT);
        let outcome = setup.execute(&answers, &plan, &ids, &mut [&mut disk], &mut changes);
        let said = format!("{:#}", outcome.unwrap_err());
        let about_it = said.contains("is damaged") && said.contains(role.file_name())
            || said.contains("the image is not what its list says");
        assert!(about_it, "{role:?}: {said}");
        let finished = changes.ended.contains(&Phase::Finish);
        assert!(!finished && !looks_bootable(&disk), "{role:?}");
    }
}
