//! The signed part of a package's head: what it is, for whom, and the digest of every chunk.
//!
//! Lines `name value` in one fixed order; `FORMAT.md` has the grammar. A line whose name begins
//! with `x-` is skipped: later makers may add what older readers can do without. Any other
//! unknown line refuses the package, so what must not be overlooked gets a plain name.

use std::fmt;

use vigie_disk::Bytes;
use vigie_settings::{Language, Said};

use super::MAGIC;
use super::envelope::{COMMENT_MAX, SEPARATOR, SIGNATURE_LENGTH, SIGNATURES_MAX};
use super::error::PackageError;
use crate::policy::Claims;
use crate::spoken::both;
use crate::version::Version;
use crate::writer::Sha;

/// Smallest chunk: less hardly saves memory, more makes shorter headers.
pub const CHUNK_SMALL: u32 = 1 << 20;
/// The other size, for bodies of which the digests of small chunks would not fit a header.
pub const CHUNK_LARGE: u32 = 4 << 20;
/// Bytes of the comment that are kept for signatures and for the header's lines but the digests.
const LINES: usize = 4096;
/// Most digests that a header holds, a line of 65 bytes each.
const DIGESTS: u64 = (COMMENT_MAX as u64 - LINES as u64) / 65;
/// Longest header in bytes, the digests left out, so that it fits with every signature there may be.
pub const LINES_MAX: usize =
    LINES - MAGIC.len() - SEPARATOR.len() - SIGNATURES_MAX * SIGNATURE_LENGTH;
/// Longest body in bytes whose digests fit: 3.6 GB.
pub const BODY_MAX: u64 = DIGESTS * CHUNK_LARGE as u64;
/// The hardware of a package that fits every machine.
pub const ANY_HARDWARE: &str = "any";

/// Size and digest of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageDigest {
    /// Its length.
    pub size: Bytes,
    /// Its SHA-256.
    pub sha256: Sha,
}

/// The images that a delta package builds on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Their version.
    pub version: Version,
    /// The system image.
    pub system: ImageDigest,
    /// The boot image.
    pub boot: ImageDigest,
}

/// What a package is, as its signers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Product, as in the definition.
    pub product: String,
    /// Debian's word for the processor.
    pub arch: String,
    /// Kinds of machines that it is for, or [`ANY_HARDWARE`] alone.
    pub hardware: Vec<String>,
    /// Version that it installs.
    pub version: Version,
    /// Lowest version that it may be applied on.
    pub min_from: Version,
    /// Raised when older versions are not safe to run any more.
    pub security_epoch: u32,
    /// When the image was built, seconds since 1970.
    pub build_time: u64,
    /// The images that it builds on, when it holds only changes.
    pub base: Option<Base>,
    /// The system image that it makes.
    pub system: ImageDigest,
    /// The boot image that it makes.
    pub boot: ImageDigest,
    /// Length of the body in bytes, the gzip trailer included.
    pub body: u64,
    /// Length of a chunk in bytes; the last one may be shorter.
    pub chunk: u32,
    /// SHA-256 of each chunk of the body.
    pub chunks: Vec<Sha>,
}

impl Header {
    /// Reads the signed bytes, after they were authenticated.
    ///
    /// # Errors
    /// The first line that is not as it must be.
    pub fn parse(signed: &[u8]) -> Result<Self, PackageError> {
        let mut lines = Lines::new(signed)?;
        let header = Self {
            product: lines.field("product", word)?,
            arch: lines.field("arch", word)?,
            hardware: lines.field("hardware", hardware)?,
            version: lines.field("version", version)?,
            min_from: lines.field("min-from", version)?,
            security_epoch: lines.field("security-epoch", number)?,
            build_time: lines.field("build-time", number)?,
            base: lines.base()?,
            system: lines.field("system", image)?,
            boot: lines.field("boot", image)?,
            body: lines.field("body", number)?,
            chunk: lines.field("chunk", chunk_size)?,
            chunks: lines.rest()?,
        };
        let expected = header.body.div_ceil(u64::from(header.chunk));
        if expected == 0 || expected != header.chunks.len() as u64 {
            let (body, listed) = (header.body, header.chunks.len());
            return Err(PackageError::content(
                format!("a body of {body} bytes has {expected} chunks, its header lists {listed}"),
                format!(
                    "un corps de {body} octets a {expected} morceaux, son en-tête en liste {listed}"
                ),
            ));
        }
        Ok(header)
    }

    /// The bytes to sign.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = self.to_string();
        for digest in &self.chunks {
            text.push_str(&hex::encode(digest));
            text.push('\n');
        }
        text.into_bytes()
    }

    /// The chunk size for a body: the small one while its digests fit a header with room to spare.
    #[must_use]
    pub const fn chunk_for(body: u64) -> u32 {
        if body <= DIGESTS * CHUNK_SMALL as u64 {
            CHUNK_SMALL
        } else {
            CHUNK_LARGE
        }
    }

    /// What it asks of a machine.
    #[must_use]
    pub fn claims(&self) -> Claims<'_> {
        Claims {
            product: &self.product,
            arch: &self.arch,
            hardware: &self.hardware,
            version: self.version,
            min_from: self.min_from,
            security_epoch: self.security_epoch,
            base: self.base.as_ref().map(|base| base.version),
        }
    }

    /// Bytes of both images.
    #[must_use]
    pub fn total(&self) -> Bytes {
        self.system.size + self.boot.size
    }

    /// The name that a package of this content is given. It is for people: nothing trusts it.
    #[must_use]
    pub fn file_name(&self) -> String {
        match &self.base {
            None => format!("{}-{}-upd.tgz", self.product, self.version),
            Some(base) => format!(
                "{}-{}-from-{}-upd.tgz",
                self.product, self.version, base.version
            ),
        }
    }
}

/// Every line but the digests of the chunks.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "product {}", self.product)?;
        writeln!(f, "arch {}", self.arch)?;
        writeln!(f, "hardware {}", self.hardware.join(","))?;
        writeln!(f, "version {}", self.version)?;
        writeln!(f, "min-from {}", self.min_from)?;
        writeln!(f, "security-epoch {}", self.security_epoch)?;
        writeln!(f, "build-time {}", self.build_time)?;
        if let Some(base) = &self.base {
            writeln!(f, "base {} {} {}", base.version, base.system, base.boot)?;
        }
        writeln!(f, "system {}", self.system)?;
        writeln!(f, "boot {}", self.boot)?;
        writeln!(f, "body {}", self.body)?;
        writeln!(f, "chunk {}", self.chunk)
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.size.get(), hex::encode(self.sha256))
    }
}

/// The lines that are left, and where they are.
pub(crate) struct Lines<'a> {
    rest: std::iter::Peekable<std::iter::Enumerate<std::str::SplitTerminator<'a, char>>>,
    last: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(signed: &'a [u8]) -> Result<Self, PackageError> {
        let text = std::str::from_utf8(signed)
            .ok()
            .filter(|text| text.ends_with('\n'))
            .ok_or_else(|| {
                let french = "ce n'est pas du texte qui finit par une ligne";
                wrong(1, both("it is not text that ends with a line", french))
            })?;
        let rest = text.split_terminator('\n').enumerate().peekable();
        Ok(Self { rest, last: 0 })
    }

    /// The next line that is not to be skipped.
    pub(crate) fn peek(&mut self) -> Option<&'a str> {
        while self
            .rest
            .next_if(|(_, line)| line.starts_with("x-"))
            .is_some()
        {}
        self.rest.peek().map(|(_, line)| *line)
    }

    fn next(&mut self) -> Option<&'a str> {
        self.peek()?;
        let (at, line) = self.rest.next()?;
        self.last = at + 1;
        Some(line)
    }

    pub(crate) fn field<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, Said>,
    ) -> Result<T, PackageError> {
        let line = self.next().unwrap_or_default();
        let value = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '));
        let Some(value) = value else {
            return Err(wrong(
                self.last,
                both(
                    format!("\"{line:.60}\" stands where \"{name} …\" must"),
                    format!("« {line:.60} » à la place de « {name} … »"),
                ),
            ));
        };
        read(value).map_err(|why| {
            let french = format!("{name} : {}", why.to(Language::Fr));
            wrong(self.last, both(format!("{name}: {why}"), french))
        })
    }

    fn base(&mut self) -> Result<Option<Base>, PackageError> {
        match self.peek() {
            Some(line) if line.starts_with("base ") => self.field("base", base).map(Some),
            _ => Ok(None),
        }
    }

    fn rest(&mut self) -> Result<Vec<Sha>, PackageError> {
        let mut digests = Vec::new();
        while let Some(line) = self.next() {
            digests.push(digest(line).map_err(|why| wrong(self.last, why))?);
        }
        Ok(digests)
    }
}

const fn wrong(line: usize, why: Said) -> PackageError {
    PackageError::Header { line, why }
}

/// Whether a text may stand for a product, a processor or a kind of machine.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

pub(crate) fn word(text: &str) -> Result<String, Said> {
    if is_word(text) {
        Ok(text.to_owned())
    } else {
        Err(both(
            format!("\"{text:.40}\" is no word of a-z, 0-9 and -"),
            format!("« {text:.40} » n'est pas un mot de a-z, 0-9 et -"),
        ))
    }
}

pub(crate) fn hardware(text: &str) -> Result<Vec<String>, Said> {
    text.split(',').map(word).collect()
}

pub(crate) fn version(text: &str) -> Result<Version, Said> {
    text.parse::<Version>()
        .map_err(|error| both(error.to_string(), error.french()))
}

/// A number in its one spelling.
pub(crate) fn number<N: std::str::FromStr + fmt::Display>(text: &str) -> Result<N, Said> {
    let number = text.parse::<N>().ok();
    number
        .filter(|number| number.to_string() == text)
        .ok_or_else(|| {
            both(
                format!("\"{text:.40}\" is not a number that fits"),
                format!("« {text:.40} » n'est pas un nombre possible ici"),
            )
        })
}

fn chunk_size(text: &str) -> Result<u32, Said> {
    let allowed = [CHUNK_SMALL, CHUNK_LARGE];
    number(text).and_then(|size| {
        let wrong = || {
            both(
                format!("{size} is neither {CHUNK_SMALL} nor {CHUNK_LARGE}"),
                format!("{size} n'est ni {CHUNK_SMALL} ni {CHUNK_LARGE}"),
            )
        };
        allowed.contains(&size).then_some(size).ok_or_else(wrong)
    })
}

pub(crate) fn digest(text: &str) -> Result<Sha, Said> {
    let wrong = || {
        both(
            format!("\"{text:.70}\" is no SHA-256 in lower case"),
            format!("« {text:.70} » n'est pas un SHA-256 en minuscules"),
        )
    };
    let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).map_err(|_| wrong())?;
    lower.then_some(digest).ok_or_else(wrong)
}

fn image(text: &str) -> Result<ImageDigest, Said> {
    let (size, sha256) = text.split_once(' ').ok_or_else(|| {
        both(
            "size and SHA-256 are expected",
            "il faut une taille et un SHA-256",
        )
    })?;
    let size = Bytes::new(number(size)?);
    if size == Bytes::ZERO {
        return Err(both("an image of no bytes", "une image vide"));
    }
    let sha256 = digest(sha256)?;
    Ok(ImageDigest { size, sha256 })
}

fn base(text: &str) -> Result<Base, Said> {
    let words: Vec<&str> = text.split(' ').collect();
    let [name, a, b, c, d] = words[..] else {
        return Err(both(
            "a version and two images are expected",
            "il faut une version et deux images",
        ));
    };
    Ok(Base {
        version: version(name)?,
        system: image(&format!("{a} {b}"))?,
        boot: image(&format!("{c} {d}"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(base: bool) -> Header {
        let image = |size, byte| ImageDigest {
            size: Bytes::new(size),
            sha256: [byte; 32],
        };
        Header {
            product: "vigie".into(),
            arch: "amd64".into(),
            hardware: vec!["any".into()],
            version: "1.2.3.0".parse().unwrap(),
            min_from: "1.0.0.0".parse().unwrap(),
            security_epoch: 2,
            build_time: 1_700_000_000,
            base: base.then(|| Base {
                version: "1.2.2.0".parse().unwrap(),
                system: image(4096, 5),
                boot: image(8192, 6),
            }),
            system: image(1 << 33, 1),
            boot: image(4097, 2),
            body: u64::from(CHUNK_SMALL) + 1,
            chunk: CHUNK_SMALL,
            chunks: vec![[3; 32], [4; 32]],
        }
    }

    #[test]
    fn headers_round_trip() {
        for header in [header(false), header(true)] {
            let bytes = header.encode();
            assert_eq!(Header::parse(&bytes).unwrap(), header);
        }
        assert_eq!(
            header(true).file_name(),
            "vigie-1.2.3.0-from-1.2.2.0-upd.tgz"
        );
    }

    #[test]
    fn c45_unknown_lines_refuse_unless_they_say_otherwise() {
        let text = String::from_utf8(header(false).encode()).unwrap();
        let with = |at: usize, line: &str| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.insert(at, line);
            lines.join("\n") + "\n"
        };
        for at in 0..=text.lines().count() {
            let optional = with(at, "x-note ignored");
            assert_eq!(Header::parse(optional.as_bytes()).unwrap(), header(false));
            let critical = Header::parse(with(at, "needs-licence 4").as_bytes());
            assert!(matches!(critical, Err(PackageError::Header { .. })), "{at}");
        }
    }

    #[test]
    fn every_line_is_needed_once_and_in_its_place() {
        let text = String::from_utf8(header(true).encode()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for at in 0..lines.len() {
            let join = |lines: Vec<&str>| (lines.join("\n") + "\n").into_bytes();
            let mut missing = lines.clone();
            missing.remove(at);
            let mut twice = lines.clone();
            twice.insert(at, lines[at]);
            // The base is optional; all else is not.
            let optional = lines[at].starts_with("base ");
            assert_eq!(
                Header::parse(&join(missing)).is_ok(),
                optional,
                "{}",
                lines[at]
            );
            assert!(Header::parse(&join(twice)).is_err(), "{}", lines[at]);
            if at > 0 && at < lines.len() - 1 {
                let mut swapped = lines.clone();
                swapped.swap(at - 1, at);
                assert!(Header::parse(&join(swapped)).is_err(), "{}", lines[at]);
            }
        }
    }

    #[test]
    fn c13_c48_c52_values_are_strict() {
        let good = String::from_utf8(header(false).encode()).unwrap();
        for (from, to, word) in [
            ("product vigie", "product Vigie", "product"),
            ("product vigie", "product ../x", "product"),
            ("product vigie", "product ", "product"),
            ("hardware any", "hardware any,", "hardware"),
            ("version 1.2.3.0", "version 1.2.3", "version"),
            ("version 1.2.3.0", "version 01.2.3.0", "version"),
            ("version 1.2.3.0", "version 1.2.3.4294967296", "version"),
            ("security-epoch 2", "security-epoch 02", "security-epoch"),
            (
                "security-epoch 2",
                "security-epoch 4294967296",
                "security-epoch",
            ),
            ("build-time 1700000000", "build-time -1", "build-time"),
            (
                "build-time 1700000000",
                "build-time 18446744073709551616",
                "build-time",
            ),
            ("chunk 1048576", "chunk 1048577", "chunk"),
            ("chunk 1048576", "chunk 4194304", "has 1 chunks"),
            ("body 1048577", "body 1048576", "has 1 chunks"),
            ("body 1048577", "body 18446744073709551615", "chunks"),
            ("body 1048577", "body 0", "has 0 chunks"),
            ("boot 4097", "boot 0", "no bytes"),
            ("0303", "0F03", "SHA-256"),
            ("0303", "030", "SHA-256"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let error = Header::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{from} → {to}: {error}");
        }
        for size in [(1_u64 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, u64::MAX] {
            let text = good.replacen("system 8589934592", &format!("system {size}"), 1);
            let header = Header::parse(text.as_bytes()).unwrap();
            assert_eq!(header.system.size.get(), size);
        }
        assert!(Header::parse(b"").is_err());
        assert!(Header::parse(&good.as_bytes()[..good.len() - 1]).is_err());
    }

    #[test]
    fn the_digests_of_a_body_fit_a_comment() {
        for body in [1, 800 << 20, 861 << 20, 3 << 30] {
            let chunk = u64::from(Header::chunk_for(body));
            assert!(
                body.div_ceil(chunk) * 65 < COMMENT_MAX as u64 - 2048,
                "{body}"
            );
        }
    }
}
