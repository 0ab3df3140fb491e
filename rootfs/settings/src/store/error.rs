//! Why a document was not accepted, or not saved.

use std::io;
use std::path::PathBuf;

use crate::check::Problems;
use crate::document::VERSION;
use crate::files::MAX_BYTES;
use crate::read::ReadError;
use crate::words::{Said, said};

/// Why a document in a file was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is larger than any document.
    #[error("is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// It is no text.
    #[error("is no UTF-8 text")]
    NoText,
    /// It is not a document.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It contradicts itself.
    #[error(transparent)]
    Check(#[from] Problems),
    /// It is of an older form and cannot be brought into this one.
    #[error("made for form {from} of the settings, and not usable as form {VERSION}: {why}")]
    Migration {
        /// Its form.
        from: u32,
        /// What is in the way.
        why: Said,
    },
}

impl DocumentError {
    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Self::Io(error) => Said::same(error),
            Self::TooLarge => said("document.too-large", &[("most", Said::same(MAX_BYTES))]),
            Self::NoText => said("document.no-text", &[]),
            Self::Read(error) => error.said(),
            Self::Check(problems) => problems.said(),
            Self::Migration { from, why } => {
                let values = [
                    ("from", Said::same(from)),
                    ("own", Said::same(VERSION)),
                    ("why", why.clone()),
                ];
                said("document.migration", &values)
            }
        }
    }
}

/// Why a document was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// It contradicts itself.
    #[error("the settings are refused: {0}")]
    Check(#[from] Problems),
    /// It could not be written as text.
    #[error("the settings cannot be written as TOML: {0}")]
    Write(#[from] toml::ser::Error),
    /// The state volume refused it; the old document is still in place.
    #[error(
        "writing {path}: {error}; the settings are unchanged, check the state volume's space and health"
    )]
    Io {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl SaveError {
    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Self::Check(problems) => problems.said(),
            Self::Write(error) => said("document.not-toml", &[("error", Said::same(error))]),
            Self::Io { path, error } => {
                let values = [
                    ("path", Said::same(path.display())),
                    ("error", Said::same(error)),
                ];
                said("document.not-saved", &values)
            }
        }
    }
}
