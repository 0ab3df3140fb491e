//! What is done by root: a trait, so that a test puts a script in its place.

use vigie_settings::{Account, Said};

use crate::failure::Failure;
use crate::journal::{Line, Log};
use crate::keeping::Keeper;
use crate::secret::Secret;

/// Which lines of the log are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How many, from the newest.
    pub lines: u32,
    /// Of this unit alone; a name that was looked at.
    pub unit: Option<String>,
    /// Since then, in seconds since 1970.
    pub since: Option<u64>,
    /// From this cursor on, the first ones behind it.
    pub after: Option<String>,
    /// Which log.
    pub log: Log,
}

/// The machine.
pub trait Machine: Keeper {
    /// Switches it off.
    ///
    /// # Errors
    /// systemd refuses.
    fn power_off(&mut self) -> Result<(), Failure>;
    /// Restarts it.
    ///
    /// # Errors
    /// systemd refuses.
    fn restart(&mut self) -> Result<(), Failure>;
    /// Sets the password of an account for `who`; what a person must know of it.
    ///
    /// # Errors
    /// It cannot be saved: the old one is in force.
    fn set_password(
        &mut self,
        who: &str,
        account: Account,
        password: &Secret,
    ) -> Result<Option<Said>, Failure>;
    /// Tells lines of the log, the oldest first, until `tell` wants no more.
    ///
    /// # Errors
    /// It cannot be read.
    fn logs(&mut self, wanted: &Wanted, tell: &mut dyn FnMut(&Line) -> bool)
    -> Result<(), Failure>;
}
