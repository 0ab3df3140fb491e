//! What stays of an earlier installation, and whether it is whole enough to
//! be kept: what stays at the same places on all disks of its group, every array
//! complete, every file system readable.

use vigie_disk::Bytes;
use vigie_disk::probe::{Found, Kind};

use super::choose::Chosen;
use super::{Refusal, objections, words};
use crate::inventory::{Existing, FoundArray, Inventory, Member};
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
    let keep = chosen.group.keep;
    if keep.is_nothing() {
        return Ok(Vec::new());
    }
    let of_first = staying(&first.partitions, keep).map_err(|why| words::no_layout(&why))?;
    // An earlier reinstallation that was cut short has left the rest on some of
    // the members only: what stays counts, not under which numbers.
    let mut of_all = vec![of_first];
    for other in others {
        match staying(&other.partitions, keep) {
            Ok(same) if places(&same) == places(&of_all[0]) => of_all.push(same),
            _ => {
                return Err(Text::new("refusal.keep-differs")
                    .with("disk", &first.path)
                    .with("other", &other.path));
            }
        }
    }
    let count = of_all[0].len();
    let members = (0..count).map(|at| of_all.iter().map(|one| one[at]).collect());
    members
        .map(|members: Vec<Staying>| stays(chosen, inventory, &members))
        .collect()
}

/// A partition of one disk that stays, and what for.
type Staying<'a> = (&'a Existing, Purpose);

fn places(staying: &[Staying]) -> Vec<(Purpose, Bytes, Bytes)> {
    let staying = staying.iter();
    staying
        .map(|(one, purpose)| (*purpose, one.offset, one.size))
        .collect()
}

/// What stays of partitions of one name on all disks of a group.
fn stays(chosen: &Chosen, inventory: &Inventory, members: &[Staying]) -> Result<Stays, Text> {
    let (existing, purpose) = members[0];
    let numbers: Vec<u32> = members.iter().map(|(one, _)| one.number).collect();
    let found = contents(chosen, inventory, &numbers, purpose)?;
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
}

/// What is in a partition, or on the array that it is a member of. It has a number on each disk.
fn contents<'a>(
    chosen: &Chosen<'a>,
    inventory: &'a Inventory,
    numbers: &[u32],
    purpose: Purpose,
) -> Result<Vec<&'a Found>, Text> {
    let ([disk], [number]) = (&chosen.disks[..], numbers) else {
        return of_array(chosen, inventory, numbers, purpose);
    };
    let found: Vec<&Found> = disk.in_partition(*number).collect();
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
    numbers: &[u32],
    purpose: Purpose,
) -> Result<Vec<&'a Found>, Text> {
    let disks = chosen.disks.iter().zip(numbers);
    let mut wanted: Vec<Member> = disks
        .map(|(disk, number)| Member {
            disk: disk.path.clone(),
            partition: Some(*number),
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
