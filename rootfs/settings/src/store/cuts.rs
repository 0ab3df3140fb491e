//! A power cut at each operation of saving and migrating, with what was not on the disk yet lost,
//! torn or there in any combination.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use vigie_disk::crash;

use super::*;

type Names = BTreeMap<String, Vec<u8>>;

/// What was done to the folder.
#[derive(Clone, Debug)]
enum Done {
    Written(String, Vec<u8>),
    Renamed(String, String),
    Removed(String),
    Synced,
}

/// A folder in memory that remembers what was done to it.
#[derive(Default)]
struct Memory {
    names: RefCell<Names>,
    done: RefCell<Vec<Done>>,
    /// So many writes have room; all where it is absent.
    room: Cell<Option<usize>>,
}

impl Memory {
    fn of(names: &Names) -> Self {
        Self {
            names: RefCell::new(names.clone()),
            ..Self::default()
        }
    }

    fn note(&self, done: Done) {
        happen(&mut self.names.borrow_mut(), &done);
        self.done.borrow_mut().push(done);
    }
}

/// A rename of what never reached the disk does nothing.
fn happen(names: &mut Names, done: &Done) {
    match done {
        Done::Written(name, content) => {
            names.insert(name.clone(), content.clone());
        }
        Done::Renamed(from, to) => {
            if let Some(content) = names.remove(from) {
                names.insert(to.clone(), content);
            }
        }
        Done::Removed(name) => {
            names.remove(name);
        }
        Done::Synced => {}
    }
}

impl Files for &Memory {
    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.names.borrow().get(name).cloned())
    }
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.names.borrow().keys().cloned().collect())
    }
    fn make(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        if let Some(room) = self.room.get() {
            let left = room.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            self.room.set(Some(left));
        }
        self.note(Done::Written(name.to_owned(), content.to_owned()));
        Ok(())
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.note(Done::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.note(Done::Removed(name.to_owned()));
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        self.note(Done::Synced);
        Ok(())
    }
}

/// Every folder that a cut may leave: after each operation, of those since the last sync any
/// combination, and the one under way not at all, torn, or whole.
fn after_cuts(before: &Names, done: &[Done]) -> BTreeSet<Names> {
    let mut states = BTreeSet::from([before.clone()]);
    let mut durable = before.clone();
    let mut since: Vec<Done> = Vec::new();
    for one in done {
        if matches!(one, Done::Synced) {
            since.iter().for_each(|done| happen(&mut durable, done));
            since.clear();
            states.insert(durable.clone());
            continue;
        }
        if let Done::Written(name, content) = one {
            for length in [0, 1, content.len() / 2, content.len().saturating_sub(1)] {
                let torn = Done::Written(name.clone(), content[..length].to_owned());
                combine(&durable, &since, Some(&torn), &mut states);
            }
        }
        since.push(one.clone());
        combine(&durable, &since, None, &mut states);
    }
    states
}

fn combine(durable: &Names, since: &[Done], last: Option<&Done>, states: &mut BTreeSet<Names>) {
    for chosen in 0..1_u32 << since.len() {
        let mut names = durable.clone();
        let there = since
            .iter()
            .enumerate()
            .filter(|(bit, _)| chosen >> bit & 1 == 1);
        there.for_each(|(_, done)| happen(&mut names, done));
        last.iter().for_each(|done| happen(&mut names, done));
        states.insert(names);
    }
}

const FORM_1: &str = include_str!("../../tests/forms/1.toml");

/// The host name, with the users behind it.
fn host(names: &Names) -> String {
    let memory = Memory::of(names);
    let Settings { system, users, .. } = Store::new(&memory).load().settings;
    let users = users.iter().map(|user| format!("+{}", user.name.as_str()));
    system.hostname.as_str().to_owned() + &users.collect::<String>()
}

/// What software of form 1 reads: its own file, and nothing else.
fn host_of_form_1(names: &Names) -> String {
    let text = String::from_utf8(names["current.toml"].clone()).unwrap();
    Settings::from_text(&text)
        .unwrap()
        .system
        .hostname
        .as_str()
        .to_owned()
}

fn save(memory: &Memory, name: &str) {
    let store = Store::new(memory);
    let mut settings = store.load().settings;
    settings.system.hostname = name.parse().unwrap();
    store.save(&settings).unwrap();
}

/// The same, with a first user.
fn save_with_anna(memory: &Memory, name: &str) {
    let store = Store::new(memory);
    let mut settings = store.load().settings;
    settings.system.hostname = name.parse().unwrap();
    settings.users = Settings::from_text(ANNA).unwrap().users;
    store.save(&settings).unwrap();
}

const ANNA: &str = "version = 3\n[[users]]\nname = \"anna\"\nrole = \"administrator\"\npassword_hash = \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\"\n";

fn boot(memory: &Memory) {
    let store = Store::new(memory);
    store.settle(&store.load()).unwrap();
}

/// Does something to a folder; after any cut, and after the start that follows, the name is one
/// of those. Answers the folder without a cut and how many states were looked at.
fn cut(before: &Names, names: &[&str], act: impl Fn(&Memory)) -> (Names, usize) {
    let memory = Memory::of(before);
    act(&memory);
    let states = after_cuts(before, &memory.done.borrow());
    for state in &states {
        let found = host(state);
        assert!(names.contains(&found.as_str()), "{found}: {state:?}");
        let old = before.get("current.toml");
        assert_eq!(
            state.get("current.toml"),
            old,
            "the older system's document"
        );
        if old.is_some() {
            host_of_form_1(state);
        }
        generations_are_whole(state);
        // Starting again settles it, and changes nothing of what is read.
        let again = Memory::of(state);
        boot(&again);
        assert_eq!(host(&again.names.borrow()), found);
    }
    let after = memory.names.borrow().clone();
    (after, states.len())
}

#[test]
fn a_full_volume_leaves_the_settings_as_they_were_and_says_so() {
    let full = Memory::default();
    (1..=12).for_each(|number| save(&full, &format!("n{number}")));
    let before = full.names.borrow().clone();
    for room in 0..3 {
        let memory = Memory::of(&before);
        memory.room.set(Some(room));
        let store = Store::new(&memory);
        // Trying again and again eats nothing up.
        for _ in 0..3 {
            let error = store.save(&Settings::default()).unwrap_err();
            assert!(
                error.said().to(crate::Language::Fr).contains("place"),
                "{error}"
            );
            memory.room.set(Some(0));
        }
        let names = memory.names.borrow().clone();
        assert_eq!(host(&names), "n12");
        generations_are_whole(&names);
        assert!(store.history().unwrap().len() >= KEPT - 1);
        memory.room.set(None);
        save(&memory, "after");
        assert_eq!(host(&memory.names.borrow()), "after");
    }
}

/// No cut leaves half a generation in the history, and no more than are to be kept.
fn generations_are_whole(names: &Names) {
    let memory = Memory::of(names);
    let history = Store::new(&memory).history().unwrap();
    assert!(history.len() <= KEPT, "{history:?}");
    for one in history {
        assert_eq!(one.fault, None, "{names:?}");
    }
}

#[test]
fn every_cut_of_a_long_history_leaves_old_or_new() {
    let mut names = Names::new();
    let mut states = 0;
    for number in 1..=12 {
        let (old, new) = (format!("n{}", number - 1), format!("n{number}"));
        let old = if number == 1 { "vigie" } else { &old };
        let (after, count) = cut(&names, &[old, &new], |memory| save(memory, &new));
        (names, states) = (after, states + count);
    }
    let memory = Memory::of(&names);
    let history = Store::new(&memory).history().unwrap();
    assert_eq!((history.len(), history[0].number), (KEPT, 12));
    crash::tell(states, "of saving settings in a long history");
}

#[test]
fn c65_c66_c67_every_cut_of_saving_and_migrating_leaves_old_or_new() {
    let form_1 = |name: &str| FORM_1.replace("recorder-1", name).into_bytes();
    let start = Names::from([("current.toml".to_owned(), form_1("one"))]);
    let (migrated, a) = cut(&start, &["one"], boot);
    let (saved, b) = cut(&migrated, &["one", "two+anna"], |memory| {
        save_with_anna(memory, "two");
    });
    let (saved, c) = cut(&saved, &["two+anna", "three+anna"], |memory| {
        save(memory, "three");
    });
    // It went back; the older system saves its own document in the same way.
    let mut returned = saved.clone();
    returned.insert("current.toml".to_owned(), form_1("four"));
    let (taken, d) = cut(&returned, &["four+anna"], boot);
    assert!(taken.contains_key("displaced.3.toml"));
    // Whichever of its files is damaged then, the users are there, and damage is told.
    for name in taken.keys().filter(|name| *name != "current.toml") {
        let mut damaged = taken.clone();
        damaged.insert(name.clone(), b"damaged".to_vec());
        assert_eq!(host(&damaged), "four+anna", "{name}");
        let loss = Store::new(&Memory::of(&damaged)).load().origin.is_loss();
        assert_eq!(loss, name == "current.3.toml", "{name}");
    }
    let (_, e) = cut(&taken, &["four+anna", "five+anna"], |memory| {
        save(memory, "five");
    });
    // And what was never migrated.
    let (first, f) = cut(&Names::new(), &["vigie", "six"], |memory| {
        save(memory, "six")
    });
    let (_, g) = cut(&first, &["six", "seven"], |memory| save(memory, "seven"));
    let states = a + b + c + d + e + f + g;
    crash::tell(states, "of saving and migrating settings");
}

#[test]
fn every_cut_of_starting_over_leaves_old_or_new() {
    let form_1 = FORM_1.replace("recorder-1", "one").into_bytes();
    let start = Names::from([("current.toml".to_owned(), form_1)]);
    let memory = Memory::of(&start);
    boot(&memory);
    save(&memory, "two");
    save(&memory, "three");
    let before = memory.names.borrow().clone();
    let again = Memory::of(&before);
    let mut settings = Settings::default();
    settings.system.hostname = "new".parse().unwrap();
    Store::new(&again).start_over(&settings).unwrap();
    let states = after_cuts(&before, &again.done.borrow());
    for state in &states {
        let found = host(state);
        assert!(
            ["three", "new"].contains(&found.as_str()),
            "{found}: {state:?}"
        );
        // Once more, whatever the cut left.
        let memory = Memory::of(state);
        Store::new(&memory).start_over(&settings).unwrap();
        let names = memory.names.borrow();
        assert_eq!(host(&names), "new");
        assert!(
            !names
                .values()
                .any(|text| String::from_utf8_lossy(text).contains("three"))
        );
    }
    crash::tell(states.len(), "of starting over with new settings");
}
