//! The unpacking process: `vigie-update unwrap`, started by [`super::sandboxed`].

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vigie_disk::device::BlockDevice;
use vigie_disk::{Bytes, FileDevice, SectorSize};

use super::frame::{self, Frame, Kind};
use super::sandbox;
use crate::package::envelope::Envelope;
use crate::package::error::Fault;
use crate::package::member::{self, Sink, Slots, Unpacked};
use crate::package::{Header, PackageError, chunks};

/// How often it tells how far it is.
const TELL: Duration = Duration::from_millis(100);
/// What is read from a package at once, before its chunks are known.
const HEAD_BUFFER: usize = 16 << 10;

/// The text of [`Kind::Go`]: what the descriptors are, in their order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Go {
    /// System and boot partition to write; empty when the package is only checked.
    pub target: Vec<DeviceFacts>,
    /// System and boot partition of the base, for a delta package.
    pub base: Vec<DeviceFacts>,
}

/// What cannot be asked of a descriptor in here.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// Its path, for messages.
    pub name: String,
    /// Its size.
    pub size: Bytes,
    /// Bytes of a sector.
    pub sector: u64,
}

/// The text of [`Kind::Wrong`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Wrong {
    /// Where the fault lies.
    pub fault: Fault,
    /// In English.
    pub english: String,
    /// In French.
    pub french: String,
}

/// Runs to the end. Its standard input is the socket to the updater.
///
/// # Errors
/// The updater has gone; all else is told through the socket.
pub fn run() -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let package = frame::receive(&mut socket)?;
    // From here on nothing can be opened any more, and only now the first byte is read.
    if let Err(error) = sandbox::enter() {
        return tell_wrong(&mut socket, &not_given_up(&error));
    }
    let package = match package {
        Some(Frame {
            kind: Kind::Package,
            descriptors,
            ..
        }) => descriptors.into_iter().next(),
        _ => None,
    };
    let package = package.ok_or_else(|| io::Error::other("no package came"))?;
    match unwrap(&mut socket, File::from(package)) {
        Ok(Some(unpacked)) => tell(&mut socket, &unpacked),
        Ok(None) => Ok(()),
        Err(error) => tell_wrong(&mut socket, &error),
    }
}

fn tell_wrong(socket: &mut UnixStream, error: &PackageError) -> io::Result<()> {
    let wrong = Wrong {
        fault: error.fault(),
        english: error.to_string(),
        french: error.french(),
    };
    frame::send(socket, Kind::Wrong, &serde_json::to_vec(&wrong)?, &[])
}

fn tell(socket: &mut UnixStream, unpacked: &Unpacked) -> io::Result<()> {
    if let Some(written) = &unpacked.written {
        let [system, boot] = [written.system, written.boot].map(u32::to_le_bytes);
        frame::send(socket, Kind::Written, &[system, boot].concat(), &[])?;
    }
    frame::send(socket, Kind::Manifest, &unpacked.manifest.to_text()?, &[])
}

/// What was unpacked, or nothing where the updater wants no more.
fn unwrap(socket: &mut UnixStream, package: File) -> Result<Option<Unpacked>, PackageError> {
    let mut package = BufReader::with_capacity(HEAD_BUFFER, package);
    let envelope = Envelope::read(&mut package)?;
    let head = Envelope::encode(&envelope.signatures, &envelope.signed);
    frame::send(socket, Kind::Head, &head, &[]).map_err(lost)?;
    let Some(frame) = frame::receive(socket).map_err(lost)? else {
        return Ok(None);
    };
    let go: Go = serde_json::from_slice(&frame.bytes).map_err(|error| lost(error.into()))?;
    // The updater has verified these bytes: they are those that were sent to it.
    let header = Header::parse(&envelope.signed)?;
    let mut descriptors = frame.descriptors.into_iter();
    let mut target = devices(go.target, &mut descriptors)?;
    let base = devices(go.base, &mut descriptors)?;
    let sink = target.as_mut().map_or(Sink::Nowhere, Sink::Slot);
    let mut told = Instant::now();
    let note = &mut |done: Bytes| {
        if told.elapsed() >= TELL || done == header.total() {
            told = Instant::now();
            // An updater that has gone ends this process anyway.
            let _ = frame::send(socket, Kind::Done, &done.get().to_le_bytes(), &[]);
        }
    };
    let (chunks, feeder) = chunks::channel();
    let body = header.clone();
    // It is not waited for: this process tells what is wrong and ends, although more may come.
    thread::spawn(move || feeder.run(&body, &mut package));
    member::unpack_chunks(&header, chunks, base.as_ref(), sink, note).map(Some)
}

fn devices(
    facts: Vec<DeviceFacts>,
    descriptors: &mut impl Iterator<Item = OwnedFd>,
) -> Result<Option<Slots<Box<dyn BlockDevice>>>, PackageError> {
    let mut facts = facts.into_iter();
    let mut next = || -> Result<Option<Box<dyn BlockDevice>>, PackageError> {
        let (Some(facts), Some(descriptor)) = (facts.next(), descriptors.next()) else {
            return Ok(None);
        };
        let sector = SectorSize::try_from(facts.sector)?;
        let device = FileDevice::of(descriptor.into(), facts.name, facts.size, sector);
        Ok(Some(Box::new(device)))
    };
    let (Some(system), Some(boot)) = (next()?, next()?) else {
        return Ok(None);
    };
    Ok(Some(Slots { system, boot }))
}

fn not_given_up(error: &io::Error) -> PackageError {
    PackageError::told(
        Fault::Machine,
        &format!("the unpacking process cannot give its rights up: {error}"),
        &format!("le processus de décompression ne peut pas renoncer à ses droits : {error}"),
    )
}

fn lost(source: io::Error) -> PackageError {
    PackageError::told(
        Fault::Machine,
        &format!("the updater cannot be reached from its unpacking process: {source}"),
        &format!("le programme de mise à jour ne répond plus : {source}"),
    )
}
