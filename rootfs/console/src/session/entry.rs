//! Which entries there are. Pure.
//!
//! Invariant: [`entries`] decides what a person at this console may do. On an installed appliance
//! nobody is known yet, so it offers no shell and nothing that changes the machine, but for what asks
//! for a password first: updates and the menu. In recovery, which whoever stands at the machine can
//! choose in the disk's own menu, it is as with the medium.

use crate::messages::Messages;
use crate::status::Mode;

/// One line of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Install,
    UpdateInstalled,
    Repair,
    Shell,
    LogIn,
    Update,
    Menu,
    Language,
    Reboot,
    PowerOff,
    /// For a terminal that cannot move its cursor.
    InstallPlain,
}

/// The entries, the first has number 1. Programs that watch the console know the numbers.
pub fn entries(mode: Mode) -> &'static [Entry] {
    match mode {
        Mode::Live => &[
            Entry::Install,
            Entry::UpdateInstalled,
            Entry::Repair,
            Entry::Shell,
            Entry::Language,
            Entry::Reboot,
            Entry::PowerOff,
            // Last: the numbers before it are known to programs.
            Entry::InstallPlain,
        ],
        Mode::Recovery => &[
            Entry::Repair,
            Entry::Shell,
            Entry::Language,
            Entry::Reboot,
            Entry::PowerOff,
        ],
        Mode::Installed => &[Entry::LogIn, Entry::Language, Entry::Update, Entry::Menu],
    }
}

/// What stands behind the number.
pub fn label(m: &Messages, entry: Entry) -> &'static str {
    match entry {
        Entry::Install => m.install,
        Entry::UpdateInstalled => m.update_installed,
        Entry::Repair => m.repair,
        Entry::Shell => m.shell,
        Entry::LogIn => m.log_in,
        Entry::Update => m.update,
        Entry::Menu => m.menu,
        Entry::Language => m.language,
        Entry::Reboot => m.reboot,
        Entry::PowerOff => m.power_off,
        Entry::InstallPlain => m.install_plain,
    }
}

/// The entry that was typed.
pub fn chosen(mode: Mode, answer: &str) -> Option<Entry> {
    let number: usize = answer.parse().ok()?;
    entries(mode).get(number.checked_sub(1)?).copied()
}
