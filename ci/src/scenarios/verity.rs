//! A changed byte in the system partition is detected and not served.
//!
//! The byte is in the time stamp of the squashfs superblock: a block that every boot reads,
//! and a field that squashfs does not care about. Without verity this disk would boot like
//! any other, as `disk-bios` shows for the same disk without the change.

use anyhow::{Result, bail};

use super::{BOOT, READY_INSTALLED, disk, scenario};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::{Vm, images};

pub(super) fn step() -> Step {
    let proves = "a flipped byte in the system partition is detected and not served";
    scenario("verity", proves, &["install"], run).in_smoke()
}

/// Offset of `mkfs_time` in a squashfs superblock.
const TIME: u64 = 8;

fn run(ctx: &Context) -> Result<()> {
    let base = ctx.installed_disk()?;
    let system = images::partition_named(base, 512, "system-a")?;
    let magic = images::read_at(base, system.offset, 4)?;
    if magic != b"hsqs" {
        bail!("system-a does not start with a squashfs superblock, but with {magic:02x?}");
    }
    let disk = disk::overlay(ctx, base)?;
    images::flip_in_overlay(ctx.programs()?, base, &disk, system.offset + TIME, 0x01)?;

    let machine = ctx
        .machine(Firmware::Bios)?
        .disk(Disk::new(disk, Bus::Virtio).qcow2());
    let vm = ctx.start("vm", &machine.no_reboot())?.expecting_trouble();
    wait_refusal(ctx, &vm)?;
    vm.screenshot("refused")?;
    vm.kill()
}

/// Waits for the error; a console that becomes ready first is the failure.
fn wait_refusal(ctx: &Context, vm: &Vm) -> Result<()> {
    let signs = [
        Pattern::regex(r"verity: .*(data|metadata) block \d+ is corrupted")?,
        Pattern::from(READY_INSTALLED),
        Pattern::from(super::READY_LIVE),
    ];
    let (sign, line) = vm.wait_any_line(Default::default(), &signs, BOOT)?;
    if sign != 0 {
        return Err(vm.failure("the damaged system was served without a verity error"));
    }
    ctx.note(line.text.trim().to_owned());
    Ok(())
}
