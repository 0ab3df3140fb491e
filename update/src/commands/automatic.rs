//! `vigie-update auto` and `situation`: what is done without a person, on the running machine.

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Zoned;
use vigie_machine::Machine as Hardware;
use vigie_settings::{Automatic, Update};

use super::apply::{self, Asked, Order, PROGRAM};
use super::list;
use super::serve::restart;
use crate::appliance::{This, settings};
use crate::apply::ApplyError;
use crate::apply::lock::{self, LOCK};
use crate::attempts;
use crate::automatic::{Step, WHO, next};
use crate::doors::found::Found;
use crate::history;
use crate::progress::Progress;
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
    let (found, files): (Vec<Found>, Vec<_>) = list::scan(&this)?.into_iter().unzip();
    let waiting = this.context(false)?.standing.waiting.is_some();
    let records = history::load(&this.folder);
    let tried = attempts::load(&this.folder).with_context(|| untold(&this))?;
    match next(&found, &records, &tried, waiting, in_window(settings)) {
        Step::Nothing => Ok(false),
        Step::Later => {
            say!("an update is ready; it waits for its time of day");
            Ok(false)
        }
        Step::Restart => restart().map(|()| false),
        Step::Apply(chosen) => {
            let at = found.iter().position(|one| one.id == chosen.id);
            let file = at.and_then(|at| files.into_iter().nth(at));
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
        Ok(applied) => say!("{}", apply::success(&applied, false)),
        Err(ApplyError::Busy(who)) => return Ok(busy(&who)),
        Err(error) => warn!("{}", apply::failure(&error, false)),
    }
    Ok(true)
}

/// Another door is in use; the next run looks again.
fn busy(who: &str) -> bool {
    say!("another update is under way ({who})");
    false
}

/// Whether this is a time of day at which the settings let the machine restart.
fn in_window(settings: &Update) -> bool {
    let now = Zoned::now();
    let minute = u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs());
    settings
        .window
        .as_ref()
        .is_none_or(|window| window.contains(minute))
}

/// Writes what the account that fetches packages may know.
///
/// # Errors
/// This is no installed appliance; the folder in memory cannot be written.
pub fn tell_situation() -> Result<()> {
    let this = This::load()?;
    let standing = this.context(false)?.standing;
    let (not_again, fates) = situation::of_history(&history::load(&this.folder));
    let floor = Floor::load(&this.folder);
    let told = Situation {
        reached: floor.reached.version,
        reached_epoch: floor.reached.security_epoch,
        waiting: standing.waiting,
        licensed_major: this.licensed_major,
        revoked: floor.revoked,
        not_again,
        fates,
        serial: serial(&settings(Path::new("/"))),
        machine: this.machine,
    };
    told.save(Path::new(situation::FOLDER))
        .with_context(|| format!("writing {}/{}", situation::FOLDER, situation::FILE))
}

/// The serial number, where it is what a fleet server knows this machine by: the kernel shows it to
/// root alone, and so it is handed on only where it is needed.
fn serial(settings: &Update) -> Option<String> {
    let fleet = settings.hawkbit.as_ref()?;
    let asked = fleet.controller.is_none();
    asked.then(|| Hardware::this().dmi.serial).flatten()
}
