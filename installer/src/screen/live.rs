//! The running machine behind the screen.

use std::fs;

use anyhow::{Result, anyhow};
use vigie_machine::Port;
use vigie_prompt::Secret;
use vigie_settings::{Keymap, Language, PasswordHash};
use yescrypt::{PasswordHasher, Yescrypt};

use super::host::Host;
use super::{text_console, zones};
use crate::answers::{Action, Answers};
use crate::inventory::{Inventory, Machine};
use crate::payload::{Manifest, Payload};
use crate::plan::Plan;
use crate::progress::render;
use crate::report::Report;
use crate::report::frame::Frame;
use crate::to_disk::install_to_disk;
use crate::{HostTools, Ids};

const ZONES: &str = "/usr/share/zoneinfo/zone.tab";

/// The machine that runs this.
pub struct Live {
    payload: Payload,
    frame: Frame,
    text_console: bool,
    plain: bool,
}

impl Live {
    /// With what is to be installed; `plain` shows progress in lines.
    pub fn new(payload: Payload, plain: bool) -> Self {
        Self {
            payload,
            frame: Frame::start(vigie_machine::Machine::this()),
            text_console: text_console::is_text_console(),
            plain,
        }
    }
}

impl Host for Live {
    fn inventory(&mut self) -> Inventory {
        Machine::this().inventory()
    }

    fn manifest(&self) -> &Manifest {
        self.payload.manifest()
    }

    fn is_text_console(&self) -> bool {
        self.text_console
    }

    fn keymaps(&self) -> Vec<String> {
        text_console::keymaps()
    }

    fn load_keymap(&mut self, keymap: &Keymap) -> Result<()> {
        text_console::load_keymap(keymap)
    }

    fn ports(&self) -> &[Port] {
        &self.frame.machine().ports
    }

    fn zones(&self) -> Vec<String> {
        zones::listed(&fs::read_to_string(ZONES).unwrap_or_default())
    }

    fn hash(&self, password: &Secret) -> Result<PasswordHash> {
        hash(password)
    }

    fn install(&mut self, answers: &Answers, plan: &Plan, language: Language) -> Report {
        let mut progress = match self.plain {
            true => Box::new(render::Lines::new(std::io::stderr(), language)),
            false => render::fitting(false, language),
        };
        let ids = Ids::random();
        let report = install_to_disk(
            answers,
            &self.payload,
            plan,
            &HostTools,
            &ids,
            progress.as_mut(),
        );
        report.framed(&self.frame)
    }

    fn finish(&mut self, action: Action) -> Result<()> {
        crate::finish::finish(action, &mut |_| {})
    }
}

/// Hashes at Debian's cost (yescrypt, j9T: 16 MiB of memory).
pub fn hash(password: &Secret) -> Result<PasswordHash> {
    let hash = Yescrypt::default()
        .hash_password(password.expose().as_bytes())
        .map_err(|error| anyhow!("hashing the password: {error}"))?;
    Ok(hash.as_str().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_debians_and_salted() {
        let password = Secret::new("dix lamas verts sautent".to_owned());
        let (one, two) = (hash(&password).unwrap(), hash(&password).unwrap());
        assert!(
            one.as_str().starts_with("$y$j9T$"),
            "yescrypt at Debian's cost"
        );
        assert_ne!(one.as_str(), two.as_str());
        use yescrypt::PasswordVerifier;
        let verify =
            |password: &str| Yescrypt::default().verify_password(password.as_bytes(), one.as_str());
        assert!(verify("dix lamas verts sautent").is_ok());
        assert!(verify("dix lamas verts").is_err());
    }
}
