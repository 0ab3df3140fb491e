//! The tests of Vigie: `cargo ci`.
//!
//! [`vm`] drives a virtual machine. A [`step::Step`] is one thing that is proved: checks of
//! the sources ([`checks`], [`tree`]) and end-to-end [`scenarios`]. [`runner`] runs the chosen
//! ones, two machines at a time where memory allows. [`bench`] measures, [`table`] prints.

pub mod api_answers;
pub mod args;
pub mod bench;
pub mod bench_build;
pub mod bench_install;
pub mod bench_recovery;
pub mod bench_update;
pub mod bench_web;

pub mod builds;
pub mod checks;
pub mod context;
pub mod downloads;
pub mod exposure;
pub mod image;
pub mod memory;
pub mod ports;
pub mod process;
pub mod programs;
pub mod runner;
pub mod scenarios;
pub mod schemathesis;
pub mod step;
pub mod table;
pub mod tree;
pub mod vm;
pub mod web_server;
