//! An unattended installation as scenarios order it: a medium, disks, and answers on a FAT
//! volume; what comes back is the installer's own result.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{READY_LIVE, ssh};
use crate::context::Context;
use crate::vm::command::{Disk, Firmware, Machine};
use crate::vm::{Vm, images};

/// Size of the volume with the answers, in KiB.
const PROVISION_KIB: u32 = 16 * 1024;
/// Boot, install, power off.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// The result beside the answers.
const RESULT: &str = "install-result.json";

/// The host name that the answers give unless a scenario is about another.
pub const HOSTNAME: &str = "vigie-ci";

/// Password of root of every installed system.
pub(super) const PASSWORD: &str = "dix lamas";
/// What crypt(5) made of it, by yescrypt.
const PASSWORD_HASH: &str =
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$.nXTgE8mfMFsrqCIGaltCKfCKrMvhvqfe51rXEdhaj6";

/// What is installed from, onto what, and how.
pub(super) struct Order {
    /// What starts the machine.
    pub firmware: Firmware,
    /// The stick or CD.
    pub medium: Disk,
    /// All other disks, those that must not be touched included.
    pub disks: Vec<Disk>,
    /// The text of `install.toml`.
    pub answers: String,
}

/// Answers: the text of `[target]` and `[[data]]`, a host name, and the step's own ssh key.
/// Nothing is said about the end: after a success the machine is switched off, else it waits.
pub(super) fn answers(ctx: &Context, target: &str, hostname: &str) -> Result<String> {
    let key = ssh::Key::of_step(ctx)?.public()?;
    Ok(format!(
        r#"{target}

[system]
hostname = "{hostname}"
timezone = "Europe/Paris"
language = "en"
keymap = "us"

[network.enterprise]
dhcp = true

[access]
root_password_hash = "{PASSWORD_HASH}"
ssh_authorized_keys = ["{key}"]
service_ssh_keys = ["{key}"]
"#
    ))
}

/// An installation in progress.
pub(super) struct Running {
    /// The machine.
    pub vm: Vm,
    provision: PathBuf,
}

impl Order {
    /// Starts the machine `name`.
    pub fn start(&self, ctx: &Context, name: &str) -> Result<Running> {
        self.start_as(ctx, name, |machine| machine)
    }

    /// The same with a machine of another kind.
    pub fn start_as(
        &self,
        ctx: &Context,
        name: &str,
        kind: impl FnOnce(Machine) -> Machine,
    ) -> Result<Running> {
        let folder = ctx.folder().join(name);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let (answers, provision) = (folder.join("install.toml"), folder.join("provision.fat"));
        fs::write(&answers, &self.answers).context("writing the answers")?;
        let files = [("install.toml", answers.as_path())];
        images::fat_volume(
            ctx.programs()?,
            &provision,
            "PROVISION",
            PROVISION_KIB,
            &files,
        )?;
        let volume = Disk::new(&provision, crate::vm::command::Bus::Usb).data_only();
        let disks = self.disks.iter().cloned().map(Disk::data_only);
        let mut machine = ctx.machine(self.firmware)?.disk(self.medium.clone());
        machine.disks.extend(disks);
        let vm = ctx.start(name, &kind(machine.disk(volume)))?;
        Ok(Running { vm, provision })
    }

    /// Runs the machine until it is off or back at the menu; gives the result.
    pub fn run(&self, ctx: &Context, name: &str) -> Result<Ended> {
        self.start(ctx, name)?.wait(ctx)
    }

    /// The same; anything but a success is an error.
    pub fn install(&self, ctx: &Context, name: &str) -> Result<Ended> {
        let ended = self.run(ctx, name)?;
        ended
            .check_installed()
            .map_err(|error| ended.vm.failure(format!("{error:#}")))?;
        ctx.note(format!("{name} {:.0} s", ended.vm.now().as_secs_f64()));
        Ok(ended)
    }
}

impl Running {
    /// Waits until the machine is off or back at the menu; gives the result.
    pub fn wait(self, ctx: &Context) -> Result<Ended> {
        // The menu opens when the installation has ended without switching off.
        let menu = self.vm.wait_poweroff_or(&[READY_LIVE], LIMIT)?;
        let after = match menu {
            None => After::Off,
            Some(_) => {
                self.vm.screenshot("menu")?;
                self.vm.kill()?;
                After::Waits
            }
        };
        self.ended(ctx, after)
    }

    fn ended(self, ctx: &Context, after: After) -> Result<Ended> {
        let text = images::read_from_fat(ctx.programs()?, &self.provision, RESULT)
            .map_err(|error| self.vm.failure(format!("no result was left: {error:#}")))?;
        fs::write(self.vm.folder().join(RESULT), &text).context("keeping the result")?;
        let result = serde_json::from_str(&text).with_context(|| format!("{RESULT}: `{text}`"))?;
        Ok(Ended {
            vm: self.vm,
            result,
            after,
        })
    }
}

/// What the machine does after an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It has switched itself off.
    Off,
    /// It shows its menu.
    Waits,
}

/// An installation that has ended.
pub(super) struct Ended {
    /// The machine that was.
    pub vm: Vm,
    /// The installer's result.
    pub result: Value,
    /// What it did then.
    pub after: After,
}

impl Ended {
    fn check_installed(&self) -> Result<()> {
        let result = &self.result;
        ensure!(succeeded(result), "the installer reports: {result:#}");
        ensure!(
            self.after == After::Off,
            "it did not switch off: {:?}",
            self.after
        );
        Ok(())
    }

    /// Refused or failed, with all of these words in the reason; the machine waits.
    pub fn check_unsuccessful(&self, outcome: &str, words: &[&str]) -> Result<()> {
        self.check_ended(outcome, words, After::Waits)
    }

    /// The same where the machine does something else afterwards.
    pub fn check_ended(&self, outcome: &str, words: &[&str], after: After) -> Result<()> {
        let text = self.result.to_string();
        let judged = self.result["result"] == outcome
            && self.after == after
            && words.iter().all(|word| text.contains(word));
        ensure!(
            judged,
            "{}",
            self.vm.failure(format!(
                "expected to be {outcome} with {words:?}, then {after:?}; it is {:?}, and the \
                 installer reports: {:#}",
                self.after, self.result
            ))
        );
        Ok(())
    }
}

pub(super) fn succeeded(result: &Value) -> bool {
    result["result"] == "installed" && result.get("error").is_none_or(Value::is_null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_judged() {
        let cases = [
            (r#"{"result":"installed","seconds":12.5}"#, true),
            (r#"{"result":"installed","error":"reading back"}"#, false),
            (r#"{"result":"refused","error":"no disk"}"#, false),
            (r#"{"result":"failed"}"#, false),
            ("{}", false),
            ("[]", false),
        ];
        for (text, expected) in cases {
            let result = serde_json::from_str(text).unwrap();
            assert_eq!(succeeded(&result), expected, "{text}");
        }
    }
}
