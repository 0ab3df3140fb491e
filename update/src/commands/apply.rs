//! `vigie-update apply`: a package into the other slot.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use signal_hook::consts::SIGHUP;
use signal_hook::flag;
use vigie_settings::Language;

use crate::appliance::This;
use crate::apply::lock::{self, LOCK};
use crate::apply::sandboxed::{ACCOUNT, Sandboxed};
use crate::apply::{self, ApplyError, Opened, Unpacker};
use crate::fate::{self, SlotFacts};
use crate::history::{self, Door, Outcome, Reason, Record};
use crate::package::Keyring;
use crate::policy::Standing;
use crate::progress::Progress;
use crate::version::Version;
use crate::warn;

/// Where this program is, for starting its unpacking process.
pub const PROGRAM: &str = "/proc/self/exe";

/// Who asks for an update, and how it comes.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How it came.
    pub door: Door,
    /// Who asks.
    pub who: Option<String>,
    /// The highest version that has run well here is allowed again.
    pub reinstall: bool,
}

/// A package, and who asks.
#[derive(Debug)]
pub struct Order {
    /// The opened package.
    pub package: File,
    /// Which one was chosen, by [`Opened::id`], where it was chosen from a list.
    pub expected: Option<String>,
    /// Who asks.
    pub asked: Asked,
}

/// What was applied.
#[derive(Debug)]
pub struct Applied {
    /// Its version.
    pub version: Version,
    /// The slot that it went into.
    pub slot: crate::Slot,
    /// What another disk of the system said; the update is installed all the same.
    pub warning: Option<Reason>,
}

/// Applies a package, and tells the history whatever becomes of it. `program` is the
/// `vigie-update` that unpacks it: [`PROGRAM`] for itself.
///
/// # Errors
/// It was refused, or could not be written.
pub fn run(
    this: &mut This,
    program: &Path,
    order: &Order,
    progress: &mut Progress,
) -> Result<Applied, ApplyError> {
    let open = |keys: &Keyring| {
        let mut unpacker = Sandboxed::start(program, &order.package, Some(ACCOUNT))?;
        let opened = apply::open_chosen(&mut unpacker, keys, order.expected.as_deref())?;
        Ok((opened, unpacker))
    };
    from(this, &order.asked, open, progress)
}

/// Applies what `open` answers once the lock is held, and tells the history whatever becomes of it.
///
/// # Errors
/// It was refused, or could not be written.
pub fn from<U: Unpacker>(
    this: &mut This,
    asked: &Asked,
    open: impl FnOnce(&Keyring) -> Result<(Opened, U), ApplyError>,
    progress: &mut Progress,
) -> Result<Applied, ApplyError> {
    let begun = Instant::now();
    let comma = |who: &String| format!(", {who}");
    let who = asked.who.as_ref().map(comma).unwrap_or_default();
    let _lock = lock::take(Path::new(LOCK), &format!("{}{who}", asked.door.name()))?;
    outlive_the_session();
    let mut record = Record {
        door: Some(asked.door),
        who: asked.who.clone(),
        ..Record::now(Outcome::Installed, this.machine.version)
    };
    let opened = open(&this.keys);
    let result = opened.and_then(|(opened, mut unpacker)| {
        write(this, &opened, &mut unpacker, asked, progress, &mut record)
    });
    progress.finish();
    record.seconds = Some(begun.elapsed().as_secs());
    if let Some(record) = ended(record, result.as_ref().err()) {
        history::tell(&this.folder, &record);
    }
    result
}

/// What the history is told of an installation that ended with this error. Nothing where it only came
/// too early: that settles nothing, neither of an installation that is under way or waits for its
/// restart, nor of this package, which is not to be taken for one that failed here.
fn ended(record: Record, error: Option<&ApplyError>) -> Option<Record> {
    let Some(error) = error else {
        return Some(record);
    };
    let outcome = match error {
        _ if error.is_for_now() => return None,
        _ if error.is_refusal() => Outcome::Refused,
        _ => Outcome::Failed,
    };
    Some(Record { outcome, ..record }.because(error))
}

/// A terminal that goes away ends nothing that was begun: what was asked for is done, and told in
/// the history. The unpacking process is kept from it by `Sandboxed`.
fn outlive_the_session() {
    // Nobody looks at the flag: that there is a handler is what keeps the signal from ending this.
    if let Err(error) = flag::register(SIGHUP, Arc::default()) {
        warn!("vigie-update: a lost session will end this: {error}");
    }
}

fn write(
    this: &mut This,
    opened: &Opened,
    unpacker: &mut dyn Unpacker,
    asked: &Asked,
    progress: &mut Progress,
    record: &mut Record,
) -> Result<Applied, ApplyError> {
    let Opened { header, id } = opened;
    let slot = this.slot.other();
    record.to = Some(header.version);
    record.slot = Some(slot);
    record.package = Some(id.clone());
    let mut context = this.context(asked.reinstall)?;
    context.standing = through(asked.door, context.standing);
    let folder = &this.folder;
    let remember = &mut |slot, held: Option<SlotFacts>| {
        let done = match held {
            Some(held) => fate::remember(folder, slot, held),
            None => fate::forget(folder, slot),
        };
        if let Err(error) = done {
            warn!("vigie-update: {error}");
        }
    };
    let tell = &mut |phase, done, total| progress.tell(phase, done, total);
    let target = &mut this.target;
    let done = apply::apply(opened, &context, unpacker, target, remember, tell)?;
    let warning = done.warning.as_ref().map(Reason::from);
    if let Some(warning) = warning.clone() {
        *record = record.clone().because(warning);
    }
    Ok(Applied {
        version: header.version,
        slot,
        warning,
    })
}

/// How things stand for who comes through a door. From a medium nothing of the installation runs:
/// a version that waits for a start, or hangs at each, is what is replaced, and needs no restart
/// before.
fn through(door: Door, standing: Standing) -> Standing {
    let waiting = standing.waiting.filter(|_| door != Door::Medium);
    Standing {
        waiting,
        ..standing
    }
}

/// A success, for a person.
#[must_use]
pub fn success(applied: &Applied, language: Language) -> String {
    let Applied { version, slot, .. } = applied;
    let done = match language {
        Language::En => {
            format!("version {version} is in slot {slot}; restart to use it (systemctl reboot)")
        }
        Language::Fr => format!(
            "la version {version} est dans l'emplacement {slot} ; redémarrez pour l'utiliser \
             (systemctl reboot)"
        ),
    };
    match warning(applied, language) {
        Some(warning) => format!("{done}\n{warning}"),
        None => done,
    }
}

/// What a success leaves to be done, for a person.
#[must_use]
pub fn warning(applied: &Applied, language: Language) -> Option<String> {
    let Reason { english, french } = applied.warning.as_ref()?;
    Some(match language {
        Language::En => {
            format!("warning: {english}; replace that disk, it may still start what ran before")
        }
        Language::Fr => format!(
            "attention : {french} ; remplacez ce disque, il peut encore démarrer ce qui tournait \
             avant"
        ),
    })
}

/// A success, for a program.
#[must_use]
pub fn success_event(applied: &Applied) -> Value {
    let Applied {
        version,
        slot,
        warning,
    } = applied;
    let english = warning.as_ref().map(|warning| &warning.english);
    json!({"event": "installed", "version": version, "slot": slot, "warning": english})
}

/// A failure, for a person.
#[must_use]
pub fn failure(error: &ApplyError, language: Language) -> String {
    match (language, error.is_refusal()) {
        (Language::En, true) => format!("vigie-update: refused: {error}"),
        (Language::En, false) => format!("vigie-update: failed: {error}"),
        (Language::Fr, true) => format!("vigie-update: refusé : {}", error.french()),
        (Language::Fr, false) => format!("vigie-update: échec : {}", error.french()),
    }
}

/// A failure, for a program.
#[must_use]
pub fn failure_event(error: &ApplyError) -> Value {
    let event = if error.is_refusal() {
        "refused"
    } else {
        "failed"
    };
    json!({"event": event, "reason": error.to_string(), "reason_fr": error.french()})
}

/// A path, `-` or an id, and who asks.
#[derive(clap::Args, Debug)]
pub struct ApplyArguments {
    /// The package; - reads it from standard input.
    #[arg(required_unless_present = "id")]
    pub file: Option<PathBuf>,
    /// A package that `list` shows, by its id; its door is that of its folder.
    #[arg(long, conflicts_with_all = ["file", "door", "reinstall"])]
    pub id: Option<String>,
    /// Print JSON lines.
    #[arg(long)]
    pub json: bool,
    /// Take also the highest version that has run well here once more: the running one, or after going
    /// back the one that was left. From the console only.
    #[arg(long)]
    pub reinstall: bool,
    /// Restart when it is installed.
    #[arg(long)]
    pub restart: bool,
    /// How the package came, for the history.
    #[arg(long, value_enum, default_value = "console")]
    pub door: Door,
    /// Who asks, for the history.
    #[arg(long)]
    pub who: Option<String>,
}

#[cfg(test)]
mod tests {
    use crate::policy::{Reached, Refusal, Waiting};
    use crate::spoken::both;

    use super::*;

    #[test]
    fn people_are_told_in_their_language_and_programs_in_none() {
        let refused = ApplyError::Busy("web".into());
        let failed = ApplyError::BootState(both("no room", "plus de place"));
        let words = |error: &ApplyError| [Language::En, Language::Fr].map(|l| failure(error, l));
        assert_eq!(
            words(&refused),
            [
                "vigie-update: refused: another update is under way (web); wait until it has ended",
                "vigie-update: refusé : une autre mise à jour est en cours (web) ; attendez sa fin"
            ]
        );
        assert_eq!(
            words(&failed),
            [
                "vigie-update: failed: writing the boot state: no room",
                "vigie-update: échec : écriture de l'état de démarrage : plus de place"
            ]
        );
        let event = failure_event(&refused);
        assert_eq!(event["event"], "refused");
        assert_eq!(event["reason"], refused.to_string());
        assert_eq!(event["reason_fr"], refused.french());
        let applied = Applied {
            version: Version([2, 0, 0, 0]),
            slot: crate::Slot::B,
            warning: None,
        };
        assert!(success(&applied, Language::Fr).starts_with("la version 2.0.0.0 est dans"));
        let event =
            json!({"event": "installed", "version": "2.0.0.0", "slot": "b", "warning": null});
        assert_eq!(success_event(&applied), event);
    }

    /// Run by the test below.
    #[test]
    #[ignore = "a part of the test below, in a process of its own"]
    fn loses_its_session() {
        use rustix::process::{Signal, getpid, kill_process};
        if std::env::var_os("OUTLIVES").is_some() {
            outlive_the_session();
        }
        kill_process(getpid(), Signal::HUP).unwrap();
    }

    #[test]
    fn a_lost_session_ends_no_update() {
        let me = std::env::current_exe().unwrap();
        let name = "commands::apply::tests::loses_its_session";
        let run = || {
            // Whoever runs these tests may have been told to outlive its own session.
            let mut command = std::process::Command::new("env");
            command.arg("--default-signal=HUP").arg(&me);
            command.args(["--exact", name, "--ignored"]);
            command
        };
        let status = run().env("OUTLIVES", "1").output().unwrap().status;
        assert!(status.success(), "{status}");
        // The test tells one from the other.
        let status = run().output().unwrap().status;
        assert!(!status.success(), "{status}");
    }

    #[test]
    fn c59_an_installation_that_is_asked_for_twice_or_too_early_is_told_once() {
        let record = || Record::now(Outcome::Installed, Version([1, 0, 0, 0]));
        let told = |error: &ApplyError| ended(record(), Some(error)).map(|record| record.outcome);
        let version = Some(Version([2, 0, 0, 0]));
        let waits = ApplyError::Refused(Refusal::Waiting { version });
        assert_eq!(told(&waits), None);
        assert_eq!(told(&ApplyError::Busy("web".into())), None);
        let running = Version([1, 0, 0, 0]);
        let unconfirmed = ApplyError::Refused(Refusal::Unconfirmed { running });
        assert_eq!(told(&unconfirmed), None);
        let older = ApplyError::Refused(Refusal::NotNewer {
            package: Version([1, 0, 0, 0]),
            reached: Version([1, 0, 0, 0]),
        });
        assert_eq!(told(&older), Some(Outcome::Refused));
        let failed = ApplyError::BootState(both("no room", "plus de place"));
        assert_eq!(told(&failed), Some(Outcome::Failed));
        let done = ended(record(), None).map(|record| record.outcome);
        assert_eq!(done, Some(Outcome::Installed));
    }

    #[test]
    fn c77_a_version_that_hangs_is_replaced_from_the_medium_and_only_from_there() {
        let waits = Waiting {
            version: Some(Version([2, 0, 0, 0])),
        };
        for (door, refused) in [
            (Door::Medium, false),
            (Door::Console, true),
            (Door::Web, true),
            (Door::Usb, true),
        ] {
            let standing = Standing {
                reached: Reached::default(),
                confirmed: true,
                waiting: Some(waits),
                licensed_major: 1,
                reinstall: false,
            };
            let seen = through(door, standing);
            assert_eq!(seen.waiting.is_some(), refused, "{door:?}");
            let rest = Standing {
                waiting: standing.waiting,
                ..seen
            };
            assert_eq!(rest, standing, "{door:?}");
        }
    }
}
