//! Installations that must not happen: two disks fit the rule, or the medium is damaged.
//! Whatever the installer says, the disks are hashed before and after.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::unattended::{HOSTNAME, Order, answers};
use super::{disk_scenario, spare_block};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::{images, sparse};

const DISK_BYTES: u64 = 9_000_000_000;
/// Serial numbers of two disks that a rule fits alike.
const ALIKE: [&str; 2] = ["VIGIE-CI-LEFT", "VIGIE-CI-RIGHT"];

pub(super) fn steps() -> Vec<Step> {
    vec![
        disk_scenario(
            "refused-ambiguous",
            "a rule that two disks fit is refused with both named, and neither is written",
            ambiguous,
        )
        .in_smoke(),
        disk_scenario(
            "refused-damaged-medium",
            "a medium with a wrong byte installs nothing, and says which file it is in",
            damaged,
        ),
    ]
}

fn ambiguous(ctx: &Context) -> Result<()> {
    let disks = Disks::make(ctx, &ALIKE)?;
    let rule = "[target]\nbus = \"virtio\"\nsize_min = \"8GB\"\nsize_max = \"10GB\"";
    let order = Order {
        firmware: Firmware::Bios,
        medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
        disks: disks.attached(),
        answers: answers(ctx, rule, HOSTNAME)?,
    };
    let ended = order.run(ctx, "vm")?;
    ended.check_unsuccessful("refused", &ALIKE)?;
    disks.check_untouched()
}

fn damaged(ctx: &Context) -> Result<()> {
    // A part of the system that no boot reads, and a file that only the installer reads.
    let image = ctx.image()?;
    let spare = spare_block::find(ctx, &image.payload.join("system.img"))?;
    ctx.note(format!("the wrong byte is in {}", spare.file));
    for (member, offset) in [("system.img", spare.offset), ("mmx64.efi", 4096)] {
        let medium = ctx.folder().join(format!("wrong-{member}.iso"));
        let path = format!("/vigie/{member}");
        let (start, length) = images::place_in_iso(ctx.programs()?, &image.iso, &path)?;
        ensure!(offset < length, "{path} has only {length} bytes");
        images::copy_flipped(&image.iso, &medium, start + offset, 0x10)?;
        refuses(ctx, member, &medium)?;
    }
    Ok(())
}

fn refuses(ctx: &Context, member: &str, medium: &Path) -> Result<()> {
    let disks = Disks::make(ctx, &[&format!("FOR-{member}")])?;
    let target = format!("[target]\nserial = \"FOR-{member}\"\nerase = true");
    let order = Order {
        firmware: Firmware::Uefi,
        medium: Disk::new(medium, Bus::Usb),
        disks: disks.attached(),
        answers: answers(ctx, &target, HOSTNAME)?,
    };
    let ended = order.run(ctx, member)?;
    ended.check_unsuccessful("failed", &[&format!("{member} is damaged")])?;
    disks.check_untouched()
}

/// Disks full of data, by serial number, with their digests.
struct Disks(BTreeMap<String, (PathBuf, String)>);

impl Disks {
    fn make(ctx: &Context, serials: &[&str]) -> Result<Disks> {
        let make = |serial: &&str| {
            let path = ctx.folder().join(format!("{serial}.raw"));
            sparse::patterned(&path, DISK_BYTES)?;
            let digest = sparse::digest(&path)?;
            Ok(((*serial).to_owned(), (path, digest)))
        };
        serials.iter().map(make).collect::<Result<_>>().map(Disks)
    }

    fn attached(&self) -> Vec<Disk> {
        let attach = |(serial, (path, _)): (&String, &(PathBuf, String))| {
            Disk::new(path, Bus::Virtio).serial(serial)
        };
        self.0.iter().map(attach).collect()
    }

    fn check_untouched(&self) -> Result<()> {
        for (serial, (path, before)) in &self.0 {
            let after = sparse::digest(path).context("after the refusal")?;
            ensure!(*before == after, "the disk {serial} was written");
        }
        Ok(())
    }
}
