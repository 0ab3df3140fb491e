//! Applying packages: in memory for power cuts and faults, and through the real unpacking process.

// clippy.toml allows this in tests, but does not know that all of this is one.
#![allow(clippy::unwrap_used)]

mod bystanders;
mod faults;
mod found;
mod kept;
mod packages;
mod power_cut;
mod sandbox;
mod support;
