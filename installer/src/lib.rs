//! Puts an appliance onto a disk or into a file: plan → execute → report.
//!
//! | step | module | is |
//! |---|---|---|
//! | what the person wants | [`answers`] | `install.toml`, typed |
//! | what there is | [`inventory`] | the machine's disks and what is on them |
//! | what there is to install | [`payload`] | the members on the medium, with digests |
//! | what will be done | [`plan`], [`layout`] | pure: a plan, or a refusal naming every disk |
//! | doing it | [`execute`] | through the one block-write trait |
//! | telling | [`progress`], [`report`], [`messages`] | typed events, a JSON result, two languages |
//!
//! Invariants:
//! 1. Nothing is written before the whole payload has been read and its digests agreed.
//! 2. Only the chosen disk is opened for writing, exclusively.
//! 3. What makes the disk bootable is written last, after everything else was
//!    flushed and the slot read back: a cut leaves a disk that does not half-boot.
//! 4. The same code installs onto disks and into files, the latter without root.

pub mod answers;
pub mod clock;
pub mod execute;
pub mod finish;
pub mod https;
pub mod ids;
pub mod inventory;
pub mod layout;
pub mod machines;
pub mod messages;
pub mod payload;
pub mod plan;
pub mod progress;
pub mod provision;
pub mod report;
pub mod schema;
pub mod screen;
pub mod sources;
pub mod to_disk;
pub mod to_file;
pub mod toolbox;

pub use answers::Answers;
pub use ids::Ids;
pub use payload::{Manifest, Payload, Role};
pub use to_file::install_to_file;
pub use toolbox::{HostTools, Toolbox};
