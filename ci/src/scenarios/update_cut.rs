//! `kill -9` of the machine at random moments of an update: it starts a good version every time.
//!
//! The crash enumerator of `update` replays every write in milliseconds; this confirms it from
//! outside, with the real unpacking process, kernel and boot loader.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::update::{Package, RESTART, open};
use super::{SSH, WEB, disk, scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::{Response, Vm};

const NEXT: &str = "0.1.0.1";
/// How often it is killed.
const CUTS: u64 = 20;

pub(super) fn step() -> Step {
    scenario(
        "update-cut",
        "a machine killed at 20 random moments of an update starts a good version every time",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let mut disk = fresh(ctx)?;
    let mut moments = Moments::new();
    ctx.note(format!("seed {}", moments.0));
    for cut in 0..CUTS {
        let vm = start(ctx, &format!("cut-{cut}"), &disk)?;
        let slot = healthy(ctx, &vm)?;
        ensure!(
            slot == "a",
            "nothing was installed, and it runs from slot {slot}"
        );
        let moment = moments.next();
        let reached = kill_at(ctx, &vm, &package, moment)?;
        ctx.note(format!("{moment} %: {reached}"));
    }
    let last = start(ctx, "last", &disk)?;
    healthy(ctx, &last)?;
    last.kill()?;
    // And let through, it is whole.
    disk = fresh(ctx)?;
    let vm = start(ctx, "whole", &disk)?;
    healthy(ctx, &vm)?;
    let mut apply = begin(ctx, &vm, &package)?;
    ensure!(apply.wait()?.success(), "the last update failed");
    let _ = ssh::Key::of_install(ctx).says(ctx, &vm, "systemctl reboot");
    let there = |response: &Response| {
        let health: Value = response.json().unwrap_or_default();
        health["slot"] == "b" && health["version"] == NEXT && health["status"] == "ok"
    };
    vm.wait_http(WEB, "/health", RESTART, there)?;
    vm.kill()
}

/// The installed disk as it was.
fn fresh(ctx: &Context) -> Result<Disk> {
    let old = ctx.folder().join("disk.qcow2");
    if old.exists() {
        std::fs::remove_file(&old)?;
    }
    Ok(Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2())
}

fn start(ctx: &Context, name: &str, disk: &Disk) -> Result<Vm> {
    let machine = ctx.machine(Firmware::Bios)?.forward(WEB).forward(SSH);
    ctx.start(name, &machine.disk(disk.clone()))
}

/// The slot of the healthy system; its version is that of the slot.
fn healthy(ctx: &Context, vm: &Vm) -> Result<String> {
    let old = ctx.image()?.version.as_str();
    let good = |response: &Response| {
        let health: Value = response.json().unwrap_or_default();
        let is = |slot: &str, version: &str| health["slot"] == slot && health["version"] == version;
        health["status"] == "ok" && (is("a", old) || is("b", NEXT))
    };
    let health = vm.wait_http(WEB, "/health", RESTART, good)?.json()?;
    // Until then no package is taken.
    ssh::Key::of_install(ctx).says(ctx, vm, "systemctl start vigie-mark-good.service")?;
    Ok(health["slot"].as_str().unwrap_or_default().to_owned())
}

fn begin(ctx: &Context, vm: &Vm, package: &Package) -> Result<Child> {
    ssh::Key::of_install(ctx)
        .client(ctx, vm, "vigie-update apply --json -")?
        .stdin(open(&package.path)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting ssh")
}

/// Kills the machine when the update has come so far, in percent of writing and reading back.
fn kill_at(ctx: &Context, vm: &Vm, package: &Package, percent: u64) -> Result<String> {
    let mut apply = begin(ctx, vm, package)?;
    let said = apply.stdout.take().context("ssh has no output")?;
    let mut reached = None;
    for line in BufReader::new(said).lines() {
        let event: Value = serde_json::from_str(&line?).unwrap_or_default();
        ensure!(
            event["event"] == "progress",
            "killed at {percent} %: {event}"
        );
        if so_far(&event) >= percent {
            reached = Some(format!("{} {}", event["phase"], event["done"]));
            break;
        }
    }
    vm.kill()?;
    let _ = apply.kill();
    apply.wait()?;
    reached.with_context(|| format!("the update ended before {percent} %"))
}

/// Writing is the first half, reading back the second.
fn so_far(event: &Value) -> u64 {
    let half = if event["phase"] == "read-back" { 50 } else { 0 };
    let done = event["done"].as_u64().unwrap_or_default();
    let total = event["total"].as_u64().unwrap_or(1).max(1);
    half + done * 50 / total
}

/// Moments in percent, others in each run, the first ones as well as the last ones.
struct Moments(u64);

impl Moments {
    fn new() -> Moments {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Moments(since.map_or(1, |since| since.as_nanos() as u64 | 1))
    }

    /// xorshift64 (Marsaglia, 2003); below 97, because what follows the last event is the flip.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) % 97
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_of_both_halves() {
        for (phase, done, expected) in [
            ("write", 0, 0),
            ("write", 100, 50),
            ("read-back", 0, 50),
            ("read-back", 50, 75),
        ] {
            let event = serde_json::json!({"phase": phase, "done": done, "total": 100});
            assert_eq!(so_far(&event), expected, "{event}");
        }
        let mut moments = Moments::new();
        assert!((0..1000).all(|_| moments.next() < 97));
    }
}
