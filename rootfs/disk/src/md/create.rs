//! Making an array: the superblock and the bitmap of each member.

use super::bitmap;
use super::superblock::{self, Superblock, feature};
use super::{Geometry, Metadata, Uuid};
use crate::device::BlockDevice;
use crate::error::{Error, Result};
use crate::units::Bytes;

/// The room for the log of bad blocks.
const LOG: Bytes = Bytes::kib(4);
/// Where the bitmap begins, from the superblock (metadata 1.2).
const BITMAP_AT: Bytes = Bytes::kib(4);

/// What tells an array from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The array's id.
    pub uuid: Uuid,
    /// Its name, at most 31 bytes.
    pub name: String,
    /// The ids of the members, in the order of their roles.
    pub member_uuids: Vec<Uuid>,
    /// When it is made, seconds since 1970.
    pub time: u64,
    /// The members agree already, so that the kernel need not synchronise them.
    /// Otherwise it computes parity (RAID 5 and 6) or copies (RAID 1 and 10, from
    /// the first copy) at the first assembly; until then the data is readable, but
    /// not yet safe against the loss of a member.
    pub synced: bool,
}

/// Writes the superblock, and before it the bitmap, of each member.
///
/// Data is not touched, so it may be written before or after. Nothing is
/// flushed. Superblocks of other versions are not cleared: whoever reuses a
/// disk clears what it carried.
///
/// # Errors
/// `members` or `identity` do not fit the geometry, a member is smaller than its
/// partition size, or cannot be written.
pub fn create<D: BlockDevice>(
    geometry: &Geometry,
    identity: &Identity,
    members: &mut [D],
) -> Result<()> {
    check(geometry, identity, members)?;
    for (role, member) in members.iter_mut().enumerate() {
        let at = superblock::place(geometry.metadata.minor(), member.size());
        let superblock = describe(geometry, identity, role, member.size());
        if let Some(bitmap) = geometry.bitmap() {
            let bytes = bitmap.encode(identity.uuid, identity.synced);
            member.write_at(at + BITMAP_AT, &bytes)?;
        }
        member.write_at(at, &superblock.encode(at))?;
    }
    Ok(())
}

fn check<D: BlockDevice>(geometry: &Geometry, identity: &Identity, members: &[D]) -> Result<()> {
    let wrong = |why: String| Err(Error::format("the md superblock", &identity.name, why));
    let ids = identity.member_uuids.len();
    if members.len() != geometry.members || ids != geometry.members {
        let (given, wanted) = (members.len(), geometry.members);
        return wrong(format!(
            "{given} members and {ids} ids for an array of {wanted}"
        ));
    }
    if identity.name.len() > 31 {
        return wrong("the name has more than 31 bytes".to_owned());
    }
    match members.iter().find(|one| one.size() < geometry.partition) {
        Some(small) => wrong(format!(
            "{} has {} bytes, fewer than the {} that the array needs of each member",
            small.name(),
            small.size().get(),
            geometry.partition.get()
        )),
        None => Ok(()),
    }
}

/// The superblock of the member of that role, on a device of this size.
fn describe(geometry: &Geometry, identity: &Identity, role: usize, size: Bytes) -> Superblock {
    let at = superblock::place(geometry.metadata.minor(), size);
    let own_bitmap = geometry.bitmap();
    // As mdadm has it: the log before a superblock at the end, and room for a
    // bitmap before that; the log behind the bitmap of another superblock.
    let (log_at, data_size) = match geometry.metadata {
        Metadata::V1_0 => {
            let data_size = at - LOG - bitmap::room(geometry.member_size);
            (-(LOG.get() as i64), data_size)
        }
        Metadata::V1_2 => {
            let bitmap = own_bitmap.map_or(Bytes::ZERO, |bitmap| bitmap.length());
            let log_at = (BITMAP_AT + bitmap).get() as i64;
            (
                log_at,
                size.align_down(Bytes::new(512)) - geometry.data_offset,
            )
        }
    };
    Superblock {
        minor: geometry.metadata.minor(),
        uuid: identity.uuid,
        name: identity.name.clone(),
        created: identity.time,
        updated: identity.time,
        level: geometry.level.to_md(),
        layout: geometry.level.layout(),
        chunk: geometry.chunk,
        raid_disks: geometry.members,
        member_size: geometry.member_size,
        data_offset: geometry.data_offset,
        data_size,
        device_uuid: identity.member_uuids[role],
        number: role,
        role: Some(role),
        events: 0,
        resync: (!identity.synced).then_some(Bytes::ZERO),
        bitmap: own_bitmap.map(|_| BITMAP_AT.get() as i64),
        bad_block_log: Some((log_at, LOG)),
        features: own_bitmap.map_or(0, |_| feature::BITMAP),
        roles: Superblock::new_roles(geometry.members),
    }
}
