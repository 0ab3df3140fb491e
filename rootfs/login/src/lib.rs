//! Whether a password is right ([`hash`]), and how long who was wrong has to wait ([`waits`]); and the small
//! files of such things ([`kept`]).

pub mod hash;
pub mod kept;
pub mod waits;
