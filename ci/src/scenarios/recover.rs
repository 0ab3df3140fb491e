//! A person at the machine with the medium: after a power cut and with a forgotten password, in French
//! on the serial line; and with both slots damaged, where the system is installed again around settings and
//! recordings.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::attended::Reader;
use super::boot::{self, Expect};
use super::unattended::{HOSTNAME, PASSWORD};
use super::{BOOT, READY_LIVE, disk_scenario, ssh};
use crate::context::Context;
use crate::process;
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
/// A question of a menu.
const QUESTION: Duration = Duration::from_secs(120);
/// Checking all volumes, reading both slots, installing again.
const LONG: Duration = Duration::from_secs(10 * 60);
/// Recordings that are safe before the power is cut.
const RECORDED: usize = 25;

/// Below menus and texts of the screen.
const CHOOSE: &str = "Échap pour revenir :";
const GO_ON: &str = "-- Entrée pour continuer";
const CHOOSE_EN: &str = "Esc goes back:";
const GO_ON_EN: &str = "-- Enter to go on";

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
    let path = ctx.folder().join("disk.raw");
    let mut copy = Command::new("cp");
    copy.arg("--sparse=always")
        .arg(ctx.installed_disk()?)
        .arg(&path);
    process::output("copying the disk", &mut copy)?;
    let disk = Disk::new(&path, Bus::Virtio).serial(SERIAL);
    Ok((path, disk))
}

/// The medium beside the disk, to its menu.
fn medium(ctx: &Context, disk: &Disk) -> Result<Vm> {
    let machine = ctx
        .machine(Firmware::Bios)?
        .disk(Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway())
        .disk(disk.clone().data_only());
    let vm = ctx.start("medium", &machine)?;
    vm.wait_line(READY_LIVE, BOOT)?;
    Ok(vm)
}

/// A page of recovery, by its title.
fn page(title: &str) -> Pattern {
    Pattern::Text(format!("- dépannage - {title}"))
}

fn page_en(title: &str) -> Pattern {
    Pattern::Text(format!("- recovery - {title}"))
}

fn power_cut_and_password(ctx: &Context) -> Result<()> {
    let (_, disk) = copy(ctx)?;
    let recorded = record_until_the_power_goes(ctx, &disk)?;

    let vm = medium(ctx, &disk)?;
    let mut person = Dialog::from_the_beginning(&vm, QUESTION);
    recover_in_french(ctx, &mut person).map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.wait_poweroff(QUESTION)?;

    let disks = [disk];
    let up = boot::boot(ctx, "after", Firmware::Bios, &disks, Expect::Ok)?;
    up.blame(check_recordings(ctx, &up.vm, &recorded))?;
    up.blame(check_password_by_ssh(ctx, &up.vm))?;
    up.blame(check_password_by_serial(&up.vm))?;
    up.vm.kill()
}

/// What a recorder does: a file at a time, each safe before the next is begun; and beside it what is
/// not safe at any moment. A line for each file that is safe.
const RECORD: &str = "cd /srv/data-1 && mkdir cam-1 load || exit 1; \
    (while :; do mkdir load/a; head -c 9000000 /dev/urandom > load/a/b; rm -r load/a; done) > /dev/null 2>&1 & \
    cd cam-1 && for n in $(seq 1000); do \
    head -c 700000 /dev/urandom > $n.part && mv $n.part $n.rec && sync $n.rec . && sha256sum $n.rec || exit 1; done";

/// Cuts the power while it records; gives the sums of what was safe by then.
fn record_until_the_power_goes(ctx: &Context, disk: &Disk) -> Result<Vec<String>> {
    let key = ssh::Key::of_install(ctx);
    let up = boot::boot(
        ctx,
        "recording",
        Firmware::Bios,
        std::slice::from_ref(disk),
        Expect::Ok,
    )?;
    let mut client = key.client(ctx, &up.vm, RECORD)?;
    let mut child = client
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting ssh")?;
    let lines = BufReader::new(child.stdout.take().context("ssh has no output")?).lines();
    let recorded: Vec<String> = lines.take(RECORDED).collect::<Result<_, _>>()?;
    up.vm.kill()?;
    child.kill().ok();
    child.wait()?;
    ensure!(
        recorded.len() == RECORDED,
        "the recording ended by itself after {} files",
        recorded.len()
    );
    Ok(recorded)
}

/// Check everything, a new password of root, switch off.
fn recover_in_french(ctx: &Context, person: &mut Dialog) -> Result<()> {
    person.answer("Number, or Enter to refresh:", "5")?;
    person.answer("Numéro, ou Entrée pour actualiser :", "3")?;
    person.expect(page("Language / Langue"))?;
    person.answer(CHOOSE, "")?;
    person.expect(page("que faire"))?;
    person.expect("vigie-ci : version")?;
    person.expect(Pattern::regex("data-1 .*n'a pas été démonté")?)?;
    // One step into an entry and back again.
    person.answer(CHOOSE, "2")?;
    person.expect(page("quel volume"))?;
    person.expect(CHOOSE)?;
    person.press(keys::ESC)?;
    person.expect(page("que faire"))?;
    person.answer(CHOOSE, "1")?;
    person.expect("N'éteignez pas")?;
    person.answer(CHOOSE, "2")?;
    let begun = person.mark();
    person.patience(LONG).expect(GO_ON)?;
    let said = person.lines_since(begun);
    let done = |name: &str| {
        let words = |line: &str| line.contains(name) && line.contains("sain");
        said.lines().any(words)
    };
    ensure!(
        done("state") && done("data-1") && !said.contains("PERDU") && !said.contains("PAS SAIN"),
        "the check said:\n{said}"
    );
    ctx.note(
        said.lines()
            .rev()
            .find(|line| line.contains("data-1"))
            .unwrap_or("?")
            .trim()
            .to_owned(),
    );
    person.press(keys::ENTER)?;
    person.expect(page("que faire"))?;
    person.expect("Tous ses volumes sont sains")?;
    person.answer(CHOOSE, "3")?;
    person.expect("nouveau mot de passe de root sur vigie-ci")?;
    person.answer("Mot de passe :", ANOTHER)?;
    person.answer("Encore une fois le même :", ANOTHER)?;
    person.expect("Le mot de passe de root sur vigie-ci est changé")?;
    person.expect(GO_ON)?;
    person.press(keys::ENTER)?;
    person.expect(page("que faire"))?;
    person.answer(CHOOSE, "13")
}

/// All that was safe before the power went.
fn check_recordings(ctx: &Context, vm: &Vm, recorded: &[String]) -> Result<()> {
    let key = ssh::Key::of_install(ctx);
    let sums = key.says(
        ctx,
        vm,
        "cd /srv/data-1/cam-1 && sha256sum *.rec; ls -d /var/lib/vigie/recovery/check-*.json",
    )?;
    for line in recorded {
        ensure!(sums.contains(line.as_str()), "{line} is gone: {sums}");
    }
    ctx.note(format!(
        "{} recordings were safe, {} are there",
        recorded.len(),
        sums.matches(".rec\n").count()
    ));
    Ok(())
}

fn check_password_by_ssh(ctx: &Context, vm: &Vm) -> Result<()> {
    let new = ssh::with_password(ctx, vm, ANOTHER, "id -un")?;
    ensure!(new.as_deref() == Some("root\n"), "ssh with it: {new:?}");
    let old = ssh::with_password(ctx, vm, PASSWORD, "id -un")?;
    ensure!(old.is_none(), "the old password still opens ssh: {old:?}");
    Ok(())
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

    let vm = medium(ctx, &disk)?;
    let mut person = Dialog::from_the_beginning(&vm, QUESTION);
    install_again(ctx, &mut person).map_err(|error| vm.failure(format!("{error:#}")))?;
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
    let mut file = File::options().write(true).open(disk)?;
    for name in ["system-a", "system-b", "boot-a", "boot-b"] {
        let partition = images::partition_named(disk, 512, name)?;
        file.seek(SeekFrom::Start(partition.offset))?;
        file.write_all(&[0x5A; 1 << 20])
            .with_context(|| format!("damaging {name}"))?;
    }
    Ok(())
}

/// The slots are looked at and not whole; the installer keeps settings and recordings.
fn install_again(ctx: &Context, person: &mut Dialog) -> Result<()> {
    person.answer("Number, or Enter to refresh:", "3")?;
    person.expect(page_en("Language / Langue"))?;
    person.answer(CHOOSE_EN, "")?;
    person.expect(page_en("what to do"))?;
    person.answer(CHOOSE_EN, "10")?;
    person.expect(page_en("details"))?;
    person.answer(CHOOSE_EN, "2")?;
    let begun = person.mark();
    person.patience(LONG).expect(GO_ON_EN)?;
    let said = person.lines_since(begun);
    ensure!(
        said.lines()
            .any(|line| line.contains("Slot a") && line.contains("damaged"))
            && said.contains(HOSTNAME),
        "the slots are damaged, and it said:\n{said}"
    );
    ctx.note(
        said.lines()
            .find(|line| line.contains("Slot a"))
            .unwrap_or("?")
            .trim()
            .to_owned(),
    );
    person.press(keys::ENTER)?;
    person.expect(page_en("what to do"))?;
    person.answer(CHOOSE_EN, "7")?;
    person.expect("installation - Language / Langue")?;
    person.answer(CHOOSE_EN, "")?;
    person.expect("installation - keyboard")?;
    person.answer(CHOOSE_EN, "")?;
    person.expect("installation - what to do")?;
    let row = person.expect(Pattern::regex(
        r"\d+ .*keep the recordings and the settings",
    )?)?;
    let number = super::attended::number(&row)?;
    person.answer(CHOOSE_EN, &number)?;
    let ends = [Pattern::from(GO_ON_EN), Pattern::from("erial number of")];
    while person.expect_any(&ends)? == 0 {
        person.press(keys::ENTER)?;
    }
    person.answer("erial number of", &SERIAL[SERIAL.len() - 6..])?;
    person.patience(LONG).expect("installation - done")?;
    // The first entry switches off.
    person.answer(CHOOSE_EN, "1")
}

/// On the machine's own screen and keyboard; a root shell on the serial line reads what is shown, which is
/// the font's codes: no text with accents is waited for.
fn on_the_screen(ctx: &Context) -> Result<()> {
    let disk = Disk::new(ctx.installed_disk()?, Bus::Virtio).throwaway();
    let vm = medium(ctx, &disk)?;
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
