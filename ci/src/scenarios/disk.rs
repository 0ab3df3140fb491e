//! The installed disk boots on three firmwares and is healthy.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{BOOT, READY_INSTALLED, SSH, WEB, scenario, ssh};
use crate::builds::builder;
use crate::context::Context;
use crate::process;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware, SectorSize};
use crate::vm::{Response, Vm, images};

/// A ready console to a good answer; what is degraded by then stays so.
const HEALTH: Duration = Duration::from_secs(120);

pub(super) fn steps() -> Vec<Step> {
    let boot = |name, proves, run| scenario(name, proves, &["install"], run);
    vec![
        boot(
            "disk-bios",
            "the installed disk boots on BIOS, is healthy, and lets in who has the key",
            |ctx: &Context| run(ctx, Firmware::Bios),
        )
        .in_smoke(),
        boot(
            "disk-uefi",
            "the installed disk boots on UEFI and is healthy",
            |ctx| run(ctx, Firmware::Uefi),
        ),
        boot(
            "disk-secureboot",
            "the installed disk boots with Secure Boot on and is healthy",
            |ctx| run(ctx, Firmware::SecureBoot),
        ),
        boot(
            "disk-sata",
            "the installed disk boots from another controller",
            |ctx| {
                let disk = Disk::new(overlay(ctx, ctx.installed_disk()?)?, Bus::Sata).qcow2();
                healthy(ctx, Firmware::Uefi, disk)?.kill()
            },
        ),
        scenario(
            "disk-nvme-4k",
            "a disk that the builder made with 4096-byte sectors boots as NVMe",
            &["image"],
            |ctx| healthy(ctx, Firmware::Uefi, built_4k(ctx)?)?.kill(),
        ),
    ]
}

fn run(ctx: &Context, firmware: Firmware) -> Result<()> {
    let disk = Disk::new(overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
    let vm = healthy(ctx, firmware, disk)?;
    let more = match firmware {
        Firmware::Bios => ssh::check(ctx, &vm),
        Firmware::Uefi => Ok(()),
        Firmware::SecureBoot => check_lockdown(ctx, &vm),
    };
    more.map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.kill()
}

/// Boots a disk until it is healthy, and sees that it is what was installed.
fn healthy(ctx: &Context, firmware: Firmware, disk: Disk) -> Result<Vm> {
    let machine = ctx.machine(firmware)?.disk(disk);
    let vm = ctx.start("vm", &machine.forward(WEB).forward(SSH))?;
    vm.wait_line(READY_INSTALLED, BOOT)?;
    let health = vm.wait_http(WEB, "/health", HEALTH, is_ok)?.json()?;
    ctx.note(format!("healthy after {:.1} s", vm.now().as_secs_f64()));
    vm.screenshot("ready")?;
    check_identity(ctx, &health).map_err(|error| vm.failure(format!("{error:#}")))?;
    Ok(vm)
}

/// A disk made by `cargo image disk`.
fn built_4k(ctx: &Context) -> Result<Disk> {
    let path = ctx.folder().join("disk.raw");
    let mut command = Command::new(builder(ctx)?);
    command
        .args(["disk", "--size", "16GB", "--sectors", "4096", "--out"])
        .arg(&path);
    process::output("making a disk with 4096-byte sectors", &mut command)?;
    Ok(Disk::new(path, Bus::Nvme)
        .sectors(SectorSize::B4096)
        .throwaway())
}

/// Debian's kernel locks itself down when, and only when, the firmware has verified it.
fn check_lockdown(ctx: &Context, vm: &Vm) -> Result<()> {
    let lockdown = ssh::says(ctx, vm, "cat /sys/kernel/security/lockdown")?;
    ensure!(
        lockdown.contains("[integrity]"),
        "Secure Boot is not in force: lockdown is {lockdown:?}"
    );
    ctx.note("the kernel is locked down");
    Ok(())
}

/// A disk of the step's own over one that stays as it is.
pub(super) fn overlay(ctx: &Context, base: &Path) -> Result<PathBuf> {
    let disk = ctx.folder().join("disk.qcow2");
    images::overlay(ctx.programs()?, base, &disk)?;
    Ok(disk)
}

fn is_ok(response: &Response) -> bool {
    let health = response.json().unwrap_or_default();
    response.status == 200 && health["status"] == "ok"
}

/// The system that answers is the one that was installed.
fn check_identity(ctx: &Context, health: &Value) -> Result<()> {
    let expected = [
        ("version", ctx.image()?.version.as_str()),
        ("mode", "installed"),
        ("slot", "a"),
    ];
    for (field, value) in expected {
        ensure!(
            health[field] == value,
            "/health: {field} is {}, not {value}",
            health[field]
        );
    }
    let failed = health["failed_units"]
        .as_array()
        .is_none_or(|units| !units.is_empty());
    ensure!(!failed, "/health: failed units {}", health["failed_units"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_is_healthy() {
        let cases = [
            (200, r#"{"status":"ok"}"#, true),
            (200, r#"{"status":"degraded"}"#, false),
            (503, r#"{"status":"ok"}"#, false),
            (200, "ok", false),
        ];
        for (status, body, expected) in cases {
            let body = body.to_owned();
            assert_eq!(
                is_ok(&Response {
                    status,
                    body: body.clone()
                }),
                expected,
                "{body}"
            );
        }
    }
}
