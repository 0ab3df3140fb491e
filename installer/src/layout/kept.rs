//! The layout of disks whose recordings stay (and, if asked, the state volume):
//! what is kept is not moved by a byte, and the system is laid out anew in the
//! room before it. A disk on which an earlier such reinstallation was cut short
//! has only what is kept; it is taken all the same.

use vigie_disk::Bytes;

use super::{
    BIOS_BOOT, ESP, Layout, Needs, NoLayout, Numbers, Origin, Part, Purpose, SMALLEST_DATA, Space,
    boot_size,
};
use crate::answers::Keep;
use crate::inventory::Existing;

/// A partition that stays, with the UUID of its file system where that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stays {
    /// What it is for.
    pub purpose: Purpose,
    /// Its first byte.
    pub offset: Bytes,
    /// Its length.
    pub size: Bytes,
    /// UUID of its file system.
    pub filesystem: Option<String>,
}

/// Which of a disk's partitions stay; a refusal where one is not ours or lies oddly.
pub fn staying(existing: &[Existing], keep: Keep) -> Result<Vec<(&Existing, Purpose)>, NoLayout> {
    let mut stay = Vec::new();
    for one in existing {
        let purpose =
            Purpose::try_from(one.name.clone()).map_err(|_| NoLayout::Foreign(one.name.clone()))?;
        let stays = purpose.is_data() || purpose == Purpose::State && keep == Keep::DataAndState;
        if !stays {
            continue;
        }
        let aligned = |place: Bytes| place.align_down(Bytes::MIB) == place;
        if !aligned(one.offset) || !aligned(one.size) || one.size == Bytes::ZERO {
            return Err(NoLayout::Misplaced(one.name.clone()));
        }
        stay.push((one, purpose));
    }
    if !stay.iter().any(|(_, purpose)| purpose.is_data()) {
        return Err(NoLayout::NothingToKeep("data-1"));
    }
    if keep == Keep::DataAndState && !stay.iter().any(|(_, purpose)| *purpose == Purpose::State) {
        return Err(NoLayout::NothingToKeep("state"));
    }
    stay.sort_by_key(|(one, _)| one.offset);
    Ok(stay)
}

/// How a layout around what stays is made.
#[derive(Clone, Copy, Debug)]
pub struct Around {
    /// Whether the disks carry a system, or recordings alone.
    pub system: bool,
    /// Whether the last data volume takes what room there is behind it.
    pub grow: bool,
}

impl Layout {
    /// The layout around what stays, which is in the order of its places.
    pub fn around(
        space: Space,
        needs: Needs,
        around: Around,
        stays: &[Stays],
        numbers: &mut Numbers,
    ) -> Result<Self, NoLayout> {
        let mut layout = Self(Vec::new());
        if around.system {
            layout.place_before(stays)?;
            layout.holds(space.joined, needs)?;
        }
        for one in stays {
            layout.keep(one, space)?;
        }
        if around.grow {
            layout.grow(space, needs.data_cap, numbers)?;
        }
        Ok(layout)
    }

    /// Places the system in the room before the first that stays.
    fn place_before(&mut self, stays: &[Stays]) -> Result<(), NoLayout> {
        let Some(first) = stays.first() else {
            return Err(NoLayout::NothingToKeep("data-1"));
        };
        let end = first.offset;
        if first.purpose != Purpose::State {
            let need = super::SYSTEM_SMALLEST.align_down(Bytes::MIB);
            if end < need {
                return Err(NoLayout::NoRoomForSystem(end, need));
            }
            self.place_system(end);
            return Ok(());
        }
        // The state volume stays: the slots get what lies before it.
        let boot = boot_size(first.offset + first.size);
        let fixed = Bytes::MIB + BIOS_BOOT + ESP + boot * 2;
        let need = fixed + Bytes::gib(1) * 2;
        if end < need {
            return Err(NoLayout::NoRoomForSystem(end, need));
        }
        self.place_slots(boot, ((end - fixed) / 2).align_down(Bytes::MIB));
        Ok(())
    }

    fn keep(&mut self, one: &Stays, space: Space) -> Result<(), NoLayout> {
        let end = one.offset + one.size;
        if one.offset < self.end() || end > space.end() {
            return Err(NoLayout::Misplaced(one.purpose.name()));
        }
        self.0.push(Part {
            origin: Origin::Kept,
            filesystem: one.filesystem.clone(),
            ..Part::new(one.purpose, one.offset, one.size)
        });
        Ok(())
    }

    /// The last volume grows to the end of the disk; where the cap forbids that,
    /// new volumes fill the room.
    fn grow(
        &mut self,
        space: Space,
        cap: Option<Bytes>,
        numbers: &mut Numbers,
    ) -> Result<(), NoLayout> {
        let room = space.end().saturating_sub(self.end());
        let Some(last) = self.0.last_mut() else {
            return Ok(());
        };
        if room < Bytes::MIB {
            return Ok(());
        }
        if space.joined.is_some() {
            return Err(NoLayout::ArrayCannotGrow);
        }
        if cap.is_none_or(|cap| last.size + room <= cap) {
            last.size += room;
            last.origin = Origin::Grown;
        } else if room >= SMALLEST_DATA {
            self.place_data(space, cap, numbers)?;
        }
        Ok(())
    }
}
