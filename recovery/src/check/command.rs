//! `vigie-recovery check`.
//!
//! Exit codes, the worst of all volumes: 0 all are clean, 1 something was repaired, 2 wrong use,
//! 4 damage is left or a volume is lost, 8 a volume could not be checked.

mod tell;

use std::fs::{self, OpenOptions};
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::toolbox::HostTools;
use vigie_settings::Language;
use vigie_settings::apply::CHECK_NOW;

use super::array::{self, Started};
use super::bounded::bounded;
use super::full;
use super::guarded;
use super::health;
use super::in_use::Uses;
use super::keep;
use super::kept::{self, Kept, ON_THIS_SYSTEM};
use super::ladder::Mode;
use super::look::look;
use super::report::Report;
use super::show::Show;
use super::stuck::Patience;
use super::targets::{self, Asked, Choice, Part, Target, Wrong};
use super::told;
use super::verdict::{self, Verdict, exit_code};
use super::volume::{Check, Volume};
use super::whose::state_of;
use crate::disks::Disk;
use crate::disks::seen::Seen;
use crate::held;
use crate::message::Message;
use crate::volumes::Inventory;

/// A disk that has to start its platters first needs about ten seconds.
const LABEL_WITHIN: Duration = Duration::from_secs(30);
const WRONG_USE: u8 = 2;
const NOT_CHECKED: u8 = 8;

/// Checks volumes: the system volume first, then those of recordings. Nothing is written without
/// --repair.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Volumes by name (state, data-1), device or image file; all of the installation where none
    /// is named.
    #[arg(conflicts_with = "all")]
    pub volumes: Vec<PathBuf>,
    /// Every volume of every installation, and of disks of recordings alone.
    #[arg(long, conflicts_with = "disk")]
    pub all: bool,
    /// The system disk of the installation, where there are several.
    #[arg(long, value_parser = crate::choose::named)]
    pub disk: Option<PathBuf>,
    /// Repair what is damaged: the journal first, then what is safe, then everything, if need be
    /// from copies of the superblock.
    #[arg(long)]
    pub repair: bool,
    /// Only the journal, and what needs no decision; a volume that is clean is not looked through. An
    /// appliance does this at each start.
    #[arg(long, conflicts_with = "repair")]
    pub preen: bool,
    /// Look through volumes that are clean, too. An appliance does so at the start that was told to check all.
    #[arg(long, requires = "preen")]
    pub thorough: bool,
    /// Tell the running appliance: its state shows volumes that are being checked or are not
    /// used, and a report is kept of each that was not clean.
    #[arg(long)]
    pub tell: bool,
    /// For experts: repair also where this medium is of another major version than the installation.
    #[arg(long)]
    pub other_version: bool,
    /// Repair also where there is no room and what finds none is thrown away; without it a person is
    /// asked, and for a script the volume is left as it is.
    #[arg(long, requires = "repair")]
    pub full_volume: bool,
    /// Repair also where a disk says that it fails; without it a person is asked, and a script
    /// refused.
    #[arg(long, requires = "repair")]
    pub failing_disk: bool,
    /// Wait for an array that is being synchronised.
    #[arg(long)]
    pub wait: bool,
    /// Print JSON lines.
    #[arg(long)]
    pub json: bool,
    /// Write the report into this folder, too, such as one of a stick.
    #[arg(long)]
    pub report: Option<PathBuf>,
}

impl Arguments {
    /// Whether clean volumes are looked through; `now` is there in a start that was told to, and says of which
    /// volumes that is over.
    fn is_thorough(&self, now: &Path) -> bool {
        let is_told = self.preen && self.tell;
        let is_asked = || fs::read_to_string(now).is_ok_and(|done| !self.are_in(&done));
        self.thorough || is_told && is_asked()
    }

    fn are_in(&self, done: &str) -> bool {
        let is_in = |volume: &PathBuf| done.lines().any(|line| Path::new(line) == volume);
        !self.volumes.is_empty() && self.volumes.iter().all(is_in)
    }

    /// Once in a start: a check tells systemd of its device anew, which wants the volume, and its check, again. One
    /// of hours that finds a volume bad would go on for ever.
    fn note_thorough(&self, now: &Path) {
        if !self.tell || !now.exists() {
            return;
        }
        let lines = self
            .volumes
            .iter()
            .map(|one| format!("{}\n", one.display()));
        let noted = OpenOptions::new()
            .append(true)
            .open(now)
            .and_then(|mut file| file.write_all(lines.collect::<String>().as_bytes()));
        if let Err(error) = noted {
            eprintln!("vigie-recovery: {}: {error}", now.display());
        }
    }

    /// Whether a person is at work on volumes that are written to: an appliance at its start is no person, keeps its
    /// own reports, and asks logind for nothing, which may not be there yet.
    const fn is_written(&self) -> bool {
        self.repair || self.preen && !self.tell
    }

    /// Whether the version guard holds: where anything is written. An appliance at its start is its own system.
    const fn is_guarded(&self) -> bool {
        let own = self.preen && self.tell;
        (self.repair || self.preen) && !own && !self.other_version
    }
}

/// What a command is about.
struct Scene<'a> {
    arguments: &'a Arguments,
    language: Language,
    sysfs: Sysfs,
    /// The disks before anything was looked for on them.
    seen: Seen,
    found: Inventory,
    parts: Vec<Part>,
    choice: Choice,
}

/// Runs it; the exit code.
///
/// # Errors
/// Signals cannot be waited for.
pub fn run(arguments: &Arguments, language: Language) -> Result<u8> {
    let scene = match Scene::look(arguments, language) {
        Ok(scene) => scene,
        Err(wrong) => return Ok(tell::wrong(&wrong, arguments.json, language)),
    };
    if arguments.is_guarded() {
        let may = guarded::may_repair(&scene.sysfs, &scene.written());
        if let Err(refusal) = may {
            return Ok(tell::refused(&refusal.message(), arguments.json, language));
        }
    }
    let mut show = Show::fitting(std::io::stdout(), arguments.json, language, stop()?);
    if arguments.tell && !arguments.json {
        show = show.only_what_matters();
    }
    scene.run(&mut show)
}

impl<'a> Scene<'a> {
    fn look(arguments: &'a Arguments, language: Language) -> Result<Self, Wrong> {
        let asked = Asked {
            all: arguments.all,
            disk: arguments.disk.clone(),
            volumes: arguments.volumes.clone(),
        };
        let sysfs = Sysfs::default();
        let seen = Seen::now(&sysfs);
        let (found, parts) = match asked.needs_a_search() {
            true => (targets::inventory(&sysfs), targets::parts(&sysfs)),
            false => Default::default(),
        };
        let choice = targets::choose(&asked, &found, &parts);
        tell::cut(&found, &choice, arguments.json, language);
        let choice = choice?;
        Ok(Self {
            arguments,
            language,
            sysfs,
            seen,
            found,
            parts,
            choice,
        })
    }

    /// The state volume that a report of a repair goes to, where it is not checked itself.
    fn state(&self) -> Option<Target> {
        let targets = &self.choice.targets;
        let wanted = self.arguments.is_written() && !kept::has_state(targets);
        let state = || state_of(targets, &self.found.installations, &self.parts);
        wanted.then(state)?.map(Target::Ours)
    }

    /// All that may be written to: a volume of which nobody knows whose it is has the version of the system
    /// that it is taken for.
    fn written(&self) -> Vec<Target> {
        let targets = self.choice.targets.iter().cloned();
        targets.chain(self.state()).collect()
    }

    fn mode(&self) -> Mode {
        match (self.arguments.repair, self.arguments.preen) {
            (true, _) => Mode::Repair,
            (false, true) if self.arguments.is_thorough(&now()) => Mode::Thorough,
            (false, true) => Mode::Preen,
            (false, false) => Mode::Inspect,
        }
    }

    fn run(&self, show: &mut Output) -> Result<u8> {
        let (arguments, language) = (self.arguments, self.language);
        let (json, repairs) = (arguments.json, arguments.repair);
        tell::whose(&self.choice, json, language, show);
        // Arrays stay as they are until the report is written.
        let mut arrays = Vec::new();
        let targets = &self.choice.targets;
        let start = |target| self.volume(target, &mut arrays);
        let volumes: Vec<Volume> = targets.iter().map(start).collect();
        let disks = match disks_first(arguments, &self.sysfs, &volumes, language, show) {
            Ok(disks) => disks,
            Err(why) => return Ok(tell::refused(&why, json, language)),
        };
        if repairs {
            full::warn(&volumes, json, language, show);
        }
        let holds = repairs || arguments.is_written() && held::is_possible();
        let _held = holds.then(|| held::hold_off_for(json, language));
        let report = self.check(disks, &volumes, show);
        for kept in self.kept(&report, &volumes, &mut arrays) {
            kept::tell(&kept, json, language, show);
        }
        let code = exit_code(report.volumes.iter().map(|one| &one.verdict));
        tell::summary(json, &report, code, language, show);
        Ok(code)
    }

    /// The device of a target; an array is started for it.
    fn volume(&self, target: &Target, arrays: &mut Vec<Started<'static>>) -> Volume {
        let part = match target {
            Target::Named(path) => {
                return Volume {
                    name: by_label(path),
                    path: Ok(path.clone()),
                };
            }
            Target::Ours(part) => part,
        };
        let path = self.device(part, arrays);
        Volume {
            name: part.purpose.name(),
            path: path.map_err(|refusal| (part.node.clone(), refusal)),
        }
    }

    /// The device of a partition of ours, which is still on its disk: what array a member is of now, its name
    /// says no more.
    fn device(
        &self,
        part: &Part,
        arrays: &mut Vec<Started<'static>>,
    ) -> Result<PathBuf, verdict::Refusal> {
        self.seen.still(&self.sysfs, &part.node)?;
        let Some(array) = part.array else {
            return Ok(part.node.clone());
        };
        let writes = self.mode() != Mode::Inspect;
        let started = array::start(&HostTools, &self.sysfs, &part.node, array, writes)?;
        let device = started.device.clone();
        arrays.push(started);
        Ok(device)
    }

    /// Checks the volumes, and tells the running appliance.
    fn check(&self, disks: Vec<Disk>, volumes: &[Volume], show: &mut Output) -> Report {
        let arguments = self.arguments;
        let mut check = Check {
            tools: &HostTools,
            uses: Uses::now(),
            mode: self.mode(),
            wait: arguments.wait,
            seen: Some(self.seen.clone()),
            even_full: arguments.full_volume,
        };
        if arguments.tell {
            let targets = &self.choice.targets;
            tell::begin(targets, volumes);
            let paths = targets.iter().filter_map(named);
            show.tell(Path::new(told::FOLDER), paths.map(Path::to_owned).collect());
        }
        if check.mode == Mode::Thorough {
            arguments.note_thorough(&now());
        }
        let mut report = check.report(disks, volumes, show);
        let somebody = std::io::stdin().is_terminal() && !arguments.json && !arguments.tell;
        if somebody && arguments.repair {
            check.even_full = true;
            full::ask(&check, volumes, &mut report, self.language, show);
        }
        if arguments.tell {
            tell::end(&self.choice.targets, &report);
        }
        report
    }

    /// Keeps the report on the state volume, where something was to be written at all, and where a
    /// person says.
    fn kept(
        &self,
        report: &Report,
        volumes: &[Volume],
        arrays: &mut Vec<Started<'static>>,
    ) -> Vec<Kept> {
        let (arguments, language) = (self.arguments, self.language);
        let targets = &self.choice.targets;
        let mut kept = Vec::new();
        let mut verdicts = report.volumes.iter().map(|one| &one.verdict);
        let is_news = verdicts.any(|one| *one != Verdict::Clean);
        let wanted = arguments.is_written() && (arguments.repair || is_news);
        if wanted && kept::has_state(targets) {
            let seen = (&self.seen, &self.sysfs);
            kept = kept::on_checked(report, targets, volumes, seen, language);
        } else if wanted {
            let state = self.state();
            let state = state.map(|target| self.volume(&target, arrays));
            let seen = (&self.seen, &self.sysfs);
            kept.extend(state.map(|state| kept::on_state(report, &state, seen, language)));
        }
        let mut write =
            |folder: &Path| kept.push((folder.into(), keep::write(report, folder).map(Into::into)));
        if let Some(folder) = &arguments.report {
            write(folder);
        }
        if arguments.tell && is_news {
            write(Path::new(ON_THIS_SYSTEM));
        }
        kept
    }
}

/// There in a start that was told to check all volumes.
fn now() -> PathBuf {
    Path::new("/").join(CHECK_NOW)
}

/// How the disks are, and whether a repair may begin on them; if not, why. A start of an appliance
/// waits for no disk that does not answer.
fn disks_first(
    arguments: &Arguments,
    sysfs: &Sysfs,
    volumes: &[Volume],
    language: Language,
    show: &mut Output,
) -> Result<Vec<Disk>, Message> {
    if arguments.tell {
        return Ok(Vec::new());
    }
    let disks = health::of(&HostTools, sysfs, volumes);
    health::show(&disks, arguments.json, language, show);
    let said = !arguments.repair || arguments.failing_disk;
    health::may_repair(&disks, said, arguments.json, language)?;
    Ok(disks)
}

type Output = Show<std::io::Stdout>;

/// What a person named is what the programs that are told know a volume by.
fn named(target: &Target) -> Option<&Path> {
    match target {
        Target::Named(path) => Some(path),
        Target::Ours(_) => None,
    }
}

/// A volume that was named by its path, by its label where it has one and says so soon enough.
fn by_label(path: &Path) -> String {
    let place = path.to_owned();
    let soon = Patience {
        alone: LABEL_WITHIN,
        ..Patience::default()
    };
    let label = bounded(soon, &|| false, move || look(&place, Mode::Inspect))
        .and_then(Result::ok)
        .and_then(|looked| looked.superblock)
        .map(|superblock| superblock.label);
    label
        .filter(|label| !label.is_empty())
        .unwrap_or_else(|| path.display().to_string())
}

/// Set when a person wants it to stop. The terminal's signals reach us, and never e2fsck.
fn stop() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("waiting for signals")?;
    }
    Ok(stop)
}

#[cfg(test)]
mod tests;
