//! The running machine behind the screen.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::answers::Action as Finish;
use vigie_installer::clock;
use vigie_installer::payload::ON_MEDIUM;
use vigie_installer::screen::text_console;
use vigie_prompt::{Prompter, Words};
use vigie_settings::{Keymap, Language};
use vigie_update::Version;
use vigie_update::running::{Mode, Running};

use super::action::{Action, Program};
use super::host::{Host, Package};
use super::sticks::{self, Stick};
use crate::inside::Files;
use crate::refusal::Refusal;
use crate::site::{machine_serial, medium_version, running};
use crate::stop;
use crate::volumes::{self, Inventory, Volume};

const INSTALLER: &str = "/usr/bin/vigie-install";

/// The machine that runs this.
pub struct Live {
    running: Running,
    sysfs: Sysfs,
    version: Version,
    plain: bool,
}

impl Live {
    /// The machine; with `plain` in lines, also where the terminal could do more.
    ///
    /// # Errors
    /// This is an installed appliance, or neither that nor a medium.
    pub fn new(plain: bool) -> Result<Self> {
        let running = running()?;
        if running.mode != Mode::Live {
            return Err(Refusal::Installed.into());
        }
        // What a person stops is the command that runs, not the screen behind it.
        stop::hold_off();
        Ok(Self {
            running,
            sysfs: Sysfs::default(),
            version: medium_version()?,
            plain,
        })
    }

    fn packages_on(&self, stick: &Stick) -> Result<Vec<Package>> {
        let mounted = stick.mount(&self.running, &self.sysfs, false)?;
        let found = sticks::packages(Path::new(sticks::FOLDER));
        drop(mounted);
        let package = |(path, size)| Package {
            path,
            size,
            stick: Some(stick.clone()),
        };
        Ok(found.into_iter().map(package).collect())
    }
}

impl Host for Live {
    fn prompter(&mut self, words: &'static Words) -> Box<dyn Prompter> {
        vigie_prompt::open(self.plain, words)
    }

    fn version(&self) -> Version {
        self.version
    }

    fn has_medium(&self) -> bool {
        Path::new(ON_MEDIUM).exists()
    }

    fn look(&mut self) -> Inventory {
        volumes::inventory(
            &self.sysfs,
            &volumes::open_kernel,
            machine_serial().as_deref(),
        )
    }

    fn folders(&mut self, volume: &Volume) -> Vec<String> {
        let device = volumes::open_volume(volume, &self.sysfs, &volumes::open_kernel).ok();
        let files = device.and_then(|device| Files::open(device).ok());
        files.map(|files| files.folders()).unwrap_or_default()
    }

    fn is_text_console(&self) -> bool {
        text_console::is_text_console()
    }

    fn keymaps(&self) -> Vec<String> {
        text_console::keymaps()
    }

    fn load_keymap(&mut self, keymap: &Keymap) -> Result<()> {
        text_console::load_keymap(keymap)
    }

    fn sticks(&mut self, writable: bool) -> Vec<Stick> {
        let mut all = sticks::all(&self.running, &self.sysfs);
        all.retain(|stick| !writable || stick.is_writable());
        all
    }

    fn packages(&mut self) -> Vec<Package> {
        let medium = self.running.medium.iter();
        let on_medium = medium.flat_map(|medium| sticks::packages(medium));
        let mut found: Vec<Package> = on_medium
            .map(|(path, size)| Package {
                path,
                size,
                stick: None,
            })
            .collect();
        for stick in self.sticks(false) {
            match self.packages_on(&stick) {
                Ok(packages) => found.extend(packages),
                Err(error) => eprintln!("vigie-recovery: {}: {error:#}", stick.name),
            }
        }
        found
    }

    fn stamp(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let ((year, month, day), (hour, minute, second)) =
            clock::civil(since.unwrap_or_default().as_secs());
        format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
    }

    fn run(&mut self, action: &Action, language: Language) -> Result<()> {
        let stick = match &action.stick {
            Some(lent) => Some(
                lent.stick
                    .mount(&self.running, &self.sysfs, lent.writable)?,
            ),
            None => None,
        };
        let program = match action.program {
            Program::Recovery => std::env::current_exe().context("finding this program")?,
            Program::Installer => INSTALLER.into(),
        };
        let language = match language {
            Language::En => "en",
            Language::Fr => "fr",
        };
        let mut command = Command::new(&program);
        command.args(["--language", language]);
        let status = command.args(&action.arguments).status();
        status.with_context(|| format!("starting {}", program.display()))?;
        match stick {
            Some(stick) => stick.release(),
            None => Ok(()),
        }
    }

    fn finish(&mut self, finish: Finish) -> Result<()> {
        vigie_installer::finish::finish(finish, &mut |_| {})
    }
}
