//! The head of a package and its signed header, before and after it is authenticated.

use vigie_update::package::Header;
use vigie_update::package::envelope::{COMMENT_MAX, Envelope};

use crate::engine::{Answer, run};

const WORDS: [&[u8]; 20] = [
    b"vigie-package 1\n",
    b"signature ",
    b"---\n",
    b"\n",
    b"\0",
    b"x-",
    b"x-y z\n",
    b" ",
    b"product ",
    b"base ",
    b"system ",
    b"chunk 4194304\n",
    b"1048576",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1.2.3.4",
    b"4294967296",
    b"==",
    b",",
    b"any",
];

/// What is accepted has one spelling: encoding it again gives the same bytes.
fn fuzz(bytes: &[u8]) -> Answer {
    let mut input = bytes;
    let envelope = Envelope::read(&mut input).map_err(|error| error.to_string())?;
    let length = bytes.len() - input.len();
    assert_eq!(envelope.length, length as u64);
    assert!(length <= COMMENT_MAX + 11);
    assert!(envelope.signatures.len() <= 8);
    let again = Envelope::encode(&envelope.signatures, &envelope.signed);
    assert!(again == bytes[..length]);

    let header = Header::parse(&envelope.signed).map_err(|error| error.to_string())?;
    let text = String::from_utf8(envelope.signed).unwrap();
    let critical = text
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("x-"));
    assert_eq!(
        String::from_utf8(header.encode()).unwrap(),
        critical.collect::<String>()
    );
    assert!(header.chunks.len() <= COMMENT_MAX / 65);
    assert!(header.body > 0 && header.system.size.get() > 0 && header.boot.size.get() > 0);
    Ok(String::new())
}

#[test]
fn fuzz_envelope_and_header() {
    run("envelope", &WORDS, fuzz);
}
