//! `vigie-install devices`

use std::process::ExitCode;

use anyhow::Result;
use vigie_installer::answers::Selector;
use vigie_installer::inventory::{BY_PATH, Disk, Inventory, Machine, Use};
use vigie_installer::messages::Text;
use vigie_settings::Language;

pub fn devices(json: bool, language: Language) -> Result<ExitCode> {
    let inventory = Machine::this().inventory();
    println!("{}", shown(&inventory, json, language)?);
    Ok(ExitCode::SUCCESS)
}

fn shown(inventory: &Inventory, json: bool, language: Language) -> Result<String> {
    if json {
        return Ok(serde_json::to_string_pretty(inventory)?);
    }
    if inventory.disks.is_empty() {
        return Ok(Text::new("devices.none").to(language));
    }
    let disks = inventory.disks.iter();
    let lines = disks.flat_map(|disk| {
        let below = [names(disk), facts(disk, language)];
        let below = below.into_iter().filter(|line| !line.is_empty());
        let below = below.map(|line| format!("    {line}"));
        std::iter::once(disk.title()).chain(below)
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// What answers can name it by beside what the title says.
fn names(disk: &Disk) -> String {
    let place = disk.links.iter().find(|link| link.starts_with(BY_PATH));
    let selector = Selector {
        bus: disk.bus,
        wwn: disk.wwn.clone(),
        path: place.cloned(),
        ..Selector::default()
    };
    selector.to_string()
}

fn facts(disk: &Disk, language: Language) -> String {
    let mut facts = Vec::new();
    if disk.boot_medium {
        facts.push(Text::new("disk.boot-medium"));
    }
    if disk.removable {
        facts.push(Text::new("disk.removable"));
    }
    if disk.read_only {
        facts.push(Text::new("disk.read-only"));
    }
    facts.extend(disk.in_use.iter().map(Use::text));
    let mut facts: Vec<String> = facts.iter().map(|text| text.to(language)).collect();
    facts.push(contents(disk, language));
    facts.join("; ")
}

/// A disk that cannot be read is not called empty.
fn contents(disk: &Disk, language: Language) -> String {
    match &disk.unreadable {
        Some(error) => Text::new("disk.unreadable")
            .with("error", error)
            .to(language),
        None if disk.contents.is_empty() => Text::new("disk.empty").to(language),
        None => disk.contents_in_short().to(language),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSHOP: &str = include_str!("../../tests/screens/workshop.disks.json");

    fn workshop() -> Inventory {
        serde_json::from_str(WORKSHOP).unwrap()
    }

    /// What is printed is what the planner's tests read.
    #[test]
    fn json_is_the_whole_inventory() {
        let printed = shown(&workshop(), true, Language::Fr).unwrap();
        assert_eq!(
            serde_json::from_str::<Inventory>(&printed).unwrap(),
            workshop()
        );
    }

    #[test]
    fn a_person_reads_three_lines_for_each_disk() {
        let printed = shown(&workshop(), false, Language::Fr).unwrap();
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.len(), 3 * workshop().disks.len());
        for (at, says) in [
            (0, "S4EWNX0R123456"),
            (1, "wwn \"eui.0025385b01402a5b\", bus nvme"),
            (3, "WD-WCC7K4ABCDEF"),
            (4, "bus sata"),
            (5, "    vide"),
            (11, "utilisé : monté sur /mnt"),
            (14, "est le support depuis lequel"),
            (
                16,
                "path \"/dev/disk/by-path/pci-0000:02:00.0-scsi-0:2:0:0\"",
            ),
            (20, "amovible; protégé en écriture; vide"),
        ] {
            assert!(lines[at].contains(says), "{at}: {printed}");
        }
    }

    #[test]
    fn a_disk_that_cannot_be_read_is_not_called_empty() {
        let mut inventory = workshop();
        let disk = &mut inventory.disks[1];
        assert!(disk.contents.is_empty());
        disk.unreadable = Some("Input/output error".into());
        let printed = shown(&inventory, false, Language::En).unwrap();
        assert_eq!(
            printed.lines().nth(5),
            Some("    cannot be read (Input/output error): what is on it is not known")
        );
    }

    #[test]
    fn a_machine_without_disks_says_so() {
        let none = Inventory {
            disks: Vec::new(),
            ..workshop()
        };
        let printed = shown(&none, false, Language::Fr).unwrap();
        assert_eq!(printed, "Aucun disque n'a été trouvé.");
    }
}
