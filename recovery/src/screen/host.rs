//! The machine behind the screen; tests put a script in its place.

use std::path::PathBuf;

use anyhow::Result;
use vigie_disk::Bytes;
use vigie_installer::answers::Action as Finish;
use vigie_prompt::{Prompter, Words};
use vigie_settings::{Keymap, Language};
use vigie_update::Version;

use super::action::Action;
use super::sticks::Stick;
use crate::volumes::{Inventory, Volume};

/// A file that may be an update package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Where it lies, while its stick is mounted.
    pub path: PathBuf,
    /// Its size.
    pub size: Bytes,
    /// The stick that it lies on; none where it lies on the medium.
    pub stick: Option<Stick>,
}

/// What the screen needs of the machine.
pub trait Host {
    /// The terminal with the person at it.
    fn prompter(&mut self, words: &'static Words) -> Box<dyn Prompter>;
    /// The version of this system.
    fn version(&self) -> Version;
    /// Whether there is a medium with something to install.
    fn has_medium(&self) -> bool;
    /// What is on the disks, as they are now.
    fn look(&mut self) -> Inventory;
    /// The folders in the root of a volume, where they can be read without mounting it.
    fn folders(&mut self, volume: &Volume) -> Vec<String>;
    /// Whether the person sits at the machine's own screen and keyboard.
    fn is_text_console(&self) -> bool;
    /// The keymaps that can be loaded.
    fn keymaps(&self) -> Vec<String>;
    /// Loads a keymap on the text console.
    fn load_keymap(&mut self, keymap: &Keymap) -> Result<()>;
    /// The sticks that are plugged in; with `writable` those that something can be copied onto.
    fn sticks(&mut self, writable: bool) -> Vec<Stick>;
    /// Packages on the medium and on sticks.
    fn packages(&mut self) -> Vec<Package>;
    /// The time, for names of files: "20261122-150405", in UTC.
    fn stamp(&self) -> String;
    /// Runs a command on the terminal, to its end. How it ended it says itself.
    ///
    /// # Errors
    /// It could not be started, or its stick not be mounted.
    fn run(&mut self, action: &Action, language: Language) -> Result<()>;
    /// Switches off or restarts.
    ///
    /// # Errors
    /// That was refused.
    fn finish(&mut self, finish: Finish) -> Result<()>;
}
