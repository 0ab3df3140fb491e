//! Against a scripted HTTPS server on the loopback.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

mod download;
mod failed;
mod fleet;
mod index;
mod memory;
mod recorded;
mod scripted;
mod support;
mod units;
