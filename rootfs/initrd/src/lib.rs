//! The rules of the initrd, apart from the machine: every module here is a
//! function from bytes and text to values, and its tests are tables.
//!
//! The program (`src/main.rs`) is the list of steps that uses them.

pub mod arrays;
pub mod cmdline;
pub mod config;
pub mod dm;
pub mod fsck;
pub mod iso;
pub mod machine_id;
pub mod modules;
pub mod report;
pub mod settings;
pub mod state_check;
pub mod trouble;
pub mod uevent;
pub mod verity_table;
