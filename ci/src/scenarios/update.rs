//! Updates of an installed appliance: the other slot, and back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::bad_packages::{self, EXIT_REFUSED};
use super::boot::{self, Expect, Up};
use super::browser::Browser;
use super::unattended::PASSWORD;
use super::{HTTPS, WEB, disk, scenario, ssh, variant};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Response;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::dialog::{Dialog, keys};

/// The version after that of the image.
pub(super) const NEXT: &str = "0.1.0.1";
/// A version that never becomes healthy.
const SICK: &str = "0.1.0.2";
/// A restart into the other slot and, where that is sick, back again.
pub(super) const RESTART: Duration = Duration::from_secs(8 * 60);

/// A question on the console.
const QUESTION: Duration = Duration::from_secs(120);

pub(super) fn steps() -> Vec<Step> {
    vec![
        scenario(
            "update",
            "a package from a pipe becomes the running system, a person goes back; wrong ones are refused",
            &["install"],
            update,
        )
        .in_smoke(),
        scenario(
            "update-returns",
            "a version that does not become healthy goes back to the one before by itself; settings are as they were, and console and web say why",
            &["install"],
            returns,
        ),
    ]
}

fn update(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let box_ = Appliance::boot(ctx)?;
    box_.up.blame(refusals(&box_, &package))?;
    let said = box_.pipe(&package.path, "vigie-update apply --json --who ci -")?;
    ensure!(said.contains("\"installed\""), "apply: {said}");
    ctx.note(format!(
        "applied at {:.0} s",
        box_.up.vm.now().as_secs_f64()
    ));
    let again = box_.refused(&package.path)?;
    ensure!(again.contains("waits for a restart"), "again: {again}");
    box_.restart_into("b", NEXT)?;
    box_.up.blame(let_go_of_the_state_volume(&box_))?;
    box_.expect_history(&["installed", "good"])?;
    let floor = box_.says("vigie-update floor --json")?;
    ensure!(floor.contains(NEXT), "floor: {floor}");
    let older = box_.refused(&image_package(ctx)?)?;
    ensure!(
        older.contains("a newer version is needed"),
        "older: {older}"
    );
    // sshd ends with the system.
    let _ = box_.says("vigie-update rollback --restart --who ci");
    box_.wait_for("a", ctx.image()?.version.as_str())?;
    box_.expect_history(&["rollback"])?;
    box_.up.vm.kill()
}

/// The system before ended without a volume that was still in use, and e2fsck found nothing to
/// replay.
fn let_go_of_the_state_volume(appliance: &Appliance<'_>) -> Result<()> {
    let lines = appliance.up.vm.lines();
    let busy = lines
        .iter()
        .find(|line| line.text.contains("Failed unmounting"));
    ensure!(busy.is_none(), "at the end of the system: {busy:?}");
    let boot: Value = serde_json::from_str(&appliance.says("cat /run/vigie/boot.json")?)?;
    let check = &boot["state_check"];
    let summary = check["summary"].as_str().unwrap_or_default();
    ensure!(
        check["exit"] == 0 && summary.contains("Before: clean"),
        "the state volume after a restart: {check}"
    );
    Ok(())
}

/// What is not to be taken is refused with its reason, and changes nothing.
fn refusals(appliance: &Appliance<'_>, package: &Package) -> Result<()> {
    let before = appliance.says("vigie-update status")?;
    let same = appliance.refused(&image_package(appliance.ctx)?)?;
    ensure!(same.contains("a newer version is needed"), "same: {same}");
    // What is wrong behind the head comes through a pipe after the other slot was given up.
    let halfway = appliance.failed(&changed(appliance.ctx, package)?)?;
    ensure!(
        halfway.contains("is damaged in chunk"),
        "changed: {halfway}"
    );
    for bad in bad_packages::make(appliance.ctx, &package.path)? {
        let said = appliance.not_applied(&bad.path, bad.row.pipe)?;
        ensure!(said.contains(bad.row.reason), "{}: {said}", bad.name());
    }
    let after = appliance.says("vigie-update status")?;
    ensure!(before == after, "refusals changed\n{before}\ninto\n{after}");
    Ok(())
}

/// The real package with a bit changed in its middle.
fn changed(ctx: &Context, package: &Package) -> Result<PathBuf> {
    let mut bytes = fs::read(&package.path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let path = ctx.folder().join("changed.tgz");
    fs::write(&path, bytes)?;
    Ok(path)
}

fn returns(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, SICK, |overlay| {
        let folder = overlay.join("usr/lib/systemd/system/vigie-health.service.d");
        fs::create_dir_all(&folder)?;
        let sick = "[Service]\nExecStart=\nExecStart=/bin/false\n";
        Ok(fs::write(folder.join("sick.conf"), sick)?)
    })?;
    let appliance = Appliance::boot(ctx)?;
    appliance.pipe(&package.path, "vigie-update apply --json -")?;
    let before = boot_id(&appliance)?;
    let settings = digests_of_settings(&appliance)?;
    let _ = appliance.says("systemctl reboot");
    // Two boots later it is again what it was.
    let line = "slot b is given up";
    appliance.up.vm.wait_line(line, RESTART)?;
    appliance.wait_for("a", ctx.image()?.version.as_str())?;
    let after = boot_id(&appliance)?;
    ensure!(before != after, "it was never restarted");
    appliance.expect_history(&["installed", "returned"])?;
    let history = appliance.says("vigie-update history")?;
    ensure!(history.contains(WHY[0]), "history: {history}");
    let after = digests_of_settings(&appliance)?;
    ensure!(settings == after, "settings:\n{settings}\nnow\n{after}");
    appliance.up.blame(told_by_the_web(&appliance))?;
    appliance.up.blame(told_by_the_console(&appliance))?;
    appliance.up.vm.kill()
}

/// Why the sick version was left, in English and in French.
const WHY: [&str; 2] = [
    "vigie-health.service failed",
    "vigie-health.service a échoué",
];

/// File for file; the version that was tried may have migrated a copy, and nothing else.
fn digests_of_settings(appliance: &Appliance<'_>) -> Result<String> {
    let said = appliance.says("sha256sum /var/lib/vigie/settings/*")?;
    ensure!(said.contains("/current."), "no settings: {said}");
    Ok(said)
}

/// The page says what became of the last update, and why.
fn told_by_the_web(appliance: &Appliance<'_>) -> Result<()> {
    let browser = Browser::logged_in(appliance.up.vm.host_port(HTTPS)?, PASSWORD)?;
    let came_back = ["has not come up well", "n’a pas bien démarré"];
    for (language, (words, why)) in ["en", "fr"].into_iter().zip(came_back.into_iter().zip(WHY)) {
        let page = browser.page_in(language, "/update")?;
        let told = page.lines().any(|line| {
            line.contains("class=\"verdict") && line.contains(words) && line.contains(why)
        });
        ensure!(told, "the page in {language}: {page}");
    }
    Ok(())
}

/// So does the console's entry for updates; the entry above it changes the language.
fn told_by_the_console(appliance: &Appliance<'_>) -> Result<()> {
    let mut person = Dialog::from_the_beginning(&appliance.up.vm, QUESTION);
    person.press(keys::ENTER)?;
    person.answer("Number, or Enter to refresh:", "3")?;
    person
        .expect(format!("has not come up; this is the version before it ({}", WHY[0]).as_str())?;
    person.answer("Enter to go back:", "")?;
    person.answer("Number, or Enter to refresh:", "2")?;
    person.answer("Numéro, ou Entrée pour actualiser", "3")?;
    let french = format!("n'a pas démarré ; voici la version d'avant ({}", WHY[1]);
    person.expect(french.as_str())?;
    person.answer("Entrée pour revenir", "")
}

fn boot_id(appliance: &Appliance<'_>) -> Result<String> {
    appliance.says("cat /proc/sys/kernel/random/boot_id")
}

/// The package of the image under test.
pub(super) fn image_package(ctx: &Context) -> Result<PathBuf> {
    let version = &ctx.image()?.version;
    let path = ctx
        .folder_of("medium")
        .join(format!("vigie-{version}-upd.tgz"));
    ensure!(path.exists(), "{} is not there", path.display());
    Ok(path)
}

/// A package of another version.
pub(super) struct Package {
    /// The file.
    pub path: PathBuf,
}

impl Package {
    /// Builds one; `change` may add to the overlay of its image.
    pub fn build(
        ctx: &Context,
        version: &str,
        change: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Package> {
        let out = variant::build(ctx, version, |rootfs| change(&rootfs.join("overlay")))?;
        let path = out.join(format!("vigie-{version}-upd.tgz"));
        ensure!(path.exists(), "the build left no {}", path.display());
        Ok(Package { path })
    }
}

/// The appliance that the step `install` has made, running from a disk of its own.
pub(super) struct Appliance<'a> {
    /// The step.
    pub ctx: &'a Context,
    /// The machine.
    pub up: Up,
    /// What opens it.
    pub key: ssh::Key,
}

impl<'a> Appliance<'a> {
    /// Boots it.
    pub fn boot(ctx: &'a Context) -> Result<Appliance<'a>> {
        Appliance::boot_by(ctx, Firmware::Bios)
    }

    /// Boots it by another firmware.
    pub fn boot_by(ctx: &'a Context, firmware: Firmware) -> Result<Appliance<'a>> {
        let disk = Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
        let up = boot::boot(ctx, "vm", firmware, &[disk], Expect::Ok)?;
        let key = ssh::Key::of_install(ctx);
        Ok(Appliance { ctx, up, key })
    }

    /// What a command says.
    pub fn says(&self, command: &str) -> Result<String> {
        self.key.says(self.ctx, &self.up.vm, command)
    }

    /// What a command says to a file on its standard input.
    pub fn pipe(&self, file: &Path, command: &str) -> Result<String> {
        let mut ssh = self.client(command)?;
        let output = ssh.stdin(open(file)?).output().context("starting ssh")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{command}: {}: {said}{words}",
            output.status
        );
        Ok(said)
    }

    /// What is said to a package that is refused, with the exit code of a refusal.
    pub fn refused(&self, file: &Path) -> Result<String> {
        self.not_applied(file, EXIT_REFUSED)
    }

    /// The same of another command, which reads the package from its standard input.
    pub fn refused_by(&self, command: &str, file: &Path) -> Result<String> {
        self.not_done(command, file, EXIT_REFUSED)
    }

    /// What is said to a package that fails, with the exit code of a failure.
    pub fn failed(&self, file: &Path) -> Result<String> {
        self.not_applied(file, 1)
    }

    /// What a command says, and its exit code.
    pub fn exits(&self, command: &str) -> Result<(i32, String)> {
        let output = self.client(command)?.stdin(Stdio::null()).output();
        let output = output.context("starting ssh")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = output.status.code();
        Ok((code.context("ssh was ended by a signal")?, said))
    }

    fn not_applied(&self, file: &Path, code: i32) -> Result<String> {
        self.not_done("vigie-update apply -", file, code)
    }

    fn not_done(&self, command: &str, file: &Path, code: i32) -> Result<String> {
        let output = self
            .client(command)?
            .stdin(open(file)?)
            .output()
            .context("starting ssh")?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.code() == Some(code),
            "{}: {}, expected {code}: {words}",
            file.display(),
            output.status
        );
        Ok(words)
    }

    fn client(&self, command: &str) -> Result<Command> {
        self.key.client(self.ctx, &self.up.vm, command)
    }

    /// Restarts it, and waits until a version runs from a slot.
    pub fn restart_into(&self, slot: &str, version: &str) -> Result<()> {
        // sshd ends with the system.
        let _ = self.says("systemctl reboot");
        self.wait_for(slot, version)
    }

    /// Waits until a version runs from a slot and is well.
    pub fn wait_for(&self, slot: &str, version: &str) -> Result<()> {
        self.wait_for_status("ok", slot, version)
    }

    /// The same with another status.
    pub fn wait_for_status(&self, status: &str, slot: &str, version: &str) -> Result<()> {
        let there = |response: &Response| {
            let health: Value = response.json().unwrap_or_default();
            let is = |field: &str, value: &str| health[field] == value;
            is("status", status) && is("slot", slot) && is("version", version)
        };
        self.up.vm.wait_http(WEB, "/health", RESTART, there)?;
        let seconds = self.up.vm.now().as_secs_f64();
        self.ctx
            .note(format!("{version} from slot {slot} at {seconds:.0} s"));
        Ok(())
    }

    /// The newest records have these outcomes; the newest may take a moment after `/health`.
    pub fn expect_history(&self, outcomes: &[&str]) -> Result<()> {
        self.says("systemctl start vigie-mark-good.service")?;
        let history = self.says("vigie-update history --json")?;
        let found: Vec<String> = history
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|record| record["outcome"].as_str().map(str::to_owned))
            .filter(|outcome| outcome != "refused")
            .collect();
        let tail = &found[found.len().saturating_sub(outcomes.len())..];
        ensure!(
            tail == outcomes,
            "the history is {history}, expected {outcomes:?}"
        );
        Ok(())
    }
}

pub(super) fn open(file: &Path) -> Result<File> {
    File::open(file).with_context(|| format!("opening {}", file.display()))
}
