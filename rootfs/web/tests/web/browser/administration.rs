//! The appliance is set up, administrated and looked at, before its own broker.

use std::path::Path;

use test_broker::{IN_FORCE, TAKEN_BACK};

use super::desk::{Desk, ENGLISH, House, SOON};
use crate::support::PASSWORD;

/// Another password.
const NEXT: &str = "vingt lamas";
/// Wrong passwords that nobody can give without having to wait.
const MANY: usize = 15;

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn the_first_visitor_makes_the_administrator_with_the_code_of_the_console() {
    let house = House::new("setup", ENGLISH);
    let desk = &house.desk;
    desk.open("/");
    desk.sees("main", "Running for");
    desk.picture("status");
    desk.click(".corner a");
    desk.sees("main", "Nobody administrates this appliance yet.");
    desk.picture("nobody");
    desk.click("main [href='/setup']");
    desk.sees("h2", "First setup");
    let fill_in = |code: &str| {
        desk.types_over("#code", code);
        desk.types_over("#user", "anne");
        desk.types("#password", PASSWORD);
        desk.types("#password-again", PASSWORD);
    };
    fill_in("AAAA-AAAA");
    desk.sees("[role=status]", "fair");
    desk.picture("filled-in");
    desk.click("main button");
    desk.sees("[role=alert]", "code is wrong");
    desk.picture("wrong-code");
    fill_in(&house.broker.code().unwrap());
    desk.click("main button");
    desk.sees(".corner", "anne");
    assert_eq!(desk.path(), "/");
    let users = house.broker.settings().users;
    assert_eq!((users.len(), users[0].name.as_str()), (1, "anne"));
    // The way is closed behind them.
    desk.logs_out();
    desk.open("/setup");
    desk.sees("h2", "Log in");
    assert_eq!(desk.path(), "/login");
    desk.console_is_silent(&["status of 401"]);
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn wrong_passwords_are_told_and_wait_at_last() {
    let house = House::with_users("login", ENGLISH);
    let desk = &house.desk;
    desk.open("/settings");
    desk.sees("h2", "Log in");
    desk.fills_in("anne", "dix lames");
    desk.sees("[role=alert]", "name or the password is wrong");
    // Each one after the first few makes wait twice as long: soon longer than a slow host takes to try.
    let is_kept_waiting = || {
        desk.fills_in("anne", "dix lames");
        desk.sees("[role=alert]", "").contains("try again in")
    };
    assert!((0..MANY).any(|_| is_kept_waiting()));
    desk.picture("wait");
    house.broker.waits_are_over().unwrap();
    desk.fills_in("anne", PASSWORD);
    desk.sees("h2", "Settings");
    assert_eq!(desk.path(), "/settings");
    desk.console_is_silent(&["status of 401", "status of 429"]);
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn the_status_is_renewed_in_its_place() {
    let house = House::with_users("renewed", ENGLISH);
    let desk = &house.desk;
    desk.logs_in_as("anne", "/");
    desk.sees("main", "1.2.3.0");
    desk.browser.script("window.reader = 'here'").unwrap();
    house.runs("1.2.4.0");
    desk.sees("main", "1.2.4.0");
    // It is the page that was opened.
    let reader = desk.browser.script("return window.reader").unwrap();
    assert_eq!(reader, "here");
    // At the port without TLS, too.
    let plain = format!("http://{}/", desk.web.plain);
    desk.browser.open(&plain).unwrap();
    desk.sees("main", "1.2.4.0");
    house.runs("1.2.5.0");
    desk.sees("main", "1.2.5.0");
    desk.console_is_silent(&[]);
}

/// Asks for another address of the enterprise network.
fn moves_to(desk: &Desk, address: &str) {
    desk.open("/settings");
    desk.types_over("#network-enterprise-address", address);
    desk.submits("#network-enterprise-address");
    desk.sees("h2", "Network on trial");
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn a_network_is_tried_and_confirmed_and_another_one_goes_away_by_itself() {
    let house = House::with_users("network", ENGLISH);
    let (desk, broker) = (&house.desk, &house.broker);
    let saved = || broker.settings().network.enterprise.address;
    let saved = || saved().unwrap().to_string();
    let in_force = || broker.in_force().unwrap().network.enterprise.address;
    let in_force = || in_force().unwrap().to_string();
    desk.logs_in_as("anne", "/settings");
    mistyped(desk);
    moves_to(desk, "192.0.2.7/24");
    desk.sees("main", "log in at https://192.0.2.7/");
    desk.picture("trial");
    assert!(broker.waits_for(IN_FORCE, SOON));
    assert_eq!((&*in_force(), &*saved()), ("192.0.2.7/24", "192.0.2.1/24"));
    // Whoever has left the page finds the way back to it.
    desk.open("/");
    desk.sees("[role=alert]", "on trial");
    desk.picture("banner");
    desk.click("main [href='/settings/trial']");
    desk.click("[action='/settings/confirm'] button");
    desk.sees(".verdict.ok", "Confirmed and saved");
    assert_eq!(saved(), "192.0.2.7/24");
    // Nobody confirms: after a minute the page says so by itself.
    moves_to(desk, "192.0.2.8/24");
    assert!(broker.waits_for(IN_FORCE, SOON));
    let over = desk
        .browser
        .wait_for("main", "There is nothing on trial", 3 * SOON);
    over.unwrap();
    desk.picture("over");
    assert!(broker.waits_for(TAKEN_BACK, SOON));
    assert_eq!((&*in_force(), &*saved()), ("192.0.2.7/24", "192.0.2.7/24"));
    // Or somebody takes it back before.
    moves_to(desk, "192.0.2.9/24");
    assert!(broker.waits_for(IN_FORCE, SOON));
    desk.click("[action='/settings/revert'] button");
    desk.sees(".verdict.ok", "Taken back");
    assert!(broker.waits_for(TAKEN_BACK, SOON));
    assert_eq!((&*in_force(), &*saved()), ("192.0.2.7/24", "192.0.2.7/24"));
    desk.console_is_silent(&["status of 422"]);
}

/// What cannot be is said while it is typed, and again when it is sent.
fn mistyped(desk: &Desk) {
    let gateway = "#network-enterprise-gateway";
    let problem = "[data-problem='network-enterprise-gateway']";
    desk.types_over(gateway, "10.9.9.9");
    let told = desk.sees(problem, "10.9.9.9");
    let said = format!("{gateway}[aria-invalid=true]");
    assert!(desk.browser.has(&said).unwrap(), "{told}");
    desk.picture("mistyped");
    desk.submits(gateway);
    desk.sees("[role=alert]", "Nothing was saved");
    desk.sees(problem, "10.9.9.9");
    desk.picture("refused");
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn settings_are_kept_in_a_file_and_come_back_from_it() {
    const PASSPHRASE: &str = "trois lamas verts";
    let house = House::with_users("backup", ENGLISH);
    let (desk, broker) = (&house.desk, &house.broker);
    let name = || broker.settings().system.hostname.to_string();
    desk.logs_in_as("anne", "/backup");
    desk.picture("page");
    desk.types("#passphrase", PASSPHRASE);
    desk.types("#again", PASSPHRASE);
    let make = || desk.browser.click("[action='/backup/make'] button");
    let file = desk.browser.downloads(SOON, make).unwrap();
    let is_named = |start: &str, file: &Path| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with(start) && name.ends_with(".vigie-settings")
    };
    assert!(is_named("vigie-hall-", &file), "{}", file.display());
    desk.open("/settings");
    desk.types_over("#system-hostname", "vigie-loft");
    desk.submits("#system-hostname");
    desk.sees(".verdict.ok", "Saved, and in force");
    assert_eq!(name(), "vigie-loft");
    desk.open("/backup");
    let restore = |passphrase: &str| {
        desk.types("#file", file.to_str().unwrap());
        desk.types("#file-passphrase", passphrase);
        desk.click("[action='/backup/restore'] button");
    };
    restore("quatre lamas verts");
    desk.sees("[role=alert]", "passphrase is not that of this backup");
    desk.picture("refused");
    assert_eq!(name(), "vigie-loft");
    restore(PASSPHRASE);
    desk.sees(".verdict.ok", "Saved");
    assert_eq!(name(), "vigie-hall");
    // What was in use before is in the history, and comes back from there.
    desk.open("/settings/history");
    desk.sees("main", "in use");
    desk.picture("history");
    desk.click("main li a");
    desk.sees("td", "vigie-loft");
    desk.picture("difference");
    desk.click("[action='/settings/restore'] button");
    desk.sees(".verdict.ok", "Saved");
    assert_eq!(name(), "vigie-loft");
    desk.console_is_silent(&["status of 422"]);
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn users_come_change_and_go() {
    let house = House::with_users("users", ENGLISH);
    let desk = &house.desk;
    desk.logs_in_as("anne", "/users");
    desk.picture("page");
    let add = || {
        desk.types("#name", "j.martin");
        desk.click("#role option[value=operator]");
        desk.types("#password", NEXT);
        desk.types("#password-again", NEXT);
        desk.submits("#name");
    };
    add();
    desk.sees(".verdict.ok", "Saved");
    desk.sees("li", "j.martin operator");
    add();
    desk.sees("[role=alert]", "has this name already");
    // Of four in the list, the last one.
    desk.click("li:nth-of-type(4) summary");
    desk.click("#disabled-4");
    desk.picture("changing");
    desk.submits("#disabled-4");
    desk.sees("li:nth-of-type(4)", "disabled");
    desk.click("li:nth-of-type(4) summary");
    desk.click("#sure-4");
    desk.submits("#sure-4");
    desk.sees(".verdict.ok", "Saved");
    assert!(!desk.browser.has("#sure-4").unwrap());
    // An account of the system takes one's own password.
    desk.click("#account option:nth-of-type(2)");
    desk.types("#own", NEXT);
    desk.types("#account-password", NEXT);
    desk.types("#account-password-again", NEXT);
    desk.submits("#own");
    desk.sees("[role=alert]", "present password is wrong");
    desk.logs_out();
    a_viewer_looks(desk);
    desk.console_is_silent(&["status of 422", "status of 403"]);
}

/// Who looks has few pages, and a password of their own.
fn a_viewer_looks(desk: &Desk) {
    desk.logs_in_as("vera", "/");
    let pages = desk.sees("nav", "Status");
    assert!(
        pages.contains("Help") && !pages.contains("Settings"),
        "{pages}"
    );
    desk.open("/settings");
    desk.sees("main", "This takes the role administrator");
    desk.picture("not-allowed");
    desk.open("/account");
    desk.types("#old", PASSWORD);
    desk.types("#password", NEXT);
    desk.types("#password-again", NEXT);
    desk.submits("#old");
    desk.sees(".verdict.ok", "Saved");
    desk.logs_out();
    desk.fills_in("vera", NEXT);
    desk.sees(".corner", "vera");
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn logs_are_filtered_followed_and_downloaded() {
    let house = House::with_users("logs", ENGLISH);
    let (desk, broker) = (&house.desk, &house.broker);
    for number in 1..=40 {
        broker.log(&format!(
            "2026-11-30T08:{number:02}:00Z kernel: usb {number}-1: new <device>"
        ));
    }
    broker.log("2026-11-30T09:00:00Z sshd[812]: Accepted publickey for root");
    desk.logs_in_as("olga", "/logs");
    desk.sees("#log", "new <device>");
    // It is longer than its place, and what is newest is seen first.
    let seen = "const log = document.getElementById('log'); \
        return [log.scrollHeight > log.clientHeight, Math.abs(log.scrollTop) < 2]";
    let seen = desk.browser.script(seen).unwrap();
    assert_eq!(seen, serde_json::json!([true, true]));
    desk.picture("system");
    desk.types("#text", "publickey");
    desk.submits("#text");
    let shown = desk.sees("#log", "Accepted publickey");
    assert!(!shown.contains("usb"), "{shown}");
    desk.click("#follow");
    desk.sees("#follow", "Stop");
    broker.log("2026-11-30T09:00:07Z kernel: usb 9-1: gone");
    broker.log("2026-11-30T09:00:08Z sshd[813]: Failed publickey for root");
    let shown = desk.sees("#log", "Failed publickey");
    assert!(!shown.contains("usb"), "{shown}");
    let download = || desk.browser.click("[href^='/logs/download']");
    let file = desk.browser.downloads(SOON, download).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    // Who did what is for administrators.
    desk.open("/logs?log=audit");
    desk.sees("main", "This takes the role administrator");
    desk.logs_out();
    desk.logs_in_as("anne", "/logs");
    desk.click("[href='/logs?log=audit']");
    desk.sees("td", "log-out");
    desk.picture("audit");
    desk.console_is_silent(&["status of 403"]);
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn help_makes_a_file_to_send() {
    let house = House::with_users("help", ENGLISH);
    let desk = &house.desk;
    desk.logs_in_as("vera", "/help");
    desk.sees("main", "SN-0042");
    desk.types("#support-organisation", "Musée");
    desk.types("#message", "It beeps since Monday.");
    let send = || desk.browser.click("[action='/help/support'] button");
    let file = desk.browser.downloads(SOON, send).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    for words in ["Musée", "It beeps since Monday.", "SN-0042"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    desk.click("[href='/help/licences']");
    desk.click("[href='/help/licences/own/LICENSE-MIT']");
    desk.sees("body", "Permission is hereby granted");
    desk.console_is_silent(&[]);
}
