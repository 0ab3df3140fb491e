//! Golden tests: `golden/NAME.toml` → the files that follow from it, in `golden/NAME.files`.
//!
//! Adding a case is adding a document and running with `VIGIE_BLESS=1`, then reading the result.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use vigie_settings::Settings;
use vigie_settings::render::{Entry, Kind, render};

const SHADOW: &str = "root:*:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\nservice:!*:::::::\nvigie-web:!*:20000::::::\n";

#[test]
fn documents_become_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = 0;
    for file in fs::read_dir(&folder).expect("golden folder") {
        let path = file.expect("entry").path();
        if path.extension().is_none_or(|ext| ext != "toml") {
            continue;
        }
        let settings =
            Settings::from_file(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let found: String = render(&settings, SHADOW).iter().map(listing).collect();
        let expected = path.with_extension("files");
        if std::env::var_os("VIGIE_BLESS").is_some() {
            fs::write(&expected, &found).expect("written");
        }
        assert_eq!(
            found,
            fs::read_to_string(&expected).unwrap_or_default(),
            "{}",
            expected.display()
        );
        cases += 1;
    }
    assert!(cases >= 4);
}

#[test]
fn every_document_decides_on_the_same_paths() {
    let paths = |settings: &Settings| {
        render(settings, "")
            .iter()
            .map(|entry| entry.path)
            .collect::<Vec<_>>()
    };
    let full = Settings::from_text(include_str!("golden/full.toml")).expect("reads");
    assert_eq!(paths(&Settings::default()), paths(&full));
}

fn listing(entry: &Entry) -> String {
    let mut text = String::new();
    let path = entry.path;
    match &entry.kind {
        Kind::File { mode, content } => write!(text, "=== /{path} {mode:04o}\n{content}"),
        Kind::Link { target } => writeln!(text, "=== /{path} -> {target}"),
        Kind::Absent => writeln!(text, "=== /{path} absent"),
    }
    .expect("a string takes everything");
    text
}
