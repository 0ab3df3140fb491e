//! Recorded machines: `machines/NAME.txt` is a tree of /sys (`path = text`, `path -> link`,
//! `permanent NAME = address`), `NAME.json` what is found in it.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use vigie_machine::{Machine, Source};

fn plant(record: &str, folder: &Path) -> Source {
    let mut source = Source {
        sysfs: folder.to_owned(),
        ..Source::default()
    };
    for line in record
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        if let Some((name, address)) = line
            .strip_prefix("permanent ")
            .and_then(|rest| rest.split_once(" = "))
        {
            let address = address.parse().unwrap();
            source.permanent.insert(name.to_owned(), address);
            continue;
        }
        let (path, rest) = line.split_once(' ').unwrap();
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match rest.split_once(' ').unwrap_or((rest, "")) {
            ("=", text) => fs::write(path, format!("{text}\n")).unwrap(),
            ("->", target) => symlink(target, path).unwrap(),
            _ => panic!("{line}"),
        }
    }
    source
}

#[test]
fn recorded_machines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines");
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let tree = tempfile::tempdir().unwrap();
        let source = plant(&fs::read_to_string(&path).unwrap(), tree.path());
        let found = serde_json::to_string_pretty(&Machine::read(&source)).unwrap() + "\n";
        let golden = path.with_extension("json");
        if std::env::var_os("VIGIE_BLESS").is_some() {
            fs::write(&golden, &found).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(found, expected, "{}", golden.display());
        seen += 1;
    }
    assert!(seen >= 4);
}

#[test]
fn numbers_that_may_not_be_read_are_no_placeholders() {
    use std::os::unix::fs::PermissionsExt;
    let tree = tempfile::tempdir().unwrap();
    let record = "class/dmi/id/product_serial = 5YXK2X2\nclass/dmi/id/sys_vendor = Dell Inc.\n";
    let source = plant(record, tree.path());
    let file = tree.path().join("class/dmi/id/product_serial");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&file).is_ok() {
        println!("skipped: root may read everything");
        return;
    }
    let machine = Machine::read(&source);
    assert!(machine.dmi.forbidden && machine.signature.is_none());
}
