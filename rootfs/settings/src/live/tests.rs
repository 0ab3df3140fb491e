//! What follows a change, with a system that writes down what it is asked.

use std::cell::Cell;

use super::*;
use crate::store::Store;

/// Writes down what is run, and has a clock that a test sets.
#[derive(Default)]
pub(crate) struct Recorder {
    pub ran: Vec<String>,
    /// What begins so fails.
    pub fails: Option<&'static str>,
    pub time: Cell<u64>,
}

impl System for Recorder {
    fn run(&mut self, words: &[&str]) -> Result<(), String> {
        let line = words.join(" ");
        let fails = self.fails.is_some_and(|start| line.starts_with(start));
        self.ran.push(line);
        match fails {
            true => Err("no answer".to_owned()),
            false => Ok(()),
        }
    }
    fn clock(&self) -> u64 {
        self.time.get()
    }
    fn let_the_answer_go(&mut self) {
        self.ran.push("(a moment)".to_owned());
    }
    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}

/// A system that has started with the document of `text`.
pub(crate) fn started(text: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("temporary folder");
    for folder in ["etc", "run/vigie", "usr/share/zoneinfo/Europe"] {
        fs::create_dir_all(root.path().join(folder)).expect(folder);
    }
    for zone in ["Etc/UTC", "Europe/Paris"] {
        let path = root.path().join("usr/share/zoneinfo").join(zone);
        fs::create_dir_all(path.parent().expect("a folder")).expect(zone);
        fs::write(path, "TZif").expect(zone);
    }
    let shadow = "root:*:1::::::\nservice:*:1::::::\n";
    fs::write(root.path().join("etc/shadow"), shadow).expect("shadow");
    let store = Store::of_system(root.path());
    store.save(&document(text)).expect("saved");
    let report = crate::apply::apply_early(root.path());
    assert!(report.warnings.is_empty(), "{report:?}");
    root
}

pub(crate) fn document(text: &str) -> Settings {
    Settings::from_text(&format!("version = 3\n{text}")).expect("a document")
}

/// A file that is made and of which nobody says what is renewed would hold from the next start, and
/// nobody would be told.
#[test]
fn it_is_known_of_every_file_what_follows() {
    let settings = Settings::default();
    for entry in render(&settings, "") {
        assert!(renewals(entry.path, &settings).is_some(), "{}", entry.path);
    }
    assert_eq!(renewals("etc/passwd", &settings), None);
}

const ADDRESS: &str = "[network.enterprise]\naddress = \"10.0.0.2/24\"\n";
const ROUTED: &str = "[network]\nrouting = true\n[network.enterprise]\naddress = \"10.0.0.2/24\"\n[network.cameras]\ninterface = \"eth1\"\naddress = \"10.1.0.1/24\"\n";
const PULLS: &str = "[update]\nautomatic = \"install\"\n[update.hawkbit]\nurl = \"https://h.example.org/\"\ntenant = \"DEFAULT\"\ntoken = \"0123456789\"\n";

#[test]
fn each_change_renews_what_reads_it_and_nothing_else() {
    for (text, expected) in [
        ("", &[][..]),
        (
            "[system]\nhostname = \"hall\"\n",
            &["hostnamectl --transient hostname hall"],
        ),
        ("[system]\ntimezone = \"Europe/Paris\"\n", &[]),
        (
            "[system]\nlanguage = \"fr\"\n",
            &["systemctl set-environment LANGUAGE=fr"],
        ),
        (
            "[system]\nkeymap = \"fr\"\n",
            &["systemctl restart vigie-keymap.service"],
        ),
        (
            "[time]\nntp = [\"10.0.0.9\"]\n",
            &["systemctl try-restart systemd-timesyncd.service"],
        ),
        (
            "[network.enterprise]\ndns = [\"10.0.0.9\"]\n",
            &["systemctl reload systemd-networkd.service"],
        ),
        (ADDRESS, &["systemctl reload systemd-networkd.service"]),
        (
            ROUTED,
            &[
                "systemctl reload nftables.service",
                "systemctl restart systemd-sysctl.service",
                "systemctl reload systemd-networkd.service",
            ],
        ),
        (
            PULLS,
            &[
                "systemctl daemon-reload",
                "systemctl restart vigie-pull.timer",
                "systemctl restart vigie-auto-update.timer",
            ],
        ),
        (
            "[access]\nroot_password_hash = \"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC\"\n",
            &["systemctl try-reload-or-restart ssh.service"],
        ),
        ("[web]\nidle_minutes = 5\n", &[]),
        (
            "[[volumes]]\nname = \"data-1\"\nuuid = \"0f3b7a52-9c1d-4e8f-a6b0-1234567890ab\"\nmount = \"/srv/data-1\"\n",
            &[],
        ),
    ] {
        let root = started("");
        let mut system = Recorder::default();
        let new = document(text);
        let followed = follow(root.path(), &new, &mut system);
        assert_eq!(system.ran, expected, "{text}");
        assert_eq!(followed.warnings, [], "{text}");
        let is_later = !followed.after_restart.is_empty();
        assert_eq!(is_later, text.contains("volumes"), "{followed:?}");
        assert_eq!(in_force(root.path()), Some(new));
        // The way back is as long.
        let mut back = Recorder::default();
        follow(root.path(), &Settings::default(), &mut back);
        assert_eq!(back.ran.len(), expected.len(), "{text}: {:?}", back.ran);
        let mut nothing = Recorder::default();
        follow(root.path(), &Settings::default(), &mut nothing);
        assert_eq!(nothing.ran, [""; 0], "{text}");
    }
}

#[test]
fn what_fails_keeps_nothing_else_and_networks_are_tried_again() {
    let root = started("");
    let new = document(&format!("[system]\nhostname = \"hall\"\n{ADDRESS}"));
    let mut system = Recorder {
        fails: Some("hostnamectl"),
        ..Recorder::default()
    };
    let followed = follow(root.path(), &new, &mut system);
    assert_eq!(system.ran.len(), 2);
    assert!(!followed.network_failed && followed.warnings.len() == 1);
    let warning = followed.warnings[0].to_string();
    assert!(warning.contains("hostnamectl") && warning.contains("no answer"));
    let back = Settings::default();
    system.fails = Some("systemctl reload systemd-networkd");
    assert!(follow(root.path(), &back, &mut system).network_failed);
    // The files say so already; the ports do not follow them.
    assert_eq!(in_force(root.path()), Some(new));
    let mut again = Recorder::default();
    assert!(!follow(root.path(), &back, &mut again).network_failed);
    assert!(
        again
            .ran
            .contains(&"systemctl reload systemd-networkd.service".to_owned())
    );
    assert_eq!(in_force(root.path()), Some(back));
}

#[test]
fn what_is_saved_for_the_next_start_is_not_in_force() {
    let root = started("");
    let new = document(ADDRESS);
    Store::of_system(root.path()).save(&new).expect("saved");
    assert_eq!(in_force(root.path()), Some(Settings::default()));
    let file = root.path().join(IN_FORCE);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn only_what_may_cut_off_needs_a_trial() {
    let base = document(ROUTED);
    for (text, expected) in [
        (ROUTED.to_owned(), false),
        (ROUTED.replace("10.0.0.2", "10.0.0.3"), true),
        (ROUTED.replace("routing = true", "routing = false"), true),
        (ROUTED.replace("eth1", "eth2"), true),
        (
            ROUTED.replace("0.2/24\"\n", "0.2/24\"\ngateway = \"10.0.0.1\"\n"),
            true,
        ),
        (
            ROUTED.replace("0.2/24\"\n", "0.2/24\"\ndns = [\"10.0.0.1\"]\n"),
            false,
        ),
        (format!("[system]\nhostname = \"hall\"\n{ROUTED}"), false),
        (String::new(), true),
    ] {
        assert_eq!(needs_trial(&base, &document(&text)), expected, "{text}");
    }
}

/// What is asked of systemd is asked of units that the image has.
#[test]
fn the_units_that_are_named_are_in_the_image() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../overlay/usr/lib/systemd/system");
    for unit in [
        "vigie-keymap.service",
        "vigie-pull.timer",
        "vigie-auto-update.timer",
        trial::TIMER,
        trial::REVERT,
        trial::BEGIN,
    ] {
        assert!(units.join(unit).is_file(), "{unit}");
    }
    let keymap = fs::read_to_string(units.join("vigie-keymap.service")).expect("unit");
    let mark = format!("ConditionPathExists=|/{KEYMAP_CHANGED}\n");
    assert!(keymap.contains(&mark) && keymap.contains("Environment=KEYMAP=us\n"));
    let timer = fs::read_to_string(units.join(trial::TIMER)).expect("unit");
    assert!(timer.contains(&format!("OnActiveSec={}s\n", trial::SECONDS)));
    assert!(timer.contains(&format!("Unit={}\n", trial::REVERT)));
}

/// A change would else be judged by what was in force before, and pass without a trial.
#[test]
fn what_cannot_be_noted_is_not_known() {
    let root = started(ADDRESS);
    assert_eq!(in_force(root.path()), Some(document(ADDRESS)));
    let new = root.path().join(IN_FORCE).with_extension("new");
    fs::create_dir_all(new.join("in the way")).expect("folder");
    let followed = follow(root.path(), &document(ROUTED), &mut Recorder::default());
    assert!(!followed.network_failed && followed.warnings.len() == 1);
    assert_eq!(in_force(root.path()), None);
}
