//! A disc in a drive that is plugged into the running appliance: put in, listed, taken out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::update::{Appliance, NEXT};
use super::update_stick::{gone, mounted_to_be_read, wait};
use crate::vm::{Vm, images};

/// The machine has no other drive.
const PLACE: &str = "/run/vigie/media/sr0";
/// In the root, by a name that says nothing.
const NAME: &str = "newest.tgz";
/// Longest time from the button to the open door. The kernel asks the drive every two seconds.
const OPENS: Duration = Duration::from_secs(60);

/// A disc with a package: it is offered while it is in the drive, and nothing is left of it after.
pub(super) fn comes_and_goes(appliance: &Appliance<'_>, package: &Path) -> Result<()> {
    let disc = disc(appliance, package)?;
    plug_in_a_drive(appliance)?;
    let vm = &appliance.up.vm;
    let put_in =
        json!({"id": "cd", "filename": disc, "format": "raw", "read-only-mode": "read-only"});
    vm.command("blockdev-change-medium", put_in)?;
    wait(appliance, &format!("mountpoint -q {PLACE}"))?;
    mounted_to_be_read(appliance, PLACE)?;
    let kind = appliance.says(&format!("findmnt -no FSTYPE {PLACE}"))?;
    ensure!(kind.trim() == "iso9660", "the disc is mounted as {kind}");
    offered(appliance)?;
    take_out(appliance)?;
    gone(appliance, PLACE)
}

/// The button of the drive is pressed, the disc taken, the drive shut.
fn take_out(appliance: &Appliance<'_>) -> Result<()> {
    let vm = &appliance.up.vm;
    ensure!(door_is_held(vm)?, "the drive does not hold its door");
    let mark = vm.mark();
    // The guest is told of the button, and opens the door although the disc is mounted.
    vm.command("blockdev-open-tray", json!({"id": "cd"}))?;
    vm.wait_event(mark, "DEVICE_TRAY_MOVED", OPENS)?;
    vm.command("blockdev-remove-medium", json!({"id": "cd"}))?;
    vm.command("blockdev-close-tray", json!({"id": "cd"}))
        .map(drop)
}

/// Whether the drive opens only when the guest says so, as long as its disc is used.
fn door_is_held(vm: &Vm) -> Result<bool> {
    let all = vm.command("query-block", json!({}))?;
    let mut drives = all.as_array().context("no drives")?.iter();
    let drive = drives.find(|drive| drive["qdev"] == "cd");
    Ok(drive.context("no drive")?["locked"] == true)
}

fn disc(appliance: &Appliance<'_>, package: &Path) -> Result<PathBuf> {
    let path = appliance.ctx.folder().join("disc.iso");
    let programs = appliance.ctx.programs()?;
    images::disc(programs, &path, "DISC", &[(NAME, package)])?;
    Ok(path)
}

/// An empty drive on USB.
fn plug_in_a_drive(appliance: &Appliance<'_>) -> Result<()> {
    let vm = &appliance.up.vm;
    let bridge = json!({"driver": "usb-bot", "bus": "usb.0", "id": "bridge"});
    vm.command("device_add", bridge)?;
    let drive = json!({"driver": "scsi-cd", "bus": "bridge.0", "id": "cd"});
    vm.command("device_add", drive)?;
    // The guest sees a bridge when what hangs on it is complete.
    let attached =
        json!({"path": "/machine/peripheral/bridge", "property": "attached", "value": true});
    vm.command("qom-set", attached)?;
    wait(appliance, "test -e /dev/sr0")
}

fn offered(appliance: &Appliance<'_>) -> Result<()> {
    let list = appliance.says("vigie-update list --json")?;
    let found: Value =
        serde_json::from_str(&list).with_context(|| format!("the list is {list}"))?;
    let as_expected = found["door"] == "usb"
        && found["name"] == NAME
        && found["state"] == "ready"
        && found["version"] == NEXT;
    ensure!(as_expected, "expected {NAME} to be ready: {found}");
    Ok(())
}
