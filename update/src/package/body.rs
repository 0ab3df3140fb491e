//! The body: what remains of the gzip member, and the tar in it.
//!
//! Everything here is authenticated, yet nothing is believed twice: names are looked up, never
//! joined to a path; anything but a plain file is refused by its type; the order is the
//! manifest's; and of every head in the tar there is one form.

use std::io::{BufRead, Read};
use std::ops::Range;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use tar::{Archive, EntryType};
use vigie_settings::Said;

use super::error::PackageError;
use super::manifest::{MANIFEST, MANIFEST_MAX, Manifest};
use crate::spoken::both;

/// The unit of a tar in bytes.
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
        let doing = both("the end of its gzip stream", "la fin de son flux gzip");
        let mut trailer = [0; 8];
        let input = self.inner.get_mut();
        input
            .read_exact(&mut trailer)
            .map_err(|error| PackageError::from_io(error, &doing))?;
        let expected = [
            self.crc.sum().to_le_bytes(),
            self.crc.amount().to_le_bytes(),
        ]
        .concat();
        if trailer[..] != expected {
            return Err(PackageError::content(
                "its gzip trailer is wrong",
                "la fin de son gzip est fausse",
            ));
        }
        match input.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(PackageError::content(
                "bytes follow its gzip stream",
                "des octets suivent son flux gzip",
            )),
            Err(error) => Err(PackageError::from_io(error, &doing)),
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
///
/// # Errors
/// What is not as the manifest says; what `take` refuses.
pub fn walk<R: BufRead>(
    body: R,
    mut take: impl FnMut(&Manifest, usize, &mut dyn Read) -> Result<(), PackageError>,
) -> Result<Manifest, PackageError> {
    let mut archive = Archive::new(Gunzip::new(body));
    // Raw: a long name or PAX header is an entry of its own type, and refused as such.
    let mut entries = archive.entries().map_err(broken)?.raw(true);
    let mut next = || entries.next().transpose().map_err(broken);
    let empty = || PackageError::content("its tar is empty", "son tar est vide");
    let mut first = next()?.ok_or_else(empty)?;
    let manifest = read_manifest(&mut first)?;
    for (index, member) in manifest.members.iter().enumerate() {
        let name = &member.name;
        let missing = || {
            PackageError::content(
                format!("the member {name} is missing"),
                format!("le membre {name} manque"),
            )
        };
        let mut entry = next()?.ok_or_else(missing)?;
        let size = plain(entry.header(), name)?;
        if size != member.size.get() {
            let told = member.size.get();
            return Err(PackageError::content(
                format!("the member {name} has {size} bytes, its manifest says {told}"),
                format!("le membre {name} a {size} octets, son manifeste dit {told}"),
            ));
        }
        take(&manifest, index, &mut entry)?;
        expect_end(&mut entry, name)?;
    }
    if let Some(entry) = next()? {
        let name = entry.header().path_bytes();
        let name = name.escape_ascii();
        return Err(PackageError::content(
            format!("\"{name}\" in its tar is not in its manifest"),
            format!("« {name} », dans son tar, n'est pas dans son manifeste"),
        ));
    }
    check_tail(archive.into_inner())?;
    Ok(manifest)
}

fn broken(error: std::io::Error) -> PackageError {
    PackageError::from_io(error, &both("its tar", "son tar"))
}

fn read_manifest<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Manifest, PackageError> {
    if plain(entry.header(), MANIFEST)? > MANIFEST_MAX {
        return Err(PackageError::content(
            "its manifest is larger than 1 MiB",
            "son manifeste dépasse 1 Mio",
        ));
    }
    let mut text = Vec::new();
    entry
        .read_to_end(&mut text)
        .map_err(|error| PackageError::from_io(error, &both("its manifest", "son manifeste")))?;
    Manifest::parse(&text)
}

/// Refuses what follows an image in its member, without reading more than a byte of it.
pub(super) fn expect_end(member: &mut dyn Read, name: &str) -> Result<(), PackageError> {
    match member.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(PackageError::content(
            format!("bytes follow the image in the member {name}"),
            format!("des octets suivent l'image dans le membre {name}"),
        )),
        Err(error) => Err(PackageError::from_io(error, &Said::same(name))),
    }
}

/// The first of the two blocks of zeros that end a tar was read: demands the second, and no more.
fn check_tail(tail: impl Read) -> Result<(), PackageError> {
    let mut rest = Vec::new();
    // A byte more than there may be, so that the end of the gzip stream is reached and checked.
    tail.take(BLOCK as u64 + 1)
        .read_to_end(&mut rest)
        .map_err(broken)?;
    if rest == [0; BLOCK] {
        return Ok(());
    }
    let (english, french) = if rest.len() > BLOCK {
        (
            "bytes follow the end of its tar",
            "des octets suivent la fin de son tar",
        )
    } else {
        (
            "its tar does not end with two blocks of zeros",
            "son tar ne finit pas par deux blocs de zéros",
        )
    };
    Err(PackageError::content(english, french))
}

/// The size of an entry that is a plain file of this name, its head in the one form that
/// `FORMAT.md` allows: what two readers could read differently is refused.
fn plain(head: &tar::Header, name: &str) -> Result<u64, PackageError> {
    let found = head.path_bytes();
    let found = found.escape_ascii();
    if head.entry_type() != EntryType::Regular {
        return Err(PackageError::content(
            format!("\"{found}\" in its tar is not a plain file"),
            format!("« {found} », dans son tar, n'est pas un fichier ordinaire"),
        ));
    }
    if *head.path_bytes() != *name.as_bytes() {
        return Err(PackageError::content(
            format!("\"{found}\" stands in its tar where \"{name}\" must"),
            format!("« {found} » est dans son tar à la place de « {name} »"),
        ));
    }
    let size = head.entry_size().map_err(|error| {
        PackageError::from_io(error, &both("a size in its tar", "une taille dans son tar"))
    })?;
    if head.as_bytes() != expected_head(head, name, size).as_bytes() {
        return Err(PackageError::content(
            format!("the head of \"{found}\" in its tar is not in the one form that is allowed"),
            format!("la tête de « {found} », dans son tar, n'a pas la seule forme permise"),
        ));
    }
    Ok(size)
}

/// Mode, owner and time; names and device numbers: what a reader of packages has no use for.
const IGNORED: [Range<usize>; 3] = [100..124, 136..148, 265..345];

/// The head of a plain file, with what is ignored taken over from `head`.
fn expected_head(head: &tar::Header, name: &str, size: u64) -> tar::Header {
    let mut expected = tar::Header::new_ustar();
    let length = name.len().min(100);
    expected.as_old_mut().name[..length].copy_from_slice(&name.as_bytes()[..length]);
    expected.set_entry_type(EntryType::Regular);
    expected.set_size(size);
    for range in IGNORED {
        expected.as_mut_bytes()[range.clone()].copy_from_slice(&head.as_bytes()[range]);
    }
    expected.set_cksum();
    expected
}
