//! Recovery from the disk's own menu, without any medium: the third entry of GRUB, chosen on the
//! serial line. Nothing of the appliance runs there, and starting it and switching off changes not
//! one byte of the disk: no try is counted, and the state volume is as it was. It repairs as the medium
//! does, and where its slot's kernel cannot be loaded, the other one's starts it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::boot::{self, Expect};
use super::recovery::{ENGLISH, Person, QUESTION};
use super::shell::says;
use super::unattended::HOSTNAME;
use super::{BOOT, FIRMWARE, READY_RECOVERY, disk, disk_scenario, recording, shell, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::dialog::{Dialog, keys};
use crate::vm::{Vm, images, sparse};

/// GRUB's next picture after a key.
const MENU: Duration = Duration::from_secs(30);
/// Ctrl-N moves down in GRUB's menu, on whatever terminal.
const DOWN: &str = "\x0e";
const CHOOSE: &str = "Number, or Enter to refresh:";
const SURE: &str = "Enter to go back:";

/// The new password.
const ANOTHER: &str = "trois hiboux comptent les gouttes";

pub(super) fn steps() -> Vec<Step> {
    let step = |name, proves, run: fn(&Context) -> Result<()>| Step {
        needs: &["install"],
        ..disk_scenario(name, proves, run)
    };
    vec![
        step(
            "recovery-entry",
            "the disk's own menu starts recovery without a medium, and that changes nothing",
            changes_nothing,
        ),
        step(
            "recovery-entry-repairs",
            "after a power cut the disk's own menu checks all and sets a new password, without a medium",
            repairs,
        ),
        step(
            "recovery-entry-other-slot",
            "where the kernel of its slot is gone, recovery starts from the other slot",
            other_slot,
        ),
    ]
}

fn changes_nothing(ctx: &Context) -> Result<()> {
    let path = disk::copy(ctx, "disk.raw")?;
    let disks = [Disk::new(&path, Bus::Virtio)];
    let before = sparse::digest(&path)?;
    in_recovery(ctx, "recovery", &disks, look_around)?;
    ensure!(
        sparse::digest(&path)? == before,
        "starting recovery and switching off has changed the disk"
    );
    let up = boot::boot(ctx, "after", Firmware::Bios, &disks, Expect::Ok)?;
    up.blame(check_normal_start(ctx, &up.vm))?;
    up.vm.kill()
}

fn repairs(ctx: &Context) -> Result<()> {
    let path = disk::copy(ctx, "disk.raw")?;
    let disks = [Disk::new(&path, Bus::Virtio)];
    let key = ssh::Key::of_install(ctx);
    let recorded = recording::until_the_power_goes(ctx, &key, &disks)?;
    in_recovery(ctx, "recovery", &disks, |ctx, dialog| {
        let mut person = Person::enter(dialog, &ENGLISH, "1")?;
        person
            .dialog
            .expect(Pattern::regex("data-1 .*was not unmounted")?)?;
        let said = person.check_everything(&["state", "data-1"])?;
        let last = said.lines().rev().find(|line| line.contains("data-1"));
        ctx.note(last.unwrap_or("?").trim().to_owned());
        person.new_password(HOSTNAME, ANOTHER)?;
        person.power_off()
    })?;
    let up = boot::boot(ctx, "after", Firmware::Bios, &disks, Expect::Ok)?;
    up.blame(recording::check(ctx, &key, &up.vm, &recorded))?;
    up.blame(recording::check_password(ctx, &up.vm, ANOTHER))?;
    up.vm.kill()
}

/// Both slots hold the version; the kernel of the first is gone.
fn other_slot(ctx: &Context) -> Result<()> {
    let path = disk::copy(ctx, "disk.raw")?;
    for (from, to) in [("boot-a", "boot-b"), ("system-a", "system-b")] {
        let [from, to] = [from, to].map(|name| images::partition_named(&path, 512, name));
        sparse::copy_within(&path, &from?, &to?)?;
    }
    let kernel = images::partition_named(&path, 512, "boot-a")?;
    images::write_at(&path, kernel.offset, &[0x5A; 1 << 20])?;
    let disks = [Disk::new(&path, Bus::Virtio)];
    let before = sparse::digest(&path)?;
    in_recovery(ctx, "recovery", &disks, |_, mut dialog| {
        shell::open(&mut dialog, "2")?;
        check_start(&mut dialog, "b")?;
        leave(&mut dialog)
    })?;
    ensure!(
        sparse::digest(&path)? == before,
        "starting recovery from the other slot has changed the disk"
    );
    Ok(())
}

/// Starts recovery from GRUB's menu, has something done at the console's, and waits until the machine is
/// off.
fn in_recovery(
    ctx: &Context,
    name: &str,
    disks: &[Disk],
    act: impl FnOnce(&Context, Dialog) -> Result<()>,
) -> Result<()> {
    let mut machine = ctx.machine(Firmware::Bios)?;
    machine.disks = disks.to_vec();
    let vm = ctx.start(name, &machine)?;
    let done = start(ctx, &vm).and_then(|dialog| act(ctx, dialog));
    done.map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.wait_poweroff(BOOT)
}

/// From GRUB's menu to the console's.
fn start<'a>(ctx: &Context, vm: &'a Vm) -> Result<Dialog<'a>> {
    let mut person = Dialog::from_the_beginning(vm, FIRMWARE);
    person.expect("Vigie recovery")?;
    choose_recovery(&mut person)?;
    let person = person.patience(BOOT);
    person.expect(Pattern::regex(r"Version +[0-9.]+ \(recovery")?)?;
    person.expect(READY_RECOVERY)?;
    ctx.note(format!("recovery after {:.0} s", vm.now().as_secs_f64()));
    vm.screenshot("recovery")?;
    Ok(person.patience(QUESTION))
}

/// What a person finds there, in a shell.
fn look_around(_: &Context, mut person: Dialog) -> Result<()> {
    shell::open(&mut person, "2")?;
    check_start(&mut person, "a")?;
    check_boot_state(&mut person)?;
    check_refusals(&mut person)?;
    leave(&mut person)
}

/// From the shell to the power-off.
fn leave(person: &mut Dialog) -> Result<()> {
    person.press("exit\r")?;
    person.answer(CHOOSE, "5")?;
    person.answer(SURE, "yes")
}

/// The first key stops the countdown.
fn choose_recovery(person: &mut Dialog) -> Result<()> {
    for entry in ["*Vigie B", "*Vigie recovery"] {
        person.press(DOWN)?;
        person.patience(MENU).expect(entry)?;
    }
    person.press(keys::ENTER)
}

/// The line of an answer that is a JSON object.
fn object(said: &str) -> Result<Value> {
    let line = said.lines().find(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("no JSON in: {said}"))?;
    serde_json::from_str(line).with_context(|| format!("reading {line}"))
}

/// The slot's system runs, with nothing of the appliance.
fn check_start(person: &mut Dialog, slot: &str) -> Result<()> {
    let boot = object(&says(person, "cat /run/vigie/boot.json")?)?;
    for (key, expected) in [
        ("mode", json!("live")),
        ("slot", json!(slot)),
        ("disk", json!("/dev/vda")),
        ("state_device", json!(null)),
        ("state_check", json!(null)),
        ("medium", json!(null)),
    ] {
        ensure!(boot[key] == expected, "boot.json: {key} in {boot}");
    }
    let var = says(person, "findmnt -no FSTYPE /var")?;
    ensure!(var.contains("tmpfs"), "/var is {var}");
    let mounts = says(
        person,
        "grep -c \"^/dev/vda\" /proc/mounts | sed \"s/^/of the disk: /\"",
    )?;
    ensure!(mounts.contains("of the disk: 0"), "mounted: {mounts}");
    let units = says(
        person,
        "for u in vigie-provision vigie-health vigie-mark-good vigie-check@dev-vda8; do \
         echo $u $(systemctl show -P ActiveState $u); done; \
         echo failed: $(systemctl list-units --failed --no-legend | wc -l)",
    )?;
    for unit in ["vigie-provision", "vigie-health", "vigie-mark-good"] {
        let inactive = format!("{unit} inactive");
        ensure!(units.contains(&inactive), "units: {units}");
    }
    ensure!(units.contains("failed: 0"), "units: {units}");
    Ok(())
}

/// As the installation has left it: slot A has all its tries, although it was started.
fn check_boot_state(person: &mut Dialog) -> Result<()> {
    let said = says(
        person,
        "vigie-recovery volumes --json | tr -d \" \\n\" | \
         grep -o '\"boot\":.*\"tries\":[0-9]*}}' | sed 's/.*/{&}/'",
    )?;
    let boot = object(&said)?;
    let expected = json!({
        "first": "a",
        "a": {"good": false, "tries": 3},
        "b": {"good": false, "tries": 0},
    });
    ensure!(boot["boot"] == expected, "the boot state is {boot}");
    Ok(())
}

/// There is no medium to install from, and that is said.
fn check_refusals(person: &mut Dialog) -> Result<()> {
    for (command, words, exit) in [
        ("vigie-install screen", "no medium to install from", 1),
        ("vigie-install provision", "no medium to install from", 1),
        (
            "vigie-recovery update --yes",
            "no medium with a version to install",
            3,
        ),
    ] {
        let said = says(person, &format!("{command}; echo \"exit $?\""))?;
        let refused = said.contains(words) && said.contains(&format!("exit {exit}"));
        ensure!(refused, "{command} said: {said}");
    }
    Ok(())
}

/// The appliance is as it would have been: its first start has made slot A good.
fn check_normal_start(ctx: &Context, vm: &Vm) -> Result<()> {
    ssh::check(ctx, vm)?;
    // It waits for the start to be judged.
    let ask = "systemctl start vigie-mark-good.service && vigie-update status --json";
    let status = ssh::Key::of_install(ctx).says(ctx, vm, ask)?;
    let status: Value = serde_json::from_str(&status).context("reading the status")?;
    ensure!(
        status["slots"]["a"]["good"] == true && status["next"] == "a",
        "after recovery: {status}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_among_the_kernels_words() {
        let said = "[   12.3] usb 1-1: new device\n{\"mode\":\"live\"}\ndone";
        assert_eq!(object(said).unwrap(), json!({"mode": "live"}));
        assert!(object("grep: nothing\ndone").is_err());
        assert!(object("{cut off\ndone").is_err());
    }
}
