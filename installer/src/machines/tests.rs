use vigie_machine::{Dmi, Port};

use super::*;

fn machine(serial: &str, mac: &str) -> Machine {
    let port = Port {
        name: "enp1s0".to_owned(),
        permanent: mac.parse().ok(),
        current: "02:00:00:00:00:01".parse().ok(),
        link: Some(true),
        driver: None,
        bus: Some("pci".to_owned()),
    };
    let dmi = Dmi {
        serial: Some(serial.to_owned()).filter(|serial| !serial.is_empty()),
        ..Dmi::default()
    };
    Machine {
        dmi,
        signature: None,
        ports: vec![port],
    }
}

const TWO: &str = r#"data_volume_max = "2TB"

[target]
model = "WDC*"

[system]
language = "fr"
hostname = "nvr"

[network.enterprise]
address = "192.168.1.10/24"
dns = ["192.168.1.1"]

[[machine]]
match = { serial = "A1" }
[machine.system]
hostname = "nvr-1"

[[machine]]
match = { mac = "52-54-00-AA-00-02" }
data_volume_max = "1TB"
[machine.target]
serial = "WD-2"
[machine.network.enterprise]
address = "192.168.1.12/24"
dns = []
"#;

fn sections(text: &str) -> Vec<Section> {
    match AnswerFile::parse(text).unwrap() {
        AnswerFile::ByMachine(sections) => sections,
        AnswerFile::ForAll(_) => panic!("no sections"),
    }
}

#[test]
fn a_section_is_laid_over_the_common_part_key_by_key() {
    let sections = sections(TWO);
    let [one, two] = &sections[..] else {
        panic!("two sections")
    };
    assert_eq!((one.line, two.line), (14, 19));
    assert_eq!(one.answers.system.hostname.as_str(), "nvr-1");
    assert_eq!(one.answers.system.language, Language::Fr);
    assert_eq!(one.answers.target.serial, None);
    assert_eq!(two.answers.system.hostname.as_str(), "nvr");
    assert_eq!(two.answers.target.serial.as_deref(), Some("WD-2"));
    assert_eq!(two.answers.target.model.as_deref(), Some("WDC*"));
    assert_eq!(
        two.answers.data_volume_max,
        Some(vigie_disk::Bytes::gb(1000))
    );
    assert!(two.answers.network.enterprise.dns.is_empty());
}

#[test]
fn exactly_one_section_is_for_a_machine() {
    let file = AnswerFile::parse(TWO).unwrap();
    let of = |serial, mac| {
        let found = file.for_machine(&machine(serial, mac));
        found.map(|answers| answers.system.hostname.to_string())
    };
    assert_eq!(of("a1 ", "52:54:00:aa:00:01").unwrap(), "nvr-1");
    assert_eq!(of("", "52:54:00:aa:00:02").unwrap(), "nvr");
    let none = of("B", "52:54:00:aa:00:01").unwrap_err();
    assert_eq!(
        none.lines(Language::En).join("\n"),
        "No section [[machine]] is for this machine; nothing was written.\n  \
         line 14 (serial = \"A1\"): serial is not \"A1\"\n  \
         line 19 (mac = \"52:54:00:aa:00:02\"): no port has the address 52:54:00:aa:00:02\n\
         This machine has serial \"B\", uuid -, asset_tag -, mac 52:54:00:aa:00:01."
    );
    let both = of("A1", "52:54:00:aa:00:02").unwrap_err();
    let lines = both.lines(Language::Fr);
    assert!(lines[0].starts_with("2 sections [[machine]]"), "{lines:?}");
    assert!(lines[1].ends_with("correspond"), "{lines:?}");
}

#[test]
fn the_language_is_known_of_a_file_that_is_refused_too() {
    let refused = "[target]\n[system]\nlanguage = \"fr\"\n";
    assert!(AnswerFile::parse(refused).is_err());
    for (text, language) in [
        (TWO, Some(Language::Fr)),
        (refused, Some(Language::Fr)),
        ("[system]\nlanguage = \"de\"\n", None),
        ("system = 3\n", None),
        ("[target]\npath = \"x\"\n", None),
        ("[system\n", None),
    ] {
        assert_eq!(language_of(text), language, "{text}");
    }
}

#[test]
fn without_sections_the_answers_are_for_every_machine() {
    let file = AnswerFile::parse("[target]\npath = \"/dev/vda\"\n").unwrap();
    let answers = file.for_machine(&machine("", "")).unwrap();
    assert_eq!(answers.target.path.as_deref(), Some("/dev/vda"));
    let doubts = file.doubts();
    let said: Vec<String> = doubts.iter().map(|one| one.to(Language::En)).collect();
    assert!(
        matches!(&said[..], [one] if one.starts_with("Nobody could log in")),
        "{said:?}"
    );
}

#[test]
fn machines_that_nobody_can_log_in_to_are_a_doubt() {
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2zKQ1mBpgkPzT0zQ7yUj1QvG0wYcWm8zZ3dQ5nqk7P anne";
    let said = |text: &str| -> Vec<String> {
        let doubts = AnswerFile::parse(text).unwrap().doubts();
        doubts.iter().map(|one| one.to(Language::En)).collect()
    };
    let open = format!("[target]\nserial = \"A\"\n[access]\nssh_authorized_keys = [\"{key}\"]\n");
    assert_eq!(said(&open), [""; 0]);
    // The settings stay, and with them who may log in.
    let kept = "[target]\nserial = \"A\"\nkeep = \"data-and-state\"\n";
    assert_eq!(said(kept), [""; 0]);
    let one_of_two = format!(
        "[target]\nserial = \"A\"\n[[machine]]\nmatch = {{ serial = \"1\" }}\n\
         [[machine]]\nmatch = {{ serial = \"2\" }}\n[machine.access]\nssh_authorized_keys = [\"{key}\"]\n"
    );
    let doubts = said(&one_of_two);
    assert!(
        matches!(&doubts[..], [one] if one.contains("machines of lines 3:")),
        "{doubts:?}"
    );
}

#[test]
fn what_this_system_does_not_know_is_refused_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    let text = "[target]\nserial = \"A\"\n[system]\ntimezone = \"Mars/X\"\n";
    // A system that cannot be asked says so, and refuses nothing.
    assert!(AnswerFile::parse_on(text, root.path()).is_ok());
    let unasked = not_looked_up(root.path());
    let unasked: Vec<String> = unasked.iter().map(|one| one.to(Language::En)).collect();
    assert!(
        unasked.len() == 2 && unasked[0].contains("/usr/share/zoneinfo"),
        "{unasked:?}"
    );
    let zone = root.path().join("usr/share/zoneinfo/Europe/Paris");
    std::fs::create_dir_all(zone.parent().unwrap()).unwrap();
    std::fs::write(zone, "TZif").unwrap();
    assert_eq!(not_looked_up(root.path()).len(), 1);
    let faults = AnswerFile::parse_on(text, root.path()).unwrap_err();
    assert_eq!(
        faults.lines(Language::En),
        [
            "line 4: system.timezone: this system does not know the time zone \"Mars/X\"; choose another"
        ]
    );
    let maps = root.path().join("usr/share/keymaps/i386/azerty");
    std::fs::create_dir_all(&maps).unwrap();
    for name in ["us.kmap.gz", "fr.kmap.gz"] {
        std::fs::write(maps.join(name), "").unwrap();
    }
    assert!(not_looked_up(root.path()).is_empty());
    let klingon = text.replace("Mars/X\"", "Europe/Paris\"\nkeymap = \"tlh\"");
    let faults = AnswerFile::parse_on(&klingon, root.path()).unwrap_err();
    assert_eq!(
        faults.lines(Language::Fr),
        [
            "ligne 5 : system.keymap : ce système n'a pas la disposition de clavier \"tlh\" ; choisissez-en une autre, comme us, fr ou fr_CH"
        ]
    );
    assert!(AnswerFile::parse_on(&klingon.replace("tlh", "fr"), root.path()).is_ok());
    let of_one = format!("{}[[machine]]\nmatch = {{ serial = \"1\" }}\n", text);
    assert!(AnswerFile::parse_on(&of_one, root.path()).is_err());
    assert!(AnswerFile::parse_on(&text.replace("Mars/X", "Europe/Paris"), root.path()).is_ok());
}

#[test]
fn wrong_sections_are_refused_with_their_lines() {
    let target = "[target]\npath = \"/dev/vda\"\n";
    for (text, expected) in [
        ("machine = 1\n", &["line 1: [[machine]] is wanted"][..]),
        (
            "machine = []\n[target]\npath = \"x\"\n",
            &["line 1: [[machine]] is wanted"],
        ),
        ("machine = [1]\n", &["line 1: [[machine]] is wanted"]),
        (
            "[[machine]]\n[machine.target]\npath = \"x\"\n",
            &["line 1: match is missing"],
        ),
        (
            "[[machine]]\nmatch = {}\n",
            &["line 2: match names no machine"],
        ),
        (
            "[[machine]]\nmatch = 3\n",
            &["line 2: match: needs a table such as"],
        ),
        (
            "[[machine]]\nmatch = { serial = \"Default string\" }\n",
            &["line 2: serial = \"Default string\" is what makers leave"],
        ),
        (
            "[[machine]]\nmatch = { uuid = \"12\" }\n",
            &["line 2: \"12\" is not a UUID"],
        ),
        (
            "[[machine]]\nmatch = { mac = \"12\" }\n",
            &["line 2: mac: \"12\" is not"],
        ),
        (
            "[[machine]]\nmatch = { colour = \"red\" }\n",
            &["line 2: colour: unknown field"],
        ),
        // The common part lacks a target; each section needs one.
        (
            "[[machine]]\nmatch = { serial = \"A\" }\n",
            &["line 1: missing field `target` (for the machine of line 1)"],
        ),
        (
            "[target]\npath = \"x\"\n[[machine]]\nmatch = { serial = \"A\" }\n[machine.system]\nhostname = \"a b\"\n\
             [[machine]]\nmatch = { serial = \"B\" }\n[machine.sytem]\n[[machine]]\nmatch = { serial = \"C\" }\n\
             [machine.network.enterprise]\ngateway = \"10.0.0.1\"\n",
            &[
                "line 6: system.hostname: \"a b\" is not a host name",
                "line 9: sytem: unknown field",
                "line 13: network.enterprise.gateway: needs a fixed address",
            ],
        ),
        // Wrong in the common part: told once.
        (
            "[target]\npath = \"x\"\ngrow = true\n[[machine]]\nmatch = { serial = \"A\" }\n\
             [[machine]]\nmatch = { serial = \"B\" }\n",
            &["line 3: target.grow: grow needs keep"],
        ),
        (
            &format!(
                "{target}[[machine]]\nmatch = {{ serial = \"A\" }}\n[[machine]]\nmatch = {{ serial = \"a\", mac = \"52:54:00:00:00:01\" }}\n"
            ),
            &["line 5: could be for the same machine as the section of line 3"],
        ),
        (
            &format!(
                "{target}[[machine]]\nmatch = {{ mac = \"52-54-00-00-00-01\" }}\n[[machine]]\nmatch = {{ mac = \"52:54:00:00:00:01\" }}\n"
            ),
            &["line 5: could be for the same machine"],
        ),
    ] {
        let found = AnswerFile::parse(text).unwrap_err().lines(Language::En);
        assert_eq!(found.len(), expected.len(), "{text}\n{found:?}");
        for (line, expected) in found.iter().zip(expected) {
            assert!(line.starts_with(expected), "{text}\n{line}");
        }
    }
}

#[test]
fn what_cannot_be_compared_is_a_doubt() {
    let file = AnswerFile::parse(TWO).unwrap();
    let doubts: Vec<String> = file
        .doubts()
        .iter()
        .map(|text| text.to(Language::En))
        .collect();
    assert_eq!(doubts.len(), 2, "{doubts:?}");
    assert!(
        doubts[0].starts_with("The sections of lines 14 and 19"),
        "{doubts:?}"
    );
}

#[test]
fn different_ports_or_numbers_tell_sections_apart() {
    let rule = |text: &str| -> Rule { toml::from_str(text).unwrap() };
    let a = rule("serial = \"A\"\nmac = \"52:54:00:00:00:01\"");
    assert!(!a.is_like(&rule("serial = \"B\"\nmac = \"52:54:00:00:00:01\"")));
    assert!(a.is_like(&rule("serial = \"A\"\nmac = \"52:54:00:00:00:02\"")));
    assert!(!a.is_like(&rule("mac = \"52:54:00:00:00:02\"")));
    assert!(!a.is_like(&rule("asset_tag = \"A\"")));
}

/// Time that passes at once.
#[derive(Default)]
struct Quick(Duration);

impl Time for Quick {
    fn elapsed(&self) -> Duration {
        self.0
    }

    fn pause(&mut self, length: Duration) {
        self.0 += length;
    }
}

/// The host name of the machine whose port shows itself at the look with this number; how long
/// that took, and how often somebody was told.
fn late(text: &str, port_at: usize) -> (Option<String>, u64, usize) {
    let file = AnswerFile::parse(text).unwrap();
    let (mut looks, mut told, mut time) = (0, 0, Quick::default());
    let mut look = || {
        looks += 1;
        match looks > port_at {
            true => machine("B", "52:54:00:aa:00:02"),
            false => Machine::default(),
        }
    };
    let found = file.in_time(&mut look, &mut time, &mut |_| told += 1);
    let name = found
        .ok()
        .map(|answers| answers.system.hostname.to_string());
    (name, time.0.as_secs(), told)
}

#[test]
fn ports_that_the_kernel_finds_late_are_waited_for() {
    assert_eq!(late(TWO, 0), (Some("nvr".to_owned()), 0, 0));
    assert_eq!(late(TWO, 5), (Some("nvr".to_owned()), 10, 1));
    assert_eq!(late(TWO, 100), (None, 60, 1));
    // Serial numbers are there from the beginning; nothing to wait for.
    let by_serial = TWO.replace("mac = \"52-54-00-AA-00-02\"", "serial = \"C\"");
    assert_eq!(late(&by_serial, 5), (None, 0, 0));
}
