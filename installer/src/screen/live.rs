//! The running machine behind the screen.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use vigie_machine::Port;
use vigie_prompt::Secret;
use vigie_settings::{Keymap, Language, PasswordHash};
use yescrypt::{PasswordHasher, Yescrypt};

use super::host::Host;
use super::zones;
use crate::answers::{Action, Answers};
use crate::inventory::{Inventory, Machine};
use crate::payload::{Manifest, Payload};
use crate::plan::Plan;
use crate::progress::render;
use crate::report::Report;
use crate::report::frame::Frame;
use crate::to_disk::install_to_disk;
use crate::{HostTools, Ids};

const KEYMAPS: &str = "/usr/share/keymaps";
const ZONES: &str = "/usr/share/zoneinfo/zone.tab";
/// Folders below the keymaps' are few; a loop of links must end.
const DEEPEST: usize = 4;

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
            text_console: is_text_console(),
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
        let mut names = Vec::new();
        collect_keymaps(Path::new(KEYMAPS), DEEPEST, &mut names);
        names
    }

    fn load_keymap(&mut self, keymap: &Keymap) -> Result<()> {
        // As systemd-vconsole-setup calls it: the console is in UTF-8 mode.
        let output = Command::new("loadkeys")
            .args(["-q", "-u", keymap.as_str()])
            .stdin(Stdio::inherit())
            .output()
            .context("starting loadkeys")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("loadkeys {keymap}: {} ({})", said.trim(), output.status);
        }
        Ok(())
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

/// Whether standard input is a virtual console: /dev/tty and a number.
fn is_text_console() -> bool {
    let terminal = fs::read_link("/proc/self/fd/0").unwrap_or_default();
    let name = terminal.to_string_lossy();
    name.strip_prefix("/dev/tty")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn collect_keymaps(folder: &Path, depth: usize, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some((name, _)) = name.split_once(".kmap") {
            names.push(name.to_owned());
        } else if depth > 0 && entry.path().is_dir() {
            collect_keymaps(&entry.path(), depth - 1, names);
        }
    }
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
