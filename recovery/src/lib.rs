//! Works on installations from outside: which disks carry one and how each of its volumes is
//! ([`volumes`], read-only), checking and repairing these ([`check`]), putting another version into
//! one ([`update`]) or going back ([`rollback`]), a new password ([`password`]), beginning anew
//! ([`reset`]), and taking things out of one ([`export`]).
//!
//! Each action is a function over folders and devices that tests give it; its `command` finds these
//! on the machine ([`site`]), asks and tells ([`tell`]). A medium of another major version is kept
//! from changing anything ([`guard`]). [`screen`] puts all of it into a menu for a person.

pub mod audit;
pub mod check;
pub mod choose;
pub mod disks;
pub mod export;
pub mod full;
pub mod guard;
pub mod held;
pub mod inside;
pub mod message;
mod mounted;
pub mod password;
mod protected;
pub mod refusal;
pub mod rescue;
pub mod reset;
pub mod rollback;
pub mod screen;
pub mod site;
pub mod state;
mod stop;
pub mod tell;
pub mod update;
pub mod volumes;
pub mod waiting;
pub mod words;
