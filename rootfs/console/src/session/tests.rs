use std::cell::Cell;
use std::path::Path;

use super::*;
use crate::script::{Script, told};

fn session(script: &mut Script, typed: &str) -> (End, String) {
    let mut output = Vec::new();
    let end = Session::new(Terminal::new(typed.as_bytes(), &mut output), script)
        .run()
        .expect("a string never fails");
    (end, String::from_utf8(output).expect("text"))
}

fn script(mode: Mode) -> Script {
    Script::new(mode)
}

/// `tests/golden/NAME.txt`; `VIGIE_BLESS=1` writes them.
#[test]
fn screens() {
    for (name, mode, typed) in [
        ("live", Mode::Live, ""),
        ("live-fr", Mode::Live, "5\n1\n\n4\nnon\n"),
        ("live-install", Mode::Live, "1\n"),
        ("recovery", Mode::Recovery, "6\n1\n"),
        ("recovery-fr", Mode::Recovery, "3\n2\nnon\n4\n\n"),
        ("installed", Mode::Installed, "5\nx\n2\n"),
        ("installed-update", Mode::Installed, "3\n1\n\n"),
    ] {
        let (_, screen) = session(&mut script(mode), typed);
        assert!(!screen.contains('\x1b'), "{name}: an escape sequence");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
        if std::env::var_os("VIGIE_BLESS").is_some() {
            std::fs::write(&file, &screen).expect("written");
        }
        assert_eq!(
            screen,
            std::fs::read_to_string(&file).unwrap_or_default(),
            "{}",
            file.display()
        );
    }
}

#[test]
fn what_is_started() {
    let password = "/usr/bin/vigie-update ask-password --language en";
    let apply = "/usr/bin/vigie-update --language en apply --id ab12 --who root (console)";
    let devices = "/usr/bin/vigie-install --language en devices";
    let screen = "/usr/bin/vigie-install --language en screen";
    let repair = "/usr/bin/vigie-recovery --language en screen";
    for (mode, provision, typed, expected) in [
        (
            Mode::Live,
            false,
            "2\n\n",
            vec!["/usr/bin/vigie-recovery --language en update"],
        ),
        // It ends in its own way: the next word is for the menu.
        (
            Mode::Live,
            false,
            "3\n7\nyes\n",
            vec![repair, "/usr/bin/systemctl poweroff"],
        ),
        (
            Mode::Live,
            false,
            "5\n3\n",
            vec!["/usr/bin/vigie-recovery --language fr screen"],
        ),
        (
            Mode::Recovery,
            true,
            "1\n2\nyes\n4\nyes\n",
            vec![repair, "/usr/bin/bash --login", "/usr/bin/systemctl reboot"],
        ),
        (
            Mode::Recovery,
            false,
            "5\nyes\n",
            vec!["/usr/bin/systemctl poweroff"],
        ),
        // There is nothing to install from.
        (Mode::Recovery, true, "6\n7\n0\n", vec![]),
        (Mode::Live, false, "4\n\n", vec![]),
        (Mode::Live, false, "4\nyes\n", vec!["/usr/bin/bash --login"]),
        (Mode::Live, false, "1\n", vec![screen]),
        (
            Mode::Live,
            false,
            "8\n",
            vec!["/usr/bin/vigie-install --language en screen --plain"],
        ),
        (Mode::Live, true, "1\n\n", vec![devices, screen]),
        (
            Mode::Live,
            true,
            "1\nYES\n\n",
            vec![devices, "/usr/bin/vigie-install --language en provision"],
        ),
        (Mode::Live, false, "6\n\n", vec![]),
        (
            Mode::Live,
            false,
            "6\nyes\n",
            vec!["/usr/bin/systemctl reboot"],
        ),
        (
            Mode::Live,
            false,
            "7\nyes\n",
            vec!["/usr/bin/systemctl poweroff"],
        ),
        (
            Mode::Live,
            false,
            "5\n7\nyes\n7\noui\n",
            vec!["/usr/bin/systemctl poweroff"],
        ),
        (Mode::Installed, false, "1\n", vec!["log-in"]),
        (Mode::Installed, false, "3\n\n", vec![]),
        // One that is not accepted has no number.
        (Mode::Installed, false, "3\n2\n", vec![]),
        (Mode::Installed, false, "3\n1\n\n", vec![password, apply]),
        (
            Mode::Installed,
            false,
            "3\n1\nyes\n",
            vec![password, apply, "/usr/bin/systemctl reboot"],
        ),
        // No number, and nothing that a test or a person may guess, gets more than that.
        (
            Mode::Installed,
            true,
            "0\n5\n6\n7\n-1\n99999999999999999999\nshell\nreboot\n",
            vec![],
        ),
    ] {
        let mut script = Script {
            provision,
            ..script(mode)
        };
        session(&mut script, typed);
        assert_eq!(script.asked, expected, "{typed:?}");
    }
}

#[test]
fn c64_without_roots_password_nothing_is_installed() {
    let mut failing = Script {
        failing: true,
        ..script(Mode::Installed)
    };
    session(&mut failing, "3\n1\n\n3\n1\nyes\n");
    let password = "/usr/bin/vigie-update ask-password --language en";
    assert_eq!(failing.asked, [password, password]);
}

#[test]
fn a_status_that_changes_is_shown_again() {
    let mut late = Script {
        slow: true,
        quiet: Cell::new(3),
        ..script(Mode::Installed)
    };
    let (_, screen) = session(&mut late, "");
    assert_eq!(screen.matches("NOT AVAILABLE").count(), 1, "{screen}");
    assert_eq!(screen.matches("console ready").count(), 2, "{screen}");
    let mut steady = Script {
        quiet: Cell::new(3),
        ..script(Mode::Installed)
    };
    let (_, screen) = session(&mut steady, "");
    assert_eq!(screen.matches("console ready").count(), 1, "{screen}");
}

#[test]
fn a_repair_on_another_console_is_not_ended() {
    let locks = r#"{"type":"a(ssssuu)","data":[[["shutdown:sleep","vigie-recovery","data-1 is being repaired","block",0,812]]]}"#;
    for (mode, typed, words) in [
        (Mode::Live, "6\nyes\n\n", "must not be interrupted"),
        (Mode::Live, "5\n7\noui\n\n", "ne doit pas être interrompu"),
        (Mode::Recovery, "4\nyes\n\n", "must not be interrupted"),
        (
            Mode::Recovery,
            "3\n5\noui\n\n",
            "ne doit pas être interrompu",
        ),
    ] {
        let mut held = Script {
            locks,
            ..script(mode)
        };
        let (end, screen) = session(&mut held, typed);
        assert_eq!((end, held.asked), (End::Closed, vec![]), "{typed:?}");
        for part in [words, "data-1 is being repaired (vigie-recovery)"] {
            assert!(screen.contains(part), "{screen}");
        }
        // And the menu is there again.
        assert!(screen.ends_with(": "), "{screen}");
    }
    // After an update, too.
    let mut held = Script {
        locks,
        ..script(Mode::Installed)
    };
    session(&mut held, "3\n1\nyes\n\n");
    assert!(!held.asked.iter().any(|asked| asked.contains("systemctl")));
}

#[test]
fn a_repair_that_cannot_be_started_is_told_of() {
    let mut failing = Script {
        failing: true,
        ..script(Mode::Recovery)
    };
    let (_, screen) = session(&mut failing, "1\n");
    assert!(screen.contains("This failed"), "{screen}");
}

#[test]
fn how_sessions_end() {
    assert_eq!(
        session(&mut script(Mode::Live), "6\nyes\n").0,
        End::GoingDown
    );
    assert_eq!(session(&mut script(Mode::Live), "").0, End::Closed);
    let mut failing = Script {
        failing: true,
        ..script(Mode::Live)
    };
    let (end, screen) = session(&mut failing, "6\nyes\n");
    assert_eq!(end, End::Closed);
    assert!(screen.contains("This failed"));
}

#[test]
fn nobody_gets_into_the_menu_without_a_password() {
    let wrong = crate::script::refused("wrong", "the name or the password is wrong", "");
    let mut script = script(Mode::Installed);
    script.broker = vec![("log-in", wrong)];
    script.types("\nguess\n\nguess\n<\n");
    let (end, screen) = session(&mut script, "4\n");
    assert_eq!(end, End::Closed);
    let asked: Vec<&String> = script.asked.iter().collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked.iter().all(|asked| asked.contains("log-in")));
    // And the console is there again.
    assert_eq!(screen.matches("console ready").count(), 2, "{screen}");
}

/// Ctrl-D, by whoever passes by or has logged in: the unit starts the console again, and takes nothing for
/// gone.
#[test]
fn the_end_of_what_is_typed_ends_the_session_and_not_the_console() {
    let session_of = r#"[{"event":"session","user":"anne","role":"administrator","token":"ab12"}]"#;
    for typed in ["", "anne\n", "anne\nx\n", "anne\nx\n4\n"] {
        let mut script = script(Mode::Installed);
        script.broker = vec![("log-in", told(session_of)), ("log-out", told("[]"))];
        script.types(typed);
        let (end, _) = session(&mut script, "4\n");
        assert_eq!(end, End::Closed, "{typed:?}");
        let is_in = script.asked.iter().any(|asked| asked.contains("log-in"));
        let is_out = script.asked.iter().any(|asked| asked.contains("log-out"));
        assert_eq!(is_in, is_out, "{typed:?}: nobody stays logged in");
    }
}

#[test]
fn whoever_logs_in_gets_the_menu_and_is_logged_out_behind_it() {
    let session_of = r#"[{"event":"session","user":"anne","role":"administrator","token":"ab12"}]"#;
    let restart = ("restart", told(r#"[{"event":"going"}]"#));
    for (typed, expected, end) in [
        ("anne\nx\n7\n", "log-out", End::Closed),
        ("anne\nx\n6\n1\n2\n", "restart", End::GoingDown),
    ] {
        let mut script = script(Mode::Installed);
        script.broker = vec![
            ("log-in", told(session_of)),
            ("log-out", told("[]")),
            restart.clone(),
        ];
        script.types(typed);
        let (ended, _) = session(&mut script, "4\n");
        assert_eq!(ended, end);
        let as_anne = format!(r#"broker ab12 {{"verb":"{expected}"}}"#);
        assert!(script.asked.contains(&as_anne), "{:?}", script.asked);
        assert!(
            script.screen().contains("CZJ1234567"),
            "{}",
            script.screen()
        );
    }
}

#[test]
fn the_code_goes_from_the_screen_when_it_was_used() {
    let state = |open| {
        (
            "setup-state",
            told(&format!(r#"[{{"event":"setup","open":{open}}}]"#)),
        )
    };
    let mut script = script(Mode::Installed);
    script.password = false;
    script.quiet = Cell::new(LOOKS + 1);
    script.broker = vec![
        state(true),
        state(false),
        (
            "setup-code",
            told(r#"[{"event":"code","code":"ABCD-EFGH"}]"#),
        ),
    ];
    let (_, screen) = session(&mut script, "");
    assert_eq!(screen.matches("ABCD-EFGH").count(), 1, "{screen}");
    assert_eq!(screen.matches("console ready").count(), 2, "{screen}");
    let asked = script
        .asked
        .iter()
        .filter(|asked| asked.contains("setup-state"));
    assert_eq!(
        asked.count(),
        3,
        "once a minute: each of them starts a process"
    );
}
