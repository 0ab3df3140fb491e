//! In which order a volume is checked and repaired, each step only where the one before was not
//! enough. Pure: told how a step ended, it says the next.
//!
//! | mode | steps |
//! |---|---|
//! | inspect | `-f -n`: nothing is written, not even the journal |
//! | preen | the journal alone, then `-p`: what needs no decision, for an unattended start |
//! | thorough | the journal alone, then `-f -p`: the same of a start that was told to look at everything |
//! | repair | the journal alone, `-f -p`, a look (`-f -n`), `-f -y` (twice), the same with each backup superblock |
//!
//! Where the superblock or the group descriptors may not be believed and a copy may, a repair
//! begins with the copy: e2fsck would write what is damaged over it ([`super::groups`]).
//!
//! Nothing is repaired on a disk that cannot be read or written in places: e2fsck takes what it cannot
//! read for empty, and a block that will be read again tomorrow, or on a copy, is lost with all that it
//! leads to. So each step that meets such a place is the last, and the look before the first `-f -y`
//! meets them all; `-p` stops at the first.
//!
//! Nothing is decided on a volume without room either: blocks that two files claim are copied, and what has
//! no folder is put into lost+found; e2fsck deletes what it finds no room for. So where the look before
//! a repair, or one after it, finds such a thing, the volume is left for a person to take out what is on it.
//!
//! After anything was changed the last word has a run that may write nothing (`-f -n`): clean, or
//! the next step, and after the last one the volume is lost. The journal comes first because what
//! it holds is newer than what it mends; a repair before it would undo what was written last.

use std::collections::VecDeque;

use rustix::process::Signal;
use serde::Serialize;

use super::backups::Backup;
use super::outcome::Outcome;
use super::verdict::{Reason, Verdict};

/// A full repair may uncover what only the next one sees.
const FULL_RUNS: usize = 2;
/// Copies beyond these would only be older witnesses of the same.
const BACKUPS: usize = 6;

/// The signals that a fault of e2fsck itself ends in: the next step may do without it.
const CRASHES: [i32; 5] = [4, 6, 7, 8, 11];

/// How far it may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing is written.
    Inspect,
    /// The journal is replayed and what needs no decision is mended.
    Preen,
    /// The same, looking through what is marked as clean, too.
    Thorough,
    /// All that can be done.
    Repair,
}

/// One run of e2fsck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A full check that writes nothing.
    Inspect,
    /// The journal alone.
    Journal,
    /// What needs no decision, where the volume is marked as not clean.
    Preen,
    /// The same, looking at everything whatever the volume is marked as.
    FullPreen,
    /// The same because somebody has asked for it: the volume may be good as it is, and the check may be ended.
    Thorough,
    /// A full check that writes nothing, before the first repair.
    Survey,
    /// The same from a backup superblock.
    SurveyFrom(Backup),
    /// A full repair.
    Repair,
    /// A full repair that starts from a backup superblock.
    RepairFrom(Backup),
    /// A full check that writes nothing, after something was changed.
    Verify,
}

impl Step {
    /// Whether it may write.
    #[must_use]
    pub const fn writes(self) -> bool {
        !matches!(
            self,
            Self::Inspect | Self::Survey | Self::SurveyFrom(_) | Self::Verify
        )
    }

    /// How it is ended where somebody wants that; a repair is not. e2fsck ends a preen by itself between two
    /// inodes, and leaves a volume that the next start can go by.
    #[must_use]
    pub const fn end(self) -> Option<Signal> {
        match self {
            Self::Thorough => Some(Signal::TERM),
            _ if self.writes() => None,
            _ => Some(Signal::KILL),
        }
    }

    /// Whether it is a look that a repair may follow.
    #[must_use]
    pub const fn is_before_repair(self) -> bool {
        matches!(self, Self::Survey | Self::SurveyFrom(_) | Self::Verify)
    }

    /// The words of e2fsck(8) for it.
    #[must_use]
    pub fn arguments(self) -> Vec<String> {
        let words = |words: &str| words.split(' ').map(str::to_owned).collect();
        match self {
            Self::Inspect | Self::Survey | Self::Verify => words("-f -n"),
            Self::SurveyFrom(Backup { block, block_size }) => {
                words(&format!("-f -n -b {block} -B {block_size}"))
            }
            // Without -p it would ask.
            Self::Journal => words("-p -E journal_only"),
            Self::Preen => words("-p"),
            Self::FullPreen | Self::Thorough => words("-f -p"),
            Self::Repair => words("-f -y"),
            Self::RepairFrom(backup) => {
                let Backup { block, block_size } = backup;
                words(&format!("-f -y -b {block} -B {block_size}"))
            }
        }
    }
}

/// What a look at the volume found, before anything is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The superblock itself.
    pub primary: Primary,
    /// Its copies that agree with each other and with the volume's size.
    pub backups: Vec<Backup>,
}

/// A superblock in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primary {
    /// There is none.
    Missing,
    /// It describes more than the volume holds.
    TooLarge,
    /// There is one.
    There {
        /// Its journal holds what must be replayed: it was not unmounted.
        needs_replay: bool,
        /// It is marked as one that must be checked: errors were met in it.
        marked: bool,
        /// How the group descriptors are.
        groups: Groups,
    },
}

/// How the group descriptors behind the superblock are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Nothing is wrong with them that can be seen.
    Sound,
    /// They may not be believed, nor any copy.
    Damaged,
    /// They may not be believed, but a copy may.
    DamagedWithCopy,
}

impl Primary {
    /// Whether a repair begins with a copy: e2fsck would go by what is damaged.
    const fn is_passed_over(self) -> bool {
        match self {
            Self::Missing | Self::TooLarge => true,
            Self::There { groups, .. } => matches!(groups, Groups::DamagedWithCopy),
        }
    }

    /// Whether a repair goes by group descriptors that may not be believed, as there is no copy.
    #[must_use]
    pub const fn may_mislead(self) -> bool {
        matches!(
            self,
            Self::There {
                groups: Groups::Damaged,
                ..
            }
        )
    }

    const fn is_marked(self) -> bool {
        matches!(self, Self::There { marked: true, .. })
    }

    const fn needs_replay(self) -> bool {
        matches!(
            self,
            Self::There {
                needs_replay: true,
                ..
            }
        )
    }
}

/// What e2fsck spoke of, the weightier last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blame {
    /// Nothing that is known here.
    Nothing,
    /// Faults of the file system.
    Volume,
    /// The disk could not be read or written.
    Disk,
}

/// What a run said, as far as it decides what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it spoke of.
    pub blame: Blame,
    /// What it found is mended with room that must be free.
    pub wants_room: bool,
    /// There is room, or it does not matter.
    pub room: bool,
    /// It may have thrown away what found no room.
    pub threw_away: bool,
}

impl From<Blame> for Said {
    fn from(blame: Blame) -> Self {
        Self {
            blame,
            wants_room: false,
            room: true,
            threw_away: false,
        }
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A run of e2fsck.
    Run(Step),
    /// It is over.
    End(Verdict),
}

/// The way of one volume.
#[derive(Clone, Debug)]
pub struct Ladder {
    mode: Mode,
    primary: Primary,
    /// The repairs that are left.
    left: VecDeque<Step>,
    next: Next,
    repaired: bool,
    /// The volume was looked through for what cannot be read.
    surveyed: bool,
    has_copies: bool,
    blame: Blame,
    threw_away: bool,
}

impl Ladder {
    /// The way of a volume, from what was found.
    #[must_use]
    pub fn new(mode: Mode, found: &Found) -> Self {
        let mut ladder = Self {
            mode,
            primary: found.primary,
            left: repairs(found),
            next: Next::Run(Step::Inspect),
            repaired: false,
            surveyed: false,
            has_copies: !found.backups.is_empty(),
            blame: Blame::Nothing,
            threw_away: false,
        };
        ladder.next = ladder.first();
        ladder
    }

    /// What comes next.
    #[must_use]
    pub fn next(&self) -> &Next {
        &self.next
    }

    fn first(&mut self) -> Next {
        let missing = self.primary == Primary::Missing && self.left.is_empty();
        match self.mode {
            Mode::Inspect if missing => self.damaged(),
            Mode::Inspect => Next::Run(Step::Inspect),
            // Even a preen would write damaged descriptors over their copies.
            Mode::Preen | Mode::Thorough if self.of_primary().is_some() => self.damaged(),
            Mode::Repair if self.primary.is_passed_over() => self.climb(Outcome::exit(0)),
            _ if self.primary.needs_replay() => Next::Run(Step::Journal),
            _ => Next::Run(self.preen()),
        }
    }

    const fn preen(&self) -> Step {
        match self.mode {
            Mode::Repair => Step::FullPreen,
            Mode::Thorough => Step::Thorough,
            Mode::Inspect | Mode::Preen => Step::Preen,
        }
    }

    /// Takes the end of the step that [`next`](Self::next) named, and what it said.
    pub fn ended(&mut self, outcome: Outcome, said: impl Into<Said>) {
        let Next::Run(step) = self.next else { return };
        let said = said.into();
        self.blame = self.blame.max(said.blame);
        self.threw_away |= step.writes() && said.threw_away;
        if let Some(reason) = interrupted(outcome) {
            self.next = Next::End(Verdict::NotChecked { reason });
            return;
        }
        if self.blame == Blame::Disk {
            let reason = Reason::DiskErrors;
            self.next = Next::End(Verdict::Damaged { reason });
            return;
        }
        if step.is_before_repair() && lacks_room(outcome, said) {
            let reason = Reason::NoRoom;
            self.next = Next::End(Verdict::Damaged { reason });
            return;
        }
        self.next = match step {
            Step::Survey | Step::SurveyFrom(_) => self.climb(outcome),
            Step::Inspect if outcome.is_clean() => self.looked_clean(),
            Step::Inspect => self.damaged_or_not_checked(outcome),
            Step::Journal => Next::Run(self.preen()),
            Step::Preen | Step::FullPreen | Step::Thorough if outcome.is_clean() => self.good(),
            Step::Preen | Step::FullPreen | Step::Thorough if outcome.is_corrected() => {
                self.changed()
            }
            Step::Preen | Step::Thorough => self.damaged_or_not_checked(outcome),
            Step::FullPreen => self.climb(outcome),
            Step::Repair | Step::RepairFrom(_) if !mended(outcome) && !self.left.is_empty() => {
                self.climb(outcome)
            }
            Step::Repair | Step::RepairFrom(_) => self.changed(),
            Step::Verify if outcome.is_clean() => self.good(),
            Step::Verify => self.climb(outcome),
        };
    }

    /// What waits in the journal was not looked at, and with wrong checksums of group descriptors
    /// e2fsck is content where it may not write.
    fn looked_clean(&self) -> Next {
        if self.primary.needs_replay() || self.of_primary().is_some() {
            return self.damaged();
        }
        match self.primary.is_marked() {
            true => Next::End(Verdict::Damaged {
                reason: Reason::Marked,
            }),
            false => self.good(),
        }
    }

    fn changed(&mut self) -> Next {
        self.repaired = true;
        match self.mode {
            Mode::Repair => Next::Run(Step::Verify),
            // A start waits for nothing that can be done without.
            Mode::Inspect | Mode::Preen | Mode::Thorough => self.good(),
        }
    }

    fn good(&self) -> Next {
        Next::End(match (self.repaired, self.threw_away) {
            (true, true) => Verdict::RepairedInPart,
            (true, false) => Verdict::Repaired,
            (false, _) => Verdict::Clean,
        })
    }

    /// The next repair, a look before the first, or the end of all.
    fn climb(&mut self, outcome: Outcome) -> Next {
        if let (false, Some(first)) = (self.surveyed, self.left.front()) {
            self.surveyed = true;
            return Next::Run(match first {
                Step::RepairFrom(backup) => Step::SurveyFrom(*backup),
                _ => Step::Survey,
            });
        }
        match self.left.pop_front() {
            Some(step) => {
                self.repaired = true;
                Next::Run(step)
            }
            None => self.lost(outcome),
        }
    }

    fn damaged(&self) -> Next {
        let reason = match (self.of_primary(), self.mode) {
            (Some(reason), _) => reason,
            // What is found before the journal is replayed may vanish with it.
            (None, Mode::Inspect) if self.primary.needs_replay() => Reason::NotUnmounted,
            (None, _) => Reason::FaultsLeft,
        };
        Next::End(Verdict::Damaged { reason })
    }

    fn damaged_or_not_checked(&self, outcome: Outcome) -> Next {
        match self.is_about_volume(outcome) {
            true => self.damaged(),
            false => not_checked(outcome),
        }
    }

    /// Where e2fsck could not work at all (no memory, a disk that is gone) the volume may be sound.
    fn is_about_volume(&self, outcome: Outcome) -> bool {
        !outcome.has_failed()
            || outcome.leaves_faults()
            || self.of_primary().is_some()
            || self.blame > Blame::Nothing
    }

    fn lost(&self, outcome: Outcome) -> Next {
        if !self.is_about_volume(outcome) {
            return not_checked(outcome);
        }
        let reason = match self.of_primary() {
            Some(reason) if !self.has_copies => reason,
            _ => Reason::FaultsLeft,
        };
        Next::End(Verdict::Lost { reason })
    }

    /// What is wrong with the superblock as it was found.
    const fn of_primary(&self) -> Option<Reason> {
        match (self.primary, self.has_copies) {
            (Primary::Missing, true) => Some(Reason::SuperblockDamaged),
            (Primary::Missing, false) => Some(Reason::NoSuperblock),
            (Primary::TooLarge, _) => Some(Reason::LargerThanVolume),
            (Primary::There { groups, .. }, _) => match groups {
                Groups::Sound => None,
                Groups::Damaged | Groups::DamagedWithCopy => Some(Reason::GroupsDamaged),
            },
        }
    }
}

/// The full repairs of a volume, in their order.
fn repairs(found: &Found) -> VecDeque<Step> {
    let own = match found.primary {
        Primary::There { .. } => FULL_RUNS,
        Primary::Missing | Primary::TooLarge => 0,
    };
    let own = std::iter::repeat_n(Step::Repair, own);
    let backups = found.backups.iter().take(BACKUPS);
    // What starts from a copy writes the superblock anew: the next run needs the copy no more.
    let copies = backups.flat_map(|backup| [Step::RepairFrom(*backup), Step::Repair]);
    match found.primary.is_passed_over() {
        true => copies.chain(own).collect(),
        false => own.chain(copies).collect(),
    }
}

/// Whether the next repair would want room that is not there. What a look that broke off would have
/// found nobody knows.
fn lacks_room(outcome: Outcome, said: Said) -> bool {
    let broke_off = outcome.has_failed() && said.blame > Blame::Nothing;
    !outcome.is_clean() && !said.room && (said.wants_room || broke_off)
}

fn mended(outcome: Outcome) -> bool {
    outcome.is_clean() || outcome.is_corrected()
}

fn not_checked(outcome: Outcome) -> Next {
    let reason = Reason::of_failure(outcome);
    Next::End(Verdict::NotChecked { reason })
}

/// A run that somebody ended says nothing of the volume.
fn interrupted(outcome: Outcome) -> Option<Reason> {
    let signal = outcome.signal?;
    (!CRASHES.contains(&signal)).then(|| Reason::of_failure(outcome))
}

#[cfg(test)]
mod tests;
