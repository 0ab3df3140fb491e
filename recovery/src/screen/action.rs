//! What a choice runs. Pure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::sticks::{FOLDER, Stick};
use crate::password::Account;
use crate::reset::Scope;

/// A program on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// This one.
    Recovery,
    /// The installer.
    Installer,
}

/// A command, and the stick that it needs meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Whose command.
    pub program: Program,
    /// Its arguments. No secret is ever among them.
    pub arguments: Vec<OsString>,
    /// A stick that is mounted at [`FOLDER`] for it.
    pub stick: Option<Lent>,
}

/// A stick that a command needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lent {
    /// Which.
    pub stick: Stick,
    /// Whether something is copied onto it.
    pub writable: bool,
}

/// The installation that is worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its system disk.
    pub disk: PathBuf,
    /// Although it is of another major version.
    pub expert: bool,
}

/// How volumes are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// They are repaired; else nothing is written to them.
    pub repair: bool,
    /// The report goes onto this stick, too.
    pub stick: Option<Stick>,
}

/// What is taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Export {
    /// The settings, into this new file.
    Settings(String),
    /// The logs, into this new file.
    Logs(String),
    /// Recordings.
    Recordings(Wanted),
}

/// Which recordings; all where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The data volume.
    pub volume: Option<String>,
    /// The folder of a camera.
    pub folder: Option<String>,
    /// Written to then or later.
    pub from: Option<String>,
    /// Written to before.
    pub until: Option<String>,
}

impl Action {
    fn new(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self {
            program: Program::Recovery,
            arguments: arguments.into_iter().collect(),
            stick: None,
        }
    }

    fn with(mut self, stick: &Stick, writable: bool) -> Self {
        let stick = stick.clone();
        self.stick = Some(Lent { stick, writable });
        self
    }

    /// Whether it has pages of its own, and leaves nothing to be read.
    #[must_use]
    pub fn is_a_screen(&self) -> bool {
        self.program == Program::Installer
    }

    /// Checks one volume of an installation, or all of them; without an installation every volume that is
    /// there. A repair waits for an array: to start one for it begins to synchronise it after a power cut.
    #[must_use]
    pub fn check(chosen: Option<&Chosen>, volume: Option<&str>, how: &How) -> Self {
        let mut words = vec!["check".into()];
        words.extend(volume.map(Into::into));
        if how.repair {
            words.extend(["--repair".into(), "--wait".into()]);
        }
        match chosen {
            Some(chosen) => words.extend(named(chosen, how.repair)),
            None => words.push("--all".into()),
        }
        match &how.stick {
            Some(stick) => {
                words.extend(["--report".into(), FOLDER.into()]);
                Self::new(words).with(stick, true)
            }
            None => Self::new(words),
        }
    }

    /// A new password; it is typed there.
    #[must_use]
    pub fn password(chosen: &Chosen, account: Account) -> Self {
        let words = ["password".into(), account.name().into()];
        Self::new(words.into_iter().chain(named(chosen, true)))
    }

    /// Back to the other slot.
    #[must_use]
    pub fn rollback(chosen: &Chosen) -> Self {
        Self::new(["rollback".into()].into_iter().chain(named(chosen, true)))
    }

    /// The settings of a new appliance, and with "all" no recordings; it is confirmed there.
    #[must_use]
    pub fn reset(chosen: &Chosen, scope: Scope) -> Self {
        let words = ["reset".into(), scope.name().into()];
        Self::new(words.into_iter().chain(named(chosen, true)))
    }

    /// The medium's own version, or a package; it is confirmed there.
    #[must_use]
    pub fn update(chosen: &Chosen, package: Option<&Path>, stick: Option<&Stick>) -> Self {
        let mut words = vec!["update".into()];
        words.extend(package.map(Into::into));
        words.extend(named(chosen, true));
        match stick {
            Some(stick) => Self::new(words).with(stick, false),
            None => Self::new(words),
        }
    }

    /// Takes something out onto a stick.
    #[must_use]
    pub fn export(chosen: &Chosen, what: &Export, stick: &Stick) -> Self {
        let file = |name: &String| Path::new(FOLDER).join(name).into_os_string();
        let mut words = vec!["export".into()];
        words.extend(named(chosen, false));
        match what {
            Export::Settings(name) => words.extend(["settings".into(), file(name)]),
            Export::Logs(name) => words.extend(["logs".into(), file(name)]),
            Export::Recordings(wanted) => {
                words.extend(["recordings".into(), FOLDER.into()]);
                let options = [
                    ("--volume", &wanted.volume),
                    ("--folder", &wanted.folder),
                    ("--from", &wanted.from),
                    ("--until", &wanted.until),
                ];
                for (option, value) in options {
                    // One word, so that a value that begins with "-" is none of its own.
                    words.extend(
                        value
                            .as_ref()
                            .map(|value| format!("{option}={value}").into()),
                    );
                }
            }
        }
        Self::new(words).with(stick, true)
    }

    /// The attended installation, which offers to keep settings and recordings.
    #[must_use]
    pub fn reinstall() -> Self {
        Self {
            program: Program::Installer,
            ..Self::new(["screen".into()])
        }
    }

    /// Everything that is known of the installations; slots are read in full.
    #[must_use]
    pub fn details(verify: bool) -> Self {
        let words = ["volumes"].into_iter().chain(verify.then_some("--verify"));
        Self::new(words.map(OsString::from))
    }

    /// The health of the disks.
    #[must_use]
    pub fn disks() -> Self {
        Self::new(["disks".into()])
    }

    /// An expert is let in by ssh; by a fixed address, and a router, where nobody gives the machine one.
    #[must_use]
    pub fn rescue(address: Option<&str>, gateway: Option<&str>) -> Self {
        let options = [("--address", address), ("--gateway", gateway)];
        let options = options
            .into_iter()
            .filter_map(|(option, value)| Some(format!("{option}={}", value?).into()));
        Self::new(std::iter::once("rescue".into()).chain(options))
    }
}

/// Which installation.
fn named(chosen: &Chosen, writes: bool) -> Vec<OsString> {
    let mut words = vec!["--disk".into(), chosen.disk.clone().into_os_string()];
    if writes && chosen.expert {
        words.push("--other-version".into());
    }
    words
}
