//! Builds the Vigie appliance image without privileges. See README.md for the map.

pub mod archive;
pub mod build;
pub mod cache;
pub mod compose;
pub mod definition;
pub mod fetch;
pub mod image;
pub mod interrupt;
pub mod inventory;
pub mod keys;
pub mod lock_packages;
pub mod machine;
pub mod output;
pub mod package;
pub mod packages;
pub mod programs;
pub mod progress;
pub mod provision;
pub mod session;
pub mod sources;
pub mod tools;
pub mod tree;
pub mod virtual_disk;
pub mod vm;
pub mod workspace;
