//! The doors by which packages come to a running appliance.
//!
//! - [`places`]: the folders, and which of their files are looked at;
//! - [`found`]: what lies there, and what this machine says of it.

pub mod found;
pub mod places;
