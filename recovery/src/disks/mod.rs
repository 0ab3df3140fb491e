//! The health of disks, as they tell of it (SMART): before a volume is checked or repaired, and by
//! itself. And which disks a volume lies on, and whether they are still those that were chosen.
//!
//! Pure: [`smart`] understands what smartctl says, [`under`] knows which disks a volume lies on, [`seen`]
//! which they were, [`words`] says it. The shell: [`ask`] runs smartctl, all disks at the same time and none longer than
//! a limit; [`command`].

pub mod ask;
pub mod command;
pub mod seen;
pub mod smart;
pub mod under;
pub mod words;

pub use ask::ask;
pub use smart::{Disk, Health, Sign};
