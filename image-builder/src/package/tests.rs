use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use vigie_disk::device::read_vec;
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, SectorSize};
use vigie_installer::payload::{Hex, MANIFEST, Manifest, Member};
use vigie_update::Version;
use vigie_update::index::{self, Index};
use vigie_update::package::envelope::Envelope;
use vigie_update::package::header::Header;
use vigie_update::package::member::{self, Sink, Slots};
use vigie_update::package::signature::{PublicKey, TrustedKey, sign_in};

use super::offline::{Attach, Content, ToSign, attach, attach_index, index_to_sign, to_sign};
use super::*;

const DEFINITION: &str = include_str!("../../../rootfs/appliance.toml");

fn definition(folder: &Path) -> Definition {
    Definition::parse(DEFINITION, &folder.join("appliance.toml")).unwrap()
}

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn ring(seeds: &[u8], threshold: usize) -> Keyring {
    let key = |seed: &u8| TrustedKey {
        name: format!("key {seed}"),
        public: PublicKey::of(&secret(*seed)),
        development: false,
    };
    Keyring {
        threshold,
        revoked: BTreeSet::new(),
        keys: seeds.iter().map(key).collect(),
    }
}

/// Bytes that do not compress.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let digests =
        (0..).map(|n: u32| Sha256::digest([seed.to_le_bytes(), n.to_le_bytes()].concat()));
    digests.flatten().take(length).collect()
}

/// A folder for a payload and what is made of it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Files whose name begins so.
    fn count(&self, prefix: &str) -> usize {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(prefix)).count()
    }

    /// A payload of these images.
    fn payload(&self, version: &str, system: &[u8], boot: &[u8]) -> PathBuf {
        let folder = self.path(&format!("payload-{version}"));
        std::fs::create_dir(&folder).unwrap();
        let member = |role: Role| {
            let content = match role {
                Role::System => system,
                Role::Boot => boot,
                _ => b"loader",
            };
            std::fs::write(folder.join(role.file_name()), content).unwrap();
            Member {
                role,
                path: role.file_name().to_owned(),
                size: Bytes::new(content.len() as u64),
                sha256: Hex(Sha256::digest(content).into()),
            }
        };
        let manifest = Manifest {
            product: "vigie".to_owned(),
            version: version.parse().unwrap(),
            arch: "amd64".to_owned(),
            build_time: 1_700_000_000,
            root_hash: Hex([0; 32]),
            hash_offset: Bytes::new(4096),
            data_volume_max: None,
            members: Role::ALL.into_iter().map(member).collect(),
        };
        let text = serde_json::to_string(&manifest).unwrap();
        std::fs::write(folder.join(MANIFEST), text).unwrap();
        folder
    }

    fn unsigned(&self, payload: &Path, base: Option<&Base>) -> Result<Unsigned> {
        super::unsigned(&definition(self.0.path()), payload, base, self.0.path())
    }

    /// A package, signed by these keys, in a file.
    fn package(&self, payload: &Path, base: Option<&Base>, seeds: &[u8], name: &str) -> PathBuf {
        let mut package = self.unsigned(payload, base).unwrap();
        let keys: Vec<_> = seeds.iter().map(|seed| secret(*seed)).collect();
        let mut bytes = Vec::new();
        write_signed(&mut package, &keys, &ring(seeds, 1), &mut bytes).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn base(&self, package: &Path, known: &Keyring) -> Result<Base> {
        let folder = tempfile::tempdir_in(self.0.path()).unwrap().keep();
        Base::unpack(package, known, &folder)
    }
}

fn slots(size: Bytes) -> Slots<Box<dyn BlockDevice>> {
    let device = || Box::new(MemoryDevice::new(size, SectorSize::S512));
    Slots {
        system: device(),
        boot: device(),
    }
}

/// Verifies a package as an appliance does, and unpacks it into memory.
fn apply(
    package: &[u8],
    ring: &Keyring,
    base: Option<&Slots<Box<dyn BlockDevice>>>,
) -> (Header, Slots<Box<dyn BlockDevice>>) {
    let mut input = BufReader::new(package);
    let envelope = Envelope::read(&mut input).unwrap();
    ring.verify(&envelope).unwrap();
    let header = Header::parse(&envelope.signed).unwrap();
    let mut slots = slots(Bytes::mib(2));
    let sink = Sink::Slot(&mut slots);
    member::unpack(&header, &mut input, base, sink, &mut |_| {}).unwrap();
    member::read_back(&header, &mut slots, None, &mut |_| {}).unwrap();
    (header, slots)
}

fn holds(slots: &Slots<Box<dyn BlockDevice>>, system: &[u8], boot: &[u8]) {
    let read = |device: &dyn BlockDevice, length| read_vec(device, Bytes::ZERO, length).unwrap();
    assert!(read(&*slots.system, system.len()) == system);
    assert!(read(&*slots.boot, boot.len()) == boot);
}

#[test]
fn a_package_unpacks_to_the_images_of_the_build() {
    let place = Place::new();
    std::fs::create_dir(place.path("changelog")).unwrap();
    std::fs::write(place.path("changelog/fr.md"), "Première.\n").unwrap();
    let (system, boot) = (noise(900_000, 1), vec![7; 300_000]);
    let payload = place.payload("0.1.0.0", &system, &boot);
    let file = place.package(&payload, None, &[1], "a.tgz");
    let package = std::fs::read(&file).unwrap();
    let (header, slots) = apply(&package, &ring(&[1], 1), None);
    holds(&slots, &system, &boot);
    assert_eq!(header.file_name(), "vigie-0.1.0.0-upd.tgz");
    assert_eq!(header.min_from, Version([0, 1, 0, 0]));
    assert_eq!(
        (header.arch.as_str(), header.build_time),
        ("amd64", 1_700_000_000)
    );
    assert_eq!(header.hardware, ["any"]);
    let contains = |text: &str| package.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(contains("Première.") && contains("\"fr\""));
    // The same again gives the same bytes.
    let again = place.package(&payload, None, &[1], "b.tgz");
    assert!(std::fs::read(again).unwrap() == package);
}

#[test]
fn a_delta_package_makes_the_images_out_of_its_base() {
    let place = Place::new();
    let (old, boot) = (noise(1_000_000, 1), noise(200_000, 2));
    let mut new = old.clone();
    new.splice(400_000..400_000, noise(1000, 3));
    let full = place.payload("0.1.0.0", &old, &boot);
    let full = place.package(&full, None, &[1], "full.tgz");
    let base = place.base(&full, &ring(&[1], 1)).unwrap();
    assert!(std::fs::read(&base.system).unwrap() == old);
    assert!(std::fs::read(&base.boot).unwrap() == boot);

    let payload = place.payload("0.1.0.1", &new, &boot);
    let delta = place.package(&payload, Some(&base), &[1], "delta.tgz");
    let package = std::fs::read(&delta).unwrap();
    assert!(package.len() < 10_000, "{}", package.len());
    let (_, machine) = apply(&std::fs::read(&full).unwrap(), &ring(&[1], 1), None);
    let (header, slots) = apply(&package, &ring(&[1], 1), Some(&machine));
    holds(&slots, &new, &boot);
    member::check_base(&header, &machine).unwrap();
    assert!(member::check_base(&header, &slots).is_err());
    assert_eq!(header.file_name(), "vigie-0.1.0.1-from-0.1.0.0-upd.tgz");

    // It is no base itself; nor is what is signed by others, newer, or damaged.
    let refused = |error: anyhow::Error, says: &str| {
        let error = format!("{error:#}");
        assert!(error.contains(says), "{says}: {error}");
    };
    let known = ring(&[1], 1);
    refused(
        place.base(&delta, &known).unwrap_err(),
        "only the changes since 0.1.0.0; name the full package of 0.1.0.1",
    );
    refused(
        place.base(&full, &ring(&[2], 1)).unwrap_err(),
        "not known here",
    );
    refused(
        place
            .unsigned(&place.payload("0.0.9.0", &new, &boot), Some(&base))
            .unwrap_err(),
        "not older than 0.0.9.0",
    );
    let mut damaged = std::fs::read(&full).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(place.path("damaged.tgz"), damaged).unwrap();
    refused(
        place.base(&place.path("damaged.tgz"), &known).unwrap_err(),
        "damaged in chunk",
    );
    // Whatever threshold this image has: the base was released once.
    place.base(&full, &ring(&[1, 2], 2)).unwrap();
}

#[test]
fn changelogs_are_named_by_their_language_and_short() {
    for (name, content, says) in [
        ("en.md", "x".repeat(65_537), "at most 65536"),
        ("english.md", String::new(), "named by its language"),
        ("en.txt", String::new(), "named by its language"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), content).unwrap();
        let error = changelog(folder.path()).unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
    assert!(changelog(Path::new("/absent")).unwrap().is_empty());
}

#[test]
fn a_package_that_its_own_image_would_refuse_is_not_made() {
    let place = Place::new();
    let mut package = place.unsigned(
        &place.payload("0.1.0.0", b"system, large enough".as_slice(), b"boot"),
        None,
    );
    assert!(package.is_err(), "the verity tree lies outside");
    let payload = place.payload("0.1.0.1", &noise(5000, 1), b"boot");
    package = place.unsigned(&payload, None);
    let mut package = package.unwrap();
    let mut bytes = Vec::new();
    for (seeds, good) in [
        (&[1][..], false),
        (&[1, 1], false),
        (&[1, 3], false),
        (&[1, 2], true),
    ] {
        let keys: Vec<_> = seeds.iter().map(|seed| secret(*seed)).collect();
        let made = write_signed(&mut package, &keys, &ring(&[1, 2], 2), &mut bytes);
        assert_eq!(made.is_ok(), good, "{seeds:?} {made:?}");
        assert_eq!(bytes.is_empty(), !good);
    }
}

/// An unsigned package, and signatures over it by these keys, one file each.
fn sent_out(place: &Place, version: &str, seeds: &[u8]) -> (PathBuf, Vec<PathBuf>) {
    let payload = place.payload(version, &noise(50_000, 1), b"boot");
    let mut package = place.unsigned(&payload, None).unwrap();
    let file = place.path(&format!("{version}-upd.tgz.unsigned"));
    let mut bytes = Vec::new();
    package.write(&[], &mut bytes).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let header = place.path(&format!("{version}.header"));
    std::fs::write(&header, to_sign(&package.header)).unwrap();
    let files = seeds.iter().map(|seed| {
        let to_sign = ToSign::read(&header).unwrap();
        assert_eq!(
            to_sign.content,
            Content::Package(Box::new(package.header.clone()))
        );
        let file = place.path(&format!("{version}.{seed}.sig"));
        std::fs::write(&file, to_sign.sign(&[secret(*seed)])).unwrap();
        file
    });
    (file, files.collect())
}

#[test]
fn c32_c33_c34_c35_c37_signatures_are_put_in_only_where_they_belong() {
    let place = Place::new();
    let (package, own) = sent_out(&place, "0.1.0.1", &[1, 2, 3]);
    let (_, others) = sent_out(&place, "0.1.0.2", &[1, 2]);
    let out = place.path("out-upd.tgz");
    let (image, older) = (ring(&[1, 2], 2), ring(&[1, 2, 3], 1));
    let try_with = |signatures: &[&PathBuf], known: &Keyring| {
        let signatures: Vec<_> = signatures.iter().map(|file| (*file).clone()).collect();
        let order = Attach {
            to: &package,
            signatures: &signatures,
            ring: &image,
            known,
        };
        attach(&order, &out).map_err(|error| format!("{error:#}"))
    };
    let before = std::fs::read(&package).unwrap();
    for (signatures, known, says) in [
        (
            &[&own[0], &others[1]][..],
            &older,
            "0.1.0.2.2.sig does not sign",
        ),
        (&[&own[0], &own[2]], &image, "needs --old-key"),
        (&[&own[0]], &older, "1 of 2 needed"),
        (&[&own[0], &own[0]], &older, "1 of 2 needed"),
        (&[&own[0], &own[2]], &older, "1 of 2 needed"),
        (&[], &older, "0 of 2 needed"),
        (&[&package], &older, "reading the signatures"),
        (&[&place.path("absent")], &older, "reading the signatures"),
    ] {
        let error = try_with(signatures, known).unwrap_err();
        assert!(error.contains(says), "{says}: {error}");
        assert_eq!((place.count("out"), place.count(".partial")), (0, 0));
    }
    let all: Vec<_> = own.iter().collect();
    let header = try_with(&all, &older).unwrap();
    assert_eq!(header.version, Version([0, 1, 0, 1]));
    let signed = std::fs::read(&out).unwrap();
    apply(&signed, &image, None);
    apply(&signed, &ring(&[3], 1), None);
    assert!(std::fs::read(&package).unwrap() == before);

    // In place, with what is there already: nothing is put in twice.
    let again = Attach {
        to: &out,
        signatures: &own[..1],
        ring: &image,
        known: &older,
    };
    attach(&again, &out).unwrap();
    assert!(std::fs::read(&out).unwrap() == signed);

    // A package that was damaged on its way is not signed.
    let mut damaged = before;
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&package, damaged).unwrap();
    let error = try_with(&all, &older).unwrap_err();
    assert!(error.contains("damaged in chunk"), "{error}");
    assert!(std::fs::read(&out).unwrap() == signed);
}

#[test]
fn who_signs_reads_what_it_is() {
    let place = Place::new();
    sent_out(&place, "0.1.0.1", &[]);
    let header = ToSign::read(&place.path("0.1.0.1.header")).unwrap();
    let words = header.words();
    for part in [
        "vigie 0.1.0.1 for amd64, machines: any",
        "0.1.0.0 and later",
        "security epoch  0",
        "2023-11-14T22:13:20Z",
        "the full images",
        "50000 bytes",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // The digest is that of the file, as sha256sum says it.
    let file = std::fs::read(place.path("0.1.0.1.header")).unwrap();
    assert!(
        words.contains(&hex::encode(Sha256::digest(&file))),
        "{words}"
    );
    // What is no header is not signed.
    for text in [
        "",
        "a letter",
        "vigie-package 1\n",
        &place.text("0.1.0.1.header")[1..],
    ] {
        std::fs::write(place.path("x"), text).unwrap();
        let error = format!("{:#}", ToSign::read(&place.path("x")).unwrap_err());
        assert!(error.contains("reading the header"), "{error}");
    }
    std::fs::write(place.path("x"), vec![b'a'; 70_000]).unwrap();
    assert!(ToSign::read(&place.path("x")).is_err());
}

#[test]
fn c07_c33_c50_an_index_lists_what_lies_there_and_its_serial_rises() {
    let place = Place::new();
    let served = place.path("served");
    std::fs::create_dir(&served).unwrap();
    let publish = |seeds: &[u8]| {
        let keys: Vec<_> = seeds.iter().map(|seed| secret(*seed)).collect();
        let known = ring(&[1, 9], 1);
        let definition = definition(place.0.path());
        super::index::publish(&definition, &served, &keys, &ring(&[1], 1), &known)
    };
    assert!(publish(&[1]).unwrap().packages.is_empty());
    let old = place.payload("0.1.0.0", &noise(90_000, 1), &[7; 30_000]);
    let full = place.package(&old, None, &[1], "served/vigie-0.1.0.0-upd.tgz");
    let base = place.base(&full, &ring(&[1], 1)).unwrap();
    let new = place.payload("0.1.0.1", &noise(90_000, 2), &[8; 30_000]);
    place.package(&new, Some(&base), &[1], "served/vigie-0.1.0.1-b.tgz");
    std::fs::write(served.join("notes.txt"), "not a package").unwrap();
    // A clock that went back since does not lower the serial.
    let before = Index {
        serial: 1 << 40,
        ..publish(&[1]).unwrap()
    };
    std::fs::write(served.join("index"), before.seal(&[])).unwrap();
    let made = publish(&[1]).unwrap();
    assert_eq!(made.serial, (1 << 40) + 1);
    let [first, second] = &made.packages[..] else {
        panic!("{made:?}")
    };
    let bytes = std::fs::read(&full).unwrap();
    let envelope = Envelope::read(&mut &bytes[..]).unwrap();
    assert_eq!(first.id, hex::encode(Sha256::digest(&envelope.signed)));
    assert_eq!((first.length, first.base), (bytes.len() as u64, None));
    assert_eq!(second.base.unwrap().to_string(), "0.1.0.0");
    let file = std::fs::read(served.join("index")).unwrap();
    assert_eq!(Index::read(&file, &ring(&[1], 1)).unwrap(), made);

    // Nothing is replaced where something is wrong.
    assert!(publish(&[9]).is_err(), "a key that no machine trusts");
    for damage in [bytes.len() - 1, bytes.len() / 2, 200] {
        let mut damaged = bytes.clone();
        damaged[damage] ^= 1;
        std::fs::write(served.join("x.tgz"), &damaged).unwrap();
        let error = format!("{:#}", publish(&[1]).unwrap_err());
        assert!(error.contains("x.tgz"), "{error}");
    }
    assert_eq!(std::fs::read(served.join("index")).unwrap(), file);
}

/// A folder that is served, with a full package and a delta package, and the index's bytes to sign.
struct Served {
    place: Place,
    folder: PathBuf,
}

impl Served {
    fn new() -> Self {
        let place = Place::new();
        let folder = place.path("served");
        std::fs::create_dir(&folder).unwrap();
        let old = place.payload("0.1.0.0", &noise(90_000, 1), &[7; 30_000]);
        let full = place.package(&old, None, &[1], "served/vigie-0.1.0.0-upd.tgz");
        let base = place.base(&full, &ring(&[1], 1)).unwrap();
        let new = place.payload("0.1.0.1", &noise(90_000, 2), &[8; 30_000]);
        let name = "served/vigie-0.1.0.1-from-0.1.0.0-upd.tgz";
        place.package(&new, Some(&base), &[1], name);
        let served = Self { place, folder };
        served.list_with_serial(None);
        served
    }

    /// Writes the bytes to sign; what they say.
    fn list_with_serial(&self, serial: Option<u64>) -> Index {
        let definition = definition(self.place.0.path());
        let mut index = super::index::list(&definition, &self.folder, &ring(&[1], 1)).unwrap();
        index.serial = serial.unwrap_or(index.serial);
        std::fs::write(self.header(), index_to_sign(&index).unwrap()).unwrap();
        index
    }

    fn header(&self) -> PathBuf {
        super::index::header(&self.folder)
    }

    fn index(&self) -> Option<Vec<u8>> {
        std::fs::read(self.folder.join("index")).ok()
    }

    /// A file of signatures by these keys.
    fn signed_by(&self, seeds: &[u8]) -> PathBuf {
        let keys: Vec<_> = seeds.iter().map(|seed| secret(*seed)).collect();
        let text = ToSign::read(&self.header()).unwrap().sign(&keys);
        self.signatures(&text)
    }

    fn signatures(&self, text: &str) -> PathBuf {
        let file = tempfile::NamedTempFile::new_in(self.place.0.path()).unwrap();
        std::fs::write(file.path(), text).unwrap();
        file.into_temp_path().keep().unwrap()
    }

    fn attach(&self, signatures: &[&PathBuf], known: &Keyring) -> Result<Index, String> {
        let signatures: Vec<_> = signatures.iter().map(|file| (*file).clone()).collect();
        let order = Attach {
            to: &self.folder,
            signatures: &signatures,
            ring: &ring(&[1, 2], 2),
            known,
        };
        let definition = definition(self.place.0.path());
        attach_index(&definition, &order).map_err(|error| format!("{error:#}"))
    }
}

#[test]
fn c32_c33_c34_c37_an_index_is_signed_elsewhere_as_a_package_is() {
    let served = Served::new();
    let known = ring(&[1, 2, 3], 1);
    let (first, second, both) = (
        served.signed_by(&[1]),
        served.signed_by(&[2]),
        served.signed_by(&[1, 2, 3]),
    );
    let header = std::fs::read(served.header()).unwrap();
    // The same bytes, signed as those of a package.
    let bytes = header.strip_prefix(index::MAGIC.as_bytes()).unwrap();
    let as_package = format!("{}\n", sign_in(MAGIC, &secret(2), bytes));
    let as_package = served.signatures(&as_package);
    let (_, of_package) = sent_out(&served.place, "0.1.0.7", &[2]);
    for (signatures, known, says) in [
        (
            &[&first, &as_package][..],
            &known,
            "is it of something else",
        ),
        (&[&first, &of_package[0]], &known, "is it of something else"),
        (&[&first, &second], &ring(&[1], 1), "needs --old-key"),
        (&[&first], &known, "1 of 2 needed"),
        (&[&first, &first], &known, "1 of 2 needed"),
        (&[], &known, "0 of 2 needed"),
        (&[&served.header()], &known, "reading the signatures"),
    ] {
        let error = served.attach(signatures, known).unwrap_err();
        assert!(error.contains(says), "{says}: {error}");
        assert_eq!(served.index(), None);
    }
    let made = served.attach(&[&first, &second], &known).unwrap();
    assert_eq!(made.packages.len(), 2);
    let file = served.index().unwrap();
    assert_eq!(Index::read(&file, &ring(&[1, 2], 2)).unwrap(), made);
    // Again, in one file and by another key too: nothing is in it twice.
    served.attach(&[&both, &first], &known).unwrap();
    let file = String::from_utf8(served.index().unwrap()).unwrap();
    assert_eq!(file.matches("\nsignature ").count(), 3);
}

#[test]
fn c34_a_signature_over_an_index_does_not_fit_a_package() {
    let place = Place::new();
    let (package, _) = sent_out(&place, "0.1.0.1", &[]);
    let bytes = std::fs::read(place.path("0.1.0.1.header")).unwrap();
    let bytes = bytes.strip_prefix(MAGIC.as_bytes()).unwrap();
    let line = index::sign(&secret(1), bytes);
    let file = place.path("as-index.sig");
    std::fs::write(&file, format!("{line}\n")).unwrap();
    let order = Attach {
        to: &package,
        signatures: &[file],
        ring: &ring(&[1], 1),
        known: &ring(&[1], 1),
    };
    let error = format!("{:#}", attach(&order, &place.path("out")).unwrap_err());
    assert!(error.contains("is it of something else"), "{error}");
    assert_eq!(place.count("out"), 0);
    // Nor is the header of one taken for that of the other.
    for magic in [MAGIC, index::MAGIC] {
        let other: &[u8] = match magic {
            MAGIC => b"product vigie\narch amd64\nmade 1\nserial 1\n",
            _ => bytes,
        };
        std::fs::write(place.path("x"), [magic.as_bytes(), other].concat()).unwrap();
        let error = format!("{:#}", ToSign::read(&place.path("x")).unwrap_err());
        assert!(error.contains("reading the header"), "{error}");
    }
}

#[test]
fn an_index_that_was_signed_for_another_folder_or_time_is_not_put_there() {
    let served = Served::new();
    let known = ring(&[1, 2], 1);
    let attach = || {
        let signatures = served.signed_by(&[1, 2]);
        served.attach(&[&signatures], &known)
    };
    // A package came, changed, went.
    let file = served.folder.join("vigie-0.1.0.0-upd.tgz");
    let bytes = std::fs::read(&file).unwrap();
    let more = served.folder.join("more.tgz");
    std::fs::copy(&file, &more).unwrap();
    assert!(attach().unwrap_err().contains("make it anew"));
    std::fs::remove_file(&more).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    attach().unwrap_err();
    std::fs::remove_file(&file).unwrap();
    assert!(attach().unwrap_err().contains("make it anew"));
    std::fs::write(&file, &bytes).unwrap();
    // A newer index is there, the same, or an older one.
    let there = attach().unwrap();
    let before = served.index().unwrap();
    served.list_with_serial(Some(there.serial - 1));
    let error = attach().unwrap_err();
    assert!(error.contains("machines refuse an older one"), "{error}");
    assert_eq!(served.index().unwrap(), before);
    served.list_with_serial(Some(there.serial));
    attach().unwrap();
    assert!(served.list_with_serial(None).serial > there.serial);
    attach().unwrap();
    // The header of a package is none, nor is the index of another product.
    sent_out(&served.place, "0.1.0.7", &[]);
    std::fs::copy(served.place.path("0.1.0.7.header"), served.header()).unwrap();
    let error = attach().unwrap_err();
    assert!(error.contains("cargo image package --attach"), "{error}");
    let other = Index {
        product: "other".into(),
        ..there
    };
    std::fs::write(served.header(), index_to_sign(&other).unwrap()).unwrap();
    let error = attach().unwrap_err();
    assert!(error.contains("it is for other"), "{error}");
}

#[test]
fn who_signs_an_index_reads_what_it_lists() {
    let served = Served::new();
    let made = served.list_with_serial(Some(1_700_000_000));
    let words = ToSign::read(&served.header()).unwrap().words();
    let file = std::fs::read(served.header()).unwrap();
    for part in [
        "index of        vigie for amd64, serial 1700000000\n",
        "packages        2\n",
        "- 0.1.0.0, vigie-0.1.0.0-upd.tgz, ",
        "- 0.1.0.1 from 0.1.0.0, vigie-0.1.0.1-from-0.1.0.0-upd.tgz, ",
        &format!(" {} bytes, machines: any,", made.packages[0].length),
        "may replace 0.1.0.0 and later, security epoch 0",
        &format!("header sha256 {}", made.packages[1].id),
        &format!("sha256 {}", hex::encode(Sha256::digest(&file))),
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
}
