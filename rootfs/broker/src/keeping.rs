//! What is asked of the settings and of the logs, and done below a root: changes go the one road of
//! `vigie-settings`, and hold at once; what may cut off whoever asks goes on trial.

use std::io;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use vigie_settings::apply::CHECK_NEXT;
use vigie_settings::backup::{self, BackupError, Making};
use vigie_settings::difference::{HIDDEN, changes};
use vigie_settings::edit::{Edit, edited};
use vigie_settings::live::System;
use vigie_settings::live::trial::{self, TrialError};
use vigie_settings::ways::{self, Way};
use vigie_settings::{
    Addressing, ChangeError, Changing, DocumentError, Problem, Said, SaveError, Settings, Store,
    Taken, here, seconds_now,
};

use crate::audit;
use crate::bundle;
use crate::failure::{self, Failure, said};
use crate::secret::Secret;
use crate::verb::{Edited, Request};

/// Has done what is asked of the settings: a trait, so that a test puts a script in its place.
pub trait Keeper {
    /// Does it for `who`, and tells what there is to tell before the end.
    ///
    /// # Errors
    /// It is refused, or has failed.
    fn keep(
        &mut self,
        who: &str,
        ask: &Request,
        tell: &mut dyn FnMut(&Value),
    ) -> Result<(), Failure>;
}

/// The settings below a root, and the system that follows them.
pub struct Shelf<'a> {
    /// The root.
    pub root: PathBuf,
    /// What follows.
    pub system: &'a mut dyn System,
}

impl Keeper for Shelf<'_> {
    fn keep(
        &mut self,
        who: &str,
        ask: &Request,
        tell: &mut dyn FnMut(&Value),
    ) -> Result<(), Failure> {
        match ask {
            Request::SettingsGet {} => self.get(tell),
            Request::SettingsCheck { changes } => self.check(changes, tell),
            Request::SettingsSet {
                changes,
                generation,
            } => self.set(who, changes, *generation, tell),
            Request::NetworkTrial {} => self.trial(tell),
            Request::NetworkConfirm {} => self.confirm(tell),
            Request::NetworkRevert {} => {
                trial::ask_to_revert(&self.root, self.system).map_err(of_trial)
            }
            Request::SettingsHistory {} => self.history(tell),
            Request::SettingsDiff { generation } => self.diff(*generation, tell),
            Request::SettingsRestore { generation } => {
                let settings = self.numbered(*generation)?;
                self.restore(who, settings, tell)
            }
            Request::Backup { passphrase } => self.backup(passphrase.as_ref(), tell),
            Request::Restore { data, passphrase } => {
                let (settings, newer) = self.read(data, passphrase.as_ref())?;
                if let Some(newer) = newer {
                    tell(&warning(&newer));
                }
                self.restore(who, settings, tell)
            }
            Request::SupportBundle {} => {
                let name = format!("{}-support.tar.gz", self.dated());
                bundle::tell(bundle::exporter(), &name, tell)
            }
            Request::CheckAtBoot { on } => self.check_at_boot(*on),
            Request::CheckAtBootState {} => {
                let on = self.root.join(CHECK_NEXT).exists();
                tell(&json!({"event": "check", "on": on}));
                Ok(())
            }
            // Not of the settings.
            _ => Err(Failure::request()),
        }
    }
}

impl Shelf<'_> {
    fn store(&self) -> Store {
        Store::of_system(&self.root)
    }

    fn get(&self, tell: &mut dyn FnMut(&Value)) -> Result<(), Failure> {
        let store = self.store();
        let settings = crate::running::shown(&store.load().settings)?;
        let generation = store.generation_in_use();
        tell(&json!({"event": "settings", "settings": settings, "generation": generation}));
        Ok(())
    }

    fn check(&self, changes: &[Edited], tell: &mut dyn FnMut(&Value)) -> Result<(), Failure> {
        let old = self.store().load().settings;
        if let Err(problems) = self.changed(&old, changes) {
            problems.iter().for_each(|one| tell(&problem(one)));
        }
        Ok(())
    }

    /// The settings with changes; or all that is wrong with them.
    fn changed(&self, old: &Settings, changes: &[Edited]) -> Result<Settings, Vec<Problem>> {
        let mut edits = Vec::new();
        let mut wrong = Vec::new();
        for change in changes {
            match Edit::from_json(&change.path, &change.value) {
                // They have verbs of their own, which ask for one's own password.
                Ok(edit) if edit.touches_secrets() => {
                    wrong.push(Problem::new(&edit.path, said("refused.secret", &[])));
                }
                Ok(edit) => edits.push(edit),
                Err(problem) => wrong.push(problem),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let new = edited(old, &edits)?;
        let mut wrong = here::problems(&self.root, &new);
        if ways::lost(old, &new).contains(&Way::Root) {
            wrong.push(Problem::new("access", said("refused.last-way", &[])));
        }
        match wrong.is_empty() {
            true => Ok(new),
            false => Err(wrong),
        }
    }

    fn set(
        &mut self,
        who: &str,
        changes: &[Edited],
        generation: Option<u32>,
        tell: &mut dyn FnMut(&Value),
    ) -> Result<(), Failure> {
        let changing = Changing::begin(&self.root, who).map_err(unchanged)?;
        if generation.is_some() && generation != changing.generation() {
            return Err(Failure::refused("changed", said("refused.changed", &[])));
        }
        let new = self.changed(&changing.old.settings, changes);
        let new = new.map_err(|problems| {
            problems.iter().for_each(|one| tell(&problem(one)));
            Failure::refused("problems", said("refused.problems", &[]))
        })?;
        self.take(&changing, &new, tell)
    }

    /// Has the running system follow them, and says what became of them.
    fn take(
        &mut self,
        changing: &Changing,
        new: &Settings,
        tell: &mut dyn FnMut(&Value),
    ) -> Result<(), Failure> {
        let taken = changing.take(new, self.system).map_err(unchanged)?;
        let trial = match taken {
            Taken::Trial { seconds } => Some(seconds),
            Taken::Saved(_) => None,
        };
        // Whoever asked is about to be cut off: nothing more is to be asked for an answer.
        let address = trial.and_then(|_| address(new));
        let (after_restart, warnings) = match taken {
            Taken::Trial { .. } => (Vec::new(), Vec::new()),
            Taken::Saved(followed) => (followed.after_restart, followed.warnings),
        };
        warnings.iter().for_each(|one| tell(&warning(one)));
        tell(&json!({
            "event": "saved", "generation": changing.generation(), "trial": trial,
            "after_restart": after_restart, "address": address,
        }));
        Ok(())
    }

    fn trial(&self, tell: &mut dyn FnMut(&Value)) -> Result<(), Failure> {
        let left = trial::left(&self.root, &*self.system);
        let left = left.map_err(|error| of_trial(TrialError::Io(error)))?;
        let tried = trial::tried(&self.root);
        let tried = tried.map_err(|error| of_trial(TrialError::Io(error)))?;
        let address = tried.as_ref().and_then(address);
        tell(&json!({"event": "trial", "left": left, "address": address}));
        Ok(())
    }

    fn confirm(&mut self, tell: &mut dyn FnMut(&Value)) -> Result<(), Failure> {
        let generation = trial::confirm(&self.root, self.system).map_err(of_trial)?;
        let address = address(&self.store().load().settings);
        tell(&json!({
            "event": "saved", "generation": generation, "trial": null, "after_restart": [],
            "address": address,
        }));
        Ok(())
    }

    fn history(&self, tell: &mut dyn FnMut(&Value)) -> Result<(), Failure> {
        let history = self.store().history();
        let history = history.map_err(|error| Failure::failed("failed.history", error))?;
        for one in history {
            let stamp = one.stamp.as_ref();
            tell(&json!({
                "event": "generation", "number": one.number, "in_use": one.is_current,
                "saved_at": stamp.map(|stamp| stamp.at), "who": stamp.map(|stamp| &stamp.who),
            }));
        }
        Ok(())
    }

    fn numbered(&self, number: u32) -> Result<Settings, Failure> {
        let found = self.store().numbered(number).map_err(|error| match error {
            DocumentError::Io(error) => Failure::failed("failed.history", error),
            other => Failure::refused("generation", other.said()),
        })?;
        let number = [("number", Said::same(number))];
        found.ok_or_else(|| Failure::refused("generation", said("refused.generation", &number)))
    }

    fn diff(&self, generation: u32, tell: &mut dyn FnMut(&Value)) -> Result<(), Failure> {
        let old = self.numbered(generation)?;
        let shown = |value: Value| match value {
            Value::String(text) if text == HIDDEN => json!("(set)"),
            value => value,
        };
        for one in changes(&old, &self.store().load().settings) {
            let (old, new) = (shown(json!(one.old)), shown(json!(one.new)));
            tell(&json!({"event": "change", "field": one.key, "old": old, "new": new}));
        }
        Ok(())
    }

    /// Damaged settings are no hindrance: it is what mends them.
    fn restore(
        &mut self,
        who: &str,
        settings: Settings,
        tell: &mut dyn FnMut(&Value),
    ) -> Result<(), Failure> {
        let changing = Changing::mending(&self.root, who).map_err(unchanged)?;
        let new = backup::onto(settings, &changing.old.settings);
        let problems = here::problems(&self.root, &new);
        if !problems.is_empty() {
            problems.iter().for_each(|one| tell(&problem(one)));
            return Err(Failure::refused("problems", said("refused.problems", &[])));
        }
        self.take(&changing, &new, tell)
    }

    fn backup(
        &self,
        passphrase: Option<&Secret>,
        tell: &mut dyn FnMut(&Value),
    ) -> Result<(), Failure> {
        let loaded = self.store().load();
        if !loaded.origin.is_document() {
            let why = said("refused.no-settings", &[]);
            return Err(Failure::refused("no-settings", why));
        }
        let passphrase = passphrase.map(|passphrase| passphrase.expose().as_bytes());
        let system = here::system_version(&self.root);
        let making = Making {
            at: seconds_now(),
            system: system.as_deref(),
        };
        let bytes = backup::make(&loaded.settings, making, passphrase).map_err(of_backup)?;
        let name = format!("{}.vigie-settings", self.dated());
        let data = BASE64_STANDARD.encode(bytes);
        tell(&json!({"event": "backup", "name": name, "data": data}));
        Ok(())
    }

    /// How files of this appliance and day are called.
    fn dated(&self) -> String {
        let name = self.store().load().settings.system.hostname;
        let time = vigie_settings::utc(seconds_now());
        let day = time.split('T').next().unwrap_or_default();
        format!("{name}-{day}")
    }

    /// The settings in a backup, and what is to be said of where it comes from.
    fn read(
        &self,
        data: &str,
        passphrase: Option<&Secret>,
    ) -> Result<(Settings, Option<Said>), Failure> {
        let bytes = BASE64_STANDARD.decode(data);
        let bytes = bytes.map_err(|_| of_backup(BackupError::Damaged))?;
        let passphrase = passphrase.map(|passphrase| passphrase.expose().as_bytes());
        let settings = backup::read(&bytes, passphrase).map_err(of_backup)?;
        let own = here::system_version(&self.root);
        let newer = own.and_then(|own| backup::made_by_newer(&bytes, &own));
        Ok((settings, newer))
    }

    fn check_at_boot(&self, on: bool) -> Result<(), Failure> {
        let path = self.root.join(CHECK_NEXT);
        let done = match on {
            true => put_mark(&path),
            false => match std::fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        };
        done.map_err(|error| Failure::failed("failed.check-at-boot", error))
    }
}

/// Where people find the appliance by these settings; with DHCP nobody knows.
fn address(settings: &Settings) -> Option<String> {
    match settings.network.enterprise.addressing() {
        Addressing::Static(address) => Some(address.to_string()),
        Addressing::Dhcp => None,
    }
}

/// It must be there after a power cut, too.
fn put_mark(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::File::create(path)?.sync_all()
}

/// What a person must know besides.
fn warning(said: &Said) -> Value {
    let mut value = failure::words(said);
    value["event"] = "warning".into();
    value
}

/// A thing that is wrong, as it is told.
fn problem(one: &Problem) -> Value {
    let mut value = failure::words(&one.text);
    value["event"] = "problem".into();
    value["field"] = json!(one.field);
    value["line"] = Value::Null;
    value
}

/// Why the settings stay as they are.
pub(crate) fn unchanged(error: ChangeError) -> Failure {
    let code = match error {
        ChangeError::Locked(_) if error.is_busy() => "busy",
        ChangeError::Newer { .. } => "newer",
        ChangeError::Trial => "trial",
        ChangeError::Lost | ChangeError::Damaged { .. } => "settings",
        ChangeError::Save(SaveError::Check(_)) => "problems",
        ChangeError::Locked(_) | ChangeError::NotOnTrial(_) | ChangeError::Save(_) => {
            return Failure::failed("failed.settings", error);
        }
    };
    Failure::refused(code, error.said())
}

fn of_trial(error: TrialError) -> Failure {
    match error {
        TrialError::Unfit(_) => Failure::refused("trial", error.said()),
        TrialError::Change(error) => unchanged(error),
        TrialError::Followed(_) | TrialError::Io(_) => Failure::failed("failed.trial", error),
    }
}

fn of_backup(error: BackupError) -> Failure {
    let code = match &error {
        BackupError::Newer { .. } => "newer",
        BackupError::NeedsPassphrase
        | BackupError::Passphrase
        | BackupError::NotSealed
        | BackupError::ShortPassphrase => "passphrase",
        BackupError::Damaged | BackupError::Document(_) => "backup",
        BackupError::System(_) => return Failure::failed("failed.backup", error),
    };
    Failure::refused(code, error.said())
}

/// The sections of the settings.
const SECTIONS: [&str; 9] = [
    "system",
    "network",
    "time",
    "access",
    "users",
    "web",
    "registration",
    "update",
    "volumes",
];

/// The fields that are changed, for the audit trail: their names, never what they are set to, and nothing
/// that is no name of one.
#[must_use]
pub fn fields(changes: &[Edited]) -> String {
    let is_field = |path: &str| {
        let section = path.split('.').next().unwrap_or_default();
        SECTIONS.contains(&section) && path.len() <= 100
    };
    let named = changes.iter().map(|one| one.path.as_str());
    let mut all: Vec<&str> = named
        .map(|path| if is_field(path) { path } else { "?" })
        .collect();
    all.sort_unstable();
    all.dedup();
    audit::printable(&all.join(" "))
}

#[cfg(test)]
mod tests;
