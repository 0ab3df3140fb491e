//! md arrays from their members' superblocks: which there are, which lack a member, and a view of
//! what is in one without starting it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vigie_disk::BlockDevice;
use vigie_disk::md::{Array, Superblock};
use vigie_disk::sysfs::{Sysfs, node};

use super::Open;

/// An array of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArrayFacts {
    /// Its id.
    pub id: String,
    /// Its name: that of the volume on it.
    pub name: String,
    /// How many members it has when it is whole.
    pub disks: usize,
    /// The partitions that are members of it.
    pub members: Vec<PathBuf>,
    /// The members that are not there, by their place in the array, from 0.
    pub missing: Vec<usize>,
    /// The partitions that belong to it and are not used, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Why nothing of it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

impl ArrayFacts {
    /// Whether it lacks a member.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        !self.missing.is_empty() || self.broken.is_some()
    }
}

/// The members found on a machine, by the id of their array.
#[derive(Default)]
pub struct Arrays(BTreeMap<String, Vec<(PathBuf, Superblock)>>);

impl Arrays {
    /// Reads the superblocks of these partitions.
    #[must_use]
    pub fn read<'a>(nodes: impl Iterator<Item = &'a Path>, open: Open) -> Self {
        let mut arrays = Self::default();
        for path in nodes {
            let device = open(path).ok();
            let superblock = device.and_then(|one| Superblock::read(one.as_ref()).ok()?);
            if let Some(superblock) = superblock {
                let members = arrays.0.entry(superblock.uuid.to_string()).or_default();
                members.push((path.to_owned(), superblock));
            }
        }
        arrays
    }

    /// The id of the array that a partition is a member of.
    #[must_use]
    pub fn id_of(&self, member: &Path) -> Option<&str> {
        let has = |members: &Vec<(PathBuf, Superblock)>| members.iter().any(|(at, _)| at == member);
        let found = self.0.iter().find(|(_, members)| has(members))?;
        Some(found.0)
    }

    /// What is in an array, read from its members; from the kernel where it runs the array.
    ///
    /// # Errors
    /// Too few members are there, or they contradict each other.
    pub fn open(
        &self,
        id: &str,
        sysfs: &Sysfs,
        open: Open,
    ) -> Result<Box<dyn BlockDevice>, String> {
        let members = self.0.get(id).ok_or("there is no such array")?;
        let running = members.iter().find_map(|(path, _)| {
            let name = Sysfs::kernel_name(path)?;
            sysfs.array_over(&name)
        });
        let text = |error: vigie_disk::Error| error.to_string();
        match running {
            Some(array) => open(&node(&array)).map_err(text),
            None => Ok(Box::new(view(members, open).map_err(text)?)),
        }
    }

    /// All arrays, by their names.
    #[must_use]
    pub fn facts(&self, open: Open) -> Vec<ArrayFacts> {
        let all = self.0.iter();
        let mut facts: Vec<_> = all.map(|(id, members)| fact(id, members, open)).collect();
        facts.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        facts
    }
}

fn view(members: &[(PathBuf, Superblock)], open: Open) -> vigie_disk::Result<Array<'static>> {
    let opened: vigie_disk::Result<Vec<_>> = members
        .iter()
        .map(|(path, superblock)| Ok((superblock.clone(), open(path)?)))
        .collect();
    Array::open(opened?)
}

fn fact(id: &str, members: &[(PathBuf, Superblock)], open: Open) -> ArrayFacts {
    let newest = members.iter().max_by_key(|(_, one)| one.events);
    let (name, disks) = newest.map_or_else(Default::default, |(_, one)| {
        // mdadm puts the maker's host name before it.
        let name = one.name.rsplit(':').next().unwrap_or_default();
        (name.to_owned(), one.raid_disks)
    });
    let mut facts = ArrayFacts {
        id: id.to_owned(),
        name,
        disks,
        members: members.iter().map(|(path, _)| path.clone()).collect(),
        missing: Vec::new(),
        left_out: Vec::new(),
        broken: None,
    };
    match view(members, open) {
        Ok(array) => {
            facts.missing = array.missing();
            facts.left_out = array.left_out().to_vec();
        }
        Err(error) => {
            let there = |role: &usize| members.iter().any(|(_, one)| one.role == Some(*role));
            // A damaged superblock may tell of any number.
            facts.missing = (0..disks.min(MOST)).filter(|role| !there(role)).collect();
            facts.broken = Some(error.to_string());
        }
    }
    facts
}

/// No array of ours has more members.
const MOST: usize = 128;
