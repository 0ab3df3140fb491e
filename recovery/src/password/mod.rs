//! A new password for root or for the service account of an installation, when the old one is
//! forgotten: its hash goes into the settings. The password itself is on no command line, in no
//! log, and nowhere on a disk.

pub mod ask;
pub mod command;

use std::path::Path;

use anyhow::{Context, Result, ensure};
pub use vigie_settings::Account;
use vigie_settings::{Files, Origin, PasswordHash, Settings, Store};
use vigie_update::Version;
use vigie_update::appliance::named_licence;

use crate::audit::{self, Entry};
use crate::full::{self, Freed, Room};
use crate::message::Message;
use crate::refusal::Refusal;

/// What the settings were like, where a person must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The newest generation was damaged; the one before is the newest again.
    Restored {
        /// What was wrong.
        why: String,
    },
    /// Nothing of them could be used: but for the password they are those of a new appliance.
    Lost {
        /// What was wrong.
        why: String,
    },
}

impl Damage {
    /// In words.
    #[must_use]
    pub fn message(&self) -> Message {
        match self {
            Self::Restored { why } => Message::new("settings.restored").with("why", why),
            Self::Lost { why } => Message::new("settings.lost").with("why", why),
        }
    }
}

/// It is done.
#[derive(Debug)]
pub struct Done {
    /// What the settings were like before.
    pub damage: Option<Damage>,
    /// What went because the volume was full.
    pub freed: Option<Freed>,
    /// Why the log does not tell of it, in words.
    pub not_logged: Option<Message>,
}

/// Sets a password in the settings on a state volume whose root is the folder `state`. The old
/// generation stays beside; a power cut leaves the old settings or the new. On a full volume old logs
/// go for it. `running` is the version of the installation, for what damaged settings cannot say.
///
/// # Errors
/// A [`Refusal`], or the volume cannot be written to: the settings are as they were.
pub fn set(
    state: &Path,
    account: Account,
    hash: PasswordHash,
    running: Version,
    medium: Option<String>,
) -> Result<Done> {
    let store = Store::on_state_volume(state).by("recovery");
    let ((damage, not_logged), freed) = full::with_room(state, |room| {
        let damage = change(room, &store, account, hash, running)?;
        let logged = audit::append(room, &Entry::now("password", account.name(), medium));
        Ok((damage, logged.err()))
    })?;
    Ok(Done {
        damage,
        freed,
        not_logged: not_logged.as_ref().map(audit::not_logged),
    })
}

fn change<F: Files>(
    room: &mut Room<'_>,
    store: &Store<F>,
    account: Account,
    hash: PasswordHash,
    running: Version,
) -> Result<Option<Damage>> {
    let (mut settings, damage) = usable(room, store, running)?;
    *account.hash(&mut settings.access) = Some(hash);
    room.saving(&mut || store.save(&settings).context("saving the settings"))?;
    ensure!(
        store.load().settings == settings,
        "the settings read back are not those that were saved; check and repair the state volume"
    );
    Ok(damage)
}

/// The settings that the installed system uses, made its own form's so that they can be changed; and what
/// they were like.
///
/// # Errors
/// They are of a newer form; the volume cannot be written to.
fn usable<F: Files>(
    room: &mut Room<'_>,
    store: &Store<F>,
    running: Version,
) -> Result<(Settings, Option<Damage>)> {
    let mut loaded = store.load();
    // Also where that would take it over: it is the newer system that is installed, with its own.
    if let Some(unused) = loaded.unused {
        let form = unused.form;
        return Err(Refusal::NewerSettings { form }.into());
    }
    room.saving(&mut || store.settle(&loaded).context("saving the settings"))?;
    // Damage buys no licence, and neither does what is saved in its place.
    loaded.settings.update.licence_major = named_licence(&loaded, running);
    let damage = match loaded.origin {
        Origin::Previous { why }
        | Origin::Migrated {
            damage: Some(why), ..
        } => Some(Damage::Restored { why }),
        Origin::Defaults { why } | Origin::Unmigrated { why, .. } => Some(Damage::Lost { why }),
        Origin::Current | Origin::Absent | Origin::Since { .. } | Origin::Migrated { .. } => None,
    };
    Ok((loaded.settings, damage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use vigie_settings::store::{FOLDER_ON_STATE, current};

    const ONE: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC";
    const TWO: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$AnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC";

    const RUNNING: Version = Version([5, 2, 0, 1]);

    fn saved(name: &str) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::on_state_volume(dir.path());
        let mut settings = Settings::default();
        settings.system.hostname = name.parse().unwrap();
        settings.access.root_password_hash = Some(ONE.parse().unwrap());
        store.save(&settings).unwrap();
        (dir, store)
    }

    fn newest(dir: &Path) -> std::path::PathBuf {
        let form = vigie_settings::document::VERSION;
        dir.join(FOLDER_ON_STATE).join(current(form))
    }

    #[test]
    fn one_password_changes_and_nothing_else() {
        for account in [Account::Root, Account::Service] {
            let (dir, store) = saved("hall");
            let mut expected = store.load().settings;
            let done = set(dir.path(), account, TWO.parse().unwrap(), RUNNING, None).unwrap();
            assert_eq!((done.damage, done.not_logged), (None, None));
            *account.hash(&mut expected.access) = Some(TWO.parse().unwrap());
            assert_eq!(store.load().settings, expected);
            // The generation before is still there for a damaged one.
            fs::write(newest(dir.path()), "damaged").unwrap();
            let before = store.load().settings;
            assert_eq!(before.access.root_password_hash, Some(ONE.parse().unwrap()));
            let log = dir
                .path()
                .join(crate::check::keep::ON_STATE)
                .join(audit::FILE);
            let log = fs::read_to_string(log).unwrap();
            assert!(log.contains("\"password\"") && log.contains(account.name()));
            assert!(!log.contains("$y$"), "{log}");
        }
    }

    #[test]
    fn damaged_settings_are_restored_from_the_generation_before_and_that_is_said() {
        let (dir, store) = saved("hall");
        let settings = store.load().settings;
        store.save(&settings).unwrap();
        fs::write(newest(dir.path()), "version = 3\n[system]\nhost").unwrap();
        let done = set(
            dir.path(),
            Account::Root,
            TWO.parse().unwrap(),
            RUNNING,
            None,
        )
        .unwrap();
        let Some(Damage::Restored { why }) = done.damage else {
            panic!("{done:?}")
        };
        assert!(why.contains("line 3"), "{why}");
        let loaded = store.load();
        assert_eq!(loaded.origin, Origin::Current);
        assert_eq!(loaded.settings.system.hostname.as_str(), "hall");
        let hash = loaded.settings.access.root_password_hash;
        assert_eq!(hash, Some(TWO.parse().unwrap()));
        // Both are damaged: the appliance was lost without it, and that is said, too.
        for entry in fs::read_dir(dir.path().join(FOLDER_ON_STATE)).unwrap() {
            fs::write(entry.unwrap().path(), "damaged").unwrap();
        }
        let done = set(
            dir.path(),
            Account::Root,
            TWO.parse().unwrap(),
            RUNNING,
            None,
        )
        .unwrap();
        assert!(matches!(done.damage, Some(Damage::Lost { .. })), "{done:?}");
        let settings = store.load().settings;
        assert_eq!(
            settings.access.root_password_hash,
            Some(TWO.parse().unwrap())
        );
        assert_eq!(
            settings.update.licence_major,
            Some(5),
            "damage buys no licence"
        );
    }

    #[test]
    fn settings_of_a_newer_system_are_not_hidden() {
        let (dir, store) = saved("hall");
        let form = vigie_settings::document::VERSION + 1;
        let text = format!("version = {form}\n");
        fs::write(newest(dir.path()).with_file_name(current(form)), text).unwrap();
        let error = set(
            dir.path(),
            Account::Root,
            TWO.parse().unwrap(),
            RUNNING,
            None,
        )
        .unwrap_err();
        let refusal = error.downcast_ref::<Refusal>();
        assert_eq!(refusal, Some(&Refusal::NewerSettings { form }));
        let hash = store.load().settings.access.root_password_hash;
        assert_eq!(hash, Some(ONE.parse().unwrap()));
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_nothing() {
        let (dir, store) = saved("hall");
        let recovery = dir.path().join(crate::check::keep::ON_STATE);
        fs::write(recovery, "a file where the folder should be").unwrap();
        let done = set(
            dir.path(),
            Account::Root,
            TWO.parse().unwrap(),
            RUNNING,
            None,
        )
        .unwrap();
        assert!(done.not_logged.is_some());
        let hash = store.load().settings.access.root_password_hash;
        assert_eq!(hash, Some(TWO.parse().unwrap()));
    }

    #[test]
    fn on_a_full_volume_old_logs_go_for_a_password() {
        let dir = crate::full::tests::volume();
        let store = crate::full::tests::Scarce::store(dir.path());
        let hash: PasswordHash = TWO.parse().unwrap();
        let ((), freed) = full::with_room(dir.path(), |room| {
            change(room, &store, Account::Root, hash.clone(), RUNNING).map(drop)
        })
        .unwrap();
        assert_eq!(freed.unwrap().files.len(), crate::full::tests::OLD.len());
        assert_eq!(store.load().settings.access.root_password_hash, Some(hash));
    }
}
