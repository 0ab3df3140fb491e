//! A check of all volumes that is asked for in a real browser: the next start makes it, shows how far it is,
//! mends what it finds and tells of it; and no start after that one does.
//!
//! Faults that no start without it would look for, because the volumes are marked clean: a file's count of
//! names is wrong.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::boot::{self, Expect, Up};
use super::unattended::PASSWORD;
use super::web_desk::Desk;
use super::{BOOT, HTTPS, READY_INSTALLED, SSH, WEB, disk, disk_scenario, ssh, table};
use crate::context::Context;
use crate::process;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;

/// Files that get a wrong count, below the roots of the two volumes.
const ON_DATA: &str = "/recorded";
const ON_STATE: &str = "/kept";
const MAKE: &str = "echo x > /srv/data-1/recorded && echo x > /var/kept && sync";
/// What their counts are made.
const NAMES: &str = "7";
/// Requests a second to a disk that is so slow that its check can be watched.
const SLOW: u32 = 12;
/// What a check says while it goes on.
const PROGRESS: &str = "checking, safe repairs: [0-9]+ %, phase [1-5] of 5";
/// A check of a slow disk, and what comes behind it.
const CHECKED: Duration = Duration::from_secs(300);

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "check-at-next-start",
            "a check of the volumes that is asked for in Chromium is made at the next start, shown, told of, and not made again",
            run,
        )
    }
}

fn run(ctx: &Context) -> Result<()> {
    let path = disk::copy(ctx, "disk.raw")?;
    let disk = [Disk::new(&path, Bus::Virtio)];
    let key = ssh::Key::of_install(ctx);
    let up = boot::boot(ctx, "asked", Firmware::Bios, &disk, Expect::Ok)?;
    key.says(ctx, &up.vm, MAKE)?;
    up.blame(is_asked_for(ctx, &up))?;
    damage(ctx, &path)?;

    let up = is_made(ctx, &disk)?;
    up.blame(is_told_of(ctx, &up, &key))?;
    up.power_off()?;
    ensure!(
        counts(ctx, &path)? == ["1", "1"],
        "the counts were not mended"
    );
    damage(ctx, &path)?;

    let up = boot::boot(ctx, "again", Firmware::Bios, &disk, Expect::Ok)?;
    up.power_off()?;
    ensure!(
        counts(ctx, &path)? == [NAMES, NAMES],
        "the volumes were checked again without being asked for"
    );
    ctx.note("the start after that checks nothing again");
    Ok(())
}

/// Asks for the check, and switches off.
fn is_asked_for(ctx: &Context, up: &Up) -> Result<()> {
    let desk = desk(ctx, &up.vm)?;
    desk.sees("[role=status]", "No check is asked for")?;
    desk.presses("[action='/power/check'] button")?;
    desk.sees("[role=status]", "All volumes are checked at the next start")?;
    desk.looks("asked-for")?;
    desk.presses("#off-sure")?;
    desk.presses("[action='/power/off'] button")?;
    desk.sees(".verdict.ok", "The appliance switches itself off")?;
    desk.looks("going-off")?;
    up.vm.wait_poweroff(BOOT)
}

fn desk(ctx: &Context, vm: &Vm) -> Result<Desk> {
    let desk = Desk::at(ctx, format!("https://127.0.0.1:{}", vm.host_port(HTTPS)?))?;
    desk.opens("/power")?;
    desk.logs_in("root", PASSWORD)?;
    Ok(desk)
}

/// The volumes are clean by what they say, and each has a fault.
fn damage(ctx: &Context, disk: &Path) -> Result<()> {
    for (volume, file) in [("data-1", ON_DATA), ("state", ON_STATE)] {
        let request = format!("set_inode_field {file} links_count {NAMES}");
        debugfs(ctx, disk, volume, &["-w", "-R", &request])?;
    }
    Ok(())
}

fn counts(ctx: &Context, disk: &Path) -> Result<[String; 2]> {
    let count = |volume, file| -> Result<String> {
        let said = debugfs(ctx, disk, volume, &["-R", &format!("stat {file}")])?;
        let (_, rest) = said.split_once("Links: ").context("no count of names")?;
        let count = rest.split_whitespace().next();
        Ok(count.unwrap_or_default().to_owned())
    };
    Ok([count("data-1", ON_DATA)?, count("state", ON_STATE)?])
}

fn debugfs(ctx: &Context, disk: &Path, volume: &str, words: &[&str]) -> Result<String> {
    let mut debugfs = ctx.programs()?.command("debugfs");
    debugfs.args(words).arg(table::volume(disk, 512, volume)?);
    process::output("looking into a volume", &mut debugfs)
}

/// Starts the machine, with a slow disk from the first check on until both were seen to go on.
fn is_made(ctx: &Context, disk: &[Disk]) -> Result<Up> {
    let mut machine = ctx.machine(Firmware::Bios)?;
    machine.disks = disk.to_vec();
    let machine = machine.forward(WEB).forward(HTTPS).forward(SSH);
    let vm = ctx.start("checks", &machine)?;
    let begun = vm.mark();
    for volume in ["state", "data-1"] {
        let progress = Pattern::regex(&format!("{volume}: {PROGRESS}"))?;
        let line = vm.wait_line(progress, CHECKED)?;
        vm.slow_disk(SLOW)?;
        ctx.note(format!(
            "{} at {:.0} s",
            line.text.trim(),
            line.at.as_secs_f64()
        ));
        if volume == "state" {
            // In the initrd, before systemd: the kernel itself would restart the machine.
            vm.press(&["ctrl", "alt", "delete"])?;
        }
    }
    vm.screenshot("checking")?;
    vm.slow_disk(0)?;
    vm.wait_line(READY_INSTALLED, BOOT)?;
    let well = |response: &crate::vm::Response| {
        let health: Value = response.json().unwrap_or_default();
        health["status"] == "ok"
    };
    let health = vm.wait_http(WEB, "/health", CHECKED, well)?.json()?;
    ensure!(
        !vm.has_had(begun, "RESET"),
        "Ctrl-Alt-Del has reset the machine in the middle of a check"
    );
    Ok(Up { vm, health })
}

/// Reports lie on the state volume, and the page says that nothing more is asked for.
fn is_told_of(ctx: &Context, up: &Up, key: &ssh::Key) -> Result<()> {
    let reports = key.says(
        ctx,
        &up.vm,
        "cd /var/lib/vigie/recovery && cat check-*-data-1.en.txt && ls check-*-state.en.txt",
    )?;
    ensure!(
        reports.contains("repaired: clean now"),
        "the report: {reports}"
    );
    let boot: Value = serde_json::from_str(&key.says(ctx, &up.vm, "cat /run/vigie/boot.json")?)?;
    let summary = boot["state_check"]["summary"].as_str().unwrap_or_default();
    ensure!(
        boot["state_check"]["exit"] == 1 && summary.contains("repaired"),
        "the state volume: {boot}"
    );
    for (notes, words) in [
        ("notes", "the state volume was damaged at the start"),
        ("notes_fr", "le volume d’état était endommagé"),
    ] {
        let said = up.health[notes].to_string();
        ensure!(said.contains(words), "/health: {:#}", up.health);
    }
    let desk = desk(ctx, &up.vm)?;
    desk.sees("[role=status]", "No check is asked for")?;
    desk.opens("/")?;
    desk.sees(".verdict.ok", "Everything works")?;
    desk.looks("status-after-the-check")
}
