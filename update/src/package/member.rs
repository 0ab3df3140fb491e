//! Images out of a package, into the devices of a slot.

use std::io::{BufReader, Read};
use std::thread;

use vigie_disk::Bytes;
use vigie_disk::device::BlockDevice;
use vigie_settings::Said;

use super::body;
use super::chunks::{self, Chunks};
use super::delta::Patched;
use super::error::PackageError;
use super::header::{Base, Header, ImageDigest};
use super::manifest::{Encoding, Manifest, Member, Role};
use crate::spoken::both;
use crate::writer::{self, WriteError};

/// Largest zstd window that is accepted, as a power of two: 8 MiB.
const WINDOW_LOG: u32 = 23;
/// What is read from a delta's stream at once.
const STREAM_BUFFER: usize = 64 << 10;

/// The devices of one slot, or something of each.
#[derive(Clone, Copy, Debug)]
pub struct Slots<D> {
    /// The system partition.
    pub system: D,
    /// The boot partition.
    pub boot: D,
}

impl<D> Slots<D> {
    /// The device of a role.
    pub const fn of(&self, role: Role) -> &D {
        match role {
            Role::System => &self.system,
            Role::Boot => &self.boot,
        }
    }

    /// The device of a role.
    pub const fn of_mut(&mut self, role: Role) -> &mut D {
        match role {
            Role::System => &mut self.system,
            Role::Boot => &mut self.boot,
        }
    }
}

impl Header {
    /// The image of a role.
    #[must_use]
    pub const fn image(&self, role: Role) -> &ImageDigest {
        match role {
            Role::System => &self.system,
            Role::Boot => &self.boot,
        }
    }
}

impl Base {
    /// The image of a role.
    #[must_use]
    pub const fn image(&self, role: Role) -> &ImageDigest {
        match role {
            Role::System => &self.system,
            Role::Boot => &self.boot,
        }
    }
}

/// Where the bytes of a package go.
pub enum Sink<'a> {
    /// Into a slot.
    Slot(&'a mut Slots<Box<dyn BlockDevice>>),
    /// Nowhere: the package is only checked.
    Nowhere,
}

/// What came out of a body.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// Its manifest.
    pub manifest: Manifest,
    /// CRC-32 of what was written; none where nothing was.
    pub written: Option<Slots<u32>>,
}

/// Unpacks an authenticated package's body: `input` stands at its first byte.
///
/// Every chunk is hashed before it is unpacked. The devices are neither flushed nor read back:
/// that is for whoever trusts this the least. `note` is told the image bytes done of
/// [`Header::total`].
///
/// # Errors
/// What is wrong with the package; a device that refuses. It is answered only when a read of
/// `input` that is under way has ended: [`unpack_chunks`] is for those who cannot wait.
pub fn unpack(
    header: &Header,
    input: &mut (dyn Read + Send),
    base: Option<&Slots<Box<dyn BlockDevice>>>,
    sink: Sink<'_>,
    note: &mut dyn FnMut(Bytes),
) -> Result<Unpacked, PackageError> {
    let (chunks, feeder) = chunks::channel();
    thread::scope(|scope| {
        scope.spawn(move || feeder.run(header, input));
        unpack_chunks(header, chunks, base, sink, note)
    })
}

/// As [`unpack`], from chunks that a thread of the caller reads.
///
/// # Errors
/// What is wrong with the package, as soon as it is known; a device that refuses.
pub fn unpack_chunks(
    header: &Header,
    chunks: Chunks,
    base: Option<&Slots<Box<dyn BlockDevice>>>,
    mut sink: Sink<'_>,
    note: &mut dyn FnMut(Bytes),
) -> Result<Unpacked, PackageError> {
    let mut before = Bytes::ZERO;
    let mut written = Slots { system: 0, boot: 0 };
    let manifest = body::walk(chunks, |manifest, index, member| {
        let member_of = &manifest.members[index];
        check_member(header, member_of)?;
        let image = header.image(member_of.role);
        let note = &mut |done| note(before + done);
        if let Sink::Slot(slots) = &mut sink {
            let base = base.zip(header.base.as_ref()).map(|(devices, base)| {
                let role = member_of.role;
                (&**devices.of(role), base.image(role).size)
            });
            let target = slots.of_mut(member_of.role);
            *written.of_mut(member_of.role) =
                write(member_of, member, image.size, base, target, note)?;
        } else {
            // Reading it proves the chunks; what it would become is for the slot to show.
            std::io::copy(member, &mut std::io::sink())
                .map_err(|error| PackageError::from_io(error, &Said::same(&member_of.name)))?;
            note(image.size);
        }
        before += image.size;
        Ok(())
    })?;
    let written = matches!(sink, Sink::Slot(_)).then_some(written);
    Ok(Unpacked { manifest, written })
}

/// What of a member can be held against the header before it is unpacked.
fn check_member(header: &Header, member: &Member) -> Result<(), PackageError> {
    let (name, size) = (&member.name, header.image(member.role).size);
    let (found, size) = (member.size.get(), size.get());
    match member.encoding {
        Encoding::Plain if found != size => Err(PackageError::content(
            format!("the image {name} has {found} bytes, its header says {size}"),
            format!("l'image {name} a {found} octets, son en-tête dit {size}"),
        )),
        Encoding::Delta if header.base.is_none() => Err(PackageError::content(
            "a delta member without a base in its header",
            "un membre de différences sans base dans son en-tête",
        )),
        _ => Ok(()),
    }
}

fn write(
    member_of: &Member,
    member: &mut dyn Read,
    size: Bytes,
    base: Option<(&dyn BlockDevice, Bytes)>,
    target: &mut dyn BlockDevice,
    note: &mut dyn FnMut(Bytes),
) -> Result<u32, PackageError> {
    let (written, mut rest) = match member_of.encoding {
        Encoding::Plain => return copy(member, size, target, note),
        Encoding::Zstd => {
            let mut frame = zstd_reader(member)?;
            (copy(&mut frame, size, target, note)?, frame.finish())
        }
        Encoding::Delta => {
            let Some((base, length)) = base else {
                return Err(PackageError::content(
                    "a delta member without a base",
                    "un membre de différences sans base",
                ));
            };
            let mut stream = BufReader::with_capacity(STREAM_BUFFER, zstd_reader(member)?);
            let mut image = Patched::new(&mut stream, base, length);
            let written = copy(&mut image, size, target, note)?;
            (written, stream.into_inner().finish())
        }
    };
    // The decoder may have taken more from the member than its frame.
    body::expect_end(&mut rest, &member_of.name)?;
    Ok(written)
}

/// Exactly one frame, with a bounded window.
fn zstd_reader(
    member: &mut dyn Read,
) -> Result<zstd::Decoder<'static, BufReader<&mut dyn Read>>, PackageError> {
    let broken = |error| PackageError::from_io(error, &both("its zstd frame", "son flux zstd"));
    let mut decoder = zstd::Decoder::new(member).map_err(broken)?.single_frame();
    decoder.window_log_max(WINDOW_LOG).map_err(broken)?;
    Ok(decoder)
}

fn copy(
    image: &mut dyn Read,
    size: Bytes,
    target: &mut dyn BlockDevice,
    note: &mut dyn FnMut(Bytes),
) -> Result<u32, PackageError> {
    let written = writer::copy_image(image, size, target, note).map_err(|error| match error {
        WriteError::Source { error, .. } => {
            PackageError::from_io(error, &both("an image in it", "une de ses images"))
        }
        other => PackageError::Write(other),
    })?;
    match image.read(&mut [0]) {
        Ok(0) => Ok(written),
        Ok(_) => Err(PackageError::content(
            "an image in it is longer than its header says",
            "une de ses images est plus longue que ne le dit son en-tête",
        )),
        Err(error) => {
            let doing = both("the end of an image in it", "la fin d'une de ses images");
            Err(PackageError::from_io(error, &doing))
        }
    }
}

/// Checks that devices hold the images that a delta package builds on.
///
/// # Errors
/// They do not.
pub fn check_base(header: &Header, base: &Slots<Box<dyn BlockDevice>>) -> Result<(), PackageError> {
    let Some(expected) = &header.base else {
        return Ok(());
    };
    for role in Role::ALL {
        let (device, image) = (base.of(role), expected.image(role));
        let same = image.size <= device.size()
            && writer::digest(device, image.size, &mut |_| {})? == image.sha256;
        if !same {
            return Err(PackageError::Base {
                base: expected.version,
                image: role,
            });
        }
    }
    Ok(())
}

/// Flushes a written slot and compares it with the signed header, image by image. `written` is
/// what [`unpack`] says of it: it only tells who is to blame where they differ.
///
/// # Errors
/// It does not hold what was signed: the maker of the package, or the disk.
pub fn read_back(
    header: &Header,
    slots: &mut Slots<Box<dyn BlockDevice>>,
    written: Option<&Slots<u32>>,
    note: &mut dyn FnMut(Bytes),
) -> Result<(), PackageError> {
    for role in Role::ALL {
        slots.of_mut(role).flush()?;
    }
    let mut before = Bytes::ZERO;
    for role in Role::ALL {
        let image = header.image(role);
        let note = &mut |done| note(before + done);
        let written = written.map(|written| *written.of(role));
        writer::check_image(slots.of_mut(role), image.size, &image.sha256, written, note)
            .map_err(|error| blame(error, role))?;
        before += image.size;
    }
    Ok(())
}

/// Every chunk was authenticated: an image that is wrong was wrong before it was signed.
fn blame(error: WriteError, role: Role) -> PackageError {
    match error {
        WriteError::WrongImage { found, expected } => PackageError::Image {
            image: role,
            found,
            expected,
        },
        other => other.into(),
    }
}
