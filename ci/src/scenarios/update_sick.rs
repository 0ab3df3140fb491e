//! Versions that crash or hang, or that are damaged later: the machine comes back to the one before
//! by itself.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use vigie_update::boot_state::TRIES;

use super::update::{Appliance, NEXT, Package, RESTART};
use super::{boot, disk, scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};

const PANIC: &str = "Kernel panic - not syncing: sysrq";

pub(super) fn steps() -> Vec<Step> {
    vec![
        scenario(
            "update-crashes",
            "a version whose kernel panics at each of its starts comes back to the one before",
            &["install"],
            |ctx| returns(ctx, "0.1.0.3", "echo 3 > /proc/sys/kernel/panic"),
        ),
        scenario(
            "update-hangs",
            "a version that hangs is ended by the watchdog, and comes back to the one before",
            &["install"],
            |ctx| returns(ctx, "0.1.0.4", "echo 0 > /proc/sys/kernel/panic"),
        ),
        scenario(
            "update-damaged",
            "a good version whose image is damaged later is left for the other good one",
            &["install"],
            damaged,
        ),
    ]
}

/// `before` decides what becomes of the panic: a restart, or nothing any more.
fn returns(ctx: &Context, version: &str, before: &str) -> Result<()> {
    let package = Package::build(ctx, version, |overlay| sick(overlay, before))?;
    let appliance = start(ctx)?;
    appliance.pipe(&package.path, "vigie-update apply --json -")?;
    // sshd ends with the system.
    let _ = appliance.says("systemctl reboot");
    let mut mark = appliance.up.vm.mark();
    for _ in 0..TRIES {
        appliance.up.vm.wait_line_after(mark, PANIC, RESTART)?;
        mark = appliance.up.vm.mark();
    }
    appliance.wait_for("a", ctx.image()?.version.as_str())?;
    appliance.expect_history(&["installed", "returned"])?;
    let history = appliance.says("vigie-update history")?;
    ensure!(history.contains("it did not come up"), "history: {history}");
    appliance.up.vm.kill()
}

/// GRUB starts a good slot as often as it likes: its own initrd must leave it.
fn damaged(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let appliance = start(ctx)?;
    appliance.pipe(&package.path, "vigie-update apply --json -")?;
    appliance.restart_into("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    // The time in the superblock of squashfs, which each mount reads: see the scenario `verity`.
    let damage = r"printf '\377\377\377\377' | dd of=/dev/vda6 bs=1 seek=8 conv=notrunc,fsync";
    appliance.says(damage)?;
    // sshd ends with the system.
    let _ = appliance.says("systemctl reboot");
    let line = "THE SYSTEM IN SLOT b IS DAMAGED and is not started again";
    appliance.up.vm.wait_line(line, RESTART)?;
    appliance.wait_for("a", ctx.image()?.version.as_str())?;
    let status = appliance.says("vigie-update status")?;
    ensure!(
        status.contains("not good, no tries left") && status.contains("next start: slot a"),
        "status: {status}"
    );
    appliance.up.vm.kill()
}

/// Crashes where it should say that it is healthy.
fn sick(overlay: &Path, before: &str) -> Result<()> {
    let folder = overlay.join("usr/lib/systemd/system/vigie-health.service.d");
    fs::create_dir_all(&folder)?;
    let crash = "echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger";
    let text = format!("[Service]\nExecStartPre=+/usr/bin/sh -c '{before}; {crash}'\n");
    Ok(fs::write(folder.join("sick.conf"), text)?)
}

/// The installed disk in a machine with a hardware watchdog, whose panics are meant.
fn start(ctx: &Context) -> Result<Appliance<'_>> {
    let disk = Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
    let machine = ctx.machine(Firmware::Bios)?.disk(disk).watchdog();
    let up = boot::start(ctx, "vm", machine, boot::Expect::Ok)?;
    let vm = up.vm.expecting_trouble();
    let health = up.health;
    Ok(Appliance {
        ctx,
        up: boot::Up { vm, health },
        key: ssh::Key::of_install(ctx),
    })
}
