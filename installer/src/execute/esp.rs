//! The EFI system partition: FAT32 made by mkfs.fat and filled by mtools in a
//! sparse file, then copied to its place.
//!
//! Both GRUBs read the same configuration: the signed one beside itself
//! (`EFI/BOOT`) or at its built-in prefix (`EFI/debian`), the one for BIOS by
//! the path in its core image.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use vigie_disk::{BlockDevice, SectorSize};
use vigie_update::BootState;
use vigie_update::esp::{GRUBENV, GRUBENV_COPY};

use super::Job;
use super::extents::{Holes, Pieces, copy, verify};
use crate::payload::Role;
use crate::toolbox::Run;

/// Label of the volume.
pub const LABEL: &str = "VIGIE-ESP";
/// The folders, each after the one that holds it.
const FOLDERS: [&str; 3] = ["EFI", "EFI/BOOT", "EFI/debian"];
/// Where each member goes. The first is the path that all firmware tries.
const FILES: [(Role, &str); 5] = [
    (Role::Shim, "EFI/BOOT/BOOTX64.EFI"),
    (Role::Grub, "EFI/BOOT/grubx64.efi"),
    (Role::Mok, "EFI/BOOT/mmx64.efi"),
    (Role::GrubCfg, "EFI/BOOT/grub.cfg"),
    (Role::GrubCfg, "EFI/debian/grub.cfg"),
];
/// Clusters of 4096 bytes in both sector sizes.
const CLUSTER: u64 = 4096;

/// Makes the volume of one member and copies it to `target`; tells what was read back of it.
pub fn write(job: &Job, member: usize, target: &mut dyn BlockDevice) -> Result<Pieces> {
    let image = job.scratch.join("esp.img");
    let file = fs::File::create(&image).context("making a file for the boot volume")?;
    file.set_len(target.size().get())?;
    format(job, member, &image, target.sector_size())?;
    let folders = FOLDERS.map(|folder| format!("::/{folder}"));
    mtool(job, "mmd", &image).args(folders).output()?;
    for (role, place) in FILES {
        put(job, &image, &job.payload.bytes(role)?, place)?;
    }
    for name in [GRUBENV, GRUBENV_COPY] {
        put(job, &image, &BootState::default().encode(), name)?;
    }
    copy(&image, target, Holes::Zeroed)?;
    let pieces = verify(&image, target, Holes::Zeroed)?;
    fs::remove_file(&image)?;
    Ok(pieces)
}

fn format(job: &Job, member: usize, image: &Path, sector: SectorSize) -> Result<()> {
    Run::new(job.tools, "mkfs.fat", "formatting the boot volume")
        .args(["--invariant", "-F", "32", "-n", LABEL])
        .args(["-S", &sector.get().to_string()])
        .args(["-s", &(CLUSTER / sector.get()).to_string()])
        .args(["-i", &format!("{:08x}", job.ids.fat_serial(member))])
        .arg(image)
        .output()
        .map(drop)
}

/// Copies bytes into the volume under a name, with the installation's time.
fn put(job: &Job, image: &Path, bytes: &[u8], place: &str) -> Result<()> {
    let staged = job.scratch.join("esp-file");
    fs::write(&staged, bytes)?;
    if let Some(time) = job.ids.time() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
        fs::File::options()
            .write(true)
            .open(&staged)?
            .set_modified(time)?;
    }
    mtool(job, "mcopy", image)
        .arg("-m")
        .arg(&staged)
        .arg(format!("::/{place}"))
        .output()?;
    Ok(fs::remove_file(&staged)?)
}

/// One of the mtools, kept from the configuration and the time zone of the person who builds.
fn mtool(job: &Job, program: &str, image: &Path) -> Run {
    let run = Run::new(job.tools, program, "filling the boot volume")
        .env("MTOOLSRC", "/dev/null")
        .env("TZ", "UTC");
    let run = match job.ids.time() {
        Some(time) => run.env("SOURCE_DATE_EPOCH", time.to_string()),
        None => run,
    };
    run.arg("-i").arg(image)
}
