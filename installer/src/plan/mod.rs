//! From answers and an inventory to a plan, or to a refusal that names every
//! disk with the reason. Pure: nothing is opened, nothing is written.
//!
//! 1. [`choose`]: each selector must match exactly the disks that it asks for;
//!    the boot medium is never a candidate.
//! 2. [`objections`]: what speaks against a disk. One that is in use,
//!    write-protected, too small or unreadable is refused in any case; one that
//!    is not empty unless it is named by serial or WWN with `erase = true`, or
//!    what is on it is kept.
//! 3. [`stay`]: what is kept of an earlier installation.
//! 4. [`crate::layout`]: where everything lies.

mod choose;
mod objections;
mod stay;
mod words;

use serde::Serialize;
use vigie_disk::md::{Geometry, Level};
use vigie_disk::{Bytes, SectorSize};
use vigie_settings::Language;

use crate::answers::{Answers, Group, Keep};
use crate::inventory::{Disk, Inventory};
use crate::layout::kept::Around;
use crate::layout::{Joined, Layout, Needs, NoLayout, Numbers, Part, Space};
use crate::messages::Text;
use crate::payload::{Manifest, Role as Member};
use choose::Chosen;

/// What will be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Version that is installed.
    pub version: String,
    /// The disks, the system's first.
    pub groups: Vec<Planned>,
}

/// A disk, or disks that md RAID joins, and their partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// What the disks are for.
    pub role: Role,
    /// What joins them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raid: Option<Level>,
    /// What stays of what is on them.
    #[serde(skip_serializing_if = "Keep::is_nothing")]
    pub keep: Keep,
    /// The disks, in the order of the array's members.
    pub disks: Vec<Disk>,
    /// The partitions that each of them will have.
    pub partitions: Layout,
}

/// What the disks of a group are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The system, and recordings behind it.
    System,
    /// Recordings alone.
    Data,
}

/// Why nothing will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason in one sentence.
    pub reason: Text,
    /// Every disk, with what speaks against it.
    pub disks: Vec<(Disk, Vec<Text>)>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines(Language::En).join("\n"))
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// For a person: the reason, then a line for each disk.
    pub fn lines(&self, language: Language) -> Vec<String> {
        let mut lines = vec![self.reason.to(language)];
        for (disk, objections) in &self.disks {
            let said: Vec<String> = objections.iter().map(|text| text.to(language)).collect();
            lines.push(format!("  {}: {}", disk.title(), said.join("; ")));
        }
        lines
    }
}

/// Makes the plan.
pub fn plan(
    answers: &Answers,
    inventory: &Inventory,
    manifest: &Manifest,
) -> Result<Plan, Refusal> {
    let chosen = choose::choose(answers, inventory)?;
    for one in &chosen {
        objections::check(one, inventory)?;
    }
    let mut layouts = Layouts::new(answers, manifest);
    let stays = stay::of_all(&chosen, inventory, &mut layouts.numbers)?;
    let groups = chosen.iter().zip(stays);
    let groups = groups.map(|(one, stays)| layouts.of(one, &stays, inventory));
    Ok(Plan {
        version: manifest.version.to_string(),
        groups: groups.collect::<Result<_, _>>()?,
    })
}

/// What all layouts of an installation have in common.
struct Layouts {
    needs: Needs,
    numbers: Numbers,
}

impl Layouts {
    fn new(answers: &Answers, manifest: &Manifest) -> Self {
        Self {
            needs: Needs {
                boot: manifest.size(Member::Boot),
                system: manifest.size(Member::System),
                system_volume: answers.system_volume,
                data_cap: answers.data_volume_max.or(manifest.data_volume_max),
            },
            numbers: Numbers::default(),
        }
    }

    fn of(
        &mut self,
        chosen: &Chosen,
        stays: &[crate::layout::kept::Stays],
        inventory: &Inventory,
    ) -> Result<Planned, Refusal> {
        let Chosen { role, group, .. } = *chosen;
        let space = chosen.space();
        let around = Around {
            system: role == Role::System,
            grow: group.grow,
        };
        let layout = match (role, group.keep) {
            (Role::System, Keep::Nothing) => Layout::system(space, self.needs, &mut self.numbers),
            (Role::Data, Keep::Nothing) => Layout::data(space, self.needs, &mut self.numbers),
            _ => Layout::around(space, self.needs, around, stays, &mut self.numbers),
        };
        let refuse = |why: NoLayout| objections::refusal(words::no_layout(&why), chosen, inventory);
        Ok(Planned {
            role,
            raid: group.raid,
            keep: group.keep,
            disks: chosen.disks.iter().map(|disk| (*disk).clone()).collect(),
            partitions: layout.map_err(refuse)?,
        })
    }
}

impl Chosen<'_> {
    /// The room on the smallest of the disks.
    fn space(&self) -> Space {
        let smallest = self.disks.iter().map(|disk| disk.size).min();
        let sector = self.disks.first().and_then(|disk| disk.sector());
        Space {
            size: smallest.unwrap_or(Bytes::ZERO),
            sector: sector.unwrap_or(SectorSize::S512),
            joined: joined(self.group),
        }
    }
}

fn joined(group: &Group) -> Option<Joined> {
    group.raid.map(|level| Joined {
        level,
        members: group.size(),
    })
}

impl Plan {
    /// The group that carries the system.
    pub fn system(&self) -> &Planned {
        &self.groups[0]
    }

    /// All disks, with the group of each.
    pub fn disks(&self) -> impl Iterator<Item = (&Planned, &Disk)> {
        let groups = self.groups.iter();
        groups.flat_map(|group| group.disks.iter().map(move |disk| (group, disk)))
    }

    /// The disks on which something is that will be lost.
    pub fn erased(&self) -> impl Iterator<Item = &Disk> {
        self.disks()
            .filter(|(group, disk)| group.keep.is_nothing() && !disk.contents.is_empty())
            .map(|(_, disk)| disk)
    }

    /// What all data volumes hold together.
    pub fn data_size(&self) -> Bytes {
        let groups = self.groups.iter();
        groups
            .flat_map(|group| {
                group
                    .partitions
                    .data_parts()
                    .map(|part| group.capacity(part))
            })
            .sum()
    }
}

impl Planned {
    /// How its disks are joined.
    pub fn joined(&self) -> Option<Joined> {
        self.raid.map(|level| Joined {
            level,
            members: self.disks.len(),
        })
    }

    /// The array that a partition is a member of.
    pub fn array(&self, part: &Part) -> Option<Geometry> {
        part.purpose.array(self.joined(), part.size)
    }

    /// What a partition holds, alone or as an array with its equals.
    pub fn capacity(&self, part: &Part) -> Bytes {
        part.purpose.capacity(self.joined(), part.size)
    }

    /// Whether nothing at all is written to its disks.
    pub fn is_untouched(&self) -> bool {
        let untouched = |part: &Part| part.origin == crate::layout::Origin::Kept;
        self.role == Role::Data && self.partitions.parts().iter().all(untouched)
    }
}
