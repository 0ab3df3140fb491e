//! One stick for a whole batch: a medium that carries the answers of several machines, told apart by what
//! stands on their plates. Before that a person looks at the machine from the medium's shell: its disks, the
//! answers, and the plan, with nothing written.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::boot::check_name;
use super::shell::{self, says};
use super::unattended::answers;
use super::{BOOT, READY_LIVE, disk_scenario, table};
use crate::builds::builder;
use crate::context::Context;
use crate::process;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk, Firmware, Format};
use crate::vm::dialog::Dialog;
use crate::vm::images::{self, DiskFile};
use crate::vm::sparse;

const BYTES: u64 = 8_000_000_000;
const SERIAL: &str = "VIGIE-CI-BATCH";
/// The machine's plate.
const MACHINE: &str = "5YXK2X2";
const ASSET: &str = "HALL-0042";
/// The host name of the section that fits, and of the rest.
const NAME: &str = "nvr-hall";
const OTHERS: &str = "nvr-other";

const QUESTION: Duration = Duration::from_secs(120);
/// Boot, install, restart.
const LIMIT: Duration = Duration::from_secs(15 * 60);

pub(super) fn step() -> Step {
    disk_scenario(
        "factory-stick",
        "answers of several machines in the medium itself; the one whose plate fits is installed, and restarts",
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let disk = DiskFile {
        path: ctx.folder().join("disk.raw"),
        format: Format::Raw,
        bytes: BYTES,
    };
    images::empty(&disk.path, disk.bytes)?;
    let text = batch(ctx)?;
    look(ctx, &disk, &text)?;
    install(ctx, &disk, &text)?;
    table::check(ctx, &disk, 512)?;
    let installed = disk.on(Bus::Virtio).serial(SERIAL);
    check_name(ctx, "boot", Firmware::Uefi, installed, NAME)
}

/// Answers for three machines.
fn batch(ctx: &Context) -> Result<String> {
    let common = answers(ctx, &format!("[target]\nserial = \"{SERIAL}\""), OTHERS)?;
    let section = |rule: &str, name: &str| {
        format!("[[machine]]\nmatch = {{ {rule} }}\n[machine.system]\nhostname = \"{name}\"\n\n")
    };
    Ok(format!(
        "{common}\n[finish]\non_success = \"reboot\"\n\n{}{}{}",
        section("serial = \"5YXK2X3\"", "nvr-gate"),
        section(
            &format!("serial = \"{MACHINE}\", asset_tag = \"{ASSET}\""),
            NAME
        ),
        section(
            &format!("serial = \"{MACHINE}\", asset_tag = \"HALL-0043\""),
            "nvr-yard"
        ),
    ))
}

fn start(ctx: &Context, name: &str, medium: &std::path::Path, disk: &DiskFile) -> Result<Vm> {
    let machine = ctx
        .machine(Firmware::Bios)?
        .plate(MACHINE, ASSET)
        .disk(Disk::new(medium, Bus::Usb).throwaway())
        .disk(disk.on(Bus::Virtio).serial(SERIAL).data_only());
    ctx.start(name, &machine)
}

/// A person who writes the answers first tries them on a machine; that writes nothing.
fn look(ctx: &Context, disk: &DiskFile, text: &str) -> Result<()> {
    let before = sparse::digest(&disk.path)?;
    let vm = start(ctx, "look", &ctx.image()?.iso, disk)?;
    vm.wait_line(READY_LIVE, BOOT)?;
    try_answers(&vm, text).map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.kill()?;
    ensure!(
        sparse::digest(&disk.path)? == before,
        "a look at the plan has written to the disk"
    );
    Ok(())
}

fn try_answers(vm: &Vm, text: &str) -> Result<()> {
    let mut person = Dialog::from_the_beginning(vm, QUESTION);
    shell::open(&mut person, "4")?;
    let devices = says(
        &mut person,
        "vigie-install devices --json | tr -d '\\n'; echo",
    )?;
    let devices = devices.lines().find(|line| line.starts_with('{'));
    let devices: Value = serde_json::from_str(devices.context("no inventory")?)?;
    let known = devices.to_string();
    ensure!(known.contains(SERIAL), "the inventory: {devices:#}");

    person.press(&format!("cat > /run/a.toml <<'END'\n{text}END\n"))?;
    let plan = says(
        &mut person,
        "vigie-install run --answers /run/a.toml --dry-run; echo ended-$?",
    )?;
    for expected in [SERIAL, "data-1", "ended-0"] {
        ensure!(
            plan.contains(expected),
            "no `{expected}` in the plan: {plan}"
        );
    }
    says(
        &mut person,
        "sed 's/dhcp = true/dhcp = maybe/' /run/a.toml > /run/b.toml",
    )?;
    let wrong = says(
        &mut person,
        "vigie-install check /run/b.toml --language fr; echo ended-$?",
    )?;
    let line = text.lines().position(|line| line == "dhcp = true");
    let place = format!("ligne {}", line.context("the answers have no dhcp")? + 1);
    ensure!(
        wrong.contains(&place) && wrong.contains("ended-1"),
        "no `{place}` in what is said of wrong answers: {wrong}"
    );
    Ok(())
}

/// The medium with the answers in it installs the machine, which starts anew by itself.
fn install(ctx: &Context, disk: &DiskFile, text: &str) -> Result<()> {
    let vm = start(ctx, "install", &medium(ctx, text)?, disk)?;
    let reset = vm.wait_event(Default::default(), "RESET", LIMIT)?;
    ctx.note(format!("restart after {:.0} s", vm.now().as_secs_f64()));
    vm.kill()?;
    ensure!(
        reset.reason() == "guest-reset",
        "{}",
        vm.failure(format!("reset by {}", reset.reason()))
    );
    Ok(())
}

/// As docs/provision.md has it.
fn medium(ctx: &Context, text: &str) -> Result<PathBuf> {
    let (answers, out) = (
        ctx.folder().join("batch.toml"),
        ctx.folder().join("batch.iso"),
    );
    fs::write(&answers, text).context("writing the answers")?;
    let mut provision = Command::new(builder(ctx)?);
    provision
        .arg("provision")
        .arg("--iso")
        .arg(&ctx.image()?.iso);
    provision
        .arg("--answers")
        .arg(&answers)
        .arg("--out")
        .arg(&out);
    process::output("putting the answers into a medium", &mut provision)?;
    Ok(out)
}
