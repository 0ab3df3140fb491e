//! Installations into sparse files, looked at with the tools that made other people's disks.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};
use vigie_disk::table::{Table, types};
use vigie_disk::{BlockDevice, Bytes, FileDevice, SectorSize};
use vigie_installer::payload::{Payload, Role};
use vigie_installer::progress::{Event, Phase, Silent};
use vigie_installer::toolbox::{Toolbox, TreeTools};
use vigie_installer::{Ids, install_to_file};
use vigie_update::{BootState, esp};

use crate::support::{
    BUILT, SECTORS, Setup, answers, data_ranges, extract, inventory, payload, planned, run, tools,
};

#[test]
fn an_installed_file_passes_every_checker() {
    let Some(tools) = tools() else { return };
    for sector in SECTORS {
        let dir = tempfile::tempdir().unwrap();
        let payload = payload(dir.path(), 5 << 20, 1 << 20);
        let path = dir.path().join("disk.img");
        let mut events: Vec<Event> = Vec::new();
        let ids = Ids::seeded("test", BUILT);
        let report = install_to_file(
            &answers(),
            &payload,
            &path,
            Bytes::gb(8),
            sector,
            &tools,
            &ids,
            &mut events,
        )
        .unwrap();
        assert_eq!(report.groups[0].partitions.parts().len(), 8);
        assert!(
            fs::metadata(&path).unwrap().blocks() < 80 << 11,
            "not sparse"
        );
        let ended: Vec<Phase> = events
            .iter()
            .filter(|event| event.done == event.total)
            .map(|event| event.phase)
            .collect();
        assert_eq!(ended, Phase::ALL, "each phase ends once, in order");

        let fat = extract(&path, sector, "vigie-esp", dir.path());
        run(&tools, "fsck.fat", &["-n"], &fat);
        let listed = run(
            &tools,
            "mdir",
            &["-b", "-/", "-i", fat.to_str().unwrap()],
            Path::new("::"),
        );
        for file in [
            "EFI/BOOT/BOOTX64.EFI",
            "EFI/BOOT/grubx64.efi",
            "EFI/BOOT/mmx64.efi",
            "EFI/BOOT/grub.cfg",
            "EFI/debian/grub.cfg",
            "grubenv",
            "grubenv2",
        ] {
            assert!(listed.contains(&format!("::/{file}")), "{file} in {listed}");
        }
        let dated = run(
            &tools,
            "mdir",
            &["-/", "-i", fat.to_str().unwrap()],
            Path::new("::"),
        );
        let dates = dated
            .split_whitespace()
            .filter(|word| word.starts_with("20") && word.len() == 10);
        assert!(dates.clone().count() > 5);
        assert!(
            dates.into_iter().all(|date| date == "2025-11-22"),
            "{dated}"
        );
        let device = FileDevice::open(&fat, sector).unwrap();
        assert_eq!(esp::load(&device).unwrap(), BootState::default());

        for name in ["state", "data-1"] {
            let volume = extract(&path, sector, name, dir.path());
            run(&tools, "e2fsck", &["-fn"], &volume);
            let device = FileDevice::open(&volume, sector).unwrap();
            let superblock = vigie_disk::ext4::Superblock::read(&device)
                .unwrap()
                .unwrap();
            assert_eq!(
                (superblock.label.as_str(), superblock.is_ext4),
                (name, true)
            );
            let times = (superblock.last_write, superblock.last_check);
            assert_eq!(times, (BUILT, BUILT), "the clock shows in {name}");
            let told = run(&tools, "dumpe2fs", &["-h"], &volume);
            let kept = 100 * count(&told, "Reserved block count") / count(&told, "Block count");
            // Five hundredths, rounded down.
            assert!(
                if name == "state" {
                    kept == 4 || kept == 5
                } else {
                    kept == 0
                },
                "{name}: {told}"
            );
        }
        check_settings(&tools, &dir.path().join("state"));
        check_table(&path, sector, &payload);
        check_with_host_tools(&path, sector);
    }
}

/// A number that dumpe2fs tells.
fn count(told: &str, name: &str) -> u64 {
    let mut lines = told.lines().filter_map(|line| line.split_once(':'));
    let (_, number) = lines.find(|(found, _)| *found == name).unwrap();
    number.trim().parse().unwrap()
}

/// The first settings: root's, unreadable to others, naming the data volume that is there.
fn check_settings(tools: &TreeTools, state: &Path) {
    let debugfs = |request: &str| run(tools, "debugfs", &["-R", request], state);
    let stat = debugfs("stat lib/vigie/settings/current.3.toml");
    assert!(
        stat.contains("Mode:  0600") && stat.contains("User:     0   Group:     0"),
        "{stat}"
    );
    let text = debugfs("cat lib/vigie/settings/current.3.toml");
    let settings = vigie_settings::Settings::from_text(&text).unwrap();
    assert_eq!(settings.system.hostname.as_str(), "nvr-7");
    let volume = &settings.volumes[0];
    assert_eq!(
        (volume.name.as_str(), volume.mount.as_str()),
        ("data-1", "/srv/data-1")
    );
    let data = FileDevice::open(&state.with_file_name("data-1"), SectorSize::S512).unwrap();
    let superblock = vigie_disk::ext4::Superblock::read(&data).unwrap().unwrap();
    assert_eq!(volume.uuid.as_str(), superblock.uuid);
}

fn check_table(path: &Path, sector: SectorSize, payload: &Payload) {
    let device = FileDevice::open(path, sector).unwrap();
    let table = Table::read(&device).unwrap().unwrap();
    let names: Vec<&str> = table
        .partitions
        .values()
        .map(|one| one.name.as_str())
        .collect();
    let expected = [
        "vigie-bios",
        "vigie-esp",
        "boot-a",
        "boot-b",
        "system-a",
        "system-b",
        "state",
        "data-1",
    ];
    assert_eq!(names, expected);
    assert_eq!(table.partitions[&5].kind, types::ROOT_X86_64);
    assert_eq!(table.partitions[&5].attributes, 1 << 60);
    for (number, role) in [(3, Role::Boot), (5, Role::System)] {
        let offset = table.partitions[&number].offset(sector);
        let expected = payload.bytes(role).unwrap();
        let found = vigie_disk::device::read_vec(&device, offset, expected.len()).unwrap();
        assert!(found == expected, "{role:?}");
    }
    let first = vigie_disk::device::read_vec(&device, Bytes::ZERO, 512).unwrap();
    assert_eq!(first[510..], [0x55, 0xAA]);
    assert_eq!(first[450], 0xEE, "protective");
    let core_at = u64::from_le_bytes(first[0x5C..0x64].try_into().unwrap());
    assert_eq!(core_at, if sector == SectorSize::S512 { 2048 } else { 0 });
}

/// sgdisk and sfdisk where the host has them (sfdisk reads 512-byte sectors of a file only).
fn check_with_host_tools(path: &Path, sector: SectorSize) {
    if sector != SectorSize::S512 {
        return;
    }
    for (program, arguments, says) in [
        ("sgdisk", &["-v"][..], "No problems found"),
        ("sfdisk", &["--verify"], "No errors detected"),
    ] {
        let configured = std::env::var(format!("VIGIE_{}", program.to_uppercase()));
        let command = configured.unwrap_or_else(|_| program.to_owned());
        match Command::new(&command).args(arguments).arg(path).output() {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(said.contains(says), "{said}");
            }
            Err(_) => println!("skipped: no {program}"),
        }
    }
}

/// Digests of the blocks of a sparse file that are not zero, by place.
fn contents(path: &Path) -> BTreeMap<u64, Vec<u8>> {
    const BLOCK: u64 = 1 << 16;
    let device = FileDevice::open(path, SectorSize::S512).unwrap();
    let numbers = data_ranges(path)
        .into_iter()
        .flat_map(|(from, to)| from / BLOCK..to.div_ceil(BLOCK));
    let mut blocks = BTreeMap::new();
    for at in numbers.map(|number| number * BLOCK) {
        let length = BLOCK.min(device.size().get() - at) as usize;
        let bytes = vigie_disk::device::read_vec(&device, Bytes::new(at), length).unwrap();
        if bytes.iter().any(|byte| *byte != 0) {
            blocks.insert(at, Sha256::digest(bytes).to_vec());
        }
    }
    blocks
}

#[test]
fn seeded_installations_are_equal_and_others_are_not() {
    let Some(tools) = tools() else { return };
    let digest = |ids: &Ids| {
        let dir = tempfile::tempdir().unwrap();
        let payload = payload(dir.path(), 1 << 20, 1 << 20);
        let path = dir.path().join("disk.img");
        install_to_file(
            &answers(),
            &payload,
            &path,
            Bytes::gb(8),
            SectorSize::S512,
            &tools,
            ids,
            &mut Silent,
        )
        .unwrap();
        contents(&path)
    };
    let one = Ids::seeded("one", BUILT);
    let first = digest(&one);
    assert!(first == digest(&one));
    assert!(first != digest(&Ids::seeded("two", BUILT)));
}

#[test]
fn failures_leave_no_file() {
    let Some(tools) = tools() else { return };
    struct NoFormatter(TreeTools);
    impl Toolbox for NoFormatter {
        fn command(&self, program: &str) -> Command {
            match program {
                "mke2fs" => Command::new("false"),
                other => self.0.command(other),
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("payload");
    fs::create_dir(&folder).unwrap();
    let good = payload(&folder, 1 << 20, 4096);
    let path = dir.path().join("disk.img");
    let install = |payload: &Payload, size| {
        install_to_file(
            &answers(),
            payload,
            &path,
            size,
            SectorSize::S512,
            &NoFormatter(tools.clone()),
            &Ids::random(),
            &mut Silent,
        )
        .unwrap_err()
    };
    let error = format!("{:#}", install(&good, Bytes::gb(8)));
    assert!(
        error.starts_with("making the state volume: formatting state: mke2fs failed"),
        "{error}"
    );
    let error = format!("{:#}", install(&good, Bytes::gb(7)));
    assert!(error.contains("too small"), "{error}");
    fs::write(folder.join("system.img"), vec![0; 1 << 20]).unwrap();
    let error = format!("{:#}", install(&good, Bytes::gb(8)));
    assert!(error.contains("system.img is damaged"), "{error}");
    let left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["payload"]);
}

/// What lay on a disk before must not show through where nothing was written.
#[test]
fn volumes_are_sound_on_a_disk_full_of_garbage() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    let folder = setup.folder.path();
    let path = folder.join("disk.img");
    let (size, sector) = (Bytes::gb(8), SectorSize::S512);
    let mut disk = FileDevice::create(&path, size, sector).unwrap();
    // The boot and state volumes, and the start of the data volume.
    let garbage: Vec<u8> = (0..1 << 20_u32)
        .map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for at in (1..302).chain(2500..4200) {
        disk.write_at(Bytes::mib(at), &garbage).unwrap();
    }
    let answers = answers();
    let plan = planned(&answers, &inventory(&mut [&mut disk]), &setup.payload);
    let ids = Ids::random();
    setup
        .execute(&answers, &plan, &ids, &mut [&mut disk], &mut Silent)
        .unwrap();
    let volume = |name| extract(&path, sector, name, folder);
    run(&setup.tools, "fsck.fat", &["-n"], &volume("vigie-esp"));
    for name in ["state", "data-1"] {
        run(&setup.tools, "e2fsck", &["-fn"], &volume(name));
    }
}
