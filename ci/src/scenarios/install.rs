//! The unattended install: the medium as a USB stick under Secure Boot, an empty disk, and
//! the answers on a FAT volume. The disk that comes out is what the other scenarios boot.

use anyhow::Result;

use super::unattended::{HOSTNAME, Order, answers};
use super::{medium, scenario, table};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware, Format};
use crate::vm::images::{self, DiskFile};

/// Size of the disk to install to, in bytes.
const DISK_BYTES: u64 = 16_000_000_000;
/// By which the answers name the disk.
const SERIAL: &str = "VIGIE-CI-1";

pub(super) fn step() -> Step {
    let proves = "the medium (USB stick, Secure Boot) installs unattended onto an empty disk";
    scenario("install", proves, &["image"], run).in_smoke()
}

fn run(ctx: &Context) -> Result<()> {
    let disk = DiskFile {
        path: ctx.folder().join("disk.raw"),
        format: Format::Raw,
        bytes: DISK_BYTES,
    };
    images::empty(&disk.path, disk.bytes)?;
    let order = Order {
        firmware: Firmware::SecureBoot,
        medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
        disks: vec![disk.on(Bus::Virtio).serial(SERIAL)],
        answers: answers(ctx, &format!("[target]\nserial = \"{SERIAL}\""), HOSTNAME)?,
    };
    let ended = order.install(ctx, "vm")?;
    medium::check_secure_boot(ctx, &ended.vm)?;
    table::check(ctx, &disk, 512)?;
    ctx.set_installed_disk(disk.path);
    Ok(())
}
