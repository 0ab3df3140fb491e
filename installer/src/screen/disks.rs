//! A machine's disks as a person sees them: a row each, and what is on them in words. Pure.

use vigie_disk::probe::Kind;
use vigie_prompt::Item;
use vigie_prompt::text::{cut, wrap};
use vigie_settings::Language;

use super::found;
use crate::answers::Answers;
use crate::inventory::{Disk, Inventory};
use crate::messages::Text;
use crate::payload::Manifest;
use crate::plan::plan;

/// What does not fit its column is cut.
const MODEL: usize = 22;
const SERIAL: usize = 20;
/// Columns that a menu of marks leaves to its items on a screen of 80.
pub const WIDTH: usize = 69;

/// A disk in a menu: its row, what is on it, and why it cannot be chosen if so.
pub fn item(
    disk: &Disk,
    inventory: &Inventory,
    refused: Option<String>,
    language: Language,
) -> Item {
    let mut lines = vec![row(disk)];
    // That it is the medium says its objection.
    if !disk.boot_medium || refused.is_none() {
        lines.extend(wrap(&contents_and_kind(disk, inventory, language), WIDTH));
    }
    if let Some(reason) = &refused {
        let text = Text::new("disks.refused").with("reason", reason);
        lines.extend(wrap(&text.to(language), WIDTH));
    }
    let refused = refused.map(|reason| {
        Text::new("disks.cannot")
            .with("disk", &disk.path)
            .with("reason", reason)
            .to(language)
    });
    Item { lines, refused }
}

/// Model, serial number, size, connection, device.
fn row(disk: &Disk) -> String {
    let dash = || "-".to_owned();
    let model = disk.model.clone().unwrap_or_else(dash);
    let serial = disk.serial.clone().unwrap_or_else(dash);
    let bus = disk
        .bus
        .map_or_else(dash, |bus| bus.to_string().to_uppercase());
    format!(
        "{:<MODEL$} {:<SERIAL$} {:>8}  {bus:<6} {}",
        cut(model.trim(), MODEL),
        cut(serial.trim(), SERIAL),
        disk.size.to_string(),
        device(disk),
    )
}

fn contents_and_kind(disk: &Disk, inventory: &Inventory, language: Language) -> String {
    let mut said = contents(disk, inventory, language);
    if disk.removable {
        said += &format!(" ({})", Text::new("disk.removable").to(language));
    }
    said
}

/// The disk's device without its folder.
pub fn device(disk: &Disk) -> &str {
    disk.path.strip_prefix("/dev/").unwrap_or(&disk.path)
}

/// The title of the rows' columns; `marks` stand before the rows of a menu of several.
pub fn header(marks: bool, language: Language) -> String {
    let word = |key| Text::new(key).to(language);
    let marks = if marks { "    " } else { "" };
    format!(
        "      {marks}{:<MODEL$} {:<SERIAL$} {:>8}  {:<6} {}",
        word("disks.model"),
        word("disks.serial"),
        word("disks.size"),
        word("disks.bus"),
        word("disks.device"),
    )
}

/// What is on a disk, in words.
pub fn contents(disk: &Disk, inventory: &Inventory, language: Language) -> String {
    let said = |text: Text| text.to(language);
    if let Some(error) = &disk.unreadable {
        return said(Text::new("content.unreadable").with("error", error));
    }
    if disk.boot_medium {
        return said(Text::new("content.medium"));
    }
    if let Some(ours) = ours(disk, language) {
        return ours;
    }
    let mut words: Vec<String> = Vec::new();
    let arrays = inventory.arrays.iter();
    for array in arrays.filter(|array| array.members.iter().any(|one| one.disk == disk.path)) {
        let text = Text::new("content.array").with("name", &array.name);
        words.push(said(text.with("disks", array.disks)));
    }
    for content in &disk.contents {
        if let Some(text) = kind(content.found.kind, !words.is_empty()) {
            let label = content
                .found
                .label
                .as_deref()
                .filter(|label| !label.is_empty());
            let label = label.map_or_else(String::new, |label| format!(" \"{label}\""));
            words.push(said(text) + &label);
        }
    }
    words.dedup();
    match (words.is_empty(), disk.contents.is_empty()) {
        (false, _) => words.join(", "),
        (true, true) => said(Text::new("disk.empty")),
        (true, false) => said(Text::new("content.table")),
    }
}

/// What is on a disk of ours; none where it is not.
fn ours(disk: &Disk, language: Language) -> Option<String> {
    let volumes = found::volumes(disk);
    let listed: Vec<String> = volumes
        .iter()
        .map(|(name, size)| format!("{name}, {size}"))
        .collect();
    let text = match (found::has_system(disk), volumes.is_empty()) {
        (true, false) => Text::new("content.system-and-recordings"),
        (true, true) => Text::new("content.system"),
        (false, false) => Text::new("content.recordings"),
        (false, true) => return None,
    };
    Some(text.with("volumes", listed.join("; ")).to(language))
}

/// The word for a signature; none for a table, whose partitions say more, and for the members of
/// an array that was named.
fn kind(kind: Kind, array_named: bool) -> Option<Text> {
    let text = match kind {
        Kind::Gpt | Kind::Mbr => return None,
        Kind::Md if array_named => return None,
        Kind::Md => Text::new("content.member"),
        Kind::Ddf | Kind::Imsm => Text::new("content.firmware-raid"),
        Kind::Ntfs | Kind::Refs => Text::new("content.windows"),
        Kind::Apfs | Kind::HfsPlus => Text::new("content.mac"),
        Kind::Unknown => return Some(Text::new("disk.unknown")),
        Kind::Luks => Text::new("content.luks"),
        Kind::Lvm => Text::new("content.lvm"),
        Kind::Swap => Text::new("content.swap"),
        Kind::Iso9660 => Text::new("content.iso"),
        Kind::Ext | Kind::Xfs | Kind::Btrfs | Kind::Squashfs | Kind::Bcachefs => {
            Text::new("content.linux")
        }
        _ => Text::new("content.volume"),
    };
    Some(text.with("kind", kind.name()))
}

/// Why a disk cannot be used, in the words of the planner, which alone decides; none if it can.
/// `answers` names it in the group that it is to be in.
pub fn refusal(
    disk: &Disk,
    answers: &Answers,
    inventory: &Inventory,
    manifest: &Manifest,
    language: Language,
) -> Option<String> {
    let refusal = plan(answers, inventory, manifest).err()?;
    let judged = refusal.disks.iter().find(|(one, _)| one.path == disk.path);
    let objections = judged.map_or(&[][..], |(_, objections)| objections);
    let matches = Text::new("disk.matches");
    let said: Vec<String> = objections
        .iter()
        .filter(|text| **text != matches)
        .map(|text| text.to(language))
        .collect();
    Some(match said.is_empty() {
        true => refusal.reason.to(language),
        false => said.join(&Text::new("disks.and").to(language)),
    })
}
