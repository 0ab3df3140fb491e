//! The actions on a machine of image files: what `volumes` says of it, and what each action leaves.
//!
//! Needs mke2fs, debugfs, e2fsck and sqfstar of an unpacked Debian tree: VIGIE_TOOLS_DIR names it
//! (ci sets it); without it each test says that it was skipped.

// clippy.toml allows this in tests, but does not know that all of this is one.
#![allow(clippy::unwrap_used)]

mod actions;
mod faults;
mod full;
mod garbage;
mod inventory;
mod support;
