//! The harness itself: each firmware starts, is seen, takes keys, and dies when told.
//!
//! When this fails, the image is not to blame.

use anyhow::{Result, ensure};

use super::{FIRMWARE, scenario};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::Firmware;
use crate::vm::png_size;

pub(super) fn step() -> Step {
    let proves = "QEMU starts all three firmwares; console, screenshots, keys and kill work";
    scenario("harness", proves, &[], run).in_smoke()
}

fn run(ctx: &Context) -> Result<()> {
    for firmware in Firmware::ALL {
        one(ctx, firmware)?;
    }
    ctx.note(ctx.probe(Firmware::Bios)?.why);
    Ok(())
}

fn one(ctx: &Context, firmware: Firmware) -> Result<()> {
    let machine = ctx.machine(firmware)?.memory_mib(256);
    let vm = ctx
        .start(&firmware.to_string(), &machine)?
        .expecting_trouble();
    ensure!(
        vm.status()? == "running",
        "{firmware}: the machine is not running"
    );
    if firmware != Firmware::Bios {
        vm.wait_line("BdsDxe: ", FIRMWARE)?;
    }
    let (width, height) = png_size(&vm.screenshot("screen")?)?;
    ensure!(
        width >= 640 && height >= 400,
        "{firmware}: screenshot of {width} x {height}"
    );
    vm.type_text("a\n")?;
    let mark = vm.mark();
    vm.reset()?;
    vm.wait_event(mark, "RESET", FIRMWARE)?;
    vm.kill()?;
    ensure!(vm.status().is_err(), "{firmware}: alive after kill -9");
    Ok(())
}
