//! `vigie-install devices`

use std::process::ExitCode;

use anyhow::Result;
use vigie_installer::inventory::{Disk, Machine, Use};
use vigie_installer::messages::Text;
use vigie_settings::Language;

pub fn devices(json: bool, language: Language) -> Result<ExitCode> {
    let inventory = Machine::this().inventory();
    if json {
        println!("{}", serde_json::to_string_pretty(&inventory)?);
        return Ok(ExitCode::SUCCESS);
    }
    if inventory.disks.is_empty() {
        println!("{}", Text::new("devices.none").to(language));
    }
    for disk in &inventory.disks {
        println!("{}", disk.title());
        println!("    {}", facts(disk, language));
    }
    Ok(ExitCode::SUCCESS)
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
    facts.push(match disk.contents.is_empty() {
        true => Text::new("disk.empty").to(language),
        false => disk.contents_in_short(),
    });
    facts.join("; ")
}
