//! What a change makes of the running system: files of `/etc` by [`crate::apply`], then the services
//! that read them, each once.
//!
//! [`plan`] is pure: the files that differ say what is renewed. [`follow`] does it through a [`System`],
//! of which there is one that runs programs ([`running::Running`]) and one that writes them down, in
//! tests. All of them ask systemd over its bus, where root's number is enough: whoever does this needs
//! no capability. What cuts people off goes on trial first ([`trial`]).
//!
//! [`IN_FORCE`] has the document that the running system follows: what is saved may be another one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use crate::apply::{Report, write_files};
use crate::difference::changes;
use crate::document::{Network, Settings};
use crate::render::{AUTOMATIC, Entry, PULL, ROUTING, render};
use crate::store::PATIENCE;
use crate::values::{HostName, Language};
use crate::words::{Said, said};

pub mod running;
pub mod trial;

/// The document that the running system follows, below the root; for root alone.
pub const IN_FORCE: &str = "run/vigie/settings-in-force.toml";
/// Makes `vigie-keymap.service` load the kernel's own layout, too, which it need not at the start.
const KEYMAP_CHANGED: &str = "run/vigie/keymap-changed";

/// What is done to the running system.
pub trait System {
    /// Runs a program by its words, and waits for it.
    ///
    /// # Errors
    /// What it said, or why it could not be run.
    fn run(&mut self, words: &[&str]) -> Result<(), String>;
    /// Milliseconds of a clock that nobody sets.
    fn clock(&self) -> u64;
    /// Waits until an answer has reached whoever is about to be cut off.
    fn let_the_answer_go(&mut self);
    /// How long others who are changing the settings are waited for.
    fn patience(&self) -> Duration {
        PATIENCE
    }
}

/// Something of the running system that is made to follow its files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renewal {
    /// systemd reads its units.
    Units,
    /// The kernel's name of the machine.
    HostName(HostName),
    /// The language of services that are started from now on.
    Language(Language),
    /// The text consoles' keyboard.
    Keymap,
    /// The packet filter; before the kernel forwards anything.
    Filter,
    /// The kernel's parameters.
    Kernel,
    /// The ports.
    Network,
    /// Where the time comes from.
    Time,
    /// The SSH server, where it runs.
    Ssh,
    /// When a server is asked for updates.
    Pull,
    /// When updates are installed without being asked for.
    Automatic,
}

impl Renewal {
    /// Whether packets go another way after it.
    fn is_of_network(&self) -> bool {
        matches!(self, Self::Filter | Self::Kernel | Self::Network)
    }

    /// The program that does it, with its arguments.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let systemctl = |verb: &str, unit: &str| -> Vec<String> {
            vec!["systemctl".to_owned(), verb.to_owned(), unit.to_owned()]
        };
        match self {
            Self::Units => vec!["systemctl".to_owned(), "daemon-reload".to_owned()],
            // The name is in /etc/hostname already: the service reads it there and tells the kernel.
            Self::HostName(name) => {
                let words = ["hostnamectl", "--transient", "hostname", name.as_str()];
                words.iter().map(|word| (*word).to_owned()).collect()
            }
            Self::Language(language) => {
                systemctl("set-environment", &format!("LANGUAGE={}", language.code()))
            }
            Self::Keymap => systemctl("restart", "vigie-keymap.service"),
            Self::Filter => systemctl("reload", "nftables.service"),
            Self::Kernel => systemctl("restart", "systemd-sysctl.service"),
            // Not `networkctl`, which wants to be in its network namespace.
            Self::Network => systemctl("reload", "systemd-networkd.service"),
            Self::Time => systemctl("try-restart", "systemd-timesyncd.service"),
            Self::Ssh => systemctl("try-reload-or-restart", "ssh.service"),
            // Their conditions are looked at anew: without its file it stays off.
            Self::Pull => systemctl("restart", "vigie-pull.timer"),
            Self::Automatic => systemctl("restart", "vigie-auto-update.timer"),
        }
    }
}

/// What is renewed after some files have changed, in the order in which it is done.
#[must_use]
pub fn plan(settings: &Settings, paths: &[&str]) -> Vec<Renewal> {
    let all = paths.iter().filter_map(|path| renewals(path, settings));
    let mut all: Vec<Renewal> = all.flatten().collect();
    all.sort();
    all.dedup();
    all
}

/// What follows from a file; nothing where this is not known.
fn renewals(path: &str, settings: &Settings) -> Option<Vec<Renewal>> {
    let system = &settings.system;
    Some(match path {
        // Read whenever somebody looks: by libraries, by sshd at a log-in, by PAM, by the resolver. Of
        // the mounts the next start reads ([`after_restart`]), as they have a check before them.
        "etc/hosts"
        | "etc/localtime"
        | "etc/timezone"
        | "etc/shadow"
        | "etc/ssh/authorized_keys/root"
        | "etc/ssh/authorized_keys/service"
        | "etc/fstab" => vec![],
        "etc/hostname" => vec![Renewal::HostName(system.hostname.clone())],
        "etc/locale.conf" => vec![Renewal::Language(system.language)],
        "etc/vconsole.conf" => vec![Renewal::Keymap],
        "etc/systemd/network/10-vigie-cameras.network"
        | "etc/systemd/network/20-vigie-enterprise.network" => vec![Renewal::Network],
        "etc/systemd/timesyncd.conf.d/10-vigie.conf" => vec![Renewal::Time],
        "etc/sysctl.d/70-vigie-routing.conf" => vec![Renewal::Kernel],
        ROUTING => vec![Renewal::Filter],
        "etc/ssh/sshd_config.d/10-vigie-access.conf" => vec![Renewal::Ssh],
        PULL => vec![Renewal::Pull],
        "etc/systemd/system/vigie-pull.timer.d/10-vigie.conf" => {
            vec![Renewal::Units, Renewal::Pull]
        }
        AUTOMATIC => vec![Renewal::Automatic],
        _ => return None,
    })
}

/// The fields that hold from the next start.
#[must_use]
pub fn after_restart(old: &Settings, new: &Settings) -> Vec<String> {
    let fields = changes(old, new).into_iter().map(|change| change.key);
    fields
        .filter(|field| field.starts_with("volumes."))
        .collect()
}

/// Whether a change may cut off whoever makes it: all of the networks but their name servers.
#[must_use]
pub fn needs_trial(old: &Settings, new: &Settings) -> bool {
    let without_dns = |settings: &Settings| -> Network {
        let mut network = settings.network.clone();
        network.enterprise.dns.clear();
        network
    };
    without_dns(old) != without_dns(new)
}

/// What became of the running system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Followed {
    /// Whether its networks may be other ones than those that were asked for.
    pub network_failed: bool,
    /// The fields that hold from the next start.
    pub after_restart: Vec<String>,
    /// What did not follow.
    pub warnings: Vec<Said>,
}

/// Makes `/etc` below `root`, and the services that read it, follow `settings`. What fails keeps nothing
/// else from following; the networks are tried again with the next change.
pub fn follow(root: &Path, settings: &Settings, system: &mut dyn System) -> Followed {
    follow_after(root, None, settings, system)
}

/// The same after `tried` may have come in force, all of it or a part: nobody has noted that.
fn follow_after(
    root: &Path,
    tried: Option<&Settings>,
    settings: &Settings,
    system: &mut dyn System,
) -> Followed {
    let before = in_force(root);
    let mut report = Report::default();
    let known = write_files(root, settings.clone(), &mut report);
    let others = before.iter().chain(tried);
    let mut paths: Vec<&str> = others.flat_map(|other| differing(other, &known)).collect();
    paths.extend(report.changed);
    let mut followed = Followed {
        network_failed: report.failed,
        after_restart: before
            .map(|before| after_restart(&before, settings))
            .unwrap_or_default(),
        warnings: report.warnings.iter().map(Said::same).collect(),
    };
    for renewal in plan(&known, &paths) {
        if let Err(text) = renew(root, &renewal, system) {
            followed.network_failed |= renewal.is_of_network();
            followed.warnings.push(text);
        }
    }
    // What is tried again is what differs from this.
    if !followed.network_failed
        && let Err(error) = note_in_force(root, settings)
    {
        let values = [("file", Said::same(IN_FORCE)), ("error", Said::same(error))];
        followed.warnings.push(said("live.not-noted", &values));
    }
    followed
}

fn renew(root: &Path, renewal: &Renewal, system: &mut dyn System) -> Result<(), Said> {
    let command = renewal.command();
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let marked = match renewal {
        Renewal::Keymap => leave_mark(root).map_err(|error| error.to_string()),
        _ => Ok(()),
    };
    marked.and_then(|()| system.run(&words)).map_err(|error| {
        let values = [
            ("command", Said::same(words.join(" "))),
            ("error", Said::same(error)),
        ];
        said("live.not-renewed", &values)
    })
}

/// The files that differ between two documents.
fn differing(old: &Settings, new: &Settings) -> Vec<&'static str> {
    // Only what is beside the accounts of the image differs by the document.
    let (old, new): (Vec<Entry>, Vec<Entry>) = (render(old, ""), render(new, ""));
    let pairs = old.into_iter().zip(new);
    let differ = pairs.filter(|(old, new)| old != new);
    differ.map(|(_, new)| new.path).collect()
}

/// The document that the running system follows, where that is known.
#[must_use]
pub fn in_force(root: &Path) -> Option<Settings> {
    Settings::from_file(&root.join(IN_FORCE)).ok()
}

/// Leaves it for [`in_force`], where `/run/vigie` is there. Where that fails it is not known any more: what was in
/// force before would let a change pass without a trial.
pub(crate) fn note_in_force(root: &Path, settings: &Settings) -> io::Result<()> {
    let text = settings.to_text().map_err(io::Error::other)?;
    let path = root.join(IN_FORCE);
    if !path.parent().is_some_and(Path::is_dir) {
        return Ok(());
    }
    write_secret(&path, text.as_bytes()).inspect_err(|_| {
        let _ = fs::remove_file(&path);
    })
}

/// A file for root alone, whole or not there.
fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(content)?;
    fs::rename(&new, path)
}

fn leave_mark(root: &Path) -> io::Result<()> {
    let path = root.join(KEYMAP_CHANGED);
    match path.parent().is_some_and(Path::is_dir) {
        true => fs::write(path, ""),
        false => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
