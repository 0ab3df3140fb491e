//! What proves that fetched answers are the ones that were meant. It is checked over the bytes as
//! they came, before anything reads them.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::messages::Text;

/// Stands before the bytes that are signed: a signature made for anything else is none for answers.
pub const DOMAIN: &[u8] = b"vigie-answers 1\n";

/// What proves answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Their SHA-256.
    Sha256([u8; 32]),
    /// A signature by the owner of this key, ed25519.
    Key(Box<VerifyingKey>),
}

impl Proof {
    /// Whether a signature has to be fetched too.
    pub fn needs_signature(&self) -> bool {
        matches!(self, Self::Key(_))
    }

    /// Checks the bytes; `signature` is the text of the signature's file.
    pub fn check(&self, bytes: &[u8], signature: &[u8]) -> Result<(), Text> {
        match self {
            Self::Sha256(expected) => {
                let found: [u8; 32] = Sha256::digest(bytes).into();
                (found == *expected).then_some(()).ok_or_else(|| {
                    Text::new("sources.other-digest")
                        .with("found", hex::encode(found))
                        .with("wanted", hex::encode(expected))
                })
            }
            Self::Key(key) => {
                let signature = read_signature(signature)
                    .ok_or_else(|| Text::new("sources.bad-signature-file"))?;
                key.verify_strict(&signed(bytes), &signature)
                    .map_err(|_| Text::new("sources.bad-signature"))
            }
        }
    }
}

fn signed(bytes: &[u8]) -> Vec<u8> {
    [DOMAIN, bytes].concat()
}

/// Base64 of the 64 bytes, with or without a line's end.
fn read_signature(text: &[u8]) -> Option<Signature> {
    let bytes = STANDARD.decode(text.trim_ascii()).ok()?;
    Signature::from_slice(&bytes).ok()
}

/// A signature of answers and the key that it is checked with, both in Base64.
pub struct Signed {
    /// For the file `URL.sig`.
    pub signature: String,
    /// For `vigie.answers-key=`.
    pub key: String,
}

/// Signs answers with a private key in PEM, as `openssl genpkey -algorithm ed25519` makes it.
pub fn sign(pem: &str, answers: &[u8]) -> Result<Signed> {
    let key = SigningKey::from_bytes(&seed(pem)?);
    Ok(Signed {
        signature: STANDARD.encode(key.sign(&signed(answers)).to_bytes()),
        key: STANDARD.encode(key.verifying_key().to_bytes()),
    })
}

/// The 32 bytes of an ed25519 private key in PKCS #8 (RFC 8410, section 7): after a head that is
/// always the same.
fn seed(pem: &str) -> Result<[u8; 32]> {
    const HEAD: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let lines = pem.lines().map(str::trim);
    let mut body = lines.skip_while(|line| *line != "-----BEGIN PRIVATE KEY-----");
    if body.next().is_none() {
        bail!("no \"BEGIN PRIVATE KEY\"; make a key with: openssl genpkey -algorithm ed25519");
    }
    let body: String = body.take_while(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).context("the key is not Base64")?;
    let seed = der
        .strip_prefix(&HEAD)
        .and_then(|seed| seed.try_into().ok());
    seed.context("not an ed25519 key; make one with: openssl genpkey -algorithm ed25519")
}

#[cfg(test)]
mod tests {
    use vigie_settings::Language;

    use super::*;

    /// The example of RFC 8410, section 10.3.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    fn key() -> Proof {
        let bytes: [u8; 32] = STANDARD.decode(PUBLIC).unwrap().try_into().unwrap();
        Proof::Key(Box::new(VerifyingKey::from_bytes(&bytes).unwrap()))
    }

    #[test]
    fn what_was_signed_is_accepted_and_nothing_else() {
        let signed = sign(PEM, b"[target]\n").unwrap();
        assert_eq!(signed.key, PUBLIC);
        let line = format!("{}\n", signed.signature);
        assert_eq!(key().check(b"[target]\n", line.as_bytes()), Ok(()));
        let said = |bytes: &[u8], signature: &[u8]| {
            key().check(bytes, signature).unwrap_err().to(Language::En)
        };
        assert!(said(b"[target] \n", line.as_bytes()).contains("is not by the key"));
        assert!(said(b"[target]\n", b"AAAA").contains("64 bytes"));
        assert!(said(b"[target]\n", b"").contains("64 bytes"));
        // The same bytes signed for another purpose.
        let plain = SigningKey::from_bytes(&seed(PEM).unwrap()).sign(b"[target]\n");
        let plain = STANDARD.encode(plain.to_bytes());
        assert!(said(b"[target]\n", plain.as_bytes()).contains("is not by the key"));
    }

    #[test]
    fn digests() {
        let proof = Proof::Sha256(Sha256::digest(b"x").into());
        assert_eq!(proof.check(b"x", b""), Ok(()));
        let said = proof.check(b"y", b"").unwrap_err().to(Language::En);
        assert!(said.contains(&hex::encode(Sha256::digest(b"y"))), "{said}");
        assert!(!proof.needs_signature() && key().needs_signature());
    }

    #[test]
    fn other_keys_are_refused() {
        for (pem, says) in [
            ("", "BEGIN PRIVATE KEY"),
            ("-----BEGIN PRIVATE KEY-----\n!\n", "Base64"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "not an ed25519 key"),
        ] {
            let error = sign(pem, b"").err().unwrap().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
