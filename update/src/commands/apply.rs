//! `vigie-update apply`: a package into the other slot.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use crate::appliance::This;
use crate::apply::lock::{self, LOCK};
use crate::apply::sandboxed::{ACCOUNT, Sandboxed};
use crate::apply::{self, ApplyError, Opened, Unpacker};
use crate::fate::{self, SlotFacts};
use crate::history::{self, Door, Outcome, Record};
use crate::package::Keyring;
use crate::progress::Progress;
use crate::version::Version;

/// Where this program is, for starting its unpacking process.
pub const PROGRAM: &str = "/proc/self/exe";

/// Who asks for an update, and how it comes.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How it came.
    pub door: Door,
    /// Who asks.
    pub who: Option<String>,
    /// The same version again is allowed.
    pub reinstall: bool,
}

/// A package, and who asks.
#[derive(Debug)]
pub struct Order {
    /// The opened package.
    pub package: File,
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
    pub warning: Option<String>,
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
        let opened = apply::open(&mut unpacker, keys)?;
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
    let _lock = lock::take(Path::new(LOCK), &format!("{:?}{who}", asked.door))?;
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
    if let Err(error) = &result {
        record.outcome = if error.is_refusal() {
            Outcome::Refused
        } else {
            Outcome::Failed
        };
        record.reason = Some(error.to_string());
    }
    history::tell(&this.folder, &record);
    result
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
    let context = this
        .context(asked.reinstall)
        .map_err(|error| ApplyError::BootState(format!("{error:#}")))?;
    let tell = &mut |phase, done, total| progress.tell(phase, done, total);
    let done = apply::apply(opened, &context, unpacker, &mut this.target, tell)?;
    let warning = done.warning.map(|error| error.to_string());
    record.reason = warning.clone();
    let held = SlotFacts {
        version: header.version,
        security_epoch: header.security_epoch,
    };
    if let Err(error) = fate::remember(&this.folder, slot, held) {
        eprintln!("vigie-update: {error}");
    }
    let version = header.version;
    Ok(Applied {
        version,
        slot,
        warning,
    })
}

/// The words after a success.
#[must_use]
pub fn success(applied: &Applied, json: bool) -> String {
    let Applied {
        version,
        slot,
        warning,
    } = applied;
    if json {
        json!({"event": "installed", "version": version, "slot": slot, "warning": warning})
            .to_string()
    } else {
        let warning = warning.as_ref().map(|warning| {
            format!("\nwarning: {warning}; replace that disk, it may still start what ran before")
        });
        format!(
            "version {version} is in slot {slot}; restart to use it (systemctl reboot){}",
            warning.unwrap_or_default()
        )
    }
}

/// The words after a failure.
#[must_use]
pub fn failure(error: &ApplyError, json: bool) -> String {
    let event = if error.is_refusal() {
        "refused"
    } else {
        "failed"
    };
    if json {
        json!({"event": event, "reason": error.to_string(), "reason_fr": error.french()})
            .to_string()
    } else {
        format!("vigie-update: {event}: {error}")
    }
}

/// A path, `-` or an id, and who asks.
#[derive(clap::Args, Debug)]
pub struct ApplyArguments {
    /// The package; - reads it from standard input.
    #[arg(required_unless_present = "id")]
    pub file: Option<PathBuf>,
    /// A package that `list` shows, by its id; its door is that of its folder.
    #[arg(long, conflicts_with_all = ["file", "door"])]
    pub id: Option<String>,
    /// Print JSON lines.
    #[arg(long)]
    pub json: bool,
    /// Install the running version again.
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
