//! Installations that must not happen: two disks fit the rule, the one that fits holds data of a
//! kind that nobody knows, or the medium is damaged.
//! Whatever the installer says, the disks are hashed before and after.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::unattended::{HOSTNAME, Order, answers};
use super::{BOOT, disk_scenario, spare_block};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::dialog::keys;
use crate::vm::{images, sparse};

const DISK_BYTES: u64 = 9_000_000_000;
/// Serial numbers of two disks that a rule fits alike.
const ALIKE: [&str; 2] = ["VIGIE-CI-LEFT", "VIGIE-CI-RIGHT"];
/// That of a disk whose data have no name.
const UNKNOWN: &str = "VIGIE-CI-UNKNOWN";

pub(super) fn steps() -> Vec<Step> {
    vec![
        disk_scenario(
            "refused-ambiguous",
            "a rule that two disks fit is refused with both named, and neither is written",
            ambiguous,
        )
        .in_smoke(),
        disk_scenario(
            "refused-unknown-data",
            "a rule that one disk fits is refused where that disk holds what nobody knows, and it is not written",
            unknown,
        ),
        disk_scenario(
            "refused-damaged-medium",
            "a medium with a wrong byte installs nothing, and says which file it is in",
            damaged,
        ),
    ]
}

fn ambiguous(ctx: &Context) -> Result<()> {
    // Each of them alone would be taken: it is blank where an installation looks.
    let disks = Disks::make(ctx, &ALIKE, sparse::patterned_inside)?;
    let rule = "[target]\nbus = \"virtio\"\nsize_min = \"8GB\"\nsize_max = \"10GB\"\n\n\
                [finish]\non_failure = \"beep\"";
    let order = Order {
        firmware: Firmware::Bios,
        medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
        disks: disks.attached(),
        answers: answers(ctx, rule, HOSTNAME)?,
    };
    let speaker = ctx.folder().join("speaker.wav");
    let running = order.start_as(ctx, "vm", |machine| machine.speaker(&speaker))?;
    running.vm.wait_line(BEEPING, BOOT)?;
    wait_for_sound(&speaker).map_err(|error| running.vm.failure(format!("{error:#}")))?;
    running.vm.write_serial(keys::ENTER)?;
    let ended = running.wait(ctx)?;
    let [left, right] = ALIKE;
    ended.check_unsuccessful("refused", &["2 disks match bus virtio", left, right])?;
    disks.check_untouched()
}

/// An encrypted volume looks like this: nothing of it has a name.
fn unknown(ctx: &Context) -> Result<()> {
    let disks = Disks::make(ctx, &[UNKNOWN], sparse::patterned)?;
    let order = Order {
        firmware: Firmware::Bios,
        medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
        disks: disks.attached(),
        answers: answers(ctx, "[target]\nbus = \"virtio\"", HOSTNAME)?,
    };
    let ended = order.run(ctx, "vm")?;
    let words = [UNKNOWN, "data of an unknown kind", "set erase = true"];
    ended.check_unsuccessful("refused", &words)?;
    disks.check_untouched()
}

/// What the console says while the machine calls somebody.
const BEEPING: &str = "Beeping until a key is pressed";
/// Two beeps and what QEMU keeps back before it writes.
const SOUND: Duration = Duration::from_secs(60);

/// The PC speaker has been heard: what it plays is not silence.
fn wait_for_sound(file: &Path) -> Result<()> {
    /// RIFF, format and data headers of the file that QEMU writes.
    const HEADER: usize = 44;
    let begun = Instant::now();
    while begun.elapsed() < SOUND {
        let bytes = fs::read(file).unwrap_or_default();
        if bytes.iter().skip(HEADER).any(|sample| *sample != 0) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    bail!("the machine said that it beeps, and its speaker was silent")
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
    let disks = Disks::make(ctx, &[&format!("FOR-{member}")], sparse::patterned)?;
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
    fn make(ctx: &Context, serials: &[&str], fill: fn(&Path, u64) -> Result<()>) -> Result<Disks> {
        let make = |serial: &&str| {
            let path = ctx.folder().join(format!("{serial}.raw"));
            fill(&path, DISK_BYTES)?;
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
