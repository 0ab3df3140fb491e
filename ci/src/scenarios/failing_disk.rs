//! Disks that fail while they are installed, through the kernel: one that cannot be written in places, and
//! one that is pulled out. The report names the disk, the machine does what the answers say of a failure,
//! and the disk does not start a machine.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::disk_scenario;
use super::power_cut::{NOTHING, starts};
use super::unattended::{After, HOSTNAME, Order, answers};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::images;

const SERIAL: &str = "VIGIE-CI-FAILS";
/// That of the disk of the step `install`, which says where the system lies.
const BYTES: u64 = 16_000_000_000;
/// Until the installer is in the middle of the system.
const HALFWAY: Duration = Duration::from_secs(10 * 60);

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "failing-disk",
            "a disk that cannot be written, or is pulled out: the report names it, and nothing starts from it",
            run,
        )
    }
}

fn run(ctx: &Context) -> Result<()> {
    unwritable(ctx)?;
    pulled(ctx)
}

fn order(ctx: &Context, disks: Vec<Disk>, on_failure: &str) -> Result<Order> {
    let target =
        format!("[target]\nserial = \"{SERIAL}\"\n\n[finish]\non_failure = \"{on_failure}\"");
    Ok(Order {
        firmware: Firmware::Uefi,
        medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
        disks,
        answers: answers(ctx, &target, HOSTNAME)?,
    })
}

/// One sector in the middle of the system takes no write. Where it lies, a disk of the same size says.
fn unwritable(ctx: &Context) -> Result<()> {
    let path = ctx.folder().join("unwritable.raw");
    images::empty(&path, BYTES)?;
    let alike = ctx.installed_disk()?;
    let length = fs::metadata(alike).context("the installed disk")?.len();
    ensure!(length == BYTES, "the installed disk has {length} bytes");
    let system = images::partition_named(alike, 512, "system-a")?;
    let image = fs::metadata(ctx.image()?.payload.join("system.img")).context("the image")?;
    let sector = (system.offset + image.len() / 2) / 512;
    let faults = ctx.folder().join("faults.conf");
    let rule = format!(
        "[inject-error]\nevent = \"none\"\niotype = \"write\"\nerrno = \"5\"\nsector = \"{sector}\"\n"
    );
    fs::write(&faults, rule).context("writing the faults")?;

    let disk = Disk::new(&path, Bus::Virtio).serial(SERIAL);
    let order = order(ctx, vec![disk.clone().faults(&faults)], "poweroff")?;
    let ended = order.run(ctx, "unwritable")?;
    ended.check_ended("failed", &[SERIAL, "/dev/vda"], After::Off)?;
    ctx.note(format!("unwritable: {}", ended.result["error"]));
    check_nothing_starts(ctx, "unwritable-after", disk)
}

fn check_nothing_starts(ctx: &Context, name: &str, disk: Disk) -> Result<()> {
    let end = starts(ctx, name, disk)?;
    ensure!(end == NOTHING, "after a failed installation {end}");
    Ok(())
}

/// The disk is pulled out in the middle of the system.
fn pulled(ctx: &Context) -> Result<()> {
    let path = ctx.folder().join("pulled.raw");
    images::empty(&path, BYTES)?;
    let running = order(ctx, Vec::new(), "reboot")?.start(ctx, "pulled")?;
    plug_in(&running.vm, &path)?;
    running.vm.wait_line("Writing the system: 50 %", HALFWAY)?;
    let pulled = running.vm.mark();
    running.vm.command("device_del", json!({"id": "pulled"}))?;
    let ended = running.wait_restart(ctx, pulled)?;
    ended.check_ended("failed", &[SERIAL], After::Restarts)?;
    ctx.note(format!("pulled: {}", ended.result["error"]));
    let disk = Disk::new(&path, Bus::Virtio).serial(SERIAL);
    check_nothing_starts(ctx, "pulled-after", disk)
}

/// Long before a kernel looks at its disks.
fn plug_in(vm: &Vm, path: &std::path::Path) -> Result<()> {
    let file = json!({"driver": "file", "filename": path});
    let node = json!({"node-name": "pulled", "driver": "raw", "file": file});
    vm.command("blockdev-add", node)?;
    let device = json!({"driver": "usb-storage", "bus": "usb.0", "id": "pulled", "drive": "pulled",
                        "serial": SERIAL});
    vm.command("device_add", device).map(drop)
}
