//! The pages of administration where no script runs.

use test_broker::IN_FORCE;
use test_browser::Person;

use super::desk::{House, SOON};
use crate::support::PASSWORD;

const PLAIN: Person<'_> = Person {
    languages: "en",
    scripts: false,
};

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn without_scripts_the_appliance_is_set_up_and_administrated() {
    let house = House::new("plain-admin", PLAIN);
    let (desk, broker) = (&house.desk, &house.broker);
    desk.open("/setup");
    desk.picture("setup");
    desk.types("#code", &broker.code().unwrap());
    desk.types("#user", "anne");
    desk.types("#password", PASSWORD);
    desk.types("#password-again", PASSWORD);
    desk.click("main button");
    desk.sees(".corner", "anne");
    // What is wrong is said once it is sent.
    desk.open("/settings");
    desk.types_over("#system-hostname", "a b");
    desk.submits("#system-hostname");
    desk.sees("[role=alert]", "Nothing was saved");
    desk.sees("[data-problem='system-hostname']", "a b");
    desk.picture("refused");
    desk.types_over("#system-hostname", "vigie-loft");
    desk.submits("#system-hostname");
    desk.sees(".verdict.ok", "Saved, and in force");
    // The page of a trial, which answered the form, loads itself again, and not the form's page.
    desk.types_over("#network-enterprise-address", "192.0.2.7/24");
    desk.submits("#network-enterprise-address");
    desk.sees("h2", "Network on trial");
    desk.picture("trial");
    assert!(broker.waits_for(IN_FORCE, SOON));
    let left = "document.getElementById('left').value < 55";
    desk.browser.wait(left, SOON).unwrap();
    desk.click("[action='/settings/confirm'] button");
    desk.sees(".verdict.ok", "Confirmed and saved");
    desk.open("/users");
    desk.types("#name", "vera");
    desk.types("#password", PASSWORD);
    desk.types("#password-again", PASSWORD);
    desk.submits("#name");
    desk.sees("li", "vera viewer");
    broker.log("2026-11-30T08:15:00Z sshd[812]: Accepted publickey for root");
    desk.open("/logs");
    desk.types("#text", "publickey");
    desk.submits("#text");
    desk.sees("#log", "sshd[812]");
    desk.picture("logs");
    let make = || desk.browser.click("[action='/backup/make'] button");
    desk.open("/backup");
    let file = desk.browser.downloads(SOON, make).unwrap();
    assert!(std::fs::metadata(file).unwrap().len() > 0);
    desk.click("[action='/language'] button");
    desk.sees("h2", "Sauvegarde");
    desk.click("[action='/logout'] button");
    desk.sees("h2", "Se connecter");
    desk.console_is_silent(&["status of 422"]);
}
