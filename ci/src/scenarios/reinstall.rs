//! Reinstalling over recordings: they stay, byte for byte; the settings stay or are new as
//! the answers say; an enlarged disk gives its room to the recordings. On a mirror the same holds
//! for both disks, and for disks beside it that a kernel would like to put to use.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::boot::{self, Expect, Up};
use super::unattended::{Ended, HOSTNAME, Order, answers};
use super::{arrays, bad_disks, disk_scenario, raid, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::images;
use crate::vm::sparse;

/// Size of the disk, and after it was enlarged.
const BYTES: u64 = 9_000_000_000;
const ENLARGED: u64 = 14_000_000_000;
const SERIAL: &str = "VIGIE-CI-KEEP";
/// The host name of the second answers.
const OTHER_NAME: &str = "vigie-ci-anew";

pub(super) fn steps() -> Vec<Step> {
    vec![
        disk_scenario(
            "reinstall-data",
            "a reinstall with keep = \"data\" leaves the recordings and takes a new host name",
            keep_data,
        )
        .in_smoke(),
        disk_scenario(
            "reinstall-state",
            "keep = \"data-and-state\" leaves the settings too, and grow = true enlarges the volume",
            keep_state_and_grow,
        ),
        disk_scenario(
            "reinstall-raid",
            "a mirror is installed again and keeps its recordings; an array and an unclean disk beside it are left alone",
            keep_on_a_mirror,
        ),
    ]
}

fn keep_data(ctx: &Context) -> Result<()> {
    let disk = Recorder::install(ctx)?;
    let sums = disk.record(ctx)?;
    disk.install_again(ctx, "keep = \"data\"", OTHER_NAME)?;
    let up = disk.boot(ctx, "boot-again")?;
    up.blame(check_recordings(ctx, &up, &sums))?;
    up.blame(check_name(ctx, &up, OTHER_NAME))?;
    up.vm.kill()
}

fn keep_state_and_grow(ctx: &Context) -> Result<()> {
    let disk = Recorder::install(ctx)?;
    let sums = disk.record(ctx)?;
    disk.enlarge(ENLARGED)?;
    disk.install_again_with_settings(ctx)?;
    let up = disk.boot(ctx, "boot-again")?;
    up.blame(check_recordings(ctx, &up, &sums))?;
    up.blame(check_name(ctx, &up, HOSTNAME))?;
    up.blame(check_grown(ctx, &up))?;
    up.vm.kill()
}

fn keep_on_a_mirror(ctx: &Context) -> Result<()> {
    let files = raid::install_mirror(ctx)?;
    let disks = raid::on_virtio(&files);
    let up = boot::boot(ctx, "record", Firmware::Bios, &disks, Expect::Ok)?;
    let sums = up.blame(record(ctx, &up))?;
    up.power_off()?;

    let beside = Beside::make(ctx)?;
    let target = format!("[target]\n{}\nkeep = \"data\"", raid::mirror_group());
    let order = Order {
        firmware: Firmware::Uefi,
        medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
        disks: [beside.attached(), disks.clone()].concat(),
        answers: answers(ctx, &target, OTHER_NAME)?,
    };
    order.install(ctx, "install-again")?;
    beside.check_untouched()?;

    for (name, present) in [("both", vec![0, 1]), ("second", vec![1])] {
        let expect = match present.len() {
            2 => Expect::Ok,
            _ => Expect::Degraded,
        };
        let disks = raid::attach(ctx, name, &files, &present)?;
        let up = boot::boot(ctx, name, Firmware::Bios, &disks, expect)?;
        up.blame(check_recordings(ctx, &up, &sums))?;
        up.blame(check_name(ctx, &up, OTHER_NAME))?;
        up.blame(raid::check_mirror(ctx, &up, present.len()))?;
        up.vm.kill()?;
    }
    Ok(())
}

/// Disks of other people in the machine: members of arrays, and a file system that was not
/// unmounted. A kernel that puts either to use writes to it.
struct Beside(Vec<(PathBuf, String)>);

impl Beside {
    fn make(ctx: &Context) -> Result<Beside> {
        let mut paths = arrays::mirrors(ctx)?;
        paths.push(bad_disks::foreign(ctx)?);
        let with_digest = |path: PathBuf| {
            let digest = sparse::digest(&path)?;
            Ok((path, digest))
        };
        paths
            .into_iter()
            .map(with_digest)
            .collect::<Result<_>>()
            .map(Beside)
    }

    fn attached(&self) -> Vec<Disk> {
        let paths = self.0.iter().map(|(path, _)| path);
        paths.map(|path| Disk::new(path, Bus::Virtio)).collect()
    }

    fn check_untouched(&self) -> Result<()> {
        for (path, before) in &self.0 {
            let now = sparse::digest(path)?;
            ensure!(now == *before, "{} was written to", path.display());
        }
        Ok(())
    }
}

/// A disk with recordings.
pub(super) struct Recorder {
    /// Its raw file.
    pub path: PathBuf,
}

impl Recorder {
    /// Installs a disk.
    pub fn install(ctx: &Context) -> Result<Recorder> {
        let path = ctx.folder().join("disk.raw");
        images::empty(&path, BYTES)?;
        let disk = Recorder { path };
        disk.order(ctx, "", HOSTNAME)?.install(ctx, "install")?;
        Ok(disk)
    }

    /// Boots it, makes recordings, switches off; gives their sums.
    pub fn record(&self, ctx: &Context) -> Result<String> {
        let up = self.boot(ctx, "record")?;
        let sums = up.blame(record(ctx, &up))?;
        up.power_off()?;
        Ok(sums)
    }

    /// An installation onto it; `more` is added to `[target]`.
    pub fn order(&self, ctx: &Context, more: &str, hostname: &str) -> Result<Order> {
        let target = format!("[target]\nserial = \"{SERIAL}\"\n{more}");
        Ok(Order {
            firmware: Firmware::Bios,
            medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
            disks: vec![self.attached()],
            answers: answers(ctx, &target, hostname)?,
        })
    }

    /// Installs over it.
    pub fn install_again(&self, ctx: &Context, keep: &str, hostname: &str) -> Result<Ended> {
        self.order(ctx, keep, hostname)?
            .install(ctx, "install-again")
    }

    /// Installs over it, with answers that say nothing about settings: these stay.
    fn install_again_with_settings(&self, ctx: &Context) -> Result<Ended> {
        let mut order = self.order(ctx, "", OTHER_NAME)?;
        order.answers =
            format!("[target]\nserial = \"{SERIAL}\"\nkeep = \"data-and-state\"\ngrow = true\n");
        order.install(ctx, "install-again")
    }

    /// Boots it until all is well.
    pub fn boot(&self, ctx: &Context, name: &str) -> Result<Up> {
        boot::boot(ctx, name, Firmware::Bios, &[self.attached()], Expect::Ok)
    }

    fn attached(&self) -> Disk {
        Disk::new(&self.path, Bus::Virtio).serial(SERIAL)
    }

    fn enlarge(&self, bytes: u64) -> Result<()> {
        let file = File::options().write(true).open(&self.path)?;
        file.set_len(bytes).context("enlarging the disk")
    }
}

/// Files of several sizes, one of them larger than a block group's tables, in folders as a
/// recorder makes them.
const RECORD: &str = "set -e; cd /srv/data-1; mkdir -p cam-1/2026-01-01 cam-2; \
    head -c 40000000 /dev/urandom > cam-1/2026-01-01/00.rec; \
    head -c 1000003 /dev/urandom > cam-1/2026-01-01/01.rec; \
    for n in $(seq 50); do head -c 4099 /dev/urandom > cam-2/$n.rec; done; \
    : > cam-2/empty.rec; sync";

/// Sums of all recordings, in a fixed order.
const SUMS: &str = "cd /srv/data-1 && find . -name '*.rec' -type f | sort | xargs sha256sum";

fn record(ctx: &Context, up: &Up) -> Result<String> {
    let key = ssh::Key::of_step(ctx)?;
    key.says(ctx, &up.vm, RECORD)?;
    let sums = key.says(ctx, &up.vm, SUMS)?;
    ensure!(sums.lines().count() == 53, "recordings: {sums}");
    Ok(sums)
}

/// The recordings are all there, and are the same.
pub(super) fn check_recordings(ctx: &Context, up: &Up, sums: &str) -> Result<()> {
    let now = ssh::Key::of_step(ctx)?.says(ctx, &up.vm, SUMS)?;
    ensure!(now == sums, "recordings were\n{sums}\nand are\n{now}");
    Ok(())
}

fn check_name(ctx: &Context, up: &Up, expected: &str) -> Result<()> {
    let name = ssh::Key::of_step(ctx)?.says(ctx, &up.vm, "cat /proc/sys/kernel/hostname")?;
    ensure!(
        name.trim() == expected,
        "the host name is {name}, not {expected}"
    );
    Ok(())
}

/// The volume has the room that the disk has gained.
fn check_grown(ctx: &Context, up: &Up) -> Result<()> {
    let said = ssh::Key::of_step(ctx)?.says(ctx, &up.vm, "df -B1 --output=size /srv/data-1")?;
    let bytes: u64 = said
        .lines()
        .last()
        .and_then(|line| line.trim().parse().ok())
        .with_context(|| format!("df: {said}"))?;
    // The system volume takes 4 GB of either size.
    let room = ENLARGED - 4_000_000_000;
    ensure!(
        bytes > room * 9 / 10 && bytes < room,
        "/srv/data-1 has {bytes} bytes, and the disk has room for {room}"
    );
    Ok(())
}
