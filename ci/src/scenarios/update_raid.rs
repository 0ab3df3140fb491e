//! An update of a system on two mirrored disks: either disk alone starts the new version.

use anyhow::Result;

use super::boot::{self, Expect, Up};
use super::raid::{self, MIRROR};
use super::update::{Appliance, NEXT, Package};
use super::{HTTPS, SSH, WEB, disk_scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};

pub(super) fn step() -> Step {
    disk_scenario(
        "update-raid",
        "an update of a mirrored system starts from either disk alone, which goes back alone too",
        update,
    )
}

fn update(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let files = raid::install_mirror(ctx)?;
    // What is written here stays in the disks.
    let disk = |index: usize| files[index].on(Bus::Virtio).serial(MIRROR[index]);
    let up = boot::boot(
        ctx,
        "whole",
        Firmware::Bios,
        &[disk(0), disk(1)],
        Expect::Ok,
    )?;
    let appliance = known(ctx, up)?;
    appliance.pipe(&package.path, "vigie-update apply --json --who ci -")?;
    appliance.restart_into("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    appliance.up.power_off()?;
    for (name, firmware, present) in [
        ("first-pulled-bios", Firmware::Bios, 1),
        ("second-pulled-uefi", Firmware::Uefi, 0),
    ] {
        let disks = raid::attach(ctx, name, &files, &[present])?;
        alone(ctx, name, firmware, disks)?;
    }
    Ok(())
}

/// One disk starts the new version, and goes back to the one before.
fn alone(ctx: &Context, name: &str, firmware: Firmware, disks: Vec<Disk>) -> Result<()> {
    let mut machine = ctx
        .machine(firmware)?
        .forward(WEB)
        .forward(HTTPS)
        .forward(SSH);
    machine.disks = disks;
    let up = Up {
        vm: ctx.start(name, &machine)?,
        health: serde_json::Value::Null,
    };
    let appliance = known(ctx, up)?;
    appliance.wait_for_status("degraded", "b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    // sshd ends with the system.
    let _ = appliance.says("vigie-update rollback --restart --who ci");
    appliance.wait_for_status("degraded", "a", ctx.image()?.version.as_str())?;
    appliance.expect_history(&["rollback"])?;
    appliance.up.vm.kill()
}

/// The machine whose disks were given the key of this step.
fn known(ctx: &Context, up: Up) -> Result<Appliance<'_>> {
    let key = ssh::Key::of_step(ctx)?;
    Ok(Appliance { ctx, up, key })
}
