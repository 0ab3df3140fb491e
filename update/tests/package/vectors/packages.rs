//! Packages as the vectors need them: good ones, and good ones with one thing changed.

use curve25519_dalek::Scalar;
use ed25519_dalek::Verifier;
use sha2::{Digest, Sha512};
use vigie_update::package::envelope::{Envelope, SignatureLine};
use vigie_update::package::signature::sign;
use vigie_update::package::{Base, Header, MAGIC};

use crate::craft::{
    BOOT, Head, SYSTEM, Tar, digest, good_entries, header, key, manifest, plain_manifest, seal,
    stored,
};

/// The images that the delta vectors build on.
pub fn base_images() -> [Vec<u8>; 2] {
    [[&SYSTEM[..400], &[b'o'; 200]].concat(), BOOT.to_vec()]
}

pub fn based(system: &[u8]) -> Header {
    let [base_system, base_boot] = base_images();
    let mut header = header(system, BOOT);
    header.base = Some(Base {
        version: "1.2.2.0".parse().unwrap(),
        system: digest(&base_system),
        boot: digest(&base_boot),
    });
    header
}

/// A zstd frame with one stored block (RFC 8878, section 3.1.1), and a window of 1 KiB.
pub fn frame(content: &[u8]) -> Vec<u8> {
    frame_of_window(0, content)
}

/// The same with a window of 2^(10 + `exponent`) bytes.
pub fn frame_of_window(exponent: u8, content: &[u8]) -> Vec<u8> {
    let block = (content.len() as u32) << 3 | 1;
    [
        &[0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3][..],
        &block.to_le_bytes()[..3],
        content,
    ]
    .concat()
}

/// A tar of a system member in this encoding and a plain boot image.
pub fn with_member(encoding: &str, member: &[u8]) -> Vec<u8> {
    let sizes = manifest(
        ("system.bin", encoding, member.len() as u64),
        ("boot.img", "plain", BOOT.len() as u64),
    );
    let tar = Tar::default().file("MANIFEST", &sizes);
    tar.file("system.bin", member).file("boot.img", BOOT).end()
}

pub fn zstd_package(member: &[u8]) -> Vec<u8> {
    seal(
        header(SYSTEM, BOOT),
        &stored(&with_member("zstd", member), 0),
    )
}

pub fn delta_package(header: Header, operations: &[Vec<u8>]) -> Vec<u8> {
    let member = frame(&operations.concat());
    seal(header, &stored(&with_member("delta", &member), 0))
}

pub fn around(tar: &[u8]) -> Vec<u8> {
    seal(header(SYSTEM, BOOT), &stored(tar, 0))
}

pub fn body() -> Vec<u8> {
    stored(&good_entries().end(), 0)
}

pub fn good() -> Vec<u8> {
    around(&good_entries().end())
}

/// A good package whose signed text was changed before it was signed.
pub fn with_text(from: &str, to: &str) -> Vec<u8> {
    let package = good();
    let envelope = Envelope::read(&mut &package[..]).unwrap();
    let text = String::from_utf8(envelope.signed).unwrap();
    let changed = text.replacen(from, to, 1);
    assert_ne!(text, changed);
    let signature = sign(&key(1), changed.as_bytes());
    [
        &Envelope::encode(&[signature], changed.as_bytes())[..],
        &body(),
    ]
    .concat()
}

/// A good package with other signatures.
pub fn signed_by(make: impl FnOnce(&[u8]) -> Vec<SignatureLine>) -> Vec<u8> {
    let package = good();
    let signed = Envelope::read(&mut &package[..]).unwrap().signed;
    [&Envelope::encode(&make(&signed), &signed)[..], &body()].concat()
}

/// A good package with one thing replaced in its manifest, and its tar made for that.
pub fn with_manifest(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(plain_manifest()).unwrap();
    let changed = text.replacen(from, to, 1);
    assert_ne!(text, changed);
    let tar = Tar::default().file("MANIFEST", changed.as_bytes());
    around(&tar.file("system.img", SYSTEM).file("boot.img", BOOT).end())
}

/// A good package whose second entry has another head.
pub fn with_head(head: Head) -> Vec<u8> {
    let tar = Tar::default().file("MANIFEST", &plain_manifest());
    around(&tar.entry(head, SYSTEM).file("boot.img", BOOT).end())
}

/// S and the group's order: the equation holds for it as well.
pub fn malleable(signed: &[u8]) -> SignatureLine {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut line = sign(&key(1), signed);
    let mut carry = 0;
    for (byte, add) in line.bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    line
}

/// A signature whose R is the neutral element: RFC 8032 lets a reader accept it.
pub fn small_order(signed: &[u8]) -> SignatureLine {
    let secret = key(1);
    let message = [MAGIC.as_bytes(), signed].concat();
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut hasher = Sha512::new();
    hasher.update(&bytes[..32]);
    hasher.update(secret.verifying_key().as_bytes());
    hasher.update(&message);
    let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
    bytes[32..].copy_from_slice((k * secret.to_scalar()).as_bytes());
    let signature = ed25519_dalek::Signature::from_bytes(&bytes);
    let lenient = secret.verifying_key().verify(&message, &signature);
    assert!(
        lenient.is_ok(),
        "it must be one that lenient readers accept"
    );
    SignatureLine {
        bytes,
        ..sign(&secret, signed)
    }
}
