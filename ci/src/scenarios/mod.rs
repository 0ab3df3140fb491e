//! End-to-end scenarios: the image in a virtual machine.

mod arrays;
mod attended;
mod attended_raid;
mod bad_disks;
mod bad_packages;
mod boot;
mod browser;
mod console_menu;
mod console_ssh;
mod damage_sample;
mod damaged_volumes;
mod disc;
mod disk;
mod factory;
mod factory_stick;
mod failing_disk;
mod harness;
mod install;
mod matrix;
mod medium;
mod networks;
mod power_cut;
mod pulled_stick;
mod raid;
mod recording;
mod recover;
mod recover_raid;
mod recover_update;
mod recovery;
mod recovery_entry;
mod refused;
mod reinstall;
mod remote;
mod rescue;
mod secureboot;
mod shell;
mod smart;
mod spare_block;
mod ssh;
mod state_full;
mod table;
mod take_out;
pub mod unattended;
mod unread_stick;
mod update;
mod update_browser;
mod update_cut;
mod update_delta;
mod update_doors;
mod update_fleet;
mod update_forms;
mod update_medium;
mod update_pull;
mod update_raid;
mod update_scp;
mod update_sick;
mod update_stick;
mod variant;
mod verity;
mod web_check;
mod web_desk;
mod web_setup;
mod web_trial;
mod web_upkeep;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::step::{Load, Step};

/// Memory of a machine in these scenarios, MiB.
const MEMORY_MIB: u32 = 2048;

/// Firmware to a ready console. Twenty to ninety seconds where nothing else runs; the rest is
/// room for two machines on a slow host. A machine that dies ends the wait at once.
pub const BOOT: Duration = Duration::from_secs(6 * 60);

/// Firmware alone.
const FIRMWARE: Duration = Duration::from_secs(90);

/// Port of the web server in the guest.
pub const WEB: u16 = 80;

/// Port of the administrators' web pages in the guest.
const HTTPS: u16 = 443;

/// Port of sshd in the guest.
pub const SSH: u16 = 22;

/// What the consoles write to the serial line when they are ready.
pub const READY_LIVE: &str = "vigie: console ready (live)";
/// The same in the installed system.
pub const READY_INSTALLED: &str = "vigie: console ready (installed)";
/// The same in recovery from the disk's own menu.
const READY_RECOVERY: &str = "vigie: console ready (recovery)";

/// The scenarios, in running order.
pub fn steps() -> Vec<Step> {
    let mut steps = vec![harness::step()];
    steps.push(install::step());
    steps.extend(disk::steps());
    steps.push(verity::step());
    steps.extend(matrix::steps());
    steps.extend(refused::steps());
    steps.extend(raid::steps());
    steps.push(arrays::step());
    steps.extend(reinstall::steps());
    steps.push(factory::step());
    steps.push(factory_stick::step());
    steps.push(failing_disk::step());
    steps.push(damaged_volumes::step());
    steps.push(state_full::step());
    steps.extend(recover::steps());
    steps.push(recover_raid::step());
    steps.push(recover_update::step());
    steps.push(bad_disks::step());
    steps.push(smart::step());
    steps.push(damage_sample::step());
    steps.extend(recovery_entry::steps());
    steps.push(rescue::step());
    steps.push(take_out::step());
    steps.extend(power_cut::steps());
    steps.extend(attended::steps());
    steps.push(attended_raid::step());
    steps.extend(update::steps());
    steps.push(update_cut::step());
    steps.push(update_delta::step());
    steps.push(update_browser::step());
    steps.push(update_doors::step());
    steps.push(update_fleet::step());
    steps.extend(update_forms::steps());
    steps.push(update_medium::step());
    steps.push(update_pull::step());
    steps.push(update_raid::step());
    steps.extend(update_sick::steps());
    steps.extend(update_scp::steps());
    steps.push(update_stick::step());
    steps.push(networks::step());
    steps.push(console_menu::step());
    steps.push(web_setup::step());
    steps.push(web_trial::step());
    steps.push(web_check::step());
    steps.extend(medium::steps());
    steps.push(secureboot::step());
    steps
}

/// A scenario with one machine of the usual size.
fn scenario(
    name: &'static str,
    proves: &'static str,
    needs: &'static [&'static str],
    run: impl Fn(&Context) -> Result<()> + Send + Sync + 'static,
) -> Step {
    Step {
        name,
        proves,
        smoke: false,
        load: Load::Machine {
            memory_mib: MEMORY_MIB,
        },
        needs,
        run: Box::new(run),
    }
}

/// A scenario whose disks nobody needs when it has passed: they go, and the logs stay.
fn disk_scenario(
    name: &'static str,
    proves: &'static str,
    run: impl Fn(&Context) -> Result<()> + Send + Sync + 'static,
) -> Step {
    scenario(name, proves, &["image"], move |ctx| {
        run(ctx)?;
        remove_disks(ctx.folder())
    })
}

fn remove_disks(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let is_disk = |extension: &std::ffi::OsStr| {
            ["raw", "qcow2", "iso"]
                .iter()
                .any(|disk| extension == *disk)
        };
        if path.extension().is_some_and(is_disk) {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}

impl Step {
    /// Runs without `--all`, too.
    fn in_smoke(mut self) -> Step {
        self.smoke = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disks_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("vm")).unwrap();
        for name in ["disk.raw", "wrong.iso", "a.qcow2", "key", "vm/console.raw"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_disks(folder.path()).unwrap();
        let left = |name: &str| folder.path().join(name).exists();
        assert!(left("key") && left("vm/console.raw"));
        assert!(!left("disk.raw") && !left("wrong.iso") && !left("a.qcow2"));
    }
}
