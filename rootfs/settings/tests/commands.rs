//! The program as scripts use it: what it says, and its exit codes.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// A system with settings of its own.
struct System(tempfile::TempDir);

impl System {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let zone = root.path().join("usr/share/zoneinfo/Europe/Paris");
        fs::create_dir_all(zone.parent().unwrap()).unwrap();
        fs::write(zone, "TZif").unwrap();
        let zone = root.path().join("usr/share/zoneinfo/Etc/UTC");
        fs::create_dir_all(zone.parent().unwrap()).unwrap();
        fs::write(zone, "TZif").unwrap();
        Self(root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn store(&self, name: &str) -> PathBuf {
        self.path("var/lib/vigie/settings").join(name)
    }

    fn run(&self, words: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vigie-settings"))
            .arg("--root")
            .arg(self.0.path())
            .args(["--by", "anna"])
            .env("LANGUAGE", "en")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that refuses before it reads has closed its end.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What a command says that ends with this code.
    fn says(&self, code: i32, words: &[&str], input: &str) -> String {
        let output = self.run(words, input);
        let out = String::from_utf8(output.stdout).unwrap();
        let all = out + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {all}");
        all
    }

    fn json(&self, code: i32, words: &[&str]) -> Value {
        let words = [&["--json"], words].concat();
        serde_json::from_str(&self.says(code, &words, "")).unwrap()
    }
}

#[test]
fn values_are_set_shown_and_taken_back() {
    let system = System::new();
    assert_eq!(system.says(0, &["get", "system.hostname"], ""), "vigie\n");
    let said = system.says(0, &["set", "system.hostname", "hall"], "");
    assert!(
        said.starts_with("system.hostname: \"vigie\" -> \"hall\"\n"),
        "{said}"
    );
    assert_eq!(system.says(0, &["get", "system.hostname"], ""), "hall\n");
    // As TOML where the field takes it, else as the word that it is.
    system.says(0, &["set", "web.idle_minutes", "15"], "");
    system.says(0, &["set", "registration.phone", "15"], "");
    system.says(0, &["set", "time.ntp", "[\"192.168.1.1\"]"], "");
    system.says(0, &["set", "time.ntp.+", "ntp.example.org"], "");
    let ntp = system.json(0, &["get", "time.ntp"]);
    assert_eq!(
        ntp["value"],
        serde_json::json!(["192.168.1.1", "ntp.example.org"])
    );
    system.says(0, &["unset", "registration.phone"], "");
    for words in [
        ["get", "registration.phone"],
        ["unset", "registration.phone"],
    ] {
        system.says(4, &words, "");
    }
    let history = system.json(0, &["history"]);
    assert_eq!(history.as_array().unwrap().len(), 6);
    assert_eq!(
        (&history[0]["number"], &history[0]["who"]),
        (&6.into(), &"anna".into())
    );
    let diff = system.json(0, &["diff", "1"]);
    assert_eq!(diff["changed"].as_array().unwrap().len(), 2, "{diff}");
    assert!(
        system
            .says(0, &["diff"], "")
            .starts_with("registration.phone: \"15\" -> -")
    );
    system.says(4, &["diff", "77"], "");
    // Nothing changed is nothing saved.
    let said = system.says(0, &["set", "system.hostname", "hall"], "");
    assert_eq!(said, "Nothing differs; nothing was saved.\n");
    assert_eq!(system.json(0, &["history"]).as_array().unwrap().len(), 6);
    // And back to an old one.
    system.says(0, &["restore", "--generation", "1"], "");
    system.says(4, &["get", "time.ntp"], "");
}

/// Action, about, what became of it; of each line of the audit trail.
fn trail(system: &System) -> Vec<(String, String, String)> {
    let text = fs::read_to_string(system.path("var/lib/vigie/audit/commands.jsonl"));
    let lines = text.unwrap_or_default();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["who"], &line["peer"]),
            (&"anna".into(), &"root".into())
        );
        let of = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        (of("action"), of("about"), of("ended"))
    };
    lines.lines().map(line).collect()
}

#[test]
fn a_change_is_in_the_audit_trail_and_what_changes_nothing_is_not() {
    let system = System::new();
    system.says(0, &["set", "system.hostname", "hall"], "");
    system.says(0, &["set", "system.hostname", "hall"], "");
    system.says(3, &["set", "system.hostname", "a b"], "");
    system.says(
        0,
        &["set", "access.root_password_hash", "-"],
        "$5$salt$6L8Ne0RvbU2xHDnSPlr9Cs53aXYWpEJhb5ewTYBzmg7\n",
    );
    system.says(0, &["show"], "");
    system.says(0, &["restore", "--generation", "1"], "");
    let both = |action: &str, about: &str| {
        ["asked", "done"].map(|ended| (action.into(), about.into(), ended.into()))
    };
    let expected = [
        both("settings-set", "system.hostname"),
        both("settings-set", "access.root_password_hash"),
        both("settings-restore", "1"),
    ];
    assert_eq!(trail(&system), expected.concat());
    let text = fs::read_to_string(system.path("var/lib/vigie/audit/commands.jsonl")).unwrap();
    assert!(!text.contains("$5$") && !text.contains("hall"), "{text}");
}

#[test]
fn where_the_audit_trail_cannot_be_written_a_change_is_made_all_the_same() {
    let system = System::new();
    fs::create_dir_all(system.path("var/lib/vigie")).unwrap();
    fs::write(system.path("var/lib/vigie/audit"), "in the way").unwrap();
    let said = system.says(0, &["set", "system.hostname", "hall"], "");
    assert!(said.contains("the audit trail cannot be written"), "{said}");
    assert_eq!(system.says(0, &["get", "system.hostname"], ""), "hall\n");
}

#[test]
fn what_is_refused_leaves_everything_as_it_is() {
    let system = System::new();
    system.says(0, &["set", "system.hostname", "hall"], "");
    let before = fs::read(system.store("current.3.toml")).unwrap();
    for (words, code, says) in [
        (
            &["set", "system.hostname", "a b"][..],
            3,
            "system.hostname: \"a b\" is not a host name",
        ),
        (
            &["set", "system.hostnam", "a"],
            3,
            "unknown field `hostnam`",
        ),
        (
            &["set", "system.timezone", "Mars/Olympus"],
            3,
            "does not know the time zone",
        ),
        (
            &["set", "network.routing", "true"],
            3,
            "network.routing: needs network.cameras",
        ),
        (
            &["set", "network.enterprise.gateway", "10.0.0.1"],
            3,
            "needs a fixed address",
        ),
        (&["set", "access.root_password_hash", "x"], 3, "is a secret"),
        (&["set", "version", "2"], 3, "version"),
        (
            &["set", "users.nobody.role", "viewer"],
            3,
            "users: invalid type: map",
        ),
        (&["set", "", "x"], 4, "there is no"),
        (
            &["set", "system.hostname", "a\"\n[access]\nx = \"b"],
            3,
            "is not a host name",
        ),
        (&["unset", "version"], 3, "missing field `version`"),
        (&["validate", "/nowhere"], 1, "reading /nowhere"),
        (&["restore", "/nowhere"], 1, "reading /nowhere"),
        (&["restore"], 2, "required"),
        (&["get", "x"], 4, "x is not set"),
        (&["nonsense"], 2, "unrecognized"),
    ] {
        let said = system.says(code, words, "");
        assert!(said.contains(says), "{words:?}: {said}");
        assert_eq!(fs::read(system.store("current.3.toml")).unwrap(), before);
    }
    let error = system.json(3, &["set", "system.hostname", "a b"]);
    let problem = &error["error"]["problems"][0];
    assert_eq!(
        (&error["error"]["kind"], &problem["field"]),
        (&"refused".into(), &"system.hostname".into())
    );
    assert!(
        problem["fr"].as_str().unwrap().contains("nom de machine"),
        "{error}"
    );
    let french = system.says(
        3,
        &["--language", "fr", "validate", "-"],
        "version = 3\nx = 1\n",
    );
    assert!(french.contains("x: ligne 2 : champ inconnu"), "{french}");
}

#[test]
fn where_nothing_is_set_the_default_is_said() {
    let system = System::new();
    for (key, default) in [
        ("web.idle_minutes", "30\n"),
        ("network.routing", "false\n"),
        ("update.automatic", "no\n"),
        ("system.hostname", "vigie\n"),
    ] {
        assert_eq!(system.says(0, &["get", key], ""), default, "{key}");
    }
    for key in ["update.licence_major", "network.cameras", "web.x"] {
        let said = system.says(4, &["get", key], "");
        assert!(said.contains("is not set"), "{said}");
    }
    system.says(0, &["set", "web.idle_minutes", "10"], "");
    assert_eq!(system.says(0, &["get", "web.idle_minutes"], ""), "10\n");
}

#[test]
fn all_values_that_are_wrong_are_named_at_once() {
    let system = System::new();
    let document = "version = 3\n[system]\nhostname = \"a b\"\n[time]\nntp = [\"a b\", \"-x\"]\n";
    let said = system.says(3, &["validate", "-"], document);
    for place in [
        "system.hostname: line 3:",
        "time.ntp[0]: line 5:",
        "time.ntp[1]: line 5:",
    ] {
        assert!(said.contains(place), "{place}: {said}");
    }
}

#[test]
fn secrets_come_by_standard_input_and_are_never_shown() {
    let system = System::new();
    let user =
        format!("{{ name = \"anna\", role = \"administrator\", password_hash = \"{HASH}\" }}\n");
    let mut said = system.says(0, &["set", "users.+", "-"], &user);
    said += &system.says(
        0,
        &["set", "users.anna.password_hash", "-"],
        &HASH.replace("nf65", "af65"),
    );
    for words in [
        &["show"][..],
        &["--json", "show"],
        &["get", "users"],
        &["get", "users.anna.password_hash"],
        &["diff"],
        &["--json", "diff"],
        &["history"],
    ] {
        said += &system.says(0, words, "");
    }
    assert!(
        said.contains("anna") && !said.contains("argon2id"),
        "{said}"
    );
    assert!(
        said.contains("# users.anna.password_hash: set, not shown"),
        "{said}"
    );
    // Nor are they arguments, wherever they stand in one.
    for value in [
        user.trim_end(),
        "{ name = \"anna\", \"password\\u005fhash\" = \"x\" }",
        "{ name = \"anna\" password_hash = \"x\" }",
        "[{ a = { token = \"x\" } }]",
    ] {
        let said = system.says(3, &["set", "users.+", value], "");
        assert!(
            said.contains("standard input") && !said.contains("argon2id"),
            "{said}"
        );
    }
    for (key, value) in [
        ("access.root_password_hash", "987654\n"),
        (
            "users.+",
            "{ name = \"eve\", role = \"viewer\", password_hash = 987654 }\n",
        ),
    ] {
        for language in ["en", "fr"] {
            let said = system.says(3, &["--language", language, "set", key, "-"], value);
            assert!(
                said.contains("password_hash") && !said.contains("987654"),
                "{said}"
            );
        }
    }
    // Nobody locks everybody out.
    let refused = system.says(3, &["set", "users.anna.disabled", "true"], "");
    assert!(refused.contains("no administrator"), "{refused}");
    let refused = system.says(3, &["set", "users.anna.password_hash", "-"], "secret\n");
    assert!(
        !refused.contains("secret\n") && refused.contains("(hidden)"),
        "{refused}"
    );
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn backups_are_restored_and_bad_ones_are_not() {
    let system = System::new();
    system.says(0, &["set", "system.hostname", "hall"], "");
    let (plain, sealed) = (system.path("plain"), system.path("sealed"));
    system.says(0, &["backup", text(&plain)], "");
    system.says(
        0,
        &["backup", "--passphrase-stdin", text(&sealed)],
        "a long word\n",
    );
    system.says(1, &["backup", text(&plain)], "");
    system.says(
        3,
        &["backup", "--passphrase-stdin", text(&system.path("x"))],
        "short\n",
    );
    assert!(!system.path("x").exists());
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&plain).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let other = System::new();
    other.says(0, &["restore", text(&plain)], "");
    assert_eq!(other.says(0, &["get", "system.hostname"], ""), "hall\n");
    other.says(0, &["set", "system.hostname", "other"], "");
    for (words, code, input) in [
        (&["restore", text(&sealed)][..], 6, ""),
        (
            &["restore", "--passphrase-stdin", text(&sealed)],
            6,
            "another word\n",
        ),
        (
            &["restore", "--passphrase-stdin", text(&plain)],
            6,
            "a long word\n",
        ),
        (&["restore", "--passphrase-stdin", "-"], 3, "a long word\n"),
        (&["restore", "--passphrase-fd", "77", text(&sealed)], 1, ""),
        (&["restore", "-"], 6, "garbage"),
        (&["restore", "-"], 5, "version = 4\n[colour]\n"),
        (&["restore", "-"], 3, "version = 3\nx = 1\n"),
    ] {
        other.says(code, words, input);
        assert_eq!(
            other.says(0, &["get", "system.hostname"], ""),
            "other\n",
            "{words:?}"
        );
    }
    other.says(
        0,
        &["restore", "--passphrase-stdin", text(&sealed)],
        "a long word\n",
    );
    assert_eq!(other.says(0, &["get", "system.hostname"], ""), "hall\n");
    // By a descriptor of its own, the backup on standard input.
    other.says(0, &["set", "system.hostname", "other"], "");
    fs::write(system.path("word"), "a long word\n").unwrap();
    let line = format!(
        "exec 7< {}; exec {} --root {} restore - --passphrase-fd 7 < {}",
        text(&system.path("word")),
        env!("CARGO_BIN_EXE_vigie-settings"),
        text(other.0.path()),
        text(&sealed)
    );
    let status = Command::new("sh")
        .args(["-c", &line])
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(other.says(0, &["get", "system.hostname"], ""), "hall\n");
}

#[test]
fn damaged_settings_are_not_changed_but_mended_by_a_backup() {
    let system = System::new();
    system.says(0, &["set", "system.hostname", "one"], "");
    system.says(0, &["set", "system.hostname", "two"], "");
    let backup = system.path("backup");
    system.says(0, &["backup", text(&backup)], "");
    let current = system.store("current.3.toml");
    let good = fs::read(&current).unwrap();
    let flipped: Vec<u8> = good
        .iter()
        .map(|b| if *b == b'[' { b'{' } else { *b })
        .collect();
    for damage in [
        &flipped[..],
        &good[..good.len() / 2],
        b"version = 9\n",
        b"",
        b"\xff",
    ] {
        fs::write(&current, damage).unwrap();
        let said = system.says(1, &["set", "system.keymap", "fr"], "");
        assert!(said.contains("restore a backup"), "{said}");
        assert!(!said.contains("save them again"), "{said}");
        system.says(3, &["validate"], "");
        assert_eq!(fs::read(&current).unwrap(), damage);
        system.says(0, &["restore", text(&backup)], "");
        assert_eq!(system.says(0, &["get", "system.hostname"], ""), "two\n");
        system.says(0, &["validate"], "");
    }
}

#[test]
fn without_its_state_volume_nothing_is_changed_and_no_defaults_are_backed_up() {
    let system = System::new();
    let backup = system.path("backup");
    let said = system.says(1, &["backup", text(&backup)], "");
    assert!(said.contains("no backup was made"), "{said}");
    system.says(0, &["set", "system.hostname", "hall"], "");
    system.says(0, &["backup", text(&backup)], "");
    fs::create_dir_all(system.path("run/vigie")).unwrap();
    let folder = system.path("var");
    for (mode, device, lost) in [
        ("installed", "null", true),
        ("installed", "\"/dev/vda7\"", false),
        ("live", "null", false),
    ] {
        let boot = format!("{{\"mode\":\"{mode}\",\"state_device\":{device}}}");
        fs::write(system.path("run/vigie/boot.json"), boot).unwrap();
        for words in [
            &["set", "system.hostname", mode][..],
            &["unset", "system.hostname"],
            &["restore", text(&backup)],
        ] {
            let _ = fs::remove_dir_all(&folder);
            if words[0] == "unset" && !lost {
                system.says(0, &["set", "system.hostname", "x"], "");
            }
            let said = system.says(i32::from(lost), words, "");
            assert_eq!(said.contains("state volume"), lost, "{said}");
            assert_eq!(folder.exists(), !lost);
        }
    }
    // Neither are they where the settings are damaged beyond use.
    for name in ["current.3.toml", "previous.3.toml"] {
        fs::write(system.store(name), "damaged").unwrap();
    }
    for number in 0..9 {
        let _ = fs::remove_file(system.store(&format!("previous.3-{number}.toml")));
    }
    system.says(1, &["backup", text(&system.path("other"))], "");
    assert!(!system.path("other").exists());
}

#[test]
fn modes_do_not_follow_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    for umask in ["000", "077"] {
        let system = System::new();
        for folder in ["etc", "run/vigie"] {
            fs::create_dir_all(system.path(folder)).unwrap();
        }
        let program = env!("CARGO_BIN_EXE_vigie-settings");
        let run = |words: &str| {
            let root = text(system.0.path()).to_owned();
            let line = format!("umask {umask}; exec {program} --root {root} {words}");
            let output = Command::new("sh").args(["-c", &line]).output().unwrap();
            assert!(output.status.success(), "{words}: {output:?}");
        };
        run("set system.hostname hall");
        fs::write(system.store("current.3.toml"), "damaged").unwrap();
        run("apply --early");
        for (path, mode) in [
            ("var", 0o755),
            ("var/lib/vigie/settings", 0o755),
            ("etc/systemd", 0o755),
            ("etc/systemd/network", 0o755),
            ("etc/hostname", 0o644),
            ("run/vigie/settings-error", 0o644),
            ("run/vigie/settings-not-used", 0o644),
        ] {
            let found = fs::metadata(system.path(path)).expect(path).permissions();
            assert_eq!(found.mode() & 0o7777, mode, "{umask} {path}");
        }
    }
}

#[test]
fn what_newer_software_saved_is_kept_and_not_passed_over() {
    let system = System::new();
    system.says(0, &["set", "system.hostname", "one"], "");
    let newer = system.store("current.4.toml");
    fs::write(&newer, "version = 4\n[colour]\nof = \"tomorrow\"\n").unwrap();
    let said = system.says(5, &["set", "system.hostname", "two"], "");
    assert!(said.contains("form 4"), "{said}");
    assert!(fs::read_to_string(&newer).unwrap().contains("tomorrow"));
}

#[test]
fn what_is_saved_after_a_return_is_allowed_where_the_newer_system_takes_it_over() {
    let system = System::new();
    system.says(0, &["set", "system.hostname", "one"], "");
    let newer = "#= from 3 0123 as 4567\nversion = 4\n";
    fs::write(system.store("current.4.toml"), newer).unwrap();
    system.says(0, &["set", "system.hostname", "two"], "");
    assert_eq!(
        fs::read_to_string(system.store("current.4.toml")).unwrap(),
        newer
    );
    let said = system.says(0, &["show"], "");
    assert!(said.contains("takes over what is changed here"), "{said}");
}

#[test]
fn the_last_way_in_is_only_lost_by_its_name() {
    let system = System::new();
    let hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC\n";
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2zKQ1mBpgkPzT0zQ7yUj1QvG0wYcWm8zZ3dQ5nqk7P";
    system.says(0, &["set", "access.root_password_hash", "-"], hash);
    system.says(0, &["set", "access.service_password_hash", "-"], hash);
    let said = system.says(3, &["unset", "access"], "");
    assert!(
        said.contains("root's account") && said.contains("--losing root"),
        "{said}"
    );
    let said = system.says(3, &["unset", "access", "--losing", "root"], "");
    assert!(said.contains("--losing service"), "{said}");
    system.says(2, &["unset", "access", "--losing", "everything"], "");
    assert_eq!(
        system
            .says(0, &["get", "access"], "")
            .matches("(hidden)")
            .count(),
        2
    );
    // One of two ways is not the last.
    system.says(0, &["set", "access.ssh_authorized_keys.+", key], "");
    system.says(0, &["unset", "access.root_password_hash"], "");
    let said = system.says(3, &["set", "access.ssh_authorized_keys", "[]"], "");
    assert!(said.contains("--losing root"), "{said}");
    let words = ["unset", "access", "--losing", "root", "--losing", "service"];
    system.says(0, &words, "");
    assert!(!system.says(0, &["show"], "").contains("hidden"));
}

/// Whoever types a passphrase ends the line, and not the input.
#[test]
fn a_passphrase_is_a_line_and_its_end_is_not_waited_for() {
    let system = System::new();
    system.says(0, &["set", "system.hostname", "one"], "");
    let file = system.path("backup");
    let mut child = Command::new(env!("CARGO_BIN_EXE_vigie-settings"))
        .arg("--root")
        .arg(system.0.path())
        .args(["backup", "--passphrase-stdin"])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"dix lamas verts\n").unwrap();
    // It ends although the input does not.
    assert!(child.wait().unwrap().success());
    drop(input);
    let words = ["restore", "--passphrase-stdin", text(&file)];
    system.says(0, &words, "dix lamas verts\r\nand more\n");
    system.says(6, &words, "dix lamas\n");
}

#[test]
fn only_the_running_system_follows_at_once() {
    let system = System::new();
    for words in [
        &["set", "system.hostname", "one", "--now"][..],
        &["apply", "--live"],
        &["trial", "confirm"],
        &["trial", "revert"],
        &["trial", "begin"],
        &["trial", "take-back"],
    ] {
        let said = system.says(3, words, "");
        assert!(said.contains("--root"), "{said}");
    }
    system.says(2, &["apply"], "");
    system.says(2, &["apply", "--live", "--early"], "");
    assert_eq!(
        system.says(0, &["trial", "state"], ""),
        "Nothing is on trial.\n"
    );
    assert_eq!(system.json(0, &["trial", "state"])["left"], Value::Null);
    assert_eq!(system.says(0, &["get", "system.hostname"], ""), "vigie\n");
}

/// What a trial has begun keeps every other change waiting, also those for the next start.
#[test]
fn nothing_is_changed_during_a_trial() {
    let system = System::new();
    fs::create_dir_all(system.path("run/vigie")).unwrap();
    fs::write(system.path("run/vigie/trial.json"), "{}").unwrap();
    let said = system.says(3, &["set", "system.hostname", "one"], "");
    assert!(said.contains("on trial"), "{said}");
    fs::remove_file(system.path("run/vigie/trial.json")).unwrap();
    system.says(0, &["set", "system.hostname", "one"], "");
}

#[test]
fn the_schema_is_printed() {
    let schema: Value = serde_json::from_str(&System::new().says(0, &["schema"], "")).unwrap();
    assert_eq!(schema["properties"]["version"]["const"], 3);
}
