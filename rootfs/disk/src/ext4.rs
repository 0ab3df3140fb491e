//! The superblock of an ext4 file system: what it says about its own health.
//!
//! Offsets are those of the kernel's `struct ext4_super_block`. "Clean" needs
//! three bits to agree; the state field alone says "clean" on a file system
//! that is mounted or was cut off (crates.md, section 1).

use serde::Serialize;

use crate::device::{BlockDevice, read_vec};
use crate::error::Result;
use crate::units::Bytes;

const AT: Bytes = Bytes::kib(1);
const LENGTH: usize = 1024;
const MAGIC: u16 = 0xEF53;
const STATE_VALID: u16 = 1;
const STATE_ERRORS: u16 = 2;
const INCOMPAT_RECOVER: u32 = 4;
const INCOMPAT_64BIT: u32 = 0x80;
const COMPAT_JOURNAL: u32 = 4;
const INCOMPAT_EXTENTS: u32 = 0x40;

/// What a superblock says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Superblock {
    /// Volume label, empty where none is set.
    pub label: String,
    /// Volume UUID, in lower case.
    pub uuid: String,
    /// Whether it has a journal and extents, that is, is ext4 and not an elder of it.
    pub is_ext4: bool,
    /// Size of the file system.
    pub size: Bytes,
    /// Free space.
    pub free: Bytes,
    /// Its health in one word.
    pub health: Health,
    /// Whether its journal holds what must be replayed, whatever else is wrong with it.
    pub needs_replay: bool,
    /// How many errors the kernel has counted in it.
    pub errors: u32,
    /// Mounts since the last check.
    pub mounts: u16,
    /// Last check, seconds since 1970.
    pub last_check: u64,
    /// Last mount, seconds since 1970.
    pub last_mount: u64,
    /// Last write, seconds since 1970.
    pub last_write: u64,
}

/// The health of a file system, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// The kernel has found errors in it: a full check is needed.
    Errors,
    /// It was not unmounted: its journal must be replayed (a mount does that).
    NeedsRecovery,
    /// It is marked as not clean without a journal to replay: a check is needed.
    NeedsCheck,
    /// It was unmounted in good order.
    Clean,
}

impl Superblock {
    /// Reads the superblock; none where there is no ext2, ext3 or ext4.
    pub fn read(device: &dyn BlockDevice) -> Result<Option<Self>> {
        if device.size() < AT + Bytes::new(LENGTH as u64) {
            return Ok(None);
        }
        Ok(Self::parse(&read_vec(device, AT, LENGTH)?))
    }

    /// Parses the 1024 bytes at offset 1024 of a volume.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        // Times have eight more bits far behind (the *_hi fields).
        let time = |low: usize, high: usize| {
            Some(u64::from(u32_at(low)?) | u64::from(*bytes.get(high)?) << 32)
        };
        if bytes.len() < LENGTH || u16_at(0x38)? != MAGIC || u32_at(0x18)? > 6 {
            return None;
        }
        let (compat, incompat) = (u32_at(0x5C)?, u32_at(0x60)?);
        let blocks = |low: usize, high: usize| {
            let high = if incompat & INCOMPAT_64BIT == 0 {
                0
            } else {
                u32_at(high)?
            };
            let count = u64::from(u32_at(low)?) | u64::from(high) << 32;
            Some(Bytes::new(count.saturating_mul(1024 << u32_at(0x18)?)))
        };
        Some(Self {
            label: text(bytes.get(0x78..0x88)?),
            uuid: uuid_text(bytes.get(0x68..0x78)?),
            is_ext4: compat & COMPAT_JOURNAL != 0 && incompat & INCOMPAT_EXTENTS != 0,
            size: blocks(0x04, 0x150)?,
            free: blocks(0x0C, 0x158)?,
            health: health(u16_at(0x3A)?, incompat),
            needs_replay: incompat & INCOMPAT_RECOVER != 0,
            errors: u32_at(0x194)?,
            mounts: u16_at(0x34)?,
            last_check: time(0x40, 0x277)?,
            last_mount: time(0x2C, 0x275)?,
            last_write: time(0x30, 0x274)?,
        })
    }
}

fn health(state: u16, incompat: u32) -> Health {
    if state & STATE_ERRORS != 0 {
        Health::Errors
    } else if incompat & INCOMPAT_RECOVER != 0 {
        Health::NeedsRecovery
    } else if state & STATE_VALID == 0 {
        Health::NeedsCheck
    } else {
        Health::Clean
    }
}

/// Text of a fixed field, up to its first NUL, without what a terminal would act on.
pub(crate) fn text(field: &[u8]) -> String {
    let end = field
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end])
        .chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Sixteen bytes as a UUID is written.
pub(crate) fn uuid_text(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match hex.len() {
        32 => format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        ),
        _ => hex,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock(state: u16, incompat: u32) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        bytes[0x04..0x08].copy_from_slice(&1000_u32.to_le_bytes());
        bytes[0x18] = 2;
        bytes[0x38..0x3A].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[0x3A..0x3C].copy_from_slice(&state.to_le_bytes());
        bytes[0x5C] = COMPAT_JOURNAL as u8;
        bytes[0x60..0x64].copy_from_slice(&(incompat | INCOMPAT_EXTENTS).to_le_bytes());
        bytes[0x68..0x78].copy_from_slice(&[0x11; 16]);
        bytes[0x78..0x7D].copy_from_slice(b"state");
        bytes
    }

    #[test]
    fn health_takes_three_bits() {
        for (state, incompat, health) in [
            (1, 0, Health::Clean),
            (1, INCOMPAT_RECOVER, Health::NeedsRecovery),
            (3, 0, Health::Errors),
            (3, INCOMPAT_RECOVER, Health::Errors),
            (0, 0, Health::NeedsCheck),
        ] {
            let found = Superblock::parse(&superblock(state, incompat)).unwrap();
            assert_eq!(found.health, health, "state {state} incompat {incompat:#x}");
            assert_eq!(found.needs_replay, incompat == INCOMPAT_RECOVER);
            assert_eq!(found.label, "state");
            assert_eq!(found.uuid, "11111111-1111-1111-1111-111111111111");
            assert_eq!(found.size, Bytes::new(4_096_000));
            assert!(found.is_ext4);
        }
    }

    #[test]
    fn garbage_is_no_superblock() {
        let mut hostile = superblock(1, 0);
        hostile[0x18] = 200;
        for bytes in [&[][..], &[0; 10], &[0xFF; LENGTH], &hostile] {
            assert_eq!(Superblock::parse(bytes), None);
        }
    }
}
