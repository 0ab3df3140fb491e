//! A disk that says that it fails (SMART, as QEMU's NVMe tells of it): it is shown, a script repairs on it
//! only where it says so, a person is asked.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::bad_disks::{events, result};
use super::recovery::{ENGLISH, Person, QUESTION, entry, medium};
use super::{disk, disk_scenario, shell};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk};
use crate::vm::dialog::Dialog;

/// Bit 2 of the critical warnings: "the NVM subsystem reliability has been degraded" (NVM Express Base
/// Specification, SMART / Health Information log).
const DEGRADED: u8 = 1 << 2;
/// Where QEMU keeps devices without a name.
const DEVICES: &str = "/machine/peripheral-anon";

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "disk-fails",
            "a disk that says that it fails is shown, and repaired on only where somebody says so",
            run,
        )
    }
}

fn run(ctx: &Context) -> Result<()> {
    let disk = Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Nvme).qcow2();
    let vm = medium(ctx, "vm", &[disk])?;
    let done = || -> Result<()> {
        let dialog = Dialog::from_the_beginning(&vm, QUESTION);
        let mut person = Person::enter(dialog, &ENGLISH, "3")?;
        ensure!(
            health(&mut person)?.contains("good"),
            "a new disk is not good"
        );
        warn(&vm)?;
        let said = health(&mut person)?;
        let failing = "FAILING: errors have made it unreliable";
        ensure!(said.contains(failing), "the disks: {said}");
        refuse(ctx, &mut person)?;
        // Back to the console: the menu, the language.
        person.back()?;
        person.page("Language / Langue")?;
        person.back()?;
        script(person.dialog)
    };
    done().map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.kill()
}

/// The line of the disk, from the menu.
fn health(person: &mut Person) -> Result<String> {
    person.choose(entry::DETAILS)?;
    person.page("details")?;
    person.choose("3")?;
    let said = person.read()?;
    person.menu()?;
    let line = said.lines().find(|line| line.contains("/dev/nvme0n1"));
    Ok(line
        .with_context(|| format!("no such disk: {said}"))?
        .to_owned())
}

/// The disk begins to fail.
fn warn(vm: &Vm) -> Result<()> {
    let devices = vm.command("qom-list", json!({"path": DEVICES}))?;
    let devices = devices.as_array().cloned().unwrap_or_default();
    let nvme = devices.iter().find(|one| one["type"] == "child<nvme>");
    let name = nvme.and_then(|one| one["name"].as_str());
    let path = format!("{DEVICES}/{}", name.context("QEMU has no NVMe disk")?);
    let warning = json!({"path": path, "property": "smart_critical_warning", "value": DEGRADED});
    vm.command("qom-set", warning).map(drop)
}

/// A person is asked, and says no.
fn refuse(ctx: &Context, person: &mut Person) -> Result<()> {
    person.choose(entry::CHECK_ALL)?;
    person.choose("2")?;
    let asked = "Type yes to repair all the same:";
    person.dialog.answer(asked, "no")?;
    let said = person.read()?;
    ensure!(
        said.contains("/dev/nvme0n1: failing") && !said.contains("Volume 1"),
        "after the no: {said}"
    );
    ctx.note("asked, and not repaired");
    person.menu()
}

/// A script is refused, but for a look and where it says so.
fn script(mut person: Dialog) -> Result<()> {
    shell::open(&mut person, "4")?;
    let mut check = |more: &str, kind: &str| {
        let command = format!("vigie-recovery check {more} --json");
        events(&mut person, &command, kind)
    };
    let (ended, disks) = check("--repair", "disk")?;
    let first = disks.first().context("nothing is said of the disk")?;
    let sign = &first["signs"][0]["sign"];
    ensure!(
        ended == "ended-8" && first["health"] == "failing" && sign == "degraded",
        "{ended}: {first}"
    );
    let (ended, results) = check("--repair", "result")?;
    ensure!(
        ended == "ended-8" && results.is_empty(),
        "it was repaired on: {results:?}"
    );
    for more in ["", "--repair --failing-disk"] {
        let (ended, results) = check(more, "result")?;
        clean(&results, more).with_context(|| ended.clone())?;
        ensure!(ended == "ended-0", "`{more}` {ended}");
    }
    Ok(())
}

fn clean(results: &[Value], how: &str) -> Result<()> {
    for name in ["state", "data-1"] {
        let volume = result(results, name)?;
        ensure!(volume["verdict"] == "clean", "`{how}`: {volume}");
    }
    Ok(())
}
