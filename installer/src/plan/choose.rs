//! Which disks the answers mean.

use super::{Refusal, Role, objections};
use crate::answers::{Answers, Group, Selector};
use crate::inventory::{Disk, Inventory};
use crate::messages::Text;

/// The disks of a group, and by which selector each was chosen.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// `target`, `data[0]`…
    pub name: String,
    /// What the disks are for.
    pub role: Role,
    /// What the answers say.
    pub group: &'a Group,
    /// The disks, in the order of the answers.
    pub disks: Vec<&'a Disk>,
    /// The selector of each.
    pub selectors: Vec<Selector>,
}

/// The disks of every group. Each selector matches as many as it asks for, and
/// no disk is chosen twice.
pub fn choose<'a>(
    answers: &'a Answers,
    inventory: &'a Inventory,
) -> Result<Vec<Chosen<'a>>, Refusal> {
    let mut all: Vec<Chosen> = Vec::new();
    for (name, group) in answers.groups() {
        let role = match all.is_empty() {
            true => Role::System,
            false => Role::Data,
        };
        let chosen = of_group(name, role, group, inventory)?;
        for disk in &chosen.disks {
            let mut others = all.iter();
            if let Some(other) =
                others.find(|one| one.disks.iter().any(|had| had.path == disk.path))
            {
                let reason = Text::new("refusal.twice")
                    .with("disk", &disk.path)
                    .with("one", &other.name)
                    .with("other", &chosen.name);
                return Err(objections::refusal(reason, &chosen, inventory));
            }
        }
        all.push(chosen);
    }
    Ok(all)
}

fn of_group<'a>(
    name: String,
    role: Role,
    group: &'a Group,
    inventory: &'a Inventory,
) -> Result<Chosen<'a>, Refusal> {
    let mut chosen = Chosen {
        name,
        role,
        group,
        disks: Vec::new(),
        selectors: Vec::new(),
    };
    for (selector, count) in group.selectors() {
        let found = matching(&selector, inventory);
        let refuse = |reason: Text| {
            let reason = reason
                .with("group", &chosen.name)
                .with("selector", &selector);
            let disks = objections::judged(&selector, role, group, inventory);
            Err(Refusal { reason, disks })
        };
        if selector.is_unspecific() {
            return refuse(Text::new("refusal.no-target"));
        }
        if found.is_empty() {
            return refuse(Text::new("refusal.no-match"));
        }
        if found.len() != count {
            return refuse(
                Text::new("refusal.ambiguous")
                    .with("found", found.len())
                    .with("count", count),
            );
        }
        for disk in found {
            if chosen.disks.iter().any(|had| had.path == disk.path) {
                return refuse(Text::new("refusal.same-member").with("disk", &disk.path));
            }
            chosen.disks.push(disk);
            chosen.selectors.push(selector.clone());
        }
    }
    Ok(chosen)
}

/// The disks that a selector matches. The boot medium is one only where it
/// alone is meant, so that the refusal can say so.
fn matching<'a>(selector: &Selector, inventory: &'a Inventory) -> Vec<&'a Disk> {
    let matches = |disk: &&Disk| objections::mismatches(disk, selector).is_empty();
    let all: Vec<&Disk> = inventory.disks.iter().filter(matches).collect();
    let candidates: Vec<&Disk> = all
        .iter()
        .copied()
        .filter(|disk| !disk.boot_medium)
        .collect();
    match candidates.is_empty() {
        true => all,
        false => candidates,
    }
}
