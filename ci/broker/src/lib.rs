//! The broker over a system in a folder, for tests that need the real one: who may log in, what is saved,
//! what is written down and what goes on trial is judged by the code of the appliance.
//!
//! Two sockets are there: one where whoever asks is taken for the web interface, one for root (the console,
//! the updater). The kernel would say the same of both, as the tests are one account.

mod played;

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use vigie_broker::failure::Failure;
use vigie_broker::peer::Peer;
use vigie_broker::people;
use vigie_broker::secret::Secret;
use vigie_broker::serve::{Desk, serve};
use vigie_broker::session::Sessions;
use vigie_broker::setup::Code;
use vigie_broker::users::{Accounts, OfSystem};
pub use vigie_broker::verb::Role;
pub use vigie_settings::Settings;
use vigie_settings::{Store, apply};

use played::Played;
pub use played::{IN_FORCE, TAKEN_BACK};

/// Time zones that the system knows.
const ZONES: [&str; 3] = ["Etc/UTC", "Europe/Paris", "America/New_York"];

/// A broker that answers for as long as the process lives.
#[derive(Clone)]
pub struct Broker {
    root: PathBuf,
    played: Arc<Played>,
}

impl Broker {
    /// Makes a system with these settings in the folder `root`, as it is after its first start, and answers
    /// for it.
    ///
    /// # Errors
    /// The folder cannot be written, or the settings are not good.
    pub fn start(root: &Path, settings: &Settings) -> Result<Self> {
        make(root, settings).with_context(|| format!("making a system in {}", root.display()))?;
        let broker = Self {
            root: root.to_owned(),
            played: Arc::new(Played::new(root)),
        };
        for peer in [Peer::Web, Peer::Root] {
            let socket = broker.socket(peer);
            let listener = UnixListener::bind(&socket)
                .with_context(|| format!("listening at {}", socket.display()))?;
            let broker = broker.clone();
            std::thread::spawn(move || broker.answer_all(&listener, peer));
        }
        Ok(broker)
    }

    /// Where the web interface asks.
    #[must_use]
    pub fn for_web(&self) -> PathBuf {
        self.socket(Peer::Web)
    }

    /// Where root asks.
    #[must_use]
    pub fn for_root(&self) -> PathBuf {
        self.socket(Peer::Root)
    }

    fn socket(&self, peer: Peer) -> PathBuf {
        self.root.join(match peer {
            Peer::Web => "run/vigie/broker-web.sock",
            Peer::Root => "run/vigie/broker-root.sock",
        })
    }

    /// The code of the first setup, as the console shows it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn code(&self) -> Result<String> {
        self.setup_code().shown().context("making the code")
    }

    fn setup_code(&self) -> Code {
        let path = self.root.join("run/vigie/setup-code");
        Code { path }
    }

    /// Adds a user, as an administrator does.
    ///
    /// # Errors
    /// It cannot be saved.
    pub fn add_user(&self, name: &str, role: Role, password: &str) -> Result<()> {
        let user = user(name, role, password)?;
        people::saved(&self.root, "root", |all| people::add(all, user)).map_err(refused)
    }

    /// The settings that are saved.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Store::of_system(&self.root).load().settings
    }

    /// The settings that the running system follows, which a trial may have made others.
    #[must_use]
    pub fn in_force(&self) -> Option<Settings> {
        vigie_settings::live::in_force(&self.root)
    }

    /// Lets nobody wait any longer who gave wrong passwords.
    ///
    /// # Errors
    /// They cannot be forgotten.
    pub fn waits_are_over(&self) -> Result<()> {
        match fs::remove_file(self.attempts()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("forgetting wrong passwords")
            }
            _ => Ok(()),
        }
    }

    /// Writes a line into the system's log.
    pub fn log(&self, line: &str) {
        self.played.log(line);
    }

    /// Waits until systemd is asked for something, in words, or [`IN_FORCE`] or [`TAKEN_BACK`] is said, and
    /// forgets it with all before it; whether it came within the patience.
    #[must_use]
    pub fn waits_for(&self, what: &str, patience: Duration) -> bool {
        self.played.waits_for(what, patience)
    }

    fn attempts(&self) -> PathBuf {
        self.root.join("run/vigie/attempts")
    }

    fn answer_all(&self, listener: &UnixListener, peer: Peer) {
        for connection in listener.incoming().flatten() {
            let broker = self.clone();
            std::thread::spawn(move || broker.answer(connection, peer));
        }
    }

    /// As `vigie-broker serve` does, which systemd starts for each connection.
    fn answer(&self, connection: UnixStream, peer: Peer) {
        let users = OfSystem {
            root: self.root.clone(),
            accounts: Accounts {
                shadow: self.root.join("etc/shadow"),
            },
        };
        let idle = u64::from(self.settings().web.idle_minutes.get()) * 60;
        let mut machine = self.played.machine();
        let mut desk = Desk {
            root: self.root.clone(),
            attempts: self.attempts(),
            sessions: Sessions {
                path: self.root.join("run/vigie/sessions"),
                idle: Duration::from_secs(idle),
            },
            code: self.setup_code(),
            users: &users,
            machine: &mut machine,
        };
        serve(connection, Some(peer), &mut desk);
    }
}

/// A user, as the settings have them.
///
/// # Errors
/// It is no name.
pub fn user(name: &str, role: Role, password: &str) -> Result<vigie_settings::User> {
    Ok(vigie_settings::User {
        name: people::name(name).map_err(refused)?,
        role: role.into(),
        language: None,
        password_hash: people::hashed(&Secret::new(password)).map_err(refused)?,
        disabled: false,
    })
}

fn refused(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{}", failure.said)
}

/// What a system has before its services start.
fn make(root: &Path, settings: &Settings) -> Result<()> {
    for folder in ["etc", "run/vigie"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for zone in ZONES {
        let path = root.join("usr/share/zoneinfo").join(zone);
        fs::create_dir_all(path.parent().context("a zone without a folder")?)?;
        fs::write(path, "TZif")?;
    }
    fs::write(
        root.join("etc/shadow"),
        "root:*:1::::::\nservice:*:1::::::\n",
    )?;
    Store::of_system(root).by("installer").save(settings)?;
    let report = apply::apply_early(root);
    anyhow::ensure!(report.warnings.is_empty(), "{:?}", report.warnings);
    Ok(())
}

#[cfg(test)]
mod tests;
