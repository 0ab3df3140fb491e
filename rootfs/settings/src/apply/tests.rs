//! What a start and a new password make of `/etc`.

use super::*;

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("temporary folder");
    for folder in [
        "etc",
        "run/vigie",
        "usr/share/zoneinfo/Etc",
        "usr/share/zoneinfo/Europe",
    ] {
        fs::create_dir_all(root.path().join(folder)).expect(folder);
    }
    for zone in ["Etc/UTC", "Europe/Paris"] {
        fs::write(root.path().join("usr/share/zoneinfo").join(zone), "TZif").expect(zone);
    }
    fs::write(
        root.path().join("etc/shadow"),
        "root:*:1::::::\ndaemon:*:1::::::\n",
    )
    .expect("shadow");
    root
}

fn store_text(root: &Path, text: &str) {
    let settings = Settings::from_text(text).expect(text);
    Store::of_system(root).save(&settings).expect("saved");
}

#[test]
fn the_second_time_nothing_is_written() {
    let root = root();
    store_text(root.path(), include_str!("../../tests/golden/full.toml"));
    let first = apply_early(root.path());
    assert!(
        first.changed.contains(&"etc/fstab") && first.warnings.is_empty(),
        "{first:?}"
    );
    assert_eq!(apply_early(root.path()), Report::default());
    assert_eq!(
        fs::read_link(root.path().join("etc/localtime")).ok(),
        Some("../usr/share/zoneinfo/Europe/Paris".into())
    );
}

#[test]
fn a_smaller_document_leaves_nothing_of_a_larger_one() {
    let root = root();
    store_text(root.path(), include_str!("../../tests/golden/full.toml"));
    let _ = apply_early(root.path());
    store_text(root.path(), "version = 3");
    let report = apply_early(root.path());
    assert!(
        report
            .changed
            .contains(&"etc/systemd/network/10-vigie-cameras.network")
    );
    assert!(
        !root
            .path()
            .join("etc/systemd/network/10-vigie-cameras.network")
            .exists()
    );
    assert!(!root.path().join("etc/ssh/authorized_keys/root").exists());
}

#[test]
fn an_unknown_time_zone_is_said_and_does_not_stop_the_rest() {
    let root = root();
    store_text(
        root.path(),
        "version = 3\n[system]\ntimezone = \"Mars/Olympus\"",
    );
    let report = apply_early(root.path());
    assert!(
        report.warnings[0].contains("Mars/Olympus") && !report.failed,
        "{report:?}"
    );
    assert_eq!(
        fs::read_link(root.path().join("etc/localtime")).ok(),
        Some("../usr/share/zoneinfo/Etc/UTC".into())
    );
    assert!(
        fs::read_to_string(root.path().join(ERROR_NOTE))
            .expect("note")
            .contains("Mars/Olympus")
    );
    store_text(root.path(), "version = 3");
    let _ = apply_early(root.path());
    assert!(!root.path().join(ERROR_NOTE).exists());
}

#[test]
fn a_running_system_keeps_what_the_start_has_left() {
    let root = root();
    store_text(root.path(), "version = 3");
    let held = Store::of_system(root.path()).exclusive().expect("held");
    for zone in ["Etc/UTC", "Mars/Olympus"] {
        let text = format!("version = 3\n[system]\ntimezone = \"{zone}\"");
        for there in [true, false] {
            store_text(root.path(), &text);
            let _ = fs::remove_file(root.path().join(IN_FORCE));
            for name in [ERROR_NOTE, UNUSED] {
                let path = root.path().join(name);
                let _ = fs::remove_file(&path);
                if there {
                    fs::write(path, "no state volume\n").expect(name);
                }
            }
            let report = apply_access(root.path(), &held);
            assert_eq!(report.warnings.is_empty(), zone == "Etc/UTC");
            for name in [ERROR_NOTE, UNUSED] {
                let found = fs::read_to_string(root.path().join(name)).ok();
                let expected = there.then(|| "no state volume\n".to_owned());
                assert_eq!(found, expected, "{name}");
            }
        }
    }
}

#[test]
fn a_new_password_brings_nothing_else_with_it() {
    let root = root();
    let hostname = |name: &str| format!("version = 3\n[system]\nhostname = \"{name}\"\n");
    store_text(root.path(), &hostname("old"));
    let _ = apply_early(root.path());
    // For the next start; and a password, at once.
    let hash = "$6$saltsalt$hashhashhash";
    let access = format!("[access]\nroot_password_hash = \"{hash}\"\n");
    store_text(root.path(), &(hostname("new") + &access));
    let held = Store::of_system(root.path()).exclusive().expect("held");
    let report = apply_access(root.path(), &held);
    assert!(report.warnings.is_empty(), "{report:?}");
    let read = |name: &str| fs::read_to_string(root.path().join(name)).expect(name);
    assert!(read("etc/shadow").contains(hash));
    assert_eq!(read("etc/hostname"), "old\n");
    let in_force = live::in_force(root.path()).expect("noted");
    assert!(in_force.access.root_password_hash.is_some());
    assert_eq!(in_force.system.hostname.as_str(), "old");
}

#[test]
fn one_file_that_fails_does_not_stop_the_rest() {
    let root = root();
    fs::create_dir_all(root.path().join("etc/hostname/in-the-way")).expect("folder");
    let report = apply_early(root.path());
    assert!(
        report.failed && report.warnings.iter().any(|w| w.contains("/etc/hostname")),
        "{report:?}"
    );
    assert!(report.changed.contains(&"etc/fstab"));
}

#[test]
fn settings_that_cannot_be_migrated_fail_the_health_check() {
    let root = root();
    let folder = root.path().join(crate::store::FOLDER);
    fs::create_dir_all(&folder).expect("folder");
    let old = include_str!("../../tests/forms/1.toml");
    for (text, usable) in [("version = 1\nx = 1\n", false), (old, true)] {
        fs::write(folder.join("current.toml"), text).expect("old settings");
        let report = apply_early(root.path());
        assert_eq!(report.warnings.is_empty(), usable, "{report:?}");
        assert_eq!(root.path().join(UNUSED).exists(), !usable, "{text}");
        assert_eq!(folder.join("current.3.toml").exists(), usable, "{text}");
    }
}

#[test]
fn settings_of_this_form_that_are_refused_fail_the_health_check() {
    let good = include_str!("../../tests/golden/full.toml");
    let older = include_str!("../../tests/forms/1.toml");
    let refused = "version = 3\nx = 1\n";
    for (files, unused) in [
        (&[][..], false),
        (&[("current.3.toml", good)], false),
        (&[("current.3.toml", refused)], true),
        (
            &[("current.3.toml", refused), ("previous.3.toml", good)],
            true,
        ),
        (
            &[("current.3.toml", refused), ("current.toml", older)],
            true,
        ),
        (&[("current.3.toml", refused), ("current.toml", "x")], true),
    ] {
        let root = root();
        let folder = root.path().join(crate::store::FOLDER);
        fs::create_dir_all(&folder).expect("folder");
        for (name, text) in files {
            fs::write(folder.join(name), text).expect(name);
        }
        let report = apply_early(root.path());
        assert_eq!(root.path().join(UNUSED).exists(), unused, "{report:?}");
        assert_eq!(report.warnings.is_empty(), !unused, "{report:?}");
    }
}

#[test]
fn one_start_checks_what_it_is_asked_to() {
    let root = root();
    store_text(root.path(), "version = 3");
    let (next, now) = (root.path().join(CHECK_NEXT), root.path().join(CHECK_NOW));
    assert!(apply_early(root.path()).warnings.is_empty());
    assert!(!now.exists());
    fs::write(&next, "").expect("asked");
    assert!(apply_early(root.path()).warnings.is_empty());
    assert_eq!((next.exists(), now.exists()), (false, true));
    // The state volume is looked through before that, by the initrd; a power cut then spares the others nothing.
    let initrd = include_str!("../../../initrd/src/state_check.rs");
    for (name, mark) in [("NEXT", CHECK_NEXT), ("BEGUN", CHECK_BEGUN)] {
        let file = mark.rsplit('/').next().expect("a name");
        let line = format!("pub const {name}: &str = \"{file}\";");
        assert!(initrd.contains(&line), "{line}");
    }
    fs::remove_file(&now).expect("there");
    fs::write(root.path().join(CHECK_BEGUN), "").expect("begun");
    assert!(apply_early(root.path()).warnings.is_empty());
    let begun = root.path().join(CHECK_BEGUN);
    assert_eq!((begun.exists(), now.exists()), (false, true));
}

#[test]
fn a_state_volume_that_is_used_although_it_is_damaged_is_told() {
    let root = root();
    store_text(root.path(), "version = 3");
    for (device, exit, told) in [
        ("\"/dev/vda7\"", 0, false),
        ("\"/dev/vda7\"", 3, false),
        ("\"/dev/vda7\"", 4, true),
        ("\"/dev/vda7\"", 8, true),
        // That it is not used is told elsewhere.
        ("null", 8, false),
    ] {
        let boot = format!(
            r#"{{"mode":"installed","state_device":{device},"state_check":{{"exit":{exit},"summary":"not clean"}}}}"#
        );
        fs::write(root.path().join("run/vigie/boot.json"), boot).expect("boot.json");
        let warnings = apply_early(root.path()).warnings;
        assert_eq!(!warnings.is_empty(), told, "{exit} {warnings:?}");
        assert_eq!(root.path().join(ERROR_NOTE).exists(), told);
        assert!(!root.path().join(UNUSED).exists());
    }
}

#[test]
fn a_check_that_would_be_made_at_every_start_is_not_made() {
    let root = root();
    store_text(root.path(), "version = 3");
    let (next, now) = (root.path().join(CHECK_NEXT), root.path().join(CHECK_NOW));
    // It cannot be taken away, as on a volume that cannot be written to.
    fs::create_dir_all(next.join("x")).expect("a folder");
    let warnings = apply_early(root.path()).warnings;
    assert!(warnings.iter().any(|one| one.contains(CHECK_NEXT)));
    assert!(!now.exists());
}

#[test]
fn the_health_check_looks_at_the_flag() {
    let unit = include_str!("../../../overlay/usr/lib/systemd/system/vigie-health.service");
    assert!(unit.contains(&format!("test ! -e /{UNUSED}\n")));
}
