//! Applying packages: in memory for power cuts and faults, and through the real unpacking process.

mod faults;
mod power_cut;
mod sandbox;
mod support;
