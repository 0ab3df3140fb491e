//! Packages, a machine, a folder.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use https_test_server::{Answer, Request, Server, answer};
use sha2::{Digest, Sha256};
use vigie_disk::Bytes;
use vigie_pull::http::{Client, Patience, Trouble};
use vigie_pull::store::Store;
use vigie_pull::{Pull, run};
use vigie_settings::{Language, Settings, Update};
use vigie_update::index::{Entry, Index};
use vigie_update::machine::Machine;
use vigie_update::package::envelope::Envelope;
use vigie_update::package::signature::{PublicKey, TrustedKey, sign};
use vigie_update::package::{Base, Header, ImageDigest, Keyring};
use vigie_update::pulled::Report;
use vigie_update::situation::Situation;

pub const CHUNK: usize = 1 << 20;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn keys() -> Keyring {
    Keyring {
        threshold: 1,
        revoked: BTreeSet::new(),
        keys: vec![TrustedKey {
            name: "test".into(),
            public: PublicKey::of(&key(1)),
            development: false,
        }],
    }
}

fn noise(length: usize, seed: u32) -> Vec<u8> {
    let digests = (0_u32..).map(|n| Sha256::digest([seed.to_le_bytes(), n.to_le_bytes()].concat()));
    digests.flatten().take(length).collect()
}

/// A package as far as fetching goes: its body unpacks to nothing.
pub struct Package {
    pub bytes: Vec<u8>,
    pub header: Header,
    pub head: usize,
    pub id: String,
}

pub fn package(version: &str, body: usize) -> Package {
    package_of("vigie", version, body, 1)
}

pub fn package_of(product: &str, version: &str, body: usize, seed: u8) -> Package {
    package_in(CHUNK, product, version, body, seed)
}

/// A package in chunks of so many bytes.
pub fn package_in(chunk: usize, product: &str, version: &str, body: usize, seed: u8) -> Package {
    let body = noise(body, u32::from(seed));
    let image = ImageDigest {
        size: Bytes::new(4096),
        sha256: [0; 32],
    };
    let header = Header {
        product: product.into(),
        arch: "amd64".into(),
        hardware: vec!["any".into()],
        version: version.parse().unwrap(),
        min_from: "1.0.0.0".parse().unwrap(),
        security_epoch: 1,
        build_time: 1,
        base: None,
        system: image,
        boot: image,
        body: body.len() as u64,
        chunk: chunk as u32,
        chunks: body
            .chunks(chunk)
            .map(|c| Sha256::digest(c).into())
            .collect(),
    };
    seal(header, &body, seed)
}

/// The changes from the version that a [`Box`] runs.
pub fn delta(version: &str, body: usize) -> Package {
    let whole = package(version, body);
    let base = Base {
        version: "1.2.0.0".parse().unwrap(),
        system: whole.header.system,
        boot: whole.header.boot,
    };
    let header = Header {
        base: Some(base),
        ..whole.header
    };
    seal(header, &whole.bytes[whole.head..], 1)
}

fn seal(header: Header, body: &[u8], seed: u8) -> Package {
    let signed = header.encode();
    let mut bytes = Envelope::encode(&[sign(&key(seed), &signed)], &signed);
    let head = bytes.len();
    bytes.extend(body);
    Package {
        bytes,
        head,
        id: hex::encode(Sha256::digest(&signed)),
        header,
    }
}

impl Package {
    pub fn name(&self) -> String {
        self.header.file_name()
    }

    pub fn entry(&self) -> Entry {
        let length = self.bytes.len() as u64;
        Entry::of(&self.header, &self.id, length, self.name().parse().unwrap())
    }
}

pub fn index_of(packages: &[&Package], serial: u64) -> Index {
    Index {
        product: "vigie".into(),
        arch: "amd64".into(),
        made: 1_763_800_000,
        serial,
        packages: packages.iter().map(|package| package.entry()).collect(),
    }
}

/// Answers as an honest server does that knows ranges.
pub fn serve(request: &Request, file: &[u8], tag: &str) -> Answer {
    let start = request.header("range").map(|range| {
        let start = range
            .strip_prefix("bytes=")
            .unwrap()
            .strip_suffix('-')
            .unwrap();
        start.parse::<usize>().unwrap()
    });
    let same = request.header("if-range").is_none_or(|told| told == tag);
    match start {
        Some(start) if same => {
            let range = format!("bytes {start}-{}/{}", file.len() - 1, file.len());
            let answer = answer(206, "").with_body(file[start..].to_vec());
            answer.with("Content-Range", &range).with("ETag", tag)
        }
        _ => answer(200, "").with_body(file.to_vec()).with("ETag", tag),
    }
}

/// A machine that asks.
pub struct Box {
    pub situation: Situation,
    pub folder: tempfile::TempDir,
    pub patience: Patience,
    pub fetch: bool,
}

impl Box {
    pub fn new() -> Self {
        Self {
            situation: Situation {
                machine: Machine {
                    product: "vigie".into(),
                    arch: "amd64".into(),
                    hardware: "x86-server".into(),
                    version: "1.2.0.0".parse().unwrap(),
                    security_epoch: 1,
                },
                reached: "1.2.0.0".parse().unwrap(),
                reached_epoch: 1,
                waiting: None,
                licensed_major: 2,
                revoked: BTreeSet::new(),
                not_again: BTreeSet::new(),
                fates: Vec::new(),
                exhausted: BTreeSet::new(),
                serial: Some("SN-1".into()),
                busy: false,
            },
            folder: tempfile::tempdir().unwrap(),
            patience: Patience {
                connect: Duration::from_secs(5),
                silence: Duration::from_secs(5),
            },
            fetch: true,
        }
    }

    pub fn store(&self) -> Store {
        Store::new(self.folder.path())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("https").join(name)
    }

    /// Asks by settings whose `HOST` is that of the server, trusting the authority of `trusted`.
    pub fn ask_as(
        &self,
        settings: &str,
        server: &Server,
        trusted: &Server,
    ) -> Result<Report, Trouble> {
        self.ask_at(settings, &server.url("/"), trusted.authority())
    }

    /// The same for a server of another process.
    pub fn ask_at(&self, settings: &str, url: &str, authority: &str) -> Result<Report, Trouble> {
        let text = format!("version = 1\n{}", settings.replace("HOST/", url));
        let settings: Update = Settings::from_text(&text).unwrap().update;
        let authorization = settings
            .hawkbit
            .as_ref()
            .map(vigie_pull::hawkbit::authorization);
        let client = Client::new(Some(authority), authorization.as_deref(), self.patience)?;
        let told = run(&Pull {
            settings: &settings,
            situation: &self.situation,
            keys: &keys(),
            store: &self.store(),
            client: &client,
            fetch: self.fetch,
        });
        if let Ok(told) = &told {
            assert!(!told.words(0, Language::En).is_empty());
        }
        told
    }

    pub fn ask(&self, server: &Server) -> Result<Report, Trouble> {
        self.ask_as("[update]\nsource = \"HOST/a/\"\n", server, server)
    }
}
