//! What was found, in English or French.

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use vigie_disk::ext4::{Health, Superblock};
use vigie_installer::clock::utc;
use vigie_installer::messages::Catalog;
use vigie_settings::Language;
use vigie_update::commands::apply::Applied;
use vigie_update::{Slot, SlotState, Version};

use crate::refusal::wholeness;
use crate::site::medium_version;
use crate::update::{Chosen, Source};
use crate::volumes::{ArrayFacts, Boot, Content, Facts, Installation, Inventory, Volume};

/// A damaged superblock may tell of any time; this is the year 9999.
const LATEST: u64 = 253_402_300_799;

static WORDS: LazyLock<Catalog> = LazyLock::new(|| {
    Catalog::new(
        include_str!("messages/en.toml"),
        include_str!("messages/fr.toml"),
    )
});

/// All installations, one after the other; then what belongs to none, arrays that lack
/// a member, and disks that lack their end.
pub fn lines(found: &Inventory, language: Language) -> Vec<String> {
    let mut lines: Vec<String> = match found.installations.is_empty() {
        true => vec![WORDS.say("volumes.none", &[], language)],
        false => Vec::new(),
    };
    for installation in &found.installations {
        lines.extend(of_installation(installation, language));
    }
    if !found.others.is_empty() {
        lines.push(WORDS.say("volumes.others", &[], language));
        lines.extend(found.others.iter().map(|one| of_volume(one, language)));
    }
    let degraded = found.arrays.iter().filter(|one| one.is_degraded());
    lines.extend(degraded.map(|array| of_array(array, language)));
    lines.extend(found.cut.iter().map(|cut| cut.message().to(language)));
    lines
}

fn of_installation(installation: &Installation, language: Language) -> Vec<String> {
    let facts = &installation.facts;
    let unknown = || WORDS.say("volumes.unknown", &[], language);
    let version = installation.version().map(|version| version.to_string());
    let values = [
        ("disk", installation.place()),
        ("host", facts.host.clone().unwrap_or_else(unknown)),
        ("version", version.unwrap_or_else(unknown)),
        ("serial", facts.serial.clone().unwrap_or_else(unknown)),
    ];
    let mut lines = vec![WORDS.say("volumes.on", &values, language)];
    for warning in &facts.warnings {
        let values = [("warning", warning.clone())];
        lines.push(WORDS.say("volumes.warning", &values, language));
    }
    for volume in &installation.volumes {
        lines.push(of_volume(volume, language));
        if let Content::Ext4 { superblock } = &volume.content {
            lines.push(history_of_ext4(superblock, language));
        }
    }
    match &installation.boot {
        Some(boot) => lines.extend(of_boot(boot, facts, language)),
        None => lines.push(WORDS.say("boot.unreadable", &[], language)),
    }
    lines
}

/// Label, id, last mount and check.
fn history_of_ext4(superblock: &Superblock, language: Language) -> String {
    let when = |seconds: u64| match seconds {
        0 => WORDS.say("volumes.never", &[], language),
        _ => utc(UNIX_EPOCH + Duration::from_secs(seconds.min(LATEST))),
    };
    let values = [
        ("label", superblock.label.clone()),
        ("uuid", superblock.uuid.clone()),
        ("mounted", when(superblock.last_mount)),
        ("checked", when(superblock.last_check)),
    ];
    WORDS.say("ext4.history", &values, language)
}

/// An array that lacks a member.
pub(crate) fn of_array(array: &ArrayFacts, language: Language) -> String {
    let missing: Vec<String> = array.missing.iter().map(usize::to_string).collect();
    let members = array.members.iter().map(|one| one.display().to_string());
    let values = [
        ("name", array.name.clone()),
        ("disks", array.disks.to_string()),
        ("missing", missing.join(", ")),
        ("members", members.collect::<Vec<_>>().join(", ")),
    ];
    let mut line = WORDS.say("array.degraded", &values, language);
    for left_out in &array.left_out {
        let values = [("member", left_out.clone())];
        line += &WORDS.say("array.left-out", &values, language);
    }
    if let Some(error) = &array.broken {
        line += &WORDS.say("array.broken", &[("error", error.clone())], language);
    }
    line
}

/// A volume in a line.
pub(crate) fn of_volume(volume: &Volume, language: Language) -> String {
    let name = volume.name.name();
    let node = volume.node.display();
    let size = volume.size.to_string();
    let content = of_content(&volume.content, language);
    format!("  {name:<12} {node:<16} {size:>10}  {content}")
}

fn of_content(content: &Content, language: Language) -> String {
    let say = |key: &str| WORDS.say(key, &[], language);
    match content {
        Content::Ext4 { superblock } => of_ext4(superblock, language),
        Content::Image => say("content.image"),
        Content::Fat => say("content.fat"),
        Content::Unmarked => say("content.unmarked"),
        Content::Missing => say("content.missing"),
        Content::Unreadable { error } => {
            WORDS.say("content.unreadable", &[("error", error.clone())], language)
        }
    }
}

fn of_ext4(superblock: &Superblock, language: Language) -> String {
    let key = match superblock.health {
        Health::Clean => "ext4.clean",
        Health::NeedsRecovery => "ext4.needs-recovery",
        Health::NeedsCheck => "ext4.needs-check",
        Health::Errors => "ext4.errors",
    };
    let mut words = WORDS.say(key, &[], language);
    if superblock.errors > 0 {
        let count = [("count", superblock.errors.to_string())];
        words += &WORDS.say("ext4.counted", &count, language);
    }
    let free = [("free", superblock.free.to_string())];
    words + &WORDS.say("ext4.free", &free, language)
}

fn of_boot(boot: &Boot, facts: &Facts, language: Language) -> Vec<String> {
    let slot = |slot: Slot, state: SlotState| {
        let key = match state {
            SlotState { good: true, .. } => "boot.good",
            SlotState { tries: 0, .. } => "boot.used-up",
            SlotState { .. } => "boot.trying",
        };
        let values = [
            ("slot", slot.to_string()),
            ("tries", state.tries.to_string()),
        ];
        let said = facts.slots.get(&slot);
        let mut line = WORDS.say(key, &values, language);
        if let Some(version) = said.and_then(|said| said.version) {
            line += &WORDS.say(
                "boot.version",
                &[("version", version.to_string())],
                language,
            );
        }
        if let Some(how) = said.and_then(|said| said.wholeness.as_ref()) {
            let values = [("how", wholeness(how).to(language))];
            line += &WORDS.say("boot.whole", &values, language);
        }
        line
    };
    let first = [("slot", boot.first.to_string())];
    vec![
        slot(Slot::A, boot.a),
        slot(Slot::B, boot.b),
        WORDS.say("boot.first", &first, language),
    ]
}

/// What an update from the medium is about to do.
pub fn before_update(chosen: &Chosen, source: &Source, language: Language) -> Result<Vec<String>> {
    let unknown = || WORDS.say("volumes.unknown", &[], language);
    let from = chosen.version().map(|version| version.to_string());
    let values = [
        ("host", chosen.host()),
        ("disk", chosen.place()),
        ("from", from.unwrap_or_else(unknown)),
        ("slot", chosen.slot().to_string()),
    ];
    let what = match source {
        Source::Medium => {
            let to = [("to", medium_version()?.to_string())];
            WORDS.say("update.medium", &to, language)
        }
        Source::Package(file) => {
            let file = [("file", file.display().to_string())];
            WORDS.say("update.package", &file, language)
        }
    };
    Ok(vec![WORDS.say("update.of", &values, language), what])
}

/// The question before it, and the word that says yes.
pub fn question(language: Language) -> (String, String) {
    let say = |key| WORDS.say(key, &[], language);
    (say("update.ask"), say("update.word"))
}

/// The answer was no.
pub fn not_asked(language: Language) -> String {
    WORDS.say("update.not-asked", &[], language)
}

/// It is done.
pub fn after_update(applied: &Applied, from: Version, language: Language) -> String {
    let values = [
        ("to", applied.version.to_string()),
        ("slot", applied.slot.to_string()),
        ("from", from.to_string()),
    ];
    WORDS.say("update.done", &values, language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_and_all_of_it_is_used() {
        let source = include_str!("words.rs");
        for key in WORDS.keys().unwrap() {
            assert!(source.contains(&format!("\"{key}\"")), "{key} is not used");
        }
        let keys = source.split('"').filter(|word| {
            let section = [
                "volumes.", "content.", "ext4.", "array.", "boot.", "update.",
            ];
            section
                .iter()
                .any(|section| word.starts_with(section) && *word != *section)
        });
        let known = WORDS.keys().unwrap();
        for key in keys {
            assert!(known.contains(&key), "{key} has no words");
        }
    }
}
