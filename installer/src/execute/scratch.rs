//! Whether the folder for volumes in the making has room for what mke2fs writes: on the live medium it
//! is memory, half of the machine's at most. Asked before anything is cleared.
//!
//! Measured with mke2fs of e2fsprogs and the options of [`super::ext4`], on tmpfs: 16.5 MB at 1 TiB,
//! 59.0 MB at 4 TiB, 150 MB at 10 TiB, 229 MB at 15 TiB, 504 MB at 32 TiB. That is the group
//! descriptors, 64 bytes for each group of 128 MiB, in each of their copies (`sparse_super`: groups 0,
//! 1 and the powers of 3, 5 and 7), a block of bitmap for each 16 groups (`flex_bg`), and a few MB.

use std::iter::successors;
use std::path::Path;

use vigie_disk::Bytes;

use super::Job;
use crate::layout::Purpose;
use crate::plan::Plan;

/// A group: as many blocks as one block of bitmap has bits.
const GROUP: u64 = 8 * BLOCK * BLOCK;
const BLOCK: u64 = 4096;
const DESCRIPTOR: u64 = 64;
/// A block of bitmap for the 16 groups that are laid out together.
const BITMAPS: u64 = BLOCK / 16;
/// Superblocks, root folder, journal, settings.
const REST: u64 = 8 << 20;

/// A volume cannot be made here.
#[derive(Debug, thiserror::Error)]
#[error(
    "making {volume} ({size}) needs {need} in {folder}, where {free} are free: give the machine more \
     memory, or name a smaller data_volume_max; nothing was written"
)]
pub struct NoRoom {
    /// Its name.
    pub volume: String,
    /// Its size.
    pub size: Bytes,
    /// What its making needs.
    pub need: Bytes,
    /// What there is.
    pub free: Bytes,
    folder: String,
}

/// Refuses where the free space is known and too small. Volumes are made one after the other, so the
/// largest decides.
pub fn check(job: &Job) -> Result<(), NoRoom> {
    fits(job.plan, job.scratch, free(job.scratch))
}

fn fits(plan: &Plan, folder: &Path, free: Option<Bytes>) -> Result<(), NoRoom> {
    match largest(plan) {
        Some((volume, size)) => fits_one(volume, size, folder, free),
        None => Ok(()),
    }
}

/// Whether a volume of this name and size can be made with this folder for volumes in the making.
///
/// # Errors
/// The folder's free space is known and too small.
pub fn check_one(volume: String, size: Bytes, folder: &Path) -> Result<(), NoRoom> {
    fits_one(volume, size, folder, free(folder))
}

fn fits_one(volume: String, size: Bytes, folder: &Path, free: Option<Bytes>) -> Result<(), NoRoom> {
    let need = needed(size);
    match free {
        Some(free) if free < need => Err(NoRoom {
            volume,
            size,
            need,
            free,
            folder: folder.display().to_string(),
        }),
        _ => Ok(()),
    }
}

/// The largest volume that is made.
fn largest(plan: &Plan) -> Option<(String, Bytes)> {
    let groups = plan.groups.iter();
    let volumes = groups.flat_map(|group| {
        let parts = group.partitions.parts().iter();
        let made = parts.filter(|part| part.origin.is_new());
        let made = made.filter(|part| part.purpose.is_data() || part.purpose == Purpose::State);
        made.map(|part| {
            let array = group.array(part).map(|geometry| geometry.capacity());
            (part.purpose.name(), array.unwrap_or(part.size))
        })
    });
    volumes.max_by_key(|(_, size)| *size)
}

/// What mke2fs writes for a volume of this size, rather too much than too little.
fn needed(size: Bytes) -> Bytes {
    let groups = size.get().div_ceil(GROUP);
    let powers = |base: u64| {
        let all = successors(Some(base), |power| power.checked_mul(base));
        all.take_while(|power| *power < groups).count() as u64
    };
    let copies = 2 + powers(3) + powers(5) + powers(7);
    let table = (groups * DESCRIPTOR).div_ceil(BLOCK) * BLOCK;
    Bytes::new(table * copies + groups * BITMAPS + REST)
}

/// The free space of a folder's file system; none where that has no limit or does not tell.
fn free(folder: &Path) -> Option<Bytes> {
    let facts = rustix::fs::statvfs(folder).ok()?;
    (facts.f_blocks > 0).then(|| Bytes::new(facts.f_bavail.saturating_mul(facts.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Answers;
    use crate::plan::plan;

    #[test]
    fn the_estimate_is_above_what_was_measured_and_not_far() {
        for (size, measured) in [
            (Bytes::gib(4), 2_240_512),
            (Bytes::gib(250), 6_868_992),
            (Bytes::tib(1), 16_482_304),
            (Bytes::tib(2), 29_597_696),
            (Bytes::tib(4), 58_974_208),
            (Bytes::tib(10), 150_216_704),
            (Bytes::tib(15), 228_868_096),
            (Bytes::tib(20), 304_361_472),
            (Bytes::tib(32), 503_599_104),
        ] {
            let need = needed(size).get();
            assert!(need >= measured, "{size}: {need}");
            assert!(need <= measured * 21 / 20 + REST, "{size}: {need}");
        }
    }

    #[test]
    fn too_little_room_is_refused_with_the_numbers() {
        let plan = plan(
            &Answers::parse(include_str!("../../tests/plans/3tb-by-serial.answers.toml")).unwrap(),
            &serde_json::from_str(include_str!("../../tests/plans/3tb-by-serial.disks.json"))
                .unwrap(),
            &serde_json::from_str(include_str!("../../tests/plans/payload.json")).unwrap(),
        )
        .unwrap();
        let (_, size) = largest(&plan).unwrap();
        let folder = Path::new("/tmp/x");
        for (free, is_refused) in [
            (None, false),
            (Some(needed(size)), false),
            (Some(Bytes::mib(10)), true),
        ] {
            let outcome = fits(&plan, folder, free);
            assert_eq!(outcome.is_err(), is_refused, "{free:?}");
            if let Err(error) = outcome {
                let said = error.to_string();
                assert!(
                    said.contains("data-1") && said.contains("10.4 MB are free"),
                    "{said}"
                );
            }
        }
        assert!(free(Path::new("/")).is_some());
        assert_eq!(free(Path::new("/no/such/folder")), None);
    }
}
