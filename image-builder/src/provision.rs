//! `cargo image provision`: a copy of a medium with the answers of an unattended installation in
//! it. Only the bytes of one file of the medium change (`vigie_installer::sources::embedded`), so
//! everything else, what Secure Boot checks included, stays as it was built.
//!
//! The same medium and answers give the same bytes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use vigie_disk::device::read_vec;
use vigie_disk::{BlockDevice, Bytes, FileDevice, SectorSize, iso};
use vigie_installer::machines::AnswerFile;
use vigie_installer::payload::MANIFEST;
use vigie_installer::sources::embedded;
use vigie_installer::{Manifest, schema};

use crate::interrupt::HalfMade;

/// Where the primary volume descriptor names the publisher (ECMA-119, 8.4).
const PUBLISHER: Bytes = Bytes::new(16 * 2048 + 318);
/// Its length there.
const PUBLISHER_LENGTH: usize = 128;
/// The publisher of our media.
pub(crate) const OURS: &str = "VIGIE";
/// A list of eight members has two kilobytes.
const MANIFEST_LIMIT: Bytes = Bytes::mib(1);

/// What is to be done.
pub struct Order<'a> {
    /// The medium.
    pub iso: &'a Path,
    /// The answers.
    pub answers: &'a Path,
    /// The copy, which must not exist yet.
    pub out: &'a Path,
}

/// A medium of ours.
struct Medium {
    version: String,
    /// Where the file of the answers lies.
    place: iso::Extent,
    /// What it has in it.
    file: String,
}

/// Makes the copy; the version on it.
///
/// # Errors
/// Not a medium of ours, or one that takes other answers; answers that are wrong or too long; a
/// copy that exists already; a full disk. Nothing half-made stays.
pub fn make(order: &Order<'_>) -> Result<String> {
    let medium = look(order.iso)?;
    let answers = read_answers(order.answers)?;
    let form = embedded::form(&medium.file).unwrap_or_default();
    ensure!(
        form == schema::form(),
        "{} has version {}, whose installer takes answers of another form ({form}, not {}); \
         use the builder of that version",
        order.iso.display(),
        medium.version,
        schema::form()
    );
    let file = embedded::filled(&answers)
        .with_context(|| format!("{} is too long", order.answers.display()))?;
    copy(order, medium.place, file.as_bytes())?;
    Ok(medium.version)
}

/// The answers in a medium; none where it has none.
///
/// # Errors
/// Not a medium of ours.
pub fn show(iso: &Path) -> Result<Option<String>> {
    let medium = look(iso)?;
    Ok(embedded::answers(&medium.file))
}

fn read_answers(path: &Path) -> Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    match AnswerFile::parse(&text) {
        Ok(_) => Ok(text),
        Err(faults) => {
            let lines = faults.to_string();
            let lines = lines
                .lines()
                .map(|line| format!("{}: {line}", path.display()));
            Err(anyhow!(lines.collect::<Vec<_>>().join("\n")))
        }
    }
}

fn look(path: &Path) -> Result<Medium> {
    let device = FileDevice::open_read_only(path, SectorSize::S512)?;
    read(&device).with_context(|| format!("{} is not a medium of ours", path.display()))
}

fn read(device: &dyn BlockDevice) -> Result<Medium> {
    ensure!(iso::is_volume(device)?, "it is no ISO 9660 volume");
    let publisher = read_vec(device, PUBLISHER, PUBLISHER_LENGTH)?;
    let publisher = String::from_utf8_lossy(&publisher).trim().to_owned();
    ensure!(
        publisher == OURS,
        "its publisher is {publisher:?}, not {OURS:?}"
    );
    let manifest = format!("vigie/{MANIFEST}");
    let manifest = iso::read_file(device, &manifest, MANIFEST_LIMIT)?
        .with_context(|| format!("it has no {manifest}"))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).context("reading its payload")?;
    let place = iso::find_file(device, embedded::PATH)?
        .with_context(|| format!("it has no {}: it is of an older version", embedded::PATH))?;
    ensure!(
        place.size == embedded::SIZE,
        "its {} has {}, not {}",
        embedded::PATH,
        place.size,
        embedded::SIZE
    );
    let file = read_vec(device, place.offset, place.size.get() as usize)?;
    Ok(Medium {
        version: manifest.version.to_string(),
        place,
        file: String::from_utf8(file).context("its answers are not text")?,
    })
}

/// The copy appears under its name when it is whole.
fn copy(order: &Order<'_>, place: iso::Extent, file: &[u8]) -> Result<()> {
    let Order { iso, out, .. } = order;
    if out.exists() {
        bail!(
            "{} exists already; name another file or remove it",
            out.display()
        );
    }
    let partial = partial(out);
    let guard = HalfMade::at(&partial);
    let made = write(iso, &partial, place, file).and_then(|()| {
        std::fs::rename(&partial, out).with_context(|| format!("giving {} its name", out.display()))
    });
    if made.is_err() {
        // Gone already where it could not be made.
        let _ = std::fs::remove_file(&partial);
    }
    drop(guard);
    made
}

fn partial(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn write(iso: &Path, partial: &Path, place: iso::Extent, file: &[u8]) -> Result<()> {
    let mut from = File::open(iso).with_context(|| format!("opening {}", iso.display()))?;
    // Left over from a run that was killed.
    let _ = std::fs::remove_file(partial);
    let mut to =
        File::create_new(partial).with_context(|| format!("making {}", partial.display()))?;
    // By copy_file_range(2): the file system shares the bytes where it can.
    io::copy(&mut from, &mut to)
        .with_context(|| format!("copying {} to {}", iso.display(), partial.display()))?;
    drop(to);
    let mut copy = FileDevice::open(partial, SectorSize::S512)?;
    copy.write_at(place.offset, file)?;
    copy.flush()?;
    let back = read_vec(&copy, place.offset, file.len())?;
    ensure!(
        back == file,
        "{} does not read as it was written",
        partial.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests;
