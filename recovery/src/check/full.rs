//! Volumes without free space. e2fsck needs some: for lost+found, for folders written anew, for blocks that
//! two files claim. What finds none it deletes (1.47.2: "Insufficient space to recover lost files!"). So
//! there is a warning before a repair, and where one stopped because it would have needed room
//! ([`Reason::NoRoom`]), a person may have it go on.

use std::io::Write;

use serde_json::json;
use vigie_settings::Language;

use super::bounded::bounded;
use super::health::agreed;
use super::look;
use super::report::{Report, VolumeReport};
use super::show::Show;
use super::stuck::Patience;
use super::verdict::{Reason, Verdict};
use super::volume::{Check, Volume, Watch};
use super::words::say;

/// Warns of those that have none.
pub fn warn<W: Write>(volumes: &[Volume], json: bool, language: Language, show: &mut Show<W>) {
    for volume in volumes {
        let node = volume.node().to_owned();
        // What of a disk that does not answer, the check says.
        let lacking = bounded(Patience::default(), &|| false, move || look::lacking(&node));
        let Some(free) = lacking.flatten() else {
            continue;
        };
        let values = [("name", volume.name.clone()), ("free", free.to_string())];
        let words = |language| say("check.full", &values, language);
        if json {
            let event = json!({"event": "full", "name": volume.name, "free": free,
                "text": words(Language::En), "text_fr": words(Language::Fr)});
            show.line(&event.to_string());
        } else {
            show.line(&words(language));
        }
    }
}

/// Asks about each volume whose repair stopped for want of room, and goes on where a person says so. What was
/// found before stays in the report.
pub fn ask<W: Write>(
    check: &Check<'_>,
    volumes: &[Volume],
    report: &mut Report,
    language: Language,
    show: &mut Show<W>,
) {
    let all = volumes.len();
    let stopped = volumes.iter().zip(&mut report.volumes).zip(1..);
    for ((volume, before), at) in stopped.filter(|((_, one), _)| has_stopped(one)) {
        let question = say(
            "check.full-confirm",
            &[("name", volume.name.clone())],
            language,
        );
        if !agreed(&question, language) {
            continue;
        }
        show.volume(at, all, volume);
        let mut after = check.one(volume, show);
        show.ends(&after);
        let runs = std::mem::take(&mut before.steps);
        after.steps.splice(0..0, runs);
        after.seconds += before.seconds;
        (after.began, after.before) = (before.began, before.before.take());
        *before = after;
    }
}

fn has_stopped(one: &VolumeReport) -> bool {
    let reason = Reason::NoRoom;
    one.verdict == Verdict::Damaged { reason }
}
