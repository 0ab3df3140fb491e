//! The outermost layer: a gzip head of ten fixed bytes and its comment, up to a NUL.
//!
//! Everything here is read before anything is authenticated, so there is little of it: a length
//! limit, ASCII, lines.

use std::fmt;
use std::io::BufRead;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::MAGIC;
use vigie_settings::Said;

use super::error::PackageError;
use super::signature::KeyId;
use crate::spoken::both;

/// The gzip head (RFC 1952, section 2.3): deflate, a comment and nothing else, no time, no
/// compression level, unknown system. Another head is another format.
pub const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0x10, 0, 0, 0, 0, 0, 0xff];
/// Longest comment, in bytes, without its NUL.
pub const COMMENT_MAX: usize = 60_000;
/// Most signatures.
pub const SIGNATURES_MAX: usize = 8;
/// What stands between the signatures and the signed bytes.
pub const SEPARATOR: &str = "---\n";
/// What a signature line begins with.
pub const SIGNATURE: &str = "signature ";
/// Length of a signature line with its end, in bytes: the key's id, a space, Base64 of 64 bytes.
pub const SIGNATURE_LENGTH: usize = SIGNATURE.len() + 16 + 1 + 88 + 1;

/// A signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    /// Who claims to have signed.
    pub key: KeyId,
    /// The ed25519 signature.
    pub bytes: [u8; 64],
}

/// The line without its end.
impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SIGNATURE}{} {}", self.key, STANDARD.encode(self.bytes))
    }
}

/// A package's head, not yet authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The signatures; may be none.
    pub signatures: Vec<SignatureLine>,
    /// The bytes that were signed.
    pub signed: Vec<u8>,
    /// Length of head, comment and NUL in bytes: where the body begins.
    pub length: u64,
}

impl Envelope {
    /// Reads from the first byte of a package up to its body.
    ///
    /// # Errors
    /// Whatever does not begin as a package does, found within 64 KiB.
    pub fn read(input: &mut dyn BufRead) -> Result<Self, PackageError> {
        let mut head = [0; GZIP_HEAD.len()];
        let got = read_up_to(input, &mut head)?;
        if got == 0 {
            return Err(foreign("it is empty", "il est vide"));
        }
        if head[..2] != GZIP_HEAD[..2] {
            return Err(foreign(
                "it does not begin as a gzip file",
                "il ne commence pas comme un fichier gzip",
            ));
        }
        if head != GZIP_HEAD {
            return Err(foreign(
                "it is a gzip file, but not one with a package's head",
                "c'est un fichier gzip, mais sans la tête d'un paquet",
            ));
        }
        let comment = read_comment(input)?;
        Self::parse(&comment)
    }

    /// Takes a comment apart.
    ///
    /// # Errors
    /// Whatever is not a list of signatures, a separator and signed bytes.
    pub fn parse(comment: &[u8]) -> Result<Self, PackageError> {
        let begin = || {
            both(
                "its comment does not begin with \"vigie-package 1\"",
                "son commentaire ne commence pas par « vigie-package 1 »",
            )
        };
        let foreign = |why: Option<Said>| PackageError::Foreign(why.unwrap_or_else(begin));
        let (signatures, signed) = split(MAGIC, comment).map_err(foreign)?;
        Ok(Self {
            signatures,
            signed,
            length: (GZIP_HEAD.len() + comment.len() + 1) as u64,
        })
    }

    /// The bytes from the first of a package up to its body.
    #[must_use]
    pub fn encode(signatures: &[SignatureLine], signed: &[u8]) -> Vec<u8> {
        let mut bytes = GZIP_HEAD.to_vec();
        bytes.extend(join(MAGIC, signatures, signed));
        bytes.push(0);
        bytes
    }
}

/// Takes signed text of any domain apart: its signatures, and the bytes that were signed. Nothing
/// is authenticated yet.
///
/// # Errors
/// What is wrong; nothing where it does not begin with its domain.
pub(crate) fn split(
    domain: &str,
    text: &[u8],
) -> Result<(Vec<SignatureLine>, Vec<u8>), Option<Said>> {
    let wrong = |english: &str, french: &str| Some(both(english, french));
    let no_text = |_| {
        wrong(
            "its comment is not text",
            "son commentaire n'est pas du texte",
        )
    };
    let text = std::str::from_utf8(text).map_err(no_text)?;
    if !text.is_ascii() {
        return Err(wrong(
            "its comment is not ASCII",
            "son commentaire n'est pas en ASCII",
        ));
    }
    let mut rest = text.strip_prefix(domain).ok_or(None)?;
    let mut signatures = Vec::new();
    while let Some(line) = rest.strip_prefix(SIGNATURE) {
        let (line, after) = line.split_once('\n').ok_or_else(|| {
            wrong(
                "a signature line has no end",
                "une ligne de signature n'a pas de fin",
            )
        })?;
        if signatures.len() == SIGNATURES_MAX {
            return Err(wrong(
                "it has more than 8 signatures",
                "il a plus de 8 signatures",
            ));
        }
        signatures.push(signature(line).ok_or_else(|| {
            wrong(
                "a signature line is malformed",
                "une ligne de signature est mal formée",
            )
        })?);
        rest = after;
    }
    let signed = rest.strip_prefix(SEPARATOR).ok_or_else(|| {
        wrong(
            "no \"---\" follows its signatures",
            "« --- » manque après ses signatures",
        )
    })?;
    Ok((signatures, signed.as_bytes().to_vec()))
}

/// The reverse of [`split`].
pub(crate) fn join(domain: &str, signatures: &[SignatureLine], signed: &[u8]) -> Vec<u8> {
    let mut bytes = domain.as_bytes().to_vec();
    for line in signatures {
        bytes.extend(format!("{line}\n").as_bytes());
    }
    bytes.extend(SEPARATOR.as_bytes());
    bytes.extend(signed);
    bytes
}

fn foreign(english: &str, french: &str) -> PackageError {
    PackageError::Foreign(both(english, french))
}

fn signature(line: &str) -> Option<SignatureLine> {
    let (key, value) = line.split_once(' ')?;
    let bytes = STANDARD.decode(value).ok()?.try_into().ok()?;
    Some(SignatureLine {
        key: key.parse().ok()?,
        bytes,
    })
}

/// Fills `buffer` as far as the input goes.
fn read_up_to(input: &mut dyn BufRead, buffer: &mut [u8]) -> Result<usize, PackageError> {
    let mut got = 0;
    while got < buffer.len() {
        let piece = fill(input, got as u64)?;
        if piece.is_empty() {
            break;
        }
        let step = piece.len().min(buffer.len() - got);
        buffer[got..got + step].copy_from_slice(&piece[..step]);
        input.consume(step);
        got += step;
    }
    Ok(got)
}

/// The comment without its NUL.
fn read_comment(input: &mut dyn BufRead) -> Result<Vec<u8>, PackageError> {
    let mut comment = Vec::new();
    loop {
        let at = (GZIP_HEAD.len() + comment.len()) as u64;
        let piece = fill(input, at)?;
        if piece.is_empty() {
            return Err(foreign(
                "it ends within its header",
                "il s'arrête dans son en-tête",
            ));
        }
        let end = piece.iter().position(|byte| *byte == 0);
        let step = end.unwrap_or(piece.len());
        if comment.len() + step > COMMENT_MAX {
            return Err(foreign(
                "its header does not end",
                "son en-tête n'a pas de fin",
            ));
        }
        comment.extend_from_slice(&piece[..step]);
        if end.is_some() {
            input.consume(step + 1);
            return Ok(comment);
        }
        input.consume(step);
    }
}

fn fill(input: &mut dyn BufRead, at: u64) -> Result<&[u8], PackageError> {
    loop {
        // A second call for the same bytes, because the borrow of the first would outlive the loop.
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(PackageError::Read { at, source }),
        }
    }
    input
        .fill_buf()
        .map_err(|source| PackageError::Read { at, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: u64) -> SignatureLine {
        SignatureLine {
            key: KeyId(key.to_be_bytes()),
            bytes: [7; 64],
        }
    }

    #[test]
    fn what_is_encoded_is_read_and_nothing_more() {
        for count in [0, 1, 8] {
            let signatures: Vec<_> = (0..count).map(line).collect();
            let mut bytes = Envelope::encode(&signatures, b"product vigie\n");
            let length = bytes.len();
            bytes.extend(b"the body");
            // Whatever the size of the pieces that arrive.
            for capacity in [1, 3, 4096] {
                let mut input = std::io::BufReader::with_capacity(capacity, &bytes[..]);
                let envelope = Envelope::read(&mut input).unwrap();
                assert_eq!(envelope.signatures, signatures);
                assert_eq!(envelope.signed, b"product vigie\n");
                assert_eq!(envelope.length, length as u64);
                let mut rest = Vec::new();
                std::io::Read::read_to_end(&mut input, &mut rest).unwrap();
                assert_eq!(rest, b"the body");
            }
        }
    }

    #[test]
    fn c01_c02_c03_c10_c11_c32_c42_c43_other_bytes_are_refused_early() {
        let good = Envelope::encode(&[line(1)], b"x\n");
        let mut flags = good.clone();
        flags[3] |= 0x08; // FNAME
        let mut time = good.clone();
        time[4] = 1;
        let many: Vec<_> = (0..9).map(line).collect();
        let endless: Vec<u8> = good[..30].iter().copied().chain([b'a'; 70_000]).collect();
        let mut control = Envelope::encode(&[], b"caf\xc3\xa9\n");
        control[12] = b'V';
        let noise: Vec<u8> = (0..1_u32 << 20)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for (bytes, word) in [
            (&[][..], "empty"),
            (&[0x1f], "gzip file"),
            (&noise[..1024], "gzip file"),
            (&noise, "gzip file"),
            (&flags, "package's head"),
            (&time, "package's head"),
            (&endless, "does not end"),
            (&good[..20], "ends within"),
            (&Envelope::encode(&many, b"x\n"), "more than 8"),
            (&control, "not ASCII"),
        ] {
            let mut input = Counted(bytes, 0);
            let error = Envelope::read(&mut std::io::BufReader::with_capacity(4096, &mut input));
            let error = error.unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert!(input.1 <= 64 * 1024, "{error} after {} bytes", input.1);
        }
        for (comment, word) in [
            ("", "does not begin"),
            ("vigie-package 2\n---\n", "does not begin"),
            ("vigie-package 1\n", "\"---\""),
            ("vigie-package 1\nsignature 00", "no end"),
            (
                "vigie-package 1\nsignature 0011223344556677 AAAA\n---\n",
                "malformed",
            ),
            (
                "vigie-package 1\nsignature rsa 0011223344556677 AAAA\n---\n",
                "malformed",
            ),
            ("vigie-package 1\n signature\n---\n", "\"---\""),
        ] {
            let error = Envelope::parse(comment.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{comment}: {error}");
        }
    }

    struct Counted<'a>(&'a [u8], usize);

    impl std::io::Read for Counted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let got = self.0.read(buffer)?;
            self.1 += got;
            Ok(got)
        }
    }
}
