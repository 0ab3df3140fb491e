//! `kill -9` of the machine in the middle of an installation: what is left either does not
//! start, or is the whole new system. Recordings that were to be kept are there in any case.
//!
//! The crash enumerator replays every write in milliseconds; this confirms it from outside.

use anyhow::{Context as _, Result, bail, ensure};

use super::boot::{self, Expect};
use super::reinstall::{Recorder, check_recordings};
use super::unattended::{HOSTNAME, Order, answers};
use super::{BOOT, READY_INSTALLED, READY_LIVE, disk_scenario, table};
use crate::context::Context;
use crate::process;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::{Vm, images};

const BYTES: u64 = 8_000_000_000;
const SERIAL: &str = "VIGIE-CI-CUT";

/// Progress at which the machine is killed, and a name for it.
const CUTS: [(&str, &str); 3] = [
    ("early", "Making the state volume"),
    ("middle", "Writing the system: 50 %"),
    ("late", "Making the disk bootable"),
];

pub(super) fn steps() -> Vec<Step> {
    vec![
        disk_scenario(
            "cut-install",
            "a machine killed while it installs leaves a disk that does not start, or starts whole",
            cut_install,
        ),
        disk_scenario(
            "cut-reinstall",
            "a machine killed while it reinstalls leaves the recordings, and the next run succeeds",
            cut_reinstall,
        ),
    ]
}

fn cut_install(ctx: &Context) -> Result<()> {
    for (name, line) in CUTS {
        let disk = ctx.folder().join(format!("{name}.raw"));
        images::empty(&disk, BYTES)?;
        let disk = Disk::new(&disk, Bus::Virtio).serial(SERIAL);
        let order = Order {
            firmware: Firmware::Uefi,
            medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
            disks: vec![disk.clone()],
            answers: answers(ctx, &format!("[target]\nserial = \"{SERIAL}\""), HOSTNAME)?,
        };
        cut(ctx, &order, name, line)?;
        let end = starts(ctx, &format!("{name}-after"), disk)?;
        ctx.note(format!("{name}: {end}"));
        // Only the last write makes the disk bootable.
        ensure!(
            name == "late" || end == NOTHING,
            "killed at `{line}`, the disk starts all the same"
        );
    }
    Ok(())
}

/// Kills the machine at a line of the installer's progress.
fn cut(ctx: &Context, order: &Order, name: &str, line: &str) -> Result<()> {
    let running = order.start(ctx, name)?;
    let ends = [Pattern::from(line), Pattern::from(READY_LIVE)];
    let (which, _) = running.vm.wait_any_line(Default::default(), &ends, BOOT)?;
    ensure!(
        which == 0,
        "{}",
        running
            .vm
            .failure(format!("the installation ended without `{line}`"))
    );
    running.vm.kill()
}

/// What OVMF says when no disk starts: it ends in its menu or, where there is one, in its shell.
const NOTHING_TO_BOOT: &str = "BdsDxe: No bootable option or device|UEFI Interactive Shell";

pub(super) const NOTHING: &str = "nothing starts";
const WHOLE: &str = "the whole system starts";

/// What the firmware makes of a disk alone; anything between nothing and all is an error.
pub(super) fn starts(ctx: &Context, name: &str, disk: Disk) -> Result<&'static str> {
    let machine = ctx.machine(Firmware::Uefi)?.disk(disk.clone());
    let vm = ctx.start(name, &machine)?.expecting_trouble();
    let end = judge(&vm)?;
    vm.screenshot("end")?;
    vm.kill()?;
    if end == WHOLE {
        let name = format!("{name}-whole");
        boot::boot(ctx, &name, Firmware::Uefi, &[disk], Expect::Ok)?
            .vm
            .kill()?;
    }
    Ok(end)
}

fn judge(vm: &Vm) -> Result<&'static str> {
    let signs = [
        Pattern::regex(NOTHING_TO_BOOT)?,
        Pattern::from(READY_INSTALLED),
        Pattern::regex(r"GRUB|grub>|Linux version|Kernel panic|vigie: fatal")?,
    ];
    let (first, line) = vm.wait_any_line(Default::default(), &signs, BOOT)?;
    match first {
        0 => Ok(NOTHING),
        _ => {
            // It has begun, so it must end well.
            let ends = [
                Pattern::from(READY_INSTALLED),
                Pattern::regex(
                    r"grub>|grub rescue>|Kernel panic|vigie: fatal|No bootable|UEFI Interactive",
                )?,
            ];
            match vm.wait_any_line(Default::default(), &ends, BOOT)?.0 {
                0 => Ok(WHOLE),
                _ => bail!(vm.failure(format!("the disk half-boots: `{}`", line.text.trim()))),
            }
        }
    }
}

/// Lines of a reinstallation at which it is killed: before anything of the old system is gone
/// for good, and when the new one is half there.
const CUTS_OF_REINSTALL: [(&str, &str); 2] = [
    ("clearing", "Writing the boot volume"),
    ("writing", "Writing the system: 50 %"),
];
const KEEP: &str = "keep = \"data\"";

fn cut_reinstall(ctx: &Context) -> Result<()> {
    let disk = Recorder::install(ctx)?;
    let sums = disk.record(ctx)?;
    for (name, line) in CUTS_OF_REINSTALL {
        cut(ctx, &disk.order(ctx, KEEP, HOSTNAME)?, name, line)?;
        check_volume(ctx, &disk, name)?;
    }
    disk.install_again(ctx, KEEP, HOSTNAME)?;
    let up = disk.boot(ctx, "boot-again")?;
    up.blame(check_recordings(ctx, &up, &sums))?;
    up.vm.kill()
}

/// The volume with the recordings is found by the table on the disk, is a file system without
/// fault, and holds a recording of the right length.
fn check_volume(ctx: &Context, disk: &Recorder, case: &str) -> Result<()> {
    let volume = table::volume(&disk.path, 512, "data-1")
        .with_context(|| format!("{case}: looking for the recordings"))?;
    let mut check = ctx.programs()?.command("e2fsck");
    check.args(["-f", "-n"]).arg(&volume);
    process::output(&format!("{case}: checking the recordings"), &mut check)?;
    let mut look = ctx.programs()?.command("debugfs");
    look.args(["-R", "stat /cam-1/2026-01-01/00.rec"])
        .arg(&volume);
    let said = process::output(&format!("{case}: looking at a recording"), &mut look)?;
    ensure!(said.contains("Size: 40000000"), "{case}: {said}");
    Ok(())
}
