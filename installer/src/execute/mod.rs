//! Carries a plan out on disks or files, through the one block-write trait.
//!
//! 1. [`Phase::Check`]: the whole payload is read; nothing is written before its digests agree.
//! 2. [`Phase::Clear`]: a disk that is erased loses its tables and boot code first, then old
//!    signatures. A disk of which something is kept gets, in one flip, a table of what is kept
//!    and nothing else. Neither starts a system after that.
//! 3. [`Phase::Esp`]: EFI programs, GRUB's configuration, the first boot state, on each
//!    system disk.
//! 4. [`Phase::State`]: the state volume with the first settings document.
//! 5. [`Phase::Data`]: the data volumes.
//! 6. [`Phase::Boot`], [`Phase::System`]: slot A.
//! 7. [`Phase::Finish`]: the volumes are read once more, as far as they were written; GRUB's core
//!    image; then, last of all, the partition tables and the first sectors, the system's disks
//!    after the others.
//!
//! Everything is read back from the disk before step 7. A cut before it leaves
//! nothing that firmware would start; what is kept is never written at all.

mod again;
mod boot_code;
mod clear;
mod detach;
mod esp;
pub mod ext4;
mod extents;
mod finish;
mod partitions;
mod scratch;
mod target;

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use vigie_disk::{BlockDevice, Bytes};
use vigie_settings::{Settings, Volume};
use vigie_update::{Slot, writer};

pub use extents::Pieces;
pub use scratch::{NoRoom, check_one as check_scratch};
pub use target::striped;

use crate::answers::{Answers, Keep};
use crate::ids::Ids;
use crate::layout::Purpose;
use crate::payload::{Payload, Role};
use crate::plan::{Plan, Planned};
use crate::progress::{Meter, Phase, Progress};
use crate::toolbox::Toolbox;
use again::Written;

/// The opened disks of a group, in the order of the plan; none for a group
/// that nothing is written to.
pub type Disks<'a> = Vec<Box<dyn BlockDevice + 'a>>;

/// Everything that an installation needs beside the disks.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// What the person wants.
    pub answers: &'a Answers,
    /// Where everything goes.
    pub plan: &'a Plan,
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

impl<'a> Job<'a> {
    /// What making a file system needs of it.
    fn making(&self) -> ext4::Making<'a> {
        ext4::Making {
            tools: self.tools,
            ids: self.ids,
            scratch: self.scratch,
        }
    }
}

/// A group of the plan with its opened disks.
struct Work<'w, 'd> {
    /// Its place in the plan, for ids.
    number: usize,
    planned: &'w Planned,
    disks: &'w mut Disks<'d>,
}

/// A disk does not hold what was written to it.
#[derive(Debug, thiserror::Error)]
#[error("{what} {device} reads back differently from what was written; the disk is failing")]
pub struct ReadBack {
    /// What was read back, as "the partition table of".
    what: String,
    /// The disk, or the partition.
    pub device: String,
}

impl ReadBack {
    /// Of something on a device.
    pub fn new(what: impl Into<String>, device: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            device: device.into(),
        }
    }
}

/// A disk does not hold any more what it was found to hold when it was written.
#[derive(Debug, thiserror::Error)]
#[error(
    "{device} does not hold any more what was written to it, between bytes {start} and {end}: what \
     was written elsewhere has landed there. The disk is failing, or holds less than it says: \
     replace it"
)]
pub struct Overwritten {
    /// The disk, or the partition.
    pub device: String,
    start: u64,
    end: u64,
}

impl Overwritten {
    /// In a range of bytes of a device.
    pub fn between(bytes: &Range<u64>, device: impl Into<String>) -> Self {
        Self {
            device: device.into(),
            start: bytes.start,
            end: bytes.end,
        }
    }
}

/// Installs. The disks must be those that the plan was made for.
pub fn execute(job: &Job, disks: &mut [Disks<'_>], progress: &mut dyn Progress) -> Result<()> {
    check_disks(job, disks)?;
    scratch::check(job)?;
    check_payload(job, progress)?;
    let groups = job.plan.groups.iter().zip(disks).enumerate();
    let mut works: Vec<Work> = groups
        .map(|(number, (planned, disks))| Work {
            number,
            planned,
            disks,
        })
        .filter(|work| !work.planned.is_untouched())
        .collect();
    clear(job, &mut works, progress).context("clearing the disks")?;
    let system = works.first_mut().context("the plan has no system disk")?;
    let mut written = write_esp(job, system, progress).context("writing the boot volume")?;
    written.extend(write_state(job, system, progress).context("making the state volume")?);
    written.extend(write_data(job, &mut works, progress).context("making the data volumes")?);
    let system = works.first_mut().context("the plan has no system disk")?;
    target::make_arrays(job, system).context("making the arrays of the slots")?;
    write_slot(job, system, Phase::Boot, Role::Boot, progress)
        .context("writing kernel and initrd")?;
    write_slot(job, system, Phase::System, Role::System, progress).context("writing the system")?;
    finish::finish(job, &mut works, &written, progress).context("making the disk bootable")
}

/// Each disk is the one that the plan was made for, as far as size and sectors tell.
fn check_disks(job: &Job, disks: &[Disks]) -> Result<()> {
    ensure!(
        disks.len() == job.plan.groups.len(),
        "not all disks of the plan were opened"
    );
    for (planned, opened) in job.plan.groups.iter().zip(disks) {
        let expected = if planned.is_untouched() {
            0
        } else {
            planned.disks.len()
        };
        ensure!(
            opened.len() == expected,
            "not all disks of the plan were opened"
        );
        for (disk, device) in planned.disks.iter().zip(opened) {
            ensure!(
                (disk.size, disk.sector()) == (device.size(), Some(device.sector_size())),
                "{} is not the disk that it was when the plan was made; nothing was written",
                disk.path
            );
        }
    }
    Ok(())
}

fn check_payload(job: &Job, progress: &mut dyn Progress) -> Result<()> {
    let mut meter = Meter::new(progress, Phase::Check, job.payload.total());
    job.payload.verify(&mut |done| meter.at(done))?;
    meter.finish();
    Ok(())
}

fn clear(job: &Job, works: &mut [Work], progress: &mut dyn Progress) -> Result<()> {
    let count = works.iter().map(|work| work.disks.len() as u64).sum();
    let mut meter = Meter::new(progress, Phase::Clear, Bytes::new(count));
    let mut done = 0;
    for work in works {
        for (at, disk) in work.disks.iter_mut().enumerate() {
            match work.planned.keep {
                Keep::Nothing => {
                    let was = &work.planned.disks[at];
                    let seed = job
                        .ids
                        .number(&format!("size of disk {}.{at}", work.number));
                    clear::clear(was, &work.planned.partitions, disk.as_mut(), seed)?;
                }
                _ => detach::detach(job, work.planned, disk.as_mut())?,
            }
            done += 1;
            meter.at(Bytes::new(done));
        }
    }
    meter.finish();
    Ok(())
}

/// Of the system's disks, which are the first that are worked on.
fn write_esp(job: &Job, work: &mut Work, progress: &mut dyn Progress) -> Result<Vec<Written>> {
    let count = work.disks.len() as u64;
    let mut meter = Meter::new(progress, Phase::Esp, Bytes::new(count));
    let mut written = Vec::new();
    for member in 0..work.disks.len() {
        let mut region = target::of_member(work, Purpose::Esp, member)?;
        written.push(Written {
            work: 0,
            purpose: Purpose::Esp,
            member: Some(member),
            pieces: esp::write(job, member, &mut region)?,
        });
        meter.at(Bytes::new(member as u64 + 1));
    }
    meter.finish();
    Ok(written)
}

fn write_state(job: &Job, work: &mut Work, progress: &mut dyn Progress) -> Result<Option<Written>> {
    let meter = Meter::new(progress, Phase::State, Bytes::ZERO);
    let part = work.planned.partitions.part(Purpose::State);
    let mut written = None;
    if part.is_some_and(|part| part.origin.is_new()) {
        let settings = first_settings(job)?;
        let mut volume = target::make(job, work, Purpose::State)?;
        written = Some(Written {
            work: 0,
            purpose: Purpose::State,
            member: None,
            pieces: ext4::write_state(&job.making(), &settings, volume.as_mut())?,
        });
    }
    meter.finish();
    Ok(written)
}

/// The first settings document: the answers, and all data volumes, made or kept.
pub fn first_settings(job: &Job) -> Result<Settings> {
    let parts = job
        .plan
        .groups
        .iter()
        .flat_map(|group| group.partitions.data_parts());
    let volume = |part: &crate::layout::Part| -> Result<Volume> {
        let name = part.purpose.name();
        let uuid = match &part.filesystem {
            Some(kept) => kept.clone(),
            None => ext4::uuid(job.ids, part.purpose).to_string(),
        };
        Ok(Volume {
            uuid: uuid.parse()?,
            mount: format!("/srv/{name}").parse()?,
            name: name.parse()?,
        })
    };
    let settings = job
        .answers
        .settings(parts.map(volume).collect::<Result<_>>()?);
    settings.check().context("the first settings")?;
    Ok(settings)
}

fn write_data(job: &Job, works: &mut [Work], progress: &mut dyn Progress) -> Result<Vec<Written>> {
    let new = |work: &Work| -> Vec<Purpose> {
        let parts = work.planned.partitions.data_parts();
        parts
            .filter(|part| part.origin.is_new())
            .map(|part| part.purpose)
            .collect()
    };
    let count = works.iter().map(|work| new(work).len() as u64).sum();
    let mut meter = Meter::new(progress, Phase::Data, Bytes::new(count));
    let mut written = Vec::new();
    for (at, work) in works.iter_mut().enumerate() {
        for purpose in new(work) {
            let stripes = target::stripes(work, purpose);
            let mut volume = target::make(job, work, purpose)?;
            written.push(Written {
                work: at,
                purpose,
                member: None,
                pieces: ext4::write_data(&job.making(), purpose, stripes, volume.as_mut())?,
            });
            meter.at(Bytes::new(written.len() as u64));
        }
    }
    meter.finish();
    Ok(written)
}

fn write_slot(
    job: &Job,
    work: &mut Work,
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
    let mut slot = target::over(work, purpose)?;
    let mut meter = Meter::new(progress, phase, member.size * 2);
    writer::write_image(
        &mut image,
        member.size,
        &member.sha256.0,
        slot.as_mut(),
        &mut |done| meter.at(done),
    )?;
    meter.finish();
    Ok(())
}
