//! What is on the disks of earlier installations of ours. Pure.

use vigie_disk::Bytes;
use vigie_disk::md::Level;

use crate::inventory::{Disk, Existing, Inventory};
use crate::layout::Purpose;

/// A disk, or the members of arrays, with volumes of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Device nodes, in the order of the inventory.
    pub disks: Vec<String>,
    /// What joins them.
    pub level: Option<Level>,
    /// The data volumes: name and size of the partition on each disk.
    pub volumes: Vec<(String, Bytes)>,
}

/// The partitions of a disk that are ours, with what they are for.
pub fn parts(disk: &Disk) -> Vec<(&Existing, Purpose)> {
    let partitions = disk.partitions.iter();
    partitions
        .filter_map(|one| Some((one, Purpose::try_from(one.name.clone()).ok()?)))
        .collect()
}

/// Whether the disk carries a system of ours.
pub fn has_system(disk: &Disk) -> bool {
    let parts = parts(disk);
    let has = |wanted| parts.iter().any(|(_, purpose)| *purpose == wanted);
    has(Purpose::Esp) && has(Purpose::State)
}

/// The data volumes on a disk.
pub fn volumes(disk: &Disk) -> Vec<(String, Bytes)> {
    let parts = parts(disk).into_iter();
    parts
        .filter(|(_, purpose)| purpose.is_data())
        .map(|(one, purpose)| (purpose.name(), one.size))
        .collect()
}

/// The installations.
pub fn systems(inventory: &Inventory) -> Vec<Set> {
    sets(inventory, &has_system, &|purpose| purpose == Purpose::State)
}

/// Disks with recordings and nothing else.
pub fn recordings(inventory: &Inventory) -> Vec<Set> {
    let only_data = |disk: &Disk| {
        let parts = parts(disk);
        !parts.is_empty()
            && parts.len() == disk.partitions.len()
            && parts.iter().all(|(_, purpose)| purpose.is_data())
    };
    sets(inventory, &only_data, &Purpose::is_data)
}

/// The disks that are wanted, joined as the arrays on their partition of one purpose say.
fn sets(
    inventory: &Inventory,
    wanted: &dyn Fn(&Disk) -> bool,
    joined_by: &dyn Fn(Purpose) -> bool,
) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    let disks = inventory.disks.iter();
    for disk in disks.filter(|disk| !disk.boot_medium && wanted(disk)) {
        if sets.iter().any(|set| set.disks.contains(&disk.path)) {
            continue;
        }
        let parts = parts(disk);
        let joint = parts.iter().find(|(_, purpose)| joined_by(*purpose));
        let members = joint.and_then(|(one, _)| members(inventory, disk, one.number));
        let data = parts.iter().find(|(_, purpose)| purpose.is_data());
        let level = data.and_then(|(one, _)| level(inventory, disk, one.number));
        let alone = members.is_none();
        sets.push(Set {
            disks: members.unwrap_or_else(|| vec![disk.path.clone()]),
            level: level.filter(|_| !alone),
            volumes: volumes(disk),
        });
    }
    sets
}

/// The disks of the array that a partition is a member of.
fn members(inventory: &Inventory, disk: &Disk, number: u32) -> Option<Vec<String>> {
    let array = array(inventory, disk, number)?;
    let has = |disk: &&Disk| array.members.iter().any(|member| member.disk == disk.path);
    let disks = inventory.disks.iter().filter(has);
    Some(disks.map(|disk| disk.path.clone()).collect())
}

fn level(inventory: &Inventory, disk: &Disk, number: u32) -> Option<Level> {
    array(inventory, disk, number)?.level
}

fn array<'a>(
    inventory: &'a Inventory,
    disk: &Disk,
    number: u32,
) -> Option<&'a crate::inventory::FoundArray> {
    inventory.arrays.iter().find(|array| {
        let mut members = array.members.iter();
        members.any(|member| member.disk == disk.path && member.partition == Some(number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(text: &str) -> Inventory {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn recorded_machines() {
        let gb = |size: Bytes| size.get() / 1_000_000_000;
        for (text, systems_expected, recordings_expected) in [
            (
                include_str!("../../tests/plans/keep-data.disks.json"),
                vec![(vec!["/dev/sda"], None, vec![430])],
                vec![],
            ),
            (
                include_str!("../../tests/plans/keep-raid1.disks.json"),
                vec![(vec!["/dev/sda", "/dev/sdb"], Some(Level::Raid1), vec![430])],
                vec![],
            ),
            (
                include_str!("../../tests/plans/keep-a-data-disk-beside-a-new-system.disks.json"),
                vec![],
                vec![(vec!["/dev/sdb"], None, vec![4000])],
            ),
            (
                include_str!("../../tests/plans/no-disks.disks.json"),
                vec![],
                vec![],
            ),
            (
                include_str!("../../tests/plans/raid1.disks.json"),
                vec![],
                vec![],
            ),
        ] {
            let inventory = inventory(text);
            let shown = |sets: Vec<Set>| -> Vec<_> {
                let sets = sets.into_iter();
                sets.map(|set| {
                    let sizes: Vec<u64> = set.volumes.iter().map(|(_, size)| gb(*size)).collect();
                    (set.disks, set.level, sizes)
                })
                .collect()
            };
            let owned = |sets: Vec<(Vec<&str>, Option<Level>, Vec<u64>)>| -> Vec<_> {
                let sets = sets.into_iter();
                sets.map(|(disks, level, sizes)| {
                    (
                        disks.into_iter().map(str::to_owned).collect::<Vec<_>>(),
                        level,
                        sizes,
                    )
                })
                .collect()
            };
            assert_eq!(shown(systems(&inventory)), owned(systems_expected));
            assert_eq!(shown(recordings(&inventory)), owned(recordings_expected));
        }
    }
}
