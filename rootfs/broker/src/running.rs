//! The running machine: systemd, the settings, the journal.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use vigie_login::hash;
use vigie_settings::apply::apply_access;
use vigie_settings::{Account, ChangeError, Changing, Said, Settings, live};

use crate::failure::{Failure, said};
use crate::going;
use crate::journal::{self, Line};
use crate::keeping::{Keeper, Shelf};
use crate::machine::{Machine, Wanted};
use crate::secret::Secret;
use crate::verb::Request;

/// The machine below a root; `/` for the running one.
#[derive(Clone, Debug)]
pub struct Running {
    /// The root.
    pub root: PathBuf,
}

impl Machine for Running {
    fn power_off(&mut self) -> Result<(), Failure> {
        self.go_down("poweroff")
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.go_down("reboot")
    }

    fn set_password(
        &mut self,
        who: &str,
        account: Account,
        password: &Secret,
    ) -> Result<Option<Said>, Failure> {
        let hash = hash::for_account(password.expose());
        let hash = hash.map_err(|error| Failure::failed("failed.hash", error))?;
        let hash = hash
            .parse()
            .map_err(|error| Failure::failed("failed.hash", error))?;
        let changing = Changing::begin(&self.root, who).map_err(unchanged)?;
        let mut settings = changing.old.settings.clone();
        *account.hash(&mut settings.access) = Some(hash);
        let saved = changing.save(&settings).map_err(ChangeError::Save);
        saved.map_err(unchanged)?;
        let report = apply_access(&self.root, changing.held());
        let warnings = Said::same(report.warnings.join("; "));
        Ok(report
            .failed
            .then(|| said("warning.applied", &[("error", warnings)])))
    }

    fn logs(
        &mut self,
        wanted: &Wanted,
        tell: &mut dyn FnMut(&Line) -> bool,
    ) -> Result<(), Failure> {
        journal::read(wanted, tell)
    }
}

impl Running {
    fn go_down(&self, verb: &str) -> Result<(), Failure> {
        going::is_asked_for(&self.root);
        systemctl(verb).inspect_err(|_| going::is_not(&self.root))
    }
}

impl Keeper for Running {
    fn keep(
        &mut self,
        who: &str,
        ask: &Request,
        tell: &mut dyn FnMut(&Value),
    ) -> Result<(), Failure> {
        let mut system = live::running::Running;
        let root = self.root.clone();
        let mut shelf = Shelf {
            root,
            system: &mut system,
        };
        shelf.keep(who, ask, tell)
    }
}

/// Why the settings stay as they are.
pub(crate) fn unchanged(error: ChangeError) -> Failure {
    match error {
        ChangeError::Newer { form } => Failure::newer(form),
        ChangeError::Trial => Failure::refused("trial", error.said()),
        ChangeError::Locked(_) if error.is_busy() => Failure::refused("busy", error.said()),
        ChangeError::Lost | ChangeError::Damaged { .. } => Failure::settings(error.said()),
        ChangeError::Locked(_) | ChangeError::NotOnTrial(_) | ChangeError::Save(_) => {
            Failure::failed("failed.settings", error)
        }
    }
}

/// Asks systemd, and does not wait for what ends us.
fn systemctl(verb: &str) -> Result<(), Failure> {
    let output = Command::new("systemctl")
        .args(["--no-block", verb])
        .output();
    let output = output.map_err(|error| Failure::failed("failed.power", error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::failed("failed.power", said))
}

/// The settings as a value, without secrets: of a field that is one, it is told that there is one.
pub(crate) fn shown(settings: &Settings) -> Result<Value, Failure> {
    let value = serde_json::to_value(settings);
    let mut value = value.map_err(|error| Failure::failed("failed.settings", error))?;
    hide(&mut value);
    Ok(value)
}

/// Fields whose names end so hold secrets; a new one that does not must be added here.
const SECRET: [&str; 5] = ["hash", "token", "password", "secret", "passphrase"];

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match SECRET.iter().any(|secret| name.ends_with(secret)) {
                    true if !field.is_null() => *field = Value::from("(set)"),
                    _ => hide(field),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(hide),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use vigie_settings::{Access, Store};

    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "etc",
            "run/vigie",
            "usr/share/zoneinfo/Etc",
            "usr/share/zoneinfo/Europe",
        ] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for zone in ["Etc/UTC", "Europe/Paris"] {
            fs::write(root.path().join("usr/share/zoneinfo").join(zone), "TZif").unwrap();
        }
        let shadow = "root:*:1::::::\nservice:*:1::::::\n";
        fs::write(root.path().join("etc/shadow"), shadow).unwrap();
        root
    }

    fn running(root: &tempfile::TempDir) -> Running {
        Running {
            root: root.path().to_owned(),
        }
    }

    fn access(root: &Path) -> Access {
        Store::of_system(root).load().settings.access
    }

    #[test]
    fn a_password_is_saved_and_in_force_at_once() {
        let root = root();
        let mut machine = running(&root);
        let secret = Secret::new("dix lamas verts");
        for account in [Account::Root, Account::Service] {
            assert_eq!(machine.set_password("anna", account, &secret), Ok(None));
        }
        let kept = access(root.path());
        let shadow = fs::read_to_string(root.path().join("etc/shadow")).unwrap();
        for (account, hash) in [
            ("root", kept.root_password_hash),
            ("service", kept.service_password_hash),
        ] {
            let hash = hash.unwrap();
            assert_eq!(hash::matches(hash.as_str(), secret.expose()), Some(true));
            let line = format!("{account}:{}:", hash.as_str());
            assert!(
                shadow.lines().any(|found| found.starts_with(&line)),
                "{account}"
            );
        }
        for line in shadow.lines() {
            assert!(!line.contains("lamas"), "{line}");
        }
    }

    #[test]
    fn settings_that_somebody_does_not_let_go_of_are_not_changed() {
        let busy = || ChangeError::Locked(io::ErrorKind::WouldBlock.into());
        let broken = ChangeError::Locked(io::ErrorKind::StorageFull.into());
        let failure = unchanged(busy());
        assert_eq!((failure.refused, failure.code), (true, "busy"));
        assert_eq!(crate::keeping::unchanged(busy()), failure);
        assert!(!unchanged(broken).refused);
    }

    #[test]
    fn it_is_saved_for_who_asked_and_only_where_nothing_is_lost_by_it() {
        let root = root();
        let mut machine = running(&root);
        let folder = root.path().join(vigie_settings::store::FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let form_2 = include_str!("../../settings/tests/forms/2.toml");
        fs::write(folder.join("current.2.toml"), form_2).unwrap();
        let secret = Secret::new("dix lamas verts");
        let mut set = || machine.set_password("anna", Account::Root, &secret);
        assert_eq!(set(), Ok(None));
        // What was migrated is a generation of its own below it.
        let history = Store::of_system(root.path()).history().unwrap();
        let who: Vec<_> = history.iter().flat_map(|one| &one.stamp).collect();
        assert_eq!(who.len(), 2, "{history:?}");
        assert_eq!(who[0].who, "anna");
        // A change that is under way is waited for.
        let held = Store::of_system(root.path()).exclusive().unwrap();
        std::thread::scope(|scope| {
            let setting = scope.spawn(&mut set);
            while !waits_for_a_lock() {
                assert!(!setting.is_finished());
                std::thread::yield_now();
            }
            drop(held);
            assert_eq!(setting.join().unwrap(), Ok(None));
        });
        // Damaged settings stay as they are, for who looks at them.
        let shadow = fs::read(root.path().join("etc/shadow")).unwrap();
        fs::write(folder.join("current.3.toml"), "damaged").unwrap();
        let failure = set().unwrap_err();
        assert!(failure.refused, "{failure:?}");
        assert!(failure.said.to_string().contains("restore a backup"));
        let current = fs::read(folder.join("current.3.toml")).unwrap();
        assert_eq!(current, b"damaged");
        assert_eq!(fs::read(root.path().join("etc/shadow")).unwrap(), shadow);
    }

    /// Whether a thread of ours waits for a lock on a file.
    fn waits_for_a_lock() -> bool {
        let own = format!(" {} ", std::process::id());
        let locks = fs::read_to_string("/proc/locks").unwrap();
        let mut waiting = locks.lines().filter(|line| line.contains("->"));
        waiting.any(|line| line.contains(&own))
    }

    #[test]
    fn what_cannot_be_saved_changes_nothing() {
        let root = root();
        let mut machine = running(&root);
        // A folder where the new file would be.
        let folder = root.path().join(vigie_settings::store::FOLDER);
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        fs::write(&folder, "in the way").unwrap();
        let secret = Secret::new("dix lamas verts");
        let failure = machine
            .set_password("anna", Account::Root, &secret)
            .unwrap_err();
        assert!(!failure.refused && !failure.said.to_string().contains("lamas"));
        let shadow = fs::read_to_string(root.path().join("etc/shadow")).unwrap();
        assert!(shadow.contains("root:*:"));
        let mode = fs::metadata(root.path().join("etc")).unwrap().permissions();
        assert!(mode.mode() & 0o700 == 0o700);
    }

    #[test]
    fn the_settings_are_told_without_secrets() {
        let text = include_str!("../../settings/tests/golden/full.toml");
        let fleet = include_str!("../../settings/tests/golden/update-fleet.toml");
        for (text, secrets) in [(text, 1), (fleet, 1)] {
            let settings = Settings::from_text(text).unwrap();
            let told = shown(&settings).unwrap().to_string();
            assert!(told.matches("(set)").count() >= secrets, "{told}");
            // What stands behind such a name in the document stands nowhere in the answer.
            for line in text.lines() {
                let Some((name, value)) = line.split_once(" = ") else {
                    continue;
                };
                if SECRET.iter().any(|secret| name.ends_with(secret)) {
                    assert!(!told.contains(value.trim_matches('"')), "{name}");
                }
            }
        }
    }

    /// As in the updater: what was tried must be what starts after a power cut too.
    #[test]
    fn a_restart_is_never_a_kexec() {
        let sysctl = include_str!("../../overlay/usr/lib/sysctl.d/60-vigie.conf");
        assert!(sysctl.contains("kernel.kexec_load_disabled = 1"));
    }
}
