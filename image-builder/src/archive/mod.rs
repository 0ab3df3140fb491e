//! The Debian archive: signed indexes, packages, and the lock that pins them.

pub mod deb;
pub mod index;
pub mod lock;
pub mod release;
pub mod resolve;
pub mod version;
