//! An update from a stick that is plugged into the running appliance, and pulled out again; and
//! packages on a disc in a drive that is plugged in.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::bad_packages::{self, Bad};
use super::update::{Appliance, NEXT, Package};
use super::{disc, pulled_stick, scenario, unread_stick};
use crate::context::Context;
use crate::step::Step;
use crate::vm::images;

/// The system disk is on virtio, so the stick is the first SCSI disk.
pub(super) const PLACE: &str = "/run/vigie/media/sda";
/// How every medium is mounted.
const OPTIONS: [&str; 5] = ["ro", "nosuid", "nodev", "noexec", "nosymfollow"];
/// In the folder that is looked into beside the root.
const NAME: &str = "update/vigie-upd.tgz";
/// Size of the stick in KiB.
const STICK_KIB: u32 = 1 << 20;

pub(super) fn step() -> Step {
    scenario(
        "update-stick",
        "stick and disc are mounted read-only, wrong packages on them refused and a good one applied; pulled out they are gone, and nothing has failed; what is not read is told with the reason; pulled out in the middle of an update, the appliance starts what ran before",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let bad = bad_packages::make(ctx, &package.path)?;
    let wrong = bad_packages::stick(ctx, &bad)?;
    let stick = stick(ctx, &package.path)?;
    let appliance = Appliance::boot(ctx)?;
    appliance
        .up
        .blame(refusals(&appliance, &wrong, &bad))
        .context("a stick of wrong packages")?;
    appliance
        .up
        .blame(unread_stick::are_told_of(&appliance))
        .context("a stick that is not read")?;
    let on_disc = disc::comes_and_goes(&appliance, &package.path);
    appliance.up.blame(on_disc).context("a disc")?;
    appliance
        .up
        .blame(pulled_stick::leaves_what_runs(&appliance, &stick))
        .context("a stick that is pulled out while it is read")?;
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

/// Plugged in, looked at, and pulled out again.
fn refusals(appliance: &Appliance<'_>, stick: &Path, bad: &[Bad]) -> Result<()> {
    plug_in(appliance, stick)?;
    mounted_to_be_read(appliance, PLACE)?;
    bad_packages::refused_from_a_folder(appliance, bad, "usb")?;
    let vm = &appliance.up.vm;
    vm.command("device_del", json!({"id": "stick"}))?;
    gone(appliance, PLACE)?;
    vm.command("blockdev-del", json!({"node-name": "stick"}))?;
    Ok(())
}

/// What is mounted there is only read, and nothing on it is more than a file.
pub(super) fn mounted_to_be_read(appliance: &Appliance<'_>, place: &str) -> Result<()> {
    let options = appliance.says(&format!("findmnt -no OPTIONS {place}"))?;
    for option in OPTIONS {
        let has = options.trim().split(',').any(|one| one == option);
        ensure!(has, "{place} is mounted without {option}: {options}");
    }
    Ok(())
}

/// A medium that was taken out leaves nothing.
pub(super) fn gone(appliance: &Appliance<'_>, place: &str) -> Result<()> {
    wait(appliance, &format!("! test -e {place}"))?;
    let list = appliance.says("vigie-update list --json")?;
    ensure!(list.trim().is_empty(), "there is still {list}");
    let failed = appliance.says("systemctl --failed --no-legend --plain")?;
    ensure!(failed.trim().is_empty(), "failed units: {failed}");
    Ok(())
}

fn plug_in(appliance: &Appliance<'_>, stick: &Path) -> Result<()> {
    attach(appliance, stick)?;
    wait(appliance, &format!("mountpoint -q {PLACE}"))
}

/// A stick is there, whatever is on it.
pub(super) fn attach(appliance: &Appliance<'_>, stick: &Path) -> Result<()> {
    let file = json!({"driver": "file", "filename": stick, "read-only": true});
    let node = json!({"node-name": "stick", "driver": "raw", "read-only": true, "file": file});
    attach_node(appliance, node)
}

/// The same of a block device of QEMU's named "stick".
pub(super) fn attach_node(appliance: &Appliance<'_>, node: Value) -> Result<()> {
    let vm = &appliance.up.vm;
    vm.command("blockdev-add", node)?;
    let device = json!({"driver": "usb-storage", "bus": "usb.0", "id": "stick", "drive": "stick",
                        "removable": true});
    vm.command("device_add", device).map(drop)
}

/// Waits on the appliance until a condition of its shell holds.
pub(super) fn wait(appliance: &Appliance<'_>, condition: &str) -> Result<()> {
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
