//! What becomes of documents in a folder; power cuts are in `cuts.rs`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::origin::{Made, digest, without_made};

fn named(name: &str) -> Settings {
    let mut settings = Settings::default();
    settings.system.hostname = name.parse().expect("host name");
    settings
}

fn with_anna(name: &str) -> Settings {
    let anna = include_str!("../../tests/golden/full.toml");
    let mut settings = named(name);
    settings.users = Settings::from_text(anna).expect("reads").users;
    assert!(!settings.users.is_empty());
    settings
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = Store::of_system(folder.path());
    (folder, store)
}

fn path(store: &Store, name: &str) -> PathBuf {
    store.files.path(name)
}

/// The generation before the current one.
fn before(store: &Store) -> Settings {
    let found = store.generation(&previous(VERSION)).expect("readable");
    found.expect("there").settings
}

#[test]
fn starting_over_leaves_nothing_of_before() {
    let (_folder, store) = store();
    store.save(&named("one")).expect("saved");
    store.save(&named("two")).expect("saved");
    let form_1 = include_str!("../../tests/forms/1.toml");
    for name in [
        "current.toml",
        "previous.toml",
        "displaced.3.toml",
        "current.4.toml",
    ] {
        fs::write(path(&store, name), form_1).expect("written");
    }
    fs::write(path(&store, "notes.txt"), "a person's").expect("written");
    store.start_over(&named("new")).expect("started over");
    let mut names = store.files.names().expect("names");
    names.sort();
    assert_eq!(names, ["current.3.toml", "notes.txt", "previous.3.toml"]);
    assert_eq!(store.load().settings, named("new"));
    fs::write(path(&store, "current.3.toml"), "damaged").expect("written");
    assert_eq!(store.load().settings, named("new"));
    // An older system finds nothing, and what is damaged stops nobody.
    fs::write(path(&store, "previous.3.toml"), "damaged").expect("written");
    store.start_over(&named("newer")).expect("started over");
    assert_eq!(store.load().settings, named("newer"));
    assert_eq!(store.load().origin, Origin::Current);
}

#[test]
fn nothing_stored_means_defaults_without_a_warning() {
    let (_folder, store) = store();
    assert_eq!(
        store.load(),
        Loaded {
            settings: Settings::default(),
            origin: Origin::Absent,
            unused: None
        }
    );
    assert_eq!(store.load().origin.warning(), None);
}

#[test]
fn generations_follow_each_other() {
    let (_folder, store) = store();
    for name in ["one", "two", "three"] {
        store.save(&named(name)).expect("saved");
        assert_eq!(
            store.load(),
            Loaded {
                settings: named(name),
                origin: Origin::Current,
                unused: None
            }
        );
    }
    assert_eq!(before(&store), named("two"));
    let mode = fs::metadata(path(&store, &current(VERSION)))
        .expect("current")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn every_damage_falls_back_and_says_so() {
    let cases: [(&str, &[u8]); 6] = [
        ("empty", b""),
        ("not text", b"\xff\xfe\x00"),
        ("truncated", b"version = 3\n[sys"),
        ("unknown field", b"version = 3\nx = 1\n"),
        ("from the future", b"version = 7\n"),
        (
            "contradiction",
            b"version = 3\n[network.enterprise]\ndhcp = false\n",
        ),
    ];
    for (name, damage) in cases {
        let (_folder, store) = store();
        store.save(&named("one")).expect("saved");
        store.save(&named("two")).expect("saved");
        fs::write(path(&store, &current(VERSION)), damage).expect("damaged");
        let loaded = store.load();
        assert_eq!(loaded.settings, named("one"), "{name}");
        assert!(
            loaded
                .origin
                .warning()
                .is_some_and(|w| w.contains("generation before")),
            "{name}"
        );

        // Saving over a damaged document must not make the damage the fallback.
        store.save(&named("three")).expect("saved");
        assert_eq!(before(&store), named("one"), "{name}");

        fs::write(path(&store, &current(VERSION)), damage).expect("damaged");
        fs::write(path(&store, &previous(VERSION)), damage).expect("damaged");
        // Those that are kept are better than nothing, and lost with all others.
        assert_eq!(store.load().settings, named("one"), "{name}");
        for one in store.history().expect("history") {
            fs::write(
                path(&store, &format!("previous.3-{}.toml", one.number)),
                damage,
            )
            .expect("damaged");
        }
        let loaded = store.load();
        assert_eq!(loaded.settings, Settings::default(), "{name}");
        assert!(
            loaded
                .origin
                .warning()
                .is_some_and(|w| w.contains("defaults")),
            "{name}"
        );
    }
}

#[test]
fn a_left_over_temporary_file_or_a_huge_document_does_no_harm() {
    let (_folder, store) = store();
    store.save(&named("one")).expect("saved");
    fs::write(path(&store, ".current.3.toml.new"), "half").expect("left over");
    store.save(&named("two")).expect("saved");
    fs::write(path(&store, &current(VERSION)), vec![b'#'; 2 << 20]).expect("huge");
    assert_eq!(store.load().settings, named("one"));
}

#[test]
fn what_contradicts_itself_is_not_saved() {
    let (_folder, store) = store();
    store.save(&named("one")).expect("saved");
    let mut bad = named("two");
    bad.network.enterprise.dhcp = Some(false);
    assert!(matches!(store.save(&bad), Err(SaveError::Check(_))));
    assert_eq!(store.load().settings, named("one"));
}

#[test]
fn text_reads_back_as_the_same_document() {
    let text = include_str!("../../tests/golden/full.toml");
    let settings = Settings::from_text(text).expect("reads");
    assert_eq!(
        Settings::from_text(&settings.to_text().expect("writes")).expect("reads back"),
        settings
    );
}

#[test]
fn the_last_good_generations_are_kept_with_who_and_when() {
    let (_folder, store) = store();
    let store = store.by("anna");
    assert_eq!(store.history().expect("history"), []);
    for number in 1..=20 {
        store
            .save(&named(&format!("name-{number}")))
            .expect("saved");
    }
    let history = store.history().expect("history");
    let numbers: Vec<u32> = history.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [20, 19, 18, 17, 16, 15, 14, 13]);
    assert_eq!(history.len(), KEPT);
    for one in &history {
        let stamp = one.stamp.as_ref().expect("a stamp");
        assert_eq!((stamp.number, stamp.who.as_str()), (one.number, "anna"));
        assert_eq!((one.is_current, &one.fault), (one.number == 20, &None));
        let settings = store.numbered(one.number).expect("read").expect("there");
        assert_eq!(settings, named(&format!("name-{}", one.number)));
    }
    assert!(store.numbered(12).expect("read").is_none());
    // A damaged one says so; one that a person put there has no stamp, and its place.
    put(&store, "previous.3-14.toml", "damaged");
    put(&store, "current.3.toml", "version = 3\n");
    let history = store.history().expect("history");
    assert_eq!((history[0].number, &history[0].stamp), (20, &None));
    assert!(
        history
            .iter()
            .any(|one| one.number == 14 && one.fault.is_some())
    );
    store.save(&named("after")).expect("saved");
    assert_eq!(store.history().expect("history")[0].number, 21);
    assert_eq!(store.numbered(20).expect("read"), Some(Settings::default()));
    // Names that look like one are none.
    for odd in [
        "previous.3-x.toml",
        "previous.3-007.toml",
        "previous.3-4294967295.toml",
    ] {
        put(&store, odd, "version = 3\n");
    }
    assert_eq!(store.history().expect("history").len(), KEPT);
}

#[test]
fn whoever_reads_changes_and_saves_keeps_others_waiting() {
    let (_folder, store) = store();
    let held = store.exclusive().expect("held");
    let folder = File::open(&store.files.0).expect("the folder");
    assert!(folder.try_lock().is_err());
    drop(held);
    assert!(folder.try_lock().is_ok());
}

/// The store as a system with form 1 left it.
fn of_form_1() -> (tempfile::TempDir, Store) {
    let (folder, store) = store();
    store.files.make().expect("folder");
    put(&store, "current.toml", FORM_1);
    (folder, store)
}

const FORM_1: &str = include_str!("../../tests/forms/1.toml");

fn put(store: &Store, name: &str, text: &str) {
    store.replace(name, text.as_bytes()).expect("written");
}

fn read(store: &Store, name: &str) -> String {
    fs::read_to_string(path(store, name)).expect(name)
}

fn settled(store: &Store) -> Loaded {
    let loaded = store.load();
    store.settle(&loaded).expect("settled");
    loaded
}

#[test]
fn c86_an_older_form_is_migrated_once_and_left_as_it_is() {
    let (_folder, store) = of_form_1();
    let loaded = settled(&store);
    assert_eq!(loaded.settings.system.hostname.as_str(), "recorder-1");
    assert!(matches!(
        loaded.origin,
        Origin::Migrated {
            from: 1,
            damage: None
        }
    ));
    assert_eq!(loaded.warnings(), [""; 0]);
    assert_eq!(read(&store, "current.toml"), FORM_1);
    let again = store.load();
    assert_eq!(
        (&again.settings, &again.origin),
        (&loaded.settings, &Origin::Current)
    );
    assert!(!store.settle(&again).expect("settled"));
    store.save(&named("changed")).expect("saved");
    assert_eq!(store.load().settings, named("changed"));
    assert_eq!(read(&store, "current.toml"), FORM_1);
}

#[test]
fn c88_what_the_older_system_saved_after_a_return_is_taken_over() {
    let (_folder, store) = of_form_1();
    settled(&store);
    store.save(&named("newer")).expect("saved");
    // It went back, and a person changed the name there.
    put(
        &store,
        "current.toml",
        &FORM_1.replace("recorder-1", "recorder-2"),
    );
    let loaded = settled(&store);
    assert_eq!(
        loaded.origin,
        Origin::Since {
            from: 1,
            damage: None
        }
    );
    assert_eq!(loaded.settings.system.hostname.as_str(), "recorder-2");
    assert!(loaded.warnings()[0].contains("meanwhile"));
    assert!(read(&store, "displaced.3.toml").contains("newer"));
    assert_eq!(store.load().origin, Origin::Current);
    // What the older system broke is not taken over.
    put(&store, "current.toml", "version = 1\nx = 1\n");
    assert_eq!(store.load().origin, Origin::Current);
}

#[test]
fn only_what_was_migrated_and_nothing_else_is_as_it_was_made() {
    let untouched = |store: &Store| {
        let text = read(store, "current.3.toml");
        let made = Made::of(&text).expect("where it is from");
        assert_eq!(made.form, 1);
        made.result == digest(without_made(&text).as_bytes())
    };
    let (_folder, store) = of_form_1();
    settled(&store);
    assert!(untouched(&store));
    // Saved over damage, after a migration, and before one.
    put(&store, "current.3.toml", "damaged");
    store.save(&named("mended")).expect("saved");
    assert!(!untouched(&store));
    settled(&store);
    store.save(&named("changed")).expect("saved");
    assert!(!untouched(&store));
    let (_folder, store) = of_form_1();
    store.save(&named("first")).expect("saved");
    assert!(!untouched(&store));
    assert_eq!(store.load().origin, Origin::Current);
}

#[test]
fn damage_after_what_the_older_system_saved_was_taken_over_loses_no_user() {
    let (_folder, store) = of_form_1();
    settled(&store);
    store.save(&with_anna("newer")).expect("saved");
    put(&store, "current.toml", &FORM_1.replace("recorder-1", "r-2"));
    settled(&store);
    for without in [&["previous.3.toml"][..], &["previous.3-2.toml"], &[]] {
        let whole = store.files.names().expect("names");
        let whole: Vec<_> = whole
            .iter()
            .map(|name| (name, read(&store, name)))
            .collect();
        put(&store, "current.3.toml", "damaged");
        for name in without {
            store.files.remove(name).expect(name);
        }
        let loaded = store.load();
        assert_eq!(loaded.settings.users, with_anna("x").users, "{without:?}");
        assert_eq!(loaded.settings.system.hostname.as_str(), "r-2");
        assert!(loaded.origin.is_loss(), "{loaded:?}");
        assert!(
            loaded.warnings()[0].contains("current.3.toml"),
            "{loaded:?}"
        );
        for (name, text) in whole {
            put(&store, name, &text);
        }
    }
}

#[test]
fn without_the_one_before_the_newest_that_is_kept_is_used() {
    let (_folder, store) = store();
    for name in ["one", "two", "three"] {
        store.save(&named(name)).expect("saved");
    }
    for current in [None, Some("damaged")] {
        for previous in [None, Some("damaged"), Some("version = 3\n")] {
            for (name, text) in [("current.3.toml", current), ("previous.3.toml", previous)] {
                store.files.remove(name).expect("removed");
                if let Some(text) = text {
                    put(&store, name, text);
                }
            }
            let loaded = store.load();
            assert_eq!(loaded.settings, named("two"), "{current:?} {previous:?}");
            assert!(loaded.origin.is_loss());
        }
    }
}

#[test]
fn c88_c89_a_newer_form_is_named_once_it_was_changed() {
    let (_folder, store) = store();
    store.save(&named("ours")).expect("saved");
    let body = "version = 4\n[colour]\nof = \"tomorrow\"\n";
    let made = Made {
        form: VERSION,
        source: digest(b"x"),
        result: digest(body.as_bytes()),
    };
    put(&store, "current.4.toml", &Made::put(Some(&made), body));
    assert_eq!(store.load().unused, None);
    put(
        &store,
        "current.4.toml",
        &Made::put(Some(&made), &(body.to_owned() + "x = 1\n")),
    );
    let unused = |form, takes_over| Some(Unused { form, takes_over });
    let loaded = store.load();
    assert_eq!(
        (loaded.unused, &loaded.settings),
        (unused(4, true), &named("ours"))
    );
    assert!(loaded.warnings()[0].contains("takes over"), "{loaded:?}");
    for odd in ["", "version = 4", "#= from x"] {
        put(&store, "current.4.toml", odd);
        let loaded = store.load();
        assert_eq!(loaded.unused, unused(4, false), "{odd}");
        assert!(loaded.warnings()[0].contains("nothing can be changed"));
    }
}

/// Each newer form looks for what was saved meanwhile where its own document was made from.
#[test]
fn a_newer_form_takes_over_only_what_it_was_made_from() {
    for (forms, expected) in [
        (&[(4, 3)][..], (4, true)),
        (&[(4, 2)], (4, false)),
        (&[(5, 3)], (5, true)),
        (&[(4, 3), (5, 3)], (5, true)),
        (&[(4, 3), (5, 4)], (5, false)),
        (&[(4, 2), (5, 3)], (5, false)),
    ] {
        let (folder, store) = store();
        store.save(&named("ours")).expect("saved");
        for (form, from) in forms {
            let made = Made {
                form: *from,
                source: digest(b"x"),
                result: "-".to_owned(),
            };
            let body = format!("version = {form}\n");
            let name = format!("current.{form}.toml");
            put(&store, &name, &Made::put(Some(&made), &body));
        }
        let (form, takes_over) = expected;
        let unused = store.load().unused;
        assert_eq!(unused, Some(Unused { form, takes_over }), "{forms:?}");
        let begun = crate::Changing::begin(folder.path(), "anna");
        assert_eq!(begun.is_ok(), takes_over, "{forms:?}");
        if let Ok(changing) = begun {
            changing.save(&named("meanwhile")).expect("saved");
        }
    }
}

/// The other side of it: what the newer system does with a document that was made from an older form's.
#[test]
fn what_is_saved_after_a_return_is_what_the_newer_system_finds_changed() {
    let (_folder, store) = of_form_1();
    settled(&store);
    store.save(&named("newer")).expect("saved");
    let newer = store.newer(VERSION).expect("there");
    assert!(!newer.is_untouched && newer.made.is_some_and(|made| made.form == 1));
    put(&store, "current.toml", &FORM_1.replace("recorder-1", "r-2"));
    let hostname = store.load().settings.system.hostname;
    assert_eq!(hostname.as_str(), "r-2");
}

#[test]
fn what_cannot_be_migrated_is_told_apart_from_damage() {
    let (_folder, store) = of_form_1();
    put(&store, "current.toml", "version = 1\nx = 1\n");
    let loaded = settled(&store);
    assert!(matches!(loaded.origin, Origin::Unmigrated { from: 1, .. }));
    assert_eq!(loaded.settings, Settings::default());
    assert!(!path(&store, "current.3.toml").exists());
    // Its own generation before is better than the defaults.
    put(&store, "previous.toml", FORM_1);
    assert!(matches!(
        store.load().origin,
        Origin::Migrated { from: 1, .. }
    ));
    // A damaged document of the newest form: that of the older one is better than nothing.
    put(&store, "current.3.toml", "\0");
    let loaded = store.load();
    assert!(loaded.warnings()[0].contains("damaged"), "{loaded:?}");
    assert_eq!(loaded.settings.system.hostname.as_str(), "recorder-1");
}
