//! The body: what remains of the gzip member, and the tar in it.
//!
//! Everything here is authenticated, yet nothing is believed twice: names are looked up, never
//! joined to a path; anything but a plain file is refused by its type; the order is the
//! manifest's.

use std::io::{BufRead, Read};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use tar::{Archive, EntryType};

use super::error::PackageError;
use super::manifest::{MANIFEST, MANIFEST_MAX, Manifest};

/// Length of a tar's blocks in bytes.
const BLOCK: usize = 512;

/// A gzip body and trailer (RFC 1952, section 2.3), its head already read. At the end it checks
/// the trailer, and that nothing follows.
#[derive(Debug)]
pub struct Gunzip<R> {
    inner: DeflateDecoder<R>,
    crc: Crc,
    ended: bool,
}

impl<R: BufRead> Gunzip<R> {
    /// Reads from the first byte after the head.
    pub fn new(body: R) -> Self {
        Self {
            inner: DeflateDecoder::new(body),
            crc: Crc::new(),
            ended: false,
        }
    }

    fn finish(&mut self) -> Result<(), PackageError> {
        let doing = "the end of its gzip stream";
        let mut trailer = [0; 8];
        let input = self.inner.get_mut();
        input
            .read_exact(&mut trailer)
            .map_err(|error| PackageError::from_io(error, doing))?;
        let expected = [
            self.crc.sum().to_le_bytes(),
            self.crc.amount().to_le_bytes(),
        ]
        .concat();
        if trailer[..] != expected {
            return Err(PackageError::content("its gzip trailer is wrong"));
        }
        match input.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(PackageError::content("bytes follow its gzip stream")),
            Err(error) => Err(PackageError::from_io(error, doing)),
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let got = self.inner.read(buffer)?;
        self.crc.update(&buffer[..got]);
        if got == 0 {
            self.ended = true;
            self.finish().map_err(PackageError::into_io)?;
        }
        Ok(got)
    }
}

/// Walks the tar in `body`: reads the manifest, then hands each member's bytes to `take`, by its
/// place in the manifest. `take` must read all of it.
pub fn walk<R: BufRead>(
    body: R,
    mut take: impl FnMut(&Manifest, usize, &mut dyn Read) -> Result<(), PackageError>,
) -> Result<Manifest, PackageError> {
    let mut archive = Archive::new(Gunzip::new(body));
    let broken = |error| PackageError::from_io(error, "its tar");
    // Raw: a long name or PAX header is an entry of its own type, and refused as such.
    let mut entries = archive.entries().map_err(broken)?.raw(true);
    let mut next = || -> Result<Option<Entry<'_, R>>, PackageError> {
        entries.next().transpose().map_err(broken)
    };
    let mut first = next()?.ok_or_else(|| PackageError::content("its tar is empty"))?;
    let size = plain(&first, MANIFEST)?;
    if size > MANIFEST_MAX {
        return Err(PackageError::content("its manifest is larger than 1 MiB"));
    }
    let mut text = Vec::new();
    first
        .read_to_end(&mut text)
        .map_err(|error| PackageError::from_io(error, "its manifest"))?;
    let manifest = Manifest::parse(&text)?;
    for (index, member) in manifest.members.iter().enumerate() {
        let name = &member.name;
        let mut entry = next()?
            .ok_or_else(|| PackageError::content(format!("the member {name} is missing")))?;
        let size = plain(&entry, name)?;
        if size != member.size.get() {
            return Err(PackageError::content(format!(
                "the member {name} has {size} bytes, its manifest says {}",
                member.size.get()
            )));
        }
        take(&manifest, index, &mut entry)?;
        let left = std::io::copy(&mut entry, &mut std::io::sink())
            .map_err(|error| PackageError::from_io(error, name))?;
        if left > 0 {
            return Err(PackageError::content(format!(
                "{left} bytes follow the image in the member {name}"
            )));
        }
    }
    if let Some(entry) = next()? {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        return Err(PackageError::content(format!(
            "the member {name:?} is not in its manifest"
        )));
    }
    check_end(&mut archive.into_inner())?;
    Ok(manifest)
}

/// A tar ends with two blocks of zeros (POSIX ustar); the reader has stopped after the first.
fn check_end(rest: &mut dyn Read) -> Result<(), PackageError> {
    let mut found = Vec::new();
    rest.take(BLOCK as u64 + 1)
        .read_to_end(&mut found)
        .map_err(|error| PackageError::from_io(error, "the end of its tar"))?;
    if found == [0; BLOCK] {
        Ok(())
    } else {
        Err(PackageError::content(
            "its tar does not end with two blocks of zeros and nothing after them",
        ))
    }
}

type Entry<'a, R> = tar::Entry<'a, Gunzip<R>>;

/// The size of an entry that is a plain file of this name.
fn plain<R: BufRead>(entry: &Entry<'_, R>, name: &str) -> Result<u64, PackageError> {
    let header = entry.header();
    let found = header.path_bytes();
    if header.entry_type() != EntryType::Regular {
        return Err(PackageError::content(format!(
            "\"{}\" in its tar is not a plain file",
            found.escape_ascii()
        )));
    }
    if *found != *name.as_bytes() {
        return Err(PackageError::content(format!(
            "\"{}\" stands in its tar where \"{name}\" must",
            found.escape_ascii()
        )));
    }
    header
        .entry_size()
        .map_err(|error| PackageError::from_io(error, "a size in its tar"))
}
