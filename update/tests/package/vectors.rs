//! The test vectors in `tests/vectors/`, for any reader of packages. They are made here, byte by
//! byte, so that no version of any crate changes them. `VIGIE_BLESS=1` rewrites them.

use std::fmt::Write as _;
use std::path::PathBuf;

use vigie_disk::{Bytes, MemoryDevice, SectorSize};
use vigie_update::package::member::Slots;
use vigie_update::package::{Keyring, PackageError};

use crate::judge::{Devices, apply_trusting, empty_slot, ring_of, verify_trusting};
use list::vectors;
use packages::base_images;

mod list;
mod packages;

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
        Err(error) => {
            is_french(&error.french());
            format!("  # {error}")
        }
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

/// That none of our own words came into a French sentence untranslated.
fn is_french(words: &str) {
    let ours = [
        "the", "its", "is", "it", "has", "of", "by", "not", "no", "in", "must", "where",
    ];
    // What a reader of JSON says, and the name that its maker gave the test key.
    let words = words.split("ce n'en est pas un (").next().unwrap();
    let words = words.replace(": its secret half is 32 times 1, as everybody knows", "");
    let found = words.split(' ').find(|word| ours.contains(word));
    assert_eq!(found, None, "{words}");
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
