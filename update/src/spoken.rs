//! Errors in the words of both languages.
//!
//! Whatever reaches a person is said in theirs. What the kernel, systemd or another program has said
//! stands in a sentence as it came.

use vigie_disk::Error as DiskError;
use vigie_settings::{Language, Said};

use crate::apply::ApplyError;
use crate::boot_state::LENGTH;
use crate::esp::EspError;
use crate::fate::FateError;

/// Words of both languages.
pub(crate) fn both(english: impl Into<String>, french: impl Into<String>) -> Said {
    Said::new(english.into(), french.into())
}

/// An error that nobody decides on. What the kernel has said is a part of the sentence, and no
/// source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Spoken(pub Said);

impl Spoken {
    /// In the words of each language.
    pub fn new(english: impl Into<String>, french: impl Into<String>) -> Self {
        Self(both(english, french))
    }
}

/// An error for a person. One that nobody has put into French is told in English.
#[must_use]
pub fn of(error: &anyhow::Error) -> Said {
    if let Some(Spoken(said)) = error.downcast_ref() {
        return said.clone();
    }
    let english = format!("{error:#}");
    let french = match (error.downcast_ref(), error.downcast_ref()) {
        (Some(error), _) => ApplyError::french(error),
        (_, Some(error)) => FateError::french(error),
        _ => english.clone(),
    };
    Said::new(english, french)
}

/// What the kernel has said, or what was put into its place.
pub(crate) fn of_io(error: &std::io::Error) -> Said {
    let ours = error.get_ref().and_then(|inner| inner.downcast_ref());
    ours.map_or_else(|| Said::same(error), |Spoken(said)| said.clone())
}

/// The same in a language.
#[must_use]
pub fn to(error: &anyhow::Error, language: Language) -> String {
    of(error).to(language).to_owned()
}

/// What `rootfs/disk`, which knows English alone, says of a device, in French.
#[must_use]
pub fn disk_in_french(error: &DiskError) -> String {
    match error {
        DiskError::Io {
            doing,
            device,
            offset,
            error,
        } => {
            let doing = match *doing {
                "reading" => "lecture de",
                "writing" => "écriture sur",
                "flushing" => "écriture définitive sur",
                _ => "accès à",
            };
            format!("{doing} {device} à l'octet {offset} : {error}")
        }
        DiskError::Open { device, error } => {
            let advice = match error.kind() {
                std::io::ErrorKind::ResourceBusy => {
                    " (monté ou assemblé quelque part : démontez-le ou arrêtez la grappe, puis \
                     réessayez)"
                }
                std::io::ErrorKind::PermissionDenied => " (il faut être root)",
                _ => "",
            };
            format!("ouverture de {device} : {error}{advice}")
        }
        DiskError::OutOfRange {
            device,
            size,
            offset,
            end,
        } => format!(
            "{device} a {} octets ; les octets {offset} à {end} sont au-delà",
            size.get()
        ),
        DiskError::Format { device, .. } => {
            format!("ce qui est écrit sur {device} n'est pas ce qui doit s'y trouver ({error})")
        }
        DiskError::Parse(why) => why.clone(),
    }
}

/// What is said of the disk that holds the boot state, in French.
#[must_use]
pub fn esp_in_french(error: &EspError) -> String {
    match error {
        EspError::Live => {
            "c'est le système démarré du support ; il n'a pas d'état de démarrage".to_owned()
        }
        EspError::NoEsp { disk } => format!(
            "{disk} n'a pas de partition {}, ou en a plusieurs ; démarrez le support et choisissez \
             la réparation",
            crate::esp::ESP_PARTITION
        ),
        EspError::NoGrubenv {
            device,
            name,
            found,
        } => {
            let found = match found.strip_suffix(" bytes long") {
                Some(length) => format!("a {length} octets, il lui en faut {LENGTH}"),
                None => "manque".to_owned(),
            };
            format!(
                "{device} : le fichier {name} {found} ; démarrez le support et choisissez la \
                 réparation"
            )
        }
        EspError::ReadBack { device } => format!(
            "{device} : l'état de démarrage relu n'est pas celui qui a été écrit ; le disque est \
             défaillant"
        ),
        EspError::Disk(error) => disk_in_french(error),
    }
}
