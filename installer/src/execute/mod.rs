//! Carries a plan out on a disk or file, through the one block-write trait.
//!
//! 1. [`Phase::Check`]: the whole payload is read; nothing is written before its digests agree.
//! 2. [`Phase::Clear`]: the old partition tables and boot code go first, then old signatures.
//! 3. [`Phase::Esp`]: EFI programs, GRUB's configuration, the first boot state.
//! 4. [`Phase::State`]: the state volume with the first settings document.
//! 5. [`Phase::Data`]: the data volumes.
//! 6. [`Phase::Boot`], [`Phase::System`]: slot A, written and read back.
//! 7. [`Phase::Finish`]: GRUB's core image; then, last of all, the partition
//!    table's copies and the first sector.
//!
//! After step 2 the disk has no partition table until step 7, so a cut in
//! between leaves nothing that firmware would start.

mod boot_code;
mod clear;
mod esp;
mod ext4;
mod extents;
mod partitions;

use std::path::Path;

use anyhow::{Context, Result};
use vigie_disk::{BlockDevice, Bytes, Region, SectorSize};
use vigie_settings::{Settings, Volume};
use vigie_update::{Slot, writer};

use crate::answers::Answers;
use crate::ids::Ids;
use crate::layout::{Layout, Part, Purpose};
use crate::payload::{Payload, Role};
use crate::progress::{Meter, Phase, Progress};
use crate::toolbox::Toolbox;

/// Everything that an installation needs beside the disk.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// What the person wants.
    pub answers: &'a Answers,
    /// Where everything goes.
    pub layout: &'a Layout,
    /// What is installed.
    pub payload: &'a Payload,
    /// External programs.
    pub tools: &'a dyn Toolbox,
    /// Ids and clock.
    pub ids: &'a Ids,
    /// A folder for volumes in the making. Its file system must take sparse
    /// files as large as the largest data volume.
    pub scratch: &'a Path,
}

/// Installs. The disk must be the one that the layout was made for.
pub fn execute(job: &Job, disk: &mut dyn BlockDevice, progress: &mut dyn Progress) -> Result<()> {
    check_payload(job, progress)?;
    clear::clear(job.layout, disk, progress).context("clearing the disk")?;
    write_esp(job, disk, progress).context("writing the boot volume")?;
    write_state(job, disk, progress).context("making the state volume")?;
    write_data(job, disk, progress).context("making the data volumes")?;
    write_slot(job, disk, Phase::Boot, Role::Boot, progress)
        .context("writing kernel and initrd")?;
    write_slot(job, disk, Phase::System, Role::System, progress).context("writing the system")?;
    make_bootable(job, disk, progress).context("making the disk bootable")
}

fn check_payload(job: &Job, progress: &mut dyn Progress) -> Result<()> {
    let mut meter = Meter::new(progress, Phase::Check, job.payload.total());
    job.payload.verify(&mut |done| meter.at(done))?;
    meter.finish();
    Ok(())
}

fn write_esp(job: &Job, disk: &mut dyn BlockDevice, progress: &mut dyn Progress) -> Result<()> {
    let mut region = region(job.layout, disk, Purpose::Esp)?;
    let meter = Meter::new(progress, Phase::Esp, Bytes::ZERO);
    esp::write(job, &mut region)?;
    meter.finish();
    Ok(())
}

fn write_state(job: &Job, disk: &mut dyn BlockDevice, progress: &mut dyn Progress) -> Result<()> {
    let settings = first_settings(job)?;
    let mut region = region(job.layout, disk, Purpose::State)?;
    let meter = Meter::new(progress, Phase::State, Bytes::ZERO);
    ext4::write_state(job, &settings, &mut region)?;
    meter.finish();
    Ok(())
}

/// The first settings document: the answers, and the data volumes that are made.
pub fn first_settings(job: &Job) -> Result<Settings> {
    let volume = |part: &Part| -> Result<Volume> {
        let name = part.purpose.name();
        Ok(Volume {
            uuid: ext4::uuid(job.ids, part.purpose).to_string().parse()?,
            mount: format!("/srv/{name}").parse()?,
            name: name.parse()?,
        })
    };
    let volumes = job.layout.data().map(volume).collect::<Result<_>>()?;
    let settings = job.answers.settings(volumes);
    settings.check().context("the first settings")?;
    Ok(settings)
}

fn write_data(job: &Job, disk: &mut dyn BlockDevice, progress: &mut dyn Progress) -> Result<()> {
    let volumes: Vec<Part> = job.layout.data().copied().collect();
    let mut meter = Meter::new(progress, Phase::Data, Bytes::new(volumes.len() as u64));
    for (part, done) in volumes.iter().zip(1..) {
        let mut region = region(job.layout, disk, part.purpose)?;
        ext4::write_data(job, part.purpose, &mut region)?;
        meter.at(Bytes::new(done));
    }
    meter.finish();
    Ok(())
}

fn write_slot(
    job: &Job,
    disk: &mut dyn BlockDevice,
    phase: Phase,
    role: Role,
    progress: &mut dyn Progress,
) -> Result<()> {
    let purpose = match role {
        Role::Boot => Purpose::Boot(Slot::A),
        _ => Purpose::System(Slot::A),
    };
    let member = job.payload.member(role)?;
    let mut image = job.payload.reader(role)?;
    let mut region = region(job.layout, disk, purpose)?;
    let mut meter = Meter::new(progress, phase, member.size * 2);
    writer::write_image(
        &mut image,
        member.size,
        &member.sha256.0,
        &mut region,
        &mut |done| meter.at(done),
    )?;
    meter.finish();
    Ok(())
}

/// The last step. Everything before it is on the disk when it begins.
fn make_bootable(job: &Job, disk: &mut dyn BlockDevice, progress: &mut dyn Progress) -> Result<()> {
    let meter = Meter::new(progress, Phase::Finish, Bytes::ZERO);
    let sector = disk.sector_size();
    let mut staged = partitions::table(job, sector).stage(disk.size(), sector)?;
    // BIOS reads only disks with sectors of 512 bytes.
    if sector == SectorSize::S512 {
        let part = part(job.layout, Purpose::BiosBoot)?;
        let core = boot_code::core(job.payload.bytes(Role::BiosCore)?, part)?;
        disk.write_at(part.offset, &core)?;
        boot_code::into_first_sector(&mut staged.mbr, &job.payload.bytes(Role::BiosBoot)?, part)?;
    }
    disk.flush()?;
    staged.commit(disk)?;
    meter.finish();
    Ok(())
}

fn part(layout: &Layout, purpose: Purpose) -> Result<&Part> {
    layout
        .part(purpose)
        .with_context(|| format!("the layout has no {}", purpose.name()))
}

fn region<'a>(
    layout: &Layout,
    disk: &'a mut dyn BlockDevice,
    purpose: Purpose,
) -> Result<Region<'a>> {
    let part = part(layout, purpose)?;
    Ok(Region::new(disk, &purpose.name(), part.offset, part.size)?)
}
