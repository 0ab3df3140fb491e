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

/// Lists and checks the packages of a folder, and puts the signed index beside them; answers what
/// is in it.
///
/// Its serial is the seconds since 1970, or one more than that of the index that is there: so it
/// rises also where the old index was lost, or a clock went back.
///
/// # Errors
/// A package that is damaged, for another product, or not signed by a key of `known`; keys that
/// are not enough for `ring`; a folder that cannot be written.
pub fn publish(
    definition: &Definition,
    folder: &Path,
    keys: &[SigningKey],
    ring: &Keyring,
    known: &Keyring,
) -> Result<Index> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let made = now.context("the clock is before 1970")?.as_secs();
    let path = folder.join(NAME);
    let product = &definition.product;
    let index = Index {
        product: product.id.get_ref().clone(),
        arch: product.arch.get_ref().clone(),
        made,
        serial: made.max(serial_of(&path)?.map_or(0, |old| old.saturating_add(1))),
        packages: entries(folder, product.id.get_ref(), product.arch.get_ref(), known)?,
    };
    let bytes = index.seal(keys);
    Index::read(&bytes, ring).context("the new index is not what a machine accepts")?;
    output::replace_file(&path, &bytes)?;
    Ok(index)
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
