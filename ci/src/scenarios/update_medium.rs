//! "Update this appliance": the medium of a newer version, booted on a machine that has one.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::update::{NEXT, Package};
use super::{BOOT, READY_LIVE, WEB, disk, scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Response;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::dialog::Dialog;

const QUESTION: Duration = Duration::from_secs(120);
const WRITING: Duration = Duration::from_secs(600);

pub(super) fn step() -> Step {
    scenario(
        "update-medium",
        "the booted medium of a newer version updates the appliance; settings and recordings stay",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let newer = Package::build(ctx, NEXT, |_| Ok(()))?;
    let iso = newer.path.with_file_name(format!("vigie-{NEXT}.iso"));
    ensure!(iso.exists(), "there is no {}", iso.display());
    let disk = Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
    prepare(ctx, &disk)?;
    let medium = |iso| Disk::new(iso, Bus::Usb).throwaway();
    // The medium of the same version has nothing to give.
    let refused = update(ctx, "same", &disk, medium(ctx.image()?.iso.as_path()))?;
    ensure!(refused.contains("a newer version is needed"), "{refused}");
    let done = update(ctx, "newer", &disk, medium(iso.as_path()))?;
    ensure!(
        done.contains(&format!("Version {NEXT} is in slot b")),
        "{done}"
    );
    check(ctx, &disk)
}

/// A recording and its digest; and the slot becomes good, as before any update.
fn prepare(ctx: &Context, disk: &Disk) -> Result<()> {
    let up = super::boot::boot(
        ctx,
        "before",
        Firmware::Bios,
        std::slice::from_ref(disk),
        super::boot::Expect::Ok,
    )?;
    let key = ssh::Key::of_install(ctx);
    key.says(ctx, &up.vm, "systemctl start vigie-mark-good.service")?;
    let record = "head -c 5000000 /dev/urandom > /srv/data-1/recording && sha256sum /srv/data-1/recording > /srv/data-1/sum && sync";
    key.says(ctx, &up.vm, record)?;
    up.power_off()
}

/// Boots the medium beside the disk and chooses the entry; gives what was said after the answer.
fn update(ctx: &Context, name: &str, disk: &Disk, medium: Disk) -> Result<String> {
    let machine = ctx.machine(Firmware::Bios)?.disk(medium);
    let vm = ctx.start(name, &machine.disk(disk.clone().data_only()))?;
    let person = Dialog::from_the_beginning(&vm, BOOT);
    person.expect(READY_LIVE)?;
    let mut person = person.patience(QUESTION);
    person.answer("Number, or Enter to refresh:", "2")?;
    person.expect("Settings and recordings stay")?;
    person.answer("Type yes to update it", "yes")?;
    let mark = person.mark();
    let mut person = person.patience(WRITING);
    person.expect("Enter to go back:")?;
    let said = person.lines_since(mark);
    person.press("\r")?;
    vm.kill()?;
    Ok(said)
}

/// The disk alone runs the newer version, with the name and the recording that it had.
fn check(ctx: &Context, disk: &Disk) -> Result<()> {
    let machine = ctx
        .machine(Firmware::Bios)?
        .forward(WEB)
        .forward(super::SSH);
    let vm = ctx.start("after", &machine.disk(disk.clone()))?;
    let there = |response: &Response| {
        let health: Value = response.json().unwrap_or_default();
        health["status"] == "ok" && health["slot"] == "b" && health["version"] == NEXT
    };
    vm.wait_http(WEB, "/health", BOOT, there)?;
    let key = ssh::Key::of_install(ctx);
    let name = key.says(ctx, &vm, "hostname")?;
    ensure!(
        name.trim() == super::unattended::HOSTNAME,
        "its name is {name}"
    );
    key.says(ctx, &vm, "sha256sum -c /srv/data-1/sum")?;
    key.says(ctx, &vm, "systemctl start vigie-mark-good.service")?;
    let history = key.says(ctx, &vm, "vigie-update history --json")?;
    let by_medium = history.lines().any(|line| {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        record["door"] == "medium" && record["outcome"] == "good"
    });
    ensure!(by_medium, "the history is {history}");
    vm.kill()
}
