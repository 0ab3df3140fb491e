//! A person at the machine with the medium: after a power cut and with a forgotten password, in French
//! on the serial line; and with both slots damaged, where the system is installed again around settings and
//! recordings.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::attended::Reader;
use super::boot::{self, Expect};
use super::recovery::{ENGLISH, FRENCH, LONG, Person, QUESTION, entry, medium};
use super::unattended::{HOSTNAME, PASSWORD};
use super::{disk, disk_scenario, recording, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::dialog::{Dialog, keys};
use crate::vm::images;

/// Serial number of the disk.
const SERIAL: &str = "VIGIE-CI-RECOVER";
/// The new password.
const ANOTHER: &str = "quatre girafes dansent au bord du lac";
/// Below the installer's lists and texts.
const CHOOSE: &str = "Esc goes back:";
const GO_ON: &str = "-- Enter to go on";

pub(super) fn steps() -> Vec<Step> {
    let with_install = |step: Step| Step {
        needs: &["install"],
        ..step
    };
    vec![
        with_install(disk_scenario(
            "recover",
            "after a power cut: all is checked, root has a new password, recordings are there; in French, by serial line",
            power_cut_and_password,
        )),
        with_install(disk_scenario(
            "recover-reinstall",
            "both slots are damaged: the system is installed again, settings and recordings stay",
            both_slots_damaged,
        )),
        with_install(disk_scenario(
            "recover-screen",
            "a person at the screen and keyboard of the machine looks at all volumes, in French",
            on_the_screen,
        )),
    ]
}

/// A copy of the installed disk.
fn copy(ctx: &Context) -> Result<(PathBuf, Disk)> {
    let path = disk::copy(ctx, "disk.raw")?;
    let disk = Disk::new(&path, Bus::Virtio).serial(SERIAL);
    Ok((path, disk))
}

fn power_cut_and_password(ctx: &Context) -> Result<()> {
    let (_, disk) = copy(ctx)?;
    let key = ssh::Key::of_install(ctx);
    let disks = [disk.clone()];
    let recorded = recording::until_the_power_goes(ctx, &key, &disks)?;

    let vm = medium(ctx, "medium", std::slice::from_ref(&disk))?;
    let dialog = Dialog::from_the_beginning(&vm, QUESTION);
    recover_in_french(ctx, dialog).map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.wait_poweroff(QUESTION)?;

    let up = boot::boot(ctx, "after", Firmware::Bios, &disks, Expect::Ok)?;
    up.blame(recording::check(ctx, &key, &up.vm, &recorded))?;
    up.blame(recording::check_password(ctx, &up.vm, ANOTHER))?;
    up.blame(check_password_by_serial(&up.vm))?;
    up.vm.kill()
}

/// Check everything, a new password of root, switch off.
fn recover_in_french(ctx: &Context, mut dialog: Dialog) -> Result<()> {
    dialog.answer("Number, or Enter to refresh:", "5")?;
    let mut person = Person::enter(dialog, &FRENCH, "3")?;
    person.dialog.expect("vigie-ci : version")?;
    let unclean = Pattern::regex("data-1 .*n'a pas été démonté")?;
    person.dialog.expect(unclean)?;
    // One step into an entry and back again.
    person.choose(entry::CHECK_ONE)?;
    person.which_volume()?;
    person.back()?;
    person.menu()?;
    let said = person.check_everything(&["state", "data-1"])?;
    let last = said.lines().rev().find(|line| line.contains("data-1"));
    ctx.note(last.unwrap_or("?").trim().to_owned());
    person.new_password(HOSTNAME, ANOTHER)?;
    person.power_off()
}

fn check_password_by_serial(vm: &Vm) -> Result<()> {
    let mut person = Dialog::from_the_beginning(vm, QUESTION);
    person.answer("Number, or Enter to refresh:", "1")?;
    let asked = || Pattern::regex("(Password|Mot de passe) ?: ?$");
    person.answer(Pattern::regex("login: ?$")?, "root")?;
    person.answer(asked()?, PASSWORD)?;
    person.expect("Login incorrect")?;
    person.answer(Pattern::regex("login: ?$")?, "root")?;
    person.answer(asked()?, ANOTHER)?;
    person
        .expect(Pattern::regex(&format!("root@{HOSTNAME}"))?)
        .map(drop)
}

/// A recording, and its digest beside it.
const ONE: &str = "mkdir /srv/data-1/cam-1 && cd /srv/data-1/cam-1 && \
    head -c 30000000 /dev/urandom > 1.rec && sha256sum 1.rec > sum && sync";

fn both_slots_damaged(ctx: &Context) -> Result<()> {
    let (path, disk) = copy(ctx)?;
    let key = ssh::Key::of_install(ctx);
    let disks = [disk.clone()];
    let up = boot::boot(ctx, "before", Firmware::Bios, &disks, Expect::Ok)?;
    up.blame(key.says(ctx, &up.vm, ONE))?;
    up.power_off()?;
    damage(&path)?;

    let vm = medium(ctx, "medium", std::slice::from_ref(&disk))?;
    let dialog = Dialog::from_the_beginning(&vm, QUESTION);
    install_again(ctx, dialog).map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.wait_poweroff(QUESTION)?;

    let up = boot::boot(ctx, "after", Firmware::Bios, &disks, Expect::Ok)?;
    let said = key.says(
        ctx,
        &up.vm,
        "hostname; cd /srv/data-1/cam-1 && sha256sum -c sum",
    );
    let said = up.blame(said)?;
    ensure!(
        said.trim() == format!("{HOSTNAME}\n1.rec: OK"),
        "after it: {said}"
    );
    up.vm.kill()
}

/// A megabyte of each system image becomes another, and both kernels' file systems go.
fn damage(disk: &std::path::Path) -> Result<()> {
    for name in ["system-a", "system-b", "boot-a", "boot-b"] {
        let partition = images::partition_named(disk, 512, name)?;
        images::write_at(disk, partition.offset, &[0x5A; 1 << 20])
            .with_context(|| format!("damaging {name}"))?;
    }
    Ok(())
}

/// The slots are looked at and not whole; the installer keeps settings and recordings.
fn install_again(ctx: &Context, dialog: Dialog) -> Result<()> {
    let mut person = Person::enter(dialog, &ENGLISH, "3")?;
    person.choose(entry::DETAILS)?;
    person.page("details")?;
    person.choose("2")?;
    let said = person.read()?;
    let damaged = |line: &&str| line.contains("Slot a") && line.contains("damaged");
    let slot = said.lines().find(damaged);
    let slot = slot.filter(|_| said.contains(HOSTNAME));
    let words = || format!("the slots are damaged, and it said:\n{said}");
    ctx.note(slot.with_context(words)?.trim().to_owned());
    person.menu()?;
    person.choose(entry::REINSTALL)?;
    keep_all(person.dialog)
}

/// In the installer.
fn keep_all(mut person: Dialog) -> Result<()> {
    person.expect("installation - Language / Langue")?;
    person.answer(CHOOSE, "")?;
    person.expect("installation - keyboard")?;
    person.answer(CHOOSE, "")?;
    person.expect("installation - what to do")?;
    let row = person.expect(Pattern::regex(
        r"\d+ .*keep the recordings and the settings",
    )?)?;
    let number = super::attended::number(&row)?;
    person.answer(CHOOSE, &number)?;
    let ends = [Pattern::from(GO_ON), Pattern::from("erial number of")];
    while person.expect_any(&ends)? == 0 {
        person.press(keys::ENTER)?;
    }
    person.answer("erial number of", &SERIAL[SERIAL.len() - 6..])?;
    person.patience(LONG).expect("installation - done")?;
    // The first entry switches off.
    person.answer(CHOOSE, "1")
}

/// On the machine's own screen and keyboard; a root shell on the serial line reads what is shown, which is
/// the font's codes: no text with accents is waited for.
fn on_the_screen(ctx: &Context) -> Result<()> {
    let disk = Disk::new(ctx.installed_disk()?, Bus::Virtio).throwaway();
    let vm = medium(ctx, "medium", std::slice::from_ref(&disk))?;
    let mut reader = Reader::open(&vm)?;
    reader.patience(LONG);
    let mut shots = 0;
    let mut at = |text: &str| -> Result<String> {
        let shown = reader.wait(text)?;
        shots += 1;
        vm.screenshot(&format!("{shots:02}"))?;
        Ok(shown)
    };
    at("Number, or Enter to refresh:")?;
    vm.type_text("3\n")?;
    at("Language / Langue")?;
    vm.type_text("2\n")?;
    at("pannage - clavier")?;
    // The American one: the keys that are pressed here are its.
    vm.type_text("1\n")?;
    at("Touches")?;
    vm.type_text("az/-:@#\n")?;
    let menu = at("pannage - que faire")?;
    ensure!(menu.contains("Tous ses volumes sont sains"), "{menu}");
    vm.type_text("10\n")?;
    at("Installations, volumes et grappes")?;
    vm.type_text("1\n")?;
    at("pour continuer,")?;
    vm.type_text("\n")?;
    at("pannage - que faire")?;
    vm.type_text("1\n")?;
    at("rifier tout")?;
    vm.type_text("1\n")?;
    let checked = at("pour continuer,")?;
    ensure!(
        checked.contains("data-1") && checked.contains("sain"),
        "{checked}"
    );
    vm.type_text("\n")?;
    at("pannage - que faire")?;
    vm.type_text("3\n")?;
    at("nouveau mot de passe de root")?;
    vm.press(&["esc"])?;
    at("pour continuer,")?;
    vm.type_text("\n")?;
    at("pannage - que faire")?;
    vm.type_text("13\n")?;
    vm.wait_poweroff(QUESTION)?;
    ctx.note(format!("{shots} screenshots"));
    Ok(())
}
