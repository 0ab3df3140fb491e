//! Who may sign packages, and whether they did.
//!
//! The list of keys lies in the image at [`KEYS`], under its verity tree: whoever may replace the
//! image may replace the list, so a package carries the next list by carrying the next image.
//! Revoked keys are remembered beside the floor as well, so that going back to an older image does
//! not bring them back.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vigie_settings::{Language, Said};

use super::MAGIC;
use super::envelope::{Envelope, SignatureLine};
use super::error::PackageError;
use crate::spoken::both;

/// Where an image has its list of keys.
pub const KEYS: &str = "/usr/lib/vigie/update-keys.toml";

/// The first eight bytes of the SHA-256 of a public key, written as 16 hexadecimal digits. A hint
/// for finding the key; it proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// The id of a public key.
    #[must_use]
    pub fn of(public: &[u8; 32]) -> Self {
        let digest: [u8; 32] = Sha256::digest(public).into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for KeyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text:.40}\" is no key id: 16 hexadecimal digits are expected");
        let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
        let mut id = [0; 8];
        hex::decode_to_slice(text, &mut id).map_err(|_| wrong())?;
        lower.then_some(Self(id)).ok_or_else(wrong)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for KeyId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A public key: 32 bytes, written in Base64.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The public half of a secret key.
    #[must_use]
    pub fn of(secret: &SigningKey) -> Self {
        Self(secret.verifying_key().to_bytes())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.0)
    }

    /// Whether a signature of a message is by it.
    fn has_signed(&self, message: &[u8], line: &SignatureLine) -> bool {
        let signature = Signature::from_bytes(&line.bytes);
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for PublicKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = STANDARD.decode(&text).ok().and_then(|b| b.try_into().ok());
        let key =
            bytes.filter(|bytes| VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak()));
        key.map(Self)
            .ok_or_else(|| format!("\"{text:.60}\" is no ed25519 public key in Base64"))
    }
}

/// One key of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// What people call it.
    pub name: String,
    /// The key.
    pub public: PublicKey,
    /// Made by a build for itself, its secret half known to whoever has that machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub development: bool,
}

/// The keys that may sign packages for this system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyring {
    /// How many distinct keys must have signed.
    pub threshold: usize,
    /// Keys that must not be believed any more, whoever lists them.
    #[serde(default)]
    pub revoked: BTreeSet<KeyId>,
    /// The keys.
    #[serde(default, rename = "key")]
    pub keys: Vec<TrustedKey>,
}

impl Keyring {
    /// Reads a list.
    ///
    /// # Errors
    /// What is no list; a threshold that is zero or cannot be reached.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let ring: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let usable = ring.usable().map(|key| key.public.id());
        let distinct = usable.collect::<BTreeSet<_>>().len();
        if ring.threshold == 0 {
            return Err("threshold = 0: at least one signature must be asked for".to_owned());
        }
        if ring.threshold > distinct {
            return Err(format!(
                "threshold = {}, but there are {distinct} usable keys",
                ring.threshold
            ));
        }
        Ok(ring)
    }

    /// The keys that are not revoked.
    pub fn usable(&self) -> impl Iterator<Item = &TrustedKey> {
        let usable = |key: &&TrustedKey| !self.revoked.contains(&key.public.id());
        self.keys.iter().filter(usable)
    }

    /// Checks that enough keys of the list signed, each counted once.
    ///
    /// A signature of an unknown or revoked key counts for nothing; one that names a trusted key
    /// and is not by it refuses the package, as it was changed on its way.
    ///
    /// # Errors
    /// Too few; a wrong one; no key at all.
    pub fn verify(&self, envelope: &Envelope) -> Result<BTreeSet<KeyId>, PackageError> {
        self.verify_in(MAGIC, &envelope.signatures, &envelope.signed)
    }

    /// The same for what was signed in any domain.
    ///
    /// # Errors
    /// Too few; a wrong one; no key at all.
    pub fn verify_in(
        &self,
        domain: &str,
        signatures: &[SignatureLine],
        signed: &[u8],
    ) -> Result<BTreeSet<KeyId>, PackageError> {
        if self.usable().next().is_none() {
            return Err(PackageError::NoKeys);
        }
        let message = message_in(domain, signed);
        let mut good = BTreeSet::new();
        let mut notes = Vec::new();
        let needed = self.threshold.max(1);
        let untrusted = |found, why| PackageError::Untrusted { found, needed, why };
        for line in signatures {
            match self.key_of(line) {
                Err(note) => notes.push(note),
                Ok(key) if key.public.has_signed(&message, line) => {
                    good.insert(line.key);
                }
                Ok(TrustedKey { name, .. }) => {
                    let id = &line.key;
                    let why = both(
                        format!("the signature of {name} ({id}) is wrong; copy it again"),
                        format!("la signature de {name} ({id}) est fausse ; copiez-le de nouveau"),
                    );
                    return Err(untrusted(good.len(), why));
                }
            }
        }
        if good.len() >= needed {
            return Ok(good);
        }
        let why = match notes.is_empty() {
            _ if signatures.is_empty() => both("it is not signed", "il n'est pas signé"),
            true => both(
                "another key must sign it as well",
                "une autre clé doit le signer aussi",
            ),
            false => joined(&notes),
        };
        Err(untrusted(good.len(), why))
    }

    /// The usable key that a signature names, or why it counts for nothing.
    fn key_of(&self, SignatureLine { key: id, .. }: &SignatureLine) -> Result<&TrustedKey, Said> {
        if self.revoked.contains(id) {
            return Err(both(
                format!("the key {id} is revoked"),
                format!("la clé {id} est révoquée"),
            ));
        }
        let key = self.usable().find(|key| key.public.id() == *id);
        key.ok_or_else(|| {
            both(
                format!("the key {id} is not known here"),
                format!("la clé {id} n'est pas connue ici"),
            )
        })
    }
}

fn joined(notes: &[Said]) -> Said {
    let to = |language| {
        let words: Vec<&str> = notes.iter().map(|note| note.to(language)).collect();
        words.join(", ")
    };
    both(to(Language::En), to(Language::Fr))
}

/// Signs the signed bytes of a header.
#[must_use]
pub fn sign(secret: &SigningKey, signed: &[u8]) -> SignatureLine {
    sign_in(MAGIC, secret, signed)
}

/// Signs in any domain.
#[must_use]
pub fn sign_in(domain: &str, secret: &SigningKey, signed: &[u8]) -> SignatureLine {
    SignatureLine {
        key: PublicKey::of(secret).id(),
        bytes: secret.sign(&message_in(domain, signed)).to_bytes(),
    }
}

/// What is signed: the bytes after a domain, so that no signature over anything else fits.
#[must_use]
pub fn message(signed: &[u8]) -> Vec<u8> {
    message_in(MAGIC, signed)
}

/// The same in any domain.
#[must_use]
pub fn message_in(domain: &str, signed: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), signed].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn envelope(seeds: &[u8], signed: &[u8]) -> Envelope {
        Envelope {
            signatures: seeds.iter().map(|s| sign(&secret(*s), signed)).collect(),
            signed: signed.to_vec(),
            length: 0,
        }
    }

    #[test]
    fn c32_c33_c34_c37_c40_signatures_are_counted_by_distinct_trusted_keys() {
        let mut revoked = ring(&[1, 2], 1);
        revoked.revoked.insert(PublicKey::of(&secret(1)).id());
        for (ring, seeds, good) in [
            (ring(&[1], 1), &[1][..], true),
            (ring(&[1], 1), &[], false),
            (ring(&[1], 1), &[2], false),
            (ring(&[1], 1), &[2, 1], true),
            (ring(&[1, 2, 3], 2), &[1, 3], true),
            (ring(&[1, 2, 3], 2), &[1, 1], false),
            (ring(&[1, 2, 3], 2), &[1], false),
            // Listed twice, it is still one key.
            (ring(&[1, 1], 2), &[1, 1], false),
            (revoked.clone(), &[1], false),
            (revoked.clone(), &[1, 2], true),
        ] {
            let result = ring.verify(&envelope(seeds, b"header"));
            assert_eq!(result.is_ok(), good, "{seeds:?} {result:?}");
        }
        // The signature of another package.
        let mut mixed = envelope(&[1], b"header");
        mixed.signed = b"header 2".to_vec();
        let error = ring(&[1], 1).verify(&mixed).unwrap_err().to_string();
        assert!(error.contains("is wrong"), "{error}");
        // A wrong one beside enough good ones: it was changed on its way.
        let mut second = envelope(&[1, 2], b"header");
        second.signatures[1].bytes[5] ^= 1;
        assert!(ring(&[1, 2], 1).verify(&second).is_err());
    }

    /// Machines of three releases: before the bridge (key 1), the bridge (1 and 2), after it (2).
    #[test]
    fn c41_a_key_is_replaced_by_way_of_the_bridge_and_not_past_it() {
        let (old, bridge, new) = (ring(&[1], 1), ring(&[1, 2], 1), ring(&[2], 1));
        let unknown = format!("{} is not known here", PublicKey::of(&secret(2)).id());
        for (machine, signed_by, taken) in [
            // The way: the bridge is signed with both, what follows it with the new key alone.
            (&old, &[1, 2][..], true),
            (&bridge, &[2], true),
            (&new, &[2], true),
            // Past the bridge: the old list does not know who signed.
            (&old, &[2], false),
            // And back: what the old key alone signed is nothing to a machine after the bridge.
            (&new, &[1], false),
            (&new, &[1, 2], true),
        ] {
            let result = machine.verify(&envelope(signed_by, b"header"));
            assert_eq!(result.is_ok(), taken, "{signed_by:?} {result:?}");
            if let (Err(error), [2]) = (&result, signed_by) {
                assert!(error.to_string().contains(&unknown), "{error}");
            }
        }
        // A threshold that is raised takes the same way: the bridge lists all, then it is 2.
        let (listed, raised) = (ring(&[1, 2], 1), ring(&[1, 2], 2));
        assert!(listed.verify(&envelope(&[1, 2], b"header")).is_ok());
        assert!(raised.verify(&envelope(&[1], b"header")).is_err());
    }

    #[test]
    fn signatures_of_other_domains_do_not_fit() {
        let mut plain = envelope(&[1], b"header");
        plain.signatures[0].bytes = secret(1).sign(b"header").to_bytes();
        assert!(ring(&[1], 1).verify(&plain).is_err());
    }

    #[test]
    fn c36_malleable_signatures_are_refused() {
        let good = envelope(&[1], b"header");
        // S + L, the group's order: the same equation holds, but the encoding is not canonical.
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut shifted = good.clone();
        let mut carry = 0;
        for (byte, add) in shifted.signatures[0].bytes[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert!(ring(&[1], 1).verify(&good).is_ok());
        assert!(ring(&[1], 1).verify(&shifted).is_err());
        // A key of small order never enters a list: every message has a signature by it.
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(PublicKey::try_from(STANDARD.encode(identity)).is_err());
    }

    #[test]
    fn c38_lists_without_use_are_refused() {
        let public = PublicKey::of(&secret(1));
        let id = public.id();
        let key = format!("[[key]]\nname = \"a\"\npublic = \"{public}\"\n");
        for (text, word) in [
            (format!("threshold = 1\n{key}"), ""),
            (format!("threshold = 0\n{key}"), "at least one"),
            (format!("threshold = 2\n{key}"), "1 usable"),
            (format!("threshold = 2\n{key}{key}"), "1 usable"),
            (
                format!("threshold = 1\nrevoked = [\"{id}\"]\n{key}"),
                "0 usable",
            ),
            ("threshold = 1\n".to_owned(), "0 usable"),
            (String::new(), "threshold"),
            (
                "threshold = 1\n[[key]]\nname = \"a\"\npublic = \"AAAA\"\n".to_owned(),
                "no ed25519",
            ),
            (format!("threshold = 1\nrole = 2\n{key}"), "role"),
        ] {
            match Keyring::from_toml(&text) {
                Ok(_) => assert!(word.is_empty(), "{text}"),
                Err(error) => assert!(!word.is_empty() && error.contains(word), "{error}"),
            }
        }
        let empty = Keyring {
            keys: Vec::new(),
            ..ring(&[1], 1)
        };
        assert!(matches!(
            empty.verify(&envelope(&[1], b"x")),
            Err(PackageError::NoKeys)
        ));
    }
}
