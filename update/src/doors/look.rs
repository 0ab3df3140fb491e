//! Looking into a stick or disc: by a process of its own, `vigie-update look`, which is not waited
//! for when the medium does not answer.
//!
//! Opening a folder, listing it and opening its files have no limit of their own: a bad disc, or a
//! stick that hangs, holds whoever asks for minutes, and not even a signal frees them. A thread would
//! not do: the whole program could not end as long as one of its threads is held.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use vigie_settings::Language;

use super::places::{Candidate, candidates};
use crate::apply::frame::{self, Frame, Kind};
use crate::package::PackageError;
use crate::package::error::Fault;
use crate::spoken::{Spoken, of_io};

/// The text of [`Kind::File`]; the file itself is its descriptor.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    name: Vec<u8>,
    size: u64,
    modified: Option<Duration>,
}

/// The process: tells what a folder holds, through the socket on its standard input.
///
/// # Errors
/// Whoever asked has gone.
pub fn run(folder: &Path) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    for candidate in candidates(folder) {
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        let seen = Seen {
            name: candidate.name.as_bytes().to_owned(),
            size: candidate.size,
            modified: candidate.modified.and_then(since),
        };
        let text = serde_json::to_vec(&seen)?;
        frame::send(&mut socket, Kind::File, &text, &[candidate.file.as_fd()])?;
    }
    frame::send(&mut socket, Kind::End, &[], &[])
}

/// The files of a folder that may be packages, as [`candidates`] gives them, waiting no longer than
/// `limit`. `program` is the `vigie-update` that looks.
///
/// # Errors
/// [`PackageError::Silent`] where the medium does not answer in time.
pub fn look(
    program: &Path,
    folder: &Path,
    limit: Duration,
) -> Result<Vec<Candidate>, PackageError> {
    let mut looking = Looking::start(program, folder).map_err(|error| not_done(&error))?;
    let end = Instant::now() + limit;
    let mut found = Vec::new();
    while let Some(candidate) = looking.next(end)? {
        found.push(candidate);
    }
    Ok(found)
}

/// A process that looks.
struct Looking {
    child: Child,
    socket: UnixStream,
    /// The medium holds it, perhaps even after it was killed.
    stuck: bool,
}

impl Looking {
    fn start(program: &Path, folder: &Path) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let mut command = Command::new(program);
        command.arg("look").arg(folder).env_clear().current_dir("/");
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
        command.process_group(0);
        let child = command.spawn()?;
        Ok(Self {
            child,
            socket,
            stuck: false,
        })
    }

    /// The next file; none where it has told all of them.
    fn next(&mut self, end: Instant) -> Result<Option<Candidate>, PackageError> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.silent());
        }
        let received = self
            .socket
            .set_read_timeout(Some(left))
            .and_then(|()| frame::receive(&mut self.socket));
        match received {
            Ok(Some(frame)) if frame.kind == Kind::End => Ok(None),
            Ok(Some(frame)) => candidate(frame).map(Some).map_err(|error| not_done(&error)),
            Ok(None) => {
                let why = Spoken::new("it ended before its time", "il s'est arrêté trop tôt");
                Err(not_done(&io::Error::other(why)))
            }
            Err(error) if frame::is_late(&error) => Err(self.silent()),
            Err(error) => Err(not_done(&error)),
        }
    }

    fn silent(&mut self) -> PackageError {
        self.stuck = true;
        PackageError::Silent
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        // One that has ended cannot be killed. One that a medium holds ends when that lets it go:
        // init takes it over from this program.
        let _ = self.child.kill();
        if !self.stuck {
            let _ = self.child.wait();
        }
    }
}

fn candidate(frame: Frame) -> io::Result<Candidate> {
    let file = frame.descriptors.into_iter().next().map(File::from);
    let file = file.filter(|_| frame.kind == Kind::File);
    let none = || io::Error::other(Spoken::new("no file came", "aucun fichier n'est venu"));
    let file = file.ok_or_else(none)?;
    let seen: Seen = serde_json::from_slice(&frame.bytes)?;
    let modified = |since| SystemTime::UNIX_EPOCH.checked_add(since);
    Ok(Candidate {
        name: OsString::from_vec(seen.name),
        file,
        size: seen.size,
        modified: seen.modified.and_then(modified),
    })
}

fn not_done(error: &io::Error) -> PackageError {
    let why = of_io(error);
    PackageError::told(
        Fault::Machine,
        &format!("looking into it: {why}"),
        &format!("lecture de son contenu : {}", why.to(Language::Fr)),
    )
}
