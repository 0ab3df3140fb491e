//! Secure Boot refuses a changed boot loader, so that the boots under Secure Boot mean
//! something: the same files boot when unchanged.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{FIRMWARE, scenario};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::{Vm, images};

pub(super) fn step() -> Step {
    let proves = "with Secure Boot on, GRUB starts as signed and is refused with one bit changed";
    scenario("secureboot-refuses", proves, &["image"], run)
}

fn run(ctx: &Context) -> Result<()> {
    let payload = &ctx.image()?.payload;
    let (shim, grub) = (payload.join("shimx64.efi"), payload.join("grubx64.efi"));
    let bad_grub = ctx.folder().join("grubx64-changed.efi");
    let middle = fs::metadata(&grub).context("reading grubx64.efi")?.len() / 2;
    images::copy_flipped(&grub, &bad_grub, middle, 0x01)?;

    let vm = start(ctx, "signed", &shim, &grub)?;
    vm.wait_line(Pattern::regex(r"GNU GRUB|grub>")?, FIRMWARE)?;
    let vm = start(ctx, "changed", &shim, &bad_grub)?.expecting_trouble();
    vm.wait_line(
        Pattern::regex(r"Security Violation|Verification failed")?,
        FIRMWARE,
    )?;
    vm.screenshot("refused")?;
    Ok(())
}

fn start(ctx: &Context, name: &str, shim: &Path, grub: &Path) -> Result<Vm> {
    let volume = ctx.folder().join(format!("{name}.fat"));
    let files = [
        ("EFI/BOOT/BOOTX64.EFI", shim),
        ("EFI/BOOT/grubx64.efi", grub),
    ];
    images::fat_volume(ctx.programs()?, &volume, "ESP", 48 * 1024, &files)?;
    let machine = ctx.machine(Firmware::SecureBoot)?.memory_mib(512);
    ctx.start(name, &machine.disk(Disk::new(volume, Bus::Usb)))
}
