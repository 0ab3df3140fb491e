//! What several disks can be joined by, with what that gives. Pure: the planner says how much.

use vigie_disk::Bytes;
use vigie_disk::md::Level;
use vigie_prompt::Item;
use vigie_settings::Language;

use crate::answers::Answers;
use crate::inventory::Inventory;
use crate::messages::Text;
use crate::payload::Manifest;
use crate::plan::{Plan, plan};

/// The levels for so many disks.
pub fn possible(disks: usize) -> Vec<Level> {
    let fits = |level: &Level| {
        disks >= level.minimum() && (*level != Level::Raid10 || disks.is_multiple_of(2))
    };
    Level::ALL.into_iter().filter(fits).collect()
}

/// How many disks may fail without a loss, whichever they are.
fn may_fail(level: Level, disks: usize) -> usize {
    match level {
        Level::Raid1 => disks.saturating_sub(1),
        Level::Raid5 | Level::Raid10 => 1,
        Level::Raid6 => 2,
    }
}

/// A level in a menu. `answers` are those with this level.
pub fn item(
    level: Level,
    disks: usize,
    answers: &Answers,
    inventory: &Inventory,
    manifest: &Manifest,
    language: Language,
) -> Item {
    let name = level.to_string().to_uppercase().replace("RAID", "RAID ");
    match plan(answers, inventory, manifest) {
        Ok(plan) => {
            let text = match may_fail(level, disks) {
                1 => Text::new("level.one-may-fail"),
                count => Text::new("level.may-fail").with("count", count),
            };
            let text = text.with("name", name).with("size", last_group(&plan));
            Item::new(text.to(language))
        }
        Err(refusal) => Item {
            lines: vec![name],
            refused: Some(refusal.reason.to(language)),
        },
    }
}

/// What the disks that are being joined hold: their group is the last.
fn last_group(plan: &Plan) -> Bytes {
    let groups = plan.groups.last().into_iter();
    groups
        .flat_map(|group| {
            let parts = group.partitions.data_parts();
            parts.map(|part| group.capacity(part))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_number_of_disks() {
        use Level::{Raid1, Raid5, Raid6, Raid10};
        for (disks, expected) in [
            (1, vec![]),
            (2, vec![Raid1]),
            (3, vec![Raid1, Raid5]),
            (4, vec![Raid1, Raid5, Raid6, Raid10]),
            (5, vec![Raid1, Raid5, Raid6]),
        ] {
            assert_eq!(possible(disks), expected, "{disks}");
        }
        assert_eq!(may_fail(Raid1, 3), 2);
    }
}
