//! The lines of a backup above its body.

use argon2::{Algorithm, Argon2, Params};
use chacha20poly1305::Key;

use super::BackupError;

const MAGIC: &str = "vigie-settings-backup 1";
const END: &str = "---\n";
/// A head is a few short lines.
pub(super) const HEAD: usize = 1024;

/// What a new key costs: 64 MiB, three passes (RFC 9106, second choice of parameters, one lane).
pub(super) const COST: Cost = Cost {
    memory: 64 << 10,
    passes: 3,
    lanes: 1,
};

/// What deriving a key costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// A file must not be able to use up the machine.
    fn is_bounded(self) -> bool {
        (8 << 10..=256 << 10).contains(&self.memory)
            && (1..=10).contains(&self.passes)
            && (1..=4).contains(&self.lanes)
    }

    /// The key of a passphrase.
    pub(super) fn key(self, passphrase: &[u8], salt: &[u8]) -> Result<Key, BackupError> {
        let failed = |error: argon2::Error| BackupError::System(error.to_string());
        let params = Params::new(self.memory, self.passes, self.lanes, None).map_err(failed)?;
        let mut key = Key::default();
        Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(passphrase, salt, &mut key)
            .map_err(failed)?;
        Ok(key)
    }
}

/// How the body is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    Plain {
        sha256: String,
    },
    Sealed {
        cost: Cost,
        salt: [u8; 16],
        nonce: [u8; 12],
    },
}

/// The lines of a backup above its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) form: u32,
    pub(super) made: u64,
    /// The version of the system that made it; those of before do not say.
    pub(super) system: Option<String>,
    pub(super) body: Body,
}

impl Head {
    pub(super) fn text(&self) -> String {
        let body = match &self.body {
            Body::Plain { sha256 } => format!("sha256 {sha256}"),
            Body::Sealed { cost, salt, nonce } => format!(
                "sealed argon2id m={} t={} p={} salt={} nonce={}",
                cost.memory,
                cost.passes,
                cost.lanes,
                hex(salt),
                hex(nonce)
            ),
        };
        let system = self.system.as_deref();
        let system = system.map(|version| format!("system {version}\n"));
        format!(
            "{MAGIC}\nform {}\nmade {}\n{}{body}\n{END}",
            self.form,
            self.made,
            system.unwrap_or_default()
        )
    }

    /// Reads the head of a backup; the rest is its body. It has one spelling.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let bounded = &bytes[..bytes.len().min(HEAD)];
        let end = END.as_bytes();
        let at = bounded
            .windows(end.len())
            .position(|window| window == end)?
            + end.len();
        let text = std::str::from_utf8(&bytes[..at]).ok()?;
        let mut lines = text.lines();
        if lines.next()? != MAGIC {
            return None;
        }
        let form = lines.next()?.strip_prefix("form ")?.parse().ok()?;
        let made = lines.next()?.strip_prefix("made ")?.parse().ok()?;
        let mut line = lines.next()?;
        let system = line.strip_prefix("system ").map(str::to_owned);
        if let Some(version) = &system {
            if !is_version(version) {
                return None;
            }
            line = lines.next()?;
        }
        let head = Self {
            form,
            made,
            system,
            body: Body::parse(line)?,
        };
        (head.text() == text).then_some((head, &bytes[at..]))
    }
}

/// Whether a text is the version of a system, such as `0.1.0.0`.
pub(super) fn is_version(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._+~-".contains(&b);
    (1..=40).contains(&text.len()) && text.bytes().all(good)
}

impl Body {
    fn parse(line: &str) -> Option<Self> {
        if let Some(sha256) = line.strip_prefix("sha256 ") {
            let sha256 = sha256.to_owned();
            return Some(Self::Plain { sha256 });
        }
        let words = line.strip_prefix("sealed argon2id ")?.split(' ');
        let mut values = words.zip(["m=", "t=", "p=", "salt=", "nonce="]);
        let mut next = || {
            values
                .next()
                .and_then(|(word, name)| word.strip_prefix(name))
        };
        let cost = Cost {
            memory: next()?.parse().ok()?,
            passes: next()?.parse().ok()?,
            lanes: next()?.parse().ok()?,
        };
        let (salt, nonce) = (unhex(next()?)?, unhex(next()?)?);
        cost.is_bounded()
            .then_some(Self::Sealed { cost, salt, nonce })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}
