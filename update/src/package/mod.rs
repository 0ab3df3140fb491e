//! The update package `vigie-X.Y.Z.W-upd.tgz`: a gzip'ed tar to anyone who lists it, and a stream
//! of which no byte reaches a decompressor before it is authenticated. The format is in
//! `FORMAT.md`; this is the order in which a package is read:
//!
//! | step | module | what it knows of the bytes |
//! |---|---|---|
//! | 1 | [`envelope`] | nothing: a fixed head, a bounded comment, lines |
//! | 2 | [`signature`] | that keys of the list signed the header |
//! | 3 | [`header`] | what the package is, and the digest of each chunk of its body |
//! | 4 | [`chunks`] | one chunk after the other, each hashed before anyone sees it |
//! | 5 | [`body`] | gzip around tar |
//! | 6 | [`member`] | the images, plain, compressed, or as differences |

pub mod body;
pub mod chunks;
pub mod delta;
pub mod envelope;
pub mod error;
pub mod header;
pub mod make;
pub mod manifest;
pub mod member;
pub mod signature;

pub use error::PackageError;
pub use header::{Base, Header, ImageDigest};
pub use manifest::Manifest;
pub use signature::Keyring;

/// The word that a header begins with, and the domain that signatures are made in.
pub const MAGIC: &str = "vigie-package 1\n";
