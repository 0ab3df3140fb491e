//! Packages as somebody hostile would make them (hazards C.A and C.B), judged by the library as a
//! whole. Where the content is hostile its signatures are good: what refuses it must be the step
//! that is meant to.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

mod compressed;
mod container;
mod craft;
mod index;
mod judge;
mod memory;
mod second_reader;
mod sizes;
mod tar_bytes;
mod tar_entries;
mod tar_names;
mod vectors;
