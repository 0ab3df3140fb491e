//! What the screen runs is what the command line takes.

use vigie_disk::Bytes;
use vigie_recovery::password::Account;
use vigie_recovery::reset::Scope;
use vigie_recovery::screen::action::{Action, Chosen, Export, How, Wanted};
use vigie_recovery::screen::sticks::Stick;
use vigie_update::media::FileSystem;

#[test]
fn the_commands_are_understood_by_the_programs() {
    // clap itself says whether.
    let stick = Stick {
        name: "sdb1".to_owned(),
        file_system: FileSystem::Vfat,
        size: Bytes::gib(8),
        model: String::new(),
    };
    let chosen = Chosen {
        disk: "/dev/sda".into(),
        expert: true,
    };
    let wanted = Wanted {
        volume: Some("data-1".to_owned()),
        folder: Some("-yard".to_owned()),
        from: Some("2026-11-22".to_owned()),
        until: Some("2026-11-23".to_owned()),
    };
    let program = env!("CARGO_BIN_EXE_vigie-recovery");
    for action in [
        Action::check(
            Some(&chosen),
            Some("state"),
            &How {
                repair: true,
                stick: Some(stick.clone()),
            },
        ),
        Action::check(Some(&chosen), None, &How::default()),
        Action::check(
            None,
            None,
            &How {
                repair: true,
                stick: None,
            },
        ),
        Action::password(&chosen, Account::Service),
        Action::rollback(&chosen),
        Action::reset(&chosen, Scope::All),
        Action::update(&chosen, Some("/run/x.tgz".as_ref()), None),
        Action::export(&chosen, &Export::Recordings(wanted), &stick),
        Action::export(&chosen, &Export::Logs("x".to_owned()), &stick),
        Action::details(true),
        Action::disks(),
        Action::rescue(None, None),
        Action::rescue(Some("192.0.2.10/24"), Some("192.0.2.1")),
    ] {
        let output = std::process::Command::new(program)
            .args(&action.arguments)
            .arg("--help")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{action:?}: {said}");
    }
}
