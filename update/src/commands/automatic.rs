//! `vigie-update auto` and `situation`: what is done without a person, on the running machine.

use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use jiff::Zoned;
use vigie_machine::Machine as Hardware;
use vigie_settings::{Automatic, Language, Update};

use super::apply::{self, Asked, Order, PROGRAM};
use super::list;
use super::serve::restart;
use crate::appliance::{This, settings};
use crate::apply::ApplyError;
use crate::apply::lock::{self, LOCK};
use crate::apply::target::Target as _;
use crate::attempts;
use crate::automatic::{self, Now, Step, WHO, is_time, next};
use crate::doors::found::Found;
use crate::fate;
use crate::history;
use crate::machine::OS_RELEASE;
use crate::progress::Progress;
use crate::pulled::{self, Consent};
use crate::reached::Floor;
use crate::situation::{self, Situation};
use crate::{say, warn};

/// Packages that are tried in one run.
const TRIES: usize = 4;

/// Installs the best package that came by itself, and restarts, where the settings say so.
///
/// # Errors
/// This is no installed appliance; the restart was refused; an attempt cannot be written down, so
/// that none is made. A package that is refused is none: the next is tried.
pub fn run() -> Result<()> {
    let settings = settings(Path::new("/"));
    if settings.automatic != Automatic::Install {
        say!("updates are not installed without being asked for (automatic = \"install\")");
        return Ok(());
    }
    for _ in 0..TRIES {
        if !step(&settings)? {
            break;
        }
    }
    Ok(())
}

/// One step; says whether to look for another.
fn step(settings: &Update) -> Result<bool> {
    let mut this = This::load()?;
    let all = list::scan_fixed(&this)?.into_iter();
    let (found, files): (Vec<Found>, Vec<_>) = all.unzip();
    let waiting = this.context(false)?.standing.waiting.is_some();
    let records = history::load(&this.folder);
    let tried = attempts::load(&this.folder).with_context(|| untold(&this))?;
    let clock_is_set = clock_is_set();
    let consent = consent();
    let now = Now {
        tried: &tried,
        waiting,
        going_back: fate::going_back(&this.target.load()?, this.slot),
        plain_server: settings.source.is_some() && settings.hawkbit.is_none(),
        in_window: is_time(settings.window.as_ref(), minute(), clock_is_set),
        consent: consent.as_deref(),
    };
    match next(&found, &records, now) {
        Step::Nothing => Ok(false),
        Step::Later => {
            say!("an update is ready; it waits for its time of day");
            if !clock_is_set {
                say!("the clock is not set; set it, or name a time server in [time]");
            }
            Ok(false)
        }
        Step::Restart => restart().map(|()| false),
        Step::Apply(chosen) => {
            let at = found.iter().position(|one| one.id == chosen.id);
            let file = at.and_then(|at| files.into_iter().nth(at)).flatten();
            let file = file.context("the list of packages has changed")?;
            install(&mut this, chosen, file)
        }
    }
}

/// Why nothing is tried.
fn untold(this: &This) -> String {
    format!(
        "writing down in {} what is tried; until that works nothing is installed without being \
         asked for, check the state volume's space and health",
        this.folder.display()
    )
}

/// Tries the package that was chosen; says whether to look for another.
fn install(this: &mut This, chosen: &Found, mut package: File) -> Result<bool> {
    package.rewind().context("reading the package anew")?;
    if let Some(who) = lock::holder(Path::new(LOCK)) {
        return Ok(busy(&who));
    }
    let id = chosen.package.as_deref().unwrap_or_default();
    attempts::add(&this.folder, id).with_context(|| untold(this))?;
    let order = Order {
        package,
        expected: chosen.package.clone(),
        asked: Asked {
            door: chosen.door,
            who: Some(WHO.to_owned()),
            reinstall: false,
        },
    };
    let mut progress = Progress::new(false);
    match apply::run(this, Path::new(PROGRAM), &order, &mut progress) {
        Ok(applied) => say!("{}", apply::success(&applied, Language::En)),
        Err(ApplyError::Busy(who)) => return Ok(busy(&who)),
        Err(error) => warn!("{}", apply::failure(&error, Language::En)),
    }
    Ok(true)
}

/// Another door is in use; the next run looks again.
fn busy(who: &str) -> bool {
    say!("another update is under way ({who})");
    false
}

/// The local time, in minutes since midnight.
fn minute() -> u16 {
    let now = Zoned::now();
    u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs())
}

/// Whether the clock may be right. All files of an image carry the time when it was made: before
/// that it cannot run. A battery that is flat shows so until a time server was reached.
fn clock_is_set() -> bool {
    let made = std::fs::metadata(OS_RELEASE).and_then(|about| about.modified());
    made.is_ok_and(|made| SystemTime::now() >= made)
}

/// The package that a fleet server lets be installed now.
fn consent() -> Option<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let consent = Consent::load(Path::new(pulled::FOLDER)).ok()?;
    consent
        .holds(now.map_or(0, |now| now.as_secs()))
        .then_some(consent.package)
}

/// Writes what the account that fetches packages may know.
///
/// # Errors
/// This is no installed appliance; the folder in memory cannot be written.
pub fn tell_situation() -> Result<()> {
    let this = This::load()?;
    let standing = this.context(false)?.standing;
    let settings = settings(Path::new("/"));
    let installs = settings.automatic == Automatic::Install;
    // What cannot be read is not tried again either.
    let tried = attempts::load(&this.folder).ok().filter(|_| installs);
    let records = history::load(&this.folder);
    let exhausted = tried.as_deref().map(automatic::exhausted);
    let (not_again, fates) = situation::of_history(&records, tried.as_deref());
    let floor = Floor::load(&this.folder);
    let told = Situation {
        reached: floor.reached.version,
        reached_epoch: floor.reached.security_epoch,
        waiting: standing.waiting,
        licensed_major: this.licensed_major,
        revoked: floor.revoked,
        not_again,
        fates,
        exhausted: exhausted.unwrap_or_default(),
        serial: serial(&settings),
        busy: lock::holder(Path::new(LOCK)).is_some(),
        machine: this.machine,
    };
    told.save(Path::new(situation::FOLDER))
        .with_context(|| format!("writing {}/{}", situation::FOLDER, situation::FILE))
}

/// The serial number, where a fleet server is told it: the kernel shows it to root alone, and so it
/// is handed on only where it is needed.
fn serial(settings: &Update) -> Option<String> {
    settings.hawkbit.as_ref()?;
    Hardware::this().dmi.serial
}
