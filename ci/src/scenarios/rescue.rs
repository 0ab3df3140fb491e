//! What an expert and a careless hand may do to a medium that is at work: one log-in by ssh with a
//! password that is made for it, and no power-off while a repair runs.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::shell::says;
use super::{BOOT, READY_LIVE, SSH, scenario, shell, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::dialog::{Dialog, keys};

const QUESTION: Duration = Duration::from_secs(120);
const CHOOSE: &str = "Esc goes back:";

pub(super) fn step() -> Step {
    scenario(
        "rescue",
        "one expert gets in by ssh with a password made for it; nothing switches off while a repair runs",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let machine = ctx
        .machine(Firmware::Bios)?
        .disk(Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway())
        .disk(
            Disk::new(ctx.installed_disk()?, Bus::Virtio)
                .throwaway()
                .data_only(),
        )
        .forward(SSH);
    let vm = ctx.start("medium", &machine)?;
    vm.wait_line(READY_LIVE, BOOT)?;
    let blame = |result: Result<()>| result.map_err(|error| vm.failure(format!("{error:#}")));
    let mut person = Dialog::from_the_beginning(&vm, QUESTION);
    blame(let_in(ctx, &vm, &mut person))?;
    blame(held_off(ctx, &vm, &mut person))?;
    // Held off no longer.
    vm.press_power()?;
    vm.wait_poweroff(QUESTION)
}

/// Closed before, open once, closed after.
fn let_in(ctx: &Context, vm: &Vm, person: &mut Dialog) -> Result<()> {
    let none = ssh::with_password(ctx, vm, "lusab-babad-gutih-tugad", "id -un")?;
    ensure!(none.is_none(), "ssh was open before: {none:?}");
    person.answer("Number, or Enter to refresh:", "3")?;
    person.answer(CHOOSE, "1")?;
    person.expect("- recovery - what to do")?;
    person.answer(CHOOSE, "11")?;
    // The address that QEMU would give, and forwards to.
    person.answer("Address of this machine", "10.0.2.15/24")?;
    person.answer("Router, as", "10.0.2.2")?;
    person.expect("ssh root@10.0.2.15")?;
    let shown = person.expect(Pattern::regex(r"Password: +[a-z-]+$")?)?;
    let password = shown
        .text
        .rsplit(' ')
        .next()
        .context("a password")?
        .to_owned();
    person.expect("Press Enter to close it")?;
    let wrong = ssh::with_password(ctx, vm, "lusab-babad-gutih-tugad", "id -un")?;
    ensure!(wrong.is_none(), "another password opens: {wrong:?}");
    // As it may be heard on the telephone.
    let heard = password.to_uppercase().replace('-', " ");
    let inside = ssh::with_password(
        ctx,
        vm,
        &heard,
        "id -un; ls /run/vigie; ls /run/systemd/network",
    )?;
    let inside = inside.context("the password is refused")?;
    ensure!(
        inside.starts_with("root\n") && inside.contains("vigie-rescue"),
        "inside: {inside}"
    );
    person.expect("root has logged in from")?;
    let again = ssh::with_password(ctx, vm, &password, "id -un")?;
    ensure!(again.is_none(), "it opens a second time: {again:?}");
    person.press(keys::ENTER)?;
    person.expect("Rescue access is closed")?;
    person.expect("-- Enter to go on")?;
    person.press(keys::ENTER)?;
    person.expect("- recovery - what to do")?;
    person.expect(CHOOSE)?;
    // Back to the console: the menu, the language.
    person.press(keys::ESC)?;
    person.expect("- recovery - Language")?;
    person.expect(CHOOSE)?;
    person.press(keys::ESC)
}

/// Puts before e2fsck what stops before it becomes that.
const HOLD: &str = r#"real=$(command -v e2fsck); cp "$real" /run/e2fsck.real
printf '%s\n' '#!/bin/sh' 'echo $$ > /run/e2fsck' 'kill -STOP $$' 'exec /run/e2fsck.real "$@"' > /run/held
chmod +x /run/held; mount --bind /run/held "$real""#;

/// A repair that is held in the middle, for as long as it takes to try everything.
fn held_off(ctx: &Context, vm: &Vm, person: &mut Dialog) -> Result<()> {
    shell::open(person, "4")?;
    let said = says(person, &HOLD.replace('\n', "; "))?;
    ensure!(said.trim() == "done", "holding e2fsck: {said}");
    person.press(
        "vigie-recovery check --repair --json > /run/out 2>&1 & \
         until test -s /run/e2fsck; do sleep 0.1; done; echo stop\"ped\"\r",
    )?;
    person.expect(Pattern::regex("^stopped$")?)?;
    let said = says(
        person,
        "systemd-inhibit --list --no-legend --no-pager | cat; systemctl poweroff",
    )?;
    ctx.note(format!(
        "poweroff: {}",
        said.lines().last().unwrap_or("?").trim()
    ));
    ensure!(
        said.contains("vigie-recovery") && said.contains("block"),
        "the locks: {said}"
    );
    // The kernel tells systemd of these keys, whatever runs, and their target is masked.
    vm.press(&["ctrl", "alt", "delete"])?;
    heard(ctx, person, "_PID=1", "ctrl-alt-del")?;
    vm.press_power()?;
    // logind takes the button's event.
    let words = r"power key\|powering off\|inhibit";
    heard(ctx, person, "_SYSTEMD_UNIT=systemd-logind.service", words)?;
    let said = says(
        person,
        "systemctl is-system-running; umount -l \"$real\"; kill -CONT $(cat /run/e2fsck); wait; tail -1 /run/out",
    )?;
    ensure!(
        !said.contains("stopping") && said.contains("\"event\":\"done\""),
        "after the power button: {said}"
    );
    Ok(())
}

/// Waits for a line of the journal that says what somebody does with a key.
fn heard(ctx: &Context, person: &mut Dialog, who: &str, words: &str) -> Result<()> {
    let look = format!("journalctl -b {who} --no-pager -o cat | grep -i '{words}'");
    let said = says(
        person,
        &format!(
            "heard=0; for n in $(seq 60); do {look} && heard=1 && break; sleep 1; done; echo heard-$heard"
        ),
    )?;
    ensure!(said.contains("heard-1"), "nobody tells of {words}: {said}");
    ctx.note(
        said.lines()
            .rfind(|line| !line.contains("heard-"))
            .unwrap_or("?")
            .trim(),
    );
    Ok(())
}
