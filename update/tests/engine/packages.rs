//! Keys, bytes, a machine and an unpacker in this process: what a test with real packages needs.
//! The tests of the web interface use this file too.

use std::io::BufRead;

use ed25519_dalek::SigningKey;
use vigie_disk::Bytes;
use vigie_update::apply::target::OpenSlot;
use vigie_update::apply::{Context, Unpacker};
use vigie_update::machine::Machine;
use vigie_update::package::envelope::Envelope;
use vigie_update::package::member::{self, Sink, Unpacked};
use vigie_update::package::signature::{PublicKey, TrustedKey};
use vigie_update::package::{Header, Keyring, PackageError};
use vigie_update::policy::{Reached, Standing};
use vigie_update::{Slot, Version};

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn keys() -> Keyring {
    Keyring {
        threshold: 1,
        revoked: Default::default(),
        keys: vec![TrustedKey {
            name: "test".into(),
            public: PublicKey::of(&key()),
            development: true,
        }],
    }
}

/// Bytes that do not compress, different for each seed.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Unpacks in this process.
pub struct Direct<R>(pub R);

impl<R: BufRead + Send> Unpacker for Direct<R> {
    fn envelope(&mut self) -> Result<Envelope, PackageError> {
        Envelope::read(&mut self.0)
    }

    fn unpack(
        &mut self,
        header: &Header,
        base: Option<&OpenSlot>,
        slot: Option<&mut OpenSlot>,
        note: &mut dyn FnMut(Bytes),
    ) -> Result<Unpacked, PackageError> {
        let sink = slot.map_or(Sink::Nowhere, |slot| Sink::Slot(&mut slot.devices));
        member::unpack(
            header,
            &mut self.0,
            base.map(|base| &base.devices),
            sink,
            note,
        )
    }
}

/// Version 1, good, running from slot A.
pub fn context() -> Context {
    Context {
        machine: Machine {
            product: "vigie".into(),
            arch: "amd64".into(),
            hardware: "any".into(),
            version: Version([1, 0, 0, 0]),
            security_epoch: 0,
        },
        standing: Standing {
            reached: Reached::default(),
            confirmed: true,
            waiting: None,
            licensed_major: u32::MAX,
            reinstall: false,
        },
        running: Slot::A,
    }
}
