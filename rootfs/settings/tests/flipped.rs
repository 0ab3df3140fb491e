//! A document of settings of which a disk has changed one bit, anywhere.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use vigie_settings::{Origin, Role, Settings, Store};

/// The file of the generation in use.
fn document(root: &Path) -> PathBuf {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true => folders.push(path),
                false if name.starts_with("current.") => return path,
                false => {}
            }
        }
    }
    panic!("no document");
}

#[test]
fn a_flipped_bit_is_found_or_leaves_settings_that_pass_their_check() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::of_system(root.path());
    let good = Settings::from_text(include_str!("golden/full.toml")).unwrap();
    let mut before = good.clone();
    before.system.hostname = "before".parse().unwrap();
    store.save(&before).unwrap();
    store.save(&good).unwrap();
    let path = document(root.path());
    let bytes = fs::read(&path).unwrap();
    let (mut found, mut passed) = (0, 0);
    for at in 0..bytes.len() {
        for bit in [0x01, 0x20] {
            let mut flipped = bytes.clone();
            flipped[at] ^= bit;
            fs::write(&path, &flipped).unwrap();
            let loaded = store.load();
            if loaded.origin == Origin::Current {
                passed += 1;
                loaded.settings.check().unwrap();
            } else {
                found += 1;
                assert_eq!(loaded.settings, before, "byte {at}");
                assert!(loaded.origin.warning().is_some(), "byte {at}");
            }
            // Nobody gets the first setup for it: whoever administrates still does.
            let administrates = |settings: &Settings| {
                let mut users = settings.users.iter();
                users.any(|user| user.role == Role::Administrator)
            };
            assert_eq!(
                administrates(&loaded.settings),
                administrates(&good),
                "byte {at}"
            );
        }
    }
    assert!(found > passed, "{found} {passed}");
}
