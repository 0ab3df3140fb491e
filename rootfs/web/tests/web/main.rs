//! The program as it runs, spoken to over TLS, with an updater behind it that reads real packages.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

mod api;
mod bad_input;
mod broker;
mod browser;
mod gate;
mod login;
mod mutated;
/// Of the updater's own tests.
#[path = "../../../../update/tests/engine/packages.rs"]
mod packages;
mod pages;
mod places;
mod support;
mod upload;
mod upload_form;
