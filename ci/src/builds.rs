//! The builder as its users run it: without privileges, twice with the same result, with
//! wrong input, interrupted.

mod bad_input;
mod reproducible;

use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};

use crate::context::Context;
use crate::step::Step;

/// The steps.
pub fn steps() -> Vec<Step> {
    vec![
        bad_input::definition_step(),
        bad_input::mirror_step(),
        bad_input::interrupted_step(),
        bad_input::full_disk_step(),
        reproducible::step(),
    ]
}

/// The builder's program, which the step `image` has compiled.
pub(crate) fn builder(ctx: &Context) -> Result<PathBuf> {
    let me = std::env::current_exe().context("finding this program")?;
    let builder = me.with_file_name("image-builder");
    ensure!(
        builder.exists(),
        "{} is not there; the step `image` compiles it",
        builder.display()
    );
    let copy = ctx.folder().join("image-builder");
    std::fs::copy(&builder, &copy).with_context(|| format!("copying {}", builder.display()))?;
    Ok(copy)
}

/// Runs a command whose failure is expected; its words are for the checks.
fn words(command: &mut Command) -> Result<(Option<i32>, String)> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .with_context(|| format!("starting {:?}", command.get_program()))?;
    let words = [stdout, stderr].concat();
    Ok((status.code(), String::from_utf8_lossy(&words).into_owned()))
}

/// Whether a folder holds nothing; one that is not there holds nothing either.
fn is_empty(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}
