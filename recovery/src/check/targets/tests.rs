//! Which volumes are chosen of a machine with several.

use super::*;
use crate::check::whose::state_of;
use crate::volumes::{Content, Volume};
use vigie_disk::Bytes;
use vigie_disk::ext4::Superblock as Ext4;

fn system(disk: &str, array: Option<&str>) -> Installation {
    Installation {
        disk: disk.into(),
        array: array.map(str::to_owned),
        ..Installation::default()
    }
}

fn part(disk: &str, number: u32, purpose: Purpose, array: Option<u8>) -> Part {
    Part {
        disk: disk.into(),
        purpose,
        node: format!("{disk}{number}").into(),
        array: array.map(|byte| Uuid([byte; 16])),
    }
}

fn chosen(asked: &Asked, found: &Inventory, parts: &[Part]) -> Result<String, Wrong> {
    let targets = choose(asked, found, parts)?.targets.into_iter();
    let nodes = targets.map(|target| match target {
        Target::Ours(part) => part.node.display().to_string(),
        Target::Named(path) => path.display().to_string(),
    });
    Ok(nodes.collect::<Vec<_>>().join(" "))
}

fn asked(all: bool, disk: Option<&str>, volumes: &[&str]) -> Asked {
    Asked {
        all,
        disk: disk.map(PathBuf::from),
        volumes: volumes.iter().map(PathBuf::from).collect(),
    }
}

fn named(name: Purpose, node: &str, content: Content) -> Volume {
    Volume {
        name,
        node: node.into(),
        size: Bytes::gib(1),
        array: None,
        content,
    }
}

fn ext4() -> Content {
    let mut block = vec![0; 1024];
    block[0x38..0x3C].copy_from_slice(&[0x53, 0xEF, 1, 0]);
    let superblock = Ext4::parse(&block).unwrap();
    Content::Ext4 { superblock }
}

fn inventory(installations: &[Installation]) -> Inventory {
    Inventory {
        installations: installations.to_vec(),
        ..Inventory::default()
    }
}

/// A mirror with a disk of recordings of its own and an array over two more, each of which the
/// settings list, and a disk of another machine.
fn mirror() -> (Inventory, Vec<Part>) {
    let mut found = [system("/dev/sda", Some("1")), system("/dev/sdb", Some("1"))];
    for one in &mut found {
        one.facts.data = vec!["a".to_owned(), "b".to_owned()];
        one.volumes = vec![
            named(Purpose::Data(2), "/dev/sdd1", ext4()),
            named(Purpose::Data(3), "/dev/sde1", ext4()),
            named(Purpose::Data(3), "/dev/sdf1", ext4()),
        ];
    }
    let mut found = inventory(&found);
    found.others = vec![named(Purpose::Data(10), "/dev/sdc1", ext4())];
    let parts = [
        part("/dev/sda", 8, Purpose::Data(1), Some(2)),
        part("/dev/sda", 7, Purpose::State, Some(1)),
        part("/dev/sdb", 8, Purpose::Data(1), Some(2)),
        part("/dev/sdb", 7, Purpose::State, Some(1)),
        part("/dev/sdc", 1, Purpose::Data(10), None),
        part("/dev/sdd", 1, Purpose::Data(2), None),
        part("/dev/sde", 1, Purpose::Data(3), Some(3)),
        part("/dev/sdf", 1, Purpose::Data(3), Some(3)),
    ];
    (found, parts.to_vec())
}

fn nodes(parts: &[Part]) -> String {
    let nodes = parts.iter().map(|part| part.node.display().to_string());
    nodes.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_system_comes_first_and_an_array_is_one_volume() {
    let (found, parts) = mirror();
    let own = "/dev/sda7 /dev/sda8 /dev/sdd1 /dev/sde1";
    let choose = |asked: Asked| chosen(&asked, &found, &parts);
    assert_eq!(choose(asked(false, None, &[])).unwrap(), own);
    assert_eq!(choose(asked(false, Some("/dev/sdb"), &[])).unwrap(), own);
    let all = format!("{own} /dev/sdc1");
    assert_eq!(choose(asked(true, None, &[])).unwrap(), all);
    let two = choose(asked(false, None, &["data-2", "state", "/tmp/x.img"])).unwrap();
    assert_eq!(two, "/dev/sda7 /dev/sdd1 /tmp/x.img");
    let unknown = choose(asked(false, None, &["data-4"])).unwrap_err();
    let names = ["state", "data-1", "data-2", "data-3"].map(str::to_owned);
    assert_eq!(unknown, Wrong::UnknownVolume("data-4".into(), names.into()));
}

#[test]
fn what_no_settings_list_is_left_out_and_named() {
    let (mut found, parts) = mirror();
    let choose = |found: &Inventory, names: &[&str]| {
        super::choose(&asked(false, None, names), found, &parts)
    };
    let choice = choose(&found, &[]).unwrap();
    assert_eq!(nodes(&choice.left_out), "/dev/sdc1");
    assert_eq!(choice.assumed, []);
    let two = choose(&found, &["data-1"]).unwrap();
    assert_eq!(two.left_out, []);
    let foreign = Wrong::NotOfSystem("data-10".into(), "/dev/sdc".into());
    assert_eq!(choose(&found, &["data-10"]), Err(foreign));
    // A volume whose superblock is damaged does not say whose it is.
    found.others[0].content = Content::Missing;
    let choice = choose(&found, &[]).unwrap();
    assert_eq!(nodes(&choice.assumed), "/dev/sdc1");
    assert_eq!((choice.targets.len(), choice.left_out.len()), (5, 0));
    // Neither do settings that cannot be read.
    found.others[0].content = ext4();
    for one in &mut found.installations {
        one.facts.data.clear();
    }
    let choice = choose(&found, &["data-10"]).unwrap();
    assert_eq!(nodes(&choice.assumed), "/dev/sdc1");
    assert_eq!(choice.targets.len(), 1);
}

#[test]
fn the_report_of_one_volume_goes_to_the_state_volume_of_its_system() {
    let (found, parts) = mirror();
    let of = |found: &[Installation], nodes: &[&str]| {
        let targets: Vec<Target> = nodes
            .iter()
            .map(
                |node| match parts.iter().find(|part| part.node == Path::new(node)) {
                    Some(part) => Target::Ours(part.clone()),
                    None => Target::Named(node.into()),
                },
            )
            .collect();
        let state = state_of(&targets, found, &parts)?;
        Some(state.node.display().to_string())
    };
    let mirror = &found.installations;
    for nodes in [
        &["/dev/sdb8"][..],
        &["/dev/sde1", "/dev/sda8"],
        &["/dev/sdc1"],
    ] {
        assert_eq!(of(mirror, nodes).as_deref(), Some("/dev/sda7"), "{nodes:?}");
    }
    assert_eq!(of(mirror, &["/tmp/x.img"]), None);
    let two = [system("/dev/sda", None), system("/dev/sdb", None)];
    assert_eq!(of(&two, &["/dev/sdb8"]).as_deref(), Some("/dev/sdb7"));
    assert_eq!(of(&two, &["/dev/sda8", "/dev/sdb8"]), None);
    assert_eq!(of(&two, &["/dev/sdc1"]), None);
    assert_eq!(of(&[], &["/dev/sdc1"]), None);
}

#[test]
fn which_of_several_must_be_said() {
    let found = inventory(&[system("/dev/sda", None), system("/dev/sdb", None)]);
    let parts = [
        part("/dev/sda", 7, Purpose::State, None),
        part("/dev/sdb", 7, Purpose::State, None),
        part("/dev/sdc", 1, Purpose::Data(1), None),
    ];
    let all = found.installations.iter();
    let disks: Vec<String> = all.map(Installation::title).collect();
    let choose = |asked: Asked| chosen(&asked, &found, &parts);
    let several = Wrong::Several(disks.clone());
    assert_eq!(choose(asked(false, None, &[])), Err(several.clone()));
    assert_eq!(choose(asked(false, None, &["state"])), Err(several));
    // Whose the third disk is nobody knows.
    assert_eq!(
        choose(asked(false, Some("/dev/sdb"), &[])).unwrap(),
        "/dev/sdb7"
    );
    let all = choose(asked(true, None, &[])).unwrap();
    assert_eq!(all, "/dev/sda7 /dev/sdb7 /dev/sdc1");
    let none = Wrong::NoDisk("/dev/sdc".into(), disks);
    assert_eq!(choose(asked(false, Some("/dev/sdc"), &[])), Err(none));
    let cut = Cut {
        disk: "/dev/sdc".into(),
        table: Bytes::gb(8),
        size: Bytes::gb(7),
    };
    let mut beside = found.clone();
    beside.cut = vec![cut.clone()];
    let named = |disk: &str| chosen(&asked(false, Some(disk), &[]), &beside, &parts);
    let disks = found.installations.iter().map(Installation::title);
    let is_cut = Wrong::CutShort(cut, disks.collect());
    assert_eq!(named("/dev/sdc"), Err(is_cut));
    assert_eq!(named("/dev/sdb").unwrap(), "/dev/sdb7");
    // A path needs no installation.
    assert_eq!(choose(asked(false, None, &["/x/y"])).unwrap(), "/x/y");
    let nothing = |asked: Asked| chosen(&asked, &Inventory::default(), &[]);
    assert_eq!(nothing(asked(false, None, &["/x/y"])).unwrap(), "/x/y");
    assert_eq!(nothing(asked(true, None, &[])), Err(Wrong::None));
    assert_eq!(nothing(asked(false, None, &[])), Err(Wrong::None));
}
