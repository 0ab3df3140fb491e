//! The unpacking process as it runs on an appliance.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use vigie_disk::device::BlockDevice;
use vigie_disk::{Bytes, FileDevice, SectorSize};
use vigie_update::apply::sandboxed::Sandboxed;
use vigie_update::apply::target::{OpenSlot, Target};
use vigie_update::apply::{self, ApplyError, Phase, Unpacker};
use vigie_update::doors::found;
use vigie_update::package::member::Slots;
use vigie_update::package::{Header, PackageError};
use vigie_update::{BootState, Slot};

use crate::support::{ROOM, context, file, holds, images, keys, package, package_with};

const EIO: i32 = 5;
const PROGRAM: &str = env!("CARGO_BIN_EXE_vigie-update");

/// Slots in files.
struct Files {
    folder: tempfile::TempDir,
    state: BootState,
    fault: Option<Fault>,
}

/// What the disk does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// It takes no write: the unpacking process is told so by its kernel.
    Write,
    /// It cannot be read back.
    Read,
    /// It loses a bit of what is written to it.
    Bit,
}

/// A disk that reads differently from how it was written, or not at all.
struct Failing(FileDevice, Fault);

impl BlockDevice for Failing {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn size(&self) -> Bytes {
        self.0.size()
    }
    fn sector_size(&self) -> SectorSize {
        self.0.sector_size()
    }
    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> vigie_disk::Result<()> {
        if self.1 == Fault::Read {
            return Err(vigie_disk::Error::Io {
                doing: "reading",
                device: self.0.name().to_owned(),
                offset: offset.get(),
                error: std::io::Error::from_raw_os_error(EIO),
            });
        }
        self.0.read_at(offset, buffer)?;
        buffer[buffer.len() / 2] ^= 4;
        Ok(())
    }
    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> vigie_disk::Result<()> {
        self.0.write_at(offset, data)
    }
    fn flush(&mut self) -> vigie_disk::Result<()> {
        self.0.flush()
    }
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for slot in Slot::BOTH {
            let (system, boot) = if slot == Slot::A {
                images(1)
            } else {
                Default::default()
            };
            for (name, bytes, room) in [
                (slot.system_partition(), system, ROOM.0),
                (slot.boot_partition(), boot, ROOM.1),
            ] {
                file(folder.path(), name, &bytes)
                    .set_len(room.get())
                    .unwrap();
            }
        }
        let mut state = BootState::default();
        state.mark_good(Slot::A);
        Self {
            folder,
            state,
            fault: None,
        }
    }

    fn device(&self, name: &str) -> FileDevice {
        FileDevice::open(&self.folder.path().join(name), SectorSize::S512).unwrap()
    }
}

impl Target for Files {
    fn load(&self) -> Result<BootState, ApplyError> {
        Ok(self.state.clone())
    }
    fn save(&mut self, state: &BootState) -> Result<(), ApplyError> {
        self.state = state.clone();
        Ok(())
    }
    fn open(&mut self, slot: Slot, _: bool) -> Result<OpenSlot, ApplyError> {
        let system = match self.fault {
            Some(Fault::Write) => full(),
            _ => self.device(slot.system_partition()),
        };
        let boot = self.device(slot.boot_partition());
        let files = Slots {
            system: system.file().try_clone().unwrap(),
            boot: boot.file().try_clone().unwrap(),
        };
        Ok(OpenSlot {
            devices: Slots {
                system: match self.fault {
                    Some(fault) => Box::new(Failing(system, fault)),
                    None => Box::new(system),
                },
                boot: Box::new(boot),
            },
            files: Some(files),
        })
    }
}

/// Every write to it fails.
fn full() -> FileDevice {
    let mut options = File::options();
    let file = options.read(true).write(true).open("/dev/full").unwrap();
    FileDevice::of(file, "full".into(), ROOM.0, SectorSize::S512)
}

fn start(package: &File) -> Sandboxed {
    Sandboxed::start(Path::new(PROGRAM), package, None).unwrap()
}

fn update(files: &mut Files, package: &File) -> Result<Vec<u64>, ApplyError> {
    let mut unpacker = start(package);
    let opened = apply::open(&mut unpacker, &keys())?;
    let mut told = Vec::new();
    let note = &mut |_, done: Bytes, _| told.push(done.get());
    let forget = &mut |_, _| ();
    apply::apply(&opened, &context(), &mut unpacker, files, forget, note)?;
    Ok(told)
}

#[test]
fn a_package_goes_through_the_unpacking_process_from_a_file_and_from_a_pipe() {
    for (base, piped) in [
        (None, false),
        (None, true),
        (Some(1), false),
        (Some(1), true),
    ] {
        let bytes = package(2, base);
        let mut files = Files::new();
        let told = if piped {
            let (reader, mut writer) = std::io::pipe().unwrap();
            let feeder = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
            let told = update(&mut files, &std::os::fd::OwnedFd::from(reader).into()).unwrap();
            feeder.join().unwrap().unwrap();
            told
        } else {
            let dir = tempfile::tempdir().unwrap();
            file(dir.path(), "package", &bytes);
            let opened = File::open(dir.path().join("package")).unwrap();
            update(&mut files, &opened).unwrap()
        };
        let (system, boot) = (files.device("system-b"), files.device("boot-b"));
        assert_eq!(holds(&system, &boot, &[2]), Some(2));
        assert_eq!(
            (files.state.first, files.state.slot(Slot::B).tries),
            (Slot::B, 3)
        );
        let total = images(2).0.len() + images(2).1.len();
        assert_eq!(told.last(), Some(&(total as u64)));
    }
}

#[test]
fn what_is_wrong_is_told_in_both_languages_through_the_socket() {
    let bytes = package(2, None);
    let mut changed = bytes.clone();
    let last = changed.len() - 3;
    changed[last] ^= 1;
    let dir = tempfile::tempdir().unwrap();
    for (bytes, english, french) in [
        (
            &bytes[..bytes.len() - 1],
            "the package ends at byte",
            "le paquet s'arrête",
        ),
        (&changed, "is damaged in chunk", "abîmé au morceau"),
        (
            &b"not a package"[..],
            "this is no update package",
            "n'est pas un paquet",
        ),
        (&[], "it is empty", "n'est pas un paquet"),
    ] {
        file(dir.path(), "package", bytes);
        let package = File::open(dir.path().join("package")).unwrap();
        let mut files = Files::new();
        files.state.mark_good(Slot::B);
        let before = files.state.clone();
        let error = update(&mut files, &package).unwrap_err();
        assert!(error.to_string().contains(english), "{error}");
        assert!(error.french().contains(french), "{}", error.french());
        assert!(error.is_refusal() && files.state == before, "{error}");
    }
}

#[test]
fn the_maker_is_blamed_for_an_image_that_is_not_as_its_header_says() {
    let dir = tempfile::tempdir().unwrap();
    for role in ["system", "boot"] {
        let wrong = |header: &mut Header| match role {
            "system" => header.system.sha256[5] ^= 1,
            _ => header.boot.sha256[5] ^= 1,
        };
        let package = package_with(wrong, dir.path());
        let mut files = Files::new();
        let error = update(&mut files, &package).unwrap_err();
        assert!(!error.is_refusal(), "{error}");
        let words = error.to_string();
        assert!(words.contains("was made wrongly"), "{words}");
        assert!(words.contains("no version to go back to"), "{words}");
        assert!(words.contains(role) && words.contains("sha256"), "{words}");
        assert!(error.french().contains("mal fabriqué"), "{error}");
        assert!(!files.state.slot(Slot::B).good && files.state.first == Slot::A);
    }
}

/// The reason itself is no refusal: neither is what the unpacking process says of the disk.
#[test]
fn c69_c70_c71_a_failing_slot_is_blamed_and_not_the_package() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "package", &package(2, None));
    for (fault, words) in [
        (Fault::Write, "No space left"),
        (Fault::Read, "Input/output error"),
        (Fault::Bit, "the disk is failing"),
    ] {
        let mut files = Files::new();
        files.fault = Some(fault);
        let package = File::open(dir.path().join("package")).unwrap();
        let error = update(&mut files, &package).unwrap_err();
        assert!(!error.is_refusal(), "{error}");
        assert!(error.to_string().contains(words), "{fault:?}: {error}");
        let ApplyError::Unfinished { why, .. } = error else {
            panic!("{fault:?}: {error}");
        };
        assert!(!why.is_refusal(), "{fault:?}: {why}");
    }
}

/// A disc on which a read does not end.
#[test]
fn a_head_is_not_waited_for_without_end() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let opened = File::from(OwnedFd::from(reader));
    let mut unpacker = start(&opened).with_patience(Duration::from_millis(1));
    let error = found::head(&mut unpacker, &keys()).unwrap_err();
    assert!(matches!(error, PackageError::Silent), "{error}");
    assert!(error.to_string().contains("medium does not answer"));
    assert!(error.french().contains("support ne répond pas"));
    // One that answers in time may take its time with the rest.
    let bytes = package(2, None);
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&bytes[..64 << 10]).unwrap();
    let opened = File::from(OwnedFd::from(reader));
    let mut unpacker = start(&opened).with_patience(Duration::from_secs(60));
    let head = found::head(&mut unpacker, &keys()).unwrap();
    assert_eq!(head.length, bytes.len() as u64);
}

/// As the kernel does where memory runs out.
#[test]
fn an_unpacking_process_that_is_killed_refuses_no_package() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // The head, and then nothing, so that it is there to be killed.
    writer.write_all(&package(2, None)[..64 << 10]).unwrap();
    let package = File::from(OwnedFd::from(reader));
    let mut unpacker = start(&package);
    let opened = apply::open(&mut unpacker, &keys()).unwrap();
    let number = i32::try_from(unpacker.id()).unwrap();
    let process = rustix::process::Pid::from_raw(number).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    let checked = unpacker.unpack(&opened.header, None, None, &mut |_| ());
    let error = ApplyError::from(checked.unwrap_err());
    assert!(error.to_string().contains("signal: 9"), "{error}");
    assert!(!error.is_refusal(), "{error}");
}

#[test]
fn a_refusal_does_not_wait_for_the_rest_of_a_slow_package() {
    let dir = tempfile::tempdir().unwrap();
    // What is wrong stands in the first chunk of five.
    let wrong = |header: &mut Header| header.system.size += Bytes::new(512);
    let mut package = package_with(wrong, dir.path());
    let mut bytes = Vec::new();
    package.read_to_end(&mut bytes).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let slow = thread::spawn(move || {
        // The head and the first chunk; then nothing comes, and nothing ends.
        writer.write_all(&bytes[..(1 << 20) + (32 << 10)]).unwrap();
        writer
    });
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || {
        let package = File::from(OwnedFd::from(reader));
        let error = update(&mut Files::new(), &package).unwrap_err();
        let _ = answer.send(error.to_string());
    });
    let _open = slow.join().unwrap();
    let words = answered.recv_timeout(Duration::from_secs(60));
    let words = words.expect("no answer while the package is still coming");
    assert!(words.contains("its header says"), "{words}");
}

#[test]
fn c57_what_unpacked_has_ended_before_the_slot_is_compared() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "package", &package(2, None));
    let package = File::open(dir.path().join("package")).unwrap();
    let mut unpacker = start(&package);
    let process = format!("/proc/{}", unpacker.id());
    let opened = apply::open(&mut unpacker, &keys()).unwrap();
    let mut seen = (0, 0);
    let note = &mut |phase, _, _| match (phase, Path::new(&process).exists()) {
        (Phase::ReadBack, false) => seen.0 += 1,
        (Phase::ReadBack, true) => seen.1 += 1,
        _ => {}
    };
    let (files, forget) = (&mut Files::new(), &mut |_, _| ());
    apply::apply(&opened, &context(), &mut unpacker, files, forget, note).unwrap();
    assert!(seen.0 > 0 && seen.1 == 0, "{seen:?}");
}

#[test]
fn the_unpacking_process_is_in_no_session_that_can_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "package", &package(2, None));
    let package = File::open(dir.path().join("package")).unwrap();
    let unpacker = start(&package);
    let number = i32::try_from(unpacker.id()).unwrap();
    let group = rustix::process::getpgid(rustix::process::Pid::from_raw(number)).unwrap();
    assert_eq!(group.as_raw_nonzero().get(), number);
}

/// Nobody reads what is said any more: neither the words of a success nor those of an error.
#[test]
fn a_reader_that_has_gone_changes_no_outcome() {
    for (command, code) in [("auto", 0), ("status", 1)] {
        let gone = || {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            writer
        };
        let mut program = Command::new(PROGRAM);
        program.arg(command).stdout(gone()).stderr(gone());
        let status = program.status().unwrap();
        assert_eq!(status.code(), Some(code), "{command}: {status}");
    }
}

#[test]
fn a_process_that_is_not_ours_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "package", b"x");
    let package = File::open(dir.path().join("package")).unwrap();
    let mut foreign = Sandboxed::start(Path::new("/bin/true"), &package, None).unwrap();
    let ended = foreign.envelope().unwrap_err();
    let nowhere = Sandboxed::start(Path::new("/nowhere"), &package, None).unwrap_err();
    let nobody = Sandboxed::start(Path::new(PROGRAM), &package, Some("no-such-account"));
    for (error, words) in [
        (ended, "ended before its time"),
        (nowhere, "No such file"),
        (nobody.unwrap_err(), "no account"),
    ] {
        let error = ApplyError::from(error);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.is_refusal(), "{error}");
    }
}

/// Memory of the unpacking process for a package of 64 MiB (issue: at most 16 MB).
#[test]
fn c92_memory_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let images = [("system", 48 << 20), ("boot", 16 << 20)].map(|(name, length)| {
        file(dir.path(), name, &crate::support::noise(length, 9));
        dir.path().join(name)
    });
    let package = crate::support::package_of(&images, dir.path());
    // On a busy machine the process may have ended before it is looked at: that tells nothing.
    let measured = (0..20).map(|_| peak(&package));
    let peak = measured.flatten().next().unwrap();
    println!("the unpacking process took {peak} kB at most");
    assert!((1000..16_000).contains(&peak), "{peak} kB");
}

/// The most memory in kB that the process had, where it was seen in its last quarter.
fn peak(mut package: &File) -> Option<u64> {
    package.rewind().unwrap();
    let mut unpacker = start(package);
    let opened = apply::open(&mut unpacker, &keys()).unwrap();
    let total = opened.header.total().get();
    let status = format!("/proc/{}/status", unpacker.id());
    let mut peak = None;
    let note = &mut |done: Bytes| {
        // It has gone when the last is told.
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        if done.get() > total / 4 * 3 {
            peak = peak.max(found);
        }
    };
    unpacker.unpack(&opened.header, None, None, note).unwrap();
    peak
}
