//! Another version by recovery's menu, from a package on a stick, and the way back to the one before.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::recovery::{ENGLISH, LONG, Person, QUESTION, entry, medium};
use super::update::{NEXT, Package, RESTART};
use super::{SSH, WEB, disk, disk_scenario, ssh, update_medium};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::dialog::Dialog;
use crate::vm::{Response, images};

/// In the folder that is looked into beside the root.
const NAME: &str = "update/vigie-upd.tgz";
/// Size of the stick in KiB.
const STICK_KIB: u32 = 1 << 20;

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "recover-update",
            "recovery's menu installs a package from a stick, and goes back to the version before",
            run,
        )
    }
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let stick = ctx.folder().join("stick.raw");
    let files = [(NAME, package.path.as_path())];
    images::fat_volume(ctx.programs()?, &stick, "STICK", STICK_KIB, &files)?;
    let disk = Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
    update_medium::prepare(ctx, &disk)?;
    let version = ctx.image()?.version.as_str();

    by_the_menu(ctx, "update", &disk, Some(&stick), update)?;
    runs(ctx, "updated", &disk, ("b", NEXT), "good")?;
    let back = |person: &mut Person| go_back(person, version);
    by_the_menu(ctx, "back", &disk, None, back)?;
    runs(ctx, "before-again", &disk, ("a", version), "rollback")
}

/// The medium beside the disk and a stick: what is done at the menu, and the power-off.
fn by_the_menu(
    ctx: &Context,
    name: &str,
    disk: &Disk,
    stick: Option<&Path>,
    act: impl FnOnce(&mut Person) -> Result<()>,
) -> Result<()> {
    let mut disks = vec![disk.clone()];
    disks.extend(stick.map(|stick| Disk::new(stick, Bus::Usb)));
    let vm = medium(ctx, name, &disks)?;
    let done = || -> Result<()> {
        let dialog = Dialog::from_the_beginning(&vm, QUESTION);
        let mut person = Person::enter(dialog, &ENGLISH, "3")?;
        act(&mut person)?;
        person.menu()?;
        person.power_off()
    };
    done().map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.wait_poweroff(QUESTION)
}

/// The package is the second choice, after the medium's own version.
fn update(person: &mut Person) -> Result<()> {
    person.choose(entry::UPDATE)?;
    person.page("update")?;
    person
        .dialog
        .expect(Pattern::regex(r"2 .*vigie-upd\.tgz")?)?;
    person.choose("2")?;
    person.dialog.expect("Settings and recordings stay")?;
    person.dialog.answer("Type yes to update it", "yes")?;
    person
        .dialog
        .patience(LONG)
        .expect(format!("Version {NEXT} is in slot b").as_str())?;
    person.read().map(drop)
}

/// Back to the version in the other slot, which is named.
fn go_back(person: &mut Person, version: &str) -> Result<()> {
    let named = format!("Go back to version {version}");
    person.dialog.expect(named.as_str())?;
    person.choose(entry::ROLLBACK)?;
    person.page("the version before")?;
    person.choose("2")?;
    let said = person.read()?;
    ensure!(
        said.contains("The next start runs slot a"),
        "it said: {said}"
    );
    Ok(())
}

/// The disk alone runs a version from a slot, with its recording; its history tells of it by its last
/// outcome. The machine is switched off in order.
fn runs(
    ctx: &Context,
    name: &str,
    disk: &Disk,
    (slot, version): (&str, &str),
    outcome: &str,
) -> Result<()> {
    let machine = ctx.machine(Firmware::Bios)?.forward(WEB).forward(SSH);
    let vm = ctx.start(name, &machine.disk(disk.clone()))?;
    let there = |response: &Response| {
        let health = response.json().unwrap_or_default();
        health["status"] == "ok" && health["slot"] == slot && health["version"] == version
    };
    vm.wait_http(WEB, "/health", RESTART, there)?;
    ctx.note(format!(
        "{name}: slot {slot} after {:.0} s",
        vm.now().as_secs_f64()
    ));
    let key = ssh::Key::of_install(ctx);
    let ask = "systemctl start vigie-mark-good.service && sha256sum --quiet -c /srv/data-1/sum && \
               vigie-update history --json | tail -n 1";
    let history = key.says(ctx, &vm, ask)?;
    let last: Value = serde_json::from_str(&history).context("reading the history")?;
    ensure!(
        last["outcome"] == outcome,
        "the history ends with {history}"
    );
    vm.press_power()?;
    vm.wait_poweroff(QUESTION)
}
