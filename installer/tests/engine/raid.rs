//! Installations onto arrays: what lies on the members is what the kernel would assemble.

use std::path::PathBuf;

use vigie_disk::md::{Array, Superblock};
use vigie_disk::table::Table;
use vigie_disk::{BlockDevice, Bytes, FileDevice, MemoryDevice, Region, SectorSize};
use vigie_installer::payload::Role;
use vigie_installer::plan::plan;
use vigie_installer::progress::Silent;
use vigie_installer::{Answers, Ids};

use crate::support::{BUILT, Setup, copy_out, inventory, run, volume_of};

/// Copies what an array over partitions of these disks holds into a file.
pub fn array_of(disks: &mut [MemoryDevice], name: &str, setup: &Setup) -> PathBuf {
    let members = disks.iter_mut().map(|disk| {
        let sector = disk.sector_size();
        let table = Table::read(disk).unwrap().unwrap();
        let part = table
            .partitions
            .values()
            .find(|one| one.name == name)
            .unwrap();
        let (offset, length) = (part.offset(sector), part.length(sector));
        let region = Region::new(disk, name, offset, length).unwrap();
        let superblock = Superblock::read(&region).unwrap().unwrap();
        assert_eq!(superblock.name, name);
        (superblock, region)
    });
    let array = Array::open(members.collect()).unwrap();
    let path = setup.folder.path().join(format!("array-{name}"));
    let _ = std::fs::remove_file(&path);
    copy_out(&array, &path);
    path
}

fn install(setup: &Setup, answers: &str, disks: &mut [MemoryDevice], seed: &str) {
    let answers = Answers::parse(answers).unwrap();
    let mut devices: Vec<&mut dyn BlockDevice> = disks
        .iter_mut()
        .map(|disk| disk as &mut dyn BlockDevice)
        .collect();
    let inventory = inventory(&mut devices);
    let plan = plan(&answers, &inventory, setup.payload.manifest()).unwrap();
    let ids = Ids::seeded(seed, BUILT);
    setup
        .execute(&answers, &plan, &ids, &mut devices, &mut Silent)
        .unwrap();
}

/// `disks = [...]` of an array over the disks S`first` and so on.
fn members(first: usize, count: usize) -> String {
    let named = (first..first + count).map(|at| format!("{{ serial = \"S{at}\" }}"));
    format!("disks = [{}]\n", named.collect::<Vec<_>>().join(", "))
}

/// Whatever the level of the rest, each member starts the machine alone.
#[test]
fn a_system_on_an_array_is_whole_on_each_member() {
    let Some(setup) = Setup::new(3 << 20, 1 << 20) else {
        return;
    };
    for (level, count) in [("raid1", 2), ("raid5", 3), ("raid6", 4), ("raid10", 4)] {
        system_on(&setup, level, count);
    }
}

fn system_on(setup: &Setup, level: &str, count: usize) {
    let folder = setup.folder.path();
    let disk = || MemoryDevice::new(Bytes::gb(8), SectorSize::S512);
    let mut disks: Vec<MemoryDevice> = (0..count).map(|_| disk()).collect();
    let answers = format!("[target]\nraid = \"{level}\"\n{}", members(0, count));
    install(setup, &answers, &mut disks, level);
    for name in ["state", "data-1"] {
        run(
            &setup.tools,
            "e2fsck",
            &["-fn"],
            &array_of(&mut disks, name, setup),
        );
    }
    let tables: Vec<Table> = disks
        .iter()
        .map(|disk| Table::read(disk).unwrap().unwrap())
        .collect();
    assert_ne!(
        tables[0].guid, tables[1].guid,
        "no two disks are the same disk"
    );
    for (number, one) in &tables[0].partitions {
        for other in &tables[1..] {
            assert_ne!(one.guid, other.partitions[number].guid);
        }
    }
    for (number, role) in [(3, Role::Boot), (5, Role::System)] {
        for (disk, table) in disks.iter().zip(&tables) {
            let offset = table.partitions[&number].offset(SectorSize::S512);
            let expected = setup.payload.bytes(role).unwrap();
            let found = vigie_disk::device::read_vec(disk, offset, expected.len()).unwrap();
            assert!(
                found == expected,
                "{level}: {role:?} begins where the partition does"
            );
        }
    }
    for disk in &mut disks {
        let esp = volume_of(disk, "vigie-esp", folder);
        run(&setup.tools, "fsck.fat", &["-n"], &esp);
        std::fs::remove_file(esp).unwrap();
        // The state volume must not be taken for a plain one.
        let state = volume_of(disk, "state", folder);
        let plain = FileDevice::open(&state, SectorSize::S512).unwrap();
        assert_eq!(vigie_disk::ext4::Superblock::read(&plain).unwrap(), None);
        std::fs::remove_file(state).unwrap();
    }
}

#[test]
fn striped_volumes_pass_the_check_of_their_file_system() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    for (level, count) in [("raid5", 3), ("raid6", 4), ("raid10", 4)] {
        let sectors = [SectorSize::S512, SectorSize::S4096];
        let mut disks: Vec<MemoryDevice> = (0..=count)
            .map(|at| MemoryDevice::new(Bytes::gb(8), sectors[usize::from(at > 0)]))
            .collect();
        let answers = format!(
            "[target]\nserial = \"S0\"\n[[data]]\nraid = \"{level}\"\n{}",
            members(1, count)
        );
        install(&setup, &answers, &mut disks, level);
        let volume = array_of(&mut disks[1..], "data-2", &setup);
        run(&setup.tools, "e2fsck", &["-fn"], &volume);
        let told = run(&setup.tools, "dumpe2fs", &["-h"], &volume);
        assert!(told.contains("RAID stride:              128"), "{told}");
    }
}
