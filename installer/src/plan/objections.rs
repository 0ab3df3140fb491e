//! What speaks against a disk: that it is not the one that is meant, and that
//! it must not be written.

use vigie_disk::Bytes;

use super::choose::Chosen;
use super::{Refusal, Role};
use crate::answers::{Group, Selector};
use crate::inventory::{BY_PATH, Disk, Firmware, Inventory, Use};
use crate::layout::{SMALLEST_DATA_DISK, SMALLEST_DISK};
use crate::messages::Text;

/// Refuses a group of which a disk cannot be used.
pub fn check(chosen: &Chosen, inventory: &Inventory) -> Result<(), Refusal> {
    for (disk, selector) in chosen.disks.iter().zip(&chosen.selectors) {
        if !of(
            disk,
            selector,
            chosen.role,
            chosen.group,
            inventory.firmware,
        )
        .is_empty()
        {
            let reason = Text::new("refusal.unfit").with("disk", &disk.path);
            return Err(refusal(reason, chosen, inventory));
        }
    }
    let first = chosen.disks.first().map(|disk| disk.sector_size);
    if chosen
        .disks
        .iter()
        .any(|disk| Some(disk.sector_size) != first)
    {
        let disks = chosen.disks.iter();
        let sizes = disks.map(|disk| format!("{}: {}", disk.path, disk.sector_size));
        let reason = Text::new("refusal.mixed-sectors")
            .with("group", &chosen.name)
            .with("sizes", sizes.collect::<Vec<_>>().join(", "));
        return Err(refusal(reason, chosen, inventory));
    }
    Ok(())
}

/// A refusal about a group that was chosen: its disks judged by the selector
/// that chose them, the others by the first.
pub fn refusal(reason: Text, chosen: &Chosen, inventory: &Inventory) -> Refusal {
    let first = chosen.selectors.first().cloned().unwrap_or_default();
    let of_disk = |disk: &Disk| {
        let mut pairs = chosen.disks.iter().zip(&chosen.selectors);
        pairs
            .find(|(one, _)| one.path == disk.path)
            .map_or(&first, |(_, selector)| selector)
    };
    let judge = |disk: &Disk| {
        let said = judgement(
            disk,
            of_disk(disk),
            chosen.role,
            chosen.group,
            inventory.firmware,
        );
        (disk.clone(), said)
    };
    Refusal {
        reason,
        disks: inventory.disks.iter().map(judge).collect(),
    }
}

/// What speaks against each disk, for one selector.
pub fn judged(
    selector: &Selector,
    role: Role,
    group: &Group,
    inventory: &Inventory,
) -> Vec<(Disk, Vec<Text>)> {
    let judge = |disk: &Disk| {
        let said = judgement(disk, selector, role, group, inventory.firmware);
        (disk.clone(), said)
    };
    inventory.disks.iter().map(judge).collect()
}

fn judgement(
    disk: &Disk,
    selector: &Selector,
    role: Role,
    group: &Group,
    firmware: Firmware,
) -> Vec<Text> {
    let mut said = mismatches(disk, selector);
    // Of a disk that nobody meant, no advice is given how it could be erased.
    if !said.is_empty() {
        return said;
    }
    if !selector.is_unspecific() {
        said.push(Text::new("disk.matches"));
    }
    said.extend(of(disk, selector, role, group, firmware));
    said
}

/// What of a selector does not fit the disk.
pub fn mismatches(disk: &Disk, selector: &Selector) -> Vec<Text> {
    let text = |key, wanted: &Option<String>, fits: &dyn Fn(&str) -> bool| {
        let wanted = wanted.as_deref()?.trim();
        (!fits(wanted)).then(|| Text::new(key).with("wanted", wanted))
    };
    let equal = |found: &Option<String>, wanted: &str| {
        found.as_deref().is_some_and(|found| found.trim() == wanted)
    };
    let model = |wanted: &str| {
        let found = disk.model.as_deref().unwrap_or_default();
        matches_pattern(wanted, found.trim())
    };
    let path = |wanted: &str| disk.path == wanted || disk.links.iter().any(|link| link == wanted);
    let size = |key, wanted: Option<Bytes>, wrong: &dyn Fn(Bytes) -> bool| {
        let wanted = wanted.filter(|wanted| wrong(*wanted))?;
        Some(Text::new(key).with("wanted", wanted))
    };
    let bus = selector.bus.filter(|bus| disk.bus != Some(*bus));
    [
        text("disk.other-serial", &selector.serial, &|it| {
            equal(&disk.serial, it)
        }),
        text("disk.other-wwn", &selector.wwn, &|it| equal(&disk.wwn, it)),
        text("disk.other-path", &selector.path, &path),
        text("disk.other-model", &selector.model, &model),
        bus.map(|bus| Text::new("disk.other-bus").with("wanted", bus)),
        size("disk.smaller", selector.size_min, &|least| {
            disk.size < least
        }),
        size("disk.larger", selector.size_max, &|most| disk.size > most),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether a text is as the pattern says, in which `*` stands for any characters.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .any(|at| matches_pattern(rest, &text[at..]))
}

/// Why a disk cannot be used for a role, whether it matches or not.
fn of(
    disk: &Disk,
    selector: &Selector,
    role: Role,
    group: &Group,
    firmware: Firmware,
) -> Vec<Text> {
    if disk.boot_medium {
        return vec![Text::new("disk.boot-medium")];
    }
    let mut found: Vec<Text> = disk.in_use.iter().map(Use::text).collect();
    if disk.read_only {
        found.push(Text::new("disk.read-only"));
    }
    if let Some(error) = &disk.unreadable {
        found.push(Text::new("disk.unreadable").with("error", error));
    }
    let smallest = match role {
        Role::System => SMALLEST_DISK,
        Role::Data => SMALLEST_DATA_DISK,
    };
    if disk.size < smallest {
        found.push(Text::new("disk.too-small").with("smallest", smallest));
    }
    if disk.sector().is_none() {
        found.push(Text::new("disk.sectors").with("size", disk.sector_size));
    }
    if disk.sector_size == 4096 && firmware == Firmware::Bios && role == Role::System {
        found.push(Text::new("disk.bios-4096"));
    }
    if disk.removable && !is_named(selector) {
        found.push(Text::new("disk.removable-by-rule"));
    }
    found.extend(contents_objection(disk, selector, group));
    found
}

/// Whether a selector names the disk, and is not only a rule.
fn is_named(selector: &Selector) -> bool {
    selector.serial.is_some() || selector.wwn.is_some() || selector.path.is_some()
}

/// What is on a disk is lost only where nobody can have meant another disk.
fn contents_objection(disk: &Disk, selector: &Selector, group: &Group) -> Option<Text> {
    if disk.contents.is_empty() {
        return None;
    }
    let contents = disk.contents_in_short();
    if !group.erase && group.keep.is_nothing() {
        return Some(Text::new("disk.not-empty").with_text("contents", contents));
    }
    let exact = selector.serial.is_some() || selector.wwn.is_some();
    if exact {
        return None;
    }
    if disk.serial.is_some() || disk.wwn.is_some() {
        return Some(Text::new("disk.name-it").with_text("contents", contents));
    }
    // A name like /dev/sda may be another disk's after the next start; the place of a cable stays.
    let place = selector.path.as_deref();
    let by_place = place.is_some_and(|path| path.starts_with(BY_PATH));
    (!by_place).then(|| Text::new("disk.place-it").with_text("contents", contents))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("WDC*", "WDC WD40", true),
            ("WDC*", "ST4000", false),
            ("*", "", true),
            ("*SSD*960*", "Samsung SSD PM893 960GB", true),
            ("*SSD*960", "Samsung SSD PM893 960GB", false),
            ("ST4000", "ST4000", true),
            ("ST4000", "ST4000 ", false),
            ("É*", "École", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }
}
