//! The older package that a delta package builds on.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use vigie_disk::{BlockDevice, FileDevice, SectorSize};
use vigie_update::Version;
use vigie_update::package::envelope::Envelope;
use vigie_update::package::header::Header;
use vigie_update::package::manifest::Role;
use vigie_update::package::member::{self, Sink, Slots};
use vigie_update::package::signature::Keyring;

/// A full package, unpacked: what the machines have that run its version.
#[derive(Debug)]
pub struct Base {
    /// What it says of itself.
    pub header: Header,
    /// Its system image.
    pub system: PathBuf,
    /// Its boot image.
    pub boot: PathBuf,
}

impl Base {
    /// Checks a package's signatures and unpacks its images into the folder `to`. One signature by
    /// a known key is enough: it was released once.
    ///
    /// # Errors
    /// No package, not signed by a known key, damaged, or itself a delta package; a full disk.
    pub fn unpack(package: &Path, known: &Keyring, to: &Path) -> Result<Self> {
        Self::read(package, known, to)
            .with_context(|| format!("using {} as the base", package.display()))
    }

    fn read(package: &Path, known: &Keyring, to: &Path) -> Result<Self> {
        let mut input = BufReader::new(File::open(package)?);
        let envelope = Envelope::read(&mut input)?;
        let one = Keyring {
            threshold: 1,
            ..known.clone()
        };
        one.verify(&envelope)?;
        let header = Header::parse(&envelope.signed)?;
        if let Some(base) = &header.base {
            bail!(
                "it is a delta package and holds only the changes since {}; name the full package of {}",
                base.version,
                header.version
            );
        }
        let file = |role: Role| to.join(format!("{}.img", role.name()));
        let device = |role: Role| -> Result<Box<dyn BlockDevice>> {
            let size = header.image(role).size;
            Ok(Box::new(FileDevice::create(
                &file(role),
                size,
                SectorSize::S512,
            )?))
        };
        let mut images = Slots {
            system: device(Role::System)?,
            boot: device(Role::Boot)?,
        };
        let sink = Sink::Slot(&mut images);
        let unpacked = member::unpack(&header, &mut input, None, sink, &mut |_| {})?;
        member::read_back(&header, &mut images, unpacked.written.as_ref(), &mut |_| {})?;
        Ok(Self {
            header,
            system: file(Role::System),
            boot: file(Role::Boot),
        })
    }

    /// That a package of this content can build on it.
    pub(super) fn fits(&self, product: &str, arch: &str, version: Version) -> Result<()> {
        let base = &self.header;
        ensure!(
            (base.product.as_str(), base.arch.as_str()) == (product, arch),
            "the base is {} for {}, this is {product} for {arch}",
            base.product,
            base.arch
        );
        ensure!(
            base.version < version,
            "the base has version {}, which is not older than {version}",
            base.version
        );
        Ok(())
    }
}
