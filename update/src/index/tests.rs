use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::*;
use crate::package::PackageError;
use crate::package::envelope::Envelope;
use crate::package::signature::{PublicKey, TrustedKey};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn ring(seeds: &[u8], threshold: usize) -> Keyring {
    let trusted = |seed: &u8| TrustedKey {
        name: format!("key {seed}"),
        public: PublicKey::of(&key(*seed)),
        development: false,
    };
    Keyring {
        threshold,
        revoked: BTreeSet::new(),
        keys: seeds.iter().map(trusted).collect(),
    }
}

fn entry(number: usize) -> Entry {
    Entry {
        version: "1.2.3.0".parse().unwrap(),
        min_from: "1.0.0.0".parse().unwrap(),
        security_epoch: 4,
        base: number.is_multiple_of(2).then(|| "1.2.2.0".parse().unwrap()),
        hardware: vec!["x86-server".into(), "other".into()],
        length: 5117,
        id: hex::encode([number as u8; 32]),
        name: format!("vigie-{number:03}-upd.tgz").parse().unwrap(),
    }
}

fn index(count: usize) -> Index {
    Index {
        product: "vigie".into(),
        arch: "amd64".into(),
        made: 1_763_800_000,
        serial: 7,
        packages: (0..count).map(entry).collect(),
    }
}

#[test]
fn what_is_sealed_is_read() {
    for count in [0, 1, 2, PACKAGES_MAX] {
        let bytes = index(count).seal(&[key(1), key(2), key(1)]);
        assert!(bytes.len() <= INDEX_MAX, "{count}: {}", bytes.len());
        let read = Index::read(&bytes, &ring(&[1, 2], 2)).unwrap();
        assert_eq!(read, index(count));
        assert_eq!(bytes.windows(10).filter(|w| w == b"signature ").count(), 2);
    }
}

#[test]
fn its_length_is_known_before_it_is_signed() {
    let keys: Vec<_> = (1..=8).map(key).collect();
    let mut index = index(PACKAGES_MAX);
    index.check_length().unwrap();
    let spare = INDEX_MAX - index.seal(&keys).len();
    let hardware = &mut index.packages[0].hardware[0];
    hardware.extend(std::iter::repeat_n('x', spare));
    index.check_length().unwrap();
    assert_eq!(index.seal(&keys).len(), INDEX_MAX);
    index.packages[0].hardware[0].push('x');
    assert!(matches!(index.check_length(), Err(IndexError::TooLong)));
}

#[test]
fn c11_c32_c33_c37_who_may_sign_is_asked_as_for_a_package() {
    let good = index(2).seal(&[key(1)]);
    for (bytes, keys, word) in [
        (good.clone(), ring(&[2], 1), "not known here"),
        (good.clone(), ring(&[1, 2], 2), "1 of 2"),
        (index(2).seal(&[]), ring(&[1], 1), "not signed"),
        (good.clone(), ring(&[], 1), "no key"),
        (
            [&good[..], &vec![b'x'; INDEX_MAX]].concat(),
            ring(&[1], 1),
            "longer than",
        ),
        (Vec::new(), ring(&[1], 1), "does not begin as an index"),
        (
            b"<html>".to_vec(),
            ring(&[1], 1),
            "does not begin as an index",
        ),
    ] {
        let error = Index::read(&bytes, &keys).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let mut revoked = ring(&[1, 2], 1);
    revoked.revoked.insert(PublicKey::of(&key(1)).id());
    assert!(Index::read(&good, &revoked).is_err());
}

#[test]
fn c34_a_signature_over_a_package_does_not_fit_an_index_nor_the_reverse() {
    let index = index(1);
    let signed = index.encode();
    let as_package = signature::sign(&key(1), &signed);
    let bytes = join(&[as_package], &signed);
    let error = Index::read(&bytes, &ring(&[1], 1)).unwrap_err();
    assert!(matches!(
        error,
        IndexError::Signature(PackageError::Untrusted { .. })
    ));
    let as_index = sign(&key(1), &signed);
    let package = Envelope {
        signatures: vec![as_index],
        signed,
        length: 0,
    };
    assert!(ring(&[1], 1).verify(&package).is_err());
}

#[test]
fn c12_every_bit_counts() {
    let good = index(1).seal(&[key(1)]);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            assert!(Index::read(&bytes, &ring(&[1], 1)).is_err(), "{at} {bit}");
        }
        assert!(Index::read(&good[..at], &ring(&[1], 1)).is_err(), "{at}");
    }
}

#[test]
fn c13_c18_c45_c48_c52_signed_lines_are_strict() {
    let good = String::from_utf8(index(2).encode()).unwrap();
    let optional = good.replace("serial", "x-note later makers\nserial");
    assert_eq!(Index::parse(optional.as_bytes()).unwrap(), index(2));
    for (from, to, word) in [
        ("product vigie", "product Vigie", "product"),
        ("made 1763800000", "made 01763800000", "made"),
        ("made 1763800000", "made 18446744073709551616", "made"),
        ("serial 7", "serial -7", "serial"),
        ("serial 7\n", "", "serial"),
        ("serial 7\n", "serial 7\nexpires 9\n", "package"),
        ("1.2.3.0", "1.2.3", "version"),
        (" 4 ", " 4294967296 ", "number"),
        (" 1.2.2.0 ", " none ", "version"),
        (" 5117 ", " 0 ", "no bytes"),
        (" 5117 ", " +5117 ", "number"),
        (" 0000", " 000G", "SHA-256"),
        ("vigie-000-upd.tgz", "../vigie-000-upd.tgz", "no name"),
        ("vigie-000-upd.tgz", "a/b.tgz", "no name"),
        ("vigie-000-upd.tgz", ".tgz", "no name"),
        ("vigie-000-upd.tgz", ".part.tgz", "no name"),
        ("vigie-000-upd.tgz", "index", "no name"),
        ("vigie-000-upd.tgz", "vigie-000-upd.tgz x", "eight words"),
        ("vigie-000-upd.tgz", "vigie-001-upd.tgz", "stands behind"),
        ("vigie-000-upd.tgz", "vigie-002-upd.tgz", "stands behind"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let error = Index::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, IndexError::Line { .. }), "{error}");
        assert!(error.to_string().contains(word), "{from} {to}: {error}");
    }
    let many = index(PACKAGES_MAX + 1).encode();
    let error = Index::parse(&many).unwrap_err().to_string();
    assert!(error.contains("more than 256"), "{error}");
    assert!(Index::parse(&good.as_bytes()[..good.len() - 1]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_bytes_are_refused_or_have_one_spelling(
        at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>(), insert in any::<bool>()
    ) {
        let mut signed = index(3).encode();
        let at = at % signed.len();
        if insert { signed.insert(at, byte) } else { signed[at] = byte }
        signed.truncate(1 + cut % (4 * signed.len()));
        if let Ok(read) = Index::parse(&signed) {
            let text = String::from_utf8(signed).unwrap();
            let critical = text.split_inclusive('\n').filter(|line| !line.starts_with("x-"));
            prop_assert_eq!(critical.collect::<String>().into_bytes(), read.encode());
        }
    }
}
