//! md arrays on the machine's disks, found by the superblocks of their members
//! and looked into without being assembled.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vigie_disk::md::{Array, Level, Superblock};
use vigie_disk::probe::{Found, probe};
use vigie_disk::sysfs::{Sysfs, node};
use vigie_disk::{BlockDevice, KernelDevice};

/// An array that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundArray {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name, without the host that made it.
    pub name: String,
    /// Its level, where it is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// How many members it should have.
    pub disks: usize,
    /// Its members that were found.
    pub members: Vec<Member>,
    /// What is on it; empty where it is blank or cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Found>,
}

/// One member of an array.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Device node of its disk.
    pub disk: String,
    /// Number of its partition; none where the whole disk is a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
}

impl FoundArray {
    /// Whether every member was found.
    pub fn is_complete(&self) -> bool {
        self.members.len() == self.disks
    }
}

/// What may be a member of an array: a disk or a partition that is at hand.
pub struct Candidate<'a> {
    /// Where it is.
    pub member: Member,
    /// The way to its bytes.
    pub device: Box<dyn BlockDevice + 'a>,
}

/// A member with what is needed to look through it.
struct Opened<'a> {
    superblock: Superblock,
    at: Candidate<'a>,
}

/// The arrays on these disks (kernel names), by UUID.
pub fn find(sysfs: &Sysfs, disks: &[String]) -> Vec<FoundArray> {
    among(disks.iter().flat_map(|disk| candidates(sysfs, disk)))
}

/// The arrays that these are members of, by UUID. What cannot be read is no member.
pub fn among<'a>(candidates: impl IntoIterator<Item = Candidate<'a>>) -> Vec<FoundArray> {
    let mut arrays: BTreeMap<Uuid, Vec<Opened<'a>>> = BTreeMap::new();
    for at in candidates {
        if let Ok(Some(superblock)) = Superblock::read(&*at.device) {
            let uuid = Uuid::from_bytes(superblock.uuid.0);
            let opened = Opened { superblock, at };
            arrays.entry(uuid).or_default().push(opened);
        }
    }
    arrays
        .into_iter()
        .filter_map(|(uuid, members)| array(uuid, members))
        .collect()
}

/// A disk and its partitions, as far as they can be opened.
fn candidates(sysfs: &Sysfs, disk: &str) -> Vec<Candidate<'static>> {
    let whole = (node(disk), None);
    let partitions = sysfs.partitions(disk).into_iter();
    let places = partitions.map(|one| (one.node, Some(one.number)));
    let opened = |(path, partition): (PathBuf, Option<u32>)| {
        let device = KernelDevice::open_read_only(&path).ok()?;
        Some(Candidate {
            member: Member {
                disk: node(disk).display().to_string(),
                partition,
            },
            device: Box::new(device),
        })
    };
    [whole]
        .into_iter()
        .chain(places)
        .filter_map(opened)
        .collect()
}

fn array(uuid: Uuid, mut opened: Vec<Opened<'_>>) -> Option<FoundArray> {
    opened.sort_by(|a, b| a.at.member.cmp(&b.at.member));
    let first = &opened.first()?.superblock;
    let name = first
        .name
        .split_once(':')
        .map_or(&*first.name, |(_, name)| name)
        .to_owned();
    let (level, disks) = (Level::of_md(first.level), first.raid_disks);
    let members = opened.iter().map(|one| one.at.member.clone()).collect();
    let devices = opened
        .into_iter()
        .map(|one| (one.superblock, one.at.device))
        .collect();
    // An array that cannot be looked into is still one that is there.
    let contents = Array::open(devices).map_or_else(|_| Vec::new(), |array| probe(&array));
    Some(FoundArray {
        uuid,
        name,
        level,
        disks,
        members,
        contents,
    })
}
