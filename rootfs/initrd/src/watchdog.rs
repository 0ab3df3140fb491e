//! The hardware watchdog's driver, loaded before systemd starts.
//!
//! systemd looks for a watchdog as it starts, and then only after half of
//! `RuntimeWatchdogSec` (systemd 257, src/shared/watchdog.c). A driver that udev
//! loads comes too late for the first look, and a system that hangs in the first
//! half minute, as a bad update does, would hang for good.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::consoles::note;
use crate::devices::Devices;
use crate::loader::Loader;

/// What systemd opens.
const NODE: &str = "/dev/watchdog0";
/// Where watchdogs are, and the chips that make them appear.
const BUSES: [&str; 2] = ["/sys/bus/pci/devices", "/sys/bus/platform/devices"];
/// A driver that is loaded has its device in milliseconds. Many a machine has
/// a watchdog that its firmware switched off, and must not wait long for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Loads the drivers, and waits a moment for the watchdog to be there. Without
/// one the boot goes on: most virtual machines have none.
pub fn wait_for_driver(loader: &Loader, devices: &mut Devices) {
    let mut is_wanted = false;
    devices.wait_until(PATIENCE, || {
        // A chip shows its watchdog only once its own driver is there: ask again.
        is_wanted = load_drivers(loader);
        !is_wanted || Path::new(NODE).exists()
    });
    match (Path::new(NODE).exists(), is_wanted) {
        (true, _) => note("the watchdog is there"),
        (false, true) => note("a watchdog's driver found nothing that it could use"),
        (false, false) => note("no watchdog"),
    }
}

/// Whether any device asked for one.
fn load_drivers(loader: &Loader) -> bool {
    let folders = BUSES.iter().flat_map(fs::read_dir).flatten().flatten();
    let aliases = folders.filter_map(|f| fs::read_to_string(f.path().join("modalias")).ok());
    aliases
        .filter(|alias| loader.need_for_watchdog(alias.trim()))
        .count()
        > 0
}
