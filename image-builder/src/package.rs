//! `cargo image package`: update packages out of a build, signed here or elsewhere.
//!
//! | module | is |
//! |---|---|
//! | this | the package of a payload, and whoever signs it here |
//! | [`base`] | an older package that a delta package builds on |
//! | [`index`] | the signed list of packages that lie on a server |
//! | [`offline`] | the bytes to sign, and signatures, as files that travel to the signer and back |
//!
//! The format is `update/FORMAT.md`; `vigie_update::package::make` writes it.

pub mod base;
pub mod index;
pub mod offline;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::SigningKey;
use vigie_installer::Payload;
use vigie_installer::payload::Role;
use vigie_update::package::MAGIC;
use vigie_update::package::envelope::SignatureLine;
use vigie_update::package::make::{BaseImages, Recipe, Unsigned, make};
use vigie_update::package::signature::{self, Keyring};

use crate::cache::Key;
use crate::definition::Definition;
use crate::keys;
use base::Base;

/// Longest text of what has changed, in one language, in bytes: it is read on a small screen.
const CHANGELOG_MAX: u64 = 64 << 10;

/// Makes the package of a payload, with the images of a base left out where there is one.
/// Temporary files lie in `scratch`.
///
/// # Errors
/// A payload or changelog that cannot be read; a base that is not older, or of another product; a
/// full disk.
pub fn unsigned(
    definition: &Definition,
    payload: &Path,
    base: Option<&Base>,
    scratch: &Path,
) -> Result<Unsigned> {
    let payload = Payload::open(payload)?;
    let list = payload.manifest();
    if let Some(base) = base {
        base.fits(&list.product, &list.arch, list.version)?;
    }
    let update = &definition.update;
    let recipe = Recipe {
        product: list.product.clone(),
        arch: list.arch.clone(),
        hardware: update.hardware_words().map(str::to_owned).collect(),
        version: list.version,
        min_from: *update.min_from.get_ref(),
        security_epoch: update.security_epoch,
        build_time: list.build_time,
        changelog: changelog(&definition.resolve("changelog"))?,
        system: &payload.path(Role::System)?,
        boot: &payload.path(Role::Boot)?,
        base: base.map(|base| BaseImages {
            version: base.header.version,
            system: &base.system,
            boot: &base.boot,
        }),
    };
    make(&recipe, scratch).with_context(|| format!("making the package of {}", list.version))
}

/// What has changed, by language: the files `en.md`, `fr.md` of a folder that need not be there.
fn changelog(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    if !folder.exists() {
        return Ok(texts);
    }
    for entry in std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?
    {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let language = name
            .strip_suffix(".md")
            .filter(|word| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_lowercase()));
        let Some(language) = language else {
            bail!(
                "{}: a changelog is named by its language, as en.md or fr.md",
                path.display()
            );
        };
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        ensure!(
            text.len() as u64 <= CHANGELOG_MAX,
            "{} has {} bytes; at most {CHANGELOG_MAX} go into a package",
            path.display(),
            text.len()
        );
        texts.insert(language.to_owned(), text);
    }
    Ok(texts)
}

/// Digest of what [`unsigned`] takes besides the payload and the definition's file.
///
/// # Errors
/// A changelog that cannot be read, or does not fit.
pub fn changelog_digest(definition: &Definition) -> Result<String> {
    let texts = changelog(&definition.resolve("changelog"))?;
    let key = texts
        .iter()
        .fold(Key::new("changelog", 1), |key, (language, text)| {
            key.with(language, text)
        });
    Ok(key.digest())
}

/// Signs a package and writes it.
///
/// # Errors
/// Keys that the image's own list does not take for enough: a machine that runs this version must
/// accept it as well. A full disk.
pub fn write_signed(
    package: &mut Unsigned,
    keys: &[SigningKey],
    ring: &Keyring,
    out: &mut dyn Write,
) -> Result<()> {
    let signed = package.header.encode();
    let signatures = sign(MAGIC, keys, &signed);
    check(MAGIC, &signatures, &signed, ring)?;
    package.write(&signatures, out)?;
    Ok(())
}

/// A signature by each of the keys in a domain, one that is given twice once.
fn sign(domain: &str, keys: &[SigningKey], signed: &[u8]) -> Vec<SignatureLine> {
    let mut signatures: Vec<SignatureLine> = Vec::new();
    for key in keys {
        let line = signature::sign_in(domain, key, signed);
        if !signatures.contains(&line) {
            signatures.push(line);
        }
    }
    signatures
}

/// That the signatures are enough for the image's own list.
fn check(domain: &str, signatures: &[SignatureLine], signed: &[u8], ring: &Keyring) -> Result<()> {
    let verified = ring.verify_in(domain, signatures, signed);
    verified.map(|_| ()).with_context(|| {
        let (needed, keys) = (ring.threshold, keys::listed(ring));
        format!("the keys of the image must sign, {needed} of: {keys}")
    })
}

#[cfg(test)]
mod tests;
