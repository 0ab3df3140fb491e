//! The console's menu on the real appliance, in French on the serial line; over SSH it is `console_ssh.rs`'s.
//!
//! What it changes is looked at by root, from outside it; what it must not leave behind is, too.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::attended::number;
use super::boot::{self, Expect};
use super::console_ssh::{self, Module};
use super::unattended::PASSWORD;
use super::update::Appliance;
use super::{disk, scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::{Line, Pattern};
use crate::vm::dialog::{Dialog, keys};

/// A question of the menu.
pub(super) const QUESTION: Duration = Duration::from_secs(120);
/// Switching off.
const OFF: Duration = Duration::from_secs(180);

const CHOOSE_FR: &str = "Échap pour revenir :";
const READ_FR: &str = "-- Entrée pour continuer";
/// Clears a line.
const CLEAR: &str = "\x15";
/// Leaves the serial terminal.
pub(super) const CTRL_O: &str = "\x0f";

pub(super) const NAME: &str = "nvr-menu";
/// An administrator of the web interface, and what she has before and after.
const ANNE: &str = "anne";
const ANNES: [&str; 2] = ["dix lamas verts", "onze lamas bleus"];
/// What stands on the machine's plate.
pub(super) const SERIAL: &str = "VG-MENU-0815";
/// A viewer.
const JEAN: (&str, &str) = ("jean", "cinq cailloux gris");

pub(super) fn step() -> Step {
    scenario(
        "console-menu",
        "the console's menu does what it offers, on the serial line in French and over SSH, lets nobody else in, and leaves nothing behind when the line breaks",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let appliance = boot(ctx)?;
    let up = &appliance.up;
    up.blame(prepare(&appliance))?;
    let mut person = Dialog::from_the_beginning(&up.vm, QUESTION);
    up.blame(strangers(&mut person))?;
    up.blame(status(&mut person, ctx.image()?.version.as_str()))?;
    up.blame(network(&appliance, &mut person))?;
    up.blame(maintenance(&appliance, &mut person))?;
    up.blame(as_anne(&mut person))?;
    up.blame(written_down(&appliance))?;
    ctx.note("on the serial line, in French");
    up.blame(console_ssh::check(&appliance))?;
    ctx.note("over SSH; nothing is left of a broken line");
    let version = ctx.image()?.version.as_str().to_owned();
    up.blame(console_ssh::passwd(&appliance, &version))?;
    ctx.note("a password set by passwd is there after a restart");
    up.blame(console_ssh::power_off(&appliance))?;
    up.vm.wait_poweroff(OFF)
}

/// The disk of the step `install` in a machine with a second serial port.
fn boot(ctx: &Context) -> Result<Appliance<'_>> {
    let disk = Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
    let machine = ctx
        .machine(Firmware::Bios)?
        .disk(disk)
        .plate(SERIAL, "VG-RACK-4");
    let up = boot::start(ctx, "vm", machine.second_serial(raid(ctx)?), Expect::Ok)?;
    let key = ssh::Key::of_install(ctx);
    Ok(Appliance { ctx, up, key })
}

/// Where QEMU listens for the RAID module: such paths are short.
pub(super) fn raid(ctx: &Context) -> Result<PathBuf> {
    let step = ctx.folder().canonicalize()?;
    let path = step.join("raid");
    ensure!(
        path.as_os_str().len() < 100,
        "{} is too long for a socket",
        path.display()
    );
    Ok(path)
}

/// An administrator and a viewer of the web interface, and a key that opens the menu.
fn prepare(appliance: &Appliance<'_>) -> Result<()> {
    for (name, role, password) in [
        (ANNE, "administrator", ANNES[0]),
        (JEAN.0, "viewer", JEAN.1),
    ] {
        let ask = format!(
            r#"{{"ask":{{"verb":"user-add","name":"{name}","role":"{role}","password":"{password}"}}}}"#
        );
        appliance.says(&format!("echo '{ask}' | vigie-broker ask"))?;
    }
    let public = ssh::Key::of_step(appliance.ctx)?.public()?;
    appliance.says(&format!(
        "vigie-settings set access.menu_ssh_keys '[\"{public}\"]' --now"
    ))?;
    Ok(())
}

fn log_in(person: &mut Dialog, name: &str, password: &str) -> Result<()> {
    person.answer("Nom :", &format!("{CLEAR}{name}"))?;
    person.answer("Mot de passe :", password)
}

pub(super) fn page(title: &str) -> Pattern {
    Pattern::Text(format!("- {title}"))
}

/// A wrong password opens nothing, nor does the right one of somebody who is no administrator; a line that
/// is left alone by Ctrl-D stays in use.
fn strangers(person: &mut Dialog) -> Result<()> {
    person.press(keys::ENTER)?;
    person.answer("Number, or Enter to refresh:", "2")?;
    person.answer("Numéro, ou Entrée pour actualiser :", "4")?;
    person.expect("connexion")?;
    log_in(person, "root", "pas celui-ci")?;
    person.expect("le nom ou le mot de passe est faux")?;
    log_in(person, "personne", "pas celui-ci")?;
    person.expect("le nom ou le mot de passe est faux")?;
    log_in(person, JEAN.0, JEAN.1)?;
    person.expect("réservé aux administrateurs")?;
    person.expect("Nom :")?;
    person.press("\x04\x04")?;
    person.press(keys::ESC)?;
    person.answer("Numéro, ou Entrée pour actualiser :", "4")?;
    log_in(person, "root", PASSWORD)
}

/// What is shown first.
fn status(person: &mut Dialog, version: &str) -> Result<()> {
    let begun = person.mark();
    person.expect(page("le menu"))?;
    person.expect(CHOOSE_FR)?;
    let shown = person.lines_since(begun);
    for words in [
        &format!("N° de série {SERIAL}"),
        "Signature",
        &format!("Version     {version} (emplacement A)"),
        "Adresses    ",
        "Volume      state",
        "Volume      data-1",
        "État        tout fonctionne",
    ] {
        ensure!(shown.contains(words), "no `{words}` in\n{shown}");
    }
    ensure!(
        !shown.contains("inconnu"),
        "something is not known:\n{shown}"
    );
    Ok(())
}

/// Waits until something is to be read, and goes on.
fn read(person: &mut Dialog, words: &str) -> Result<Line> {
    let line = person.expect(words)?;
    person.answer(READ_FR, "")?;
    Ok(line)
}

/// Another name, and other name servers: both hold at once.
fn network(appliance: &Appliance<'_>, person: &mut Dialog) -> Result<()> {
    person.answer(CHOOSE_FR, "2")?;
    person.expect(page("réseau"))?;
    person.answer(CHOOSE_FR, "3")?;
    person.answer("Nom réseau :", &format!("{CLEAR}deux mots"))?;
    person.answer("Nom réseau :", &format!("{CLEAR}{NAME}"))?;
    person.expect(format!("system.hostname = {NAME}").as_str())?;
    person.answer(CHOOSE_FR, "2")?;
    read(person, "Enregistré.")?;
    person.expect(format!("{NAME} - réseau").as_str())?;
    person.answer(CHOOSE_FR, "1")?;
    person.answer(CHOOSE_FR, "")?;
    person.answer("Serveurs de noms", &format!("{CLEAR}10.0.2.3 192.0.2.53"))?;
    person.expect("network.enterprise.dns = 10.0.2.3, 192.0.2.53")?;
    person.answer(CHOOSE_FR, "2")?;
    read(person, "Enregistré.")?;
    person.expect(page("réseau"))?;
    // networkd tells resolved a moment later.
    let said = appliance.says(
        "cat /proc/sys/kernel/hostname; vigie-settings get network.enterprise.dns; \
         for n in $(seq 30); do resolvectl dns | grep -q 192.0.2.53 && break; sleep 1; done; resolvectl dns",
    )?;
    let in_force = |line: &str| line.contains("Link") && line.contains("192.0.2.53");
    ensure!(
        said.lines().any(in_force),
        "the name servers are not in force:\n{said}"
    );
    for words in [NAME, "10.0.2.3", "192.0.2.53"] {
        ensure!(said.contains(words), "no `{words}` in\n{said}");
    }
    person.expect(CHOOSE_FR)?;
    person.press(keys::ESC)?;
    person.expect(page("le menu")).map(drop)
}

fn maintenance(appliance: &Appliance<'_>, person: &mut Dialog) -> Result<()> {
    person.answer(CHOOSE_FR, "4")?;
    person.expect(page("maintenance"))?;
    password(person)?;
    person.answer(CHOOSE_FR, "3")?;
    person.expect("seul ce qui en a besoin")?;
    person.answer(CHOOSE_FR, "2")?;
    read(person, "tous les volumes seront vérifiés")?;
    appliance.says("test -e /var/lib/vigie/check-next")?;
    logs(person)?;
    raid_module(appliance, person)?;
    person.answer(CHOOSE_FR, "6")?;
    person.expect("Numéro de série :")?;
    read(person, "Signature matérielle :")?;
    bundle(appliance, person)?;
    // Back to who is known to nobody.
    person.expect(CHOOSE_FR)?;
    person.press(keys::ESC)?;
    person.expect(page("le menu"))?;
    person.expect(CHOOSE_FR)?;
    person.press(keys::ESC)?;
    person.expect(super::READY_INSTALLED).map(drop)
}

/// Of a user of the web interface.
fn password(person: &mut Dialog) -> Result<()> {
    person.answer(CHOOSE_FR, "1")?;
    let row = format!(r"^.?\s*\d+ +{ANNE} \(interface web\)");
    let row = person.expect(Pattern::regex(&row)?)?;
    person.answer(CHOOSE_FR, &number(&row)?)?;
    person.answer("Nouveau mot de passe", ANNES[1])?;
    person.answer("Encore une fois", ANNES[0])?;
    person.expect("ne sont pas identiques")?;
    person.answer("Nouveau mot de passe", ANNES[1])?;
    person.answer("Encore une fois", ANNES[1])?;
    read(person, "Le mot de passe de anne est changé")?;
    person.expect(page("maintenance")).map(drop)
}

/// One page, the one before, and out by Esc.
fn logs(person: &mut Dialog) -> Result<()> {
    person.answer(CHOOSE_FR, "4")?;
    person.answer(CHOOSE_FR, "1")?;
    let pages = [Pattern::from(READ_FR), Pattern::from("plus récentes.")];
    while person.expect_any(&pages)? == 0 {
        person.press(keys::ENTER)?;
    }
    person.expect(CHOOSE_FR)?;
    person.press(keys::ESC)?;
    person.expect("Qui a fait quoi")?;
    person.expect(CHOOSE_FR)?;
    person.press(keys::ESC)?;
    person.expect(page("maintenance")).map(drop)
}

/// A RAID module on the second port; the console's own cannot be chosen.
fn raid_module(appliance: &Appliance<'_>, person: &mut Dialog) -> Result<()> {
    let mut module = Module::plugged_in(appliance.ctx)?;
    person.answer(CHOOSE_FR, "5")?;
    let row = person.expect(Pattern::regex(r"^.?\s*\d+ +ttyS1")?)?;
    person.answer(CHOOSE_FR, "1")?;
    person.expect("cette console s'y trouve")?;
    person.answer(CHOOSE_FR, &number(&row)?)?;
    person.expect("Bits par seconde")?;
    person.answer(CHOOSE_FR, "")?;
    person.expect("Ctrl-O pour quitter")?;
    person.press("status\x03\r")?;
    module.hears(b"status\x03\r")?;
    module.says("RAID module: all disks are well\r\n")?;
    person.expect("all disks are well")?;
    person.press(CTRL_O)?;
    person.expect(page("maintenance"))?;
    module.says("nobody listens\r\n")
}

/// It lies where it is said to, for root, and holds no password's hash.
fn bundle(appliance: &Appliance<'_>, person: &mut Dialog) -> Result<()> {
    person.answer(CHOOSE_FR, "7")?;
    person.answer(CHOOSE_FR, "2")?;
    let line = read(person, "Il se trouve à ")?;
    let path = line.text.split_once("Il se trouve à ");
    let path = path.and_then(|(_, rest)| rest.split_once(','));
    let (path, _) = path.with_context(|| format!("no path in `{}`", line.text))?;
    let said = appliance.says(&format!(
        "stat -c '%a %U' {path}; tar -tzf {path} | wc -l; tar -xzOf {path} | grep -c '[$]y[$]\\|[$]argon2'; true"
    ))?;
    let lines: Vec<&str> = said.lines().collect();
    let files: u32 = lines
        .get(1)
        .unwrap_or(&"")
        .trim()
        .parse()
        .unwrap_or_default();
    ensure!(
        lines.len() == 3 && lines[0] == "600 root" && files > 3 && lines[2] == "0",
        "{path}: {said}"
    );
    person.expect(page("maintenance")).map(drop)
}

/// Her new password opens the menu and the old one does not; Ctrl-C leaves it.
fn as_anne(person: &mut Dialog) -> Result<()> {
    person.answer("Numéro, ou Entrée pour actualiser :", "4")?;
    log_in(person, ANNE, ANNES[0])?;
    person.expect("le nom ou le mot de passe est faux")?;
    log_in(person, ANNE, ANNES[1])?;
    person.expect(page("le menu"))?;
    person.expect(CHOOSE_FR)?;
    person.press("\x03")?;
    person.expect(super::READY_INSTALLED).map(drop)
}

/// Who did what stands in the trail, and nobody is logged in any more.
fn written_down(appliance: &Appliance<'_>) -> Result<()> {
    let trail = appliance.says("vigie-broker audit --json")?;
    for words in [
        "\"settings-set\"",
        "\"user-change\"",
        "\"check-at-boot\"",
        "\"support-bundle\"",
        "\"log-out\"",
    ] {
        let by_root = trail.lines().any(|line| {
            line.contains(words) && line.contains("\"root\"") && line.contains("console")
        });
        ensure!(by_root, "no {words} by root on the console in\n{trail}");
    }
    for secret in [ANNES[0], ANNES[1], JEAN.1, PASSWORD] {
        ensure!(!trail.contains(secret), "a password stands in the trail");
    }
    let sessions = appliance.says("cat /run/vigie/broker-sessions")?;
    ensure!(sessions.trim() == "{}", "still logged in: {sessions}");
    Ok(())
}
