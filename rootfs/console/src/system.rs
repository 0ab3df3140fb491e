//! What the menus need of the machine: a trait, so that a test puts a script in its place.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use vigie_prompt::{Prompter, Words};
use vigie_settings::Language;

use crate::broker::Trouble;
use crate::serial::{self, Speed};
use crate::status::{Facts, Mode};

/// What stands above each page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The host name.
    pub hostname: String,
    /// The version that runs.
    pub version: String,
}

/// What tells this machine from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The serial number on its label.
    pub serial: Option<String>,
    /// The hardware signature.
    pub signature: Option<String>,
    /// Its wired ports.
    pub ports: Vec<Port>,
}

/// A wired Ethernet port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The kernel's name for it.
    pub name: String,
    /// Its hardware address, where it has one.
    pub mac: Option<String>,
}

/// A serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The kernel's name for it, such as `ttyS1`.
    pub name: String,
    /// This console itself is on it, or the kernel's.
    pub is_console: bool,
}

/// What the menus need; tests put a script in its place.
pub trait System {
    /// Live medium, recovery or installed appliance.
    fn mode(&self) -> Mode;
    /// The language of the settings.
    fn language(&self) -> Language;
    /// Its name and version, without asking anybody.
    fn name(&self) -> Name;
    /// What the status shows; a web service that hangs is waited for.
    fn facts(&self) -> Facts;
    /// Waits some seconds for somebody to type; true when there is something to read.
    fn input_waits(&self) -> bool;
    /// Runs a program on this terminal and says whether it went well; an error when it could not
    /// be started.
    fn run(&mut self, program: &[&str]) -> anyhow::Result<bool>;
    /// Runs a program and gives what it printed; an error when it failed.
    fn output(&mut self, program: &[&str]) -> anyhow::Result<String>;
    /// Becomes the log-in on this terminal; returns only when that fails. After the log-out the
    /// unit starts the menu again.
    fn become_login(&mut self) -> anyhow::Error;
    /// Whether a volume labelled PROVISION is plugged in.
    fn has_provision(&self) -> bool;

    /// The terminal with the person at it, who is waited for as long as `patience` says.
    fn prompter(&mut self, words: &'static Words, patience: Option<Duration>) -> Box<dyn Prompter>;
    /// Asks the broker in the name of a session, or as root.
    fn ask(&mut self, token: Option<&str>, request: &Value) -> Result<Vec<Value>, Trouble>;
    /// What tells this machine from others.
    fn identity(&self) -> Identity;
    /// Whether a password opens root's account.
    fn root_has_password(&self) -> bool;
    /// The keymaps that can be loaded.
    fn keymaps(&self) -> Vec<String>;
    /// The serial ports that this machine has.
    fn serial_lines(&self) -> Vec<Line>;
    /// Connects this terminal with a serial port, until the person leaves it, or has typed nothing for as
    /// long as `patience` says.
    fn talk(
        &mut self,
        line: &str,
        speed: Speed,
        patience: Option<Duration>,
    ) -> Result<serial::Ended, serial::Trouble>;
    /// Keeps a file for root alone, in place of the one that was kept before; where it lies.
    fn keep(&mut self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf>;
}
