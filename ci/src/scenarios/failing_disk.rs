//! A disk that fails while it is installed, through the kernel: it cannot be written in a place. The report
//! names the disk, the machine does what the answers say of a failure, and the disk does not start one.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::disk_scenario;
use super::power_cut::{NOTHING, starts};
use super::unattended::{After, HOSTNAME, Order, answers};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::images;

const SERIAL: &str = "VIGIE-CI-FAILS";
/// That of the disk of the step `install`, which says where the system lies.
const BYTES: u64 = 16_000_000_000;

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "failing-disk",
            "a disk that cannot be written in a place: the report names it, the machine goes off, nothing starts from it",
            unwritable,
        )
    }
}

fn order(ctx: &Context, disks: Vec<Disk>) -> Result<Order> {
    let target = format!("[target]\nserial = \"{SERIAL}\"\n\n[finish]\non_failure = \"poweroff\"");
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
    let order = order(ctx, vec![disk.clone().faults(&faults)])?;
    let ended = order.run(ctx, "unwritable")?;
    ended.check_ended("failed", &[SERIAL, "/dev/vda"], After::Off)?;
    ctx.note(format!("unwritable: {}", ended.result["error"]));
    let end = starts(ctx, "unwritable-after", disk)?;
    ensure!(end == NOTHING, "after a failed installation {end}");
    Ok(())
}
