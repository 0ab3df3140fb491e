//! Works on installations from outside: which disks carry one and how each of its volumes is
//! ([`volumes`], read-only), checking and repairing these ([`check`]), and putting another version
//! into one ([`update`]).

pub mod check;
mod mounted;
pub mod update;
pub mod volumes;
pub mod words;
