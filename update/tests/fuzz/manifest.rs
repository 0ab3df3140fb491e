//! `MANIFEST`.

use vigie_update::package::Manifest;

use crate::engine::{Answer, run};

const WORDS: [&[u8]; 20] = [
    b"\"format\": 1",
    b"\"changelog\": {",
    b"\"members\": [",
    b"\"name\": ",
    b"\"role\": ",
    b"\"system\"",
    b"\"boot\"",
    b"\"plain\"",
    b"\"zstd\"",
    b"\"delta\"",
    b"\"size\": ",
    b"-0",
    b"1e400",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud83d\\ude00",
    b"[[[[[[[[[[",
    b"null",
    b"\xc3\xa9",
    b"},\n",
];

/// What is accepted has one spelling, two members, and names that are no paths.
fn fuzz(bytes: &[u8]) -> Answer {
    let manifest = Manifest::parse(bytes).map_err(|error| error.to_string())?;
    assert_eq!(manifest.to_text().unwrap(), bytes);
    assert_eq!(manifest.members.len(), 2);
    for member in &manifest.members {
        assert!(!member.name.contains(['/', '\0', '\\']) && !member.name.starts_with('.'));
        assert!((1..=64).contains(&member.name.len()));
    }
    Ok(String::new())
}

#[test]
fn fuzz_manifest() {
    run("manifest", &WORDS, fuzz);
}
