//! Which of two systems an appliance starts: the words, the bytes, and where they lie.
//!
//! Small, for the initrd: see the README for what is elsewhere.

pub mod boot_state;
pub mod esp;
pub mod slot;

pub use boot_state::{BootState, SlotState};
pub use slot::Slot;
