//! The network of a real appliance is changed in a real browser: once to an address that is come to and
//! confirmed, and once to one where nobody can come, from which it returns by itself.
//!
//! The new address is in QEMU's own network, which forwards to it as soon as somebody has it. On this host
//! it is another address, too, so that the browser brings no session along.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::unattended::PASSWORD;
use super::update::{Appliance, RESTART};
use super::web_desk::Desk;
use super::{HTTPS, SSH, scenario, ssh};
use crate::context::Context;
use crate::step::Step;

/// Where the appliance goes, in QEMU's network; and where nobody can follow (RFC 5737).
const NEW: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 77);
const NEW_TEXT: &str = "10.0.2.77/24";
const UNREACHABLE: &str = "192.0.2.10/24";
/// The gateway and the name server of QEMU's network, and a gateway of the other one.
const GATEWAY: &str = "10.0.2.2";
const NAMES: &str = "10.0.2.3";
const NO_GATEWAY: &str = "192.0.2.1";
/// What the host calls the new address.
const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// A minute, and what a busy machine takes to have its old addresses again.
const OVER: Duration = Duration::from_secs(240);
/// What systemd says of the end of a trial that nobody has confirmed.
const REVERTED: &str = "Put the networks of before a trial in force again";

pub(super) fn step() -> Step {
    scenario(
        "web-trial",
        "in Chromium the network is changed: the new address is confirmed there and stays, an unreachable one goes away by itself",
        &["install"],
        run,
    )
}

/// The appliance at its new address.
struct There<'a> {
    ctx: &'a Context,
    key: ssh::Key,
    ssh: u16,
}

impl There<'_> {
    fn says(&self, command: &str) -> Result<String> {
        self.key.says_at(self.ctx, self.ssh, command)
    }
}

fn run(ctx: &Context) -> Result<()> {
    let appliance = Appliance::boot(ctx)?;
    let vm = &appliance.up.vm;
    let guest = |port| SocketAddrV4::new(NEW, port);
    let web = vm.forward_to(HERE, guest(HTTPS))?;
    let there = There {
        ctx,
        key: ssh::Key::of_install(ctx),
        ssh: vm.forward_to(Ipv4Addr::LOCALHOST, guest(SSH))?.port(),
    };
    let desk = Desk::at(ctx, format!("https://127.0.0.1:{}", vm.host_port(HTTPS)?))?;
    let all = || -> Result<()> {
        desk.opens("/settings")?;
        desk.logs_in("root", PASSWORD)?;
        is_told_what_is_wrong(&desk)?;
        is_confirmed(&desk, &there, &format!("https://{web}"))?;
        stays_after_a_restart(&desk, &there)?;
        goes_away_by_itself(&desk, &there)
    };
    appliance.up.blame(all())?;
    vm.kill()
}

/// An address without its network is refused beside its field, while one types and when one saves.
fn is_told_what_is_wrong(desk: &Desk) -> Result<()> {
    const WHY: &str = "[data-problem=network-enterprise-address]";
    desk.writes("#network-enterprise-address", "10.0.2.77")?;
    desk.sees(WHY, "/")?;
    desk.looks("wrong-while-typing")?;
    desk.presses("[data-section=enterprise] button")?;
    desk.sees("[role=alert]", "Nothing was saved")?;
    desk.sees(WHY, "/")?;
    desk.looks("wrong-when-saved")
}

/// Changes the address; gives what the page shows then.
fn changes_to(desk: &Desk, address: &str, gateway: &str) -> Result<String> {
    desk.opens("/settings")?;
    desk.presses("#network-enterprise-dhcp option[value='']")?;
    desk.writes("#network-enterprise-address", address)?;
    desk.writes("#network-enterprise-gateway", gateway)?;
    desk.writes("#network-enterprise-dns", NAMES)?;
    desk.presses("[data-section=enterprise] button")?;
    let host = address.split('/').next().unwrap_or_default();
    desk.sees(".verdict", "are in force for")?;
    desk.sees("main", &format!("https://{host}/"))
}

/// Whoever comes to the new address within the minute keeps it.
fn is_confirmed(desk: &Desk, there: &There<'_>, web: &str) -> Result<()> {
    changes_to(desk, NEW_TEXT, GATEWAY)?;
    desk.browser
        .picture(&there.ctx.folder().join("on-trial.png"))?;
    desk.turns_to(web.to_owned());
    desk.opens("/")?;
    desk.presses(".corner a[href='/login']")?;
    desk.logs_in("root", PASSWORD)?;
    // What waits to be confirmed is not left to be found.
    desk.presses(".verdict a[href='/settings/trial']")?;
    desk.sees(".verdict", "are in force for")?;
    desk.presses("[action='/settings/confirm'] button")?;
    desk.sees(".verdict.ok", "Confirmed and saved")?;
    desk.looks("confirmed")?;
    has_the_new_address(desk, there)?;
    there.ctx.note("confirmed at the new address");
    Ok(())
}

fn has_the_new_address(desk: &Desk, there: &There<'_>) -> Result<()> {
    let shown = desk.reads("#network-enterprise-address")?;
    ensure!(shown == NEW_TEXT, "the page shows {shown}");
    let addresses = there.says("ip -4 -brief address show scope global")?;
    ensure!(
        addresses.split_whitespace().nth(2) == Some(NEW_TEXT) && addresses.lines().count() == 1,
        "the appliance is at {addresses}"
    );
    let saved = there.says("vigie-settings get network.enterprise.address")?;
    ensure!(saved.contains(NEW_TEXT), "saved is {saved}");
    Ok(())
}

fn stays_after_a_restart(desk: &Desk, there: &There<'_>) -> Result<()> {
    let before = there.says(BOOT_ID)?;
    desk.restarts()?;
    // The page of before finds the server that knows it no more.
    desk.browser.wait_for("h2", "Log in", RESTART)?;
    desk.logs_in("root", PASSWORD)?;
    desk.opens("/settings")?;
    desk.sees("h2", "Enterprise network")?;
    has_the_new_address(desk, there)?;
    ensure!(there.says(BOOT_ID)? != before, "it was not restarted");
    let boots = there.says("journalctl --list-boots --no-pager --quiet")?;
    let starts = boots.lines().filter(|line| {
        let number = line.split_whitespace().next().unwrap_or_default();
        number.parse::<i32>().is_ok()
    });
    ensure!(
        starts.count() >= 2,
        "the journal of before is gone:\n{boots}"
    );
    there.ctx.note("it stays after a restart");
    Ok(())
}

const BOOT_ID: &str = "cat /proc/sys/kernel/random/boot_id";

/// Nobody can confirm what nobody reaches: the page comes back when the old address does, and says so.
fn goes_away_by_itself(desk: &Desk, there: &There<'_>) -> Result<()> {
    let before = there.says("vigie-settings show --json; vigie-settings history")?;
    changes_to(desk, UNREACHABLE, NO_GATEWAY)?;
    desk.browser
        .wait_for("main", "There is nothing on trial", OVER)?;
    desk.looks("nothing-on-trial")?;
    desk.opens("/settings")?;
    desk.sees("h2", "Enterprise network")?;
    has_the_new_address(desk, there)?;
    let after = there.says("vigie-settings show --json; vigie-settings history")?;
    ensure!(
        before == after,
        "the settings were\n{before}\nand are\n{after}"
    );
    desk.opens("/logs?log=system&unit=vigie-trial-revert.service")?;
    desk.sees(
        "#log",
        &format!("Finished vigie-trial-revert.service - {REVERTED}"),
    )?;
    desk.looks("log-of-the-return")?;
    is_told_by_the_trail(desk)?;
    there.ctx.note("an unreachable address went away by itself");
    Ok(())
}

/// Who had asked for it is told.
fn is_told_by_the_trail(desk: &Desk) -> Result<()> {
    desk.opens("/logs")?;
    let file = desk.script("return (await fetch('/logs/audit')).text()")?;
    let text = file.as_str().context("no trail")?;
    let asked = text.lines().filter(|line| {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        let about = record["about"].as_str().unwrap_or_default();
        record["action"] == "settings-set"
            && record["who"] == "root"
            && record["ended"] == "done"
            && about.contains("network.enterprise.address")
    });
    ensure!(asked.count() == 2, "the trail: {text}");
    ensure!(
        text.contains("\"network-confirm\""),
        "nobody has confirmed: {text}"
    );
    Ok(())
}
