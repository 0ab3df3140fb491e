//! What lies in the [`places`], and what this machine says of it.
//!
//! The head of each candidate is read by the unpacking process, authenticated and judged here; the
//! body is not looked at. So "ready" says that an update may be asked for, and applying it checks
//! every byte, on the descriptor that was opened.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use sha2::{Digest, Sha256};
use vigie_disk::Bytes;
use vigie_settings::Language;

use super::places::{self, Candidate, Place};
use crate::apply::{self, ApplyError, Context, Opened, Unpacker};
use crate::history::Door;
use crate::media::not_read::{NOT_READ, NotRead};
use crate::package::{Keyring, PackageError};
use crate::policy::judge;
use crate::printable::printable;
use crate::version::Version;

/// A file whose head cannot be read, and that was written to within this time, is taken for one
/// that is still coming.
const STILL_WRITTEN: Duration = Duration::from_secs(10);

/// Longest file name that Linux knows, in bytes.
const LONGEST_NAME: usize = 255;

/// How it stands with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is complete, and this machine would take it now.
    Ready,
    /// It is not complete yet.
    Arriving,
    /// This machine will take it, but not before what it is doing has ended; the reason says what.
    Later,
    /// It is a package that this machine does not take; the reason says why.
    Refused,
    /// It is no package, damaged, or not signed by whom this machine trusts.
    Unreadable,
    /// A stick or disc as a whole, which is not read; the reason says why.
    NotRead,
}

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What it is applied by: the same as long as door, place, name and package are the same.
    pub id: String,
    /// How it came.
    pub door: Door,
    /// Its name, for people.
    pub name: String,
    /// How it stands with it.
    pub state: State,
    /// Its length in bytes as it is.
    pub size: u64,
    /// Its length in bytes when it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// SHA-256 of its signed header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The version that it installs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The version that it holds the changes to, for a delta package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Version>,
    /// It is of no use any more: this version or a later one has come up well here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub spent: bool,
    /// Why it is not ready, in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in French.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_fr: Option<String>,
}

/// An authenticated head.
#[derive(Clone, Debug)]
pub struct Head {
    /// What it says.
    pub opened: Opened,
    /// Length of the whole package in bytes.
    pub length: u64,
}

/// Reads and authenticates the head of a package.
///
/// # Errors
/// It is no package, or not signed by whom this machine trusts.
pub fn head(unpacker: &mut dyn Unpacker, keys: &Keyring) -> Result<Head, PackageError> {
    let envelope = unpacker.envelope()?;
    let opened = apply::authenticate(&envelope, keys)?;
    let length = envelope.length.saturating_add(opened.header.body);
    Ok(Head { opened, length })
}

/// Who looks into a place: [`places::candidates`], or for a medium [`super::look`].
pub type Look<'a> = dyn FnMut(&Place) -> Result<Vec<Candidate>, PackageError> + 'a;
/// Who gives the head of a file, from its beginning.
pub type Read<'a> = dyn FnMut(&File) -> Result<Head, PackageError> + 'a;

/// Looks into places that answer. What is ready comes first, the highest version before lower ones.
pub fn scan(places: &[Place], context: &Context, read: &mut Read<'_>) -> Vec<(Found, File)> {
    let look = &mut |place: &Place| Ok(places::candidates(&place.folder));
    let found = scan_with(places, context, look, read).into_iter();
    found
        .filter_map(|(found, file)| Some((found, file?)))
        .collect()
}

/// Looks into all places; what cannot be looked into is told with a line of its own, without a file.
///
/// Where a place or the head of a file does not answer, the rest of that medium is not waited for.
pub fn scan_with(
    places: &[Place],
    context: &Context,
    look: &mut Look<'_>,
    read: &mut Read<'_>,
) -> Vec<(Found, Option<File>)> {
    let mut all = Vec::new();
    let mut silent: Vec<&Place> = Vec::new();
    for place in places {
        if silent
            .iter()
            .any(|one| place.folder.starts_with(&one.folder))
        {
            continue;
        }
        match look(place) {
            Ok(candidates) => all.extend(heads(place, candidates, context, read)),
            Err(error) => {
                silent.push(place);
                all.push((Found::of_place(place, error), None));
            }
        }
    }
    all.sort_by(|(a, _), (b, _)| (a.state, b.version, &a.name).cmp(&(b.state, a.version, &b.name)));
    all
}

fn heads(
    place: &Place,
    candidates: Vec<Candidate>,
    context: &Context,
    read: &mut Read<'_>,
) -> Vec<(Found, Option<File>)> {
    let mut is_silent = false;
    let described = candidates.into_iter().map(|candidate| {
        let head = match is_silent {
            true => Err(PackageError::Silent),
            false => read(&candidate.file),
        };
        is_silent = matches!(head, Err(PackageError::Silent));
        let found = describe(place, &candidate, head, context);
        (found, Some(candidate.file))
    });
    described.collect()
}

fn describe(
    place: &Place,
    candidate: &Candidate,
    head: Result<Head, PackageError>,
    context: &Context,
) -> Found {
    let mut found = Found {
        size: candidate.size,
        ..Found::new(place, &candidate.name)
    };
    match head {
        Ok(head) => {
            let Opened { header, id } = &head.opened;
            found.length = Some(head.length);
            found.package = Some(id.clone());
            found.version = Some(header.version);
            found.base = header.base.as_ref().map(|base| base.version);
            found.spent = header.version <= context.standing.reached.version;
            if let Err(refusal) = judge(header, &context.machine, &context.standing) {
                let for_now = refusal.is_for_now();
                let state = if for_now {
                    State::Later
                } else {
                    State::Refused
                };
                found.told(Some(refusal.into()), state);
            }
            found.completeness(head.length);
        }
        Err(_) if is_fresh(candidate) => {
            found.state = State::Arriving;
            found.reason = Some("still being copied".to_owned());
            found.reason_fr = Some("copie en cours".to_owned());
        }
        Err(error) => found.told(Some(error.into()), State::Unreadable),
    }
    found.id = id(place, &candidate.name, found.package.as_deref());
    found
}

impl Found {
    fn new(place: &Place, name: &OsStr) -> Self {
        Self {
            id: String::new(),
            door: place.door,
            name: printable(&name.to_string_lossy(), LONGEST_NAME),
            state: State::Ready,
            size: 0,
            length: None,
            package: None,
            version: None,
            base: None,
            spent: false,
            reason: None,
            reason_fr: None,
        }
    }

    /// A place that could not be looked into.
    fn of_place(place: &Place, error: PackageError) -> Self {
        let mut found = Self::new(place, &place.name());
        found.told(Some(error.into()), State::Unreadable);
        found.id = id(place, OsStr::new(""), None);
        found
    }

    /// A stick or disc that was not mounted.
    #[must_use]
    pub fn not_read(medium: NotRead) -> Self {
        let place = Place {
            folder: Path::new(NOT_READ).join(&medium.name),
            door: Door::Usb,
        };
        Self {
            id: id(&place, OsStr::new(""), None),
            state: State::NotRead,
            reason: Some(medium.reason),
            reason_fr: Some(medium.reason_fr),
            ..Self::new(&place, OsStr::new(&medium.name))
        }
    }

    fn told(&mut self, error: Option<ApplyError>, state: State) {
        if let Some(error) = error {
            self.state = state;
            self.reason = Some(error.to_string());
            self.reason_fr = Some(error.french());
        }
    }

    /// A package that is wrong for this machine is so whether it is complete or not.
    fn completeness(&mut self, length: u64) {
        if self.size > length {
            let error = PackageError::Trailing { length };
            self.told(Some(error.into()), State::Unreadable);
        } else if self.size < length && matches!(self.state, State::Ready | State::Later) {
            let (size, length) = (Bytes::new(self.size), Bytes::new(length));
            self.state = State::Arriving;
            self.reason = Some(format!("not complete: {size} of {length} are here"));
            self.reason_fr = Some(format!("incomplet : {size} sur {length} sont arrivés"));
        }
    }
}

/// Whether somebody seems to be writing to it. A clock that was set in between decides nothing but
/// a word.
fn is_fresh(candidate: &Candidate) -> bool {
    let age = |modified| SystemTime::now().duration_since(modified);
    let age = candidate.modified.map(age);
    age.is_some_and(|age| age.is_ok_and(|age| age < STILL_WRITTEN))
}

/// SHA-256 of folder, name and package: a file is looked up by it, never opened by it. Who knows
/// these can tell it beforehand; that gives no right to anything.
fn id(place: &Place, name: &OsStr, package: Option<&str>) -> String {
    let mut digest = Sha256::new();
    for part in [
        place.folder.as_os_str().as_bytes(),
        name.as_bytes(),
        package.unwrap_or_default().as_bytes(),
    ] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}

impl Door {
    /// Its name in lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Web => "web",
            Self::Scp => "scp",
            Self::Usb => "usb",
            Self::Medium => "medium",
            Self::Https => "https",
            Self::Fleet => "fleet",
        }
    }

    /// The same for a person: what is no name of a technique has a word in French.
    #[must_use]
    pub const fn word(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Medium, Language::Fr) => "support",
            (Self::Fleet, Language::Fr) => "flotte",
            _ => self.name(),
        }
    }
}
