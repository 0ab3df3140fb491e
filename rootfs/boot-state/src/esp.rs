//! The boot state where it lies: the file `grubenv` in the root of the ESP, on
//! each disk of the system, and a copy beside it.
//!
//! GRUB reads and counts in the copy where it finds no state in the first: it
//! refuses to write a block that has lost its first line, and would start one
//! slot for ever. Older installations have no copy, and a GRUB that asks for none.
//!
//! It is rewritten in place, as GRUB itself does: the file's sectors are found
//! through the FAT and only those bytes are written. No mount, no directory
//! entry, no allocation table changes, so a power cut cannot damage the ESP.
//!
//! Where the system lies on several disks (md RAID), each has an ESP of its own,
//! and the firmware may start from any. The state is written on the others first
//! and last on the disk that this system started from: whatever happens between,
//! the state that led here stays with the disk that led here.

use std::path::Path;

use vigie_disk::device::BlockDevice;
use vigie_disk::fatfile::{Located, locate_root_file};
use vigie_disk::sysfs::Sysfs;
use vigie_disk::{Bytes, KernelDevice};

use crate::boot_state::{BootState, LENGTH};
use crate::slot::Slot;

/// Name of the ESP's partition.
pub const ESP_PARTITION: &str = "vigie-esp";
/// Name of the file.
pub const GRUBENV: &str = "grubenv";
/// Name of its copy, which need not be there.
pub const GRUBENV_COPY: &str = "grubenv2";
/// The smallest unit that a disk writes whole.
const SECTOR: usize = 512;

/// Why the boot state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum EspError {
    /// The live system has no boot state.
    #[error("this is the live system; it has no boot state")]
    Live,
    /// The disk has no ESP of ours, or two.
    #[error(
        "{disk} has no partition named {ESP_PARTITION}, or more than one; \
         boot the medium and choose repair"
    )]
    NoEsp {
        /// The system disk.
        disk: String,
    },
    /// The file is not there or has another length.
    #[error(
        "{device}: the file {name} is {found}; it must have {LENGTH} bytes. \
         Boot the medium and choose repair"
    )]
    NoGrubenv {
        /// The ESP.
        device: String,
        /// The file.
        name: &'static str,
        /// "missing", or its length.
        found: String,
    },
    /// What was read back is not what was written.
    #[error(
        "{device}: the boot state reads back differently from what was written; the disk is failing"
    )]
    ReadBack {
        /// The ESP.
        device: String,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] vigie_disk::Error),
}

/// Opens the ESP on a disk.
pub fn open_on(disk: &Path, sysfs: &Sysfs, write: bool) -> Result<KernelDevice, EspError> {
    let partition = Sysfs::kernel_name(disk)
        .and_then(|name| sysfs.partition_named(&name, ESP_PARTITION))
        .ok_or_else(|| EspError::NoEsp {
            disk: disk.display().to_string(),
        })?;
    Ok(if write {
        KernelDevice::open_shared(&partition.node)?
    } else {
        KernelDevice::open_read_only(&partition.node)?
    })
}

/// Reads the boot state from an ESP, as GRUB does: from the copy where there is none in the first.
///
/// # Errors
/// The first cannot be read, and the copy holds no state either.
pub fn load(esp: &dyn BlockDevice) -> Result<BootState, EspError> {
    let block = |name| read(esp, &located(esp, name)?);
    let first = block(GRUBENV);
    if let Ok(block) = &first
        && BootState::is_in(block)
    {
        return Ok(BootState::decode(block));
    }
    match block(GRUBENV_COPY) {
        Ok(copy) if BootState::is_in(&copy) => Ok(BootState::decode(&copy)),
        _ => Ok(BootState::decode(&first?)),
    }
}

/// Replaces the boot state on an ESP and reads it back: the first, then the copy, so that at every
/// moment one of them is whole. Each is tried whatever becomes of the other.
///
/// # Errors
/// What the first said, or else the copy.
pub fn save(esp: &mut dyn BlockDevice, state: &BootState) -> Result<(), EspError> {
    let first = save_as(esp, GRUBENV, state);
    let copy = match locate_root_file(esp, GRUBENV_COPY) {
        Ok(None) => Ok(()),
        _ => save_as(esp, GRUBENV_COPY, state),
    };
    first.and(copy)
}

fn save_as(
    esp: &mut dyn BlockDevice,
    name: &'static str,
    state: &BootState,
) -> Result<(), EspError> {
    let located = located(esp, name)?;
    // What cannot be read is written anew: that is how a disk replaces a bad sector.
    let old = read(esp, &located).ok();
    let new = state.encode();
    for (at, new) in (0..).step_by(SECTOR).zip(new.chunks(SECTOR)) {
        let same = old.is_some_and(|old| &old[at..at + SECTOR] == new);
        if !same {
            esp.write_at(place(&located, at), new)?;
        }
    }
    esp.flush()?;
    for (offset, length) in &located.parts {
        esp.forget_cached(*offset, *length);
    }
    if read(esp, &located)? == new {
        Ok(())
    } else {
        let device = esp.name().to_owned();
        Err(EspError::ReadBack { device })
    }
}

/// A slot's system image is damaged: it is not started again from this disk, and the other one is
/// next, where that was good. Says whether it was; else nothing is written.
///
/// # Errors
/// The boot state cannot be read or written; what was there stays.
pub fn leave(esp: &mut dyn BlockDevice, slot: Slot) -> Result<bool, EspError> {
    let mut state = load(esp)?;
    let left = state.leave(slot);
    if left {
        save(esp, &state)?;
    }
    Ok(left)
}

/// Replaces the boot state on several ESPs, each with its own, the last of which is the started
/// disk's. Each is tried whatever becomes of the others; every failure is in the result, in this
/// order.
pub fn save_on_all<D: BlockDevice>(
    esps: impl IntoIterator<Item = Result<(D, BootState), EspError>>,
) -> Vec<EspError> {
    let save_on = |esp: Result<(D, BootState), EspError>| {
        let (mut esp, state) = esp?;
        save(&mut esp, &state)
    };
    let outcomes = esps.into_iter().map(save_on);
    outcomes.filter_map(Result::err).collect()
}

fn located(esp: &dyn BlockDevice, name: &'static str) -> Result<Located, EspError> {
    let absent = |found: String| EspError::NoGrubenv {
        device: esp.name().to_owned(),
        name,
        found,
    };
    let located = locate_root_file(esp, name)?.ok_or_else(|| absent("missing".to_owned()))?;
    if located.size.get() != LENGTH as u64 {
        return Err(absent(format!("{} bytes long", located.size.get())));
    }
    Ok(located)
}

fn read(esp: &dyn BlockDevice, located: &Located) -> Result<[u8; LENGTH], EspError> {
    let mut block = [0; LENGTH];
    for (at, sector) in (0..).step_by(SECTOR).zip(block.chunks_mut(SECTOR)) {
        esp.read_at(place(located, at), sector)?;
    }
    Ok(block)
}

/// Where byte `at` of the file lies. Clusters are multiples of a sector, so a
/// sector of the file never spans two.
fn place(located: &Located, at: usize) -> Bytes {
    let mut rest = Bytes::new(at as u64);
    for (offset, length) in &located.parts {
        if rest < *length {
            return *offset + rest;
        }
        rest = rest - *length;
    }
    unreachable!("locate_root_file answers parts that cover the file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_disk::device::faulty::{Fault, Faulty, Kind};
    use vigie_disk::device::{Cursor, record::Recorder, record::Sequence};
    use vigie_disk::{MemoryDevice, SectorSize, crash, fat};

    /// An ESP with a boot state; one sector a cluster, so that the file has two.
    fn esp(contents: &[u8]) -> MemoryDevice {
        let mut disk = MemoryDevice::new(Bytes::mib(40), SectorSize::S512);
        let options = fatfs::FormatVolumeOptions::new().bytes_per_cluster(512);
        fatfs::format_volume(Cursor::new(&mut disk), options).unwrap();
        fat::write_root_file(&mut disk, GRUBENV, contents).unwrap();
        disk
    }

    #[test]
    fn every_cut_leaves_the_old_state_or_the_new() {
        let old = BootState::default();
        let mut new = old.clone();
        new.mark_good(Slot::A);
        let before = esp(&old.encode());
        let mut disk = Recorder::new(before.clone());
        save(&mut disk, &new).unwrap();
        let (after, log) = disk.finish();
        assert_eq!(load(&after).unwrap(), new);
        let states = crash::enumerate::<EspError>(&before, &log, |cut, disk| {
            let found = load(disk)?;
            assert!(found == old || found == new, "{cut:?}");
            Ok(())
        })
        .unwrap();
        crash::tell(states, "of writing the boot state");
        assert!(states >= 3);
        // The FAT sees the same file as before.
        let mut after = after;
        let seen = fat::read_root_file(&mut after, GRUBENV, Bytes::kib(4)).unwrap();
        assert_eq!(seen.unwrap(), new.encode());
    }

    /// The same with a copy.
    fn with_copy(contents: &[u8], copy: &[u8]) -> MemoryDevice {
        let mut disk = esp(contents);
        fat::write_root_file(&mut disk, GRUBENV_COPY, copy).unwrap();
        disk
    }

    #[test]
    fn c85_where_one_is_damaged_the_other_holds_the_state() {
        let old = BootState::default();
        let mut good = old.clone();
        good.mark_good(Slot::B);
        let text = good.encode();
        for damage in [
            &[0; LENGTH][..],
            &[0xFF; LENGTH],
            &old.encode()[1..],
            b"short",
            b"",
        ] {
            let mut disk = with_copy(damage, &text);
            assert_eq!(load(&disk).unwrap(), good);
            let mended = save(&mut disk, &old);
            // A file of another length cannot be mended in place, and that is told.
            assert_eq!(mended.is_ok(), damage.len() == LENGTH, "{mended:?}");
            assert_eq!(load(&disk).unwrap(), old);
            let mut disk = with_copy(&text, damage);
            assert_eq!(load(&disk).unwrap(), good);
            assert_eq!(save(&mut disk, &old).is_ok(), damage.len() == LENGTH);
            assert_eq!(load(&disk).unwrap(), old);
        }
        // Nothing in either: as after an installation.
        assert_eq!(load(&with_copy(&[0; LENGTH], &[0; LENGTH])).unwrap(), old);
    }

    #[test]
    fn c65_c85_every_cut_leaves_a_state_in_the_file_and_in_its_copy() {
        let old = BootState::default();
        let mut new = old.clone();
        new.mark_good(Slot::A);
        let before = with_copy(&old.encode(), &old.encode());
        let mut disk = Recorder::new(before.clone());
        save(&mut disk, &new).unwrap();
        let (after, log) = disk.finish();
        let states = crash::enumerate::<EspError>(&before, &log, |cut, disk| {
            for name in [GRUBENV, GRUBENV_COPY] {
                let found = BootState::decode(&read(disk, &located(disk, name)?)?);
                assert!(found == old || found == new, "{name}: {cut:?}");
            }
            Ok(())
        })
        .unwrap();
        crash::tell(states, "of writing the boot state and its copy");
        assert!(states >= 5, "{states}");
        let copy = read(&after, &located(&after, GRUBENV_COPY).unwrap()).unwrap();
        assert_eq!(copy, new.encode());
    }

    #[test]
    fn c67_every_cut_of_leaving_a_damaged_slot_leaves_one_to_start() {
        let mut both = BootState::default();
        Slot::BOTH.into_iter().for_each(|slot| both.mark_good(slot));
        let mut left = both.clone();
        left.leave(Slot::A);
        let before = esp(&both.encode());
        let mut disk = Recorder::new(before.clone());
        assert!(leave(&mut disk, Slot::A).unwrap());
        let (after, log) = disk.finish();
        assert_eq!(load(&after).unwrap(), left);
        let states = crash::enumerate::<EspError>(&before, &log, |cut, disk| {
            let found = load(disk)?;
            assert!(found == both || found == left, "{cut:?}");
            Ok(())
        })
        .unwrap();
        crash::tell(states, "of leaving a damaged slot");
        // Nothing better to start: nothing is written, whatever was damaged.
        for alone in Slot::BOTH {
            let mut state = BootState::default();
            state.first = alone;
            state.mark_good(alone);
            let mut disk = Recorder::new(esp(&state.encode()));
            assert!(!leave(&mut disk, alone).unwrap());
            assert_eq!(disk.log().len(), 0);
        }
    }

    #[test]
    fn every_disk_is_tried() {
        let mut good = BootState::default();
        good.mark_good(Slot::A);
        let old = BootState::default();
        let mut disks = [esp(&old.encode()), esp(b"short"), esp(&old.encode())];
        let lost = EspError::NoEsp {
            disk: "/dev/vdz".into(),
        };
        let found = disks.iter_mut().map(|disk| Ok((disk, good.clone())));
        let failures = save_on_all(std::iter::once(Err(lost)).chain(found));
        let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("/dev/vdz") && texts[1].contains("5 bytes"));
        for intact in [0, 2] {
            assert_eq!(load(&disks[intact]).unwrap(), good);
        }
    }

    /// Two disks: the flip to the slot that was just written. Each disk has the old state or the new
    /// one, and while the started one, which is written last, has the new, so has the other.
    #[test]
    fn c65_c66_every_cut_of_writing_two_disks_leaves_a_state_on_each() {
        let mut old = BootState::default();
        old.mark_good(Slot::A);
        let mut new = old.clone();
        new.first = Slot::B;
        new.slot_mut(Slot::B).tries = 3;
        let sequence = Sequence::default();
        let before = [(); 2].map(|()| with_copy(&old.encode(), &old.encode()));
        let mut disks = before
            .clone()
            .map(|disk| Recorder::sharing(disk, &sequence));
        let esps = disks.iter_mut().map(|disk| Ok((disk, new.clone())));
        assert!(save_on_all(esps).is_empty());
        let logs = disks.map(|disk| disk.finish_numbered().1);
        let recorded: Vec<_> = before.into_iter().zip(logs).collect();
        let mut seen = std::collections::BTreeSet::new();
        let states = crash::enumerate_all::<EspError>(&recorded, |_, cut, disks| {
            let found = [load(&disks[0])?, load(&disks[1])?];
            let is_new = found.map(|state| {
                assert!(state == old || state == new, "{cut:?}");
                state == new
            });
            seen.insert(is_new);
            Ok(())
        })
        .unwrap();
        crash::tell(states, "of writing the boot state of two disks");
        let allowed = [[false, false], [true, false], [true, true]];
        assert_eq!(seen, allowed.into());
    }

    #[test]
    fn c82_a_disk_that_lies_about_writing_the_boot_state_is_found_out() {
        let old = BootState::default();
        let mut good = old.clone();
        good.mark_good(Slot::A);
        for (fault, lies) in [
            (Fault::DropsWrite(0), true),
            (Fault::Fails(Some(Kind::Write), 0), false),
            (Fault::Fails(Some(Kind::Flush), 0), false),
        ] {
            let mut disk = Faulty::new(esp(&old.encode()), [fault]);
            let error = save(&mut disk, &good).unwrap_err();
            assert_eq!(matches!(error, EspError::ReadBack { .. }), lies, "{error}");
            // Beside a disk that is sound: that one is written, and the other one told.
            let sound = Faulty::new(esp(&old.encode()), []);
            let mut disks = [Faulty::new(esp(&old.encode()), [fault]), sound];
            let esps = disks.iter_mut().map(|disk| Ok((disk, good.clone())));
            assert_eq!(save_on_all(esps).len(), 1);
            assert_eq!(load(&disks[1]).unwrap(), good);
        }
    }

    #[test]
    fn an_equal_state_writes_nothing() {
        let state = BootState::default();
        let mut disk = Recorder::new(esp(&state.encode()));
        save(&mut disk, &state).unwrap();
        assert_eq!(disk.log().len(), 1, "only the flush");
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        for contents in [&[b'#'; 1023][..], &[b'#'; 2048], &[]] {
            let error = load(&esp(contents)).unwrap_err();
            assert!(matches!(error, EspError::NoGrubenv { .. }), "{error}");
        }
    }
}
