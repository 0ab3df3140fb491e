//! The medium boots into the live system: as CD and USB stick, on three firmwares.

use anyhow::{Result, ensure};

use super::{BOOT, READY_LIVE, scenario};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk, Firmware};

pub(super) fn steps() -> Vec<Step> {
    let boot =
        |name, proves, run: fn(&Context) -> Result<()>| scenario(name, proves, &["image"], run);
    vec![
        boot(
            "medium-cd-bios",
            "the medium boots as a CD on BIOS",
            |ctx| run(ctx, Bus::Cd, Firmware::Bios),
        ),
        boot(
            "medium-cd-uefi",
            "the medium boots as a CD on UEFI",
            |ctx| run(ctx, Bus::Cd, Firmware::Uefi),
        ),
        boot(
            "medium-cd-secureboot",
            "the medium boots as a CD with Secure Boot on",
            |ctx| run(ctx, Bus::Cd, Firmware::SecureBoot),
        ),
        boot(
            "medium-usb-bios",
            "the medium boots as a USB stick on BIOS",
            |ctx| run(ctx, Bus::Usb, Firmware::Bios),
        ),
        boot(
            "medium-usb-uefi",
            "the medium boots as a USB stick on UEFI",
            |ctx| run(ctx, Bus::Usb, Firmware::Uefi),
        ),
        boot(
            "medium-usb-secureboot",
            "the medium boots as a USB stick with Secure Boot on",
            |ctx| run(ctx, Bus::Usb, Firmware::SecureBoot),
        ),
    ]
}

fn run(ctx: &Context, bus: Bus, firmware: Firmware) -> Result<()> {
    let medium = Disk::new(&ctx.image()?.iso, bus).throwaway();
    let vm = ctx.start("vm", &ctx.machine(firmware)?.disk(medium))?;
    let ready = vm.wait_line(READY_LIVE, BOOT)?;
    ctx.note(format!(
        "console ready after {:.1} s",
        ready.at.as_secs_f64()
    ));
    if firmware == Firmware::SecureBoot {
        check_secure_boot(ctx, &vm)?;
    }
    vm.screenshot("ready")?;
    vm.kill()
}

/// The kernel says on the console whether Secure Boot is on, unless it is told to be quiet.
pub(super) fn check_secure_boot(ctx: &Context, vm: &Vm) -> Result<()> {
    let lines = vm.lines();
    let said = lines
        .iter()
        .find(|line| line.text.contains("secureboot: Secure boot"));
    match said {
        None => {}
        Some(line) => {
            let on = line.text.contains("Secure boot enabled");
            ensure!(
                on,
                "{}",
                vm.failure(format!("the kernel says `{}`", line.text))
            );
            ctx.note("the kernel says that Secure Boot is on");
        }
    }
    Ok(())
}
