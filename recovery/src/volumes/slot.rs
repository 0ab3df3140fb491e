//! What a slot holds: its version, and whether all of it is what was installed.

use serde::Serialize;
use vigie_disk::probe::{Kind, probe};
use vigie_disk::verity::{self, BLOCK, Hash, Verdict};
use vigie_disk::{BlockDevice, Bytes};
use vigie_update::Version;
use vigie_update::machine::{Machine, OS_RELEASE, field};

use crate::inside::{Unreadable, read_file};

/// Where the boot image names the root hash of its system image.
const BOOT_CFG: &str = "/boot.cfg";
/// Neither file is longer.
const MOST: usize = 64 << 10;

/// Whether a slot is what was installed, by its verity tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verity", rename_all = "kebab-case")]
pub enum Wholeness {
    /// Every block of the system hangs on the root hash.
    Intact,
    /// The first block that does not, in bytes from the start of the system partition.
    Damaged {
        /// Where.
        at: Bytes,
    },
    /// No system was ever written into it.
    Empty,
    /// That cannot be told.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Wholeness {
    /// That of a slot which once held a system, or never did: where there was one, it does not become
    /// empty, it is damaged from its first byte on.
    #[must_use]
    pub fn of_slot(self, was_filled: bool) -> Self {
        match self {
            Self::Empty if was_filled => Self::Damaged { at: Bytes::ZERO },
            other => other,
        }
    }
}

/// The two volumes of a slot, opened for reading.
pub struct Opened {
    /// Kernel and initrd.
    pub boot: Box<dyn BlockDevice>,
    /// The system image.
    pub system: Box<dyn BlockDevice>,
}

/// What the system in a slot says of itself.
///
/// # Errors
/// There is none, or it is damaged.
pub fn machine(system: &dyn BlockDevice) -> Result<Machine, Unreadable> {
    Machine::from_os_release(&os_release(system)?).map_err(|error| unknown(system, &error))
}

/// Its version. Also that of a system which does not say all that a package asks of it.
///
/// # Errors
/// There is none, or it is damaged.
pub fn version(system: &dyn BlockDevice) -> Result<Version, Unreadable> {
    let text = os_release(system)?;
    let version = field(&text, "VERSION_ID").and_then(|text| Ok(text.parse()?));
    version.map_err(|error| unknown(system, &error))
}

fn os_release(system: &dyn BlockDevice) -> Result<String, Unreadable> {
    let bytes = read_file(system, OS_RELEASE, MOST)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unknown(system: &dyn BlockDevice, error: &anyhow::Error) -> Unreadable {
    Unreadable {
        path: OS_RELEASE.to_owned(),
        device: system.name().to_owned(),
        why: format!("{error:#}"),
    }
}

/// Reads the whole slot and compares. `note` is told how many of how many bytes are done.
#[must_use]
pub fn verify(slot: &Opened, note: &mut dyn FnMut(Bytes, Bytes)) -> Wholeness {
    let holds = |device: &dyn BlockDevice| {
        let found = probe(device);
        found.iter().any(|one| one.kind == Kind::Squashfs)
    };
    if !holds(slot.boot.as_ref()) && !holds(slot.system.as_ref()) {
        return Wholeness::Empty;
    }
    compare(slot, note).unwrap_or_else(|why| Wholeness::Unknown { why })
}

fn compare(slot: &Opened, note: &mut dyn FnMut(Bytes, Bytes)) -> Result<Wholeness, String> {
    let bytes = read_file(slot.boot.as_ref(), BOOT_CFG, MOST).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&bytes);
    let (root, offset) = named(&text).ok_or_else(|| {
        let device = slot.boot.name();
        format!("{BOOT_CFG} of {device} names no root hash")
    })?;
    let system = slot.system.as_ref();
    let verdict = match verity::Superblock::read(system, offset) {
        // What tells the tree's shape is damaged, or is not there at all.
        Err(vigie_disk::Error::Format { .. } | vigie_disk::Error::OutOfRange { .. }) => {
            return Ok(Wholeness::Damaged { at: offset });
        }
        Err(error) => return Err(error.to_string()),
        Ok(_) => verity::verify(system, offset, &root, note),
    };
    let block = Bytes::new(BLOCK as u64);
    match verdict {
        Ok(Verdict::Intact) => Ok(Wholeness::Intact),
        Ok(Verdict::BadData(at)) => Ok(Wholeness::Damaged { at: block * at }),
        Ok(Verdict::BadTree(at)) => Ok(Wholeness::Damaged {
            at: offset + block * (1 + at),
        }),
        Err(vigie_disk::Error::Format { .. } | vigie_disk::Error::OutOfRange { .. }) => {
            Ok(Wholeness::Damaged { at: offset })
        }
        Err(vigie_disk::Error::Io { offset: at, .. }) => {
            Ok(Wholeness::Damaged { at: Bytes::new(at) })
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Root hash and hash offset on the command line that a boot image gives its kernel.
fn named(boot_cfg: &str) -> Option<(Hash, Bytes)> {
    let value = |key: &str| {
        let words = boot_cfg.split([' ', '"', '\n']);
        words.filter_map(|word| word.strip_prefix(key)).next()
    };
    let mut root = [0; 32];
    hex::decode_to_slice(value("vigie.roothash=")?, &mut root).ok()?;
    let offset = value("vigie.hashoffset=")?.parse().ok()?;
    Some((root, Bytes::new(offset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_is_never_empty() {
        let damaged = Wholeness::Damaged { at: Bytes::ZERO };
        for (found, was_filled, expected) in [
            (Wholeness::Empty, false, Wholeness::Empty),
            (Wholeness::Empty, true, damaged.clone()),
            (Wholeness::Intact, true, Wholeness::Intact),
            (Wholeness::Intact, false, Wholeness::Intact),
            (damaged.clone(), false, damaged),
        ] {
            assert_eq!(found.of_slot(was_filled), expected);
        }
    }

    #[test]
    fn the_command_line_names_the_root_hash() {
        let hash = "ab".repeat(32);
        let text = |rest: &str| format!("set vigie_cmdline=\"vigie.roothash={hash} {rest}\"\n");
        let found = named(&text("vigie.hashoffset=8192 quiet"));
        assert_eq!(found, Some(([0xAB; 32], Bytes::new(8192))));
        for bad in [
            text(""),
            text("vigie.hashoffset=x"),
            text("vigie.hashoffset=-1"),
            "vigie.roothash=ab vigie.hashoffset=1".to_owned(),
            String::new(),
        ] {
            assert_eq!(named(&bad), None, "{bad}");
        }
    }
}
