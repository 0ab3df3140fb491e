//! Which of two systems an appliance runs, and how the other one is replaced.
//!
//! - [`slot`], [`version`]: the words;
//! - [`boot_state`]: the 1024 bytes that GRUB and we share;
//! - [`choice`]: what GRUB does with them, as a function;
//! - [`esp`]: where those bytes lie on the disks, read and rewritten in place;
//! - [`writer`]: an image into a slot, read back;
//! - [`media`]: which sticks and discs are mounted to be looked at;
//! - [`running`]: what this boot is;
//! - [`index`]: what a server offers, signed;
//! - [`situation`]: what the account that fetches packages may know;
//! - [`pulled`]: what came of a question to a server;
//! - [`automatic`]: what is installed without being asked for;
//! - [`attempts`]: how often that was tried;
//! - [`printable`]: words of others, on a screen;
//! - [`say`]: lines for whoever still reads;
//! - [`spoken`]: errors in both languages;
//! - [`doors`]: what lies where packages come in, and who may ask for what.
//!
//! Invariants:
//! 1. The boot state is one sector: a power cut leaves the old or the new one.
//! 2. A slot is written only while it is not the running one, and counts as
//!    written only when it was read back and its digest agreed.
//! 3. No boot state, however damaged, keeps a box from trying both slots while the state's file or
//!    its copy can be written; where neither can, what is good is started, else the first.

pub mod appliance;
pub mod apply;
pub mod attempts;
pub mod automatic;
pub mod choice;
pub mod commands;
pub mod doors;
pub mod esp;
pub mod fate;
pub mod history;
pub mod index;
pub mod machine;
pub mod media;
pub mod package;
pub mod policy;
pub mod printable;
pub mod progress;
pub mod pulled;
pub mod reached;
pub mod running;
pub mod say;
pub mod situation;
pub mod spoken;
pub mod status;
pub mod version;
pub mod writer;

pub use vigie_boot_state::{BootState, Slot, SlotState, boot_state, slot};

pub use version::Version;
