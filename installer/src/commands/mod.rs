//! The subcommands, one file each: what the library answers, said on a terminal.

pub mod check;
pub mod devices;
pub mod no_medium;
pub mod provision;
pub mod run;
pub mod schema;
pub mod screen;
pub mod sign;
pub mod stage;
