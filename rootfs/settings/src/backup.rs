//! A backup: one file that holds the settings document, and says of which form it is and which
//! version of the system made it.
//!
//! ```text
//! vigie-settings-backup 1
//! form 3
//! made 1764500000
//! system 0.1.0.0                                      left out where nobody knows
//! sha256 HEX                                          or, with a passphrase:
//! sealed argon2id m=65536 t=3 p=1 salt=HEX nonce=HEX
//! ---
//! the document                                        or what ChaCha20-Poly1305 made of it
//! ```
//!
//! The lines above `---` are authenticated with what is sealed. The digest of a plain backup tells
//! damage, and is no proof of who made it. A bare document, as `vigie-recovery export settings` writes
//! it, is taken too.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};

use crate::document::{Settings, VERSION};
use crate::files::MAX_BYTES;
use crate::forms::{FIRST, form_of};
use crate::origin::digest;
use crate::store::DocumentError;
use crate::words::{Said, said};
use head::{Body, COST, HEAD, Head, is_version};

mod head;

/// A backup is no longer; a tag of 16 bytes is the most that sealing adds.
pub const BACKUP_MAX: usize = MAX_BYTES as usize + HEAD + 16;
/// A passphrase that is shorter is soon guessed by whoever has the file.
pub const PASSPHRASE_LEAST: usize = 8;

/// Why a backup was not made or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It is none, or damaged.
    #[error("{}", self.said())]
    Damaged,
    /// It was made by newer software.
    #[error("{}", self.said())]
    Newer {
        /// Its form of the settings.
        form: u32,
        /// The version of the system that made it, where it says so.
        system: Option<String>,
    },
    /// It is sealed, and no passphrase was given.
    #[error("{}", self.said())]
    NeedsPassphrase,
    /// It is not sealed, and a passphrase was given: it is not the backup that was meant.
    #[error("{}", self.said())]
    NotSealed,
    /// The passphrase is not the one that it was made with, or the backup is damaged.
    #[error("{}", self.said())]
    Passphrase,
    /// A new passphrase is too short.
    #[error("{}", self.said())]
    ShortPassphrase,
    /// The document in it is refused.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The system gave no randomness or no memory.
    #[error("{0}")]
    System(String),
}

impl BackupError {
    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Self::Damaged => said("backup.damaged", &[]),
            Self::Newer { form, system } => {
                let mut values = vec![("form", Said::same(form)), ("own", Said::same(VERSION))];
                values.extend(
                    system
                        .as_ref()
                        .map(|version| ("version", Said::same(version))),
                );
                let key = match system {
                    Some(_) => "backup.newer-of",
                    None => "backup.newer",
                };
                said(key, &values)
            }
            Self::NeedsPassphrase => said("backup.needs-passphrase", &[]),
            Self::NotSealed => said("backup.not-sealed", &[]),
            Self::Passphrase => said("backup.passphrase", &[]),
            Self::ShortPassphrase => {
                let least = Said::same(PASSPHRASE_LEAST);
                said("backup.short-passphrase", &[("least", least)])
            }
            Self::Document(error) => error.said(),
            Self::System(why) => Said::same(why),
        }
    }
}

/// What a backup says of how it was made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Making<'a> {
    /// When, in seconds since 1970.
    pub at: u64,
    /// By which version of the system; what is no version is left out.
    pub system: Option<&'a str>,
}

/// Makes a backup of `settings`; with a passphrase it is sealed.
///
/// # Errors
/// A short passphrase; no randomness, no memory.
pub fn make(
    settings: &Settings,
    making: Making<'_>,
    passphrase: Option<&[u8]>,
) -> Result<Vec<u8>, BackupError> {
    let text = settings.to_text();
    let text = text.map_err(|error| BackupError::System(error.to_string()))?;
    let head = |body| Head {
        form: VERSION,
        made: making.at,
        system: making
            .system
            .filter(|text| is_version(text))
            .map(str::to_owned),
        body,
    };
    let Some(passphrase) = passphrase else {
        let sha256 = digest(text.as_bytes());
        let head = head(Body::Plain { sha256 }).text();
        return Ok([head.as_bytes(), text.as_bytes()].concat());
    };
    if passphrase.len() < PASSPHRASE_LEAST {
        return Err(BackupError::ShortPassphrase);
    }
    let (salt, nonce) = (random()?, random()?);
    let cost = COST;
    let head = head(Body::Sealed { cost, salt, nonce }).text();
    let payload = Payload {
        msg: text.as_bytes(),
        aad: head.as_bytes(),
    };
    let sealed = ChaCha20Poly1305::new(&cost.key(passphrase, &salt)?)
        .encrypt(Nonce::from_slice(&nonce), payload)
        .map_err(|error| BackupError::System(error.to_string()))?;
    Ok([head.as_bytes(), &sealed].concat())
}

/// Reads a backup of this form or an older one.
///
/// # Errors
/// One that is damaged, newer, not to be opened with this passphrase, or refused.
pub fn read(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Settings, BackupError> {
    if bytes.len() > BACKUP_MAX {
        return Err(BackupError::Damaged);
    }
    let Some((head, body)) = Head::parse(bytes) else {
        return bare(bytes, passphrase);
    };
    if head.form > VERSION {
        return Err(BackupError::Newer {
            form: head.form,
            system: head.system,
        });
    }
    if head.form < FIRST {
        return Err(BackupError::Damaged);
    }
    let text = match (head.body, passphrase) {
        (Body::Plain { .. }, Some(_)) => return Err(BackupError::NotSealed),
        (Body::Sealed { .. }, None) => return Err(BackupError::NeedsPassphrase),
        (Body::Plain { sha256 }, None) => {
            if digest(body) != sha256 {
                return Err(BackupError::Damaged);
            }
            body.to_vec()
        }
        (Body::Sealed { cost, salt, nonce }, Some(passphrase)) => {
            let aad = &bytes[..bytes.len() - body.len()];
            ChaCha20Poly1305::new(&cost.key(passphrase, &salt)?)
                .decrypt(Nonce::from_slice(&nonce), Payload { msg: body, aad })
                .map_err(|_| BackupError::Passphrase)?
        }
    };
    let text = String::from_utf8(text).map_err(|_| BackupError::Damaged)?;
    if form_of(&text) != Some(head.form) {
        return Err(BackupError::Damaged);
    }
    Ok(Settings::from_text(&text)?)
}

/// A document without a head.
fn bare(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Settings, BackupError> {
    let text = std::str::from_utf8(bytes).map_err(|_| BackupError::Damaged)?;
    let table: toml::Table = text.parse().map_err(|_| BackupError::Damaged)?;
    let form = table.get("version").and_then(toml::Value::as_integer);
    let form = form.and_then(|form| u32::try_from(form).ok());
    match form.ok_or(BackupError::Damaged)? {
        form if form > VERSION => Err(BackupError::Newer { form, system: None }),
        form if form < FIRST => Err(BackupError::Damaged),
        _ if passphrase.is_some() => Err(BackupError::NotSealed),
        _ => Ok(Settings::from_text(text)?),
    }
}

/// What a person must know of a backup that a newer version of the system than `own` has made, and whose
/// settings this one knows all the same.
#[must_use]
pub fn made_by_newer(bytes: &[u8], own: &str) -> Option<Said> {
    let (head, _) = Head::parse(bytes)?;
    let version = head.system?;
    (numbers(&version) > numbers(own)).then(|| {
        let values = [("version", Said::same(version)), ("own", Said::same(own))];
        said("backup.made-by-newer", &values)
    })
}

/// The numbers of a version, of `0.1.0.0` as of `0.1.0.0~dev`.
fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(|c: char| !c.is_ascii_digit());
    parts.map_while(|part| part.parse().ok()).collect()
}

/// Whether a passphrase is needed to read it.
#[must_use]
pub fn is_sealed(bytes: &[u8]) -> bool {
    Head::parse(bytes).is_some_and(|(head, _)| matches!(head.body, Body::Sealed { .. }))
}

/// What a backup brings to an appliance whose settings are `own`: everything but what belongs to this
/// machine, its data volumes and its licence. Where it lists no volumes, as after damage, those of
/// the backup are mounted if they are there.
#[must_use]
pub fn onto(backup: Settings, own: &Settings) -> Settings {
    let mut settings = backup;
    if !own.volumes.is_empty() {
        settings.volumes = own.volumes.clone();
    }
    settings.update.licence_major = own.update.licence_major;
    settings
}

fn random<const N: usize>() -> Result<[u8; N], BackupError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| BackupError::System(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    const SECRET: &[u8] = b"a passphrase";
    const MAKING: Making<'_> = Making {
        at: 7,
        system: Some("0.1.0.0"),
    };

    fn full() -> Settings {
        Settings::from_text(include_str!("../tests/golden/full.toml")).expect("reads")
    }

    #[test]
    fn a_backup_reads_back() {
        let settings = full();
        let plain = make(&settings, MAKING, None).expect("made");
        assert!(!is_sealed(&plain));
        assert_eq!(read(&plain, None).expect("read"), settings);
        let bare = settings.to_text().expect("text");
        assert_eq!(read(bare.as_bytes(), None).expect("read"), settings);
        let sealed = make(&settings, MAKING, Some(SECRET)).expect("made");
        assert!(is_sealed(&sealed));
        assert_eq!(read(&sealed, Some(SECRET)).expect("read"), settings);
        let text = String::from_utf8_lossy(&sealed);
        assert!(
            !text.contains("nvr-01") && !text.contains("hostname"),
            "{text}"
        );
        // Twice the same settings do not look the same.
        assert_ne!(make(&settings, MAKING, Some(SECRET)).expect("made"), sealed);
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let settings = full();
        let plain = make(&settings, MAKING, None).expect("made");
        let sealed = make(&settings, MAKING, Some(SECRET)).expect("made");
        let with = |from: &str, to: &str| {
            let text = String::from_utf8(plain.clone()).expect("text");
            text.replacen(from, to, 1).into_bytes()
        };
        let document = |body: &str, form: u32| {
            let sha256 = digest(body.as_bytes());
            let body_of = Body::Plain { sha256 };
            let head = Head {
                form,
                made: 1,
                system: None,
                body: body_of,
            };
            (head.text() + body).into_bytes()
        };
        for (bytes, passphrase, expected) in [
            (vec![], None, "no backup"),
            (b"version = 4\n".to_vec(), None, "form 4"),
            (b"version = 0\n".to_vec(), None, "no backup"),
            (b"hostname = 1\n".to_vec(), None, "no backup"),
            (b"version = 3\n".to_vec(), Some(SECRET), "not sealed"),
            (b"version = 3\nx = 1\n".to_vec(), None, "unknown field"),
            (vec![0; BACKUP_MAX + 1], None, "no backup"),
            (with("form 3", "form 4"), None, "form 4"),
            (with("form 3", "form 0"), None, "no backup"),
            (with("form 3", "form 03"), None, "no backup"),
            (with("nvr-01", "nvr-02"), None, "no backup"),
            (plain.clone(), Some(SECRET), "not sealed"),
            (sealed.clone(), None, "sealed"),
            (
                sealed.clone(),
                Some(b"another one".as_slice()),
                "passphrase",
            ),
            (document("version = 3\nx = 1\n", 3), None, "unknown field"),
            (document("version = 2\n", 3), None, "no backup"),
        ] {
            let error = read(&bytes, passphrase).expect_err(expected);
            let (english, french) = (error.said(), error.said());
            assert!(error.to_string().contains(expected), "{expected}: {error}");
            assert_ne!(english.to(Language::En), french.to(Language::Fr));
        }
        assert!(matches!(
            make(&settings, MAKING, Some(b"short")),
            Err(BackupError::ShortPassphrase)
        ));
    }

    #[test]
    fn a_flipped_or_missing_byte_is_found_everywhere() {
        let plain = make(&full(), MAKING, None).expect("made");
        // Where a byte of the head changes, the head is another; only its time and its version are not covered.
        let made = "vigie-settings-backup 1\nform 3\nmade ".len();
        let version = made + "7\nsystem ".len();
        let said = [made..made + 1, version..version + "0.1.0.0".len()];
        for at in 0..plain.len() {
            let mut bytes = plain.clone();
            bytes[at] ^= 1;
            let covered = !said.iter().any(|range| range.contains(&at));
            assert!(!covered || read(&bytes, None).is_err(), "byte {at}");
        }
        for length in 0..plain.len() {
            assert!(read(&plain[..length], None).is_err(), "{length} bytes");
        }
        assert!(read(&[plain.as_slice(), b"\n"].concat(), None).is_err());
        let sealed = make(&full(), MAKING, Some(SECRET)).expect("made");
        let (head, body) = Head::parse(&sealed).expect("a head");
        let Body::Sealed { cost, salt, .. } = &head.body else {
            panic!("sealed")
        };
        let cipher = ChaCha20Poly1305::new(&cost.key(SECRET, salt).expect("a key"));
        let aad = sealed.len() - body.len();
        // The key is derived once, as it takes long.
        let opens = |bytes: &[u8]| {
            let Some((
                Head {
                    body: Body::Sealed { nonce, .. },
                    ..
                },
                body,
            )) = Head::parse(bytes)
            else {
                return false;
            };
            let payload = Payload {
                msg: body,
                aad: &bytes[..bytes.len() - body.len()],
            };
            cipher.decrypt(Nonce::from_slice(&nonce), payload).is_ok()
        };
        assert!(opens(&sealed));
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone();
            bytes[at] ^= 1;
            assert!(!opens(&bytes), "byte {at}");
        }
        for length in aad..sealed.len() {
            assert!(!opens(&sealed[..length]), "{length} bytes");
        }
    }

    #[test]
    fn a_file_cannot_ask_for_all_of_the_memory() {
        let sealed = make(&full(), MAKING, Some(SECRET)).expect("made");
        let (head, body) = Head::parse(&sealed).expect("a head");
        for (from, to) in [
            ("m=65536", "m=4194304"),
            ("t=3", "t=4000000000"),
            ("p=1", "p=255"),
        ] {
            let text = head.text().replace(from, to);
            let bytes = [text.as_bytes(), body].concat();
            assert!(matches!(
                read(&bytes, Some(SECRET)),
                Err(BackupError::Damaged)
            ));
        }
    }

    #[test]
    fn backups_of_every_released_form_are_read() {
        for (form, text) in [
            (1, include_str!("../tests/forms/1.toml")),
            (2, include_str!("../tests/forms/2.toml")),
        ] {
            let body = Body::Plain {
                sha256: digest(text.as_bytes()),
            };
            let head = Head {
                form,
                made: 1,
                system: None,
                body,
            };
            let settings = read((head.text() + text).as_bytes(), None).expect("read");
            assert_eq!(settings.version, VERSION);
        }
    }

    #[test]
    fn a_backup_says_which_version_made_it() {
        let with = |system| make(&full(), Making { at: 7, system }, None).expect("made");
        let own = with(Some("0.1.0.0"));
        assert!(
            own.starts_with(b"vigie-settings-backup 1\nform 3\nmade 7\nsystem 0.1.0.0\nsha256 ")
        );
        for (bytes, newer) in [
            (with(Some("0.1.0.0")), false),
            (with(Some("0.0.9.9")), false),
            (with(Some("0.1.0.1")), true),
            (with(Some("0.10.0.0")), true),
            (with(None), false),
            (with(Some("no version")), false),
            (b"version = 3\n".to_vec(), false),
        ] {
            let told = made_by_newer(&bytes, "0.1.0.0");
            assert_eq!(told.is_some(), newer, "{told:?}");
            // It is taken all the same: its settings are of a form that is known here.
            assert!(read(&bytes, None).is_ok());
        }
        let text = String::from_utf8(own).expect("text");
        let bytes = text.replacen("form 3", "form 4", 1).into_bytes();
        let error = read(&bytes, None).expect_err("newer");
        assert!(error.to_string().contains("version 0.1.0.0"), "{error}");
        let bytes = text.replacen("0.1.0.0", "0.1 0.0", 1).into_bytes();
        assert!(read(&bytes, None).is_err());
    }

    #[test]
    fn volumes_and_licence_stay_with_the_machine() {
        let mut backup = full();
        backup.update.licence_major = Some(9);
        let mut own = Settings::default();
        own.update.licence_major = Some(2);
        let settings = onto(backup.clone(), &own);
        assert_eq!(settings.update.licence_major, Some(2));
        assert_eq!(settings.volumes, backup.volumes);
        own.volumes = vec![backup.volumes[1].clone()];
        assert_eq!(onto(backup.clone(), &own).volumes, own.volumes);
        assert_eq!(settings.users, backup.users);
    }
}
