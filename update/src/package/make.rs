//! Making packages: the body first, because the header holds its digests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use sha2::{Digest, Sha256};
use vigie_disk::Bytes;

use super::delta;
use super::envelope::{Envelope, SignatureLine};
use super::header::{BODY_MAX, Base, Header, ImageDigest, LINES_MAX};
use super::manifest::{Encoding, FORMAT, MANIFEST, Manifest, Member, Role};
use crate::version::Version;
use crate::writer::Sha;

/// zstd's level for members that become smaller by it.
const LEVEL: i32 = 9;
/// zstd's window, as a power of two: what unpacking needs in memory. 4 MiB.
const WINDOW_LOG: u32 = 22;
/// A member is compressed where that saves at least one part in so many.
const WORTH: u64 = 50;

/// What a package is made of.
#[derive(Clone, Debug)]
pub struct Recipe<'a> {
    /// Product, as in the definition.
    pub product: String,
    /// Debian's word for the processor.
    pub arch: String,
    /// Kinds of machines.
    pub hardware: Vec<String>,
    /// Version of the images.
    pub version: Version,
    /// Lowest version that it may be applied on.
    pub min_from: Version,
    /// See [`Header::security_epoch`].
    pub security_epoch: u32,
    /// When the images were built.
    pub build_time: u64,
    /// What has changed, by language.
    pub changelog: BTreeMap<String, String>,
    /// The system image.
    pub system: &'a Path,
    /// The boot image.
    pub boot: &'a Path,
    /// The images to build on.
    pub base: Option<BaseImages<'a>>,
}

/// Images that the machine already has.
#[derive(Clone, Debug)]
pub struct BaseImages<'a> {
    /// Their version.
    pub version: Version,
    /// The system image.
    pub system: &'a Path,
    /// The boot image.
    pub boot: &'a Path,
}

/// A body, and the header that belongs to it.
#[derive(Debug)]
pub struct Unsigned {
    /// The header.
    pub header: Header,
    body: File,
}

impl Unsigned {
    /// Writes the whole package, with these signatures over `self.header.encode()`.
    ///
    /// # Errors
    /// What the output refuses.
    pub fn write(&mut self, signatures: &[SignatureLine], out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&Envelope::encode(signatures, &self.header.encode()))?;
        self.body.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.body, out)?;
        Ok(())
    }
}

/// Makes a package without signatures. Temporary files lie in `scratch`.
///
/// # Errors
/// What would not fit a header that readers take, told as soon as it is known; images that cannot
/// be read; a full disk.
pub fn make(recipe: &Recipe<'_>, scratch: &Path) -> io::Result<Unsigned> {
    lines_fit(recipe)?;
    let system = Source::new(recipe, Role::System, scratch)?;
    body_fits(system.member.size.get())?;
    let boot = Source::new(recipe, Role::Boot, scratch)?;
    body_fits((system.member.size + boot.member.size).get())?;
    let manifest = Manifest {
        format: FORMAT,
        changelog: recipe.changelog.clone(),
        members: vec![system.member.clone(), boot.member.clone()],
    };
    let text = manifest.to_text()?;
    let mut body = Hashed::new(BufWriter::new(tempfile::tempfile_in(scratch)?));
    let (system_digest, boot_digest) = (system.image, boot.image);
    write_body(&text, [system, boot], recipe.build_time, &mut body)?;
    let length = body.length;
    body_fits(length)?;
    let (body, small) = body.finish()?;
    let mut body = body.into_inner().map_err(|error| error.into_error())?;
    let chunk = Header::chunk_for(length);
    let header = Header {
        base: recipe.base.as_ref().map(base).transpose()?,
        system: system_digest,
        boot: boot_digest,
        body: length,
        chunk,
        chunks: if chunk == super::header::CHUNK_SMALL {
            small
        } else {
            body.seek(SeekFrom::Start(0))?;
            digests(&mut body, chunk)?
        },
        ..blank_header(recipe)
    };
    Ok(Unsigned { header, body })
}

/// A header with all that a recipe says, and the longest lines for what only the images tell.
fn blank_header(recipe: &Recipe<'_>) -> Header {
    let longest = ImageDigest {
        size: Bytes::new(u64::MAX),
        sha256: [0; 32],
    };
    Header {
        product: recipe.product.clone(),
        arch: recipe.arch.clone(),
        hardware: recipe.hardware.clone(),
        version: recipe.version,
        min_from: recipe.min_from,
        security_epoch: recipe.security_epoch,
        build_time: recipe.build_time,
        base: recipe.base.as_ref().map(|images| Base {
            version: images.version,
            system: longest,
            boot: longest,
        }),
        system: longest,
        boot: longest,
        body: u64::MAX,
        chunk: u32::MAX,
        chunks: Vec::new(),
    }
}

/// Refuses a recipe whose header would be too long with any body.
fn lines_fit(recipe: &Recipe<'_>) -> io::Result<()> {
    let length = blank_header(recipe).encode().len();
    if length <= LINES_MAX {
        return Ok(());
    }
    Err(too_large(format!(
        "the package's header would have {length} bytes without its digests, at most {LINES_MAX} fit: \
         name fewer kinds of hardware"
    )))
}

/// Refuses a body, or so much of one, whose digests do not fit a header.
fn body_fits(length: u64) -> io::Result<()> {
    if length <= BODY_MAX {
        return Ok(());
    }
    Err(too_large(format!(
        "the images take {} in a package, at most {} fit: make smaller images",
        Bytes::new(length),
        Bytes::new(BODY_MAX)
    )))
}

fn too_large(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

fn base(images: &BaseImages<'_>) -> io::Result<Base> {
    Ok(Base {
        version: images.version,
        system: digest(&mut File::open(images.system)?)?,
        boot: digest(&mut File::open(images.boot)?)?,
    })
}

/// A member, ready to be put into the tar.
struct Source {
    image: ImageDigest,
    member: Member,
    file: File,
}

impl Source {
    fn new(recipe: &Recipe<'_>, role: Role, scratch: &Path) -> io::Result<Self> {
        let path = match role {
            Role::System => recipe.system,
            Role::Boot => recipe.boot,
        };
        let mut image = File::open(path)?;
        let digest = digest(&mut image)?;
        let base = recipe.base.as_ref().map(|base| match role {
            Role::System => base.system,
            Role::Boot => base.boot,
        });
        let (encoding, mut file) = match base {
            Some(base) => (Encoding::Delta, differences(base, path, scratch)?),
            None => smaller(image, digest.size, scratch)?,
        };
        let size = Bytes::new(file.seek(SeekFrom::End(0))?);
        file.seek(SeekFrom::Start(0))?;
        let suffix = match encoding {
            Encoding::Plain => "img",
            Encoding::Zstd => "img.zst",
            Encoding::Delta => "delta.zst",
        };
        let member = Member {
            name: format!("{}.{suffix}", role.name()),
            role,
            encoding,
            size,
        };
        Ok(Self {
            image: digest,
            member,
            file,
        })
    }
}

fn differences(base: &Path, target: &Path, scratch: &Path) -> io::Result<File> {
    let (base, target) = (std::fs::read(base)?, std::fs::read(target)?);
    let mut out = compressor(tempfile::tempfile_in(scratch)?)?;
    delta::encode(&base, &target, &mut BufWriter::new(&mut out))?;
    out.finish()
}

/// The image as it is, or compressed where that is worth it: images of squashfs hardly ever are.
fn smaller(mut image: File, size: Bytes, scratch: &Path) -> io::Result<(Encoding, File)> {
    image.seek(SeekFrom::Start(0))?;
    let mut out = compressor(tempfile::tempfile_in(scratch)?)?;
    out.set_pledged_src_size(Some(size.get()))?;
    io::copy(&mut image, &mut out)?;
    let mut compressed = out.finish()?;
    let length = compressed.seek(SeekFrom::End(0))?;
    if length + size.get() / WORTH < size.get() {
        Ok((Encoding::Zstd, compressed))
    } else {
        Ok((Encoding::Plain, image))
    }
}

/// Compresses as the members of packages are.
///
/// # Errors
/// zstd's.
pub fn compressor<W: Write>(out: W) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(out, LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
    Ok(encoder)
}

/// The tar in its gzip body. gzip only stores: its members are compressed already.
fn write_body(
    manifest: &[u8],
    members: [Source; 2],
    time: u64,
    out: &mut dyn Write,
) -> io::Result<()> {
    let gzip = Gzip {
        deflate: DeflateEncoder::new(out, Compression::none()),
        crc: Crc::new(),
    };
    let mut tar = tar::Builder::new(gzip);
    let head = |size| {
        let mut head = tar::Header::new_ustar();
        head.set_size(size);
        head.set_mode(0o644);
        head.set_mtime(time);
        head.set_entry_type(tar::EntryType::Regular);
        head
    };
    tar.append_data(&mut head(manifest.len() as u64), MANIFEST, manifest)?;
    for mut source in members {
        let mut head = head(source.member.size.get());
        tar.append_data(&mut head, &source.member.name, &mut source.file)?;
    }
    let Gzip { deflate, crc } = tar.into_inner()?;
    let out = deflate.finish()?;
    out.write_all(&crc.sum().to_le_bytes())?;
    out.write_all(&crc.amount().to_le_bytes())
}

/// A gzip body, whose head has another place.
struct Gzip<W: Write> {
    deflate: DeflateEncoder<W>,
    crc: Crc,
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.deflate.write(bytes)?;
        self.crc.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.deflate.flush()
    }
}

/// Counts and hashes small chunks on the way.
struct Hashed<W> {
    out: W,
    length: u64,
    chunk: Vec<u8>,
    digests: Vec<Sha>,
}

impl<W: Write> Hashed<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            length: 0,
            chunk: Vec::new(),
            digests: Vec::new(),
        }
    }

    fn end_chunk(&mut self) {
        self.digests.push(Sha256::digest(&self.chunk).into());
        self.chunk.clear();
    }

    fn finish(mut self) -> io::Result<(W, Vec<Sha>)> {
        if !self.chunk.is_empty() {
            self.end_chunk();
        }
        self.out.flush()?;
        Ok((self.out, self.digests))
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = super::header::CHUNK_SMALL as usize - self.chunk.len();
        let taken = self.out.write(&bytes[..bytes.len().min(room)])?;
        self.chunk.extend_from_slice(&bytes[..taken]);
        self.length += taken as u64;
        if taken == room {
            self.end_chunk();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn digests(body: &mut File, chunk: u32) -> io::Result<Vec<Sha>> {
    let mut digests = Vec::new();
    loop {
        let mut hasher = Hashing(Sha256::new());
        if io::copy(&mut body.take(u64::from(chunk)), &mut hasher)? == 0 {
            return Ok(digests);
        }
        digests.push(hasher.0.finalize().into());
    }
}

/// Size and digest of what is left of a file.
pub fn digest(file: &mut File) -> io::Result<ImageDigest> {
    let mut hasher = Hashing(Sha256::new());
    let size = Bytes::new(io::copy(file, &mut hasher)?);
    let sha256 = hasher.0.finalize().into();
    Ok(ImageDigest { size, sha256 })
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::envelope::{COMMENT_MAX, SIGNATURE_LENGTH, SIGNATURES_MAX};
    use crate::package::signature::sign;
    use ed25519_dalek::SigningKey;

    #[test]
    fn the_largest_body_fits_a_header_with_every_signature() {
        let path = Path::new("image");
        let mut recipe = Recipe {
            product: "vigie".into(),
            arch: "amd64".into(),
            hardware: vec!["x".into()],
            version: Version([1, 0, 0, 0]),
            min_from: Version([1, 0, 0, 0]),
            security_epoch: 0,
            build_time: 0,
            changelog: BTreeMap::new(),
            system: path,
            boot: path,
            base: None,
        };
        let room = LINES_MAX - blank_header(&recipe).encode().len();
        recipe.hardware = vec!["x".repeat(1 + room)];
        lines_fit(&recipe).unwrap();
        let mut header = blank_header(&recipe);
        header.chunk = Header::chunk_for(BODY_MAX);
        header.chunks = vec![[0; 32]; BODY_MAX.div_ceil(u64::from(header.chunk)) as usize];
        let signature = sign(&SigningKey::from_bytes(&[1; 32]), b"");
        assert_eq!(signature.to_string().len() + 1, SIGNATURE_LENGTH);
        let signatures = vec![signature; SIGNATURES_MAX];
        let head = Envelope::encode(&signatures, &header.encode());
        Envelope::read(&mut &head[..]).unwrap();
        // There is hardly room for more.
        assert!(head.len() + 2 * 65 > COMMENT_MAX);
        recipe.hardware[0].push('x');
        lines_fit(&recipe).unwrap_err();
    }

    #[test]
    fn a_body_whose_digests_do_not_fit_is_refused_with_the_limit() {
        body_fits(BODY_MAX).unwrap();
        let words = body_fits(BODY_MAX + 1).unwrap_err().to_string();
        assert!(words.contains(&Bytes::new(BODY_MAX).to_string()), "{words}");
    }
}
