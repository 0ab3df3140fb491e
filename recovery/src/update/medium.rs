//! The system of the booted medium as what is installed: its images, and a header that says of
//! them what a package's would.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use vigie_disk::Bytes;
use vigie_installer::payload::{self, Payload};
use vigie_settings::Said;
use vigie_update::apply::target::OpenSlot;
use vigie_update::apply::{Opened, Unpacker};
use vigie_update::machine::{Machine, OS_RELEASE, below, field};
use vigie_update::package::envelope::Envelope;
use vigie_update::package::error::Fault;
use vigie_update::package::header::{CHUNK_SMALL, ImageDigest};
use vigie_update::package::manifest::{FORMAT, Role};
use vigie_update::package::member::{Slots, Unpacked};
use vigie_update::package::{Header, Manifest, PackageError};
use vigie_update::writer;

/// The medium's system.
pub struct Medium {
    payload: Payload,
    header: Header,
}

impl Medium {
    /// Takes the payload of the medium whose running system has its root at `root`.
    ///
    /// # Errors
    /// The payload is not of that system.
    pub fn open(payload: Payload, root: &Path) -> Result<Self> {
        let path = below(root, OS_RELEASE);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let machine = Machine::from_os_release(&text)?;
        let manifest = payload.manifest();
        ensure!(
            manifest.version == machine.version,
            "the medium runs {} and carries {}; write it anew",
            machine.version,
            manifest.version
        );
        let image = |role: payload::Role| -> Result<ImageDigest> {
            let member = payload.member(role)?;
            Ok(ImageDigest {
                size: member.size,
                sha256: member.sha256.0,
            })
        };
        let header = Header {
            product: machine.product,
            arch: machine.arch,
            hardware: vec![machine.hardware],
            version: machine.version,
            min_from: field(&text, "VIGIE_MIN_FROM")?
                .parse()
                .context("VIGIE_MIN_FROM")?,
            security_epoch: machine.security_epoch,
            build_time: manifest.build_time,
            base: None,
            system: image(payload::Role::System)?,
            boot: image(payload::Role::Boot)?,
            body: 0,
            chunk: CHUNK_SMALL,
            chunks: Vec::new(),
        };
        Ok(Self { payload, header })
    }

    /// What it is. Nobody's signature is asked for: the firmware has started it, and it is running.
    pub fn opened(&self) -> Opened {
        Opened {
            header: self.header.clone(),
            id: hex::encode(Sha256::digest(self.header.encode())),
        }
    }
}

impl Unpacker for Medium {
    fn envelope(&mut self) -> Result<Envelope, PackageError> {
        Err(PackageError::Foreign(Said::new(
            "the medium's system has no envelope".to_owned(),
            "le système du support n'a pas d'enveloppe".to_owned(),
        )))
    }

    fn unpack(
        &mut self,
        header: &Header,
        _base: Option<&OpenSlot>,
        slot: Option<&mut OpenSlot>,
        note: &mut dyn FnMut(Bytes),
    ) -> Result<Unpacked, PackageError> {
        let Some(slot) = slot else {
            return Ok(unpacked(None));
        };
        let mut written = Slots { system: 0, boot: 0 };
        let mut before = Bytes::ZERO;
        for (role, member) in [
            (Role::System, payload::Role::System),
            (Role::Boot, payload::Role::Boot),
        ] {
            let size = header.image(role).size;
            let reader = self.payload.reader(member);
            let mut reader = reader.map_err(|error| {
                let french = format!("lecture du support : {error:#}");
                PackageError::told(Fault::Machine, &format!("{error:#}"), &french)
            })?;
            let note = &mut |done| note(before + done);
            *written.of_mut(role) =
                writer::copy_image(&mut reader, size, slot.devices.of_mut(role), note)?;
            before += size;
        }
        Ok(unpacked(Some(written)))
    }
}

fn unpacked(written: Option<Slots<u32>>) -> Unpacked {
    let manifest = Manifest {
        format: FORMAT,
        changelog: Default::default(),
        members: Vec::new(),
    };
    Unpacked { manifest, written }
}
