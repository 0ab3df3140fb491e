//! Damaged volumes at the start of an appliance: the state volume is repaired before it is used,
//! a volume of recordings stays unmounted and is told of, and nobody is asked anything. Repaired
//! by a person over ssh, it gives back what was recorded.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::boot::{self, Expect};
use super::{BOOT, HTTPS, READY_INSTALLED, SSH, WEB, disk, disk_scenario, ssh, table};
use crate::context::Context;
use crate::process;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::{Response, Vm, images};

/// A ready console to the end of the checks.
const CHECKED: Duration = Duration::from_secs(180);
/// Where the group descriptors begin, with blocks of 4 KiB.
const DESCRIPTORS: u64 = 4096;
/// The number of the block with the inode table, in the first of them (ext4.h, struct
/// ext4_group_desc, bg_inode_table_lo).
const INODE_TABLE: u64 = 8;

/// Two folders of recordings: one will lose its entries, one must not notice.
const RECORD: &str = "cd /srv/data-1 && mkdir hit spared && \
    head -c 3000000 /dev/urandom > hit/one && head -c 3000000 /dev/urandom > spared/two && \
    sha256sum hit/one spared/two && sync";

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "damaged-volumes",
            "an appliance with damaged volumes starts, repairs its state, tells of the recordings, and asks nobody",
            run,
        )
    }
}

fn run(ctx: &Context) -> Result<()> {
    let path = disk::copy(ctx, "disk.raw")?;
    let disk = [Disk::new(&path, Bus::Virtio)];
    let key = ssh::Key::of_install(ctx);
    let up = boot::boot(ctx, "before", Firmware::Bios, &disk, Expect::Ok)?;
    let recorded = key.says(ctx, &up.vm, RECORD)?;
    up.power_off()?;
    damage(ctx, &path)?;

    let vm = start(ctx, &disk)?;
    check_start(ctx, &vm, &key).map_err(|error| vm.failure(format!("{error:#}")))?;
    repair(ctx, &vm, &key).map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.press_power()?;
    vm.wait_poweroff(BOOT)?;

    let up = boot::boot(ctx, "after", Firmware::Bios, &disk, Expect::Ok)?;
    up.blame(check_recordings(ctx, &up.vm, &key, &recorded))?;
    up.vm.kill()
}

/// The state volume's descriptors point elsewhere; the entries of a folder are overwritten, and
/// the volume is marked as the kernel does that met such a fault.
fn damage(ctx: &Context, disk: &Path) -> Result<()> {
    let state = images::partition_named(disk, 512, "state")?;
    let table = state.offset + DESCRIPTORS + INODE_TABLE;
    images::write_at(disk, table, &[0x5A; 4]).context("damaging the state volume")?;
    let data = table::volume(disk, 512, "data-1")?;
    for request in ["zap_block -f /hit -p 0x5a 0", "set_super_value state 2"] {
        let mut debugfs = ctx.programs()?.command("debugfs");
        debugfs.args(["-w", "-R", request]).arg(&data);
        process::output("damaging the recordings", &mut debugfs)?;
    }
    Ok(())
}

/// Starts it until it says that one volume is not used.
fn start(ctx: &Context, disk: &[Disk]) -> Result<Vm> {
    let mut machine = ctx.machine(Firmware::Bios)?;
    machine.disks = disk.to_vec();
    let machine = machine.forward(WEB).forward(HTTPS).forward(SSH);
    let vm = ctx.start("damaged", &machine)?;
    vm.wait_line(READY_INSTALLED, BOOT)?;
    let told = |response: &Response| {
        let health = response.json().unwrap_or_default();
        health["status"] == "degraded" && problems(&health).contains("volume data-1 is not used")
    };
    let health = vm.wait_http(WEB, "/health", CHECKED, told)?.json()?;
    // The consoles say it by themselves.
    vm.wait_line("volume data-1 is not used", CHECKED)?;
    vm.screenshot("degraded")?;
    let french = health["problems_fr"].to_string();
    ensure!(
        french.contains("le volume data-1 n'est pas utilisé"),
        "/health: {health:#}"
    );
    Ok(vm)
}

fn problems(health: &Value) -> String {
    health["problems"].to_string()
}

/// The settings are those of before, and no prompt waits for anybody.
fn check_start(ctx: &Context, vm: &Vm, key: &ssh::Key) -> Result<()> {
    let boot: Value = serde_json::from_str(&key.says(ctx, vm, "cat /run/vigie/boot.json")?)?;
    let check = &boot["state_check"];
    let summary = check["summary"].as_str().unwrap_or_default();
    ensure!(
        check["exit"] == 1 && summary.contains("repaired") && boot["state_device"].is_string(),
        "the state volume: {boot}"
    );
    ctx.note(format!("state: {summary}"));
    let said = key.says(
        ctx,
        vm,
        "cat /proc/sys/kernel/hostname; systemctl is-active emergency.target rescue.target; \
         findmnt /srv/data-1; ls /var/lib/vigie/recovery",
    );
    // The last commands are to fail: the client tells their words in its error.
    let said = match said {
        Ok(said) => said,
        Err(error) => format!("{error:#}"),
    };
    ensure!(
        said.contains(super::unattended::HOSTNAME) && !said.contains("\nactive"),
        "after the start: {said}"
    );
    ensure!(
        said.contains("-data-1.json") && !said.contains("/dev/vda8"),
        "after the start: {said}"
    );
    // Nobody was asked before the state volume was repaired; what was done is told in both languages.
    ensure!(
        said.contains("-state.json") && said.contains("-state.fr.txt"),
        "no report of the repair of the state volume: {said}"
    );
    let french = check["summary_fr"].as_str().unwrap_or_default();
    ensure!(french.contains("réparé"), "the state volume: {boot}");
    Ok(())
}

/// What a person does, with the exit code for "was damaged, is clean now".
fn repair(ctx: &Context, vm: &Vm, key: &ssh::Key) -> Result<()> {
    let output = key
        .client(ctx, vm, "vigie-recovery check --repair data-1")?
        .output()
        .context("starting ssh")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code() == Some(1) && said.contains("repaired: clean now"),
        "the repair ended with {}: {said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// What was not hit is in its place, and what lost its place is in lost+found.
fn check_recordings(ctx: &Context, vm: &Vm, key: &ssh::Key, recorded: &str) -> Result<()> {
    let find = "cd /srv/data-1 && find . -type f -exec sha256sum {} +";
    let found = key.says(ctx, vm, find)?;
    for line in recorded.lines() {
        let (digest, name) = line.split_once("  ").context("a digest")?;
        let places: Vec<PathBuf> = found
            .lines()
            .filter_map(|line| line.strip_prefix(digest))
            .map(|place| PathBuf::from(place.trim()))
            .collect();
        ensure!(!places.is_empty(), "{name} is gone: {found}");
        if name.starts_with("spared") {
            ensure!(places[0].ends_with(name), "{name} is at {places:?}");
        }
        ctx.note(format!("{name} is {}", places[0].display()));
    }
    Ok(())
}
