//! Linux md RAID: superblocks of version 1, write-intent bitmaps, and arrays over devices.
//!
//! Arrays are made here and not by `mdadm --create`, which takes only block
//! devices of the kernel: so a plain file can carry one, without privilege, and
//! the crash enumerator sees every byte. `mdadm --examine` and the kernel judge
//! what was written (tests/md.rs). The formats are those of the kernel's
//! `include/uapi/linux/raid/md_p.h` and `drivers/md/md-bitmap.h`; the choices
//! that the format leaves open are mdadm's (`super1.c`).
//!
//! 1. [`Geometry`] says where what lies on each member and how much fits.
//! 2. [`create()`] writes superblock and bitmap of each member.
//! 3. [`Array`] maps reads and writes onto the members: over new ones
//!    ([`Array::over`]) or as a read-only view of found ones ([`Array::open`]).

mod array;
mod bitmap;
mod create;
mod geometry;
mod level;
mod mapping;
mod superblock;
mod uuid;

pub use array::Array;
pub use bitmap::Bitmap;
pub use create::{Identity, create};
pub use geometry::Geometry;
pub use level::{Level, Metadata};
pub use superblock::Superblock;
pub use uuid::Uuid;
