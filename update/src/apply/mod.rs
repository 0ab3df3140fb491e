//! Applying a package to the other slot.
//!
//! The order is what makes it safe; a power cut between any two steps leaves a machine that
//! starts what runs now, or what was completely written:
//!
//! 1. one updater at a time, through whatever door ([`lock`]);
//! 2. the head is verified, parsed and judged;
//! 3. a body that can be read twice is compared with it: a damaged one costs nothing;
//! 4. the other slot is made unbootable, in one sector, and what it held is forgotten;
//! 5. it is written, by a process without privileges ([`sandboxed`]);
//! 6. it is flushed, read back and compared with the signed header;
//! 7. it becomes the first to be tried, in one sector.

pub mod child;
pub mod frame;
pub mod lock;
mod sandbox;
pub mod sandboxed;
pub mod target;

use serde::Serialize;
use sha2::{Digest, Sha256};
use vigie_disk::Bytes;
use vigie_settings::{Language, Said};

use crate::boot_state::{BootState, SlotState, TRIES};
use crate::esp::EspError;
use crate::fate::SlotFacts;
use crate::machine::Machine;
use crate::package::envelope::Envelope;
use crate::package::error::Fault;
use crate::package::manifest::Role;
use crate::package::member::Unpacked;
use crate::package::{Header, Keyring, Manifest, PackageError, member};
use crate::policy::{Refusal, Standing, judge};
use crate::slot::Slot;
use crate::spoken::{disk_in_french, esp_in_french};
use target::{OpenSlot, Target, save_or_tell};

/// Why an update was not applied. What runs goes on running, and starts the next time.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The package is not accepted, or could not be written.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The package is authentic and not for this machine, now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file was chosen from a list, and holds another package by now.
    #[error(
        "this is not the package that was chosen, the file was changed; look at the list again"
    )]
    Changed,
    /// Another update is under way.
    #[error("another update is under way ({0}); wait until it has ended")]
    Busy(String),
    /// The lock cannot be had, whoever else asks for it.
    #[error("opening the updates' lock {path}: {source}; restart the appliance")]
    Lock {
        /// Where it is.
        path: String,
        /// What happened.
        source: std::io::Error,
    },
    /// This system has no slots.
    #[error("this is the live system, it has no slots to update; choose the installed one")]
    Live,
    /// A slot's partition is not there.
    #[error(
        "{disk} has no partition named {name}, or more than one; boot the medium and choose repair"
    )]
    NoPartition {
        /// The system disk.
        disk: String,
        /// The partition.
        name: String,
    },
    /// The slot is too small.
    #[error(
        "the {} image has {size} and its partition {room}; this machine was laid out for smaller images, \
             reinstall it from a medium keeping the data",
        image.name()
    )]
    TooLarge {
        /// Which image.
        image: Role,
        /// Its size.
        size: Bytes,
        /// The partition's.
        room: Bytes,
    },
    /// The slot's array cannot be started, or not be written.
    #[error("the RAID array {name} cannot be used: {why}")]
    Array {
        /// Its name.
        name: String,
        /// What mdadm said, or what is wrong with it.
        why: Said,
    },
    /// It went wrong after the other slot was given up for it.
    #[error("{why}; slot {slot} holds no version to go back to any more, until one is installed")]
    Unfinished {
        /// The other slot.
        slot: Slot,
        /// What went wrong.
        why: Box<ApplyError>,
    },
    /// The boot state could not be written everywhere.
    #[error("writing the boot state: {0}")]
    BootState(Said),
    /// The boot state could not be read.
    #[error(transparent)]
    Esp(#[from] EspError),
    /// A device could not be handed on.
    #[error("handing {name} to the unpacking process: {source}")]
    Descriptor {
        /// The device.
        name: String,
        /// What happened.
        source: std::io::Error,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] vigie_disk::Error),
}

impl ApplyError {
    /// The reason in French.
    #[must_use]
    pub fn french(&self) -> String {
        match self {
            Self::Package(error) => error.french(),
            Self::Refused(refusal) => refusal.french(),
            Self::Changed => "ce n'est pas le paquet choisi, le fichier a changé ; regardez de \
                              nouveau la liste"
                .to_owned(),
            Self::Busy(who) => {
                format!("une autre mise à jour est en cours ({who}) ; attendez sa fin")
            }
            Self::Lock { path, source } => format!(
                "ouverture du verrou des mises à jour {path} : {source} ; redémarrez l'appareil"
            ),
            Self::Live => "c'est le système démarré du support, il n'a rien à mettre à jour ; \
                           choisissez le système installé"
                .to_owned(),
            Self::NoPartition { disk, name } => format!(
                "{disk} n'a pas de partition {name}, ou en a plusieurs ; démarrez le support et \
                 choisissez la réparation"
            ),
            Self::TooLarge { image, size, room } => format!(
                "l'{} fait {size} et sa partition {room} ; réinstallez depuis un support en gardant \
                 les données",
                image.french_image()
            ),
            Self::Array { name, why } => format!(
                "la grappe RAID {name} est inutilisable : {}",
                why.to(Language::Fr)
            ),
            Self::Unfinished { slot, why } => format!(
                "{} ; l'emplacement {slot} ne contient plus de version où revenir, jusqu'à la \
                 prochaine installation",
                why.french()
            ),
            Self::BootState(why) => {
                format!("écriture de l'état de démarrage : {}", why.to(Language::Fr))
            }
            Self::Esp(error) => esp_in_french(error),
            Self::Descriptor { name, source } => format!("transmission de {name} : {source}"),
            Self::Disk(error) => disk_in_french(error),
        }
    }

    /// Whether the update was judged and is not taken, as the package is, or as things stand:
    /// nothing has been changed.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self.fault(), Fault::Package) && !matches!(self, Self::Unfinished { .. })
    }

    /// Whether another installation is under way, or waits for its restart: nothing was looked at but
    /// that.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Refused(Refusal::Waiting { .. }))
    }

    /// Whether nothing is known against the package, which is to be offered again: what this machine is
    /// doing must end first.
    #[must_use]
    pub const fn is_for_now(&self) -> bool {
        match self {
            Self::Busy(_) => true,
            Self::Refused(refusal) => refusal.is_for_now(),
            _ => false,
        }
    }

    /// Where the fault lies, whatever was begun: where it is the machine's, nothing is known against
    /// the package.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Package(error) => error.fault(),
            Self::Unfinished { why, .. } => why.fault(),
            Self::Refused(_)
            | Self::Changed
            | Self::Busy(_)
            | Self::Live
            | Self::TooLarge { .. } => Fault::Package,
            Self::Lock { .. }
            | Self::NoPartition { .. }
            | Self::Array { .. }
            | Self::BootState(_)
            | Self::Esp(_)
            | Self::Descriptor { .. }
            | Self::Disk(_) => Fault::Machine,
        }
    }
}

/// Reads a package: in a process of its own, or in this one for tests.
pub trait Unpacker {
    /// The head, not authenticated.
    fn envelope(&mut self) -> Result<Envelope, PackageError>;

    /// Compares the body with the authenticated header where it can be read twice, and leaves it
    /// as it was; nothing is unpacked. `note` is told the bytes done of the body.
    fn check_body(
        &mut self,
        _header: &Header,
        _note: &mut dyn FnMut(Bytes),
    ) -> Result<(), PackageError> {
        Ok(())
    }

    /// Unpacks the body into a slot, or only checks it. `header` is the authenticated one.
    fn unpack(
        &mut self,
        header: &Header,
        base: Option<&OpenSlot>,
        slot: Option<&mut OpenSlot>,
        note: &mut dyn FnMut(Bytes),
    ) -> Result<Unpacked, PackageError>;

    /// Takes the slot's devices away from whatever unpacks: nothing is written from here on.
    fn end(&mut self) {}
}

/// A step that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The base of a delta package is compared.
    Base,
    /// The body is checked without being written.
    Check,
    /// The slot is written.
    Write,
    /// The slot is read back.
    ReadBack,
}

/// Who is told how far it is: phase, bytes done, bytes in all.
pub type Progress<'a> = dyn FnMut(Phase, Bytes, Bytes) + 'a;

/// Who remembers what a slot holds: nothing any more, or what was written.
pub type Remember<'a> = dyn FnMut(Slot, Option<SlotFacts>) + 'a;

/// An authenticated package.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What it is.
    pub header: Header,
    /// SHA-256 of its signed bytes: which package it is.
    pub id: String,
}

/// Reads and authenticates a package's head.
///
/// # Errors
/// It is no package, or not signed by whom this machine trusts.
pub fn open(unpacker: &mut dyn Unpacker, keys: &Keyring) -> Result<Opened, PackageError> {
    authenticate(&unpacker.envelope()?, keys)
}

/// The same, of the package whose [`Opened::id`] is `expected`, where one was chosen.
///
/// # Errors
/// As [`open`]; it is another package.
pub fn open_chosen(
    unpacker: &mut dyn Unpacker,
    keys: &Keyring,
    expected: Option<&str>,
) -> Result<Opened, ApplyError> {
    let opened = open(unpacker, keys)?;
    if expected.is_some_and(|expected| expected != opened.id) {
        return Err(ApplyError::Changed);
    }
    Ok(opened)
}

/// Authenticates a head that was read, and only then parses it.
///
/// # Errors
/// It is not signed by whom this machine trusts, or cannot be understood.
pub fn authenticate(envelope: &Envelope, keys: &Keyring) -> Result<Opened, PackageError> {
    keys.verify(envelope)?;
    let header = Header::parse(&envelope.signed)?;
    let id = hex::encode(Sha256::digest(&envelope.signed));
    Ok(Opened { header, id })
}

/// What an update needs to know of the running system.
#[derive(Clone, Debug)]
pub struct Context {
    /// What it is.
    pub machine: Machine,
    /// How things stand.
    pub standing: Standing,
    /// The slot that runs.
    pub running: Slot,
}

/// An update that was applied.
#[derive(Debug)]
pub struct Done {
    /// What it holds.
    pub manifest: Manifest,
    /// What another disk of the system said, where its boot state could not be written: until it is
    /// replaced, the machine may start what ran before from it.
    pub warning: Option<ApplyError>,
}

/// Applies an opened package to the other slot.
///
/// # Errors
/// The package, the machine or the disk; what runs now is still what starts next.
pub fn apply(
    opened: &Opened,
    context: &Context,
    unpacker: &mut dyn Unpacker,
    target: &mut dyn Target,
    remember: &mut Remember<'_>,
    progress: &mut Progress<'_>,
) -> Result<Done, ApplyError> {
    let header = &opened.header;
    judge(header, &context.machine, &context.standing)?;
    let slot = context.running.other();
    let base = check_base(header, context.running, target, progress)?;
    let mut open = target.open(slot, true)?;
    check_room(header, &open)?;
    let note = &mut |done| progress(Phase::Check, done, Bytes::new(header.body));
    unpacker.check_body(header, note)?;
    let state = disable(context.running, target)?;
    remember(slot, None);
    let manifest = fill(header, base.as_ref(), &mut open, unpacker, progress).map_err(|error| {
        let why = Box::new(error.into());
        ApplyError::Unfinished { slot, why }
    })?;
    let held = SlotFacts {
        version: header.version,
        security_epoch: header.security_epoch,
    };
    remember(slot, Some(held));
    let warning = flip(state, slot, target)?;
    Ok(Done { manifest, warning })
}

/// Writes the slot and reads it back.
fn fill(
    header: &Header,
    base: Option<&OpenSlot>,
    slot: &mut OpenSlot,
    unpacker: &mut dyn Unpacker,
    progress: &mut Progress<'_>,
) -> Result<Manifest, PackageError> {
    let total = header.total();
    let note = &mut |done| progress(Phase::Write, done, total);
    let unpacked = unpacker.unpack(header, base, Some(slot), note)?;
    // It may be another program by now: what is compared must not change under it.
    unpacker.end();
    let note = &mut |done| progress(Phase::ReadBack, done, total);
    let written = unpacked.written.as_ref();
    member::read_back(header, &mut slot.devices, written, note)?;
    Ok(unpacked.manifest)
}

fn check_base(
    header: &Header,
    running: Slot,
    target: &mut dyn Target,
    progress: &mut Progress<'_>,
) -> Result<Option<OpenSlot>, ApplyError> {
    let Some(base) = &header.base else {
        return Ok(None);
    };
    let open = target.open(running, false)?;
    let total = base.system.size + base.boot.size;
    progress(Phase::Base, Bytes::ZERO, total);
    member::check_base(header, &open.devices)?;
    progress(Phase::Base, total, total);
    Ok(Some(open))
}

fn check_room(header: &Header, slot: &OpenSlot) -> Result<(), ApplyError> {
    for role in Role::ALL {
        let (size, room) = (header.image(role).size, slot.devices.of(role).size());
        if size > room {
            return Err(ApplyError::TooLarge {
                image: role,
                size,
                room,
            });
        }
    }
    Ok(())
}

/// Nothing starts the other slot any more, whatever becomes of it: from no disk, or nothing is
/// written to it and it may be started as before.
fn disable(running: Slot, target: &mut dyn Target) -> Result<BootState, ApplyError> {
    let before = target.load()?;
    let mut state = before.clone();
    state.first = running;
    *state.slot_mut(running.other()) = SlotState::default();
    if let Err(error) = target.save(&state) {
        // The disk that failed fails again, perhaps; the first error is the one to tell.
        let _ = target.save(&before);
        return Err(error);
    }
    Ok(state)
}

/// The slot is the next to be started. What another disk said is handed back.
fn flip(
    mut state: BootState,
    slot: Slot,
    target: &mut dyn Target,
) -> Result<Option<ApplyError>, ApplyError> {
    state.first = slot;
    *state.slot_mut(slot) = SlotState {
        good: false,
        tries: TRIES,
    };
    save_or_tell(target, &state)
}
