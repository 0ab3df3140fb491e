//! `cargo image index`: the signed list of the packages in a folder, for machines that fetch them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use ed25519_dalek::SigningKey;
use vigie_update::apply::authenticate;
use vigie_update::index::{Entry, INDEX_MAX, Index, NAME, PACKAGES_MAX};
use vigie_update::package::envelope::Envelope;
use vigie_update::package::member::{self, Sink};
use vigie_update::package::signature::Keyring;

use crate::definition::Definition;
use crate::output;

/// The bytes to sign of a folder's index lie beside it.
#[must_use]
pub fn header(folder: &Path) -> PathBuf {
    output::with_suffix(&folder.join(NAME), ".header")
}

/// Lists and checks the packages of a folder.
///
/// Its serial is the seconds since 1970, or one more than that of the index that is there: so it
/// rises also where the old index was lost, or a clock went back.
///
/// # Errors
/// A package that is damaged, for another product, or not signed by a key of `known`; too many.
pub fn list(definition: &Definition, folder: &Path, known: &Keyring) -> Result<Index> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let made = now.context("the clock is before 1970")?.as_secs();
    let old = serial_of(&folder.join(NAME))?;
    let product = &definition.product;
    Ok(Index {
        product: product.id.get_ref().clone(),
        arch: product.arch.get_ref().clone(),
        made,
        serial: made.max(old.map_or(0, |old| old.saturating_add(1))),
        packages: entries(folder, product.id.get_ref(), product.arch.get_ref(), known)?,
    })
}

/// Lists and checks the packages of a folder, and puts the signed index beside them; answers what
/// is in it.
///
/// # Errors
/// As [`list`]; keys that are not enough for `ring`; a folder that cannot be written.
pub fn publish(
    definition: &Definition,
    folder: &Path,
    keys: &[SigningKey],
    ring: &Keyring,
    known: &Keyring,
) -> Result<Index> {
    put(folder, &list(definition, folder, known)?.seal(keys), ring)
}

/// Puts an index in its place, if machines with the list `ring` take it.
pub(super) fn put(folder: &Path, index: &[u8], ring: &Keyring) -> Result<Index> {
    let read = Index::read(index, ring).context("the new index is not what a machine accepts")?;
    output::replace_file(&folder.join(NAME), index)?;
    Ok(read)
}

/// That a list which was made to be signed still says what lies in the folder, and is not older than
/// the index there.
pub(super) fn still_fits(
    listed: &Index,
    definition: &Definition,
    folder: &Path,
    known: &Keyring,
) -> Result<()> {
    let product = &definition.product;
    let (product, arch) = (product.id.get_ref(), product.arch.get_ref());
    ensure!(
        (&listed.product, &listed.arch) == (product, arch),
        "it is for {} on {}, the definition is of {product} on {arch}",
        listed.product,
        listed.arch
    );
    let found = entries(folder, product, arch, known)?;
    ensure!(
        found == listed.packages,
        "the packages in {} are not those that it lists: some came, changed or went since; make it anew \
         with --unsigned",
        folder.display()
    );
    let there = serial_of(&folder.join(NAME))?.unwrap_or_default();
    ensure!(
        listed.serial >= there,
        "its serial is {}, and the index that is there has {there}: machines refuse an older one; make it \
         anew with --unsigned",
        listed.serial
    );
    Ok(())
}

/// The serial of the index that is there. It need not be signed by anybody: it may only be too high.
fn serial_of(path: &Path) -> Result<Option<u64>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(INDEX_MAX as u64).read_to_end(&mut bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    }
    .with_context(|| format!("reading the index {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().find_map(|line| line.strip_prefix("serial "));
    Ok(line.and_then(|serial| serial.parse().ok()))
}

fn entries(folder: &Path, product: &str, arch: &str, known: &Keyring) -> Result<Vec<Entry>> {
    let mut paths = Vec::new();
    let list = std::fs::read_dir(folder);
    for entry in list.with_context(|| format!("reading the folder {}", folder.display()))? {
        let path = entry?.path();
        let package = path.extension().is_some_and(|extension| extension == "tgz");
        if package && path.is_file() {
            paths.push(path);
        }
    }
    ensure!(
        paths.len() <= PACKAGES_MAX,
        "{} has {} packages; an index lists at most {PACKAGES_MAX}, move old ones away",
        folder.display(),
        paths.len()
    );
    paths.sort();
    let entries = paths.iter().map(|path| {
        entry(path, product, arch, known).with_context(|| format!("listing {}", path.display()))
    });
    entries.collect()
}

/// Checks a package as a whole.
fn entry(path: &PathBuf, product: &str, arch: &str, known: &Keyring) -> Result<Entry> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.parse().map_err(anyhow::Error::msg)?;
    let mut input = BufReader::new(File::open(path)?);
    let envelope = Envelope::read(&mut input)?;
    let opened = authenticate(&envelope, known)?;
    let header = &opened.header;
    ensure!(
        header.product == product && header.arch == arch,
        "it is for {} on {}, the definition is of {product} on {arch}",
        header.product,
        header.arch
    );
    member::unpack(header, &mut input, None, Sink::Nowhere, &mut |_| {})?;
    let length = envelope.length + header.body;
    Ok(Entry::of(header, &opened.id, length, name))
}
