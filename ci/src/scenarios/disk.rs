//! The installed disk boots on three firmwares and is healthy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::boot::{self, Expect};
use super::{scenario, ssh};
use crate::builds::builder;
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware, SectorSize};
use crate::vm::{Vm, images};
use crate::{ports, process};

pub(super) fn steps() -> Vec<Step> {
    let boot =
        |name, proves, run: fn(&Context) -> Result<()>| scenario(name, proves, &["install"], run);
    vec![
        boot(
            "disk-bios",
            "the installed disk boots on BIOS, is healthy, lets in who has the key, listens at no other place, and its broker does what it may",
            |ctx| run(ctx, Firmware::Bios),
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
                boot::healthy(ctx, "vm", Firmware::Uefi, &[disk])
            },
        ),
        scenario(
            "disk-nvme-4k",
            "a disk that the builder made with 4096-byte sectors boots as NVMe",
            &["image"],
            |ctx| boot::healthy(ctx, "vm", Firmware::Uefi, &[built_4k(ctx)?]),
        ),
    ]
}

fn run(ctx: &Context, firmware: Firmware) -> Result<()> {
    let disk = Disk::new(overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
    let up = boot::boot(ctx, "vm", firmware, &[disk], Expect::Ok)?;
    up.blame(match firmware {
        Firmware::Bios => ssh::check(ctx, &up.vm)
            .and_then(|()| check_listeners(ctx, &up.vm))
            .and_then(|()| check_broker(ctx, &up.vm)),
        Firmware::Uefi => Ok(()),
        Firmware::SecureBoot => check_lockdown(ctx, &up.vm),
    })?;
    up.vm.kill()
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

/// Nothing waits for connections but what `rootfs/PORTS.md` names.
fn check_listeners(ctx: &Context, vm: &Vm) -> Result<()> {
    let said = ssh::Key::of_install(ctx).says(ctx, vm, "ss -Hltuxnp")?;
    let listed = ports::Listed::load(ctx.root())?;
    // That it is the appliance which speaks, and ss which looked.
    ensure!(said.contains(":443 "), "nothing waits at port 443: {said}");
    let unlisted = ports::unlisted(&listed, &said)?;
    ensure!(
        unlisted.is_empty(),
        "these listen and are not in rootfs/PORTS.md:\n{}",
        unlisted.join("\n")
    );
    ctx.note("nothing listens that is not listed");
    Ok(())
}

/// What the broker is asked in the image: in its sandbox it saves a password, reads the journal and writes
/// its trail, and does nothing for the web interface without a session.
const BROKER: &str = r#"
stat -c '%a %U %G' /etc/shadow
echo '{"ask":{"verb":"set-password","account":"service","password":"dix lamas verts"}}' | vigie-broker ask
stat -c '%a %U %G' /etc/shadow
grep -c '^service:[$]y[$]' /etc/shadow
echo '{"ask":{"verb":"logs","lines":3}}' | vigie-broker ask | grep -c '"event":"line"'
vigie-broker audit --json | grep -c '"set-password"'
echo '{"from":"192.0.2.7","ask":{"verb":"power-off"}}' |
    setpriv --reuid=vigie-web --regid=vigie-web --clear-groups vigie-broker ask | grep -o '"code":"session"'
echo '{"ask":{"verb":"session"}}' |
    setpriv --reuid=service --regid=service --clear-groups vigie-broker ask 2>&1 | grep -o 'Permission denied'
"#;

fn check_broker(ctx: &Context, vm: &Vm) -> Result<()> {
    let said = ssh::Key::of_install(ctx).says(ctx, vm, BROKER)?;
    let lines: Vec<&str> = said.trim().lines().collect();
    let [
        before,
        ref answer @ ..,
        after,
        hashes,
        logs,
        trail,
        web,
        other,
    ] = *lines
    else {
        anyhow::bail!("the broker: {said}");
    };
    ensure!(
        answer == [r#"{"event":"end","ok":true}"#],
        "the broker set no password, or warned: {answer:?}"
    );
    ensure!(
        before == after,
        "/etc/shadow was {before}, and is {after} after a password was set"
    );
    ensure!(
        [hashes, logs, trail] == ["1", "3", "2"],
        "hashes, lines of the log, records of the trail: {hashes}, {logs}, {trail}"
    );
    ensure!(
        web == r#""code":"session""# && other == "Permission denied",
        "the broker answered others: {web}, {other}"
    );
    ctx.note("the broker does for root what it is asked, and for nobody else");
    Ok(())
}

/// Debian's kernel locks itself down when, and only when, the firmware has verified it.
pub(super) fn check_lockdown(ctx: &Context, vm: &Vm) -> Result<()> {
    let key = ssh::Key::of_install(ctx);
    let lockdown = key.says(ctx, vm, "cat /sys/kernel/security/lockdown")?;
    ensure!(
        lockdown.contains("[integrity]"),
        "Secure Boot is not in force: lockdown is {lockdown:?}"
    );
    ctx.note("the kernel is locked down");
    Ok(())
}

/// A raw copy of the installed disk in the step's folder, for what is written or damaged by hand.
pub(super) fn copy(ctx: &Context, name: &str) -> Result<PathBuf> {
    let path = ctx.folder().join(name);
    let mut copy = Command::new("cp");
    copy.arg("--sparse=always").arg(ctx.installed_disk()?);
    process::output("copying the disk", copy.arg(&path))?;
    Ok(path)
}

/// A disk of the step's own over one that stays as it is.
pub(super) fn overlay(ctx: &Context, base: &Path) -> Result<PathBuf> {
    let disk = ctx.folder().join("disk.qcow2");
    images::overlay(ctx.programs()?, base, &disk)?;
    Ok(disk)
}
