//! Looks at installations from outside: which disks carry one, and how each of
//! its volumes is.
//!
//! Invariant: nothing here writes; every device is opened read-only.

pub mod volumes;
pub mod words;
