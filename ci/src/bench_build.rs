//! How long builds take, beside mksquashfs over the same files on the same host.
//!
//! Compiling our programs is left out: it is the compiler's time, and the targets are "beyond
//! compiling".

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value as Json;

use crate::builds::builder;
use crate::context::Context;
use crate::process;
use crate::table::{Row, Value};

const NOTHING_CHANGED: Duration = Duration::from_secs(1);
const ONE_SERVICE: Duration = Duration::from_secs(25);
const EVERYTHING: Duration = Duration::from_secs(120);

/// A version that no other step builds: the system image and what hangs on it is made anew,
/// as when one service has changed.
const OTHER_VERSION: &str = "0.1.0.98";

/// Measures the three builds.
pub fn run(ctx: &Context) -> Result<Vec<Row>> {
    let reference = mksquashfs(ctx)?;
    let out = ctx.folder_of("medium");
    // The first call may have to make what another way of calling the builder left: not counted.
    let again = || {
        build(ctx, |command| {
            command.arg("--out").arg(&out);
        })
    };
    again()?;
    let (whole, _) = again()?;
    let (service, compiled) = other_version(ctx)?;
    let clean = ctx.folder().join("cache");
    link_downloads(ctx, &clean)?;
    let (all, all_compiled) = build(ctx, |command| {
        command
            .arg("--out")
            .arg(ctx.folder().join("all"))
            .arg("--cache")
            .arg(&clean);
    })?;
    fs::remove_dir_all(&clean)?;
    let row = |what: &str, time: Duration, most: Duration| {
        Row::new(what, Value::Time(time))
            .at_most(Value::Time(most))
            .against(Value::Time(reference))
    };
    Ok(vec![
        Row::new("mksquashfs of the same files", Value::Time(reference)),
        row("build, nothing changed", whole, NOTHING_CHANGED),
        row(
            "build, one service changed, less compiling",
            service - compiled,
            ONE_SERVICE,
        ),
        row(
            "build, packages cached, less compiling",
            all - all_compiled,
            EVERYTHING,
        ),
    ])
}

/// The boot image of another version, built where that was not done yet.
pub fn other_boot_image(ctx: &Context) -> Result<PathBuf> {
    other_version(ctx)?;
    let name = format!("vigie-{OTHER_VERSION}.boot.img");
    Ok(other_folder(ctx).join(name))
}

fn other_version(ctx: &Context) -> Result<(Duration, Duration)> {
    build(ctx, |command| {
        command
            .arg("--out")
            .arg(other_folder(ctx))
            .args(["--version", OTHER_VERSION]);
    })
}

fn other_folder(ctx: &Context) -> PathBuf {
    ctx.folder().join("service")
}

/// The peer: the same files, compressor, level and block size.
fn mksquashfs(ctx: &Context) -> Result<Duration> {
    let tree = ctx.folder().join("tree");
    let mut unpack = ctx.programs()?.command("unsquashfs");
    unpack
        .args(["-quiet", "-no-progress", "-no-xattrs", "-d"])
        .arg(&tree);
    unpack.arg(ctx.image()?.payload.join("system.img"));
    process::output("unpacking the system image", &mut unpack)?;
    let mut pack = ctx.programs()?.command("mksquashfs");
    pack.arg(&tree)
        .arg(ctx.folder().join("peer.img"))
        .args(["-quiet", "-no-progress"]);
    pack.args(["-comp", "zstd", "-Xcompression-level", "9", "-b", "128K"]);
    let begun = Instant::now();
    process::output("running mksquashfs", &mut pack)?;
    Ok(begun.elapsed())
}

/// A build's time, and how much of it went into compiling our programs.
fn build(ctx: &Context, more: impl FnOnce(&mut Command)) -> Result<(Duration, Duration)> {
    let mut command = Command::new(builder(ctx)?);
    command.args(["build", "--json"]);
    more(&mut command);
    let begun = Instant::now();
    let events = process::output("building", &mut command)?;
    Ok((begun.elapsed(), compiling(&events)?))
}

/// Seconds of the phase `programs` in the builder's events.
fn compiling(events: &str) -> Result<Duration> {
    for line in events.lines() {
        let event: Json =
            serde_json::from_str(line).with_context(|| format!("JSON of `{line}`"))?;
        if event["event"] == "done" && event["phase"] == "programs" {
            let seconds = event["seconds"]
                .as_f64()
                .context("no seconds in an event")?;
            return Ok(Duration::from_secs_f64(seconds));
        }
    }
    anyhow::bail!("the build did not say how long compiling took")
}

fn link_downloads(ctx: &Context, cache: &Path) -> Result<()> {
    fs::create_dir_all(cache)?;
    let from = ctx.root().join("target/image-cache/downloads");
    let copied = Command::new("cp")
        .arg("-al")
        .arg(from)
        .arg(cache.join("downloads"))
        .status()?;
    ensure!(copied.success(), "linking the downloads failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_time_is_found() {
        let events = "{\"event\":\"start\",\"phase\":\"programs\"}\n{\"event\":\"done\",\"phase\":\"programs\",\"seconds\":1.5}";
        assert_eq!(compiling(events).unwrap(), Duration::from_millis(1500));
        assert!(compiling("{\"event\":\"done\",\"phase\":\"x\",\"seconds\":1}").is_err());
    }
}
