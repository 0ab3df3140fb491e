//! What a command may write to, and what is guarded.

use clap::{Command, FromArgMatches};
use vigie_installer::layout::Purpose;

use super::*;
use crate::volumes::Installation;

fn arguments(words: &str) -> Arguments {
    let command = <Arguments as clap::Args>::augment_args(Command::new("check"));
    let words = ["check"].into_iter().chain(words.split_whitespace());
    let matches = command.try_get_matches_from(words).unwrap();
    Arguments::from_arg_matches(&matches).unwrap()
}

#[test]
fn whatever_writes_is_guarded_but_for_an_appliance_at_its_start() {
    for (words, guarded) in [
        ("", false),
        ("state", false),
        ("--repair", true),
        ("--preen /dev/sda7", true),
        ("--repair --tell /dev/sda7", true),
        ("--preen --tell /dev/sda7", false),
        ("--repair --other-version", false),
        ("--preen --other-version", false),
    ] {
        assert_eq!(arguments(words).is_guarded(), guarded, "{words}");
    }
}

#[test]
fn a_start_that_was_told_to_looks_through_everything() {
    let dir = tempfile::tempdir().unwrap();
    let now = dir.path().join("check-now");
    let thorough = |words: &str| arguments(words).is_thorough(&now);
    assert!(!thorough("--preen --tell data-1") && thorough("--preen --thorough data-1"));
    std::fs::write(&now, "").unwrap();
    assert!(thorough("--preen --tell data-1"));
    // Whoever preens by hand is told nothing by a start.
    assert!(!thorough("--preen data-1") && !thorough("--tell data-1"));
    // And each volume once: the check of one that stays bad is wanted again.
    arguments("--preen --thorough data-1").note_thorough(&now);
    assert!(thorough("--preen --tell data-1"));
    arguments("--preen --tell data-1").note_thorough(&now);
    assert!(!thorough("--preen --tell data-1") && thorough("--preen --tell data-2"));
    arguments("--preen --tell data-2").note_thorough(&now);
    assert!(!thorough("--preen --tell data-2") && !thorough("--preen --tell data-1"));
    // Nor does any other check of hours go round: three times in a week, however long each takes.
    let unit =
        include_str!("../../../../rootfs/overlay/usr/lib/systemd/system/vigie-check@.service");
    assert!(unit.contains("\nStartLimitIntervalSec=1w\nStartLimitBurst=3\n"));
}

fn part(disk: &str, purpose: Purpose) -> Part {
    Part {
        disk: disk.into(),
        purpose,
        node: format!("{disk}1").into(),
        array: None,
    }
}

/// A command about these, on a machine whose only system is on /dev/sda.
fn scene<'a>(
    arguments: &'a Arguments,
    sysfs: Sysfs,
    parts: &[&Part],
    chosen: &[&Part],
) -> Scene<'a> {
    let targets = chosen.iter().map(|part| Target::Ours((*part).clone()));
    let system = Installation {
        disk: "/dev/sda".into(),
        ..Installation::default()
    };
    Scene {
        arguments,
        language: Language::En,
        seen: Seen::now(&sysfs),
        sysfs,
        found: Inventory {
            installations: vec![system],
            ..Inventory::default()
        },
        parts: parts.iter().map(|part| (*part).clone()).collect(),
        choice: Choice {
            targets: targets.collect(),
            ..Choice::default()
        },
    }
}

#[test]
fn a_report_of_a_volume_that_nobody_lists_is_guarded_with_the_system_that_it_goes_to() {
    let state = part("/dev/sda", Purpose::State);
    let data = part("/dev/sdb", Purpose::Data(2));
    let written = |words: &str, chosen: &[&Part]| {
        let arguments = arguments(words);
        let sysfs = Sysfs::new("/no/such/folder");
        let scene = scene(&arguments, sysfs, &[&state, &data], chosen);
        let nodes = scene.written().into_iter();
        let nodes = nodes.map(|target| target.node().display().to_string());
        nodes.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(written("--repair data-2", &[&data]), "/dev/sdb1 /dev/sda1");
    assert_eq!(written("--preen data-2", &[&data]), "/dev/sdb1 /dev/sda1");
    // An appliance at its start writes its reports where it runs.
    assert_eq!(written("--preen --tell data-2", &[&data]), "/dev/sdb1");
    assert_eq!(written("--repair", &[&state, &data]), "/dev/sda1 /dev/sdb1");
}

/// A member's name may lead to another array by then: none is started, nor taken as it runs.
#[test]
fn the_array_of_a_disk_that_was_replaced_is_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = dir.path().join("block").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("vigiea/size", "1000");
    put("vigiea/diskseq", "7");
    put("vigiea/vigiea1/partition", "1");
    put("vigiea/vigiea1/holders/md99/x", "");
    put("md99/size", "900");
    put("md99/md/level", "raid1");
    let member = Part {
        array: Some(vigie_disk::md::Uuid([1; 16])),
        ..part("/dev/vigiea", Purpose::State)
    };
    let arguments = arguments("");
    let scene = scene(&arguments, Sysfs::new(dir.path()), &[&member], &[&member]);
    let device = || scene.device(&member, &mut Vec::new());
    assert_eq!(device(), Ok("/dev/md99".into()));
    put("vigiea/diskseq", "8");
    let disk = "/dev/vigiea".into();
    assert_eq!(device(), Err(verdict::Refusal::Replaced { disk }));
}
