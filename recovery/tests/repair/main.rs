//! Volumes damaged on purpose, repaired through the library: afterwards e2fsck is content or the
//! volume is declared lost with the reason, what the damage did not touch is there byte for byte,
//! and nothing panics or hangs.
//!
//! Needs mke2fs, e2fsck, debugfs and dumpe2fs of an unpacked Debian tree: VIGIE_TOOLS_DIR names it
//! (ci sets it); without it each test says that it was skipped. VIGIE_REPAIR_SEEDS is how many
//! damages of each kind are tried, 20 where it is not set.

// clippy.toml allows this in tests, but does not know that all of this is one.
#![allow(clippy::unwrap_used)]

mod damage;
mod faults;
mod image;
mod killed;
mod room;
mod seeds;
mod support;
