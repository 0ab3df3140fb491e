//! The unattended install: the medium as a USB stick under Secure Boot, an empty disk, and
//! the answers on a FAT volume. The disk that comes out is what the other scenarios boot.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{READY_LIVE, medium, scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware, Machine};
use crate::vm::images;

/// Size of the disk to install to, in bytes.
const DISK_BYTES: u64 = 16_000_000_000;
/// Size of the volume with the answers, in KiB.
const PROVISION_KIB: u32 = 16 * 1024;
/// By which the answers name the disk.
const SERIAL: &str = "VIGIE-CI-1";
/// Boot, install, power off.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// What an installed disk must hold, in order; more data volumes may follow.
const PARTITIONS: [&str; 8] = [
    "vigie-bios",
    "vigie-esp",
    "boot-a",
    "boot-b",
    "system-a",
    "system-b",
    "state",
    "data-1",
];

/// The host name that the answers give.
pub const HOSTNAME: &str = "vigie-ci";

pub(super) fn step() -> Step {
    let proves = "the medium (USB stick, Secure Boot) installs unattended onto an empty disk";
    scenario("install", proves, &["image"], run).in_smoke()
}

fn run(ctx: &Context) -> Result<()> {
    let disk = ctx.folder().join("disk.raw");
    let provision = ctx.folder().join("provision.fat");
    images::empty(&disk, DISK_BYTES)?;
    make_provision(ctx, &provision)?;

    let vm = ctx.start("vm", &machine(ctx, &disk, &provision)?)?;
    // The menu opens when the installation has ended without switching off.
    vm.wait_poweroff_unless(&[READY_LIVE], LIMIT)?;
    ctx.note(format!("powered off after {:.1} s", vm.now().as_secs_f64()));
    medium::check_secure_boot(ctx, &vm)?;

    check_result(ctx, &provision).map_err(|error| vm.failure(format!("{error:#}")))?;
    check_partitions(&disk).map_err(|error| vm.failure(format!("{error:#}")))?;
    ctx.set_installed_disk(disk);
    Ok(())
}

fn machine(ctx: &Context, disk: &Path, provision: &Path) -> Result<Machine> {
    Ok(ctx
        .machine(Firmware::SecureBoot)?
        .disk(Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway())
        .disk(Disk::new(disk, Bus::Virtio).serial(SERIAL).data_only())
        .disk(Disk::new(provision, Bus::Usb).data_only()))
}

fn make_provision(ctx: &Context, volume: &Path) -> Result<()> {
    let answers = ctx.folder().join("install.toml");
    let key = ssh::make_key(ctx)?;
    fs::write(&answers, answers_text(&key)).context("writing the answers")?;
    let files = [("install.toml", answers.as_path())];
    images::fat_volume(ctx.programs()?, volume, "PROVISION", PROVISION_KIB, &files)
}

fn answers_text(key: &str) -> String {
    format!(
        r#"[target]
serial = "{SERIAL}"

[system]
hostname = "{HOSTNAME}"
timezone = "Europe/Paris"
language = "en"
keymap = "us"

[network.enterprise]
dhcp = true

[access]
ssh_authorized_keys = ["{key}"]

[finish]
action = "poweroff"
"#
    )
}

/// The result stands beside the answers and tells of no error.
fn check_result(ctx: &Context, provision: &Path) -> Result<()> {
    let text = images::read_from_fat(ctx.programs()?, provision, "install-result.json")
        .context("the installer has left no result")?;
    fs::write(ctx.folder().join("install-result.json"), &text).context("keeping the result")?;
    let result: Value =
        serde_json::from_str(&text).with_context(|| format!("install-result.json: `{text}`"))?;
    ensure!(succeeded(&result), "the installer reports: {text}");
    Ok(())
}

fn succeeded(result: &Value) -> bool {
    result["result"] == "installed" && result.get("error").is_none_or(Value::is_null)
}

fn check_partitions(disk: &Path) -> Result<()> {
    let found = images::partitions(disk, 512)?;
    let names: Vec<&str> = found
        .iter()
        .map(|partition| partition.name.as_str())
        .collect();
    ensure!(
        names.starts_with(&PARTITIONS),
        "the installed disk has the partitions {}, not {}",
        names.join(", "),
        PARTITIONS.join(", ")
    );
    for partition in &found {
        ensure!(
            partition.offset % (1 << 20) == 0,
            "partition {} starts at byte {}, which is not on a MiB",
            partition.name,
            partition.offset
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_judged() {
        let cases = [
            (r#"{"result":"installed","seconds":12.5}"#, true),
            (r#"{"result":"installed","error":"reading back"}"#, false),
            (r#"{"result":"refused","error":"no disk"}"#, false),
            (r#"{"result":"failed"}"#, false),
            ("{}", false),
            ("[]", false),
        ];
        for (text, expected) in cases {
            let result = serde_json::from_str(text).unwrap();
            assert_eq!(succeeded(&result), expected, "{text}");
        }
    }
}
