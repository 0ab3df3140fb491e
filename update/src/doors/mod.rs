//! The doors by which packages come to a running appliance.
//!
//! - [`places`]: the folders, and which of their files are looked at;
//! - [`look`]: a medium is looked into by a process that need not be waited for;
//! - [`found`]: what lies there, and what this machine says of it;
//! - [`serve`]: the socket through which programs without privileges ask for updates;
//! - [`peer`], [`session`], [`login`]: who may ask.

pub mod found;
pub mod login;
pub mod look;
pub mod peer;
pub mod places;
pub mod serve;
pub mod session;
