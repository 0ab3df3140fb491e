//! Why an index is not believed.

use vigie_settings::{Language, Said};

use crate::package::PackageError;

/// Why an index is not believed. Nothing was fetched by it.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It is larger than any index.
    #[error("the server's index is longer than 60000 bytes; take old packages out of it")]
    TooLong,
    /// It is no index at all.
    #[error("what the server has as its index is none: {0}; check the address in the settings")]
    Foreign(Said),
    /// Nobody whom this system trusts has signed it.
    #[error("the server's index: {0}")]
    Signature(PackageError),
    /// What was signed cannot be understood.
    #[error("line {line} of the server's index: {why}; make it anew")]
    Line {
        /// Line in the signed part, from 1.
        line: usize,
        /// What is wrong.
        why: Said,
    },
    /// A newer one was seen.
    #[error(
        "the server's index is an old one (serial {serial}, {seen} was seen before); make it anew, \
         or ask who keeps the server"
    )]
    Older {
        /// Its serial.
        serial: u64,
        /// The highest that was seen.
        seen: u64,
    },
}

impl IndexError {
    /// The reason in French.
    #[must_use]
    pub fn french(&self) -> String {
        match self {
            Self::TooLong => {
                "l'index du serveur dépasse 60000 octets ; retirez-en de vieux paquets".to_owned()
            }
            Self::Foreign(why) => format!(
                "ce que le serveur a comme index n'en est pas un : {} ; vérifiez l'adresse dans les \
                 réglages",
                why.to(Language::Fr)
            ),
            Self::Signature(error) => format!("index du serveur : {}", error.french()),
            Self::Line { line, why } => format!(
                "ligne {line} de l'index du serveur : {} ; refaites-le",
                why.to(Language::Fr)
            ),
            Self::Older { serial, seen } => format!(
                "l'index du serveur est ancien (numéro {serial}, {seen} a déjà été vu) ; refaites-le, \
                 ou demandez à qui tient le serveur"
            ),
        }
    }
}

impl From<PackageError> for IndexError {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Header { line, why } => Self::Line { line, why },
            other => Self::Signature(other),
        }
    }
}
