//! Recovery of a mirrored system: after a power cut with both disks, and after another with one of them
//! pulled, which is named.

use anyhow::{Result, ensure};

use super::boot::{self, Expect, Up};
use super::raid::{self, MIRROR};
use super::recovery::{ENGLISH, Person, QUESTION, medium};
use super::unattended::HOSTNAME;
use super::{disk_scenario, recording, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::dialog::Dialog;

/// The new password.
const ANOTHER: &str = "trois hiboux comptent les gouttes";

/// Waits for whatever the kernel makes of the arrays; then each has both members.
const SETTLED: &str = "mdadm --wait /dev/md?*; cat /proc/mdstat";

pub(super) fn step() -> Step {
    disk_scenario(
        "recover-raid",
        "a mirrored system is checked and repaired after a power cut, whole and with a disk pulled",
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let files = raid::install_mirror(ctx)?;
    let key = ssh::Key::of_step(ctx)?;
    // What is written stays in the disks.
    let disk = |index: usize| files[index].on(Bus::Virtio).serial(MIRROR[index]);
    let both = [disk(0), disk(1)];
    let recorded = recording::until_the_power_goes(ctx, &key, &both)?;
    recover(ctx, "medium", &both, |ctx, person| {
        let unclean = Pattern::regex("data-1 .*was not unmounted")?;
        person.dialog.expect(unclean)?;
        let said = person.check_everything(&["state", "data-1"])?;
        note(ctx, &said);
        person.new_password(HOSTNAME, ANOTHER)
    })?;
    let up = boot::boot(ctx, "after", Firmware::Bios, &both, Expect::Ok)?;
    up.blame(check(ctx, &key, &up, &recorded))?;
    up.blame(in_sync(ctx, &key, &up))?;
    // Once more the power goes, and with it a disk.
    up.vm.kill()?;
    let second = [disk(1)];
    recover(ctx, "pulled", &second, |ctx, person| {
        let array = "ARRAY data-1 is degraded: of 2 members number 0";
        person.dialog.expect(array)?;
        let said = person.check_everything(&["state", "data-1"])?;
        note(ctx, &said);
        Ok(())
    })?;
    let up = boot::boot(ctx, "alone", Firmware::Bios, &second, Expect::Degraded)?;
    up.blame(check(ctx, &key, &up, &recorded))?;
    up.vm.kill()
}

/// The medium beside disks: what is done at recovery's menu, and the power-off.
fn recover(
    ctx: &Context,
    name: &str,
    disks: &[Disk],
    act: impl FnOnce(&Context, &mut Person) -> Result<()>,
) -> Result<()> {
    let vm = medium(ctx, name, disks)?;
    let done = || -> Result<()> {
        let dialog = Dialog::from_the_beginning(&vm, QUESTION);
        let mut person = Person::enter(dialog, &ENGLISH, "3")?;
        act(ctx, &mut person)?;
        person.power_off()
    };
    done().map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.wait_poweroff(QUESTION)
}

fn note(ctx: &Context, said: &str) {
    let last = said.lines().rev().find(|line| line.contains("data-1"));
    ctx.note(last.unwrap_or("?").trim().to_owned());
}

/// The recordings are there, and the new password opens.
fn check(ctx: &Context, key: &ssh::Key, up: &Up, recorded: &[String]) -> Result<()> {
    recording::check(ctx, key, &up.vm, recorded)?;
    recording::check_password(ctx, &up.vm, ANOTHER)
}

/// Every array has both its members, and they are alike.
fn in_sync(ctx: &Context, key: &ssh::Key, up: &Up) -> Result<()> {
    let said = key.says(ctx, &up.vm, SETTLED)?;
    let whole = said.lines().filter(|line| line.contains("[UU]")).count();
    ensure!(
        whole >= 3 && !said.contains("[U_]") && !said.contains("[_U]") && !said.contains("resync"),
        "the arrays: {said}"
    );
    Ok(())
}
