//! Bytes that nobody would make, for every parser that reads a package or the boot state.
//!
//! Each target is a function of bytes that panics where a promise is broken. It runs first over its
//! committed corpus (`corpus/TARGET/`), then over mutations of it, others in each run, for a second or
//! `VIGIE_FUZZ_SECONDS`. How many there were is printed, with the seed that gives the same ones again
//! as `VIGIE_FUZZ_SEED`. An input that makes it panic is written into the corpus: mend the parser, and
//! commit the file.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

mod boot_state;
mod delta;
mod engine;
mod envelope;
mod frames;
mod index;
mod manifest;
mod mutate;
mod tar;
