//! Where the report of a command goes: onto the state volume of the system that something of was repaired,
//! into a folder that a person named, into that of a running appliance. Where that fails, the check is none
//! the worse, and it is said.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use serde_json::json;
use vigie_disk::ext4::Health;
use vigie_disk::sysfs::Sysfs;
use vigie_installer::layout::Purpose;
use vigie_settings::Language;

use super::in_use::Uses;
use super::keep::{self, Saved};
use super::ladder::Mode;
use super::look::look;
use super::report::Report;
use super::show::Show;
use super::targets::Target;
use super::verdict::{Reason, Refusal};
use super::volume::Volume;
use super::words::say;
use crate::disks::seen::Seen;

/// Where a running appliance mounts its state volume.
const VAR: &str = "/var";
/// Where it keeps its reports.
pub const ON_THIS_SYSTEM: &str = "/var/lib/vigie/recovery";

/// A place, and whether the report is there.
pub type Kept = (PathBuf, Result<Saved>);

/// Whether one of the volumes is a state volume.
#[must_use]
pub fn has_state(targets: &[Target]) -> bool {
    targets.iter().any(is_state)
}

fn is_state(target: &Target) -> bool {
    let part = target.part();
    part.is_some_and(|part| part.purpose == Purpose::State)
}

/// Writes a report onto the state volumes among those that were checked.
#[must_use]
pub fn on_checked(
    report: &Report,
    targets: &[Target],
    volumes: &[Volume],
    seen: (&Seen, &Sysfs),
    language: Language,
) -> Vec<Kept> {
    let all = targets.iter().zip(volumes).zip(&report.volumes);
    let states = all.filter(|((target, _), _)| is_state(target));
    let kept = states.map(|((_, volume), one)| {
        let device = volume.node().to_owned();
        let written = match (one.verdict.is_good(), still(seen, &device, language)) {
            (true, Ok(())) => keep::write_on_state(report, &device),
            (true, Err(why)) => Err(Error::msg(why)),
            (false, _) => Err(Error::msg(one.verdict.words(language))),
        };
        (device, written)
    });
    kept.collect()
}

/// Writes a report onto a state volume that was not checked itself: where it was unmounted in good order, and
/// where it is that of this running system.
pub fn on_state(
    report: &Report,
    state: &Volume,
    seen: (&Seen, &Sysfs),
    language: Language,
) -> Kept {
    let place = place(state, &Uses::now(), language);
    let written = match still(seen, state.node(), language).and(place) {
        Ok(Place::Volume(device)) => keep::write_on_state(report, device),
        Ok(Place::Here) => keep::write_in(report, Path::new(VAR)),
        Err(why) => Err(Error::msg(why)),
    };
    (state.node().to_owned(), written)
}

/// Hours may have gone by since it was chosen.
fn still((seen, sysfs): (&Seen, &Sysfs), device: &Path, language: Language) -> Result<(), String> {
    let still = seen.still(sysfs, device);
    still.map_err(|replaced| {
        let refusal = replaced.into();
        Reason::Refused { refusal }.words(language)
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    /// A volume that nobody uses.
    Volume(&'a Path),
    /// The state volume of this system.
    Here,
}

/// Where a report goes of a state volume, or why not, in words.
fn place<'a>(state: &'a Volume, uses: &Uses, language: Language) -> Result<Place<'a>, String> {
    let words = |refusal: Refusal| Reason::Refused { refusal }.words(language);
    let device = match &state.path {
        Ok(device) => device,
        Err((_, refusal)) => return Err(words(refusal.clone())),
    };
    match uses.free(device) {
        Ok(()) => {}
        Err(Refusal::Mounted { at }) if at == Path::new(VAR) => return Ok(Place::Here),
        Err(refusal) => return Err(words(refusal)),
    }
    let superblock = look(device, Mode::Inspect).map_err(words)?.superblock;
    match superblock.is_some_and(|one| one.health == Health::Clean) {
        true => Ok(Place::Volume(device)),
        false => Err(say("check.state-not-clean", &[], language)),
    }
}

/// Says where a report went.
pub fn tell<W: Write>(kept: &Kept, json: bool, language: Language, show: &mut Show<W>) {
    let (place, written) = kept;
    match written {
        Ok(saved) => {
            match json {
                true => show.line(&json!({"event": "report", "path": saved.path}).to_string()),
                false => {
                    let path = [("path", saved.path.display().to_string())];
                    show.line(&say("check.report-written", &path, language));
                }
            }
            if let Some(freed) = &saved.freed {
                warn(
                    &|language| freed.message().to(language),
                    json,
                    language,
                    show,
                );
            }
        }
        Err(error) => {
            let values = [
                ("place", place.display().to_string()),
                ("error", format!("{error:#}")),
            ];
            let words = |language| say("check.report-not-written", &values, language);
            warn(&words, json, language, show);
        }
    }
}

fn warn<W: Write>(
    words: &dyn Fn(Language) -> String,
    json: bool,
    language: Language,
    show: &mut Show<W>,
) {
    if !json {
        return eprintln!("vigie-recovery: {}", words(language));
    }
    let event = json!({"event": "warning", "text": words(Language::En),
        "text_fr": words(Language::Fr)});
    show.line(&event.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::Arc;

    #[test]
    fn only_a_clean_state_volume_takes_a_report() {
        let dir = tempfile::tempdir().unwrap();
        let uses = Uses {
            sysfs: Sysfs::new(dir.path()),
            mounts: String::new(),
            swaps: String::new(),
        };
        let path = dir.path().join("state");
        let mut state = Volume {
            name: "state".to_owned(),
            path: Ok(path.clone()),
        };
        let mut bytes = vec![0; 1 << 20];
        bytes[1024 + 0x04..1024 + 0x08].copy_from_slice(&1024_u32.to_le_bytes());
        for (marks, clean) in [([0x53, 0xEF, 1], true), ([0x53, 0xEF, 0], false)] {
            bytes[1024 + 0x38..1024 + 0x3B].copy_from_slice(&marks);
            fs::write(&path, &bytes).unwrap();
            let place = place(&state, &uses, Language::En);
            match clean {
                true => assert_eq!(place, Ok(Place::Volume(&path))),
                false => assert!(place.unwrap_err().contains("in good order")),
            }
        }
        let error = "no devices found".to_owned();
        state.path = Err((path, Refusal::NoArray { error }));
        let why = place(&state, &uses, Language::Fr).unwrap_err();
        assert!(why.contains("no devices found"), "{why}");
    }

    #[test]
    fn on_a_full_volume_old_logs_go_for_a_report_and_are_named() {
        let dir = crate::full::tests::volume();
        let report = Report {
            program: "0.1.0".to_owned(),
            mode: Mode::Repair,
            began: 0,
            seconds: 1.0,
            disks: Vec::new(),
            volumes: Vec::new(),
        };
        let beside = dir
            .path()
            .join("lib/vigie/recovery/check-19700101T000000Z.new");
        std::os::unix::fs::symlink("/dev/full", &beside).unwrap();
        let saved = keep::write_in(&report, dir.path()).unwrap();
        assert!(saved.path.exists());
        let mut out = Vec::new();
        let mut show = Show::fitting(&mut out, true, Language::En, Arc::default());
        tell(
            &("/dev/sda7".into(), Ok(saved)),
            true,
            Language::En,
            &mut show,
        );
        let said = String::from_utf8(out).unwrap();
        let events: Vec<serde_json::Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(events[0]["event"], "report");
        assert_eq!(events[1]["event"], "warning");
        for text in [&events[1]["text"], &events[1]["text_fr"]] {
            let text = text.as_str().unwrap();
            assert!(
                crate::full::tests::OLD
                    .iter()
                    .all(|file| text.contains(file)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_script_is_told_too_that_a_report_is_nowhere() {
        let mut out = Vec::new();
        let mut show = Show::fitting(&mut out, true, Language::En, Arc::default());
        let kept = ("/dev/sda7".into(), Err(Error::msg("no room")));
        tell(&kept, true, Language::En, &mut show);
        let event: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(event["event"], "warning");
        for text in [&event["text"], &event["text_fr"]] {
            let text = text.as_str().unwrap();
            assert!(
                text.contains("/dev/sda7") && text.contains("no room"),
                "{text}"
            );
        }
    }
}
