//! A person at the screen: what they answer, what they read, and what runs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use anyhow::bail;
use vigie_disk::Bytes;
use vigie_installer::layout::Purpose;
use vigie_prompt::{Field, Item, Secret};
use vigie_settings::Keymap;
use vigie_update::media::FileSystem;
use vigie_update::{Slot, SlotState, Version};

use super::host::Package;
use super::sticks::Stick;
use super::*;
use crate::password::{Account, ask};
use crate::volumes::{Boot, Content, Cut, Inventory, SlotSays, Volume};

/// The password of the person.
const PASSWORD: &str = "vingt-et-un petits canards";

/// A person who answers what was written down: "<" goes back, a number is that entry of a menu (from
/// 1, as on the screen), another word is typed.
#[derive(Default)]
struct Person {
    answers: VecDeque<&'static str>,
    read: Vec<String>,
    /// What was pressed, passwords left out.
    keys: usize,
}

#[derive(Clone)]
struct Terminal(Rc<RefCell<Person>>);

impl Terminal {
    fn next(&self) -> io::Result<Answer<&'static str>> {
        let next = self.0.borrow_mut().answers.pop_front();
        let next = next.ok_or(io::ErrorKind::UnexpectedEof)?;
        // Enter ends what is typed; Esc is a key alone.
        let enter = usize::from(next != "<");
        self.press(next.chars().count() + enter);
        Ok(match next {
            "<" => Answer::Back,
            text => Answer::Given(text),
        })
    }

    fn press(&self, keys: usize) {
        self.0.borrow_mut().keys += keys;
    }

    fn read(&self, lines: &[String]) {
        self.0.borrow_mut().read.extend_from_slice(lines);
    }
}

impl Prompter for Terminal {
    fn speak(&mut self, _: &'static Words) {}
    fn page(&mut self, title: &str) -> io::Result<()> {
        self.read(&[format!("== {title}")]);
        Ok(())
    }
    fn tell(&mut self, lines: &[String]) -> io::Result<Answer<()>> {
        self.read(lines);
        Ok(Answer::Given(()))
    }
    fn pause(&mut self) -> io::Result<Answer<()>> {
        self.press(1);
        self.read(&["(pause)".to_owned()]);
        Ok(Answer::Given(()))
    }
    fn choose(&mut self, items: &[Item], _: usize) -> io::Result<Answer<usize>> {
        for item in items {
            self.read(&item.lines);
            self.read(
                &item
                    .refused
                    .iter()
                    .map(|why| format!("   ({why})"))
                    .collect::<Vec<_>>(),
            );
        }
        Ok(match self.next()? {
            Answer::Back => Answer::Back,
            Answer::Given(number) => {
                let at = number.parse::<usize>().unwrap() - 1;
                assert!(items[at].refused.is_none(), "{:?} was chosen", items[at]);
                Answer::Given(at)
            }
        })
    }
    fn choose_several(&mut self, _: &[Item], _: &[usize]) -> io::Result<Answer<Vec<usize>>> {
        unreachable!("nothing is marked here")
    }
    fn line(&mut self, field: &Field<'_>) -> io::Result<Answer<String>> {
        loop {
            match self.next()? {
                Answer::Back => return Ok(Answer::Back),
                Answer::Given(text) => match (field.check)(text) {
                    Ok(()) => return Ok(Answer::Given(text.to_owned())),
                    Err(why) => self.read(&[why]),
                },
            }
        }
    }
    fn secret(&mut self, _: &str) -> io::Result<Answer<Secret>> {
        // What is typed does not count, the Enter behind it does.
        self.press(1);
        Ok(Answer::Given(Secret::new(PASSWORD.to_owned())))
    }
    fn forget_typed(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Machine {
    terminal: Terminal,
    inventory: Inventory,
    sticks: Vec<Stick>,
    packages: Vec<Package>,
    medium: bool,
    console: bool,
    version: Version,
    ran: Vec<Action>,
    finished: Vec<Finish>,
    broken: bool,
    /// What was typed where a password was asked for.
    password: Option<Secret>,
}

impl Host for Machine {
    fn prompter(&mut self, _: &'static Words) -> Box<dyn Prompter> {
        Box::new(self.terminal.clone())
    }
    fn version(&self) -> Version {
        self.version
    }
    fn has_medium(&self) -> bool {
        self.medium
    }
    fn look(&mut self) -> Inventory {
        self.inventory.clone()
    }
    fn folders(&mut self, _: &Volume) -> Vec<String> {
        vec!["entrance".to_owned(), "yard".to_owned()]
    }
    fn is_text_console(&self) -> bool {
        self.console
    }
    fn keymaps(&self) -> Vec<String> {
        ["us", "fr-latin9"].map(str::to_owned).to_vec()
    }
    fn load_keymap(&mut self, keymap: &Keymap) -> anyhow::Result<()> {
        self.terminal.read(&[format!("(keymap {keymap})")]);
        Ok(())
    }
    fn sticks(&mut self, _: bool) -> Vec<Stick> {
        self.sticks.clone()
    }
    fn packages(&mut self) -> Vec<Package> {
        self.packages.clone()
    }
    fn stamp(&self) -> String {
        "20261122-150405".to_owned()
    }
    fn run(&mut self, action: &Action, language: Language) -> anyhow::Result<()> {
        self.ran.push(action.clone());
        if action.arguments[0] == "password" {
            let person = &mut self.terminal;
            self.password = ask::person(person, Account::Root, "hall", &[], language)?;
        }
        if self.broken {
            bail!("sdb1 was pulled out");
        }
        Ok(())
    }
    fn finish(&mut self, finish: Finish) -> anyhow::Result<()> {
        self.finished.push(finish);
        Ok(())
    }
}

fn volume(name: Purpose, node: &str, content: Content) -> Volume {
    Volume {
        name,
        node: node.into(),
        size: Bytes::gib(47),
        array: None,
        content,
    }
}

fn installation(disk: &str, host: &str) -> Installation {
    let mut one = Installation {
        disk: disk.into(),
        ..Installation::default()
    };
    one.facts.host = Some(host.to_owned());
    let good = SlotState {
        good: true,
        tries: 3,
    };
    one.boot = Some(Boot {
        first: Slot::B,
        a: good,
        b: good,
    });
    for (slot, version) in [(Slot::A, "5.0.0.0"), (Slot::B, "5.1.0.0")] {
        let version = Some(version.parse().unwrap());
        let wholeness = None;
        one.facts
            .slots
            .insert(slot, SlotSays { version, wholeness });
    }
    one.volumes = vec![
        volume(Purpose::Data(1), "/dev/sda8", Content::Missing),
        volume(Purpose::State, "/dev/sda7", Content::Fat),
    ];
    one
}

fn stick() -> Stick {
    Stick {
        name: "sdb1".to_owned(),
        file_system: FileSystem::Vfat,
        size: Bytes::gib(8),
        model: "Ultra".to_owned(),
    }
}

fn machine(installations: Vec<Installation>, answers: &[&'static str]) -> Machine {
    let person = Person {
        answers: answers.iter().copied().collect(),
        read: Vec::new(),
        keys: 0,
    };
    Machine {
        terminal: Terminal(Rc::new(RefCell::new(person))),
        inventory: Inventory {
            installations,
            ..Inventory::default()
        },
        sticks: vec![stick()],
        packages: Vec::new(),
        medium: true,
        console: false,
        version: "5.1.0.0".parse().unwrap(),
        ran: Vec::new(),
        finished: Vec::new(),
        broken: false,
        password: None,
    }
}

/// What was run, as a person would type it; the answers must all have been asked for.
fn ran(machine: &mut Machine) -> Vec<String> {
    run(machine, Language::En).unwrap();
    assert_eq!(machine.terminal.0.borrow().answers, [] as [&str; 0]);
    let line = |action: &Action| {
        let words = action.arguments.iter().map(|word| word.to_string_lossy());
        let mut line = words.collect::<Vec<_>>().join(" ");
        if let Some(lent) = &action.stick {
            line += &format!(
                " [{}{}]",
                lent.stick.name,
                if lent.writable { " rw" } else { "" }
            );
        }
        line
    };
    machine.ran.iter().map(line).collect()
}

fn read(machine: &Machine) -> String {
    machine.terminal.0.borrow().read.join("\n")
}

/// Language, then the entry's number and what follows, then the last one: off.
fn one(answers: &[&'static str]) -> Vec<String> {
    let all = [&["1"], answers, &["13"]].concat();
    let mut machine = machine(vec![installation("/dev/sda", "hall")], &all);
    let ran = ran(&mut machine);
    assert_eq!(machine.finished, [Finish::Poweroff]);
    ran
}

#[test]
fn each_entry_runs_its_command() {
    for (answers, expected) in [
        (&["1", "2"][..], "check --repair --wait --disk /dev/sda"),
        (&["1", "1"], "check --disk /dev/sda"),
        (
            &["1", "3", "1"],
            "check --repair --wait --disk /dev/sda --report /run/vigie/stick [sdb1 rw]",
        ),
        (
            &["1", "4", "1"],
            "check --disk /dev/sda --report /run/vigie/stick [sdb1 rw]",
        ),
        // The system volume stands first, whatever its number.
        (
            &["2", "1", "2"],
            "check state --repair --wait --disk /dev/sda",
        ),
        (&["2", "2", "1"], "check data-1 --disk /dev/sda"),
        (&["3"], "password root --disk /dev/sda"),
        (&["4"], "password service --disk /dev/sda"),
        (&["5", "2"], "rollback --disk /dev/sda"),
        (&["6", "1"], "update --disk /dev/sda"),
        (&["7"], "screen"),
        (&["8", "1"], "reset settings --disk /dev/sda"),
        (&["8", "2"], "reset all --disk /dev/sda"),
        (
            &["9", "1", "1"],
            "export --disk /dev/sda settings /run/vigie/stick/hall-20261122-150405-settings.toml [sdb1 rw]",
        ),
        (
            &["9", "2", "1"],
            "export --disk /dev/sda logs /run/vigie/stick/hall-20261122-150405-logs.tar.gz [sdb1 rw]",
        ),
        (
            &["9", "3", "3", "yesterday", "2026-11-22T15:00", "", "1"],
            "export --disk /dev/sda recordings /run/vigie/stick --volume=data-1 --folder=yard \
             --from=2026-11-22T15:00 [sdb1 rw]",
        ),
        (&["10", "1"], "volumes"),
        (&["10", "2"], "volumes --verify"),
        (&["10", "3"], "disks"),
        (&["11", ""], "rescue"),
        (
            &[
                "11",
                "192.0.2.10",
                "192.0.2.10/24",
                "198.51.100.1",
                "192.0.2.1",
            ],
            "rescue --address=192.0.2.10/24 --gateway=192.0.2.1",
        ),
        (
            &["11", "192.0.2.10/24", ""],
            "rescue --address=192.0.2.10/24",
        ),
    ] {
        assert_eq!(one(answers), [expected], "{answers:?}");
    }
}

#[test]
fn esc_goes_back_everywhere_and_nothing_runs() {
    let answers = [
        "1",
        "1",
        "<",
        "2",
        "2",
        "<",
        "<",
        "5",
        "<",
        "5",
        "1",
        "6",
        "<",
        "8",
        "<",
        "9",
        "3",
        "<",
        "10",
        "<",
        "11",
        "<",
        "11",
        "192.0.2.10/24",
        "<",
        "<",
        "<",
    ];
    let mut machine = machine(vec![installation("/dev/sda", "hall")], &answers);
    assert_eq!(ran(&mut machine), [] as [&str; 0]);
    assert_eq!(machine.finished, []);
}

#[test]
fn the_machine_s_own_keyboard_is_asked_for() {
    let mut machine = machine(vec![], &["2", "2", "azerty", "<", "<", "<"]);
    machine.console = true;
    assert_eq!(ran(&mut machine), [] as [&str; 0]);
    let read = read(&machine);
    assert!(read.contains("(keymap fr-latin9)"), "{read}");
    assert!(read.contains("Aucune installation"), "{read}");
}

#[test]
fn what_needs_attention_stands_above_the_menu() {
    let mut machine = machine(vec![installation("/dev/sda", "hall")], &["1", "<", "<"]);
    ran(&mut machine);
    let read = read(&machine);
    assert!(read.contains("hall: version 5.1.0.0"), "{read}");
    assert!(read.contains("data-1"), "{read}");
    assert!(read.contains("Go back to version 5.0.0.0"), "{read}");
}

#[test]
fn which_of_several_installations_is_asked_and_a_mirror_is_one() {
    let mut mirror = [
        installation("/dev/sda", "hall"),
        installation("/dev/sdb", "hall"),
    ];
    for one in &mut mirror {
        one.array = Some("1".to_owned());
    }
    let mut machine = machine(mirror.to_vec(), &["1", "3", "<", "<"]);
    assert_eq!(ran(&mut machine), ["password root --disk /dev/sda"]);

    let two = vec![
        installation("/dev/sda", "hall"),
        installation("/dev/sdb", "yard"),
    ];
    // The second; later the first, by the entry for it.
    let answers = ["1", "2", "3", "12", "1", "4", "14"];
    let mut machine = self::machine(two, &answers);
    for (one, serial) in machine
        .inventory
        .installations
        .iter_mut()
        .zip(["WD-1", "WD-2"])
    {
        one.drive.model = Some("Recorder Disk".to_owned());
        one.drive.serial = Some(serial.to_owned());
    }
    let expected = [
        "password root --disk /dev/sdb",
        "password service --disk /dev/sda",
    ];
    assert_eq!(ran(&mut machine), expected);
    let read = read(&machine);
    let chosen = "yard: version 5.1.0.0, serial number of the machine unknown\n  \
                  on /dev/sdb (Recorder Disk, WD-2)";
    // In the list, and above the menu.
    assert_eq!(read.matches(chosen).count(), 4, "{read}");
}

#[test]
fn an_expert_says_so_once_and_it_is_passed_on() {
    let answers = ["1", "12", "2", "3", "1", "2", "12", "14"];
    let mut machine = machine(vec![installation("/dev/sda", "hall")], &answers);
    machine.version = "6.0.0.0".parse().unwrap();
    let expected = [
        "password root --disk /dev/sda --other-version",
        "check --repair --wait --disk /dev/sda --other-version",
    ];
    assert_eq!(ran(&mut machine), expected);
    assert!(read(&machine).contains("may keep things in ways"));
}

#[test]
fn packages_are_offered_with_their_place() {
    let mut machine = machine(
        vec![installation("/dev/sda", "hall")],
        &["1", "6", "3", "<", "<"],
    );
    let package = |path: &str, stick| Package {
        path: path.into(),
        size: Bytes::mib(130),
        stick,
    };
    machine.packages = vec![
        package("/run/medium/a-upd.tgz", None),
        package("/run/vigie/stick/update/b-upd.tgz", Some(stick())),
    ];
    let expected = ["update /run/vigie/stick/update/b-upd.tgz --disk /dev/sda [sdb1]"];
    assert_eq!(ran(&mut machine), expected);
    assert!(
        read(&machine).contains("b-upd.tgz (136.3 MB, Ultra 8.5 GB sdb1)"),
        "{}",
        read(&machine)
    );
}

#[test]
fn without_an_installation_a_new_one_can_be_made_and_an_expert_be_let_in() {
    let mut machine = machine(vec![], &["1", "7", "11", "", "10", "1", "<", "<"]);
    assert_eq!(ran(&mut machine), ["screen", "rescue", "volumes"]);
    assert!(read(&machine).contains("(no installation was found"));
}

#[test]
fn recordings_can_be_checked_although_their_system_disk_is_dead() {
    let mut machine = machine(vec![], &["1", "1", "2", "<", "<"]);
    machine.inventory.others = vec![volume(Purpose::Data(1), "/dev/sdc1", Content::Missing)];
    assert_eq!(ran(&mut machine), ["check --repair --wait --all"]);
    let read = read(&machine);
    assert!(read.contains("every volume that was found"), "{read}");
    assert!(read.contains("data-1"), "{read}");
}

/// Issue: at most ten keys from the menu to a new password, beside the password.
#[test]
fn a_new_password_takes_few_keys() {
    let keys = |answers: &[&'static str]| {
        let mut machine = machine(vec![installation("/dev/sda", "hall")], answers);
        ran(&mut machine);
        let typed = machine.password.take();
        let keys = machine.terminal.0.borrow().keys;
        (keys, typed.is_some_and(|one| one.expose() == PASSWORD))
    };
    let (before, none) = keys(&["1", "<", "<"]);
    let (with, typed) = keys(&["1", "3", "<", "<"]);
    assert!(typed && !none);
    // The entry, Enter, Enter behind the password each time, Enter when what was said is read.
    let keys = with - before;
    assert!(keys <= 10, "{keys}");
    assert_eq!(keys, 5);
}

#[test]
fn a_disk_whose_end_is_missing_stands_above_the_menu() {
    for installations in [vec![], vec![installation("/dev/sda", "hall")]] {
        let mut machine = machine(installations, &["2", "<", "<"]);
        machine.inventory.cut = vec![Cut {
            disk: "/dev/vda".into(),
            table: Bytes::gb(8),
            size: Bytes::gb(8) - Bytes::new(300_000_000),
        }];
        ran(&mut machine);
        let read = read(&machine);
        let said =
            "La table sur /dev/vda est celle d'un disque de 8 GB, et celui-ci a 7.7 GB (300 MB";
        assert!(read.contains(said), "{read}");
    }
}

#[test]
fn what_could_not_be_done_is_said_and_waited_for() {
    let mut machine = machine(
        vec![installation("/dev/sda", "hall")],
        &["1", "1", "2", "<", "<"],
    );
    machine.broken = true;
    ran(&mut machine);
    let read = read(&machine);
    assert!(
        read.contains("That could not be done: sdb1 was pulled out\n(pause)"),
        "{read}"
    );
}
