//! Check and repair: e2fsck under our control.
//!
//! Pure: [`progress`], [`outcome`], [`findings`] understand what e2fsck says; [`backups`] knows where
//! copies of a superblock lie, [`groups`] whether group descriptors may be believed; [`ladder`] knows what is
//! tried after what; [`verdict`] and [`report`] say what became of a volume. The shell: [`run`] has one run of
//! e2fsck, [`stuck`] knows one that does not end, [`look`] and [`in_use`] what must be known before, [`array`] starts and waits for arrays, [`volume`] puts
//! them together. On top the command: [`targets`] and [`whose`], [`guarded`], [`health`], [`full`], [`show`] and
//! [`bar`], [`keep`], [`kept`], [`told`], [`command`].
//!
//! Invariants:
//! 1. Nothing is written but in [`Mode::Preen`], [`Mode::Thorough`] and [`Mode::Repair`], and never to a volume in use.
//! 2. A repair is not ended by us but where it cannot go on ([`stuck`]); a person who asks to stop
//!    is heard between two volumes. What a start was told to look through ends itself where that is asked.
//! 3. "Clean" is said only after a run of e2fsck that found nothing, and "repaired" (but in a
//!    preen) only after one that looked at everything and was not allowed to write.
//! 4. Whatever is on a volume, the check ends: the ladder has an end, memory is bounded.

pub mod array;
pub mod backups;
pub mod bar;
mod bounded;
pub mod command;
pub mod findings;
pub mod full;
pub mod groups;
pub mod guarded;
pub mod health;
pub mod in_use;
pub mod keep;
pub mod kept;
pub mod ladder;
pub mod line;
pub mod look;
pub mod lost_found;
pub mod outcome;
pub mod output;
pub mod progress;
pub mod report;
pub mod run;
pub mod show;
pub mod stuck;
pub mod targets;
pub mod told;
pub mod verdict;
pub mod volume;
pub mod whose;
mod words;

pub use ladder::{Mode, Step};
pub use report::{Report, VolumeReport};
pub use verdict::Verdict;
pub use volume::{Check, Silent, Volume, Watch};
