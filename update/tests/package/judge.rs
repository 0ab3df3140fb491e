//! The whole way of a package, as the applier goes it: verify, parse, unpack, read back.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};

use vigie_disk::device::BlockDevice;
use vigie_disk::{Bytes, MemoryDevice, SectorSize};
use vigie_update::package::member::{Sink, Slots, check_base, read_back, unpack};
use vigie_update::package::signature::{PublicKey, TrustedKey};
use vigie_update::package::{Header, Keyring, PackageError, envelope::Envelope};

use crate::craft::key;

pub type Devices = Slots<Box<dyn BlockDevice>>;

/// Trusts these test keys, of which so many must sign.
pub fn ring_of(seeds: &[u8], threshold: usize) -> Keyring {
    let trusted = |seed: &u8| TrustedKey {
        name: format!("TEST KEY {seed}: its secret half is 32 times {seed}, as everybody knows"),
        public: PublicKey::of(&key(*seed)),
        development: true,
    };
    Keyring {
        threshold,
        revoked: BTreeSet::new(),
        keys: seeds.iter().map(trusted).collect(),
    }
}

/// Trusts the first test key alone.
pub fn ring() -> Keyring {
    ring_of(&[1], 1)
}

/// A slot in memory; it takes room only where it is written.
pub fn empty_slot() -> Devices {
    let device = || Box::new(MemoryDevice::new(Bytes::mib(64), SectorSize::S512));
    Slots {
        system: device(),
        boot: device(),
    }
}

/// Judges a package all the way, and answers what its slot holds.
pub fn judge(package: &mut (dyn Read + Send)) -> Result<Devices, PackageError> {
    let mut slot = empty_slot();
    apply(package, None, &mut slot)?;
    Ok(slot)
}

/// Applies a package to a slot, and reads it back.
pub fn apply(
    package: &mut (dyn Read + Send),
    base: Option<&Devices>,
    slot: &mut Devices,
) -> Result<Header, PackageError> {
    apply_trusting(&ring(), package, base, slot)
}

/// As [`apply`], with these keys.
pub fn apply_trusting(
    ring: &Keyring,
    package: &mut (dyn Read + Send),
    base: Option<&Devices>,
    slot: &mut Devices,
) -> Result<Header, PackageError> {
    let mut input = BufReader::new(package);
    let header = begin(ring, &mut input)?;
    if let Some(base) = base {
        check_base(&header, base)?;
    }
    let unpacked = unpack(&header, &mut input, base, Sink::Slot(slot), &mut |_| {})?;
    read_back(&header, slot, unpacked.written.as_ref(), &mut |_| {})?;
    Ok(header)
}

/// What is known before the body is looked at.
pub fn begin(ring: &Keyring, input: &mut dyn BufRead) -> Result<Header, PackageError> {
    let envelope = Envelope::read(input)?;
    ring.verify(&envelope)?;
    Header::parse(&envelope.signed)
}

/// The first bytes of a device.
pub fn held(device: &dyn BlockDevice, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    device.read_at(Bytes::ZERO, &mut bytes).unwrap();
    bytes
}

/// Judges a package without unpacking its members.
pub fn verify(package: &[u8]) -> Result<Header, PackageError> {
    verify_trusting(&ring(), package)
}

/// As [`verify`], with these keys.
pub fn verify_trusting(ring: &Keyring, package: &[u8]) -> Result<Header, PackageError> {
    let mut input = package;
    let header = begin(ring, &mut input)?;
    unpack(&header, &mut input, None, Sink::Nowhere, &mut |_| {})?;
    Ok(header)
}

/// Demands that a package is refused with this word, whether it is applied or only verified.
#[track_caller]
pub fn refused(package: &[u8], word: &str, case: &str) {
    refused_when_applied(package, word, case);
    match verify(package) {
        Ok(_) => panic!("{case}: accepted when verified"),
        Err(error) => assert!(error.to_string().contains(word), "{case}: {error}"),
    }
}

/// Demands that a package is refused with this word when it is applied.
#[track_caller]
pub fn refused_when_applied(mut package: &[u8], word: &str, case: &str) {
    match judge(&mut package) {
        Ok(_) => panic!("{case}: accepted"),
        Err(error) => assert!(error.to_string().contains(word), "{case}: {error}"),
    }
}

/// Demands that a package is accepted, applied or only verified.
#[track_caller]
pub fn accepted(package: &[u8], case: &str) {
    if let Err(error) = judge(&mut &*package) {
        panic!("{case}: {error}");
    }
    if let Err(error) = verify(package) {
        panic!("{case}, only verified: {error}");
    }
}
