//! Starts the unpacking process and speaks with it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vigie_disk::Bytes;
use vigie_settings::{Language, Said};

use super::Unpacker;
use super::child::{DeviceFacts, Go, Wrong};
use super::frame::{self, Frame, Kind};
use super::target::OpenSlot;
use crate::package::envelope::Envelope;
use crate::package::error::Fault;
use crate::package::manifest::Role;
use crate::package::member::{Slots, Unpacked};
use crate::package::{Header, Manifest, PackageError, chunks};
use crate::spoken::{Spoken, both, of_io};

/// The account of the unpacking process; it owns nothing.
pub const ACCOUNT: &str = "vigie-unwrap";

/// A started unpacking process.
#[derive(Debug)]
pub struct Sandboxed {
    child: Child,
    socket: UnixStream,
    again: Option<Again>,
    /// Where the body begins, once the head was read.
    body: u64,
    /// How long a head is waited for; none for as long as it takes.
    patience: Option<Duration>,
    /// It sits in a read that does not end, and may not even end when it is killed.
    stuck: bool,
}

/// A package that can be read twice: a regular file, and where it began. It is read in place, so
/// that the unpacking process, which shares its position, does not notice.
#[derive(Debug)]
struct Again {
    file: File,
    at: u64,
}

impl Again {
    fn new(mut package: &File) -> io::Result<Option<Self>> {
        if !package.metadata()?.is_file() {
            return Ok(None);
        }
        let at = package.stream_position()?;
        let file = package.try_clone()?;
        Ok(Some(Self { file, at }))
    }
}

impl Read for Again {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(buffer, self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

impl Sandboxed {
    /// Starts `program unwrap` on a package, under `account`, which root must give; without that
    /// account nothing is started. None runs it as who runs this: for tests.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(
        program: &Path,
        package: &File,
        account: Option<&str>,
    ) -> Result<Self, PackageError> {
        Self::try_start(program, package, account).map_err(|error| {
            let why = of_io(&error);
            PackageError::told(
                Fault::Machine,
                &format!("starting the unpacking process: {why}"),
                &format!(
                    "démarrage du processus de décompression : {}",
                    why.to(Language::Fr)
                ),
            )
        })
    }

    fn try_start(program: &Path, package: &File, run_as: Option<&str>) -> io::Result<Self> {
        let again = Again::new(package)?;
        let (mut socket, theirs) = UnixStream::pair()?;
        let mut command = Command::new(program);
        command.arg("unwrap").env_clear().current_dir("/");
        // All that it says comes through the socket: a terminal is none of its descriptors, it may have
        // been taken over.
        command.stdin(OwnedFd::from(theirs));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // A terminal that goes away signals the group of whoever asked; this one ends with the
        // updater and not before.
        command.process_group(0);
        if let Some(name) = run_as {
            let passwd = std::fs::read_to_string("/etc/passwd")?;
            let (user, group) =
                account(&passwd, name).ok_or_else(|| io::Error::other(Spoken(no_account(name))))?;
            // Together these also drop every other group, and with root every capability.
            command.uid(user).gid(group);
        }
        // It waits in the socket: once the process is there, nothing fails that would leave it behind.
        frame::send(&mut socket, Kind::Package, &[], &[package.as_fd()])?;
        let child = command.spawn()?;
        Ok(Self {
            child,
            socket,
            again,
            body: 0,
            patience: None,
            stuck: false,
        })
    }

    /// Waits for the head no longer than `limit`.
    #[must_use]
    pub const fn with_patience(mut self, limit: Duration) -> Self {
        self.patience = Some(limit);
        self
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn receive(&mut self) -> Result<Frame, PackageError> {
        let frame = frame::receive(&mut self.socket);
        match frame {
            Ok(Some(frame)) => unless_wrong(frame),
            Ok(None) => Err(self.died()),
            // It ended with what it was sent unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(self.died()),
            Err(error) if frame::is_late(&error) => {
                self.stuck = true;
                Err(PackageError::Silent)
            }
            Err(source) => Err(not_understood(&Said::same(source))),
        }
    }

    fn died(&mut self) -> PackageError {
        let how = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        PackageError::told(
            Fault::Machine,
            &format!("the unpacking process ended before its time ({how})"),
            &format!("le processus de décompression s'est arrêté ({how})"),
        )
    }
}

impl Unpacker for Sandboxed {
    fn envelope(&mut self) -> Result<Envelope, PackageError> {
        let limit = |socket: &UnixStream, limit| {
            let set = socket.set_read_timeout(limit);
            set.map_err(|error| not_understood(&Said::same(error)))
        };
        limit(&self.socket, self.patience)?;
        let frame = self.receive()?;
        limit(&self.socket, None)?;
        let envelope = head(&frame)?;
        self.body = envelope.length;
        Ok(envelope)
    }

    fn check_body(
        &mut self,
        header: &Header,
        note: &mut dyn FnMut(Bytes),
    ) -> Result<(), PackageError> {
        let Some(mut again) = self.again.take() else {
            return Ok(());
        };
        again.at += self.body;
        chunks::compare(header, &mut again, note)
    }

    fn unpack(
        &mut self,
        _header: &Header,
        base: Option<&OpenSlot>,
        slot: Option<&mut OpenSlot>,
        note: &mut dyn FnMut(Bytes),
    ) -> Result<Unpacked, PackageError> {
        let slot = slot.as_deref();
        let go = Go {
            target: slot.map(facts).unwrap_or_default(),
            base: base.map(facts).unwrap_or_default(),
        };
        let descriptors: Vec<BorrowedFd<'_>> = slot
            .into_iter()
            .chain(base)
            .flat_map(OpenSlot::descriptors)
            .collect();
        let text = serde_json::to_vec(&go).unwrap_or_default();
        if frame::send(&mut self.socket, Kind::Go, &text, &descriptors).is_err() {
            return Err(self.died());
        }
        listen(&mut || self.receive(), note)
    }

    fn end(&mut self) {
        // It cannot have started another: see `sandbox`. One that has ended cannot be killed.
        let _ = self.child.kill();
        // One that a disc holds ends when the disc lets it go: init takes it over from this program.
        if !self.stuck {
            let _ = self.child.wait();
        }
    }
}

impl Drop for Sandboxed {
    fn drop(&mut self) {
        // It may be waiting for a package that never comes.
        self.end();
    }
}

/// The frame, unless it says what went wrong.
///
/// # Errors
/// What it says.
pub fn unless_wrong(frame: Frame) -> Result<Frame, PackageError> {
    match frame.kind {
        Kind::Wrong => Err(told(&frame.bytes)),
        _ => Ok(frame),
    }
}

/// What the process says first: the head of the package. It is not authenticated yet.
///
/// # Errors
/// It is none.
pub fn head(frame: &Frame) -> Result<Envelope, PackageError> {
    if frame.kind != Kind::Head {
        return Err(not_understood(&both(
            "no head came",
            "aucune tête n'est venue",
        )));
    }
    Envelope::read(&mut &frame.bytes[..])
}

/// What the process says once it unpacks: how far it is, and at last what it has unpacked.
///
/// # Errors
/// What `receive` says, or something else came.
pub fn listen(
    receive: &mut dyn FnMut() -> Result<Frame, PackageError>,
    note: &mut dyn FnMut(Bytes),
) -> Result<Unpacked, PackageError> {
    let mut written = None;
    loop {
        let frame = receive()?;
        match (frame.kind, <[u8; 8]>::try_from(&frame.bytes[..])) {
            (Kind::Done, Ok(done)) => note(Bytes::new(u64::from_le_bytes(done))),
            (Kind::Written, Ok([s0, s1, s2, s3, boot @ ..])) => {
                written = Some(Slots {
                    system: u32::from_le_bytes([s0, s1, s2, s3]),
                    boot: u32::from_le_bytes(boot),
                });
            }
            (Kind::Manifest, _) => {
                let manifest = Manifest::parse(&frame.bytes)?;
                return Ok(Unpacked { manifest, written });
            }
            _ => {
                return Err(not_understood(&both(
                    "neither progress nor a manifest came",
                    "ni avancement ni manifeste ne sont venus",
                )));
            }
        }
    }
}

fn facts(slot: &OpenSlot) -> Vec<DeviceFacts> {
    let facts = |role| {
        let device = slot.devices.of(role);
        DeviceFacts {
            name: device.name().to_owned(),
            size: device.size(),
            sector: device.sector_size().bytes().get(),
        }
    };
    Role::ALL.map(facts).into()
}

/// What the process says is as good as what a package says: it may have been taken over.
fn told(bytes: &[u8]) -> PackageError {
    match serde_json::from_slice(bytes) {
        Ok(Wrong {
            fault,
            english,
            french,
        }) => PackageError::told(fault, &english, &french),
        Err(error) => not_understood(&Said::same(error)),
    }
}

fn no_account(name: &str) -> Said {
    both(
        format!("there is no account {name}"),
        format!("le compte {name} n'existe pas"),
    )
}

fn not_understood(why: &Said) -> PackageError {
    PackageError::told(
        Fault::Machine,
        &format!("the unpacking process cannot be understood: {why}"),
        &format!(
            "le processus de décompression est incompréhensible : {}",
            why.to(Language::Fr)
        ),
    )
}

/// User and group number of an account in passwd(5).
fn account(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == name)?
        .into_iter()
        .skip(2);
    let mut number = || fields.next()?.parse().ok().filter(|number| *number != 0);
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::LONGEST_REASON;

    #[test]
    fn what_the_process_says_is_bounded_and_does_nothing_to_a_screen() {
        let wrong = Wrong {
            fault: Fault::Package,
            english: "\x1b[2Jwrong\n".repeat(100_000),
            french: "faux\x07".repeat(100_000),
        };
        let error = told(&serde_json::to_vec(&wrong).unwrap());
        for words in [error.to_string(), error.french()] {
            assert_eq!(words.chars().count(), LONGEST_REASON);
            assert!(!words.chars().any(char::is_control));
        }
        let unknown = format!(r#"{{"fault":"pac\u001b[2J{}"}}"#, "k".repeat(100_000));
        for bytes in [b"{", unknown.as_bytes()] {
            let error = told(bytes);
            assert!(error.to_string().contains("cannot be understood"));
            assert_eq!(error.fault(), Fault::Machine);
            for words in [error.to_string(), error.french()] {
                assert!(words.chars().count() <= LONGEST_REASON);
                assert!(!words.chars().any(char::is_control), "{words:?}");
            }
        }
    }

    #[test]
    fn a_process_that_ends_at_once_is_waited_for() {
        let package = tempfile::tempfile().unwrap();
        for _ in 0..20 {
            let mut started = Sandboxed::start(Path::new("/bin/true"), &package, None).unwrap();
            let error = started.envelope().unwrap_err().to_string();
            assert!(error.contains("ended before its time"), "{error}");
            let gone = rustix::process::Pid::from_child(&started.child);
            assert!(rustix::process::test_kill_process(gone).is_err());
        }
    }

    #[test]
    fn no_terminal_is_in_its_reach() {
        let package = tempfile::tempfile().unwrap();
        // It does not end by itself.
        let started = Sandboxed::start(Path::new("/usr/bin/yes"), &package, None).unwrap();
        for descriptor in [1, 2] {
            let path = format!("/proc/{}/fd/{descriptor}", started.id());
            assert_eq!(std::fs::read_link(path).unwrap(), Path::new("/dev/null"));
        }
    }

    #[test]
    fn accounts_are_never_root() {
        let passwd = "root:x:0:0::/root:/bin/bash\nvigie-unwrap:x:121:122::/:/x\nbad:x:0:1::/:/x\n";
        assert_eq!(account(passwd, "vigie-unwrap"), Some((121, 122)));
        assert_eq!(account(passwd, "root"), None);
        assert_eq!(account(passwd, "bad"), None);
        assert_eq!(account(passwd, "vigie"), None);
        assert_eq!(account("", "x"), None);
    }
}
