//! Measurements: sizes of the image, time from firmware to health, beside a reference boot
//! of the same kernel on the same host.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::context::{Context, Shared};
use crate::process;
use crate::scenarios::{BOOT, WEB, unattended};
use crate::table::{self, Row, Value};
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::{Vm, images};
use crate::{bench_build, bench_install, bench_recovery, bench_update, bench_web};

/// Targets of the issue that introduced them.
const HEALTHY: Duration = Duration::from_secs(45);
const SYSTEM_BYTES: u64 = 130_000_000;
const MEDIUM_BYTES: u64 = 220_000_000;
const INITRD_BYTES: u64 = 20_000_000;

/// What can be measured by itself, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// Sizes of what is built
    Sizes,
    /// How fast the medium is built
    Build,
    /// How fast it is installed
    Install,
    /// How fast updates are made and applied
    Update,
    /// How fast volumes are looked at and checked
    Recovery,
    /// How fast the web interface answers
    Web,
    /// From the firmware to health
    Boot,
}

impl Group {
    /// The steps that must have passed before.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Web => &[],
            _ => &["image", "install"],
        }
    }

    fn measure(self, ctx: &Context) -> Result<Vec<Row>> {
        match self {
            Self::Sizes => sizes(ctx),
            Self::Build => bench_build::run(ctx),
            Self::Install => bench_install::run(ctx),
            Self::Update => bench_update::run(ctx),
            Self::Recovery => bench_recovery::run(ctx),
            Self::Web => bench_web::run(ctx),
            Self::Boot => {
                let kernel = unpack_boot_image(ctx)?.join("vmlinuz");
                disk_boot(ctx, Firmware::Bios, reference_boot(ctx, &kernel)?)
            }
        }
    }
}

/// These groups, or all where none is named, in their order.
fn chosen(groups: &[Group]) -> impl Iterator<Item = Group> {
    let all = Group::value_variants().iter().copied();
    all.filter(move |group| groups.is_empty() || groups.contains(group))
}

/// The steps that must have passed before these are measured, or all where none is named.
pub fn needed(groups: &[Group]) -> Vec<&'static str> {
    chosen(groups).flat_map(Group::needs).copied().collect()
}

/// Measures these, or all where none is named, and gives the table; the steps that are [`needed`] have
/// passed.
pub fn run(shared: &Arc<Shared>, groups: &[Group]) -> Result<String> {
    let ctx = Context::new(shared, "bench")?;
    let mut rows = Vec::new();
    for group in chosen(groups) {
        rows.extend(group.measure(&ctx)?);
    }
    Ok(table::print(&rows))
}

/// The kernel and the initrd out of the boot image.
fn unpack_boot_image(ctx: &Context) -> Result<PathBuf> {
    let folder = ctx.folder().join("boot");
    let mut command = ctx.programs()?.command("unsquashfs");
    command
        .args(["-force", "-quiet", "-no-progress", "-d"])
        .arg(&folder);
    command.arg(ctx.image()?.payload.join("boot.img"));
    process::output("unpacking the boot image", &mut command)?;
    Ok(folder)
}

fn sizes(ctx: &Context) -> Result<Vec<Row>> {
    let image = ctx.image()?;
    let boot_files = unpack_boot_image(ctx)?;
    let files = [
        (
            "system image",
            image.payload.join("system.img"),
            SYSTEM_BYTES,
        ),
        ("medium", image.iso.clone(), MEDIUM_BYTES),
        ("initrd", boot_files.join("initrd.img"), INITRD_BYTES),
    ];
    files
        .into_iter()
        .map(|(what, path, most)| {
            let meta =
                fs::metadata(&path).with_context(|| format!("reading {}", path.display()))?;
            Ok(Row::new(what, Value::Bytes(meta.len())).at_most(Value::Bytes(most)))
        })
        .collect()
}

/// How long firmware and kernel alone take: the kernel is loaded directly and panics, as it
/// finds no root. What the appliance needs beyond this is its own.
pub fn reference_boot(ctx: &Context, kernel: &Path) -> Result<Duration> {
    let machine = ctx
        .machine(Firmware::Bios)?
        .kernel(kernel, "console=ttyS0,115200n8 quiet panic=0");
    let vm = ctx.start("reference", &machine)?.expecting_trouble();
    Ok(vm.wait_line("Kernel panic - not syncing", BOOT)?.at)
}

/// Boots the installed disk alone on this host.
fn disk_boot(ctx: &Context, firmware: Firmware, reference: Duration) -> Result<Vec<Row>> {
    let disk = ctx.folder().join("disk.qcow2");
    images::overlay(ctx.programs()?, ctx.installed_disk()?, &disk)?;
    let machine = ctx
        .machine(firmware)?
        .disk(Disk::new(disk, Bus::Virtio).qcow2());
    let vm = ctx.start("disk", &machine.forward(WEB))?;
    boot_times(
        &vm,
        &format!("{} on {firmware}", unattended::HOSTNAME),
        reference,
    )
}

/// Waits for health and gives the stages on the way; `reference` is compared with the last.
pub fn boot_times(vm: &Vm, what: &str, reference: Duration) -> Result<Vec<Row>> {
    vm.wait_http(WEB, "/health", BOOT, |response| response.status == 200)?;
    let healthy = vm.now();
    let stages = vm.timings()?;
    let mut rows: Vec<Row> = stages
        .iter()
        .map(|seen| Row::new(format!("{what}: {}", seen.name), Value::Time(seen.at)))
        .collect();
    rows.push(
        Row::new(format!("{what}: /health"), Value::Time(healthy))
            .at_most(Value::Time(HEALTHY))
            .against(Value::Time(reference)),
    );
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_web_interface_is_measured_without_an_image() {
        assert!(needed(&[Group::Web]).is_empty());
        for groups in [&[][..], &[Group::Web, Group::Boot], &[Group::Sizes]] {
            let needed = needed(groups);
            assert!(needed.contains(&"image") && needed.contains(&"install"));
        }
    }
}
