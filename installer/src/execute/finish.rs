//! The last step: the disks become what they are going to be. Everything before
//! it is on the disks when it begins, and is looked at once more. The tables of
//! disks for recordings come first, and of the system's disks the first member's
//! last of all.

use anyhow::{Context, Result, ensure};
use vigie_disk::device::read_vec;
use vigie_disk::table::Table;
use vigie_disk::{BlockDevice, Bytes, SectorSize};

use super::again::{self, Written};
use super::{Job, ReadBack, Work, boot_code, partitions};
use crate::layout::Purpose;
use crate::payload::{Payload, Role};
use crate::plan;
use crate::progress::{Meter, Phase, Progress};

/// Writes core images, tables and first sectors, and reads the tables back.
pub fn finish(
    job: &Job,
    works: &mut [Work],
    written: &[Written],
    progress: &mut dyn Progress,
) -> Result<()> {
    let meter = Meter::new(progress, Phase::Finish, Bytes::ZERO);
    again::check(works, written)?;
    let grub = Grub::read(job.payload)?;
    for work in works.iter_mut().rev() {
        for member in (0..work.disks.len()).rev() {
            finish_disk(job, &grub, work, member)?;
        }
    }
    meter.finish();
    Ok(())
}

/// GRUB for BIOS, read before the first table is written.
struct Grub {
    core: Vec<u8>,
    first_sector: Vec<u8>,
}

impl Grub {
    fn read(payload: &Payload) -> Result<Self> {
        Ok(Self {
            core: payload.bytes(Role::BiosCore)?,
            first_sector: payload.bytes(Role::BiosBoot)?,
        })
    }
}

fn finish_disk(job: &Job, grub: &Grub, work: &mut Work, member: usize) -> Result<()> {
    let table = partitions::table(job, work, member)?;
    let disk = work.disks[member].as_mut();
    let sector = disk.sector_size();
    let mut staged = table.stage(disk.size(), sector)?;
    // BIOS reads only disks with sectors of 512 bytes.
    if work.planned.role == plan::Role::System && sector == SectorSize::S512 {
        let part = work.planned.partitions.part(Purpose::BiosBoot);
        let part = part.context("the layout has no place for GRUB's core image")?;
        let core = boot_code::core(grub.core.clone(), part)?;
        write_back_checked(disk, part.offset, &core)?;
        boot_code::into_first_sector(&mut staged.mbr, &grub.first_sector, part)?;
    }
    disk.flush()?;
    staged.commit(disk)?;
    check(&table, disk)
}

fn write_back_checked(disk: &mut dyn BlockDevice, at: Bytes, bytes: &[u8]) -> Result<()> {
    disk.write_at(at, bytes)?;
    disk.flush()?;
    disk.forget_cached(at, Bytes::new(bytes.len() as u64));
    ensure!(
        read_vec(disk, at, bytes.len())? == bytes,
        ReadBack::new("GRUB's core image on", disk.name())
    );
    Ok(())
}

fn check(table: &Table, disk: &dyn BlockDevice) -> Result<()> {
    disk.forget_cached(Bytes::ZERO, Bytes::MIB);
    ensure!(
        Table::read(disk)?.as_ref() == Some(table),
        ReadBack::new("the partition table of", disk.name())
    );
    Ok(())
}
