//! The first program of the appliance: PID 1 of the initramfs.
//!
//! 1. mounts the kernel's file systems, opens the consoles, makes nothing of Ctrl-Alt-Del: the state volume may
//!    be in repair when somebody presses it;
//! 2. reads the kernel command line;
//! 3. loads modules, on other threads from here on: those of the devices that
//!    are there and that come, the configured ones, those that it needs itself;
//! 4. finds the root device; on an installed system whose disk is a member of
//!    RAID arrays, starts that of the system image and that of the state volume
//!    (in recovery, `vigie.recovery`, the state volume is left alone);
//! 5. opens the root device under dm-verity;
//! 6. mounts the system image, the state volume (or memory) on /var, the overlay on /etc;
//! 7. writes the machine id and `/run/vigie/boot.json`;
//! 8. sees that the machine's watchdog has its driver;
//! 9. frees the initramfs, makes the system image the root, applies the
//!    settings, becomes systemd.
//!
//! Nothing here sleeps: what is waited for is an event of the kernel. A step
//! that fails ends in [`failure::end`], which never returns; where it proves that
//! the slot's image is damaged, [`damaged`] leaves the slot before.
//!
//! The kernel also runs this program as its modprobe (see `loader`).

mod consoles;
mod damaged;
mod devices;
mod failure;
mod handover;
mod loader;
mod program;
mod raid;
mod root;
mod state;
mod sys;
mod verity;
mod watchdog;
mod writable;

use std::fs;
use std::process::ExitCode;

use rustix::system::{RebootCommand, reboot};
use vigie_initrd::cmdline::{self, Boot, Request};
use vigie_initrd::settings::Volume;
use vigie_initrd::trouble::{Step, Trouble};

use crate::consoles::{note, warn};
use crate::loader::Loader;

/// Where the system is put together.
const SYSROOT: &str = "/sysroot";

fn main() -> ExitCode {
    if std::process::id() != 1 {
        return loader::as_modprobe(std::env::args().skip(1));
    }
    failure::catch_panics();
    match boot() {
        Ok(never) => match never {},
        Err(trouble) => failure::end(&trouble),
    }
}

fn boot() -> Result<std::convert::Infallible, Trouble> {
    writable::mount_kernel_file_systems()?;
    consoles::open();
    note("started");
    ignore_ctrl_alt_del();
    let text = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    failure::set_debug(cmdline::wants_debug(&text));
    let request =
        cmdline::parse(&text).map_err(|e| Trouble::new(Step::CommandLine, text.trim(), e))?;

    let loader = Loader::start(&text);
    let mut devices = devices::Devices::listen(&loader)?;
    loader.wish_always(modules_of(&request.boot));
    let root = root::find(&request, &loader, &mut devices)?;
    loader.stop_wishes();
    start(&request, loader, devices, &root)
        .inspect_err(|trouble| damaged::leave(&request, &root, trouble))
}

/// The kernel restarts the machine at once for these keys, without a sync, until it is told to send SIGINT to
/// process 1 instead; and that signal does nothing to a process 1 that has no handler for it. systemd tells it
/// the same, too late for the checks made here (reboot(2), LINUX_REBOOT_CMD_CAD_OFF).
fn ignore_ctrl_alt_del() {
    if let Err(error) = reboot(RebootCommand::CadOff) {
        warn(format_args!("Ctrl-Alt-Del still restarts: {error}"));
    }
}

/// Steps 5 to 9, over the root device.
fn start(
    request: &Request,
    loader: Loader,
    mut devices: devices::Devices,
    root: &root::Root,
) -> Result<std::convert::Infallible, Trouble> {
    let volume = mount_system(request, &loader, root)?;
    watchdog::wait_for_driver(&loader, &mut devices);
    loader.stop();
    handover::hand_over(volume)
}

/// What the steps will need, loaded while the root device is waited for. Each
/// step still asks for its own, so this is only about time. The last ones are
/// the aliases of SCSI disks and drives: SATA and USB show one sooner or later.
fn modules_of(boot: &Boot) -> &'static [&'static str] {
    match boot {
        Boot::Installed { .. } => &["dm_verity", "squashfs", "ext4", "overlay", "scsi:t-0x00"],
        Boot::Live { .. } => &[
            "isofs",
            "loop",
            "dm_verity",
            "squashfs",
            "overlay",
            "scsi:t-0x00",
            "scsi:t-0x05",
        ],
    }
}

/// Steps 5 to 7: everything below /sysroot. Says what is on /var.
fn mount_system(request: &Request, loader: &Loader, root: &root::Root) -> Result<Volume, Trouble> {
    let device = verity::open(request, loader, root)?;
    root::mount(loader, root, &device)?;
    let var = state::mount_var(request, loader, root)?;
    writable::mount_etc(loader)?;
    let volume = var.volume();
    writable::set_machine_id(volume == Volume::State);
    writable::write_report(request, root, var)?;
    Ok(volume)
}
