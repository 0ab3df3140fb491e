//! Signing where the secret key is: the bytes to sign go there as a file, signatures come back as
//! files, and are put into the package.
//!
//! The file of the bytes is exactly what ed25519 signs, its domain included, so that other tools
//! can sign it too. A file of signatures has the lines of a package's head.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};
use vigie_installer::clock;
use vigie_update::package::envelope::{COMMENT_MAX, Envelope, SEPARATOR, SignatureLine};
use vigie_update::package::header::Header;
use vigie_update::package::member::{self, Sink};
use vigie_update::package::signature::{Keyring, message};
use vigie_update::package::{MAGIC, PackageError};

use crate::output;

/// What the file of a package without signatures ends with: a file that ends with `-upd.tgz` is
/// always signed.
pub const UNSIGNED: &str = ".unsigned";

/// The bytes to sign of a package.
#[must_use]
pub fn to_sign(header: &Header) -> Vec<u8> {
    message(&header.encode())
}

/// The bytes to sign, and what they say.
#[derive(Debug)]
pub struct ToSign {
    /// What they say.
    pub header: Header,
    signed: Vec<u8>,
}

impl ToSign {
    /// Reads a file of bytes to sign.
    ///
    /// # Errors
    /// A file that cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("reading the header {}", path.display());
        let bytes = read_short(path).with_context(doing)?;
        let signed = bytes
            .strip_prefix(MAGIC.as_bytes())
            .context(
                "it does not begin with \"vigie-package 1\"; give the file that --unsigned wrote",
            )
            .with_context(doing)?;
        Ok(Self {
            header: Header::parse(signed).with_context(doing)?,
            signed: signed.to_vec(),
        })
    }

    /// In words, for whoever is about to sign.
    #[must_use]
    pub fn words(&self) -> String {
        let header = &self.header;
        let contents = match &header.base {
            None => "the full images".to_owned(),
            Some(base) => format!("only the changes since {}", base.version),
        };
        let built = UNIX_EPOCH.checked_add(Duration::from_secs(header.build_time));
        let built = built.map_or_else(|| "at no possible time".to_owned(), clock::utc);
        let digest = hex::encode(Sha256::digest(message(&self.signed)));
        format!(
            "product         {} {} for {}, machines: {}\n\
             may replace     {} and later\n\
             security epoch  {}\n\
             built           {built}\n\
             holds           {contents}, {} bytes\n\
             system image    {} bytes, sha256 {}\n\
             boot image      {} bytes, sha256 {}\n\
             bytes to sign   sha256 {digest}",
            header.product,
            header.version,
            header.arch,
            header.hardware.join(", "),
            header.min_from,
            header.security_epoch,
            header.body,
            header.system.size.get(),
            hex::encode(header.system.sha256),
            header.boot.size.get(),
            hex::encode(header.boot.sha256),
        )
    }

    /// The text of a file of signatures by these keys.
    #[must_use]
    pub fn sign(&self, keys: &[SigningKey]) -> String {
        let lines = super::sign(keys, &self.signed);
        lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

/// Reads a file of signatures.
///
/// # Errors
/// A file that cannot be read, or has anything else in it.
fn read_signatures(path: &Path) -> Result<Vec<SignatureLine>> {
    let doing = || format!("reading the signatures {}", path.display());
    let mut text = MAGIC.as_bytes().to_vec();
    text.extend(read_short(path).with_context(doing)?);
    text.extend(SEPARATOR.as_bytes());
    let envelope = Envelope::parse(&text).with_context(doing)?;
    ensure!(
        envelope.signed.is_empty() && !envelope.signatures.is_empty(),
        "{}: lines `signature ID BASE64` are expected",
        doing()
    );
    Ok(envelope.signatures)
}

/// A file of which nothing honest is longer than a package's head.
fn read_short(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = COMMENT_MAX as u64;
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= most, "it has more than {most} bytes");
    Ok(bytes)
}

/// What is put together.
#[derive(Debug)]
pub struct Attach<'a> {
    /// The package.
    pub package: &'a Path,
    /// Files of signatures.
    pub signatures: &'a [PathBuf],
    /// The list of the image in it.
    pub ring: &'a Keyring,
    /// The keys that a signature may be by: those, and others that older images trust.
    pub known: &'a Keyring,
}

/// Puts signatures into a package, which is written whole to `out`; answers what it is.
///
/// # Errors
/// A package that is damaged; a signature that is not by a known key, or of another package; too
/// few of them for the image's own list. The file at `out` is then as it was.
pub fn attach(order: &Attach<'_>, out: &Path) -> Result<Header> {
    let path = order.package;
    let doing = || format!("signing {}", path.display());
    let mut input = BufReader::new(File::open(path).with_context(doing)?);
    let mut envelope = Envelope::read(&mut input).with_context(doing)?;
    let header = Header::parse(&envelope.signed).with_context(doing)?;
    member::unpack(&header, &mut input, None, Sink::Nowhere, &mut |_| {}).with_context(doing)?;
    for file in order.signatures {
        for line in read_signatures(file)? {
            known(&line, &envelope.signed, order.known)
                .with_context(|| format!("{} does not sign {}", file.display(), path.display()))?;
            if !envelope.signatures.contains(&line) {
                envelope.signatures.push(line);
            }
        }
    }
    super::check(&envelope.signatures, &envelope.signed, order.ring).with_context(doing)?;
    let head = Envelope::encode(&envelope.signatures, &envelope.signed);
    let again = Envelope::read(&mut &head[..]).with_context(doing)?;
    ensure!(
        again.signatures == envelope.signatures,
        "{}: its head does not read back",
        doing()
    );
    input.seek(SeekFrom::Start(envelope.length))?;
    output::write_file(out, 0o644, |to| {
        to.write_all(&head)?;
        std::io::copy(&mut input, to)?;
        Ok(())
    })?;
    Ok(header)
}

/// That a signature over these bytes is by a key that is known.
fn known(line: &SignatureLine, signed: &[u8], known: &Keyring) -> Result<()> {
    let envelope = Envelope {
        signatures: vec![line.clone()],
        signed: signed.to_vec(),
        length: 0,
    };
    match known.verify(&envelope) {
        Ok(_) => Ok(()),
        Err(PackageError::Untrusted { why, .. }) => Err(anyhow!(
            "{why}; is it of another package, or of a key that needs --old-key?"
        )),
        Err(other) => Err(other.into()),
    }
}
