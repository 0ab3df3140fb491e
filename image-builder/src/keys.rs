//! The secret keys that sign update packages, and the list of public ones that an image gets.
//!
//! A secret key is a PKCS#8 PEM file (RFC 5958, RFC 8410) that its owner alone may read; `openssl
//! pkey` reads and makes the same. It is never printed and never overwritten.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use vigie_update::package::Keyring;
use vigie_update::package::signature::{KeyId, PublicKey, TrustedKey};

use crate::definition::Definition;
use crate::interrupt::HalfMade;
use crate::output;

/// The name of a development key in an image's list.
const DEVELOPMENT: &str = "development";

/// Whose packages an image believes.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The list that goes into the image.
    pub ring: Keyring,
    /// The development key, where the definition has no other.
    pub development: Option<DevelopmentKey>,
}

/// A key that a build made for itself.
#[derive(Clone, Debug)]
pub struct DevelopmentKey {
    /// Its secret half.
    pub secret: SigningKey,
    /// Where that lies.
    pub path: PathBuf,
}

impl Trust {
    /// The definition's keys; where it has none, the development key at `development`, which is
    /// made on first use.
    ///
    /// # Errors
    /// A release without keys, or with the development key among them; a key that cannot be read
    /// or made.
    pub fn new(definition: &Definition, development: &Path, release: bool) -> Result<Self> {
        let update = &definition.update;
        let mut ring = Keyring {
            threshold: *update.threshold.get_ref(),
            revoked: update.revoked.iter().copied().collect(),
            keys: Vec::new(),
        };
        if update.keys.is_empty() {
            if release {
                let message = "update: a release needs keys: make one with `cargo image keygen`, and put its \
                               public half here as [[update.key]]";
                return Err(definition
                    .fault(&update.threshold, message.to_owned())
                    .into());
            }
            let key = DevelopmentKey::at(development)?;
            ring.keys.push(trusted(DEVELOPMENT, &key.secret, true));
            return Ok(Self {
                ring,
                development: Some(key),
            });
        }
        if release {
            refuse_development(definition, development)?;
        }
        ring.keys = update.keys.iter().map(TrustedKey::from).collect();
        Ok(Self {
            ring,
            development: None,
        })
    }
}

/// A list of further keys, from files as [`generate`] writes them beside a secret key.
///
/// # Errors
/// A file that cannot be read, or has anything else in it.
pub fn load_public(files: &[PathBuf]) -> Result<Vec<TrustedKey>> {
    let mut keys = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let fragment: Fragment = toml::from_str(&text).map_err(|error| {
            anyhow!(
                "{} is no public key as `cargo image keygen` writes it: {}",
                file.display(),
                error.message()
            )
        })?;
        keys.extend(fragment.update.key);
    }
    Ok(keys)
}

impl Trust {
    /// Who signs here: the keys in these files, or the development key where that is what the
    /// image trusts and no file is named. May be nobody.
    ///
    /// # Errors
    /// A key that cannot be read; keys that the image's own list does not take for enough. A
    /// machine must accept the package of what it runs.
    pub fn signers(&self, files: &[PathBuf]) -> Result<Vec<SigningKey>> {
        let signers: Vec<_> = match (&self.development, files) {
            (None, []) => return Ok(Vec::new()),
            (Some(key), []) => vec![key.secret.clone()],
            _ => files.iter().map(|file| load(file)).collect::<Result<_>>()?,
        };
        let given: BTreeSet<_> = signers.iter().map(|key| PublicKey::of(key).id()).collect();
        let counting = self
            .ring
            .usable()
            .filter(|key| given.contains(&key.public.id()));
        let (found, needed) = (counting.count(), self.ring.threshold);
        ensure!(
            found >= needed,
            "{found} of {needed} needed keys are given; the image trusts {}{}",
            listed(&self.ring),
            self.strangers(files, &signers)
        );
        Ok(signers)
    }

    /// The keys that were given and count for nothing, for the end of a message.
    fn strangers(&self, files: &[PathBuf], signers: &[SigningKey]) -> String {
        let given = files.iter().zip(signers);
        let given = given.map(|(file, key)| (file.display(), PublicKey::of(key).id()));
        let words = given.filter_map(|(file, id)| {
            if self.ring.revoked.contains(&id) {
                return Some(format!("; {file} ({id}) is given, and revoked"));
            }
            let known = self.ring.usable().any(|key| key.public.id() == id);
            (!known).then(|| format!("; {file} ({id}) is given, and not among them"))
        });
        words.collect()
    }

    /// The keys that a signature may be by: those of the image, and these.
    #[must_use]
    pub fn known(&self, others: impl IntoIterator<Item = TrustedKey>) -> Keyring {
        let mut known = self.ring.clone();
        for key in others {
            // What an older image trusts may be revoked by this one.
            known.revoked.remove(&key.public.id());
            known.keys.push(key);
        }
        Keyring {
            threshold: 1,
            ..known
        }
    }
}

/// A development key may have been copied into the definition by hand.
fn refuse_development(definition: &Definition, development: &Path) -> Result<()> {
    if !development.exists() {
        return Ok(());
    }
    let public = PublicKey::of(&load(development)?);
    for key in &definition.update.keys {
        if *key.public.get_ref() == public {
            let message = format!(
                "update.key: this is the development key {}; a release needs another",
                development.display()
            );
            return Err(definition.fault(&key.public, message).into());
        }
    }
    Ok(())
}

impl From<&crate::definition::UpdateKey> for TrustedKey {
    fn from(key: &crate::definition::UpdateKey) -> Self {
        Self {
            name: key.name.get_ref().clone(),
            public: *key.public.get_ref(),
            development: false,
        }
    }
}

/// The keys of a list, for a message.
#[must_use]
pub fn listed(ring: &Keyring) -> String {
    let keys = ring.usable();
    let keys = keys.map(|key| format!("{} ({})", key.name, key.public.id()));
    keys.collect::<Vec<_>>().join(", ")
}

/// The public half of a key that was given to sign.
#[must_use]
pub fn given(secret: &SigningKey) -> TrustedKey {
    trusted("given", secret, false)
}

fn trusted(name: &str, secret: &SigningKey, development: bool) -> TrustedKey {
    TrustedKey {
        name: name.to_owned(),
        public: PublicKey::of(secret),
        development,
    }
}

impl DevelopmentKey {
    /// Reads the key, or makes it where there is none.
    fn at(path: &Path) -> Result<Self> {
        if !path.exists() {
            let made = secret_file(&random()?, path)?.persist_noclobber(path);
            // Another run may have made it meanwhile: then that one counts.
            if let Err(error) = made
                && error.error.kind() != ErrorKind::AlreadyExists
            {
                return Err(error.error).with_context(|| format!("writing {}", path.display()));
            }
        }
        Ok(Self {
            secret: load(path)?,
            path: path.to_owned(),
        })
    }
}

/// Reads a secret key.
///
/// # Errors
/// A file that cannot be read or is no ed25519 key in PKCS#8 PEM.
pub fn load(path: &Path) -> Result<SigningKey> {
    let doing = || format!("reading the secret key {}", path.display());
    let text = std::fs::read_to_string(path).with_context(doing)?;
    ensure!(
        !is_public(&text),
        "{}: this is the public half of a key, which signs nothing; name the file of the secret half, \
         without .pub",
        doing()
    );
    // Its errors quote nothing of the file.
    SigningKey::from_pkcs8_pem(&text).map_err(|error| {
        let expected = "a PKCS#8 PEM file is expected, as `cargo image keygen` makes it";
        anyhow!("{}: {error}; {expected}", doing())
    })
}

/// Whether a file holds the public half of a key, as we or OpenSSL write it.
fn is_public(text: &str) -> bool {
    text.starts_with("-----BEGIN PUBLIC KEY-----") || toml::from_str::<Fragment>(text).is_ok()
}

/// Makes a key: the secret half at `out`, the public half beside it as `out.pub`, ready to be put
/// into the definition.
///
/// # Errors
/// One of the files exists already, or cannot be written; then neither is left. A folder that is not
/// there is not made: a mistyped path, or a stick that is not mounted, is no place for a secret.
pub fn generate(name: &str, out: &Path) -> Result<Made> {
    // Path passes a slash at the end over.
    ensure!(
        !out.is_dir() && !out.as_os_str().as_bytes().ends_with(b"/"),
        "{} is a folder's name; name the file of the key as well, such as {}",
        out.display(),
        out.join("release-1.pem").display()
    );
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    ensure!(
        folder.is_dir(),
        "{} is no folder that is there; make it first, or name another file",
        folder.display()
    );
    let public_file = output::with_suffix(out, ".pub");
    for path in [out, &public_file] {
        ensure!(
            !path.exists(),
            "{} exists already; name another file: a key is never overwritten",
            path.display()
        );
    }
    let secret = random()?;
    let public = PublicKey::of(&secret);
    let fragment = fragment(name, public)?;
    let secret_file = secret_file(&secret, out)?;
    let _half = HalfMade::at(secret_file.path());
    let mut half = output::temporary(&public_file, 0o644)?;
    let _half_public = HalfMade::at(half.path());
    half.write_all(fragment.as_bytes())
        .with_context(|| format!("writing {}", public_file.display()))?;
    let place = |file: NamedTempFile, path: &Path| {
        let placed = file.persist_noclobber(path).map_err(|error| error.error);
        placed.with_context(|| format!("writing {}", path.display()))
    };
    place(half, &public_file)?;
    place(secret_file, out).inspect_err(|_| {
        // A public key whose secret half nobody has is of no use.
        let _ = std::fs::remove_file(&public_file);
    })?;
    Ok(Made {
        id: public.id(),
        fragment,
        public_file,
    })
}

/// What [`generate`] has made.
#[derive(Debug)]
pub struct Made {
    /// What it is called in lists of revoked keys and in messages.
    pub id: KeyId,
    /// The lines for the definition.
    pub fragment: String,
    /// Where they lie.
    pub public_file: PathBuf,
}

/// The part of a definition that holds keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fragment {
    update: Keys,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    key: Vec<TrustedKey>,
}

/// The public half as it stands in the definition, with the id: who must revoke the key looks there.
fn fragment(name: &str, public: PublicKey) -> Result<String> {
    let key = vec![TrustedKey {
        name: name.to_owned(),
        public,
        development: false,
    }];
    let update = Keys { key };
    let text = toml::to_string(&Fragment { update })?;
    Ok(format!("# id {}\n{text}", public.id()))
}

/// A key from the operating system's random numbers.
fn random() -> Result<SigningKey> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| anyhow!("asking the system for random numbers: {error}"))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// A secret key in a file beside `path`, on the disk.
fn secret_file(secret: &SigningKey, path: &Path) -> Result<NamedTempFile> {
    // Without the public half, as OpenSSL knows only the first version of the form.
    let pair = KeypairBytes {
        secret_key: secret.to_bytes(),
        public_key: None,
    };
    let pem = pair.to_pkcs8_pem(LineEnding::LF);
    let pem = pem.map_err(|error| anyhow!("encoding the secret key: {error}"))?;
    let mut file = output::temporary(path, 0o600)?;
    file.write_all(pem.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
