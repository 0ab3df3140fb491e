//! The units that apply updates are shut in the same way.

// clippy.toml allows this in tests, but does not know that all of this is one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// Those that start the unpacking process with root's devices.
const UNITS: [&str; 2] = ["vigie-update@.service", "vigie-auto-update.service"];
/// What each has of its own: what it runs and where that speaks.
const OWN: [&str; 5] = [
    "Type",
    "ExecStart",
    "StandardInput",
    "StandardOutput",
    "StandardError",
];

/// The settings of `[Service]` in their order, without a unit's own.
fn sandbox(unit: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rootfs/overlay");
    let text = fs::read_to_string(folder.join("usr/lib/systemd/system").join(unit)).unwrap();
    let service = text.split_once("[Service]\n").unwrap().1;
    let end = service.find("\n[").unwrap_or(service.len());
    let is_setting = |line: &&str| {
        let key = line.split_once('=').map(|(key, _)| key);
        key.is_some_and(|key| !line.starts_with('#') && !OWN.contains(&key))
    };
    let settings = service[..end].lines().filter(is_setting);
    settings.map(str::to_owned).collect()
}

#[test]
fn both_ways_to_apply_are_shut_in_alike() {
    let [asked, automatic] = UNITS.map(sandbox);
    assert_eq!(asked, automatic);
    for key in [
        "CapabilityBoundingSet=",
        "DevicePolicy=closed",
        "SystemCallFilter=",
        "TasksMax=",
    ] {
        assert!(asked.iter().any(|line| line.starts_with(key)), "{key}");
    }
}
