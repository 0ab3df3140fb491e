//! Taking things out and beginning anew, by recovery's menu: recordings of one camera since a day (twice), the
//! settings and the logs onto a stick, then the settings of a new appliance and a password for it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::boot::{self, Expect};
use super::unattended::HOSTNAME;
use super::{BOOT, READY_LIVE, disk, disk_scenario, ssh};
use crate::context::Context;
use crate::process;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::dialog::{Dialog, keys};
use crate::vm::images;

const QUESTION: Duration = Duration::from_secs(120);
const LONG: Duration = Duration::from_secs(10 * 60);
const CHOOSE: &str = "Esc goes back:";
const GO_ON: &str = "-- Enter to go on";
const PASSWORD: &str = "quatre girafes dansent au bord du lac";
/// Size of the stick, KiB.
const STICK: u32 = 64 * 1024;

/// Two cameras; one of them has an old recording, too.
const RECORD: &str = "cd /srv/data-1 && mkdir entrance yard && \
    head -c 3000000 /dev/urandom > entrance/1.rec && head -c 5000000 /dev/urandom > yard/2.rec && \
    head -c 1000000 /dev/urandom > yard/old.rec && touch -d 2020-01-01 yard/old.rec && \
    sha256sum */*.rec && sync";

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "take-out",
            "recordings, settings and logs are copied onto a stick; the settings begin anew, the recordings stay",
            run,
        )
    }
}

fn run(ctx: &Context) -> Result<()> {
    let path = disk::copy(ctx, "disk.raw")?;
    let disk = Disk::new(&path, Bus::Virtio);
    let stick = ctx.folder().join("stick.fat");
    images::fat_volume(ctx.programs()?, &stick, "STICK", STICK, &[])?;

    let disks = [disk.clone()];
    let up = boot::boot(ctx, "before", Firmware::Bios, &disks, Expect::Ok)?;
    let sums = up.blame(ssh::Key::of_install(ctx).says(ctx, &up.vm, RECORD))?;
    up.power_off()?;

    let machine = ctx
        .machine(Firmware::Bios)?
        .disk(Disk::new(&ctx.image()?.iso, Bus::Cd))
        .disk(disk.data_only())
        .disk(Disk::new(&stick, Bus::Usb).data_only());
    let vm = ctx.start("medium", &machine)?;
    vm.wait_line(READY_LIVE, BOOT)?;
    let mut person = Dialog::from_the_beginning(&vm, QUESTION);
    take_out(&mut person).map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.wait_poweroff(QUESTION)?;
    check_stick(ctx, &stick, &sums)?;

    let up = boot::boot(ctx, "after", Firmware::Bios, &disks, Expect::Ok)?;
    let ask = "hostname; cd /srv/data-1 && sha256sum */*.rec";
    let said = up.blame(ssh::with_password(ctx, &up.vm, PASSWORD, ask))?;
    ensure!(
        said.as_deref() == Some(&format!("vigie\n{sums}")),
        "after it: {said:?}"
    );
    up.vm.kill()
}

fn take_out(person: &mut Dialog) -> Result<()> {
    person.answer("Number, or Enter to refresh:", "3")?;
    person.answer(CHOOSE, "1")?;
    // The same stick once more: the second copy lies beside the first.
    to_stick(person, &["9", "3"], of_this_year)?;
    to_stick(person, &["9", "3"], of_this_year)?;
    to_stick(person, &["9", "1"], |_| Ok(()))?;
    to_stick(person, &["9", "2"], |_| Ok(()))?;
    person.expect("- recovery - what to do")?;
    person.answer(CHOOSE, "8")?;
    person.expect("- recovery - begin anew")?;
    person.answer(CHOOSE, "1")?;
    person.answer("or the host name: ", HOSTNAME)?;
    person.expect("It is reset")?;
    go_on(person)?;
    person.answer(CHOOSE, "3")?;
    person.answer("Password:", PASSWORD)?;
    person.answer("The same once more:", PASSWORD)?;
    person.expect("The password of root on vigie is changed")?;
    go_on(person)?;
    person.answer(CHOOSE, "13")
}

/// Recordings of the second camera, without the old one.
fn of_this_year(person: &mut Dialog) -> Result<()> {
    person.expect("Of all cameras")?;
    person.answer(CHOOSE, "3")?;
    person.answer("From:", "2025-01-01")?;
    person.answer("Until:", "")
}

/// One thing onto the stick: the choices that lead to it, what else is asked, the stick.
fn to_stick(
    person: &mut Dialog,
    choices: &[&str],
    more: impl Fn(&mut Dialog) -> Result<()>,
) -> Result<()> {
    person.expect("- recovery - what to do")?;
    for choice in choices {
        person.answer(CHOOSE, choice)?;
    }
    more(person)?;
    person.expect("- recovery - which stick")?;
    person.expect(Pattern::regex(r"\b1 .*sda")?)?;
    person.answer(CHOOSE, "1")?;
    person.patience(LONG).expect("Written: /run/vigie/stick/")?;
    go_on(person)
}

fn go_on(person: &mut Dialog) -> Result<()> {
    person.expect(GO_ON)?;
    person.press(keys::ENTER)
}

/// The stick has what was asked for, and not more.
fn check_stick(ctx: &Context, stick: &std::path::Path, sums: &str) -> Result<()> {
    let programs = ctx.programs()?;
    let expected = sums.lines().find(|line| line.ends_with("yard/2.rec"));
    for folder in ["data-1", "data-1-2"] {
        let list = format!("{HOSTNAME}-{folder}/SHA256SUMS");
        let list = images::read_from_fat(programs, stick, &list)?;
        ensure!(
            Some(list.trim()) == expected,
            "copied into {folder} was\n{list}and there was\n{sums}"
        );
    }
    let mut mdir = programs.command("mdir");
    mdir.args(["-b", "-/", "-i"]).arg(stick);
    let files = process::output("listing the stick", &mut mdir)?;
    let name = |end: &str| -> Result<String> {
        let file = files.lines().find(|line| line.ends_with(end));
        let file = file.with_context(|| format!("no {end} among {files}"))?;
        Ok(file.trim_start_matches("::/").to_owned())
    };
    let settings = images::read_from_fat(programs, stick, &name("-settings.toml")?)?;
    ensure!(settings.contains(HOSTNAME), "the settings: {settings}");
    let logs = ctx.folder().join("logs.tar.gz");
    let mut mcopy = programs.command("mcopy");
    mcopy
        .args(["-n", "-i"])
        .arg(stick)
        .arg(format!("::{}", name("-logs.tar.gz")?))
        .arg(&logs);
    process::output("copying the logs", &mut mcopy)?;
    let mut tar = Command::new("tar");
    tar.arg("-tzf").arg(&logs);
    let inside = process::output("listing the logs", &mut tar)?;
    ensure!(
        inside.contains("REMOVED.txt") && inside.contains("settings.toml"),
        "the logs: {inside}"
    );
    ctx.note(format!("on the stick: {}", files.lines().count()));
    Ok(())
}
