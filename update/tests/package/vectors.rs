//! The test vectors in `tests/vectors/`, for any reader of packages. They are made here, byte by
//! byte, so that no version of any crate changes them. `VIGIE_BLESS=1` rewrites them.

use std::fmt::Write as _;
use std::path::PathBuf;

use curve25519_dalek::Scalar;
use ed25519_dalek::{Signer, Verifier};
use sha2::{Digest, Sha512};
use vigie_disk::{Bytes, MemoryDevice, SectorSize};
use vigie_update::package::envelope::{Envelope, SignatureLine};
use vigie_update::package::member::Slots;
use vigie_update::package::signature::sign;
use vigie_update::package::{Base, Header, Keyring, MAGIC, PackageError};

use crate::craft::{
    BOOT, CHUNK, Head, SYSTEM, Tar, copy, data, digest, good_entries, header, key, manifest,
    plain_manifest, seal, seal_by, stored,
};
use crate::judge::{Devices, apply_trusting, empty_slot, ring_of, verify_trusting};

/// What a reader says, by the step at which it refuses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Foreign,
    Untrusted,
    Header,
    Chunk,
    Short,
    Trailing,
    Content,
    Base,
    Image,
}

impl Verdict {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Foreign => "foreign",
            Self::Untrusted => "untrusted",
            Self::Header => "header",
            Self::Chunk => "chunk",
            Self::Short => "short",
            Self::Trailing => "trailing",
            Self::Content => "content",
            Self::Base => "base",
            Self::Image => "image",
        }
    }

    pub fn of<T>(result: &Result<T, PackageError>) -> Self {
        let Err(error) = result else {
            return Self::Good;
        };
        match error {
            PackageError::Foreign(_) => Self::Foreign,
            PackageError::Untrusted { .. } | PackageError::NoKeys => Self::Untrusted,
            PackageError::Header { .. } => Self::Header,
            PackageError::Chunk { .. } => Self::Chunk,
            PackageError::Short { .. } => Self::Short,
            PackageError::Trailing { .. } => Self::Trailing,
            PackageError::Content(_) => Self::Content,
            PackageError::Base { .. } => Self::Base,
            PackageError::Image { .. } => Self::Image,
            other => panic!("{other}"),
        }
    }
}

/// A vector: its name, the list of keys, the verdicts of a reader that verifies, of one that also
/// compares plain images, and of one that applies it.
struct Vector {
    name: &'static str,
    keys: &'static str,
    verdicts: [Verdict; 3],
    bytes: Vec<u8>,
}

const KEYS: [&str; 3] = ["one", "two", "revoked"];

/// The lists of keys.
fn keys(name: &str) -> Keyring {
    match name {
        "one" => ring_of(&[1], 1),
        "two" => ring_of(&[1, 2], 2),
        "revoked" => {
            let mut ring = ring_of(&[1, 2], 1);
            ring.revoked.insert(ring.keys[1].public.id());
            ring
        }
        other => panic!("no list of keys {other}"),
    }
}

/// The images that the delta vectors build on.
fn base_images() -> [Vec<u8>; 2] {
    [[&SYSTEM[..400], &[b'o'; 200]].concat(), BOOT.to_vec()]
}

fn based(system: &[u8]) -> Header {
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
fn frame(content: &[u8]) -> Vec<u8> {
    frame_of_window(0, content)
}

/// The same with a window of 2^(10 + `exponent`) bytes.
fn frame_of_window(exponent: u8, content: &[u8]) -> Vec<u8> {
    let block = (content.len() as u32) << 3 | 1;
    [
        &[0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3][..],
        &block.to_le_bytes()[..3],
        content,
    ]
    .concat()
}

/// A tar of a system member in this encoding and a plain boot image.
fn with_member(encoding: &str, member: &[u8]) -> Vec<u8> {
    let sizes = manifest(
        ("system.bin", encoding, member.len() as u64),
        ("boot.img", "plain", BOOT.len() as u64),
    );
    let tar = Tar::default().file("MANIFEST", &sizes);
    tar.file("system.bin", member).file("boot.img", BOOT).end()
}

fn zstd_package(member: &[u8]) -> Vec<u8> {
    seal(
        header(SYSTEM, BOOT),
        &stored(&with_member("zstd", member), 0),
    )
}

fn delta_package(header: Header, operations: &[Vec<u8>]) -> Vec<u8> {
    let member = frame(&operations.concat());
    seal(header, &stored(&with_member("delta", &member), 0))
}

fn around(tar: &[u8]) -> Vec<u8> {
    seal(header(SYSTEM, BOOT), &stored(tar, 0))
}

fn body() -> Vec<u8> {
    stored(&good_entries().end(), 0)
}

fn good() -> Vec<u8> {
    around(&good_entries().end())
}

/// A good package whose signed text was changed before it was signed.
fn with_text(from: &str, to: &str) -> Vec<u8> {
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
fn signed_by(make: impl FnOnce(&[u8]) -> Vec<SignatureLine>) -> Vec<u8> {
    let package = good();
    let signed = Envelope::read(&mut &package[..]).unwrap().signed;
    [&Envelope::encode(&make(&signed), &signed)[..], &body()].concat()
}

/// A good package with one thing replaced in its manifest, and its tar made for that.
fn with_manifest(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(plain_manifest()).unwrap();
    let changed = text.replacen(from, to, 1);
    assert_ne!(text, changed);
    let tar = Tar::default().file("MANIFEST", changed.as_bytes());
    around(&tar.file("system.img", SYSTEM).file("boot.img", BOOT).end())
}

/// A good package whose second entry has another head.
fn with_head(head: Head) -> Vec<u8> {
    let tar = Tar::default().file("MANIFEST", &plain_manifest());
    around(&tar.entry(head, SYSTEM).file("boot.img", BOOT).end())
}

/// S and the group's order: the equation holds for it as well.
fn malleable(signed: &[u8]) -> SignatureLine {
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
fn small_order(signed: &[u8]) -> SignatureLine {
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

fn vectors() -> Vec<Vector> {
    let mut all = good_vectors();
    all.extend(bad_envelopes());
    all.extend(bad_headers());
    all.extend(bad_bodies());
    all.extend(bad_tars());
    all.extend(bad_members());
    all
}

/// All three readers say the same.
fn alike(verdict: Verdict) -> impl Fn((&'static str, Vec<u8>)) -> Vector {
    move |(name, bytes)| Vector {
        name,
        keys: "one",
        verdicts: [verdict; 3],
        bytes,
    }
}

fn good_vectors() -> Vec<Vector> {
    let delta = [copy(0, 400), data(&SYSTEM[400..]), vec![0]];
    let optional = "x-note of a later maker\nbody";
    let mut vectors: Vec<Vector> = [
        ("full", good()),
        ("zstd", zstd_package(&frame(SYSTEM))),
        ("delta", delta_package(based(SYSTEM), &delta)),
        ("optional-line", with_text("body", optional)),
        (
            "unknown-key-beside",
            seal_by(&[9, 1], header(SYSTEM, BOOT), &body()),
        ),
        ("chunks-of-4-mib", {
            let mut header = header(SYSTEM, BOOT);
            header.chunk = 4 * CHUNK as u32;
            seal(header, &body())
        }),
        (
            "odd-owner",
            with_head(
                Head::new("system.img", 700)
                    .with(100, b"0004777\0")
                    .with(136, &[0xff; 12])
                    .with(265, b"root"),
            ),
        ),
    ]
    .into_iter()
    .map(alike(Verdict::Good))
    .collect();
    vectors.push(Vector {
        keys: "two",
        ..alike(Verdict::Good)((
            "two-signatures",
            seal_by(&[1, 2], header(SYSTEM, BOOT), &body()),
        ))
    });
    vectors
}

fn bad_envelopes() -> Vec<Vector> {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    gzip.extend(body());
    let mut flagged = good();
    flagged[3] |= 0x08;
    let nine: Vec<SignatureLine> = (0..9).map(|_| sign(&key(1), b"x\n")).collect();
    let endless = [&good()[..10], MAGIC.as_bytes(), &[b'a'; 60_000]].concat();
    let mut other = good();
    other[10 + 14] = b'2';
    let mut accent = good();
    accent[200] = 0xe9;
    let flip = |signed: &[u8]| {
        let mut line = sign(&key(1), signed);
        line.bytes[7] ^= 1;
        vec![line]
    };
    let without_domain = |signed: &[u8]| {
        let bytes = key(1).sign(signed).to_bytes();
        vec![SignatureLine {
            bytes,
            ..sign(&key(1), signed)
        }]
    };
    let foreign = [
        ("empty", Vec::new()),
        ("gzip-of-the-same-tar", gzip),
        ("gzip-with-a-name", flagged),
        ("format-2", other),
        ("not-ascii", accent),
        ("nine-signatures", Envelope::encode(&nine, b"x\n")),
        ("endless-header", endless),
        ("cut-in-header", good()[..300].to_vec()),
    ];
    let untrusted = [
        ("unsigned", signed_by(|_| Vec::new())),
        ("foreign-key", seal_by(&[9], header(SYSTEM, BOOT), &body())),
        ("wrong-signature", signed_by(flip)),
        ("signature-without-domain", signed_by(without_domain)),
        (
            "signature-not-canonical",
            signed_by(|signed| vec![malleable(signed)]),
        ),
        (
            "signature-of-small-order",
            signed_by(|signed| vec![small_order(signed)]),
        ),
    ];
    let by = |seeds: &[u8]| seal_by(seeds, header(SYSTEM, BOOT), &body());
    let mut vectors: Vec<Vector> = foreign.into_iter().map(alike(Verdict::Foreign)).collect();
    vectors.extend(untrusted.into_iter().map(alike(Verdict::Untrusted)));
    for (keys, name, seeds) in [
        ("two", "one-of-two-signatures", &[1][..]),
        ("two", "one-key-twice", &[1, 1]),
        ("revoked", "revoked-key", &[2]),
    ] {
        let vector = alike(Verdict::Untrusted)((name, by(seeds)));
        vectors.push(Vector { keys, ..vector });
    }
    vectors
}

fn bad_headers() -> Vec<Vector> {
    let header = [
        ("line-unknown", with_text("body", "needs-licence 4\nbody")),
        ("line-missing", with_text("security-epoch 1\n", "")),
        (
            "lines-swapped",
            with_text("product vigie\narch amd64\n", "arch amd64\nproduct vigie\n"),
        ),
        (
            "version-with-zero",
            with_text("version 1.2.3.0", "version 1.02.3.0"),
        ),
        (
            "number-too-large",
            with_text("security-epoch 1", "security-epoch 4294967296"),
        ),
        ("chunk-size", with_text("chunk 1048576", "chunk 2097152")),
        ("digest-in-capitals", with_text("boot 512 ", "boot 512 AB")),
        (
            "line-end-of-dos",
            with_text("product vigie\n", "product vigie\r\n"),
        ),
    ];
    let mut vectors: Vec<Vector> = header.into_iter().map(alike(Verdict::Header)).collect();
    let more = with_text("body ", "body 9999");
    vectors.push(alike(Verdict::Content)(("chunks-too-few", more)));
    vectors
}

fn bad_bodies() -> Vec<Vector> {
    let good = good();
    let mut damaged = good.clone();
    damaged[good.len() - 700] ^= 0x20;
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    member.extend(stored(b"more", 0));
    let signed = seal(header(SYSTEM, BOOT), &[&body()[..], &member].concat());
    let mut trailer = body();
    let at = trailer.len() - 6;
    trailer[at] ^= 1;
    [
        (Verdict::Chunk, "chunk-damaged", damaged),
        (
            Verdict::Short,
            "cut-in-body",
            good[..good.len() - 1].to_vec(),
        ),
        (
            Verdict::Trailing,
            "byte-behind",
            [&good[..], b"\n"].concat(),
        ),
        (
            Verdict::Trailing,
            "two-packages",
            [&good[..], &good].concat(),
        ),
        (Verdict::Content, "two-gzip-members", signed),
        (
            Verdict::Content,
            "gzip-trailer",
            seal(header(SYSTEM, BOOT), &trailer),
        ),
    ]
    .into_iter()
    .map(|(verdict, name, bytes)| alike(verdict)((name, bytes)))
    .collect()
}

fn bad_tars() -> Vec<Vector> {
    let begun = || Tar::default().file("MANIFEST", &plain_manifest());
    let (system, boot) = (("system.img", SYSTEM), ("boot.img", BOOT));
    let of = |entries: &[(&str, &[u8])]| {
        let tar = entries
            .iter()
            .fold(begun(), |tar, (name, bytes)| tar.file(name, bytes));
        around(&tar.end())
    };
    let head = || Head::new("system.img", 700);
    let pax = begun().entry(
        Head::new("PaxHeader", 30).of_type(b'x'),
        b"30 path=somewhere/else/system\n",
    );
    let pax = pax.file("system.img", SYSTEM).file("boot.img", BOOT);
    [
        (
            "symbolic-link",
            with_head(
                Head::new("system.img", 0)
                    .of_type(b'2')
                    .with(157, b"/dev/sda"),
            ),
        ),
        ("type-nul", with_head(head().of_type(0))),
        ("pax-header", around(&pax.end())),
        ("entry-extra", of(&[system, boot, ("extra", b"x")])),
        ("entry-missing", of(&[system])),
        ("entries-swapped", of(&[boot, system])),
        ("name-traversal", of(&[("../system.img", SYSTEM), boot])),
        ("name-prefix", with_head(head().with(345, b".."))),
        ("head-of-gnu", with_head(head().with(257, b"ustar  \0"))),
        (
            "size-of-manifest",
            of(&[("system.img", &SYSTEM[..699]), boot]),
        ),
        (
            "size-in-base-256",
            with_head(head().with(124, b"\x80\0\0\0\0\0\0\0\0\0\x02\xbc")),
        ),
        (
            "size-negative",
            with_head(head().with(124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
        ),
        ("checksum", {
            let mut head = head().summed();
            head[154] ^= 1;
            let tar = begun().raw(&head).raw(SYSTEM).raw(&[0; 324]);
            around(&tar.file("boot.img", BOOT).end())
        }),
        ("end-missing", around(&good_entries().0)),
        ("end-of-one-block", around(&good_entries().raw(&[0; 512]).0)),
        (
            "end-of-three-blocks",
            around(&good_entries().raw(&[0; 1536]).0),
        ),
        (
            "manifest-field-twice",
            with_manifest("\"format\": 1", "\"format\": 1,\n  \"format\": 1"),
        ),
        (
            "manifest-field-unknown",
            with_manifest("\"format\": 1", "\"format\": 1,\n  \"script\": \"x\""),
        ),
        (
            "manifest-format-true",
            with_manifest("\"format\": 1", "\"format\": true"),
        ),
        (
            "manifest-size-of-float",
            with_manifest("\"size\": 700", "\"size\": 700.0"),
        ),
        (
            "manifest-spaces",
            with_manifest("\"format\": 1", "\"format\" : 1"),
        ),
        (
            "manifest-path",
            with_manifest("system.img", "../system.img"),
        ),
    ]
    .into_iter()
    .map(alike(Verdict::Content))
    .collect()
}

fn bad_members() -> Vec<Vector> {
    let (good, content, image) = (Verdict::Good, Verdict::Content, Verdict::Image);
    let other = [&SYSTEM[1..], b"x"].concat();
    let other_tar = |name: &str, encoding: &str, member: &[u8]| {
        let sizes = manifest(
            (name, encoding, member.len() as u64),
            ("boot.img", "plain", BOOT.len() as u64),
        );
        let tar = Tar::default().file("MANIFEST", &sizes);
        around(&tar.file(name, member).file("boot.img", BOOT).end())
    };
    let rest = || data(&SYSTEM[400..]);
    let mut elsewhere = based(SYSTEM);
    if let Some(base) = &mut elsewhere.base {
        base.system = digest(b"another image");
    }
    let delta = |operations: &[Vec<u8>]| delta_package(based(SYSTEM), operations);
    let unnamed = [copy(0, 400), rest(), vec![0]];
    [
        (
            "plain-shorter",
            [content; 3],
            other_tar("system.img", "plain", &SYSTEM[1..]),
        ),
        (
            "plain-other",
            [good, image, image],
            other_tar("system.img", "plain", &other),
        ),
        (
            "zstd-other",
            [good, good, image],
            zstd_package(&frame(&other)),
        ),
        (
            "zstd-longer",
            [good, good, content],
            zstd_package(&frame(&[SYSTEM, b"x"].concat())),
        ),
        (
            "zstd-byte-behind",
            [good, good, content],
            zstd_package(&[&frame(SYSTEM)[..], b"x"].concat()),
        ),
        (
            "zstd-two-frames",
            [good, good, content],
            zstd_package(&[frame(&SYSTEM[..9]), frame(&SYSTEM[9..])].concat()),
        ),
        (
            "zstd-window",
            [good, good, content],
            zstd_package(&frame_of_window(24 - 10, SYSTEM)),
        ),
        (
            "delta-without-base",
            [content; 3],
            delta_package(header(SYSTEM, BOOT), &unnamed),
        ),
        (
            "delta-on-other-base",
            [good, good, Verdict::Base],
            delta_package(elsewhere, &unnamed),
        ),
        (
            "delta-outside",
            [good, good, content],
            delta(&[copy(300, 400), data(&SYSTEM[..300]), vec![0]]),
        ),
        (
            "delta-empty-operation",
            [good, good, content],
            delta(&[copy(0, 400), copy(0, 0), rest(), vec![0]]),
        ),
        (
            "delta-unknown-operation",
            [good, good, content],
            delta(&[copy(0, 400), vec![3]]),
        ),
        (
            "delta-byte-behind",
            [good, good, content],
            delta(&[copy(0, 400), rest(), vec![0, 0]]),
        ),
    ]
    .into_iter()
    .map(|(name, verdicts, bytes)| Vector {
        name,
        keys: "one",
        verdicts,
        bytes,
    })
    .collect()
}

const TABLE_HEAD: &str = "\
# What a reader must say of the packages here: good, or the step that refuses (FORMAT.md).
#
# package, list of keys, and the verdicts
#   verify   of a reader that unpacks no member
#   compare  of one that also compares plain images with the header
#   apply    of one that writes a slot, with the base of base-system.img and base-boot.img
# then the words of the reader in Rust.
#
# Made by `VIGIE_BLESS=1 cargo test -p vigie-update --test package vectors`. The keys are test keys:
# their secret halves are known to everybody.
";

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn base() -> Devices {
    let [system, boot] = base_images();
    let device = |image: &[u8]| {
        let mut device = MemoryDevice::new(Bytes::kib(64), SectorSize::S512);
        vigie_disk::BlockDevice::write_at(&mut device, Bytes::ZERO, image).unwrap();
        Box::new(device)
    };
    Slots {
        system: device(&system),
        boot: device(&boot),
    }
}

/// A line of the table, from what our reader says.
fn line(vector: &Vector) -> String {
    let ring = keys(vector.keys);
    let verified = verify_trusting(&ring, &vector.bytes);
    let applied = apply_trusting(
        &ring,
        &mut &vector.bytes[..],
        Some(&base()),
        &mut empty_slot(),
    );
    let [verify, compare, apply] = vector.verdicts;
    let name = vector.name;
    assert!(
        Verdict::of(&verified) == verify,
        "{name}, verified: {verified:?}"
    );
    assert!(
        Verdict::of(&applied) == apply,
        "{name}, applied: {applied:?}"
    );
    let words = match applied {
        Ok(_) => String::new(),
        Err(error) => format!("  # {error}"),
    };
    format!(
        "{name:24} {:8} {:10} {:10} {:10}{words}",
        vector.keys,
        verify.word(),
        compare.word(),
        apply.word()
    )
    .trim_end()
    .to_owned()
}

/// Every file of the folder, as it must be.
fn files() -> Vec<(String, Vec<u8>)> {
    let [system, boot] = base_images();
    let mut files = vec![
        ("base-system.img".to_owned(), system),
        ("base-boot.img".to_owned(), boot),
    ];
    for name in KEYS {
        let text = toml::to_string(&keys(name)).unwrap();
        files.push((format!("keys-{name}.toml"), text.into_bytes()));
    }
    let mut table = TABLE_HEAD.to_owned();
    for vector in vectors() {
        writeln!(table, "{}", line(&vector)).unwrap();
        files.push((format!("{}.tgz", vector.name), vector.bytes));
    }
    files.push(("table.txt".to_owned(), table.into_bytes()));
    files.sort();
    files
}

#[test]
fn vectors_are_as_committed_and_judged_as_the_table_says() {
    let (folder, files) = (folder(), files());
    if std::env::var_os("VIGIE_BLESS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for entry in std::fs::read_dir(&folder).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (name, bytes) in &files {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected: Vec<&str> = files.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, expected);
    for (name, bytes) in &files {
        let found = std::fs::read(folder.join(name)).unwrap();
        assert!(
            found == *bytes,
            "{name} is not as it was committed (VIGIE_BLESS=1 rewrites it)"
        );
    }
}

/// The example of FORMAT.md: hexadecimal bytes, or text whose line ends are drawn, at a place.
#[test]
fn format_md_shows_the_bytes_of_a_vector() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("FORMAT.md");
    let text = std::fs::read_to_string(path).unwrap();
    let package = std::fs::read(folder().join("full.tgz")).unwrap();
    let mut shown = 0;
    for line in text.lines() {
        let Some((place, rest)) = line.split_once("  ") else {
            continue;
        };
        let Some(at) = Some(place)
            .filter(|place| place.len() == 4)
            .and_then(|place| usize::from_str_radix(place, 16).ok())
        else {
            continue;
        };
        let bytes = match rest.split_once('⏎') {
            Some((text, _)) => format!("{text}\n").into_bytes(),
            None if rest.starts_with('"') => rest.split('"').nth(1).unwrap().as_bytes().to_vec(),
            None => rest
                .split_whitespace()
                .map_while(|word| (word.len() == 2).then(|| u8::from_str_radix(word, 16).ok())?)
                .collect(),
        };
        assert!(
            !bytes.is_empty() && package[at..].starts_with(&bytes),
            "{line}"
        );
        shown += 1;
    }
    assert_eq!(shown, 24);
    assert!(text.contains("`tests/vectors/full.tgz`, 5,117 bytes") && package.len() == 5117);
}
