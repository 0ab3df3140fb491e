//! A signed list of the packages that lie beside it on a plain web server.
//!
//! It has the envelope of a package's comment in a domain of its own, so that a signature over one
//! never fits the other. `FORMAT.md` has the grammar. The list only says what is worth fetching:
//! a package is authenticated by its own signatures, and must be the one that is listed.

pub mod choose;
mod error;

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::SigningKey;
use vigie_settings::Said;

use crate::package::Keyring;
use crate::package::envelope::{self, SIGNATURE_LENGTH, SIGNATURES_MAX, SignatureLine};
use crate::package::header::{self, Header, Lines};
use crate::package::signature;
use crate::policy::Claims;
use crate::spoken::{Spoken, both};
use crate::version::Version;

pub use error::IndexError;

/// The file's name on the server.
pub const NAME: &str = "index";
/// What an index begins with, and the domain that signatures are made in.
pub const MAGIC: &str = "vigie-index 1\n";
/// Longest index, in bytes.
pub const INDEX_MAX: usize = 60_000;
/// Most packages in one.
pub const PACKAGES_MAX: usize = 256;

/// What a server offers, as its signers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Product of all packages.
    pub product: String,
    /// Debian's word for their processor.
    pub arch: String,
    /// When it was made, seconds since 1970. Told to people; nothing expires by it.
    pub made: u64,
    /// Rises with each index: a lower one than was seen is old.
    pub serial: u64,
    /// The packages, sorted by their names.
    pub packages: Vec<Entry>,
}

/// One package of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Version that it installs.
    pub version: Version,
    /// Lowest version that it may be applied on.
    pub min_from: Version,
    /// Its security epoch.
    pub security_epoch: u32,
    /// The version that it builds on, when it holds only changes.
    pub base: Option<Version>,
    /// Kinds of machines that it is for.
    pub hardware: Vec<String>,
    /// Length of the file in bytes.
    pub length: u64,
    /// SHA-256 of its signed header, in lower-case hexadecimal: which package it is.
    pub id: String,
    /// The file beside the index.
    pub name: FileName,
}

/// A package's file name: 1 to 100 of `A-Z a-z 0-9 . _ -`, no dot in front, `.tgz` at the end. So
/// it is a path's last part and nothing else, in a folder and in a URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileName {
    type Err = Spoken;

    fn from_str(text: &str) -> Result<Self, Spoken> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let good = (5..=100).contains(&text.len())
            && text.bytes().all(plain)
            && !text.starts_with('.')
            && text.ends_with(".tgz");
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(Spoken::new(
                format!("\"{text:.100}\" is no name of a package's file"),
                format!("« {text:.100} » n'est pas le nom d'un fichier de paquet"),
            ))
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Index {
    /// Authenticates an index, and only then parses it.
    ///
    /// # Errors
    /// It is too long or no index; not signed by whom this machine trusts; not as it must be.
    pub fn read(bytes: &[u8], keys: &Keyring) -> Result<Self, IndexError> {
        if bytes.len() > INDEX_MAX {
            return Err(IndexError::TooLong);
        }
        let (signatures, signed) = envelope::split(MAGIC, bytes)
            .map_err(|why| IndexError::Foreign(why.unwrap_or_else(no_index)))?;
        keys.verify_in(MAGIC, &signatures, &signed)?;
        Self::parse(&signed)
    }

    /// Reads the signed bytes, after they were authenticated.
    ///
    /// # Errors
    /// The first line that is not as it must be.
    pub fn parse(signed: &[u8]) -> Result<Self, IndexError> {
        let mut lines = Lines::new(signed)?;
        let mut index = Self {
            product: lines.field("product", header::word)?,
            arch: lines.field("arch", header::word)?,
            made: lines.field("made", header::number)?,
            serial: lines.field("serial", header::number)?,
            packages: Vec::new(),
        };
        while lines.peek().is_some() {
            let entry: Entry = lines.field("package", |text| {
                if index.packages.len() == PACKAGES_MAX {
                    return Err(both(
                        format!("more than {PACKAGES_MAX} packages"),
                        format!("plus de {PACKAGES_MAX} paquets"),
                    ));
                }
                let entry = Entry::parse(text)?;
                match index.packages.last() {
                    Some(last) if last.name >= entry.name => Err(both(
                        format!("{} stands behind {}", entry.name, last.name),
                        format!("{} vient après {}", entry.name, last.name),
                    )),
                    _ => Ok(entry),
                }
            })?;
            index.packages.push(entry);
        }
        Ok(index)
    }

    /// The bytes to sign, with the packages in their order.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut packages: Vec<&Entry> = self.packages.iter().collect();
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        let lines = packages.iter().map(|entry| format!("package {entry}\n"));
        let (product, arch) = (&self.product, &self.arch);
        let head = format!(
            "product {product}\narch {arch}\nmade {}\nserial {}\n",
            self.made, self.serial
        );
        (head + &lines.collect::<String>()).into_bytes()
    }

    /// That the signed file stays within its bounds, by however many keys it will be signed.
    ///
    /// # Errors
    /// It may not.
    pub fn check_length(&self) -> Result<(), IndexError> {
        let signatures = SIGNATURES_MAX * SIGNATURE_LENGTH;
        let file = join(&[], &self.encode()).len() + signatures;
        if file > INDEX_MAX {
            return Err(IndexError::TooLong);
        }
        Ok(())
    }

    /// The whole file, signed by these keys, each of them once.
    #[must_use]
    pub fn seal(&self, keys: &[SigningKey]) -> Vec<u8> {
        let signed = self.encode();
        let mut signatures: Vec<SignatureLine> = Vec::new();
        for key in keys {
            let line = sign(key, &signed);
            if !signatures.contains(&line) {
                signatures.push(line);
            }
        }
        join(&signatures, &signed)
    }

    /// What a package of it asks of a machine.
    #[must_use]
    pub fn claims<'a>(&'a self, entry: &'a Entry) -> Claims<'a> {
        Claims {
            product: &self.product,
            arch: &self.arch,
            hardware: &entry.hardware,
            version: entry.version,
            min_from: entry.min_from,
            security_epoch: entry.security_epoch,
            base: entry.base,
        }
    }
}

/// Signs the signed bytes of an index.
#[must_use]
pub fn sign(secret: &SigningKey, signed: &[u8]) -> SignatureLine {
    signature::sign_in(MAGIC, secret, signed)
}

/// The whole file.
#[must_use]
pub fn join(signatures: &[SignatureLine], signed: &[u8]) -> Vec<u8> {
    envelope::join(MAGIC, signatures, signed)
}

impl Entry {
    /// The entry of an authenticated package: its header, the SHA-256 of that, the length of its
    /// file in bytes, and its name.
    #[must_use]
    pub fn of(header: &Header, id: &str, length: u64, name: FileName) -> Self {
        Self {
            version: header.version,
            min_from: header.min_from,
            security_epoch: header.security_epoch,
            base: header.base.as_ref().map(|base| base.version),
            hardware: header.hardware.clone(),
            length,
            id: id.to_owned(),
            name,
        }
    }
}

fn no_index() -> Said {
    both(
        "it does not begin as an index",
        "il ne commence pas comme un index",
    )
}

impl Entry {
    fn parse(text: &str) -> Result<Self, Said> {
        let words: Vec<&str> = text.splitn(9, ' ').collect();
        let [version, min_from, epoch, base, hardware, length, id, name] = words[..] else {
            return Err(both("eight words are expected", "il faut huit mots"));
        };
        let length = header::number(length)?;
        if length == 0 {
            return Err(both("a package of no bytes", "un paquet vide"));
        }
        let based = |base| (base != "-").then(|| header::version(base)).transpose();
        Ok(Self {
            version: header::version(version)?,
            min_from: header::version(min_from)?,
            security_epoch: header::number(epoch)?,
            base: based(base)?,
            hardware: header::hardware(hardware)?,
            length,
            id: hex::encode(header::digest(id)?),
            name: name.parse().map_err(|Spoken(why)| why)?,
        })
    }
}

impl FromStr for Entry {
    type Err = Spoken;

    fn from_str(text: &str) -> Result<Self, Spoken> {
        Self::parse(text).map_err(Spoken)
    }
}

/// The line without its first word and its end.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base.map_or("-".to_owned(), |base| base.to_string());
        write!(
            f,
            "{} {} {} {base} {} {} {} {}",
            self.version,
            self.min_from,
            self.security_epoch,
            self.hardware.join(","),
            self.length,
            self.id,
            self.name
        )
    }
}

#[cfg(test)]
mod tests;
