//! Block devices and what lies on them.
//!
//! Everything in the appliance that writes a disk writes through one small
//! trait, [`BlockDevice`]. That gives three things (DESIGN section 7): the same
//! code works on a disk and on a plain file, a test can hold a disk in memory,
//! and the crash enumerator ([`device::record`]) can replay every prefix of
//! what was written.
//!
//! Readers in this crate ([`probe`], [`ext4`], [`verity`], [`table`], [`mbr`], [`iso`],
//! [`fat`], [`md`]) treat the bytes of a disk as hostile: they answer or refuse, and
//! never panic.

pub mod crash;
pub mod device;
pub mod error;
pub mod ext4;
#[cfg(feature = "fat")]
pub mod fat;
pub mod fatfile;
pub mod iso;
pub mod mbr;
pub mod md;
pub mod probe;
pub mod sysfs;
#[cfg(feature = "table")]
pub mod table;
pub mod units;
pub mod verity;

pub use device::{BlockDevice, FileDevice, KernelDevice, MemoryDevice, Region, View};
pub use error::{Error, Result};
pub use units::{Bytes, Lba, SectorSize};
