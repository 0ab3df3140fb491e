//! The engine, run whole: onto files and onto disks in memory.
//!
//! It needs mke2fs, debugfs, mkfs.fat, mtools and the checkers of an unpacked
//! Debian tree: VIGIE_TOOLS_DIR names it (ci sets it). Without it each test
//! prints that it was skipped.

// clippy.toml allows this in tests, but does not know that all of this is one.
#![allow(clippy::unwrap_used)]

mod faults;
mod files;
mod keep;
mod keep_cuts;
mod keep_faults;
mod power_cut;
mod raid;
mod signatures;
mod support;
