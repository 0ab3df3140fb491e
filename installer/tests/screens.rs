//! Whole sessions of the attended installation: a script in place of the person and of the
//! machine. `screens/NAME.txt` is what stood on the terminal; `VIGIE_BLESS=1` writes them.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use vigie_installer::answers::Action;
use vigie_installer::inventory::Inventory;
use vigie_installer::plan::Plan;
use vigie_installer::progress::{Phase, Span};
use vigie_installer::report::Report;
use vigie_installer::screen::host::Host;
use vigie_installer::screen::{End, run, zones};
use vigie_installer::{Answers, Manifest};
use vigie_machine::Port;
use vigie_prompt::{Capable, ENGLISH, Plain, Prompter, Secret, Size, Wire};
use vigie_settings::{Keymap, Language, PasswordHash};

const WORKSHOP: &str = include_str!("screens/workshop.disks.json");
const HASH: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";
const ZONES: &str = "FR\t+4852+00220\tEurope/Paris\nBE\t+5050+00420\tEurope/Brussels\n\
    GP\t+1614-06132\tAmerica/Guadeloupe\nUS\t+404251-0740023\tAmerica/New_York\n\
    RE\t-2052+05528\tIndian/Reunion\n";

/// The machine. The last inventory stays.
struct Machine {
    inventories: VecDeque<Inventory>,
    manifest: Manifest,
    ports: Vec<Port>,
    text_console: bool,
    fails: bool,
    installed: Option<(Answers, Plan)>,
    finished: Option<Action>,
    loaded: Vec<String>,
}

impl Machine {
    fn new(inventories: &[&str]) -> Self {
        let port = |name: &str, mac: &str, link| Port {
            name: name.to_owned(),
            permanent: Some(mac.parse().unwrap()),
            current: None,
            link,
            driver: None,
            bus: None,
        };
        let inventories = inventories.iter();
        Self {
            inventories: inventories
                .map(|text| serde_json::from_str(text).unwrap())
                .collect(),
            manifest: serde_json::from_str(include_str!("plans/payload.json")).unwrap(),
            ports: vec![
                port("enp1s0", "52:54:00:12:34:56", Some(true)),
                port("enp2s0", "52:54:00:12:34:57", Some(false)),
            ],
            text_console: true,
            fails: false,
            installed: None,
            finished: None,
            loaded: Vec::new(),
        }
    }

    /// What would be installed, as answers.
    fn answers(&self) -> String {
        let (answers, _) = self.installed.as_ref().expect("nothing was installed");
        toml::to_string(answers).unwrap()
    }
}

impl Host for Machine {
    fn inventory(&mut self) -> Inventory {
        match self.inventories.len() {
            1 => self.inventories[0].clone(),
            _ => self.inventories.pop_front().unwrap(),
        }
    }
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    fn is_text_console(&self) -> bool {
        self.text_console
    }
    fn keymaps(&self) -> Vec<String> {
        ["us", "uk", "fr-latin9", "be-latin1"]
            .map(str::to_owned)
            .to_vec()
    }
    fn load_keymap(&mut self, keymap: &Keymap) -> anyhow::Result<()> {
        self.loaded.push(keymap.to_string());
        Ok(())
    }
    fn ports(&self) -> &[Port] {
        &self.ports
    }
    fn zones(&self) -> Vec<String> {
        zones::listed(ZONES)
    }
    fn hash(&self, password: &Secret) -> anyhow::Result<PasswordHash> {
        assert!(password.expose().len() >= 8);
        Ok(HASH.parse()?)
    }
    fn install(&mut self, answers: &Answers, plan: &Plan, _: Language) -> Report {
        answers.check().expect("the library takes the answers");
        self.installed = Some((answers.clone(), plan.clone()));
        match self.fails {
            false => Report::of_run(plan, &[], None),
            true => Report::of_run(plan, &until_boot(), Some(&broken())),
        }
    }
    fn finish(&mut self, action: Action) -> anyhow::Result<()> {
        self.finished = Some(action);
        Ok(())
    }
}

/// What breaks: a disk, while kernel and initrd are written.
fn broken() -> anyhow::Error {
    let error = vigie_disk::Error::Io {
        doing: "writing",
        device: "/dev/sda".to_owned(),
        offset: 4096,
        error: io::Error::from_raw_os_error(5),
    };
    anyhow::Error::new(error).context("writing kernel and initrd")
}

/// The phases that were finished before.
fn until_boot() -> Vec<Span> {
    let finished = Phase::ALL.into_iter().filter(|phase| *phase < Phase::Boot);
    let span = |phase| Span {
        phase,
        seconds: 1.0,
        bytes: None,
    };
    finished.map(span).collect()
}

/// The terminal: what is typed, and what stands on it.
#[derive(Clone)]
struct Script {
    typed: Rc<RefCell<VecDeque<u8>>>,
    shown: Rc<RefCell<Vec<u8>>>,
    echo: bool,
    size: Option<Size>,
}

impl Script {
    fn new(typed: &str, size: Option<Size>) -> Self {
        Self {
            typed: Rc::new(RefCell::new(typed.bytes().collect())),
            shown: Rc::default(),
            echo: size.is_none(),
            size,
        }
    }

    fn shown(&self) -> String {
        String::from_utf8(self.shown.borrow().clone()).unwrap()
    }
}

impl Wire for Script {
    fn byte(&mut self, patience: Option<Duration>) -> io::Result<Option<u8>> {
        // After Esc nobody types for a while.
        let next = self.typed.borrow_mut().pop_front();
        match next {
            Some(1) => Ok(None),
            Some(byte) => {
                if self.echo {
                    self.shown.borrow_mut().push(byte);
                }
                Ok(Some(byte))
            }
            None if patience.is_some() => Ok(None),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    fn write(&mut self, text: &str) -> io::Result<()> {
        self.shown.borrow_mut().extend(text.bytes());
        Ok(())
    }
    fn size(&self) -> Option<Size> {
        self.size
    }
    fn echo(&mut self, on: bool) -> io::Result<()> {
        self.echo = on;
        Ok(())
    }
    fn forget(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a session ended, and what stood on the terminal.
type Session = fn(&mut Machine, Language, &str) -> (io::Result<End>, String);

/// A session on a plain terminal; how it ended and what stood there.
fn plain(machine: &mut Machine, language: Language, typed: &str) -> (io::Result<End>, String) {
    let script = Script::new(typed, None);
    let mut prompter = Plain::new(script.clone(), &ENGLISH);
    let end = run(&mut prompter, machine, language);
    (end, script.shown())
}

fn capable(machine: &mut Machine, language: Language, typed: &str) -> (io::Result<End>, String) {
    // So high that no page of the plan waits for a key.
    let size = Size {
        columns: 80,
        rows: 70,
    };
    let script = Script::new(typed, Some(size));
    let mut prompter: Box<dyn Prompter> = Box::new(Capable::new(script.clone(), &ENGLISH));
    let end = run(prompter.as_mut(), machine, language);
    (end, script.shown())
}

/// A question's answer.
struct Said {
    /// What is typed.
    line: &'static str,
    /// What is typed when the question is asked again; marks are kept and need no second time.
    again: &'static str,
    /// What is refused before; none where anything is taken.
    wrong: Option<&'static str>,
    /// How many questions back Esc leads: the password is asked anew as a whole.
    back: usize,
}

const fn said(line: &'static str, wrong: Option<&'static str>) -> Said {
    Said {
        line,
        again: line,
        wrong,
        back: 1,
    }
}

/// The longest way through a new installation.
const EVERYTHING: [Said; 24] = [
    said("2\n", Some("7\n")), // language
    said("3\n", Some("x\n")), // keyboard
    said("aàé/.-\n", None),   // try it
    said("8\n", Some("4\n")), // several disks; the fourth is in use
    Said {
        line: "2 3\n\n",
        again: "\n",
        wrong: Some("5 9 x\n"),
        back: 1,
    }, // members
    said("1\n", Some("2\n")), // RAID 1
    Said {
        line: "1,3\n\n",
        again: "\n",
        wrong: Some("4\n"),
        back: 1,
    }, // disks for recordings
    said("1\n", Some("0\n")), // each on its own
    said("nvr-hall\n", Some("a b!\n")), // name
    said("2\n", Some("4\n")), // port
    said("2\n", Some("3\n")), // fixed address
    said("192.168.1.10/24\n", Some("192.168.1.0/24\n")),
    said("192.168.1.1\n", Some("192.168.2.1\n")), // gateway
    said("192.168.1.1, 9.9.9.9\n", Some("dns\n")), // name servers
    said("3\n", Some("2\n")),                     // cameras
    said("10.0.0.1/24\n", Some("192.168.1.200/25\n")),
    said("3\n", Some("99\n")),             // zone: by name
    said("réunion\n", Some("atlantis\n")), // a part of it
    said("1\n", Some("2\n")),              // found
    said("motdepasse\n", Some("court\n")), // weak password
    said("2\n", Some("3\n")),              // keep it
    said("motdepasse\n", Some("autre chose\n")),
    Said {
        line: "ABCDEF\n",
        again: "ABCDEF\n",
        wrong: Some("GHIJKL\n"),
        back: 3,
    }, // serial numbers
    said("wd-wcc7k4ghijkl\n", Some("WD-WCC7K4ABCDEF\n")),
];

/// A reinstallation that keeps the recordings, on a disk that was enlarged, beside one with
/// recordings and one without.
const KEPT: [Said; 15] = [
    said("1\n", Some("7\n")), // language
    said("1\n", Some("9\n")), // keyboard
    said("azerty\n", None),   // try it
    said("2\n", Some("4\n")), // reinstall, keep the recordings
    said("2\n", Some("3\n")), // let the last volume grow
    said("1\n", Some("3\n")), // keep the recordings of the other disk
    Said {
        line: "1\n\n",
        again: "\n",
        wrong: Some("2\n"),
        back: 1,
    }, // a disk for recordings
    said("nvr-7\n", Some("a b!\n")), // name
    said("1\n", Some("4\n")), // port
    said("1\n", Some("4\n")), // cameras
    said("1\n", Some("9\n")), // zone
    said("correct horse battery\n", Some("court\n")),
    said("correct horse battery\n", Some("autre chose\n")),
    Said {
        line: "M1\n",
        again: "M1\n",
        wrong: Some("Z1\n"),
        back: 2,
    }, // serial number
    said("4\n", None),
];

/// Recordings on an array, the zone by its city.
const JOINED: [Said; 15] = [
    said("1\n", Some("7\n")), // language
    said("1\n", Some("9\n")), // keyboard
    said("azerty\n", None),   // try it
    said("2\n", Some("4\n")), // system disk
    Said {
        line: "1 2\n\n",
        again: "\n",
        wrong: Some("3\n"),
        back: 1,
    }, // disks for recordings
    said("2\n", Some("3\n")), // RAID 1
    said("nvr-7\n", Some("a b!\n")), // name
    said("1\n", Some("4\n")), // port
    said("1\n", Some("4\n")), // cameras
    said("4\n", Some("9\n")), // zone: in Europe
    said("2\n", Some("3\n")), // the second city
    said("correct horse battery\n", Some("court\n")),
    said("correct horse battery\n", Some("autre chose\n")),
    Said {
        line: "abcdef\n",
        again: "abcdef\n",
        wrong: Some("GHIJKL\n"),
        back: 2,
    }, // serial number of the system's disk
    said("123456\n", Some("S4EWNX\n")), // of the disk for recordings that is not empty
];

/// The end of [`JOINED`].
const MENU: Said = said("4\n", None);

/// The serial numbers of the disks for recordings that are not empty, and the end.
const REST: [Said; 3] = [
    said("123456\n", Some("S4EWNX\n")),
    said("sde\n", Some("sdf\n")),
    said("4\n", None),
];

fn everything() -> Vec<&'static Said> {
    EVERYTHING.iter().chain(&REST).collect()
}

/// A way through the questions.
struct Way {
    name: &'static str,
    disks: String,
    said: Vec<&'static Said>,
}

/// Ways that pass by every question together.
fn ways() -> [Way; 3] {
    [
        Way {
            name: "everything",
            disks: WORKSHOP.to_owned(),
            said: everything(),
        },
        Way {
            name: "kept",
            disks: grown_beside_recordings(),
            said: KEPT.iter().collect(),
        },
        Way {
            name: "joined",
            disks: WORKSHOP.to_owned(),
            said: JOINED.iter().chain([&MENU]).collect(),
        },
    ]
}

/// A system's disk that was enlarged, one with recordings, one that is empty.
fn grown_beside_recordings() -> String {
    let read = |text: &str| -> Inventory { serde_json::from_str(text).unwrap() };
    let mut grown = read(include_str!("plans/keep-data-grown.disks.json"));
    let mut others = read(include_str!(
        "plans/keep-a-data-disk-beside-a-new-system.disks.json"
    ));
    others.disks.retain(|disk| disk.path != "/dev/sda");
    grown.disks.append(&mut others.disks);
    serde_json::to_string(&grown).unwrap()
}

fn typed(said: &[&Said]) -> String {
    said.iter().map(|said| said.line).collect()
}

/// The same keys for a capable terminal: lines have their text already, so it is cleared first.
fn keys(lines: &str) -> String {
    let lines = lines.split_inclusive('\n');
    lines
        .map(|line| match line {
            "<\n" => "\x1b\x01".to_owned(),
            line => format!("\x15{}\r", line.trim_end_matches('\n')),
        })
        .collect()
}

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/screens/{name}.txt"));
    if std::env::var_os("VIGIE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{}", path.display());
}

#[test]
fn golden_sessions() {
    let keep_raid = include_str!("plans/keep-raid1-and-state.disks.json");
    let keep_disk = include_str!("plans/keep-a-data-disk-beside-a-new-system.disks.json");
    let grown = include_str!("plans/keep-data-grown.disks.json");
    let all = typed(&everything());
    for (name, language, disks, lines) in [
        (
            "new-en",
            Language::En,
            WORKSHOP,
            "\n\n\n2\n\n\n\n\n\ncorrect horse battery\ncorrect horse battery\nabcdef\n1\n",
        ),
        ("everything-fr", Language::En, WORKSHOP, &*all),
        (
            "everything-en",
            Language::Fr,
            WORKSHOP,
            &*all.replacen("2\n", "1\n", 1),
        ),
        (
            "keep-settings-fr",
            Language::Fr,
            keep_raid,
            "\n\n\n3\nM1\nM2\n2\n",
        ),
        (
            "keep-data-en",
            Language::En,
            grown,
            "\n\n\n2\n2\nnvr-7\n\n\n\ncorrect horse battery\ncorrect horse battery\nM1\n3\n\n4\n",
        ),
        (
            "keep-disk-fr",
            Language::Fr,
            keep_disk,
            "\n\n\n1\n\n\n\n\n\n\nquatre lamas verts\nquatre lamas verts\nM9\n1\n",
        ),
    ] {
        let mut machine = Machine::new(&[disks]);
        let (end, shown) = plain(&mut machine, language, lines);
        assert_eq!(
            end.as_ref().ok(),
            Some(&End::Installed),
            "{name}: {end:?}\n{shown}"
        );
        assert!(!shown.contains('\x1b'));
        let answers = machine.answers();
        let finished = machine.finished;
        check(name, &format!("{shown}\n--- {finished:?}\n{answers}"));
    }
}

#[test]
fn a_failure_says_what_to_do() {
    let mut machine = Machine::new(&[WORKSHOP]);
    machine.fails = true;
    let lines = "\n\n\n2\n\n\n\n\n\ncorrect horse battery\ncorrect horse battery\nabcdef\n2\n";
    let (end, shown) = plain(&mut machine, Language::Fr, lines);
    assert_eq!(end.unwrap(), End::Failed);
    check("failed-fr", &shown);
}

#[test]
fn both_kinds_of_terminal_lead_to_the_same() {
    let mut on_plain = Machine::new(&[WORKSHOP]);
    let (end, _) = plain(&mut on_plain, Language::En, &typed(&everything()));
    assert_eq!(end.unwrap(), End::Installed);
    let mut on_capable = Machine::new(&[WORKSHOP]);
    let typed = keys(&typed(&everything()));
    let (end, shown) = capable(&mut on_capable, Language::En, &typed);
    assert_eq!(end.unwrap(), End::Installed, "{shown}");
    assert_eq!(on_plain.answers(), on_capable.answers());
    assert_eq!(on_capable.loaded, ["fr-latin9"]);
}

/// What a way leads to, on a plain terminal without any detour.
fn straight(way: &Way) -> String {
    let mut machine = Machine::new(&[&way.disks]);
    let (end, shown) = plain(&mut machine, Language::En, &typed(&way.said));
    assert!(
        matches!(end, Ok(End::Installed)),
        "{}: {end:?}\n{shown}",
        way.name
    );
    machine.answers()
}

/// A detour leads to the same, on both kinds of terminal.
fn same(way: &Way, at: usize, lines: &str, answers: &str) {
    for (kind, typed) in [(plain as Session, lines.to_owned()), (capable, keys(lines))] {
        let mut machine = Machine::new(&[&way.disks]);
        let (end, shown) = kind(&mut machine, Language::En, &typed);
        assert!(
            matches!(end, Ok(End::Installed)),
            "{}, question {at}: {end:?}\n{shown}",
            way.name
        );
        assert_eq!(machine.answers(), answers, "{}, question {at}", way.name);
    }
}

#[test]
fn going_back_is_one_step_everywhere() {
    for way in ways() {
        let (said, answers) = (&way.said, straight(&way));
        // The last is after the installation.
        for at in 1..said.len() - 1 {
            let redone = at - said[at].back;
            let again = said[redone..at].iter().map(|said| said.again);
            let lines = typed(&said[..at]) + "<\n" + &again.collect::<String>();
            same(&way, at, &(lines + &typed(&said[at..])), &answers);
        }
    }
}

#[test]
fn wrong_input_is_asked_again_everywhere() {
    for way in ways() {
        let (said, answers) = (&way.said, straight(&way));
        for (at, one) in said.iter().enumerate() {
            let Some(wrong) = one.wrong else { continue };
            let lines = typed(&said[..at]) + wrong + &typed(&said[at..]);
            same(&way, at, &lines, &answers);
        }
    }
}

/// The ways pass by every question that there is.
#[test]
fn the_ways_lead_everywhere() {
    let answers = ways().map(|way| straight(&way));
    for (at, says) in [
        (1, "keep = \"data\"\ngrow = true"),
        (
            1,
            "[[data]]\nserial = \"Z1\"\npath = \"/dev/sdb\"\nkeep = \"data\"",
        ),
        (1, "serial = \"Z2\""),
        (2, "raid = \"raid1\""),
        (2, "timezone = \"Europe/Paris\""),
    ] {
        assert!(answers[at].contains(says), "{says}\n{}", answers[at]);
    }
}

#[test]
fn whoever_leaves_has_written_nothing() {
    for Way { disks, said, .. } in ways() {
        for at in 0..said.len() - 1 {
            // The terminal is closed.
            let mut machine = Machine::new(&[&disks]);
            let (end, _) = plain(&mut machine, Language::En, &typed(&said[..at]));
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert!(machine.installed.is_none());
            // Ctrl-C.
            let mut machine = Machine::new(&[&disks]);
            let keys = keys(&typed(&said[..at])) + "\x03";
            let (end, _) = capable(&mut machine, Language::En, &keys);
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::Interrupted);
            assert!(machine.installed.is_none());
        }
    }
    let mut machine = Machine::new(&[WORKSHOP]);
    let (end, _) = plain(&mut machine, Language::En, "<\n");
    assert_eq!(end.unwrap(), End::Left);
}

#[test]
fn the_password_is_nowhere() {
    let mut machine = Machine::new(&[WORKSHOP]);
    let (_, shown) = capable(&mut machine, Language::En, &keys(&typed(&everything())));
    assert!(!shown.contains("motdepasse"));
    assert!(!shown.contains(HASH));
    let (answers, plan) = machine.installed.unwrap();
    assert!(!format!("{answers:?}{plan:?}").contains("motdepasse"));
}

#[test]
fn only_the_machines_own_console_has_its_keymap_set() {
    let mut machine = Machine::new(&[WORKSHOP]);
    machine.text_console = false;
    let mut lines = everything();
    lines.remove(2);
    let (end, _) = plain(&mut machine, Language::En, &typed(&lines));
    assert_eq!(end.unwrap(), End::Installed);
    assert_eq!(machine.loaded, [""; 0]);
    let (answers, _) = machine.installed.unwrap();
    assert_eq!(answers.system.keymap.as_str(), "fr-latin9");
}

#[test]
fn a_disk_that_changes_after_the_plan_is_not_written() {
    let changed = WORKSHOP.replace("WD-WCC7K4ABCDEF", "WD-WCC7K4XXXXXX");
    let gone = WORKSHOP.replace("/dev/sda", "/dev/sdz");
    let to_the_end = "\n\n\n2\n\n\n\n\n\ncorrect horse battery\ncorrect horse battery\nabcdef\n";
    for now in [changed, gone] {
        // Looked at: at the start, after the keyboard, for the system disk, after the confirmation.
        let mut machine = Machine::new(&[WORKSHOP, WORKSHOP, WORKSHOP, &now]);
        let (end, shown) = plain(&mut machine, Language::En, &format!("{to_the_end}\n"));
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(machine.installed.is_none());
        let after = shown
            .rsplit("Nothing was written; choose again.")
            .next()
            .unwrap();
        assert_ne!(after, shown, "{shown}");
        assert!(
            after.contains("Which disk is the system installed on?"),
            "{after}"
        );
        let now = if now.contains("XXXXXX") {
            "XXXXXX"
        } else {
            "sdz"
        };
        assert!(after.contains(now), "{after}");
    }
}

#[test]
fn a_machine_without_a_disk_that_can_be_used() {
    let none = include_str!("plans/no-disks.disks.json");
    let mut machine = Machine::new(&[none, none, none, none, WORKSHOP]);
    // RAID is refused, looking again shows what was plugged in meanwhile.
    let (end, shown) = plain(&mut machine, Language::En, "\n\n\n1\n2\n2\n");
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert!(shown.contains("RAID needs two disks"), "{shown}");
    assert!(shown.contains("WD-WCC7K4ABCDEF"), "{shown}");
}
