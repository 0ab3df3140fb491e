//! md arrays: which devices belong to one, whether all are there that will come,
//! and what `mdadm` and the report are told. Pure.
//!
//! The rules are those of mdadm (`Assemble.c`) and of the kernel: the member
//! whose superblock was written last knows the array, members that are more than
//! one event behind it are out of date, and only the members that it counts as
//! working are waited for. So an array whose lost disk is already known of starts
//! at once.

use std::collections::BTreeSet;

use vigie_disk::md::{Level, Superblock, Uuid};

use crate::report::ArrayReport;

/// The kernel itself accepts a member that missed one event.
const EVENT_MARGIN: u64 = 1;
/// Longer names are not mdadm's.
const LONGEST_NAME: usize = 32;

/// A device that carries a superblock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its node.
    pub node: String,
    /// What its superblock says.
    pub superblock: Superblock,
}

/// The members of the system's arrays, as they come.
#[derive(Debug, Clone, Default)]
pub struct Gathering {
    root: Option<Uuid>,
    state: Option<Uuid>,
    members: Vec<Member>,
}

impl Gathering {
    /// Looks for the array of the root device and that of the state volume.
    pub fn of(root: Option<Uuid>, state: Option<Uuid>) -> Gathering {
        Gathering {
            root,
            state,
            members: Vec::new(),
        }
    }

    /// Takes note of a device, whatever array it is of. A device that shows up
    /// again replaces what was known of it. A copy of a member (a cloned disk)
    /// is passed over: mdadm would refuse to choose between the two, and the
    /// disk that the boot loader started from is noted first.
    pub fn take(&mut self, node: String, superblock: Superblock) {
        if ![self.root, self.state].contains(&Some(superblock.uuid)) {
            return;
        }
        self.members.retain(|one| one.node != node);
        let id = superblock.device_uuid;
        if !self.members.iter().any(|one| is_twin(one, &superblock, id)) {
            self.members.push(Member { node, superblock });
        }
    }

    /// The members of one array, in the order in which they came.
    pub fn members(&self, array: Uuid) -> Vec<&Member> {
        let of_array = |one: &&Member| one.superblock.uuid == array;
        self.members.iter().filter(of_array).collect()
    }

    /// Whether nothing is left to wait for.
    ///
    /// The root's array is not written to, so its superblocks do not learn that a
    /// disk is gone. Those of the state do, and both lie on the same disks: where
    /// the state has all its working members, the root waits for no more.
    pub fn is_complete(&self) -> bool {
        let state = self.state.map_or(0, |state| self.lacking(state));
        let root = self.root.map_or(0, |root| self.lacking(root));
        let vouched = || match (self.root, self.state) {
            (Some(root), Some(state)) => self.present(root).len() >= self.present(state).len(),
            _ => false,
        };
        state == 0 && (root == 0 || vouched())
    }

    /// How many working members of an array are not there yet; one where none is.
    pub fn lacking(&self, array: Uuid) -> usize {
        let Some(newest) = newest(&self.members(array)) else {
            return 1;
        };
        let present = self.present(array);
        working(&newest.superblock).difference(&present).count()
    }

    /// The roles of the members that are there and up to date.
    fn present(&self, array: Uuid) -> BTreeSet<usize> {
        let members = self.members(array);
        let newest = newest(&members).map_or(0, |one| one.superblock.events);
        let current = members
            .into_iter()
            .filter(|one| one.superblock.events + EVENT_MARGIN >= newest);
        current.filter_map(|one| one.superblock.role).collect()
    }
}

fn is_twin(one: &Member, other: &Superblock, id: Uuid) -> bool {
    one.superblock.uuid == other.uuid && one.superblock.device_uuid == id
}

/// The active member whose superblock was written last.
fn newest<'a>(members: &[&'a Member]) -> Option<&'a Member> {
    let active = members.iter().filter(|one| one.superblock.role.is_some());
    active.copied().max_by_key(|one| one.superblock.events)
}

/// The roles that a superblock knows a working member for.
fn working(superblock: &Superblock) -> BTreeSet<usize> {
    let roles = superblock.roles.iter().map(|role| usize::from(*role));
    roles.filter(|role| *role < superblock.raid_disks).collect()
}

/// The name of an array below /dev/md: its own where mdadm takes it, else `other`.
pub fn device_name<'a>(superblock: &'a Superblock, other: &'a str) -> &'a str {
    let name = superblock.short_name();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    match begins_well && name.len() <= LONGEST_NAME && name.chars().all(plain) {
        true => name,
        false => other,
    }
}

/// The kernel module of a level; none for levels that nobody makes a system of.
pub fn module(level: i32) -> Option<&'static str> {
    Some(match Level::of_md(level)? {
        Level::Raid1 => "raid1",
        Level::Raid5 | Level::Raid6 => "raid456",
        Level::Raid10 => "raid10",
    })
}

/// What `mdadm` is to do: start this one array, of these devices, with what is
/// there, and look at nothing else.
pub fn assembly(array: Uuid, name: &str, members: &[&Member]) -> Vec<String> {
    let mut words: Vec<String> = ["--assemble", "--config=none", "--run"]
        .map(str::to_owned)
        .into();
    words.push(format!("--uuid={array}"));
    words.push(format!("/dev/md/{name}"));
    words.extend(members.iter().map(|one| one.node.clone()));
    words
}

/// What a person reads about an array that lacks disks, in English and French.
pub fn degraded_texts(array: &ArrayReport) -> Option<(String, String)> {
    if !array.degraded {
        return None;
    }
    let (name, missing) = (&array.name, array.missing);
    let total = missing + array.members.len();
    let there = array.members.join(", ");
    Some((
        format!(
            "RAID array {name} is DEGRADED: {missing} of {total} disks missing or not up to date \
             (in use: {there}); check the disks and their cables"
        ),
        format!(
            "la grappe RAID {name} est DÉGRADÉE : {missing} disque(s) sur {total} absent(s) ou \
             pas à jour (en service : {there}) ; vérifiez les disques et leurs câbles"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_disk::Bytes;
    use vigie_disk::md::{Geometry, Identity, Metadata, create};
    use vigie_disk::{MemoryDevice, SectorSize};

    const ARRAY: Uuid = Uuid([7; 16]);
    const OTHER: Uuid = Uuid([8; 16]);
    const FAULTY: u16 = 0xFFFE;

    /// Superblocks of a RAID 1 of so many members, as they were written.
    fn superblocks(array: Uuid, members: usize) -> Vec<Superblock> {
        let size = Bytes::mib(4);
        let geometry = Geometry::new(Level::Raid1, Metadata::V1_0, members, size).unwrap();
        let identity = Identity {
            uuid: array,
            name: "vigie:state".into(),
            member_uuids: (0..members).map(|i| Uuid([i as u8; 16])).collect(),
            time: 1,
            synced: true,
        };
        let mut disks = vec![MemoryDevice::new(size, SectorSize::S512); members];
        create(&geometry, &identity, &mut disks).unwrap();
        let read = |disk| Superblock::read(disk).unwrap().unwrap();
        disks.iter().map(|disk| read(disk)).collect()
    }

    /// A member of a RAID 1 of two: its role, its events, the roles it knows.
    fn member(role: usize, events: u64, roles: [u16; 2]) -> Superblock {
        let mut one = superblocks(ARRAY, 2).remove(role);
        one.events = events;
        one.roles[..2].copy_from_slice(&roles);
        one
    }

    #[test]
    fn who_is_waited_for() {
        let both = [0, 1];
        for (name, members, lacking) in [
            ("nobody came", vec![], 1),
            ("one of two", vec![member(0, 5, both)], 1),
            ("both", vec![member(0, 5, both), member(1, 5, both)], 0),
            (
                "an event apart",
                vec![member(0, 5, both), member(1, 6, both)],
                0,
            ),
            (
                "a stale one: the newest still counts on it",
                vec![member(0, 5, both), member(1, 9, both)],
                1,
            ),
            ("a known loss", vec![member(1, 9, [FAULTY, 1])], 0),
            (
                "a known loss that came back stale",
                vec![member(0, 5, both), member(1, 9, [FAULTY, 1])],
                0,
            ),
            (
                "a stale disk alone waits for the newer one",
                vec![member(0, 5, both)],
                1,
            ),
        ] {
            let mut gathering = Gathering::of(None, Some(ARRAY));
            for (i, superblock) in members.into_iter().enumerate() {
                gathering.take(format!("/dev/d{i}"), superblock);
            }
            assert_eq!(gathering.lacking(ARRAY), lacking, "{name}");
            assert_eq!(gathering.is_complete(), lacking == 0, "{name}");
        }
    }

    #[test]
    fn the_state_knows_for_the_root() {
        let both = [0, 1];
        let state = |role, events, roles| Superblock {
            uuid: OTHER,
            ..member(role, events, roles)
        };
        for (name, members, complete) in [
            (
                "a disk that the state does not miss yet",
                vec![member(0, 0, both), state(0, 5, both)],
                false,
            ),
            (
                "a disk that the state gave up",
                vec![member(0, 0, both), state(0, 5, [0, FAULTY])],
                true,
            ),
            (
                "the root's member on the disk that counts is still to come",
                vec![state(0, 5, [0, FAULTY])],
                false,
            ),
            (
                "started from the stale disk: only its root member is there",
                vec![member(1, 0, both), state(1, 3, both)],
                false,
            ),
            (
                "started from the stale disk: the other has come",
                vec![
                    member(1, 0, both),
                    state(1, 3, both),
                    member(0, 0, both),
                    state(0, 5, [0, FAULTY]),
                ],
                true,
            ),
        ] {
            let mut gathering = Gathering::of(Some(ARRAY), Some(OTHER));
            for (i, superblock) in members.into_iter().enumerate() {
                gathering.take(format!("/dev/d{i}"), superblock);
            }
            assert_eq!(gathering.is_complete(), complete, "{name}");
        }
        assert!(Gathering::of(None, None).is_complete());
    }

    #[test]
    fn spares_are_nobodys_knowledge() {
        let mut spare = member(1, 99, [0, FAULTY]);
        (spare.role, spare.device_uuid) = (None, Uuid([99; 16]));
        let mut gathering = Gathering::of(Some(ARRAY), None);
        gathering.take("/dev/spare".into(), spare);
        assert_eq!(gathering.lacking(ARRAY), 1);
        gathering.take("/dev/a".into(), member(0, 5, [0, 1]));
        gathering.take("/dev/b".into(), member(1, 5, [0, 1]));
        assert_eq!(gathering.lacking(ARRAY), 0);
        assert_eq!(gathering.members(ARRAY).len(), 3, "mdadm is told of it");
    }

    #[test]
    fn two_arrays_and_strangers() {
        let mut gathering = Gathering::of(Some(ARRAY), Some(OTHER));
        let [ours, theirs] = [superblocks(ARRAY, 2), superblocks(OTHER, 3)];
        let stranger = superblocks(Uuid([9; 16]), 2).remove(0);
        gathering.take("/dev/x".into(), stranger);
        for (i, one) in ours.iter().chain(&theirs).enumerate() {
            assert!(!gathering.is_complete());
            gathering.take(format!("/dev/d{i}"), one.clone());
        }
        assert!(gathering.is_complete());
        let nodes = |array| -> Vec<String> {
            let members = gathering.members(array).into_iter();
            members.map(|one| one.node.clone()).collect()
        };
        assert_eq!(nodes(ARRAY), ["/dev/d0", "/dev/d1"]);
        assert_eq!(nodes(OTHER), ["/dev/d2", "/dev/d3", "/dev/d4"]);
    }

    #[test]
    fn a_clone_is_passed_over_and_a_device_is_told_twice() {
        let mut gathering = Gathering::of(Some(ARRAY), None);
        gathering.take("/dev/a".into(), member(0, 5, [0, 1]));
        gathering.take("/dev/copy".into(), member(0, 5, [0, 1]));
        gathering.take("/dev/a".into(), member(0, 6, [0, 1]));
        let members = gathering.members(ARRAY);
        assert_eq!(members.len(), 1);
        assert_eq!(
            (members[0].node.as_str(), members[0].superblock.events),
            ("/dev/a", 6)
        );
    }

    #[test]
    fn names() {
        let mut one = superblocks(ARRAY, 2).remove(0);
        for (name, want) in [
            ("vigie:state", "state"),
            ("system-a", "system-a"),
            ("nvr:", "other"),
            ("a/../b", "other"),
            ("0", "other"),
            ("--help", "other"),
            ("é", "other"),
            ("", "other"),
        ] {
            one.name = name.into();
            assert_eq!(device_name(&one, "other"), want, "{name}");
        }
    }

    #[test]
    fn words_for_mdadm() {
        let mut gathering = Gathering::of(Some(ARRAY), None);
        gathering.take("/dev/vda7".into(), member(0, 5, [0, 1]));
        gathering.take("/dev/vdb7".into(), member(1, 5, [0, 1]));
        let words = assembly(ARRAY, "state", &gathering.members(ARRAY)).join(" ");
        let id = "07070707:07070707:07070707:07070707";
        assert_eq!(
            words,
            format!("--assemble --config=none --run --uuid={id} /dev/md/state /dev/vda7 /dev/vdb7")
        );
    }

    #[test]
    fn modules() {
        for (level, want) in [
            (1, Some("raid1")),
            (5, Some("raid456")),
            (6, Some("raid456")),
            (10, Some("raid10")),
            (-1, None),
        ] {
            assert_eq!(module(level), want, "{level}");
        }
    }

    #[test]
    fn a_degraded_array_is_told_in_both_languages() {
        let mut array = ArrayReport {
            device: "/dev/md127".into(),
            name: "state".into(),
            degraded: true,
            members: vec!["/dev/vdb7".into()],
            missing: 1,
        };
        let (english, french) = degraded_texts(&array).unwrap();
        for (text, word) in [(english, "1 of 2 disks"), (french, "1 disque(s) sur 2")] {
            for part in ["state", "/dev/vdb7", word] {
                assert!(text.contains(part), "{text}");
            }
        }
        (array.degraded, array.missing) = (false, 0);
        assert_eq!(degraded_texts(&array), None);
    }
}
