//! "Update this appliance": the medium of a newer version, booted on a machine that has one; and
//! packages that its command does not take.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::bad_packages::{self, Bad, LABEL};
use super::update::{NEXT, Package};
use super::{BOOT, READY_LIVE, WEB, disk, scenario, shell, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::dialog::Dialog;
use crate::vm::{Response, Vm};

const QUESTION: Duration = Duration::from_secs(120);
const WRITING: Duration = Duration::from_secs(600);

pub(super) fn step() -> Step {
    scenario(
        "update-medium",
        "the booted medium of a newer version updates the appliance; settings and recordings stay; wrong packages are refused",
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
    let medium = |iso: &Path| Disk::new(iso, Bus::Usb).throwaway();
    let bad = bad_packages::make(ctx, &newer.path)?;
    let wrong = Disk::new(bad_packages::stick(ctx, &bad)?, Bus::Usb).throwaway();
    // The medium of the same version has nothing to give.
    let vm = start(ctx, "same", medium(&ctx.image()?.iso), &[&disk, &wrong])?;
    let refused = update(&vm)?;
    ensure!(refused.contains("a newer version is needed"), "{refused}");
    refusals(&vm, &bad).map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.kill()?;
    let vm = start(ctx, "newer", medium(&iso), &[&disk])?;
    let done = update(&vm)?;
    ensure!(
        done.contains(&format!("Version {NEXT} is in slot b")),
        "{done}"
    );
    vm.kill()?;
    check(ctx, &disk)
}

/// A recording and its digest; and the slot becomes good, as before any update.
pub(super) fn prepare(ctx: &Context, disk: &Disk) -> Result<()> {
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

/// Boots the medium beside disks.
fn start(ctx: &Context, name: &str, medium: Disk, others: &[&Disk]) -> Result<Vm> {
    let mut machine = ctx.machine(Firmware::Bios)?.disk(medium);
    let others = others.iter().map(|disk| (*disk).clone().data_only());
    machine.disks.extend(others);
    ctx.start(name, &machine)
}

/// Chooses the menu's entry; gives what was said after the answer, and is back at the menu.
fn update(vm: &Vm) -> Result<String> {
    let person = Dialog::from_the_beginning(vm, BOOT);
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
    Ok(said)
}

/// The command refuses each, and writes neither to the boot state nor to the other slot.
fn refusals(vm: &Vm, bad: &[Bad]) -> Result<()> {
    // Boot state, boot image and system of the other slot.
    const DIGESTS: &str = "sha256sum /dev/vda2 /dev/vda4 /dev/vda6";
    let mut person = Dialog::from_the_beginning(vm, QUESTION);
    person.press("\r")?;
    shell::open(&mut person, "4")?;
    let mount = format!(
        "mkdir /run/wrong && mount -o ro /dev/disk/by-label/{LABEL} /run/wrong && echo mounted"
    );
    let mounted = shell::says(&mut person, &mount)?;
    ensure!(mounted.contains("mounted"), "the stick: {mounted}");
    let before = shell::says(&mut person, DIGESTS)?;
    for bad in bad {
        let name = bad.on_stick();
        let command = format!("vigie-recovery update --yes --json /run/wrong/{name}; echo exit $?");
        let said = shell::says(&mut person, &command)?;
        let code = said.lines().find_map(|line| line.strip_prefix("exit "));
        let code = code.and_then(|code| code.trim().parse().ok());
        let code = code.with_context(|| format!("no exit code: {said}"))?;
        bad_packages::is_refusal(bad.row, code, &said).context(name)?;
    }
    let after = shell::says(&mut person, DIGESTS)?;
    ensure!(before == after, "refusals changed\n{before}\ninto\n{after}");
    Ok(())
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
