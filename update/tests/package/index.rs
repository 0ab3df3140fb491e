//! The indexes in `tests/index-vectors/`, for any reader of them: made here, and judged as their
//! table says. `VIGIE_BLESS=1` rewrites them.

use std::fmt::Write as _;
use std::path::PathBuf;

use vigie_update::index::{self, Entry, Index, IndexError};
use vigie_update::package::signature;

use crate::craft::key;
use crate::judge::ring;

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/index-vectors")
}

fn entry(text: &str) -> Entry {
    text.parse().unwrap()
}

fn good() -> Index {
    let id = "d1e7f5bb077a7674e71676ebbc01e597fc3428a96d626a17763a613cd96de97f";
    Index {
        product: "vigie".into(),
        arch: "amd64".into(),
        made: 1_763_800_000,
        serial: 1_763_800_000,
        packages: vec![
            entry(&format!(
                "1.2.3.0 1.0.0.0 1 - any 5117 {id} vigie-1.2.3.0-upd.tgz"
            )),
            entry(&format!(
                "1.2.3.0 1.0.0.0 1 1.2.2.0 x86-server,other 812 {id} vigie-1.2.3.0-z.tgz"
            )),
        ],
    }
}

/// Signed by the first test key, with something changed before it was signed.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(good().encode()).unwrap();
    let signed = text.replacen(from, to, 1).into_bytes();
    assert_ne!(signed, text.into_bytes());
    index::join(&[index::sign(&key(1), &signed)], &signed)
}

fn vectors() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let signed = good().encode();
    let of_package = signature::sign(&key(1), &signed);
    let empty = Index {
        packages: Vec::new(),
        ..good()
    };
    let mut cut = good().seal(&[key(1)]);
    cut.truncate(300);
    let line = "package 1.2.3.0 1.0.0.0 1 - any 5117 ";
    vec![
        ("good", "good", good().seal(&[key(1)])),
        ("no-package", "good", empty.seal(&[key(1)])),
        ("unknown-key-beside", "good", good().seal(&[key(2), key(1)])),
        (
            "optional-line",
            "good",
            changed("serial", "x-note y\nserial"),
        ),
        ("page", "foreign", b"<html>not here</html>".to_vec()),
        (
            "too-long",
            "foreign",
            [&good().seal(&[key(1)])[..], &[b'x'; 60_000]].concat(),
        ),
        ("unsigned", "untrusted", good().seal(&[])),
        ("foreign-key", "untrusted", good().seal(&[key(2)])),
        ("cut", "untrusted", cut),
        (
            "signed-as-package",
            "untrusted",
            index::join(&[of_package], &signed),
        ),
        (
            "line-unknown",
            "header",
            changed("serial", "expires 9\nserial"),
        ),
        ("line-missing", "header", changed("made 1763800000\n", "")),
        (
            "number-too-large",
            "header",
            changed("serial 1763800000", "serial 18446744073709551616"),
        ),
        (
            "leading-zero",
            "header",
            changed(line, "package 1.2.3.0 1.0.0.0 01 - any 5117 "),
        ),
        (
            "name-traversal",
            "header",
            changed("vigie-1.2.3.0-upd", "../vigie-1.2.3.0-upd"),
        ),
        (
            "name-hidden",
            "header",
            changed("vigie-1.2.3.0-upd", ".vigie-1.2.3.0-upd"),
        ),
        ("not-sorted", "header", changed("vigie-1.2.3.0-upd", "z")),
        ("end-missing", "header", {
            let signed = &signed[..signed.len() - 1];
            index::join(&[index::sign(&key(1), signed)], signed)
        }),
    ]
}

fn word(read: &Result<Index, IndexError>) -> &'static str {
    match read {
        Ok(_) => "good",
        Err(IndexError::Foreign(_) | IndexError::TooLong) => "foreign",
        Err(IndexError::Signature(_)) => "untrusted",
        Err(IndexError::Line { .. }) => "header",
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn indexes_are_as_committed_and_judged_as_the_table_says() {
    let mut table = "# What a reader must say of the indexes here, with the keys of \
                     ../vectors/keys-one.toml; then the words of the reader in Rust.\n"
        .to_owned();
    let bless = std::env::var_os("VIGIE_BLESS").is_some();
    std::fs::create_dir_all(folder()).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder().join(name);
        if bless {
            std::fs::write(&path, bytes).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "{name}");
    };
    let vectors = vectors();
    for (name, verdict, bytes) in &vectors {
        let read = Index::read(bytes, &ring());
        assert_eq!(word(&read), *verdict, "{name}: {read:?}");
        let words = read.err().map(|error| format!("  # {error}"));
        let row = format!("{name:20} {verdict:10}{}", words.unwrap_or_default());
        writeln!(table, "{}", row.trim_end()).unwrap();
        put(&format!("{name}.index"), bytes);
    }
    put("table.txt", table.as_bytes());
    let files = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, vectors.len() + 1);
}
