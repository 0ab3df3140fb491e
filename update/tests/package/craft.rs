//! Bodies and packages byte by byte, by no code of the library but the signature and the header.

use std::io::Write;

use ed25519_dalek::SigningKey;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use sha2::{Digest, Sha256};
use vigie_disk::Bytes;
use vigie_update::package::envelope::{Envelope, SignatureLine};
use vigie_update::package::signature::sign;
use vigie_update::package::{Header, ImageDigest};

/// Small images, different from each other.
pub const SYSTEM: &[u8] = &[b's'; 700];
pub const BOOT: &[u8] = &[b'b'; 512];
/// A chunk, in bytes.
pub const CHUNK: usize = 1 << 20;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn digest(bytes: &[u8]) -> ImageDigest {
    ImageDigest {
        size: Bytes::new(bytes.len() as u64),
        sha256: Sha256::digest(bytes).into(),
    }
}

/// A header for these images; of its body it knows nothing yet.
pub fn header(system: &[u8], boot: &[u8]) -> Header {
    Header {
        product: "vigie".into(),
        arch: "amd64".into(),
        hardware: vec!["any".into()],
        version: "1.2.3.0".parse().unwrap(),
        min_from: "1.0.0.0".parse().unwrap(),
        security_epoch: 1,
        build_time: 1_763_800_000,
        base: None,
        system: digest(system),
        boot: digest(boot),
        body: 0,
        chunk: CHUNK as u32,
        chunks: Vec::new(),
    }
}

/// A whole package with this body, signed by these keys.
pub fn seal_by(seeds: &[u8], mut header: Header, body: &[u8]) -> Vec<u8> {
    header.body = body.len() as u64;
    header.chunks = body
        .chunks(header.chunk as usize)
        .map(|chunk| Sha256::digest(chunk).into())
        .collect();
    let signed = header.encode();
    let signatures: Vec<SignatureLine> = seeds.iter().map(|s| sign(&key(*s), &signed)).collect();
    [&Envelope::encode(&signatures, &signed)[..], body].concat()
}

/// As [`seal_by`], signed by the key that [`super::judge::ring`] trusts.
pub fn seal(header: Header, body: &[u8]) -> Vec<u8> {
    seal_by(&[1], header, body)
}

/// A package of the two small images, around any tar.
pub fn around(tar: &[u8]) -> Vec<u8> {
    seal(header(SYSTEM, BOOT), &deflated(tar))
}

fn trailer(content: &[u8]) -> [u8; 8] {
    let mut crc = Crc::new();
    crc.update(content);
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&crc.sum().to_le_bytes());
    bytes[4..].copy_from_slice(&crc.amount().to_le_bytes());
    bytes
}

/// A gzip body that compresses.
pub fn deflated(content: &[u8]) -> Vec<u8> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(content).unwrap();
    let mut body = deflate.finish().unwrap();
    body.extend(trailer(content));
    body
}

/// A gzip body of stored blocks (RFC 1951, section 3.2.4), with so many empty ones before them.
pub fn stored(content: &[u8], empty: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..empty {
        body.extend([0, 0, 0, 0xff, 0xff]);
    }
    let blocks: Vec<&[u8]> = content.chunks(0xffff).collect();
    for (index, block) in blocks.iter().enumerate() {
        let length = block.len() as u16;
        body.push(u8::from(index + 1 == blocks.len()));
        body.extend(length.to_le_bytes());
        body.extend((!length).to_le_bytes());
        body.extend(*block);
    }
    body.extend(trailer(content));
    body
}

/// A gzip body of which long repetitions are compressed only once.
pub struct Long {
    deflate: DeflateEncoder<Vec<u8>>,
    crc: Crc,
    amount: u64,
}

impl Long {
    pub fn new() -> Self {
        Self {
            deflate: DeflateEncoder::new(Vec::new(), Compression::fast()),
            crc: Crc::new(),
            amount: 0,
        }
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.deflate.write_all(bytes).unwrap();
        self.deflate.flush().unwrap();
        self.crc.update(bytes);
        self.amount += bytes.len() as u64;
        self
    }

    /// Whole pieces of 16 MiB of zeros.
    pub fn zeros(self, length: u64) -> Self {
        let piece = vec![0; 16 << 20];
        assert_eq!(length % piece.len() as u64, 0);
        self.repeated(&piece, length / piece.len() as u64)
    }

    /// A piece so many times.
    pub fn repeated(mut self, piece: &[u8], times: u64) -> Self {
        assert!(piece.len() >= 32 << 10 && times >= 2);
        // From the second on, all that a piece may refer to is the one before: it can be copied.
        self = self.bytes(piece);
        let start = self.deflate.get_ref().len();
        self = self.bytes(piece);
        let unit = self.deflate.get_ref()[start..].to_vec();
        let mut crc = Crc::new();
        crc.update(piece);
        for _ in 2..times {
            self.deflate.get_mut().extend(&unit);
            self.crc.combine(&crc);
            self.amount += piece.len() as u64;
        }
        self
    }

    pub fn end(self) -> Vec<u8> {
        let mut body = self.deflate.finish().unwrap();
        body.extend(self.crc.sum().to_le_bytes());
        // RFC 1952: the size modulo 2^32.
        body.extend((self.amount as u32).to_le_bytes());
        body
    }
}

/// A manifest of two members: name, encoding, size. A name is put in as it stands.
pub fn manifest(system: (&str, &str, u64), boot: (&str, &str, u64)) -> Vec<u8> {
    let member = |role, (name, encoding, size): (&str, &str, u64)| {
        format!(
            "    {{\n      \"name\": \"{name}\",\n      \"role\": \"{role}\",\n      \
             \"encoding\": \"{encoding}\",\n      \"size\": {size}\n    }}"
        )
    };
    let (system, boot) = (member("system", system), member("boot", boot));
    format!("{{\n  \"format\": 1,\n  \"members\": [\n{system},\n{boot}\n  ]\n}}\n").into_bytes()
}

/// The manifest of the two small images as they are.
pub fn plain_manifest() -> Vec<u8> {
    manifest(
        ("system.img", "plain", SYSTEM.len() as u64),
        ("boot.img", "plain", BOOT.len() as u64),
    )
}

/// A head of a tar entry (POSIX ustar), field by field. Its checksum is made when it is used.
#[derive(Clone)]
pub struct Head(pub [u8; 512]);

impl Head {
    pub fn new(name: &str, size: u64) -> Self {
        let head = Self([0; 512])
            .with(0, name.as_bytes())
            .with(100, b"0000644\0")
            .with(108, b"0000000\0")
            .with(116, b"0000000\0")
            .with(136, b"15110253300\0")
            .with(156, b"0")
            .with(257, b"ustar\x0000");
        head.with(124, format!("{size:011o}\0").as_bytes())
    }

    /// With these bytes at a place.
    pub fn with(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// With another type.
    pub fn of_type(self, kind: u8) -> Self {
        self.with(156, &[kind])
    }

    /// With its checksum, seven octal digits and a NUL.
    pub fn summed(mut self) -> [u8; 512] {
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.with(148, format!("{sum:07o}\0").as_bytes()).0
    }
}

/// A tar under construction.
#[derive(Clone, Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    /// Adds a plain file.
    pub fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.entry(Head::new(name, bytes.len() as u64), bytes)
    }

    /// Adds a head with its checksum, and its bytes, padded.
    pub fn entry(self, head: Head, bytes: &[u8]) -> Self {
        self.raw(&head.summed()).padded(bytes)
    }

    /// Adds bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn padded(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// With the two blocks of zeros at its end.
    pub fn end(self) -> Vec<u8> {
        self.raw(&[0; 1024]).0
    }
}

/// The tar of the two small images, without its end.
pub fn good_entries() -> Tar {
    Tar::default()
        .file("MANIFEST", &plain_manifest())
        .file("system.img", SYSTEM)
        .file("boot.img", BOOT)
}

/// A good small package.
pub fn good() -> Vec<u8> {
    around(&good_entries().end())
}

/// An operation of a delta: bytes of the base.
pub fn copy(offset: u64, length: u32) -> Vec<u8> {
    [&[1][..], &offset.to_le_bytes(), &length.to_le_bytes()].concat()
}

/// An operation of a delta: new bytes.
pub fn data(bytes: &[u8]) -> Vec<u8> {
    [&[2][..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()
}
