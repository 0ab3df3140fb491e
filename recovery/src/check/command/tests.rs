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
fn a_report_of_a_volume_that_nobody_lists_is_guarded_with_the_system_that_it_goes_to() {
    let part = |disk: &str, purpose| Part {
        disk: disk.into(),
        purpose,
        node: format!("{disk}1").into(),
        array: None,
    };
    let state = part("/dev/sda", Purpose::State);
    let data = part("/dev/sdb", Purpose::Data(2));
    let written = |words: &str, chosen: &[&Part]| {
        let arguments = arguments(words);
        let targets = chosen.iter().map(|part| Target::Ours((*part).clone()));
        let system = Installation {
            disk: "/dev/sda".into(),
            ..Installation::default()
        };
        let scene = Scene {
            arguments: &arguments,
            language: Language::En,
            sysfs: Sysfs::new("/no/such/folder"),
            seen: Seen::default(),
            found: Inventory {
                installations: vec![system],
                ..Inventory::default()
            },
            parts: vec![state.clone(), data.clone()],
            choice: Choice {
                targets: targets.collect(),
                ..Choice::default()
            },
        };
        let nodes = scene.written().into_iter();
        let nodes = nodes.map(|target| target.node().display().to_string());
        nodes.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(written("--repair data-2", &[&data]), "/dev/sdb1 /dev/sda1");
    assert_eq!(written("--preen data-2", &[&data]), "/dev/sdb1");
    assert_eq!(written("--repair", &[&state, &data]), "/dev/sda1 /dev/sdb1");
}
