//! Works on installations from outside: which disks carry one and how each of its volumes is
//! ([`volumes`], read-only), and putting another version into one ([`update`]).

mod mounted;
pub mod update;
pub mod volumes;
pub mod words;
