//! What found members say of their array: whether they agree, and which of them may be read.

use crate::device::BlockDevice;
use crate::error::{Error, Result};
use crate::md::mapping::Mapping;
use crate::md::superblock::{Superblock, feature};
use crate::units::Bytes;

/// Refuses members of several arrays, and such as describe one array differently.
pub fn agree(name: &str, found: &[(Box<dyn BlockDevice + '_>, Superblock)]) -> Result<()> {
    let Some(((first, one), others)) = found.split_first() else {
        return Ok(());
    };
    for (device, other) in others {
        let why = if one.uuid != other.uuid {
            "are members of different arrays"
        } else if described(one) != described(other) {
            "describe the array differently"
        } else {
            continue;
        };
        let why = format!("{} and {} {why}", first.name(), device.name());
        return Err(Error::format("the array", name, why));
    }
    Ok(())
}

/// What every member must say alike.
fn described(one: &Superblock) -> (i32, u32, Bytes, usize, Bytes, u8) {
    let members = one.raid_disks;
    (
        one.level,
        one.layout,
        one.chunk,
        members,
        one.member_size,
        one.minor,
    )
}

/// The spread of an array, where it is one that is read here.
pub fn shape(name: &str, newest: &Superblock) -> Result<Mapping> {
    let refuse = |why: String| Error::format("the array", name, why);
    if newest.features & feature::RESHAPE != 0 {
        let why = "its shape is being changed; let the machine that it is from finish that";
        return Err(refuse(why.to_owned()));
    }
    newest.mapping().ok_or_else(|| {
        refuse(format!(
            "level {} with layout {} and chunks of {} bytes is not read here",
            newest.level,
            newest.layout,
            newest.chunk.get()
        ))
    })
}

/// The role in which a member may be read, or why it may not.
pub fn usable(superblock: &Superblock, newest: &Superblock) -> std::result::Result<usize, String> {
    let behind = newest.events - superblock.events;
    // The kernel writes the members one after another: one step behind is the
    // same state, unless the others have given this one up since.
    let given_up = behind > 0 && !newest.knows_active(superblock.number);
    if behind > 1 || given_up {
        let (own, newest) = (superblock.events, newest.events);
        return Err(format!("it is out of date (events {own}, others {newest})"));
    }
    let special = superblock.features & !feature::HARMLESS;
    if special & (feature::RECOVERY | feature::REPLACEMENT) != 0 {
        return Err("it was still being rebuilt".to_owned());
    }
    if special & feature::BAD_BLOCKS != 0 {
        return Err("it lists bad blocks".to_owned());
    }
    if special != 0 {
        return Err(format!(
            "it has features that are not understood ({special:#x})"
        ));
    }
    superblock
        .role
        .ok_or_else(|| "it is a spare or was given up".to_owned())
}
