//! Packages, keys and a machine in memory.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex};

use vigie_disk::device::record::{Operation, Recorder, Sequence};
use vigie_disk::device::{BlockDevice, Cursor as DeviceCursor};
use vigie_disk::{Bytes, MemoryDevice, SectorSize, fat};
use vigie_update::apply::target::{OpenSlot, Target};
use vigie_update::apply::{self, ApplyError, Unpacker};
use vigie_update::esp::{self, GRUBENV};
use vigie_update::package::envelope::Envelope;
use vigie_update::package::make::{self, BaseImages, Recipe};
use vigie_update::package::member::{Slots, Unpacked};
use vigie_update::package::signature::sign;
use vigie_update::package::{Header, Manifest, PackageError, chunks};
use vigie_update::{BootState, Slot, Version};

use crate::packages;
pub use crate::packages::{context, key, keys, noise};

/// Room of a system and a boot partition.
pub const ROOM: (Bytes, Bytes) = (Bytes::mib(4), Bytes::mib(2));

/// The images of a version: system and boot. Those of later versions share most of their bytes.
pub fn images(version: u32) -> (Vec<u8>, Vec<u8>) {
    let mut system = noise(3_000_000, 1);
    let mut boot = noise(1_200_000, 2);
    let at = 1_000_000;
    system.splice(
        at..at + 5000,
        noise(5000 + version as usize, u64::from(version)),
    );
    boot.splice(7..9, noise(40, u64::from(version)));
    (system, boot)
}

/// A package of a version, signed; a delta where there is a base.
pub fn package(version: u32, base: Option<u32>) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, version: u32| {
        let (system, boot) = images(version);
        let paths = [format!("{name}.system"), format!("{name}.boot")].map(|n| dir.path().join(n));
        std::fs::write(&paths[0], system).unwrap();
        std::fs::write(&paths[1], boot).unwrap();
        paths
    };
    let new = put("new", version);
    let old = base.map(|base| (base, put("old", base)));
    let recipe = Recipe {
        product: "vigie".into(),
        arch: "amd64".into(),
        hardware: vec!["any".into()],
        version: Version([version, 0, 0, 0]),
        min_from: Version([1, 0, 0, 0]),
        security_epoch: 0,
        build_time: 1_700_000_000,
        changelog: BTreeMap::from([("en".into(), "better".into())]),
        system: &new[0],
        boot: &new[1],
        base: old.as_ref().map(|(version, [system, boot])| BaseImages {
            version: Version([*version, 0, 0, 0]),
            system,
            boot,
        }),
    };
    let mut unsigned = make::make(&recipe, dir.path()).unwrap();
    let signature = sign(&key(), &unsigned.header.encode());
    let mut bytes = Vec::new();
    unsigned.write(&[signature], &mut bytes).unwrap();
    bytes
}

/// A device whose log can still be read after it was given away.
#[derive(Clone)]
pub struct Shared<D>(pub Arc<Mutex<D>>);

impl<D: BlockDevice> Shared<D> {
    pub fn new(device: D) -> Self {
        Self(Arc::new(Mutex::new(device)))
    }
}

impl<D: BlockDevice> BlockDevice for Shared<D> {
    fn name(&self) -> &str {
        "disk"
    }
    fn size(&self) -> Bytes {
        self.0.lock().unwrap().size()
    }
    fn sector_size(&self) -> SectorSize {
        self.0.lock().unwrap().sector_size()
    }
    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> vigie_disk::Result<()> {
        self.0.lock().unwrap().read_at(offset, buffer)
    }
    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> vigie_disk::Result<()> {
        self.0.lock().unwrap().write_at(offset, data)
    }
    fn flush(&mut self) -> vigie_disk::Result<()> {
        self.0.lock().unwrap().flush()
    }
}

/// The partitions of a machine that matter here.
#[derive(Clone)]
pub struct Disks<D> {
    pub esp: D,
    pub a: Slots2<D>,
    pub b: Slots2<D>,
}

/// [`Slots`] that can be cloned.
#[derive(Clone)]
pub struct Slots2<D> {
    pub system: D,
    pub boot: D,
}

impl Disks<MemoryDevice> {
    /// Version 1 runs from slot A, which is good; slot B holds `other`, if anything.
    pub fn new(other: Option<u32>) -> Self {
        let mut state = BootState::default();
        state.mark_good(Slot::A);
        if other.is_some() {
            state.mark_good(Slot::B);
        }
        Self {
            esp: esp_with(&state),
            a: filled(Some(1)),
            b: filled(other),
        }
    }

    /// Each wrapped in something that can be shared.
    pub fn map<D: BlockDevice>(self, mut wrap: impl FnMut(MemoryDevice) -> D) -> Disks<Shared<D>> {
        let mut shared = |device| Shared::new(wrap(device));
        Disks {
            esp: shared(self.esp),
            a: Slots2 {
                system: shared(self.a.system),
                boot: shared(self.a.boot),
            },
            b: Slots2 {
                system: shared(self.b.system),
                boot: shared(self.b.boot),
            },
        }
    }

    pub fn all(self) -> [MemoryDevice; 5] {
        [
            self.esp,
            self.a.system,
            self.a.boot,
            self.b.system,
            self.b.boot,
        ]
    }
}

impl Disks<Shared<Recorder<MemoryDevice>>> {
    /// What was done to each, in the order of [`Disks::all`].
    pub fn finish(self) -> Vec<Vec<(u64, Operation)>> {
        let all = [
            self.esp,
            self.a.system,
            self.a.boot,
            self.b.system,
            self.b.boot,
        ];
        all.map(taken).into()
    }
}

/// A system on two disks: the slots are arrays over both, and each disk has an ESP of its own.
#[derive(Clone)]
pub struct Mirrored<D> {
    /// The ESP of the disk that was not started.
    pub beside: D,
    /// What the started disk has.
    pub own: Disks<D>,
}

impl Mirrored<MemoryDevice> {
    pub fn new(own: Disks<MemoryDevice>) -> Self {
        let beside = own.esp.clone();
        Self { beside, own }
    }

    /// Each wrapped in something that can be shared.
    pub fn map<D: BlockDevice>(
        self,
        mut wrap: impl FnMut(MemoryDevice) -> D,
    ) -> Mirrored<Shared<D>> {
        Mirrored {
            beside: Shared::new(wrap(self.beside)),
            own: self.own.map(wrap),
        }
    }

    /// The other disk's ESP, then as [`Disks::all`].
    pub fn all(self) -> Vec<MemoryDevice> {
        [self.beside].into_iter().chain(self.own.all()).collect()
    }
}

impl Mirrored<Shared<Recorder<MemoryDevice>>> {
    /// What was done to each, in the order of [`Mirrored::all`].
    pub fn finish(self) -> Vec<Vec<(u64, Operation)>> {
        let beside = [taken(self.beside)];
        beside.into_iter().chain(self.own.finish()).collect()
    }
}

/// What was done to a device.
fn taken(shared: Shared<Recorder<MemoryDevice>>) -> Vec<(u64, Operation)> {
    let recorder = Arc::into_inner(shared.0).unwrap().into_inner().unwrap();
    recorder.finish_numbered().1
}

fn filled(version: Option<u32>) -> Slots2<MemoryDevice> {
    let (system, boot) = version.map(images).unwrap_or_default();
    let device = |room, bytes: &[u8]| {
        let mut device = MemoryDevice::new(room, SectorSize::S512);
        device.write_at(Bytes::ZERO, bytes).unwrap();
        device
    };
    Slots2 {
        system: device(ROOM.0, &system),
        boot: device(ROOM.1, &boot),
    }
}

fn esp_with(state: &BootState) -> MemoryDevice {
    let mut disk = MemoryDevice::new(Bytes::mib(40), SectorSize::S512);
    fatfs::format_volume(
        DeviceCursor::new(&mut disk),
        fatfs::FormatVolumeOptions::new(),
    )
    .unwrap();
    fat::write_root_file(&mut disk, GRUBENV, &state.encode()).unwrap();
    disk
}

/// The version that a slot holds completely, of those given.
pub fn holds(system: &dyn BlockDevice, boot: &dyn BlockDevice, versions: &[u32]) -> Option<u32> {
    let starts = |device: &dyn BlockDevice, bytes: &[u8]| {
        vigie_disk::device::read_vec(device, Bytes::ZERO, bytes.len()).unwrap() == bytes
    };
    let whole = |version: &&u32| {
        let (expected_system, expected_boot) = images(**version);
        starts(system, &expected_system) && starts(boot, &expected_boot)
    };
    versions.iter().find(whole).copied()
}

impl<D: BlockDevice + 'static> Target for Disks<Shared<D>> {
    fn load(&self) -> Result<BootState, ApplyError> {
        Ok(esp::load(&self.esp)?)
    }

    fn save(&mut self, state: &BootState) -> Result<(), ApplyError> {
        esp::save(&mut self.esp, state)
            .map_err(|error| ApplyError::BootState(vigie_settings::Said::same(error)))
    }

    fn open(&mut self, slot: Slot, _: bool) -> Result<OpenSlot, ApplyError> {
        let Slots2 { system, boot } = match slot {
            Slot::A => &self.a,
            Slot::B => &self.b,
        };
        let handle = |shared: &Shared<D>| -> Box<dyn BlockDevice> {
            Box::new(Shared(Arc::clone(&shared.0)))
        };
        Ok(OpenSlot {
            devices: Slots {
                system: handle(system),
                boot: handle(boot),
            },
            files: None,
        })
    }
}

impl<D: BlockDevice + 'static> Target for Mirrored<Shared<D>> {
    fn load(&self) -> Result<BootState, ApplyError> {
        self.own.load()
    }

    /// As the appliance does: the started disk last.
    fn save(&mut self, state: &BootState) -> Result<(), ApplyError> {
        let esps = [&mut self.beside, &mut self.own.esp];
        let failures = esp::save_on_all(esps.map(|esp| Ok((esp, state.clone()))));
        match failures.first() {
            Some(error) => Err(ApplyError::BootState(vigie_settings::Said::same(error))),
            None => Ok(()),
        }
    }

    fn open(&mut self, slot: Slot, write: bool) -> Result<OpenSlot, ApplyError> {
        self.own.open(slot, write)
    }
}

/// Unpacks in this process: a file, or a pipe, which can be read only once.
pub struct Direct {
    package: packages::Direct<Cursor<Vec<u8>>>,
    pipe: bool,
}

impl Direct {
    pub fn new(package: &[u8]) -> Self {
        let package = packages::Direct(Cursor::new(package.to_vec()));
        Self {
            package,
            pipe: false,
        }
    }

    pub fn piped(package: &[u8]) -> Self {
        Self {
            pipe: true,
            ..Self::new(package)
        }
    }
}

impl Unpacker for Direct {
    fn envelope(&mut self) -> Result<Envelope, PackageError> {
        self.package.envelope()
    }

    fn check_body(
        &mut self,
        header: &Header,
        note: &mut dyn FnMut(Bytes),
    ) -> Result<(), PackageError> {
        if self.pipe {
            return Ok(());
        }
        chunks::compare(header, &mut self.package.0.clone(), note)
    }

    fn unpack(
        &mut self,
        header: &Header,
        base: Option<&OpenSlot>,
        slot: Option<&mut OpenSlot>,
        note: &mut dyn FnMut(Bytes),
    ) -> Result<Unpacked, PackageError> {
        self.package.unpack(header, base, slot, note)
    }
}

/// Opens and applies.
pub fn update(
    unpacker: &mut dyn Unpacker,
    target: &mut dyn Target,
) -> Result<Manifest, ApplyError> {
    update_and_tell(unpacker, target).map(|done| done.manifest)
}

/// The same, with what was not well.
pub fn update_and_tell(
    unpacker: &mut dyn Unpacker,
    target: &mut dyn Target,
) -> Result<apply::Done, ApplyError> {
    let opened = apply::open(unpacker, &keys())?;
    let (forget, ignore) = (&mut |_, _| (), &mut |_, _, _| ());
    apply::apply(&opened, &context(), unpacker, target, forget, ignore)
}

/// A sequence for recorders.
pub fn recorders() -> impl FnMut(MemoryDevice) -> Recorder<MemoryDevice> {
    let sequence = Sequence::default();
    move |device| Recorder::sharing(device, &sequence)
}

/// A path in the folder of test files.
pub fn file(dir: &Path, name: &str, bytes: &[u8]) -> std::fs::File {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
}

/// A package of two image files, as a file.
pub fn package_of(images: &[std::path::PathBuf; 2], dir: &Path) -> std::fs::File {
    let recipe = recipe(images);
    let mut unsigned = make::make(&recipe, dir).unwrap();
    signed(&mut unsigned, dir)
}

/// A package of version 2 whose maker went wrong after the images were packed.
pub fn package_with(wrong: impl FnOnce(&mut Header), dir: &Path) -> std::fs::File {
    let (system, boot) = images(2);
    let paths = [("system", system), ("boot", boot)].map(|(name, bytes)| {
        file(dir, name, &bytes);
        dir.join(name)
    });
    let mut unsigned = make::make(&recipe(&paths), dir).unwrap();
    wrong(&mut unsigned.header);
    signed(&mut unsigned, dir)
}

fn signed(unsigned: &mut make::Unsigned, dir: &Path) -> std::fs::File {
    let signature = sign(&key(), &unsigned.header.encode());
    let path = dir.join("package");
    unsigned
        .write(&[signature], &mut std::fs::File::create(&path).unwrap())
        .unwrap();
    std::fs::File::open(path).unwrap()
}

fn recipe(images: &[std::path::PathBuf; 2]) -> Recipe<'_> {
    Recipe {
        product: "vigie".into(),
        arch: "amd64".into(),
        hardware: vec!["any".into()],
        version: Version([2, 0, 0, 0]),
        min_from: Version([1, 0, 0, 0]),
        security_epoch: 0,
        build_time: 1_700_000_000,
        changelog: BTreeMap::new(),
        system: &images[0],
        boot: &images[1],
        base: None,
    }
}
