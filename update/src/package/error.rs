//! Why a package is not accepted.

use crate::version::Version;
use crate::writer::WriteError;

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
    Foreign(&'static str),
    /// Nobody whom this system trusts has signed it.
    #[error("{found} of {needed} needed signatures by keys that this system trusts: {why}")]
    Untrusted {
        /// Distinct good signatures.
        found: usize,
        /// How many are needed.
        needed: usize,
        /// What was seen.
        why: String,
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
        why: String,
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
    Content(String),
    /// A delta package for another version.
    #[error(
        "this package holds only the changes since {base}, and this system's {image} image is not that one; \
         use the full package"
    )]
    Base {
        /// The version that it builds on.
        base: Version,
        /// Which image differs.
        image: &'static str,
    },
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] vigie_disk::Error),
}

impl PackageError {
    /// A [`PackageError::Content`].
    pub(crate) fn content(why: impl Into<String>) -> Self {
        Self::Content(why.into())
    }

    /// Carries this error through an interface that knows only I/O errors.
    pub(crate) fn into_io(self) -> std::io::Error {
        std::io::Error::other(self)
    }

    /// The error that [`PackageError::into_io`] hid in an I/O error, or one of content: bytes
    /// that were authenticated and cannot be unpacked.
    pub(crate) fn from_io(error: std::io::Error, doing: &str) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(error) => Self::Content(format!("{doing}: {error}")),
        }
    }
}
