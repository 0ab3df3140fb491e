//! The pages in Chromium, as a person uses them: `cargo ci browser` unpacks one and says where.

mod administration;
mod barriers;
mod desk;
mod keys;
mod line;
mod plain;
mod updates;
