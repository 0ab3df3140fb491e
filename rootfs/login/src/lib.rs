//! Whether a password is right ([`hash`]), and how long who was wrong has to wait ([`waits`]).

pub mod hash;
pub mod waits;
