//! One volume from the first look to the verdict.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vigie_disk::sysfs::node;
use vigie_installer::toolbox::Toolbox;

use super::array;
use super::bounded::bounded;
use super::in_use::{Held, Uses, hold};
use super::ladder::{Ladder, Mode, Next, Said, Step};
use super::look::{self, Looked, look};
use super::lost_found;
use super::report::{Report, VolumeReport};
use super::run::{Going, Ran, Watch as WatchRun, run};
use super::stuck::Patience;
use super::verdict::{Reason, Refusal, Verdict};
use crate::disks::Disk;
use crate::disks::seen::Seen;
use crate::disks::under;

/// Who has a volume for a moment only.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often an array that is waited for is looked at.
const WAIT: Duration = Duration::from_millis(500);

/// A volume that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What a person knows it by.
    pub name: String,
    /// Its device node or image file; why there is none.
    pub path: Result<PathBuf, (PathBuf, Refusal)>,
}

impl Volume {
    /// Its device node or image file, or what was to become it.
    #[must_use]
    pub fn node(&self) -> &Path {
        match &self.path {
            Ok(path) | Err((path, _)) => path,
        }
    }
}

/// Who is told of a check.
pub trait Watch: WatchRun {
    /// The next volume begins, this one of so many.
    fn volume(&mut self, at: usize, of: usize, volume: &Volume);
    /// Its array is waited for, at least each second.
    fn waits(&mut self, percent: Option<u8>, seconds: u64);
    /// It is over.
    fn ends(&mut self, report: &VolumeReport);
}

/// Nobody is told, and nobody asks to stop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl WatchRun for Silent {
    fn begins(&mut self, _: Step, _: u32) {}
    fn goes(&mut self, _: &Going) {}
    fn asked_to_stop(&self) -> bool {
        false
    }
}

impl Watch for Silent {
    fn volume(&mut self, _: usize, _: usize, _: &Volume) {}
    fn waits(&mut self, _: Option<u8>, _: u64) {}
    fn ends(&mut self, _: &VolumeReport) {}
}

/// How volumes are checked.
pub struct Check<'a> {
    /// Where e2fsck and debugfs come from.
    pub tools: &'a dyn Toolbox,
    /// Who uses what on this machine.
    pub uses: Uses,
    /// How far it may go.
    pub mode: Mode,
    /// An array that is being synchronised is waited for.
    pub wait: bool,
    /// The disks when the volumes were chosen; none where that was just now.
    pub seen: Option<Seen>,
    /// A volume without room is repaired, too, although what finds none is thrown away.
    pub even_full: bool,
}

impl Check<'_> {
    /// Checks volumes, and reports of it; `disks` are those under them, where they were asked.
    pub fn report(&self, disks: Vec<Disk>, volumes: &[Volume], watch: &mut dyn Watch) -> Report {
        let (begun, now) = (Instant::now(), SystemTime::now());
        let volumes = self.all(volumes, watch);
        Report {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            mode: self.mode,
            began: now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            seconds: begun.elapsed().as_secs_f64(),
            disks,
            volumes,
        }
    }

    /// Checks the volumes, one after the other; what becomes of one stops no other. A person who
    /// asks to stop is heard between two.
    pub fn all(&self, volumes: &[Volume], watch: &mut dyn Watch) -> Vec<VolumeReport> {
        let mut reports = Vec::new();
        for (volume, at) in volumes.iter().zip(1..) {
            watch.volume(at, volumes.len(), volume);
            let report = self.one(volume, watch);
            watch.ends(&report);
            reports.push(report);
        }
        reports
    }

    /// Checks one volume.
    pub fn one(&self, volume: &Volume, watch: &mut dyn Watch) -> VolumeReport {
        let begun = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut report = VolumeReport::new(volume, now.unwrap_or_default().as_secs());
        report.verdict = match self.prepare(volume, watch) {
            Ok((path, looked, _held)) => {
                report.size = Some(looked.size);
                report.before.clone_from(&looked.superblock);
                self.climb(&path, &looked, &mut report, watch)
            }
            Err(reason) => Verdict::NotChecked { reason },
        };
        report.seconds = begun.elapsed().as_secs_f64();
        report
    }

    /// Everything that may keep a volume from being touched.
    fn prepare(
        &self,
        volume: &Volume,
        watch: &mut dyn Watch,
    ) -> Result<(PathBuf, Looked, Held), Reason> {
        if watch.asked_to_stop() {
            return Err(Reason::Stopped);
        }
        let refused = |refusal| Reason::Refused { refusal };
        let path = volume.path.clone().map_err(|(_, why)| refused(why))?;
        let path = real(&path).map_err(refused)?;
        // A start does not wait for hours: what an array gives while it is synchronised is right.
        if !matches!(self.mode, Mode::Preen | Mode::Thorough) {
            self.settle(&path, watch)?;
        }
        self.uses.free(&path).map_err(refused)?;
        let held = hold(&path, PATIENCE).map_err(refused)?;
        let seen = self.seen.as_ref();
        let still = seen.map_or(Ok(()), |seen| seen.still(&self.uses.sysfs, &path));
        still.map_err(|replaced| refused(replaced.into()))?;
        let (place, mode) = (path.clone(), self.mode);
        let looked = answers(watch, move || look(&place, mode));
        let silent = || Refusal::Silent {
            disks: self.disks_under(&path),
        };
        let looked = looked.ok_or_else(|| refused(silent()))?.map_err(refused)?;
        Ok((path, looked, held))
    }

    /// Waits for the volume's array, or says why not.
    fn settle(&self, path: &Path, watch: &mut dyn Watch) -> Result<(), Reason> {
        let begun = Instant::now();
        loop {
            let refusal = match array::settled(&self.uses.sysfs, path) {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            let Refusal::Synchronising { percent, .. } = refusal else {
                return Err(Reason::Refused { refusal });
            };
            if !self.wait {
                return Err(Reason::Refused { refusal });
            }
            if watch.asked_to_stop() {
                return Err(Reason::Stopped);
            }
            watch.waits(percent, begun.elapsed().as_secs());
            thread::sleep(WAIT);
        }
    }

    fn climb(
        &self,
        path: &Path,
        looked: &Looked,
        report: &mut VolumeReport,
        watch: &mut dyn Watch,
    ) -> Verdict {
        let name = called(path, looked);
        let mut ladder = Ladder::new(self.mode, &looked.found);
        let mut room = self.room(path, watch);
        let misleads = looked.found.primary.may_mislead();
        let before = misleads.then(|| files(path, watch)).flatten();
        let verdict = loop {
            let step = match ladder.next().clone() {
                Next::Run(step) => step,
                Next::End(verdict) => break verdict,
            };
            match run(self.tools, step, path, &name, watch) {
                Ok(ran) => {
                    if has_counted(&ran) {
                        room = self.room(path, watch);
                    }
                    ladder.ended(ran.outcome, said(&ran, room));
                    report.steps.push(ran);
                }
                Err(error) => {
                    let reason = error.into();
                    return Verdict::NotChecked { reason };
                }
            }
        };
        if verdict.is_good() && report.steps.iter().any(has_changed) {
            report.lost_found = Some(lost_found::list(self.tools, path));
        }
        match verdict {
            Verdict::Repaired => fewer(before, path, watch).unwrap_or(Verdict::Repaired),
            verdict => unless_stopped(verdict, &report.steps, watch.asked_to_stop()),
        }
    }

    /// Whether there is room for what a repair finds, or it does not matter.
    fn room(&self, path: &Path, watch: &dyn Watch) -> bool {
        let place = path.to_owned();
        let lacks = || answers(watch, move || look::lacking(&place)).flatten();
        self.mode != Mode::Repair || self.even_full || lacks().is_none()
    }

    /// The disks under a volume, by their nodes; the volume itself where there are none.
    fn disks_under(&self, path: &Path) -> Vec<PathBuf> {
        let names = under::nodes(&self.uses.sysfs, [path]);
        match names.is_empty() {
            true => vec![path.to_owned()],
            false => names.iter().map(|name| node(name)).collect(),
        }
    }
}

/// What is read of a volume, where its disk answers.
fn answers<T: Send + 'static>(
    watch: &dyn Watch,
    read: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    bounded(Patience::default(), &|| watch.asked_to_stop(), read)
}

fn files(path: &Path, watch: &dyn Watch) -> Option<u32> {
    let place = path.to_owned();
    answers(watch, move || look::files(&place)).flatten()
}

/// Where e2fsck was led astray by damaged group descriptors, it finds other inodes than there were, and is
/// content with these.
fn fewer(before: Option<u32>, path: &Path, watch: &dyn Watch) -> Option<Verdict> {
    let before = before?;
    let after = files(path, watch);
    let is_fewer = after.is_none_or(|after| after < before);
    is_fewer.then_some(Verdict::FewerFiles { before, after })
}

fn said(ran: &Ran, room: bool) -> Said {
    Said {
        blame: ran.findings.blame(),
        wants_room: ran.findings.wants_room(),
        room: room || !ran.step.is_before_repair(),
        threw_away: ran.findings.no_room.count > 0,
    }
}

/// Whether the volume says after a run what is free: the journal was replayed, or all was counted. e2fsck sets
/// what damaged group descriptors say to nothing before it counts, and signs that: where it stopped in
/// between, what they said before is the truth.
fn has_counted(ran: &Ran) -> bool {
    let (outcome, step) = (ran.outcome, ran.step);
    let is_repair = matches!(step, Step::Repair | Step::RepairFrom(_));
    let is_through = is_repair || !outcome.leaves_faults();
    step.writes() && is_through && !outcome.has_failed()
}

/// What was ended because somebody has asked says nothing of the volume.
fn unless_stopped(verdict: Verdict, steps: &[Ran], asked: bool) -> Verdict {
    let is_killed = matches!(
        verdict,
        Verdict::NotChecked {
            reason: Reason::Killed { .. }
        }
    );
    let was_stopped = || steps.iter().any(|ran| ran.outcome.was_stopped());
    match asked && (is_killed || was_stopped()) {
        true => Verdict::NotChecked {
            reason: Reason::Stopped,
        },
        false => verdict,
    }
}

fn has_changed(ran: &Ran) -> bool {
    ran.step.writes() && !ran.outcome.is_clean()
}

/// The path without links. e2fsck takes what follows a question mark for options.
fn real(path: &Path) -> Result<PathBuf, Refusal> {
    let real = path.canonicalize().map_err(|error| Refusal::Unreadable {
        error: error.to_string(),
    })?;
    let plain = real.to_str().is_some_and(|text| !text.contains('?'));
    plain.then_some(real).ok_or(Refusal::NoVolume)
}

/// What e2fsck puts before each line of a preen.
fn called(path: &Path, looked: &Looked) -> String {
    let label = looked.superblock.as_ref().map(|one| one.label.clone());
    label
        .filter(|label| !label.is_empty())
        .unwrap_or_else(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::outcome::Outcome;

    #[test]
    fn what_was_ended_because_somebody_asked_says_nothing_of_the_volume() {
        let ran = |code| Ran {
            step: Step::Thorough,
            outcome: Outcome::exit(code),
            seconds: 1.0,
            findings: Default::default(),
            output: String::new(),
        };
        let stopped = Verdict::NotChecked {
            reason: Reason::Stopped,
        };
        let damaged = || Verdict::Damaged {
            reason: Reason::FaultsLeft,
        };
        let killed = || Verdict::NotChecked {
            reason: Reason::Killed { signal: 9 },
        };
        for (verdict, code, asked, expected) in [
            (damaged(), 36, true, stopped.clone()),
            (damaged(), 36, false, damaged()),
            (damaged(), 4, true, damaged()),
            (killed(), 0, true, stopped.clone()),
            (killed(), 0, false, killed()),
            (Verdict::Clean, 0, true, Verdict::Clean),
        ] {
            let found = unless_stopped(verdict, &[ran(code)], asked);
            assert_eq!(found, expected, "{code} {asked}");
        }
    }
}
