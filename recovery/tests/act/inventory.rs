//! What `volumes` says.

use std::path::Path;

use vigie_disk::ext4::Health;
use vigie_disk::md::{self, Array, Geometry, Identity, Level, Metadata, Uuid};
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, SectorSize};
use vigie_installer::layout::Purpose;
use vigie_recovery::inside::Files;
use vigie_recovery::volumes::slot::Wholeness;
use vigie_recovery::volumes::{Content, Volume, open_volume};
use vigie_update::Slot;

use crate::support::{Bench, VERSION};

const UUID_1: &str = "11111111-1111-4111-8111-111111111111";
const UUID_2: &str = "22222222-2222-4222-8222-222222222222";

#[test]
fn an_installation_says_who_it_is_and_whether_its_slots_are_whole() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID_1);
    let found = bench.inventory();
    let [one] = &found.installations[..] else {
        panic!("{found:?}")
    };
    assert_eq!(one.facts.host.as_deref(), Some("hall"));
    assert_eq!(one.facts.serial.as_deref(), Some("SN-1"));
    assert_eq!(one.facts.warnings, [""; 0]);
    let version = Some(VERSION.parse().unwrap());
    assert_eq!(one.facts.slots[&Slot::A].version, version);
    assert_eq!(one.facts.slots[&Slot::B].version, None);
    assert_eq!(one.version(), version);
    let data = one.volumes.last().unwrap();
    let Content::Ext4 { superblock } = &data.content else {
        panic!("{data:?}")
    };
    assert_eq!(
        (superblock.label.as_str(), superblock.uuid.as_str()),
        ("data-1", UUID_1)
    );
    assert_eq!(superblock.health, Health::Clean);
    let whole = || {
        let mut one = bench.inventory().installations.remove(0);
        bench.verify(&mut one);
        Slot::BOTH.map(|slot| one.facts.slots[&slot].wholeness.clone().unwrap())
    };
    assert_eq!(whole(), [Wholeness::Intact, Wholeness::Empty]);
    // A bit in the data, in the tree, in the tree's superblock; the version is still known.
    let size = bench.open(Path::new("/dev/sda5")).unwrap().size();
    let block = |at: u64| Bytes::new(at / 4096 * 4096);
    let tree = size.get() - 4096;
    for at in [1_000_000, tree] {
        bench.damage("sda5", at);
        assert_eq!(
            whole()[0],
            Wholeness::Damaged { at: block(at) },
            "byte {at}"
        );
        assert_eq!(bench.inventory().installations[0].version(), version);
        bench.damage("sda5", at);
    }
    bench.damage("sda3", 1);
    assert!(matches!(whole()[0], Wholeness::Unknown { .. }));
    let json = serde_json::to_value(bench.inventory()).unwrap();
    let one = &json["installations"][0];
    assert_eq!(
        (&one["host"], &one["slots"]["a"]["version"]),
        (&"hall".into(), &VERSION.into())
    );
}

#[test]
fn installations_are_told_apart_and_recordings_on_other_disks_belong_to_one() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID_1);
    bench.installation("sdb", "yard", UUID_2);
    bench.partition("sdb", 8, "data-1", &bench.ext4("data-1", 4, None, None));
    bench.partition(
        "sdc",
        1,
        "data-1",
        &bench.ext4("data-1", 4, Some(UUID_2), None),
    );
    bench.partition("sdd", 1, "data-2", &bench.ext4("data-2", 4, None, None));
    let found = bench.inventory();
    let hosts: Vec<_> = found
        .installations
        .iter()
        .map(|one| {
            (
                one.disk.to_str().unwrap(),
                one.facts.host.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(hosts, [("/dev/sda", "hall"), ("/dev/sdb", "yard")]);
    let last = found.installations[1].volumes.last().unwrap();
    assert_eq!(last.node, Path::new("/dev/sdc1"));
    let others: Vec<_> = found.others.iter().map(|one| &one.node).collect();
    assert_eq!(others, [Path::new("/dev/sdd1")]);
    // A copy of a disk lists the same recordings: whose they are nobody can say.
    bench.installation("sde", "yard", UUID_2);
    let others = bench.inventory().others;
    let others: Vec<_> = others.iter().map(|one| &one.node).collect();
    assert_eq!(others, [Path::new("/dev/sdc1"), Path::new("/dev/sdd1")]);
}

#[test]
fn damaged_settings_are_told_and_those_before_are_used() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID_1);
    let path = bench.path("dev/sda7");
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = b"hostname = \"hall\"";
    let at: Vec<usize> = bytes
        .windows(needle.len())
        .enumerate()
        .filter_map(|(at, window)| (window == needle).then_some(at))
        .collect();
    // The current one, the one before, and the same as it is kept: any of them is enough.
    assert_eq!(at.len(), 3);
    for place in &at[..2] {
        bytes[*place] = b'[';
        std::fs::write(&path, &bytes).unwrap();
        let facts = bench.inventory().installations.remove(0).facts;
        assert_eq!(facts.host.as_deref(), Some("hall"), "{facts:?}");
    }
    bytes[at[2]] = b'[';
    std::fs::write(&path, bytes).unwrap();
    let facts = bench.inventory().installations.remove(0).facts;
    assert_eq!(facts.host, None);
    assert!(facts.warnings[0].contains("defaults are used"), "{facts:?}");
}

/// An array over partitions of 16 MiB, each member its own disk, holding an image.
fn array(level: Level, name: &str, image: &[u8], members: usize) -> Vec<Vec<u8>> {
    let partition = Bytes::mib(16);
    let geometry = Geometry::new(level, Metadata::V1_2, members, partition).unwrap();
    let disk = || MemoryDevice::new(partition, SectorSize::S512);
    let mut disks: Vec<_> = (0..members).map(|_| disk()).collect();
    let identity = Identity {
        uuid: Uuid([name.as_bytes()[0]; 16]),
        name: name.to_owned(),
        member_uuids: (0..members as u8).map(|at| Uuid([at; 16])).collect(),
        time: 1,
        synced: true,
    };
    md::create(&geometry, &identity, &mut disks).unwrap();
    let mut array = Array::over(&geometry, disks.iter_mut().collect()).unwrap();
    array.write_at(Bytes::ZERO, image).unwrap();
    drop(array);
    let bytes = |disk: &MemoryDevice| {
        vigie_disk::device::read_vec(disk, Bytes::ZERO, partition.get() as usize).unwrap()
    };
    disks.iter().map(bytes).collect()
}

#[test]
fn a_mirrored_state_volume_is_read_from_its_members_and_a_missing_one_is_named() {
    let Some(bench) = Bench::new() else { return };
    let settings = bench.installation("sda", "hall", UUID_1);
    bench.installation("sdb", "wrong", UUID_2);
    let members = array(Level::Raid1, "state", &bench.state(&settings), 2);
    for (disk, member) in ["sda", "sdb"].iter().zip(&members) {
        bench.partition(disk, 7, "state", member);
    }
    let found = bench.inventory();
    for one in &found.installations {
        assert_eq!(one.facts.host.as_deref(), Some("hall"), "{one:?}");
        let state = &one.volumes[6];
        assert!(matches!(state.content, Content::Ext4 { .. }), "{state:?}");
        assert_eq!(state.array, one.array);
    }
    assert_eq!(found.arrays.len(), 1);
    assert!(!found.arrays[0].is_degraded(), "{found:?}");
    // One disk has failed altogether.
    std::fs::remove_dir_all(bench.path("sys/block/sda")).unwrap();
    let found = bench.inventory();
    let [array] = &found.arrays[..] else {
        panic!("{found:?}")
    };
    assert_eq!((array.name.as_str(), array.disks), ("state", 2));
    assert_eq!(array.missing, [0]);
    assert_eq!(array.members, [Path::new("/dev/sdb7")]);
    assert_eq!(found.installations[0].facts.host.as_deref(), Some("hall"));
    let lines = vigie_recovery::words::lines(&found, vigie_settings::Language::En);
    assert!(
        lines
            .iter()
            .any(|line| line.contains("ARRAY state is degraded")),
        "{lines:#?}"
    );
}

#[test]
fn the_cameras_on_an_array_that_does_not_run_are_told() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID_1);
    let root = tempfile::tempdir().unwrap();
    for camera in ["entrance", "yard"] {
        std::fs::create_dir(root.path().join(camera)).unwrap();
    }
    let image = bench.ext4("data-1", 4, Some(UUID_1), Some(root.path()));
    let members = array(Level::Raid5, "data-1", &image, 3);
    for (disk, member) in ["sda", "sdb", "sdc"].iter().zip(&members) {
        bench.partition(disk, 8, "data-1", member);
    }
    let folders = || {
        let found = bench.inventory();
        let volumes = &found.installations[0].volumes;
        let is_data = |one: &&Volume| one.name == Purpose::Data(1);
        let volume = volumes.iter().find(is_data).unwrap();
        assert!(volume.array.is_some(), "{volume:?}");
        let opened = open_volume(volume, &bench.sysfs(), &|node| bench.open(node));
        Ok::<_, String>(Files::open(opened?).unwrap().folders())
    };
    assert_eq!(folders().unwrap(), ["entrance", "yard"]);
    for disk in ["sdb", "sdc"] {
        std::fs::remove_dir_all(bench.path("sys/block").join(disk)).unwrap();
    }
    let error = folders().unwrap_err();
    assert!(error.contains("data-1"), "{error}");
}

/// Wanted: at most 1 s for 8 disks with 64 volumes.
#[test]
fn all_of_64_volumes_on_8_disks_are_told() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID_1);
    let data = bench.ext4("data", 4, Some(UUID_2), None);
    for disk in 1..8_u8 {
        let name = format!("sd{}", char::from(b'a' + disk));
        for number in 1..=8 {
            let volume = format!("data-{}", usize::from(disk) * 8 + number);
            bench.partition(&name, number, &volume, &data);
        }
    }
    let found = bench.inventory();
    let volumes = found.installations[0].volumes.len() + found.others.len();
    assert_eq!(volumes, 64);
}
