//! `vigie-update status`, `mark-good`, `give-up`, `rollback`, `history`, `floor`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use vigie_disk::sysfs::Sysfs;
use vigie_settings::Language;

use crate::appliance::This;
use crate::apply::ApplyError;
use crate::apply::lock::{self, LOCK, Lock};
use crate::boot_state::BootState;
use crate::esp;
use crate::fate::{self, GivenUp};
use crate::history::{self, Door, Outcome, Reason, Record};
use crate::machine::OS_RELEASE;
use crate::reached::{self, Floor};
use crate::running::{BOOT_JSON, Mode, Running};
use crate::slot::Slot;
use crate::spoken::Spoken;
use crate::status::{Copy, Status};
use crate::{say, warn};

/// How long what a start has shown waits for an update that is under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Version, slots and what the next start will boot.
pub fn status(json: bool, language: Language) -> Result<()> {
    let status = status_now()?;
    if json {
        say!("{}", serde_json::to_string(&status)?);
    } else {
        say!("{}", status.lines(language).join("\n"));
    }
    Ok(())
}

/// The same, as it is now.
pub fn status_now() -> Result<Status> {
    let running = Running::load(Path::new(BOOT_JSON))?;
    let sysfs = Sysfs::default();
    let os_release = std::fs::read_to_string(OS_RELEASE).unwrap_or_default();
    let state = match running.mode {
        Mode::Live => None,
        Mode::Installed => Some(load_state(&running, &sysfs)?),
    };
    let mut status = Status::new(&running, &os_release, state.as_ref());
    if let Some(state) = &state {
        let others = esp::other_disks(&running, &sysfs).into_iter();
        let copies = others.map(|disk| {
            let found = esp::open_on(&disk, &sysfs, false).and_then(|esp| esp::load(&esp));
            let expected = esp::state_on(&disk, &running, &sysfs, state);
            Copy::new(&disk, found, &expected)
        });
        status.copies = copies.collect();
        status.holds = fate::facts(&reached::folder(Path::new("/")));
        status.waiting = running.slot.is_some_and(|slot| fate::waiting(state, slot));
    }
    Ok(status)
}

fn load_state(running: &Running, sysfs: &Sysfs) -> Result<BootState> {
    let esp = esp::open(running, sysfs, false).map_err(ApplyError::Esp)?;
    Ok(esp::load(&esp).map_err(ApplyError::Esp)?)
}

/// The running slot has come up healthy.
pub fn mark_good(language: Language) -> Result<()> {
    if is_live()? {
        say!(
            "{}",
            match language {
                Language::En => "the live system has no slot to mark",
                Language::Fr => "le système démarré du support n'a pas d'emplacement à marquer",
            }
        );
        return Ok(());
    }
    let mut this = This::load()?;
    let _lock = lock_for_a_while("vigie-update mark-good");
    let slot = this.slot;
    let told = fate::mark_good(
        &mut this.target,
        slot,
        &this.machine,
        &this.keys,
        &this.folder,
    )?;
    let returned = told == Some(Outcome::Returned);
    say!("{}", marked(slot, returned, language).join("\n"));
    Ok(())
}

/// What the console says of a slot that was marked good, and of the other where that has failed.
fn marked(slot: Slot, returned: bool, language: Language) -> Vec<String> {
    let (marked, failed) = match language {
        Language::En => (
            format!("slot {slot} is marked good"),
            "the version that was installed last did not come up; this is the one before",
        ),
        Language::Fr => (
            format!("l'emplacement {slot} est marqué bon"),
            "la dernière version installée n'a pas démarré ; voici celle d'avant",
        ),
    };
    let failed = returned.then(|| failed.to_owned());
    [marked].into_iter().chain(failed).collect()
}

fn is_live() -> Result<bool> {
    Ok(Running::load(Path::new(BOOT_JSON))?.mode == Mode::Live)
}

/// The running slot is not healthy; says whether a restart leads to the other one.
pub fn give_up(reason: Reason, language: Language) -> Result<bool> {
    let mut this = This::load()?;
    let _lock = lock_for_a_while("vigie-update give-up");
    let slot = this.slot;
    let told = reason.clone();
    let outcome = fate::give_up(&mut this.target, slot, &this.machine, &this.folder, reason)?;
    if let Some(words) = given_up(slot, &told, outcome, language) {
        say!("{words}");
    }
    Ok(outcome == GivenUp::Gone)
}

/// What the console says. Nothing of a slot that was good once: nothing is done about it, and what
/// has failed there says so itself.
fn given_up(slot: Slot, reason: &Reason, outcome: GivenUp, language: Language) -> Option<String> {
    let (other, Reason { english, french }) = (slot.other(), reason);
    Some(match (outcome, language) {
        (GivenUp::Good, _) => return None,
        (GivenUp::Gone, Language::En) => {
            format!("slot {slot} is given up: {english}; the next start is slot {other}")
        }
        (GivenUp::Gone, Language::Fr) => format!(
            "l'emplacement {slot} est abandonné : {french} ; le prochain démarrage est \
             l'emplacement {other}"
        ),
        (GivenUp::NoBetter, Language::En) => {
            format!("slot {slot} is not healthy ({english}), and there is no better one to start")
        }
        (GivenUp::NoBetter, Language::Fr) => format!(
            "l'emplacement {slot} n'est pas sain ({french}), et il n'y en a pas de meilleur à \
             démarrer"
        ),
    })
}

/// The lock, so that no update changes the boot state meanwhile. An update that takes long, or a
/// lock that cannot be had, must not decide what becomes of this start: that is said, and it is gone
/// on without.
fn lock_for_a_while(who: &str) -> Option<Lock> {
    let lock = lock::take_within(Path::new(LOCK), who, PATIENCE);
    lock.inspect_err(|error| warn!("{who} goes on without the lock: {error}"))
        .ok()
}

/// Back to the other slot.
pub fn rollback(door: Door, who: Option<String>) -> Result<Outcome> {
    let mut this = This::load()?;
    let _lock = lock::take(Path::new(LOCK), "vigie-update rollback")?;
    let (slot, asked) = (this.slot, (door, who));
    Ok(fate::rollback(
        &mut this.target,
        slot,
        &this.machine,
        &this.folder,
        asked,
    )?)
}

/// Where the updater of this appliance keeps its files.
fn kept() -> Result<PathBuf> {
    kept_by(&Running::load(Path::new(BOOT_JSON))?)
}

/// Where nothing is kept, an empty answer would be taken for a true one.
fn kept_by(running: &Running) -> Result<PathBuf> {
    if running.mode == Mode::Live {
        return Err(ApplyError::Live.into());
    }
    if running.state_device.is_none() {
        bail!(Spoken::new(
            "the state volume is not mounted, so what was installed here and how far it has come is \
             not known; boot the recovery and check the volumes",
            "le volume d'état n'est pas monté : ce qui a été installé ici, et jusqu'où, n'est pas \
             connu ; démarrez la récupération et vérifiez les volumes",
        ));
    }
    Ok(reached::folder(Path::new("/")))
}

/// All records.
///
/// # Errors
/// This is no installed appliance, or its state volume is not there.
pub fn history(json: bool, language: Language) -> Result<()> {
    let records = history::load(&kept()?);
    if json {
        for record in &records {
            say!("{}", serde_json::to_string(record)?);
        }
    } else {
        say!("{}", told(&records, language, &TimeZone::system()));
    }
    Ok(())
}

/// The records for a person, one a line; an empty answer would say nothing.
fn told(records: &[Record], language: Language, zone: &TimeZone) -> String {
    if records.is_empty() {
        return match language {
            Language::En => "No update has been recorded.".to_owned(),
            Language::Fr => "Aucune mise à jour n'a été enregistrée.".to_owned(),
        };
    }
    let lines = records.iter().map(|record| line(record, language, zone));
    lines.collect::<Vec<_>>().join("\n")
}

/// A record for a person: local time, what became of it, versions, door, who, why.
fn line(record: &Record, language: Language, zone: &TimeZone) -> String {
    let mut line = format!(
        "{} {} {}",
        date(record.time, zone),
        outcome(record.outcome, language),
        record.from
    );
    if let Some(to) = record.to {
        line.push_str(&format!(" -> {to}"));
    }
    if let Some(door) = record.door {
        line.push_str(&format!(", {}", door.word(language)));
    }
    let (by, reason) = match language {
        Language::En => (" by ", record.reason.as_ref()),
        Language::Fr => (
            ", par ",
            record.reason_fr.as_ref().or(record.reason.as_ref()),
        ),
    };
    if let Some(who) = &record.who {
        line.push_str(by);
        line.push_str(who);
    }
    if let Some(reason) = reason {
        line.push_str(if language == Language::Fr {
            " : "
        } else {
            ": "
        });
        line.push_str(reason);
    }
    line
}

fn date(seconds: u64, zone: &TimeZone) -> String {
    let time = i64::try_from(seconds).ok();
    let time = time.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || "?".to_owned(),
        |time| {
            time.to_zoned(zone.clone())
                .strftime("%Y-%m-%d %H:%M")
                .to_string()
        },
    )
}

const fn outcome(outcome: Outcome, language: Language) -> &'static str {
    match (outcome, language) {
        (Outcome::Refused, Language::En) => "refused",
        (Outcome::Refused, Language::Fr) => "refusée",
        (Outcome::Failed, Language::En) => "failed",
        (Outcome::Failed, Language::Fr) => "échec",
        (Outcome::Installed, Language::En) => "installed",
        (Outcome::Installed, Language::Fr) => "installée",
        (Outcome::Good, Language::En) => "good",
        (Outcome::Good, Language::Fr) => "bonne",
        (Outcome::Returned, Language::En) => "returned",
        (Outcome::Returned, Language::Fr) => "revenue",
        (Outcome::Rollback, Language::En) => "rollback",
        (Outcome::Rollback, Language::Fr) => "retour demandé",
        (Outcome::Cancelled, Language::En) => "cancelled",
        (Outcome::Cancelled, Language::Fr) => "annulée",
    }
}

/// The lowest version and epoch that are accepted.
///
/// # Errors
/// As [`history`].
pub fn floor(json: bool, language: Language) -> Result<()> {
    let floor = Floor::load(&kept()?);
    if json {
        let (version, epoch) = (floor.reached.version, floor.reached.security_epoch);
        let revoked = revoked(&floor);
        say!(
            "{}",
            json!({"version": version, "security_epoch": epoch, "revoked": revoked})
        );
    } else {
        say!("{}", floor_lines(&floor, language).join("\n"));
    }
    Ok(())
}

fn revoked(floor: &Floor) -> Vec<String> {
    floor.revoked.iter().map(ToString::to_string).collect()
}

fn floor_lines(floor: &Floor, language: Language) -> [String; 3] {
    let (version, epoch) = (floor.reached.version, floor.reached.security_epoch);
    let revoked = match (revoked(floor), language) {
        (keys, _) if !keys.is_empty() => keys.join(", "),
        (_, Language::En) => "none".to_owned(),
        (_, Language::Fr) => "aucune".to_owned(),
    };
    match language {
        Language::En => [
            format!("highest good version: {version}"),
            format!("security epoch: {epoch}"),
            format!("revoked keys: {revoked}"),
        ],
        Language::Fr => [
            format!("plus haute version bonne : {version}"),
            format!("époque de sécurité : {epoch}"),
            format!("clés révoquées : {revoked}"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use crate::history::Reason;
    use crate::version::Version;

    use super::*;

    #[test]
    fn records_for_people() {
        let record = Record {
            time: 1_700_000_000,
            to: Some(Version([2, 0, 0, 0])),
            door: Some(Door::Https),
            who: Some("anne".into()),
            ..Record::now(Outcome::Returned, Version([1, 0, 0, 0]))
        };
        let record = record.because(Reason {
            english: "it hung".into(),
            french: "elle s'est figée".into(),
        });
        let told = |record: &Record, language| line(record, language, &TimeZone::UTC);
        assert_eq!(
            told(&record, Language::En),
            "2023-11-14 22:13 returned 1.0.0.0 -> 2.0.0.0, https by anne: it hung"
        );
        assert_eq!(
            told(&record, Language::Fr),
            "2023-11-14 22:13 revenue 1.0.0.0 -> 2.0.0.0, https, par anne : elle s'est figée"
        );
        let old = Record {
            time: u64::MAX,
            reason_fr: None,
            ..record
        };
        let told = told(&old, Language::Fr);
        assert!(
            told.starts_with("? revenue") && told.ends_with(" : it hung"),
            "{told}"
        );
    }

    #[test]
    fn where_nothing_is_kept_nothing_is_told_of_it() {
        let kept = |json: &str| kept_by(&serde_json::from_str(json).unwrap());
        let error = kept(r#"{"mode":"live","slot":"a"}"#).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(ApplyError::Live)));
        let error = kept(r#"{"mode":"installed","slot":"a","state_device":null}"#).unwrap_err();
        let said = crate::spoken::of(&error);
        assert!(
            said.to(Language::En)
                .contains("state volume is not mounted")
        );
        assert!(
            said.to(Language::Fr)
                .contains("volume d'état n'est pas monté")
        );
        let there = kept(r#"{"mode":"installed","slot":"a","state_device":"/dev/vda7"}"#);
        assert_eq!(there.unwrap(), Path::new(reached::FOLDER));
    }

    #[test]
    fn no_record_is_said_too() {
        let say = |language| super::told(&[], language, &TimeZone::UTC);
        assert_eq!(say(Language::En), "No update has been recorded.");
        assert!(say(Language::Fr).starts_with("Aucune mise à jour"));
    }

    /// The directives of a unit file.
    fn lines(unit: &str) -> Vec<&str> {
        unit.lines().map(str::trim).collect()
    }

    #[test]
    fn a_healthy_start_is_not_called_sick_after_ten_minutes() {
        let mark_good =
            include_str!("../../../rootfs/overlay/usr/lib/systemd/system/vigie-mark-good.service");
        let stops = "ExecStartPost=-/usr/bin/systemctl --no-block stop vigie-give-up.timer";
        assert!(lines(mark_good).contains(&stops));
        // Should it fire all the same, the console hears nothing of a good slot.
        let reason = Reason {
            english: "no answer".into(),
            french: "pas de réponse".into(),
        };
        let words = |outcome, language| given_up(Slot::A, &reason, outcome, language);
        for (language, no_better, gone) in [
            (
                Language::En,
                "no better one",
                "no answer; the next start is slot b",
            ),
            (
                Language::Fr,
                "pas de meilleur",
                "pas de réponse ; le prochain",
            ),
        ] {
            assert_eq!(words(GivenUp::Good, language), None);
            assert!(
                words(GivenUp::NoBetter, language)
                    .unwrap()
                    .contains(no_better)
            );
            assert!(words(GivenUp::Gone, language).unwrap().contains(gone));
        }
    }

    #[test]
    fn the_console_is_told_in_its_language() {
        let told = |language| {
            let floor = floor_lines(&Floor::default(), language).join("\n");
            floor + "\n" + &marked(Slot::B, true, language).join("\n")
        };
        assert_eq!(
            told(Language::En),
            "highest good version: 0.0.0.0\nsecurity epoch: 0\nrevoked keys: none\n\
             slot b is marked good\n\
             the version that was installed last did not come up; this is the one before"
        );
        assert_eq!(
            told(Language::Fr),
            "plus haute version bonne : 0.0.0.0\népoque de sécurité : 0\nclés révoquées : aucune\n\
             l'emplacement b est marqué bon\n\
             la dernière version installée n'a pas démarré ; voici celle d'avant"
        );
        assert_eq!(marked(Slot::A, false, Language::Fr).len(), 1);
    }
}
