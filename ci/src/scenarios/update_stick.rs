//! An update from a stick that is plugged into the running appliance, and pulled out again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::scenario;
use super::update::{Appliance, NEXT, Package};
use crate::context::Context;
use crate::step::Step;
use crate::vm::images;

/// The system disk is on virtio, so the stick is the first SCSI disk.
const PLACE: &str = "/run/vigie/media/sda";
/// In the folder that is looked into beside the root.
const NAME: &str = "update/vigie-upd.tgz";
/// Size of the stick in KiB.
const STICK_KIB: u32 = 1 << 20;

pub(super) fn step() -> Step {
    scenario(
        "update-stick",
        "a stick is mounted read-only and its package applied; pulled out it is gone, and nothing has failed",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let stick = stick(ctx, &package.path)?;
    let appliance = Appliance::boot(ctx)?;
    appliance.up.blame(plug_in_and_out(&appliance, &stick))?;
    plug_in(&appliance, &stick)?;
    let said = appliance.up.blame(apply(&appliance))?;
    ensure!(said.contains("\"installed\""), "apply: {said}");
    // It stays plugged in, and the firmware and GRUB must not mind.
    appliance.restart_into("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    wait(&appliance, &format!("mountpoint -q {PLACE}"))?;
    appliance.up.vm.kill()
}

fn stick(ctx: &Context, package: &Path) -> Result<PathBuf> {
    let path = ctx.folder().join("stick.raw");
    let files = [(NAME, package)];
    images::fat_volume(ctx.programs()?, &path, "STICK", STICK_KIB, &files)?;
    Ok(path)
}

fn plug_in_and_out(appliance: &Appliance<'_>, stick: &Path) -> Result<()> {
    plug_in(appliance, stick)?;
    let options = appliance.says(&format!("findmnt -no OPTIONS {PLACE}"))?;
    for option in ["ro", "nosuid", "nodev", "noexec", "nosymfollow"] {
        let has = options.trim().split(',').any(|one| one == option);
        ensure!(has, "the stick is mounted without {option}: {options}");
    }
    let vm = &appliance.up.vm;
    vm.command("device_del", json!({"id": "stick"}))?;
    wait(appliance, &format!("! test -e {PLACE}"))?;
    vm.command("blockdev-del", json!({"node-name": "stick"}))?;
    let list = appliance.says("vigie-update list --json")?;
    ensure!(list.trim().is_empty(), "there is still {list}");
    let failed = appliance.says("systemctl --failed --no-legend --plain")?;
    ensure!(failed.trim().is_empty(), "failed units: {failed}");
    Ok(())
}

fn plug_in(appliance: &Appliance<'_>, stick: &Path) -> Result<()> {
    let vm = &appliance.up.vm;
    let file = json!({"driver": "file", "filename": stick, "read-only": true});
    let node = json!({"node-name": "stick", "driver": "raw", "read-only": true, "file": file});
    vm.command("blockdev-add", node)?;
    let device = json!({"driver": "usb-storage", "bus": "usb.0", "id": "stick", "drive": "stick",
                        "removable": true});
    vm.command("device_add", device)?;
    wait(appliance, &format!("mountpoint -q {PLACE}"))
}

/// Waits on the appliance until a condition of its shell holds.
fn wait(appliance: &Appliance<'_>, condition: &str) -> Result<()> {
    let line = format!("timeout 60 sh -c 'until {condition}; do sleep 0.2; done'");
    let waited = appliance.says(&line);
    let words = || format!("waiting for `{condition}`");
    waited.map(drop).with_context(words)
}

fn apply(appliance: &Appliance<'_>) -> Result<String> {
    let list = appliance.says("vigie-update list --json")?;
    let found: Value =
        serde_json::from_str(&list).with_context(|| format!("the list is {list}"))?;
    let expected = found["door"] == "usb" && found["state"] == "ready";
    ensure!(expected, "expected a ready package by usb: {found}");
    let id = found["id"].as_str().context("no id")?;
    appliance.says(&format!("vigie-update apply --json --who ci --id {id}"))
}
