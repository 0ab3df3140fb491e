//! RAID: an installation on two disks that starts from either of them, and recordings on three.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::boot::{self, Expect, Up};
use super::unattended::{HOSTNAME, Order, answers};
use super::{disk_scenario, ssh, table};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware, Format};
use crate::vm::images::{self, DiskFile};

const GB: u64 = 1_000_000_000;
/// Serial numbers of the mirror's disks.
pub(super) const MIRROR: [&str; 2] = ["VIGIE-R1-A", "VIGIE-R1-B"];
/// Size of each; the second is a little larger, as two makes of one size are.
const MIRROR_BYTES: [u64; 2] = [12 * GB, 12 * GB + (3 << 20)];
/// Serial number and size of the system disk beside the disks for recordings.
const SYSTEM: &str = "VIGIE-SYS";
const SYSTEM_BYTES: u64 = 8 * GB;
/// Serial numbers of the disks for recordings.
const PARITY: [&str; 3] = ["VIGIE-R5-A", "VIGIE-R5-B", "VIGIE-R5-C"];
/// Size of each.
const PARITY_BYTES: u64 = 2 * GB;
/// A resync of a few gigabytes under emulation.
const RESYNC: Duration = Duration::from_secs(300);

pub(super) fn steps() -> Vec<Step> {
    vec![
        disk_scenario(
            "raid1",
            "a system on two mirrored disks boots on BIOS and UEFI, whole and with either one pulled",
            mirror,
        )
        .in_smoke(),
        disk_scenario(
            "raid5-data",
            "three disks become one volume for recordings with parity beside the system disk",
            parity,
        ),
    ]
}

/// The members of a group in a target: `disks = [ { serial = "…" }, … ]`.
fn group(serials: &[&str], level: &str) -> String {
    let disks: Vec<String> = serials
        .iter()
        .map(|serial| format!("{{ serial = \"{serial}\" }}"))
        .collect();
    format!("disks = [ {} ]\nraid = \"{level}\"", disks.join(", "))
}

/// The same of the two disks of the mirror.
pub(super) fn mirror_group() -> String {
    group(&MIRROR, "raid1")
}

/// The disks of the mirror themselves, nothing over them.
pub(super) fn on_virtio(files: &[DiskFile]) -> Vec<Disk> {
    let disks = files.iter().zip(MIRROR);
    disks
        .map(|(file, serial)| file.on(Bus::Virtio).serial(serial))
        .collect()
}

fn file(ctx: &Context, serial: &str, bytes: u64) -> Result<DiskFile> {
    let path = ctx.folder().join(format!("{serial}.raw"));
    images::empty(&path, bytes)?;
    Ok(DiskFile {
        path,
        format: Format::Raw,
        bytes,
    })
}

/// Installs onto two mirrored disks.
pub(super) fn install_mirror(ctx: &Context) -> Result<Vec<DiskFile>> {
    let mut files = Vec::new();
    for (serial, bytes) in MIRROR.iter().zip(MIRROR_BYTES) {
        files.push(file(ctx, serial, bytes)?);
    }
    let order = Order {
        firmware: Firmware::Bios,
        medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
        disks: on_virtio(&files),
        answers: answers(ctx, &format!("[target]\n{}", mirror_group()), HOSTNAME)?,
    };
    order.install(ctx, "install")?;
    for file in &files {
        table::check(ctx, file, 512)?;
    }
    Ok(files)
}

fn mirror(ctx: &Context) -> Result<()> {
    let files = install_mirror(ctx)?;
    let cases: [(&str, Firmware, &[usize]); 4] = [
        ("whole-bios", Firmware::Bios, &[0, 1]),
        ("first-pulled-uefi", Firmware::Uefi, &[1]),
        ("second-pulled-bios", Firmware::Bios, &[0]),
        ("whole-uefi", Firmware::Uefi, &[0, 1]),
    ];
    for (name, firmware, present) in cases {
        let disks = attach(ctx, name, &files, present)?;
        let expect = match present.len() {
            2 => Expect::Ok,
            _ => Expect::Degraded,
        };
        let up = boot::boot(ctx, name, firmware, &disks, expect)?;
        up.blame(check_mirror(ctx, &up, present.len()))?;
        up.vm.kill()?;
    }
    Ok(())
}

/// The disks that are present, each over an overlay: every case begins with the same disks.
pub(super) fn attach(
    ctx: &Context,
    case: &str,
    files: &[DiskFile],
    present: &[usize],
) -> Result<Vec<Disk>> {
    attach_as(ctx, case, files, &MIRROR, present)
}

/// The same of disks with these serial numbers.
pub(super) fn attach_as(
    ctx: &Context,
    case: &str,
    files: &[DiskFile],
    serials: &[&str],
    present: &[usize],
) -> Result<Vec<Disk>> {
    let over = |&index: &usize| {
        let overlay = ctx.folder().join(format!("{case}-{index}.qcow2"));
        images::overlay(ctx.programs()?, &files[index].path, &overlay)?;
        Ok(Disk::new(overlay, Bus::Virtio)
            .qcow2()
            .serial(serials[index]))
    };
    present.iter().map(over).collect()
}

/// Every array has all its members, or says that it has not; all volumes are mounted anyway
/// ([`boot::boot`] has seen that).
pub(super) fn check_mirror(ctx: &Context, up: &Up, members: usize) -> Result<()> {
    let state = ssh::Key::of_step(ctx)?.says(ctx, &up.vm, "cat /proc/mdstat")?;
    check_arrays(up, &state, members)
}

/// The same, from what /proc/mdstat says.
pub(super) fn check_arrays(up: &Up, state: &str, members: usize) -> Result<()> {
    let problems = problems(&up.health);
    let named = problems.iter().any(|problem| problem.contains("data-1"));
    ensure!(
        named == (members == 1),
        "{members} of 2 disks are present, and /health reports {problems:?}"
    );
    let runs = |line: &&str| line.contains(": active") && line.contains("raid1");
    let arrays = state.lines().filter(runs);
    // The slot that is running, the settings, the recordings.
    ensure!(arrays.count() >= 3, "not all arrays run: {state}");
    let whole = state.lines().filter(|line| line.contains("[UU]")).count();
    let missing = ["[U_]", "[_U]"];
    let missing = |line: &&str| missing.iter().any(|mark| line.contains(mark));
    let degraded = state.lines().filter(missing).count();
    ensure!(
        if members == 2 {
            degraded == 0
        } else {
            whole == 0
        },
        "{members} of 2 disks are present: {state}"
    );
    Ok(())
}

/// The reasons for `degraded`.
fn problems(health: &Value) -> Vec<String> {
    let problems = health["problems"].as_array().cloned().unwrap_or_default();
    problems
        .iter()
        .filter_map(|problem| problem.as_str().map(str::to_owned))
        .collect()
}

fn parity(ctx: &Context) -> Result<()> {
    let system = file(ctx, SYSTEM, SYSTEM_BYTES)?;
    let mut disks = vec![system.on(Bus::Virtio).serial(SYSTEM)];
    for serial in PARITY {
        disks.push(
            file(ctx, serial, PARITY_BYTES)?
                .on(Bus::Sata)
                .serial(serial),
        );
    }
    let target = format!(
        "[target]\nserial = \"{SYSTEM}\"\n\n[[data]]\n{}",
        group(&PARITY, "raid5")
    );
    let order = Order {
        firmware: Firmware::Uefi,
        medium: Disk::new(&ctx.image()?.iso, Bus::Cd),
        disks: disks.clone(),
        answers: answers(ctx, &target, HOSTNAME)?,
    };
    order.install(ctx, "install")?;
    table::check(ctx, &system, 512)?;
    let up = boot::boot(ctx, "boot", Firmware::Uefi, &disks, Expect::Ok)?;
    up.blame(check_parity(ctx, &up))?;
    up.vm.kill()
}

/// The volume has the room of two of the three disks, lies on the array, and the kernel has
/// computed the parity.
fn check_parity(ctx: &Context, up: &Up) -> Result<()> {
    let key = ssh::Key::of_step(ctx)?;
    let said = key.says(
        ctx,
        &up.vm,
        "dmesg | grep 'resync of RAID array'; grep -A1 raid5 /proc/mdstat; \
         findmnt -rno TARGET,SOURCE | grep /srv/data-",
    )?;
    for expected in ["resync of RAID array", "active raid5", "/srv/data-2"] {
        ensure!(said.contains(expected), "no `{expected}` in: {said}");
    }
    let bytes = up
        .volume_bytes("data-2")
        .context("no volume data-2 in /health")?;
    // Partition table, superblock, bitmap and the file system's own tables are a few percent.
    let room = 2 * PARITY_BYTES;
    ensure!(
        bytes > room * 9 / 10 && bytes < room,
        "data-2 has {bytes} bytes, where two disks have {room}"
    );
    let wait = format!(
        "for second in $(seq {}); do grep -q resync /proc/mdstat || break; sleep 1; done; \
         grep -A1 raid5 /proc/mdstat; mount | grep -c ' /srv/data-2 .*rw'",
        RESYNC.as_secs()
    );
    let end = key.says(ctx, &up.vm, &wait)?;
    ensure!(
        end.contains("[3/3] [UUU]") && end.trim().ends_with('1'),
        "after the resync: {end}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_names_its_disks() {
        assert_eq!(
            group(&["A", "B"], "raid1"),
            "disks = [ { serial = \"A\" }, { serial = \"B\" } ]\nraid = \"raid1\""
        );
    }

    #[test]
    fn problems_are_read() {
        let health = serde_json::json!({"problems": ["array data-1 lacks a disk"]});
        assert_eq!(problems(&health), ["array data-1 lacks a disk"]);
        assert!(problems(&Value::Null).is_empty());
    }
}
