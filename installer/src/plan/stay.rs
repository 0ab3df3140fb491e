//! What stays of an earlier installation, and whether it is whole enough to
//! be kept: every partition the same on all disks of its group, every array
//! complete, every file system readable.

use vigie_disk::probe::{Found, Kind};

use super::choose::Chosen;
use super::{Refusal, objections, words};
use crate::inventory::{Disk, FoundArray, Inventory, Member};
use crate::layout::kept::{Stays, staying};
use crate::layout::{Numbers, Purpose};
use crate::messages::Text;

/// What stays, for each group; the numbers of kept volumes are taken.
pub fn of_all(
    chosen: &[Chosen],
    inventory: &Inventory,
    numbers: &mut Numbers,
) -> Result<Vec<Vec<Stays>>, Refusal> {
    let mut all = Vec::new();
    for group in chosen {
        let refuse = |reason| objections::refusal(reason, group, inventory);
        let stays = of_group(group, inventory).map_err(refuse)?;
        for one in &stays {
            let Purpose::Data(number) = one.purpose else {
                continue;
            };
            if numbers.is_taken(number) {
                let text = Text::new("refusal.kept-twice").with("name", one.purpose.name());
                return Err(refuse(text));
            }
            numbers.take(number);
        }
        all.push(stays);
    }
    Ok(all)
}

fn of_group(chosen: &Chosen, inventory: &Inventory) -> Result<Vec<Stays>, Text> {
    let [first, others @ ..] = &chosen.disks[..] else {
        return Ok(Vec::new());
    };
    if chosen.group.keep.is_nothing() {
        return Ok(Vec::new());
    }
    let places = |disk: &Disk| -> Vec<_> {
        let partitions = disk.partitions.iter();
        partitions
            .map(|one| (one.name.clone(), one.offset, one.size))
            .collect()
    };
    if let Some(other) = others.iter().find(|other| places(other) != places(first)) {
        return Err(Text::new("refusal.keep-differs")
            .with("disk", &first.path)
            .with("other", &other.path));
    }
    let staying = staying(&first.partitions, chosen.group.keep);
    let staying = staying.map_err(|why| words::no_layout(&why))?;
    staying
        .into_iter()
        .map(|(existing, purpose)| {
            let found = contents(chosen, inventory, existing.number, purpose)?;
            let filesystem = found.iter().find(|one| one.kind == Kind::Ext);
            let filesystem = filesystem.and_then(|one| one.uuid.clone());
            if filesystem.is_none() {
                return Err(Text::new("refusal.keep-unreadable").with("name", purpose.name()));
            }
            Ok(Stays {
                purpose,
                offset: existing.offset,
                size: existing.size,
                filesystem,
            })
        })
        .collect()
}

/// What is in a partition, or on the array that it is a member of.
fn contents<'a>(
    chosen: &Chosen<'a>,
    inventory: &'a Inventory,
    number: u32,
    purpose: Purpose,
) -> Result<Vec<&'a Found>, Text> {
    let [disk] = chosen.disks[..] else {
        return of_array(chosen, inventory, number, purpose);
    };
    let found: Vec<&Found> = disk.in_partition(number).collect();
    if found.iter().any(|one| one.kind == Kind::Md) {
        return Err(Text::new("refusal.keep-array-member")
            .with("name", purpose.name())
            .with("disk", &disk.path));
    }
    Ok(found)
}

fn of_array<'a>(
    chosen: &Chosen<'a>,
    inventory: &'a Inventory,
    number: u32,
    purpose: Purpose,
) -> Result<Vec<&'a Found>, Text> {
    let mut wanted: Vec<Member> = chosen
        .disks
        .iter()
        .map(|disk| Member {
            disk: disk.path.clone(),
            partition: Some(number),
        })
        .collect();
    wanted.sort();
    let level = match purpose {
        Purpose::Data(_) => chosen.group.raid,
        _ => Some(vigie_disk::md::Level::Raid1),
    };
    let is_wanted = |array: &&FoundArray| {
        let mut members = array.members.clone();
        members.sort();
        array.is_complete() && members == wanted && array.level == level
    };
    let mut arrays = inventory.arrays.iter().filter(is_wanted);
    match (arrays.next(), arrays.next()) {
        (Some(array), None) => Ok(array.contents.iter().collect()),
        _ => Err(Text::new("refusal.keep-no-array")
            .with("name", purpose.name())
            .with(
                "level",
                level.map_or_else(String::new, |level| level.to_string()),
            )),
    }
}
