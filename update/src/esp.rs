//! The disks that hold the boot state of the running system, and what `vigie-boot-state` knows of
//! an ESP.

use std::path::{Path, PathBuf};

use vigie_disk::KernelDevice;
use vigie_disk::md::Superblock;
use vigie_disk::sysfs::{Sysfs, node};

pub use vigie_boot_state::esp::{
    ESP_PARTITION, EspError, GRUBENV, GRUBENV_COPY, leave, load, open_on, save, save_on_all,
};

use crate::boot_state::{BootState, SlotState};
use crate::running::Running;
use crate::slot::Slot;

/// Opens the ESP on the disk that this system was started from.
pub fn open(running: &Running, sysfs: &Sysfs, write: bool) -> Result<KernelDevice, EspError> {
    let disk = running.disk.as_deref().ok_or(EspError::Live)?;
    open_on(disk, sysfs, write)
}

/// The other disks of this system: those with a member in the state volume's array, as the
/// kernel runs it. None where the started disk is not in it itself: it was left out as out of
/// date, and what its slots are is not what the others' are.
pub fn other_disks(running: &Running, sysfs: &Sysfs) -> Vec<PathBuf> {
    let kernel_name = |node: &Option<PathBuf>| node.as_deref().and_then(Sysfs::kernel_name);
    let names = (
        kernel_name(&running.disk),
        kernel_name(&running.state_device),
    );
    let (Some(own), Some(state)) = names else {
        return Vec::new();
    };
    let is_array = sysfs.attribute(&state, "md/level").is_some();
    let mut disks = sysfs.disks_under(&state);
    if !is_array || !disks.contains(&own) {
        return Vec::new();
    }
    disks.retain(|disk| *disk != own);
    disks.iter().map(|disk| node(disk)).collect()
}

/// The boot state as it is true on another disk: a slot of which that disk lacks a whole and current
/// copy (a member of its arrays has failed there, or is being rebuilt) is not to be started from it.
/// Its kernel would be the old one over the new system, and fail for ever where that is good.
pub fn state_on(disk: &Path, running: &Running, sysfs: &Sysfs, state: &BootState) -> BootState {
    true_on(disk, running, sysfs, state, &are_of_one_time)
}

/// The same; `stopped` compares the members of an array that does not run.
fn true_on(
    disk: &Path,
    running: &Running,
    sysfs: &Sysfs,
    state: &BootState,
    stopped: &dyn Fn(&Path, &Path) -> bool,
) -> BootState {
    let own = running.disk.as_deref().and_then(Sysfs::kernel_name);
    let other = Sysfs::kernel_name(disk);
    let has_copy = |name: &str| {
        let of = |disk: &Option<String>| sysfs.partition_named(disk.as_deref()?, name);
        let (Some(own), Some(other)) = (of(&own), of(&other)) else {
            return false;
        };
        match sysfs.array_over(&own.kernel_name) {
            Some(array) => sysfs.is_in_sync(&array, &other.kernel_name),
            None => stopped(&own.node, &other.node),
        }
    };
    let mut state = state.clone();
    for slot in Slot::BOTH {
        if !(has_copy(slot.boot_partition()) && has_copy(slot.system_partition())) {
            *state.slot_mut(slot) = SlotState::default();
        }
    }
    state
}

/// Whether two members of a stopped array have seen the same writes. What cannot be read is none.
fn are_of_one_time(one: &Path, other: &Path) -> bool {
    let read = |node: &Path| {
        let device = KernelDevice::open_read_only(node).ok()?;
        Superblock::read(&device).ok()?
    };
    read(one).is_some_and(|one| read(other).is_some_and(|other| agree(&one, &other)))
}

/// A member that was away counts fewer events, a spare has no role, and one may be half a copy. An
/// array that is to be compared again after a crash is no such case: md trusts each member.
fn agree(one: &Superblock, other: &Superblock) -> bool {
    let whole = [one, other]
        .iter()
        .all(|member| member.role.is_some() && !member.is_being_rebuilt());
    whole && (one.uuid, one.events) == (other.uuid, other.events)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Disks a and b of a mirror: partitions 3 and 4 are boot-a and boot-b, 5 and 6 the systems;
    /// the arrays of slot B run.
    fn mirror(members: &[(&str, &str)]) -> (tempfile::TempDir, Sysfs) {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: String, text: &str| {
            let path = dir.path().join("block").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let names = [
            (3, "boot-a"),
            (4, "boot-b"),
            (5, "system-a"),
            (6, "system-b"),
        ];
        for disk in ["vda", "vdb"] {
            for (number, name) in names {
                put(format!("{disk}/{disk}{number}/partition"), "1");
                let uevent = format!("PARTNAME={name}\n");
                put(format!("{disk}/{disk}{number}/uevent"), &uevent);
            }
        }
        for (number, array) in [(4, "md4"), (6, "md6")] {
            put(format!("vda/vda{number}/holders/{array}/x"), "");
            put(format!("{array}/md/level"), "raid1\n");
            put(format!("{array}/md/dev-vda{number}/state"), "in_sync\n");
        }
        for (member, state) in members {
            let array = format!("md{}", &member[3..]);
            put(format!("{array}/md/dev-{member}/state"), state);
        }
        let sysfs = Sysfs::new(dir.path());
        (dir, sysfs)
    }

    #[test]
    fn c75_a_disk_starts_only_the_slots_that_it_has_whole() {
        let json = r#"{"mode":"installed","slot":"a","disk":"/dev/vda"}"#;
        let running: Running = serde_json::from_str(json).unwrap();
        let mut state = BootState::default();
        state.first = Slot::B;
        Slot::BOTH
            .into_iter()
            .for_each(|slot| state.mark_good(slot));
        let in_sync = "in_sync\n";
        for (members, stopped_same, good) in [
            (
                &[("vdb4", in_sync), ("vdb6", in_sync)][..],
                true,
                [true, true],
            ),
            (
                &[("vdb4", "in_sync,write_mostly\n"), ("vdb6", in_sync)],
                true,
                [true, true],
            ),
            // Slot A's arrays do not run, and the disk has missed a write of them.
            (
                &[("vdb4", in_sync), ("vdb6", in_sync)],
                false,
                [false, true],
            ),
            // One of the two is enough to make the slot unfit.
            (
                &[("vdb4", "faulty\n"), ("vdb6", in_sync)],
                true,
                [true, false],
            ),
            (&[("vdb6", in_sync)], true, [true, false]),
            (
                &[("vdb4", in_sync), ("vdb6", "spare\n")],
                true,
                [true, false],
            ),
            (&[], true, [true, false]),
        ] {
            let (_dir, sysfs) = mirror(members);
            let other = Path::new("/dev/vdb");
            let found = true_on(other, &running, &sysfs, &state, &|_, _| stopped_same);
            let of = Slot::BOTH.map(|slot| found.slot(slot));
            assert_eq!(of.map(|slot| slot.good), good, "{members:?}");
            for slot in of {
                assert!(slot.good || slot == SlotState::default());
            }
            assert_eq!(found.first, Slot::B);
        }
        // No such disk: nothing to start from it.
        let (_dir, sysfs) = mirror(&[]);
        let found = true_on(Path::new("/dev/vdz"), &running, &sysfs, &state, &|_, _| {
            true
        });
        assert!(Slot::BOTH.into_iter().all(|slot| !found.slot(slot).good));
    }

    #[test]
    fn c75_members_of_a_stopped_array_are_compared_by_what_they_count() {
        use vigie_disk::md::{Geometry, Identity, Level, Metadata, Uuid, create};
        use vigie_disk::{Bytes, MemoryDevice, SectorSize};
        let geometry = Geometry::new(Level::Raid1, Metadata::V1_0, 2, Bytes::mib(3)).unwrap();
        let identity = Identity {
            uuid: Uuid([0xAB; 16]),
            name: "vigie:boot-a".to_owned(),
            member_uuids: vec![Uuid([1; 16]), Uuid([2; 16])],
            time: 1_763_800_000,
            synced: true,
        };
        let mut disks = vec![MemoryDevice::new(Bytes::mib(3), SectorSize::S512); 2];
        create(&geometry, &identity, &mut disks).unwrap();
        let [one, other] = [&disks[0], &disks[1]].map(|disk| Superblock::read(disk).unwrap());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert!(agree(&one, &other));
        let changes: [fn(&mut Superblock); 4] = [
            |member| member.events += 1,
            |member| member.uuid = Uuid([0xCD; 16]),
            |member| member.role = None,
            |member| member.features |= 2, // MD_FEATURE_RECOVERY_OFFSET
        ];
        for change in changes {
            let mut changed = other.clone();
            change(&mut changed);
            assert!(
                !agree(&one, &changed) && !agree(&changed, &one),
                "{changed:?}"
            );
        }
    }

    #[test]
    fn other_disks_are_those_of_the_running_array() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("vda/vda7/partition", "7"),
            ("vdb/vdb7/partition", "7"),
            ("vdc/vdc7/partition", "7"),
            ("md126/md/level", "raid1\n"),
            ("md126/slaves/vda7/x", ""),
            ("md126/slaves/vdb7/x", ""),
            ("dm-1/slaves/vda7/x", ""),
            ("dm-1/slaves/vdb7/x", ""),
        ] {
            let path = dir.path().join("block").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let sysfs = Sysfs::new(dir.path());
        for (disk, state, others) in [
            ("vda", "md126", &["/dev/vdb"][..]),
            ("vdb", "md126", &["/dev/vda"]),
            // Left out of the array: its slots are not theirs.
            ("vdc", "md126", &[]),
            ("vda", "vda7", &[]),
            ("vda", "dm-1", &[]),
            ("vda", "gone", &[]),
        ] {
            let json = format!(
                r#"{{"mode":"installed","slot":"a","disk":"/dev/{disk}","state_device":"/dev/{state}"}}"#
            );
            let running: Running = serde_json::from_str(&json).unwrap();
            let others: Vec<PathBuf> = others.iter().map(PathBuf::from).collect();
            assert_eq!(other_disks(&running, &sysfs), others, "{disk} {state}");
        }
    }
}
