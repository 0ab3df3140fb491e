//! What a volume is written to: a partition, or the array over the partitions
//! of that name on all disks of a group.

use anyhow::{Context, Result};
use vigie_disk::md::{self, Array, Geometry, Identity, Level};
use vigie_disk::{BlockDevice, Bytes, Region};
use vigie_update::Slot;

use super::{Disks, Job, Work};
use crate::layout::{Part, Purpose};

/// The partitions of the slots.
const SLOTS: [Purpose; 4] = [
    Purpose::Boot(Slot::A),
    Purpose::Boot(Slot::B),
    Purpose::System(Slot::A),
    Purpose::System(Slot::B),
];

/// The partition of one member.
pub fn of_member<'a>(work: &'a mut Work, purpose: Purpose, member: usize) -> Result<Region<'a>> {
    let part = part(work, purpose)?.clone();
    let disk = work
        .disks
        .get_mut(member)
        .context("a member of the group is missing")?;
    region(&part, disk.as_mut())
}

/// The volume for a purpose; an array that was made before.
pub fn over<'a>(work: &'a mut Work, purpose: Purpose) -> Result<Box<dyn BlockDevice + 'a>> {
    let part = part(work, purpose)?.clone();
    match work.planned.array(&part) {
        None => Ok(Box::new(of_member(work, purpose, 0)?)),
        Some(geometry) => {
            let members = regions(&part, work.disks)?;
            Ok(Box::new(Array::over(&geometry, members)?))
        }
    }
}

/// The volume for a purpose; where it is an array, that is made first.
pub fn make<'a>(
    job: &Job,
    work: &'a mut Work,
    purpose: Purpose,
) -> Result<Box<dyn BlockDevice + 'a>> {
    make_array(job, work, purpose)?;
    over(work, purpose)
}

/// Makes the arrays of both slots, so that the empty one is there for the first update.
pub fn make_arrays(job: &Job, work: &mut Work) -> Result<()> {
    SLOTS
        .into_iter()
        .try_for_each(|purpose| make_array(job, work, purpose))
}

/// Length of a chunk of a striped array, and how many of them one stripe has for data.
pub fn stripes(work: &Work, purpose: Purpose) -> Option<(Bytes, usize)> {
    let geometry = work.planned.array(work.planned.partitions.part(purpose)?)?;
    striped(geometry.level, geometry.chunk, geometry.members)
}

/// The same of any array.
pub fn striped(level: Level, chunk: Bytes, members: usize) -> Option<(Bytes, usize)> {
    let data = match level {
        Level::Raid1 => return None,
        Level::Raid5 => members.checked_sub(1)?,
        Level::Raid6 => members.checked_sub(2)?,
        Level::Raid10 => members / 2,
    };
    (data > 0).then_some((chunk, data))
}

fn make_array(job: &Job, work: &mut Work, purpose: Purpose) -> Result<()> {
    let part = part(work, purpose)?.clone();
    let Some(geometry) = work.planned.array(&part) else {
        return Ok(());
    };
    let identity = identity(job, purpose, &geometry);
    let mut members = regions(&part, work.disks)?;
    md::create(&geometry, &identity, &mut members)
        .with_context(|| format!("making the array of {}", purpose.name()))
}

/// Of the slots, every byte that is ever read is written to all members; the
/// other arrays are synchronised by the kernel at their first assembly.
fn identity(job: &Job, purpose: Purpose, geometry: &Geometry) -> Identity {
    let name = purpose.name();
    let id = |what: String| md::Uuid::from(job.ids.uuid(&what).into_bytes());
    let members = 0..geometry.members;
    Identity {
        uuid: id(format!("array {name}")),
        member_uuids: members
            .map(|at| id(format!("array {name} member {at}")))
            .collect(),
        time: job.ids.time().unwrap_or_else(now),
        synced: SLOTS.contains(&purpose),
        name,
    }
}

/// Seconds since 1970; zero where the clock is before that.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

fn part<'a>(work: &'a Work, purpose: Purpose) -> Result<&'a Part> {
    let part = work.planned.partitions.part(purpose);
    part.with_context(|| format!("the layout has no {}", purpose.name()))
}

fn regions<'a>(part: &Part, disks: &'a mut Disks<'_>) -> Result<Vec<Region<'a>>> {
    disks
        .iter_mut()
        .map(|disk| region(part, disk.as_mut()))
        .collect()
}

fn region<'a>(part: &Part, disk: &'a mut dyn BlockDevice) -> Result<Region<'a>> {
    Ok(Region::new(
        disk,
        &part.purpose.name(),
        part.offset,
        part.size,
    )?)
}
