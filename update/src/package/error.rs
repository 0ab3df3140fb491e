//! Why a package is not accepted.

use serde::{Deserialize, Serialize};

use vigie_settings::{Language, Said};

use super::manifest::Role;
use crate::history::LONGEST_REASON;
use crate::printable::printable;
use crate::spoken::{both, disk_in_french};
use crate::version::Version;
use crate::writer::WriteError;

/// Where the fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// This system does not accept the package: it will not the next time either.
    Package,
    /// A disk, a process or the way here failed; nothing is known against the package.
    Machine,
}

/// Why a package is not accepted. None of these has changed what the machine boots.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It could not be read.
    #[error("reading the package at byte {at}: {source}; copy it again")]
    Read {
        /// How far it was read.
        at: u64,
        /// What happened.
        source: std::io::Error,
    },
    /// It is no package at all.
    #[error("this is no update package: {0}")]
    Foreign(Said),
    /// Nobody whom this system trusts has signed it.
    #[error("{found} of {needed} needed signatures by keys that this system trusts: {why}")]
    Untrusted {
        /// Distinct good signatures.
        found: usize,
        /// How many are needed.
        needed: usize,
        /// What was seen.
        why: Said,
    },
    /// There is no key to check it with.
    #[error(
        "this system has no key for update packages, so it accepts none; install it from a medium"
    )]
    NoKeys,
    /// What was signed cannot be understood.
    #[error("line {line} of the package's header: {why}")]
    Header {
        /// Line in the signed part, from 1.
        line: usize,
        /// What is wrong.
        why: Said,
    },
    /// A chunk is not what was signed.
    #[error("the package is damaged in chunk {index} of {count}; copy it again")]
    Chunk {
        /// Which one, from 1.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// It ends too soon.
    #[error("the package ends at byte {at} of {length}; copy it again")]
    Short {
        /// Where it ends.
        at: u64,
        /// Where it should.
        length: u64,
    },
    /// Bytes follow its end.
    #[error("bytes follow the end of the package at byte {length}; copy it again")]
    Trailing {
        /// Where it should end.
        length: u64,
    },
    /// The signed content contradicts itself: the maker is at fault, not the way here.
    #[error("the package was made wrongly: {0}")]
    Content(Said),
    /// What it unpacks to, every chunk of it authentic, is not what its header says: the maker is at
    /// fault, not the disk.
    #[error(
        "the package was made wrongly: its {} image has the sha256 {found}, its header says {expected}",
        image.name()
    )]
    Image {
        /// Which image.
        image: Role,
        /// Digest of what was unpacked.
        found: String,
        /// Digest in the header.
        expected: String,
    },
    /// A delta package for another version.
    #[error(
        "this package holds only the changes since {base}, and this system's {} image is not that one; \
         use the full package",
        image.name()
    )]
    Base {
        /// The version that it builds on.
        base: Version,
        /// Which image differs.
        image: Role,
    },
    /// Its head cannot be read, for so long that it is not waited for any more.
    #[error("the medium does not answer; take it out and put it in again")]
    Silent,
    /// What another process said, or said of it; made by [`PackageError::told`].
    #[error("{english}")]
    Told {
        /// Where the fault lies.
        fault: Fault,
        /// In English.
        english: String,
        /// In French.
        french: String,
    },
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] vigie_disk::Error),
}

impl PackageError {
    /// The reason in French.
    #[must_use]
    pub fn french(&self) -> String {
        match self {
            Self::Read { at, source } => {
                format!("lecture du paquet à l'octet {at} : {source} ; copiez-le de nouveau")
            }
            Self::Foreign(why) => {
                format!("ce n'est pas un paquet de mise à jour : {}", french(why))
            }
            Self::Untrusted { found, needed, why } => format!(
                "{found} signature(s) sur {needed} par des clés que ce système reconnaît : {}",
                french(why)
            ),
            Self::NoKeys => "ce système n'a aucune clé pour les paquets de mise à jour et n'en \
                             accepte donc aucun ; installez-le depuis un support"
                .to_owned(),
            Self::Header { line, why } => {
                format!("ligne {line} de l'en-tête du paquet : {}", french(why))
            }
            Self::Chunk { index, count } => {
                format!("le paquet est abîmé au morceau {index} sur {count} ; copiez-le de nouveau")
            }
            Self::Short { at, length } => {
                format!("le paquet s'arrête à l'octet {at} sur {length} ; copiez-le de nouveau")
            }
            Self::Trailing { length } => format!(
                "des octets suivent la fin du paquet (octet {length}) ; copiez-le de nouveau"
            ),
            Self::Content(why) => format!("le paquet a été mal fabriqué : {}", french(why)),
            Self::Image {
                image,
                found,
                expected,
            } => format!(
                "le paquet a été mal fabriqué : son {} a le sha256 {found}, son en-tête dit {expected}",
                image.french_image()
            ),
            Self::Base { base, image } => format!(
                "ce paquet ne contient que les changements depuis {base}, et l'{} d'ici n'est pas \
                 celle de cette version ; prenez le paquet complet",
                image.french_image()
            ),
            Self::Silent => "le support ne répond pas ; retirez-le et remettez-le".to_owned(),
            Self::Told { french, .. } => french.clone(),
            Self::Write(error) => error.french(),
            Self::Disk(error) => disk_in_french(error),
        }
    }

    /// Where the fault lies.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Foreign(_)
            | Self::Untrusted { .. }
            | Self::NoKeys
            | Self::Header { .. }
            | Self::Chunk { .. }
            | Self::Short { .. }
            | Self::Trailing { .. }
            | Self::Content(_)
            | Self::Image { .. }
            | Self::Base { .. } => Fault::Package,
            Self::Told { fault, .. } => *fault,
            Self::Read { .. } | Self::Silent | Self::Write(_) | Self::Disk(_) => Fault::Machine,
        }
    }

    /// What another process said, or what is said of it. It may have been taken over by a package,
    /// and even an error of our own may quote it: its words are bounded and do nothing to a screen.
    #[must_use]
    pub fn told(fault: Fault, english: &str, french: &str) -> Self {
        Self::Told {
            fault,
            english: printable(english, LONGEST_REASON),
            french: printable(french, LONGEST_REASON),
        }
    }

    /// A [`PackageError::Content`].
    pub(crate) fn content(english: impl Into<String>, french: impl Into<String>) -> Self {
        Self::Content(both(english, french))
    }

    /// Carries this error through an interface that knows only I/O errors.
    pub(crate) fn into_io(self) -> std::io::Error {
        std::io::Error::other(self)
    }

    /// The error that [`PackageError::into_io`] hid in an I/O error, or one of content: bytes
    /// that were authenticated and cannot be unpacked.
    pub(crate) fn from_io(error: std::io::Error, doing: &Said) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(error) => Self::content(
                format!("{doing}: {error}"),
                format!("{} : {error}", french(doing)),
            ),
        }
    }
}

fn french(said: &Said) -> &str {
    said.to(Language::Fr)
}
