//! The machine behind the screen; tests put a script in its place.

use anyhow::Result;
use vigie_machine::Port;
use vigie_prompt::Secret;
use vigie_settings::{Keymap, Language, PasswordHash};

use crate::answers::{Action, Answers};
use crate::inventory::Inventory;
use crate::payload::Manifest;
use crate::plan::Plan;
use crate::report::Report;

/// What the screen needs of the machine.
pub trait Host {
    /// The disks, as they are now.
    fn inventory(&mut self) -> Inventory;
    /// What there is to install.
    fn manifest(&self) -> &Manifest;
    /// Whether the person sits at the machine's own screen and keyboard.
    fn is_text_console(&self) -> bool;
    /// The keymaps that can be loaded.
    fn keymaps(&self) -> Vec<String>;
    /// Loads a keymap on the text console.
    fn load_keymap(&mut self, keymap: &Keymap) -> Result<()>;
    /// The Ethernet ports.
    fn ports(&self) -> &[Port];
    /// The names of the time zones.
    fn zones(&self) -> Vec<String>;
    /// The hash of a password, as it is kept.
    fn hash(&self, password: &Secret) -> Result<PasswordHash>;
    /// Carries a plan out and shows how far it is.
    fn install(&mut self, answers: &Answers, plan: &Plan, language: Language) -> Report;
    /// Switches off or restarts.
    fn finish(&mut self, action: Action) -> Result<()>;
}
