//! Arrays as mdadm sees them, and files for the kernel to assemble.
//!
//! VIGIE_TOOLS_DIR names an unpacked Debian tree; without mdadm in it the tests
//! print that they were skipped. The ignored tests write disks for a machine
//! whose kernel assembles them, and read them again: `cargo ci arrays-kernel`.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use vigie_disk::md::{Array, Geometry, Identity, Level, Metadata, Superblock, Uuid, create};
use vigie_disk::{BlockDevice, Bytes, FileDevice, SectorSize};

/// A program of the tools' tree; none, with a printed line, where it is not there.
fn program(name: &str) -> Option<Command> {
    let tree = PathBuf::from(std::env::var_os("VIGIE_TOOLS_DIR").unwrap_or_default());
    let file = tree.join("usr/sbin").join(name);
    if !file.exists() {
        println!("skipped: no {name} in VIGIE_TOOLS_DIR");
        return None;
    }
    let mut command = Command::new(tree.join("usr/lib64/ld-linux-x86-64.so.2"));
    command
        .arg("--library-path")
        .arg(tree.join("usr/lib/x86_64-linux-gnu"))
        .arg(file)
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    Some(command)
}

fn run(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    said
}

fn identity(name: &str, members: usize, synced: bool) -> Identity {
    let mut bytes = [0x5A; 16];
    bytes[..name.len().min(16)].copy_from_slice(&name.as_bytes()[..name.len().min(16)]);
    let member = |role: usize| {
        let mut id = bytes;
        id[15] = role as u8;
        Uuid(id)
    };
    Identity {
        uuid: Uuid(bytes),
        name: name.to_owned(),
        member_uuids: (0..members).map(member).collect(),
        time: 1_763_800_000,
        synced,
    }
}

fn members(folder: &Path, name: &str, count: usize, size: Bytes) -> Vec<(PathBuf, FileDevice)> {
    (0..count)
        .map(|role| {
            let path = folder.join(format!("{name}-{role}.raw"));
            let device = FileDevice::create(&path, size, SectorSize::S512).unwrap();
            (path, device)
        })
        .collect()
}

/// What follows "label : " in what mdadm printed.
fn field<'t>(text: &'t str, label: &str) -> &'t str {
    let found = text.lines().find_map(|line| {
        let (name, value) = line.split_once(" : ")?;
        (name.trim() == label).then_some(value)
    });
    found.unwrap_or_else(|| panic!("no {label} in {text}"))
}

#[test]
fn mdadm_accepts_what_is_written() {
    if program("mdadm").is_none() {
        return;
    }
    let (one, two) = (Metadata::V1_0, Metadata::V1_2);
    for (level, metadata, count, size, synced) in [
        (Level::Raid1, one, 2, Bytes::mib(64), true),
        (Level::Raid1, one, 3, Bytes::gib(12), true),
        // Not a whole number of 4 KiB.
        (
            Level::Raid1,
            one,
            2,
            Bytes::mib(64) + Bytes::new(3 * 512),
            true,
        ),
        (Level::Raid1, two, 2, Bytes::mib(100), true),
        (Level::Raid5, two, 3, Bytes::gib(10), false),
        (Level::Raid6, two, 4, Bytes::tib(3), false),
        (Level::Raid10, two, 4, Bytes::tib(2), false),
        (Level::Raid10, two, 5, Bytes::gib(63), true),
        (Level::Raid6, two, 12, Bytes::tib(15), false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let geometry = Geometry::new(level, metadata, count, size).unwrap();
        let (paths, mut devices): (Vec<_>, Vec<_>) = members(dir.path(), "member", count, size)
            .into_iter()
            .unzip();
        let identity = identity("vigie:data-1", count, synced);
        create(&geometry, &identity, &mut devices).unwrap();
        for (role, path) in paths.iter().enumerate() {
            let mut mdadm = program("mdadm").unwrap();
            let said = run({
                mdadm.arg("--examine").arg(path);
                mdadm
            });
            check_examined(&said, &geometry, &identity, role);
        }
    }
}

fn check_examined(said: &str, geometry: &Geometry, identity: &Identity, role: usize) {
    let expect = |label: &str, value: String| assert_eq!(field(said, label), value, "{said}");
    let starts = |label: &str, value: String| {
        assert!(
            field(said, label).starts_with(&value),
            "{label} is not {value} in {said}"
        );
    };
    expect("Version", format!("1.{}", geometry.metadata.minor()));
    expect("Array UUID", identity.uuid.to_string());
    expect("Name", identity.name.clone());
    expect("Raid Level", geometry.level.to_string());
    expect("Raid Devices", geometry.members.to_string());
    expect("Creation Time", "Sat Nov 22 08:26:40 2025".to_owned());
    starts(
        "Array Size",
        format!("{} KiB ", geometry.capacity().get() / 1024),
    );
    if field(said, "Avail Dev Size") != format!("{} sectors", geometry.member_size.get() / 512) {
        let size = geometry.member_size.get() / 512;
        let label = if said.contains("Used Dev Size") {
            "Used Dev Size"
        } else {
            "Avail Dev Size"
        };
        starts(label, format!("{size} sectors "));
    }
    if geometry.data_offset > Bytes::ZERO {
        expect(
            "Data Offset",
            format!("{} sectors", geometry.data_offset.get() / 512),
        );
    }
    expect(
        "State",
        if identity.synced { "clean" } else { "active" }.to_owned(),
    );
    expect("Device UUID", identity.member_uuids[role].to_string());
    assert!(field(said, "Checksum").ends_with(" - correct"), "{said}");
    expect("Device Role", format!("Active device {role}"));
    starts("Array State", "A".repeat(geometry.members) + " (");
    match geometry.level {
        Level::Raid1 => {}
        Level::Raid10 => expect("Layout", "near=2".to_owned()),
        Level::Raid5 | Level::Raid6 => expect("Layout", "left-symmetric".to_owned()),
    }
    if geometry.level != Level::Raid1 {
        expect("Chunk Size", "512K".to_owned());
    }
    assert_eq!(
        said.contains("Internal Bitmap"),
        geometry.bitmap().is_some()
    );
    assert!(
        field(said, "Bad Block Log").starts_with("512 entries available"),
        "{said}"
    );
}

/// An array that mdadm sees whole is one that it would assemble: all members, one by one and together.
#[test]
fn mdadm_finds_the_members_together() {
    let Some(mut mdadm) = program("mdadm") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let size = Bytes::mib(100);
    let geometry = Geometry::new(Level::Raid5, Metadata::V1_2, 3, size).unwrap();
    let (paths, mut devices): (Vec<_>, Vec<_>) =
        members(dir.path(), "member", 3, size).into_iter().unzip();
    create(&geometry, &identity("vigie:data-1", 3, false), &mut devices).unwrap();
    let said = run({
        mdadm
            .args(["--examine", "--scan", "--verbose"])
            .args(&paths);
        mdadm
    });
    for word in [
        "level=raid5",
        "metadata=1.2",
        "num-devices=3",
        "/dev/md/data-1",
    ] {
        assert!(said.contains(word), "{said}");
    }
    for path in paths {
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
}

/// What the kernel must make of [`write_arrays`]: (name, level, metadata, members, synced).
const ARRAYS: [(&str, Level, Metadata, usize, bool); 6] = [
    ("one0", Level::Raid1, Metadata::V1_0, 2, true),
    ("one2", Level::Raid1, Metadata::V1_2, 2, true),
    ("five", Level::Raid5, Metadata::V1_2, 3, false),
    ("six", Level::Raid6, Metadata::V1_2, 4, false),
    ("ten", Level::Raid10, Metadata::V1_2, 4, true),
    ("tenodd", Level::Raid10, Metadata::V1_2, 5, true),
];

/// Writes the members of arrays, with an ext4 in each, into VIGIE_MD_FOLDER.
#[test]
#[ignore = "writes files for a virtual machine to assemble"]
fn write_arrays() {
    let folder = PathBuf::from(std::env::var_os("VIGIE_MD_FOLDER").unwrap());
    let contents = tempfile::tempdir().unwrap();
    for number in 0..40_u32 {
        let bytes: Vec<u8> = (0..1_000_000_u32)
            .map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(number * 77) >> 11) as u8)
            .collect();
        std::fs::write(contents.path().join(format!("file-{number}")), bytes).unwrap();
    }
    for (name, level, metadata, count, synced) in ARRAYS {
        let size = Bytes::mib(100);
        let geometry = Geometry::new(level, metadata, count, size).unwrap();
        let volume = folder.join("volume");
        let file = std::fs::File::create(&volume).unwrap();
        file.set_len(geometry.capacity().get()).unwrap();
        let mut mke2fs = program("mke2fs").expect("mke2fs");
        mke2fs
            .args(["-q", "-F", "-t", "ext4", "-d"])
            .arg(contents.path())
            .arg(&volume);
        run(mke2fs);
        let garbage: Vec<u8> = (0..1 << 20_u32)
            .map(|at: u32| (at.wrapping_mul(2_246_822_519) >> 9) as u8)
            .collect();
        let mut devices: Vec<FileDevice> = Vec::new();
        for (role, (_, mut device)) in members(&folder, name, count, size).into_iter().enumerate() {
            // Different on each: parity and copies must come from what is written.
            for at in 0..100 {
                let turned = (role * 1000 + at as usize) % garbage.len();
                let turned = [&garbage[turned..], &garbage[..turned]].concat();
                device.write_at(Bytes::mib(at), &turned).unwrap();
            }
            devices.push(device);
        }
        create(&geometry, &identity(name, count, synced), &mut devices).unwrap();
        let borrowed: Vec<&mut FileDevice> = devices.iter_mut().collect();
        let mut array = Array::over(&geometry, borrowed).unwrap();
        let source = FileDevice::open_read_only(&volume, SectorSize::S512).unwrap();
        // Not a divisor of the chunk: pieces of every kind.
        let step = 700_001;
        let mut buffer = vec![0; step];
        for at in (0..geometry.capacity().get()).step_by(step) {
            let part = (geometry.capacity().get() - at).min(step as u64) as usize;
            source.read_at(Bytes::new(at), &mut buffer[..part]).unwrap();
            array.write_at(Bytes::new(at), &buffer[..part]).unwrap();
        }
        array.flush().unwrap();
        drop(array);
        std::fs::remove_file(volume).unwrap();
        let superblock = Superblock::read(&devices[0]).unwrap().unwrap();
        println!("{name}: {} of {:?}", superblock.uuid, geometry);
    }
}

/// Reads what a kernel has assembled and synchronised since [`write_arrays`]: all
/// members, and each set with one missing that must be enough, hold the same.
#[test]
#[ignore = "reads files that a virtual machine has assembled"]
fn read_arrays() {
    let folder = PathBuf::from(std::env::var_os("VIGIE_MD_FOLDER").unwrap());
    for (name, level, _, count, _) in ARRAYS {
        let open = |without: Option<usize>| {
            let member = |role| {
                let path = folder.join(format!("{name}-{role}.raw"));
                let device = FileDevice::open_read_only(&path, SectorSize::S512).unwrap();
                let superblock = Superblock::read(&device).unwrap().unwrap();
                assert!(superblock.in_sync(), "{name} is not in sync yet");
                (superblock, device)
            };
            let present = (0..count).filter(|role| Some(*role) != without);
            let array = Array::open(present.map(member).collect())?;
            vigie_disk::device::read_vec(&array, Bytes::ZERO, array.size().get() as usize)
        };
        let whole = open(None).unwrap();
        println!("{name}: {} bytes", whole.len());
        for role in 0..count {
            match open(Some(role)) {
                Ok(bytes) => assert!(bytes == whole, "{name} without {role}"),
                Err(error) => assert!(level == Level::Raid6, "{name} without {role}: {error}"),
            }
        }
    }
}
