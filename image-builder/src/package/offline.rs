//! Signing where the secret key is: the bytes to sign go there as a file, signatures come back as
//! files, and are put into the package, or become the index of a folder.
//!
//! The file of the bytes is exactly what ed25519 signs, its domain included, so that other tools
//! can sign it too. A file of signatures has the lines of a package's head.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};
use vigie_installer::clock;
use vigie_update::index::{self, Index};
use vigie_update::package::envelope::{COMMENT_MAX, Envelope, SEPARATOR, SignatureLine};
use vigie_update::package::header::Header;
use vigie_update::package::member::{self, Sink};
use vigie_update::package::signature::{Keyring, message, message_in};
use vigie_update::package::{MAGIC, PackageError};

use crate::definition::Definition;
use crate::output;

/// What the file of a package without signatures ends with: a file that ends with `-upd.tgz` is
/// always signed.
pub const UNSIGNED: &str = ".unsigned";

/// The bytes to sign of a package.
#[must_use]
pub fn to_sign(header: &Header) -> Vec<u8> {
    message(&header.encode())
}

/// The bytes to sign of an index.
///
/// # Errors
/// It has more in it than fits.
pub fn index_to_sign(index: &Index) -> Result<Vec<u8>> {
    index.check_length()?;
    Ok(message_in(index::MAGIC, &index.encode()))
}

/// The bytes to sign, and what they say.
#[derive(Debug)]
pub struct ToSign {
    /// What they say.
    pub content: Content,
    signed: Vec<u8>,
}

/// What may be signed.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// A package, by its header.
    Package(Box<Header>),
    /// An index.
    Index(Index),
}

impl Content {
    /// A signature over one kind never fits the other.
    fn domain(&self) -> &'static str {
        match self {
            Self::Package(_) => MAGIC,
            Self::Index(_) => index::MAGIC,
        }
    }

    fn parse(bytes: &[u8]) -> Result<(Self, &[u8])> {
        let (package, index) = (MAGIC.as_bytes(), index::MAGIC.as_bytes());
        if let Some(signed) = bytes.strip_prefix(package) {
            Ok((Self::Package(Box::new(Header::parse(signed)?)), signed))
        } else if let Some(signed) = bytes.strip_prefix(index) {
            Ok((Self::Index(Index::parse(signed)?), signed))
        } else {
            bail!(
                "it begins neither with \"vigie-package 1\" nor with \"vigie-index 1\"; give the file that \
                 --unsigned wrote"
            )
        }
    }
}

impl ToSign {
    /// Reads a file of bytes to sign.
    ///
    /// # Errors
    /// A file that cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("reading the header {}", path.display());
        let bytes = read_short(path).with_context(doing)?;
        let (content, signed) = Content::parse(&bytes).with_context(doing)?;
        Ok(Self {
            content,
            signed: signed.to_vec(),
        })
    }

    /// In words, for whoever is about to sign.
    #[must_use]
    pub fn words(&self) -> String {
        let words = match &self.content {
            Content::Package(header) => package_words(header),
            Content::Index(index) => index_words(index),
        };
        let message = message_in(self.content.domain(), &self.signed);
        let digest = hex::encode(Sha256::digest(message));
        format!("{words}\nbytes to sign   sha256 {digest}")
    }

    /// The text of a file of signatures by these keys.
    #[must_use]
    pub fn sign(&self, keys: &[SigningKey]) -> String {
        let lines = super::sign(self.content.domain(), keys, &self.signed);
        lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

fn package_words(header: &Header) -> String {
    let contents = match &header.base {
        None => "the full images".to_owned(),
        Some(base) => format!("only the changes since {}", base.version),
    };
    format!(
        "product         {} {} for {}, machines: {}\n\
         may replace     {} and later\n\
         security epoch  {}\n\
         built           {}\n\
         holds           {contents}, {} bytes\n\
         system image    {} bytes, sha256 {}\n\
         boot image      {} bytes, sha256 {}",
        header.product,
        header.version,
        header.arch,
        header.hardware.join(", "),
        header.min_from,
        header.security_epoch,
        moment(header.build_time),
        header.body,
        header.system.size.get(),
        hex::encode(header.system.sha256),
        header.boot.size.get(),
        hex::encode(header.boot.sha256),
    )
}

fn index_words(index: &Index) -> String {
    let head = format!(
        "index of        {} for {}, serial {}\n\
         made            {}\n\
         packages        {}",
        index.product,
        index.arch,
        index.serial,
        moment(index.made),
        index.packages.len(),
    );
    index.packages.iter().fold(head, |mut words, entry| {
        let from = entry.base.map(|base| format!(" from {base}"));
        let _ = write!(
            words,
            "\n- {}{}, {}, {} bytes, machines: {},\n  \
             may replace {} and later, security epoch {}, header sha256 {}",
            entry.version,
            from.unwrap_or_default(),
            entry.name,
            entry.length,
            entry.hardware.join(", "),
            entry.min_from,
            entry.security_epoch,
            entry.id,
        );
        words
    })
}

/// A time in seconds since 1970.
fn moment(seconds: u64) -> String {
    let moment = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    moment.map_or_else(|| "at no possible time".to_owned(), clock::utc)
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

/// What signatures are put to.
#[derive(Debug)]
pub struct Attach<'a> {
    /// The package, or the folder of the index.
    pub to: &'a Path,
    /// Files of signatures.
    pub signatures: &'a [PathBuf],
    /// The list of the image in the package, or of the machines that ask for the index.
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
    let path = order.to;
    let doing = || format!("signing {}", path.display());
    let mut input = BufReader::new(File::open(path).with_context(doing)?);
    let mut envelope = Envelope::read(&mut input).with_context(doing)?;
    let header = Header::parse(&envelope.signed).with_context(doing)?;
    member::unpack(&header, &mut input, None, Sink::Nowhere, &mut |_| {}).with_context(doing)?;
    order.gather(MAGIC, &envelope.signed, &mut envelope.signatures)?;
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

/// Makes the index of a folder out of its header and signatures; answers what is in it.
///
/// # Errors
/// What is listed does not lie there, or more does; a newer index is there; a signature that is not
/// by a known key, or of something else; too few of them. The index is then as it was.
pub fn attach_index(definition: &Definition, order: &Attach<'_>) -> Result<Index> {
    let (folder, header) = (order.to, super::index::header(order.to));
    let to_sign = ToSign::read(&header)?;
    let doing = || format!("signing {}", header.display());
    let Content::Index(listed) = to_sign.content else {
        bail!(
            "{}: this is the header of a package; `cargo image package --attach` takes it",
            doing()
        );
    };
    super::index::still_fits(&listed, definition, folder, order.known).with_context(doing)?;
    let mut signatures = Vec::new();
    order.gather(index::MAGIC, &to_sign.signed, &mut signatures)?;
    let bytes = index::join(&signatures, &to_sign.signed);
    super::index::put(folder, &bytes, order.ring)
}

impl Attach<'_> {
    /// Adds what the files have to the signatures that are there, each once.
    fn gather(
        &self,
        domain: &str,
        signed: &[u8],
        signatures: &mut Vec<SignatureLine>,
    ) -> Result<()> {
        for file in self.signatures {
            for line in read_signatures(file)? {
                known(domain, &line, signed, self.known).with_context(|| {
                    format!("{} does not sign {}", file.display(), self.to.display())
                })?;
                if !signatures.contains(&line) {
                    signatures.push(line);
                }
            }
        }
        super::check(domain, signatures, signed, self.ring)
            .with_context(|| format!("signing {}", self.to.display()))
    }
}

/// That a signature over these bytes is by a key that is known.
fn known(domain: &str, line: &SignatureLine, signed: &[u8], known: &Keyring) -> Result<()> {
    match known.verify_in(domain, std::slice::from_ref(line), signed) {
        Ok(_) => Ok(()),
        Err(PackageError::Untrusted { why, .. }) => Err(anyhow!(
            "{why}; is it of something else, or of a key that needs --old-key?"
        )),
        Err(other) => Err(other.into()),
    }
}
