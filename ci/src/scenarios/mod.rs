//! End-to-end scenarios: the image in a virtual machine.

mod disk;
mod harness;
pub mod install;
mod medium;
mod secureboot;
mod ssh;
mod verity;

use std::time::Duration;

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

/// Port of sshd in the guest.
pub const SSH: u16 = 22;

/// What the consoles write to the serial line when they are ready.
pub const READY_LIVE: &str = "vigie: console ready (live)";
/// The same in the installed system.
pub const READY_INSTALLED: &str = "vigie: console ready (installed)";

/// The scenarios, in running order.
pub fn steps() -> Vec<Step> {
    let mut steps = vec![harness::step()];
    steps.push(install::step());
    steps.extend(disk::steps());
    steps.push(verity::step());
    steps.extend(medium::steps());
    steps.push(secureboot::step());
    steps
}

/// A scenario with one machine of the usual size.
fn scenario(
    name: &'static str,
    proves: &'static str,
    needs: &'static [&'static str],
    run: fn(&crate::context::Context) -> anyhow::Result<()>,
) -> Step {
    Step {
        name,
        proves,
        smoke: false,
        load: Load::Machine {
            memory_mib: MEMORY_MIB,
        },
        needs,
        run,
    }
}

impl Step {
    /// Runs without `--all`, too.
    fn in_smoke(mut self) -> Step {
        self.smoke = true;
        self
    }
}
