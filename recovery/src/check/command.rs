//! `vigie-recovery check`.
//!
//! Exit codes, the worst of all volumes: 0 all are clean, 1 something was repaired, 2 wrong use,
//! 4 damage is left or a volume is lost, 8 a volume could not be checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use vigie_disk::Bytes;
use vigie_disk::sysfs::Sysfs;
use vigie_installer::toolbox::HostTools;
use vigie_settings::Language;

use super::array::{self, Started};
use super::health;
use super::in_use::Uses;
use super::keep;
use super::ladder::Mode;
use super::look::look;
use super::report::Report;
use super::show::Show;
use super::targets::{self, Asked, Target, Wrong};
use super::told;
use super::verdict::{Verdict, exit_code};
use super::volume::{Check, Volume};
use super::words::say;
use crate::disks::Disk;
use crate::guard::guard;
use crate::held;
use crate::message::Message;
use crate::refusal::Refusal;
use crate::site::medium_version;
use crate::tell::Tell;
use crate::volumes::{inventory, open_kernel};

const WRONG_USE: u8 = 2;
const NOT_CHECKED: u8 = 8;
/// With less than this free a repair may lose files.
const ROOM: Bytes = Bytes::mib(1);
/// Where a running appliance keeps its reports.
const ON_THIS_SYSTEM: &str = "/var/lib/vigie/recovery";
/// The name of the system volume.
const STATE: &str = "state";

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
    #[arg(long)]
    pub disk: Option<PathBuf>,
    /// Repair what is damaged: the journal first, then what is safe, then everything, if need be
    /// from copies of the superblock.
    #[arg(long)]
    pub repair: bool,
    /// Only the journal, and what needs no decision; a volume that is clean is not looked through. An
    /// appliance does this at each start.
    #[arg(long, conflicts_with = "repair")]
    pub preen: bool,
    /// Tell the running appliance: its state shows volumes that are being checked or are not
    /// used, and a report is kept of each that was not clean.
    #[arg(long)]
    pub tell: bool,
    /// For experts: repair also where this medium is of another major version than the installation.
    #[arg(long, requires = "repair")]
    pub other_version: bool,
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

/// Runs it; the exit code.
///
/// # Errors
/// Signals cannot be waited for.
pub fn run(arguments: &Arguments, language: Language) -> Result<u8> {
    let asked = Asked {
        all: arguments.all,
        disk: arguments.disk.clone(),
        volumes: arguments.volumes.clone(),
    };
    let sysfs = Sysfs::default();
    let (found, parts) = match asked.needs_a_search() {
        true => (targets::installations(&sysfs), targets::parts(&sysfs)),
        false => (Vec::new(), Vec::new()),
    };
    let targets = match targets::choose(&asked, &found, &parts) {
        Ok(targets) => targets,
        Err(wrong) => return Ok(told(&wrong, arguments.json, language)),
    };
    if let Err(refusal) = guarded(arguments, &sysfs, &targets) {
        return Ok(refused(&refusal.message(), arguments.json, language));
    }
    let mode = match (arguments.repair, arguments.preen) {
        (true, _) => Mode::Repair,
        (false, true) => Mode::Preen,
        (false, false) => Mode::Inspect,
    };
    // Arrays stay as they are until the report is written.
    let mut arrays = Vec::new();
    let volumes: Vec<Volume> = targets
        .iter()
        .map(|target| volume(target, &sysfs, mode, &mut arrays))
        .collect();
    let check = Check {
        tools: &HostTools,
        uses: Uses::now(),
        mode,
        wait: arguments.wait,
    };
    let mut show = Show::fitting(std::io::stdout(), arguments.json, language, stop()?);
    if arguments.tell && !arguments.json {
        show = show.only_what_matters();
    }
    let disks = match disks_first(arguments, &sysfs, &volumes, language, &mut show) {
        Ok(disks) => disks,
        Err(why) => return Ok(refused(&why, arguments.json, language)),
    };
    let repairs = mode == Mode::Repair;
    if repairs {
        warn_of_full(&volumes, arguments.json, language, &mut show);
    }
    let _held = repairs.then(|| held::hold_off_for(arguments.json, language));
    if repairs && !arguments.json {
        show.line(&say("show.do-not-interrupt", &[], language));
    }
    if arguments.tell {
        tell_begin(&targets, &volumes);
    }
    let report = check.report(disks, &volumes, &mut show);
    if arguments.tell {
        tell_end(&targets, &report);
    }
    let code = exit_code(report.volumes.iter().map(|one| &one.verdict));
    kept(arguments, &report, &targets, &volumes, language, &mut show);
    summary(arguments.json, &report, code, language, &mut show);
    Ok(code)
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

/// e2fsck needs some room: for lost+found, for folders written anew, for blocks that two files claim.
/// Where there is none it deletes (1.47.2: "Insufficient space to recover lost files!").
fn warn_of_full(volumes: &[Volume], json: bool, language: Language, show: &mut Output) {
    for volume in volumes {
        let superblock = look(volume.node())
            .ok()
            .and_then(|looked| looked.superblock);
        let Some(free) = superblock.map(|one| one.free).filter(|free| *free < ROOM) else {
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

/// A repair is not for installations of another major version, unless a person says so.
fn guarded(arguments: &Arguments, sysfs: &Sysfs, targets: &[Target]) -> Result<(), Refusal> {
    let disks: Vec<&Path> = targets
        .iter()
        .filter_map(|target| match target {
            Target::Ours(part) => Some(part.disk.as_path()),
            Target::Named(_) => None,
        })
        .collect();
    if !arguments.repair || disks.is_empty() {
        return Ok(());
    }
    // A system that does not know its own version is none of ours: a developer's.
    let Ok(medium) = medium_version() else {
        return Ok(());
    };
    let found = inventory(sysfs, &open_kernel, None).installations;
    let concerned = found
        .iter()
        .filter(|one| disks.contains(&one.disk.as_path()));
    let mut versions = concerned.map(|one| one.version());
    versions.try_for_each(|version| guard(medium, version, arguments.other_version))
}

/// Says why nothing is repaired; the exit code.
fn refused(message: &Message, json: bool, language: Language) -> u8 {
    let mut tell = Tell::new(json, language);
    tell.refused(&message.to(Language::En), &message.to(Language::Fr));
    NOT_CHECKED
}

type Output = Show<std::io::Stdout>;

/// What a person named is what the programs that are told know a volume by.
fn named(target: &Target) -> Option<&Path> {
    match target {
        Target::Named(path) => Some(path),
        Target::Ours(_) => None,
    }
}

fn tell_begin(targets: &[Target], volumes: &[Volume]) {
    for (target, volume) in targets.iter().zip(volumes) {
        let Some(path) = named(target) else { continue };
        if let Err(error) = told::begins(Path::new(told::FOLDER), path, &volume.name) {
            eprintln!("vigie-recovery: {}: {error}", told::FOLDER);
        }
    }
}

fn tell_end(targets: &[Target], report: &Report) {
    for (target, one) in targets.iter().zip(&report.volumes) {
        let Some(path) = named(target) else { continue };
        if let Err(error) = told::ends(Path::new(told::FOLDER), path, one) {
            eprintln!("vigie-recovery: {}: {error}", told::FOLDER);
        }
    }
}

/// A volume that was named by its path, by its label where it has one.
fn by_label(path: &Path) -> String {
    let label = look(path)
        .ok()
        .and_then(|looked| looked.superblock)
        .map(|superblock| superblock.label);
    label
        .filter(|label| !label.is_empty())
        .unwrap_or_else(|| path.display().to_string())
}

/// The device of a target; an array is started for it.
fn volume(
    target: &Target,
    sysfs: &Sysfs,
    mode: Mode,
    arrays: &mut Vec<Started<'static>>,
) -> Volume {
    let part = match target {
        Target::Named(path) => {
            return Volume {
                name: by_label(path),
                path: Ok(path.clone()),
            };
        }
        Target::Ours(part) => part,
    };
    let started = part.array.map(|array| {
        let writes = mode != Mode::Inspect;
        array::start(&HostTools, sysfs, &part.node, array, writes)
    });
    let path = match started {
        None => Ok(part.node.clone()),
        Some(Err(refusal)) => Err((part.node.clone(), refusal)),
        Some(Ok(started)) => {
            let device = started.device.clone();
            arrays.push(started);
            Ok(device)
        }
    };
    let name = part.purpose.name();
    Volume { name, path }
}

/// Set when a person wants it to stop. The terminal's signals reach us, and never e2fsck.
fn stop() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("waiting for signals")?;
    }
    Ok(stop)
}

/// Keeps the report on the state volume, where something was to be written at all, and where a
/// person says. Where that fails, the check is none the worse.
fn kept(
    arguments: &Arguments,
    report: &Report,
    targets: &[Target],
    volumes: &[Volume],
    language: Language,
    show: &mut Output,
) {
    let ours = targets.iter().zip(volumes).zip(&report.volumes);
    let is_state = |target: &Target, name: &str| matches!(target, Target::Ours(_)) && name == STATE;
    let written = ours
        .filter(|((target, volume), _)| is_state(target, &volume.name))
        .filter(|(_, one)| arguments.repair && one.verdict.is_good())
        .map(|((_, volume), _)| {
            let device = volume.node();
            (device, keep::write_on_state(report, device))
        });
    let asked = arguments
        .report
        .iter()
        .map(|folder| (folder.as_path(), keep::write(report, folder)));
    let worth_keeping = report
        .volumes
        .iter()
        .any(|one| one.verdict != Verdict::Clean);
    let told = (arguments.tell && worth_keeping).then(|| {
        let folder = Path::new(ON_THIS_SYSTEM);
        (folder, keep::write(report, folder))
    });
    for (place, result) in written.chain(asked).chain(told).collect::<Vec<_>>() {
        tell_kept(arguments.json, place, &result, language, show);
    }
}

fn tell_kept(
    json: bool,
    place: &Path,
    result: &Result<PathBuf>,
    language: Language,
    show: &mut Output,
) {
    let place = place.display().to_string();
    match result {
        Ok(path) if json => show.line(&json!({"event": "report", "path": path}).to_string()),
        Ok(path) => {
            let path = [("path", path.display().to_string())];
            show.line(&say("check.report-written", &path, language));
        }
        Err(error) => {
            let values = [("place", place), ("error", format!("{error:#}"))];
            eprintln!(
                "vigie-recovery: {}",
                say("check.report-not-written", &values, language)
            );
        }
    }
}

fn summary(json: bool, report: &Report, code: u8, language: Language, show: &mut Output) {
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
fn told(wrong: &Wrong, json: bool, language: Language) -> u8 {
    let list = |disks: &[PathBuf]| {
        let disks = disks.iter().map(|disk| disk.display().to_string());
        disks.collect::<Vec<_>>().join(", ")
    };
    let text = |path: &PathBuf| path.display().to_string();
    let words = |language| match wrong {
        Wrong::None => say("check.none", &[], language),
        Wrong::Several(disks) => say("check.several", &[("disks", list(disks))], language),
        Wrong::NoDisk(disk, disks) => {
            let values = [("disk", text(disk)), ("disks", list(disks))];
            say("check.no-disk", &values, language)
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
        Wrong::None => NOT_CHECKED,
        Wrong::Several(_) | Wrong::NoDisk(..) | Wrong::UnknownVolume(..) => WRONG_USE,
    }
}
