//! The doors by which packages come to a running appliance.
//!
//! - [`places`]: the folders, and which of their files are looked at;
//! - [`found`]: what lies there, and what this machine says of it;
//! - [`serve`]: the socket through which programs without privileges ask for updates;
//! - [`peer`], [`login`]: who may ask.

mod digest;
pub mod found;
pub mod login;
pub mod peer;
pub mod places;
pub mod serve;
