//! Boots installed disks until `/health` says what a scenario expects.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{BOOT, HTTPS, READY_INSTALLED, SSH, WEB, ssh};
use crate::context::Context;
use crate::vm::command::{Disk, Firmware, Machine};
use crate::vm::{Response, Vm};

/// A ready console to the expected answer; what is wrong by then stays so.
const HEALTH: Duration = Duration::from_secs(120);

/// What `/health` must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// All is well.
    Ok,
    /// It works, and somebody should look.
    Degraded,
}

/// A machine that is up.
pub(super) struct Up {
    /// The machine.
    pub vm: Vm,
    /// What `/health` said.
    pub health: Value,
}

/// Boots the disks and sees that the system is the one that was installed.
pub(super) fn boot(
    ctx: &Context,
    name: &str,
    firmware: Firmware,
    disks: &[Disk],
    expect: Expect,
) -> Result<Up> {
    let mut machine = ctx.machine(firmware)?;
    machine.disks = disks.to_vec();
    start(ctx, name, machine, expect)
}

/// The same with a machine of another kind.
pub(super) fn start(ctx: &Context, name: &str, machine: Machine, expect: Expect) -> Result<Up> {
    let machine = machine.forward(WEB).forward(HTTPS).forward(SSH);
    let vm = ctx.start(name, &machine)?;
    vm.wait_line(READY_INSTALLED, BOOT)?;
    let accept = |response: &Response| answers(response, expect);
    let health = vm.wait_http(WEB, "/health", HEALTH, accept)?.json()?;
    ctx.note(format!("{name} up after {:.0} s", vm.now().as_secs_f64()));
    vm.screenshot("ready")?;
    check_identity(ctx, &health).map_err(|error| vm.failure(format!("{error:#}")))?;
    Ok(Up { vm, health })
}

/// Boots the disks until all is well, and switches off by `kill -9`.
pub(super) fn healthy(ctx: &Context, name: &str, firmware: Firmware, disks: &[Disk]) -> Result<()> {
    boot(ctx, name, firmware, disks, Expect::Ok)?.vm.kill()
}

/// Boots a disk until all is well, and asks the system its host name.
pub(super) fn check_name(
    ctx: &Context,
    name: &str,
    firmware: Firmware,
    disk: Disk,
    expected: &str,
) -> Result<()> {
    let up = boot(ctx, name, firmware, &[disk], Expect::Ok)?;
    let key = ssh::Key::of_step(ctx)?;
    let found = up.blame(key.says(ctx, &up.vm, "cat /proc/sys/kernel/hostname"))?;
    ensure!(
        found.trim() == expected,
        "the machine took the section of {found}"
    );
    up.vm.kill()
}

impl Up {
    /// Size of a volume, in bytes.
    pub fn volume_bytes(&self, name: &str) -> Option<u64> {
        let volumes = self.health["volumes"].as_array()?;
        let volume = volumes.iter().find(|volume| volume["name"] == name)?;
        volume["size_bytes"].as_u64()
    }

    /// Presses the power button and waits until the machine is off: everything is on the disks.
    pub fn power_off(&self) -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(180);
        self.vm.press_power()?;
        self.vm.wait_poweroff(LIMIT)
    }

    /// Adds console and screenshot to an error.
    pub fn blame<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| self.vm.failure(format!("{error:#}")))
    }
}

fn answers(response: &Response, expect: Expect) -> bool {
    let health = response.json().unwrap_or_default();
    let status = match expect {
        Expect::Ok => "ok",
        Expect::Degraded => "degraded",
    };
    // A volume on an array that lacks a disk is mounted some time after the others.
    response.status == 200 && health["status"] == status && check_volumes(&health).is_ok()
}

/// The system that answers is the one that was installed.
fn check_identity(ctx: &Context, health: &Value) -> Result<()> {
    let expected = [
        ("version", ctx.image()?.version.as_str()),
        ("mode", "installed"),
        ("slot", "a"),
    ];
    for (field, value) in expected {
        ensure!(
            health[field] == value,
            "/health: {field} is {}, not {value}",
            health[field]
        );
    }
    let failed = health["failed_units"]
        .as_array()
        .is_none_or(|units| !units.is_empty());
    ensure!(!failed, "/health: failed units {}", health["failed_units"]);
    Ok(())
}

/// The state volume and at least one data volume are there, all of them mounted and writable.
fn check_volumes(health: &Value) -> Result<()> {
    let volumes = health["volumes"].as_array().cloned().unwrap_or_default();
    let named = |name: &str| volumes.iter().any(|volume| volume["name"] == name);
    let good = named("state") && named("data-1") && volumes.iter().all(|v| v["ok"] == true);
    ensure!(good, "/health: volumes are {}", health["volumes"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_answer_will_do() {
        let cases = [
            (200, "ok", true, Expect::Ok, true),
            (200, "degraded", true, Expect::Ok, false),
            (200, "degraded", true, Expect::Degraded, true),
            (200, "degraded", false, Expect::Degraded, false),
            (503, "ok", true, Expect::Ok, false),
        ];
        for (status, word, mounted, expect, expected) in cases {
            let volume = |name| serde_json::json!({"name": name, "ok": mounted});
            let volumes = [volume("state"), volume("data-1")];
            let body = serde_json::json!({"status": word, "volumes": volumes}).to_string();
            let response = Response { status, body };
            assert_eq!(answers(&response, expect), expected, "{response:?}");
        }
        let body = "no JSON".to_owned();
        assert!(!answers(&Response { status: 200, body }, Expect::Ok));
    }

    #[test]
    fn every_volume_must_be_well() {
        let cases = [
            (
                r#"[{"name":"state","ok":true},{"name":"data-1","ok":true}]"#,
                true,
            ),
            (
                r#"[{"name":"state","ok":true},{"name":"data-1","ok":false}]"#,
                false,
            ),
            (r#"[{"name":"state","ok":true}]"#, false),
            ("null", false),
        ];
        for (volumes, expected) in cases {
            let volumes: Value = serde_json::from_str(volumes).unwrap();
            let health = serde_json::json!({ "volumes": volumes });
            assert_eq!(check_volumes(&health).is_ok(), expected, "{health}");
        }
    }
}
