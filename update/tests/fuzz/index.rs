//! The signed lines of a server's index, and the whole file before it is authenticated.

use vigie_update::index::{INDEX_MAX, Index, PACKAGES_MAX};
use vigie_update::package::Keyring;

use crate::engine::{Answer, run};

const WORDS: [&[u8]; 14] = [
    b"vigie-index 1\n",
    b"signature ",
    b"---\n",
    b"\n",
    b"x-y z\n",
    b" ",
    b"package ",
    b"serial ",
    b" - ",
    b"18446744073709551616",
    b"4294967296",
    b"1.2.3.4",
    b"../",
    b".tgz",
];

/// What is accepted has one spelling, and only names that are a path's last part.
fn fuzz(bytes: &[u8]) -> Answer {
    let keys = Keyring::from_toml(include_str!("../vectors/keys-one.toml")).unwrap();
    let whole = Index::read(bytes, &keys);
    assert!(whole.is_err() || bytes.len() <= INDEX_MAX);
    let index = Index::parse(bytes).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(bytes).unwrap();
    let critical = text
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("x-"));
    let again = String::from_utf8(index.encode()).unwrap();
    assert_eq!(again, critical.collect::<String>());
    assert!(index.packages.len() <= PACKAGES_MAX);
    for entry in &index.packages {
        let name = entry.name.as_str();
        assert!(!name.contains('/') && !name.starts_with('.') && name.ends_with(".tgz"));
        assert!(entry.length > 0 && entry.id.len() == 64);
    }
    Ok(String::new())
}

#[test]
fn fuzz_index() {
    run("index", &WORDS, fuzz);
}
