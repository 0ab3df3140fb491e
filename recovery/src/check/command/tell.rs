//! What the command says beside the checks themselves.

use std::path::{Path, PathBuf};

use serde_json::json;
use vigie_settings::Language;

use super::super::report::Report;
use super::super::targets::{Choice, Target, Wrong};
use super::super::told;
use super::super::volume::Volume;
use super::super::words::say;
use super::{NOT_CHECKED, Output, WRONG_USE, named};
use crate::message::Message;
use crate::refusal::Refusal;
use crate::tell::Tell;
use crate::volumes::{Cut, Inventory};

/// Says what is checked although nobody knows whose it is, and what is not.
pub(super) fn whose(choice: &Choice, json: bool, language: Language, show: &mut Output) {
    let kinds = [
        ("assumed", "check.assumed", &choice.assumed),
        ("left-out", "check.left-out", &choice.left_out),
    ];
    for (event, key, parts) in kinds {
        for part in parts {
            let (name, disk) = (part.purpose.name(), part.disk.display().to_string());
            let values = [("name", name.clone()), ("disk", disk.clone())];
            let words = |language| say(key, &values, language);
            match json {
                true => {
                    let event = json!({"event": event, "name": name, "disk": disk,
                        "text": words(Language::En), "text_fr": words(Language::Fr)});
                    show.line(&event.to_string());
                }
                false => show.line(&words(language)),
            }
        }
    }
}

/// Says which disks have no volumes because their end is missing; of one that was named that is said where
/// nothing is checked for it.
pub(super) fn cut(
    found: &Inventory,
    choice: &Result<Choice, Wrong>,
    json: bool,
    language: Language,
) {
    let mut tell = Tell::new(json, language);
    let is_why = |disk: &Cut| matches!(choice, Err(Wrong::CutShort(why, _)) if why == disk);
    for disk in found.cut.iter().filter(|disk| !is_why(disk)) {
        tell.warn(&disk.message());
    }
}

/// Says why nothing is repaired; the exit code.
pub(super) fn refused(message: &Message, json: bool, language: Language) -> u8 {
    let mut tell = Tell::new(json, language);
    tell.refused(&message.to(Language::En), &message.to(Language::Fr));
    NOT_CHECKED
}

/// Tells the programs of a running appliance that these volumes are being checked.
pub(super) fn begin(targets: &[Target], volumes: &[Volume]) {
    for (target, volume) in targets.iter().zip(volumes) {
        let Some(path) = named(target) else { continue };
        if let Err(error) = told::begins(Path::new(told::FOLDER), path, &volume.name) {
            eprintln!("vigie-recovery: {}: {error}", told::FOLDER);
        }
    }
}

/// And what became of them.
pub(super) fn end(targets: &[Target], report: &Report) {
    for (target, one) in targets.iter().zip(&report.volumes) {
        let Some(path) = named(target) else { continue };
        if let Err(error) = told::ends(Path::new(told::FOLDER), path, one) {
            eprintln!("vigie-recovery: {}: {error}", told::FOLDER);
        }
    }
}

/// How many of each, at the end.
pub(super) fn summary(
    json: bool,
    report: &Report,
    code: u8,
    language: Language,
    show: &mut Output,
) {
    let count = |wanted| {
        let codes = report.volumes.iter().map(|one| one.verdict.exit_code());
        codes.filter(|code| *code == wanted).count()
    };
    let [clean, repaired, bad, unknown] = [0, 1, 4, 8].map(count);
    if json {
        let event = json!({"event": "done", "exit": code, "clean": clean, "repaired": repaired,
            "bad": bad, "not_checked": unknown, "seconds": report.seconds});
        return show.line(&event.to_string());
    }
    let values = [
        ("clean", clean.to_string()),
        ("repaired", repaired.to_string()),
        ("bad", bad.to_string()),
        ("unknown", unknown.to_string()),
    ];
    show.aside(say("check.summary", &values, language));
}

/// Says why nothing is checked; the exit code.
pub(super) fn wrong(wrong: &Wrong, json: bool, language: Language) -> u8 {
    let text = |path: &PathBuf| path.display().to_string();
    let words = |language| match wrong {
        Wrong::None => say("check.none", &[], language),
        Wrong::Several(disks) => say("check.several", &[("disks", disks.join(", "))], language),
        Wrong::NoDisk(disk, disks) => {
            let refusal = Refusal::NoDisk(disk.clone(), disks.clone());
            refusal.message().to(language)
        }
        Wrong::CutShort(cut, disks) => {
            let refusal = Refusal::DiskCutShort(cut.clone(), disks.clone());
            refusal.message().to(language)
        }
        Wrong::NotOfSystem(name, disk) => {
            let values = [("name", text(name)), ("disk", text(disk))];
            say("check.left-out", &values, language)
        }
        Wrong::UnknownVolume(name, names) => {
            let values = [("name", text(name)), ("names", names.join(", "))];
            say("check.unknown-volume", &values, language)
        }
    };
    if json {
        let event = json!({"event": "refused", "reason": words(Language::En),
            "reason_fr": words(Language::Fr)});
        println!("{event}");
    } else {
        eprintln!("vigie-recovery: {}", words(language));
    }
    match wrong {
        Wrong::None | Wrong::CutShort(..) => NOT_CHECKED,
        Wrong::Several(_)
        | Wrong::NoDisk(..)
        | Wrong::UnknownVolume(..)
        | Wrong::NotOfSystem(..) => WRONG_USE,
    }
}
