//! Every page, in both languages: nothing keeps anybody out, on a screen, on a telephone, in the dark.

use test_browser::Person;

use super::desk::{ENGLISH, FRENCH, House};

/// What they are called in pictures, and where they are.
const FOR_ANYBODY: [(&str, &str); 2] = [("status", "/"), ("login", "/login")];
const FOR_THE_ADMINISTRATOR: [(&str, &str); 16] = [
    ("status-of-somebody", "/"),
    ("account", "/account"),
    ("settings", "/settings"),
    ("history", "/settings/history"),
    ("difference", "/settings/history/1"),
    ("certificate", "/settings/certificate"),
    ("trial-over", "/settings/trial"),
    ("users", "/users"),
    ("update", "/update"),
    ("backup", "/backup"),
    ("logs", "/logs"),
    ("disconnections", "/logs?log=disconnections"),
    ("audit", "/logs?log=audit"),
    ("power", "/power"),
    ("help", "/help"),
    ("licences", "/help/licences"),
];

fn look_at_all(name: &'static str, person: Person<'_>, language: &str) {
    let house = House::new(name, person);
    let desk = &house.desk;
    house
        .broker
        .log("2026-11-30T08:15:00Z kernel: usb 1-1: new device");
    let look = |what: &str, path: &str| {
        desk.open(path);
        let told = desk.browser.script("return document.documentElement.lang");
        assert_eq!(told.unwrap(), language, "{path}");
        desk.picture(what);
    };
    look("setup", "/setup");
    house.add_users();
    let look_at = |pages: &[(&str, &str)]| pages.iter().for_each(|(what, path)| look(what, path));
    look_at(&FOR_ANYBODY);
    desk.logs_in_as("anne", "/");
    look_at(&FOR_THE_ADMINISTRATOR);
    // What is folded away counts, too.
    desk.open("/users");
    let unfold = "document.querySelectorAll('details').forEach((one) => { one.open = true; })";
    desk.browser.script(unfold).unwrap();
    desk.picture("users-unfolded");
    desk.open("/power");
    desk.click("#off-sure");
    desk.submits("#off-sure");
    desk.sees(".verdict.ok", "");
    desk.picture("going");
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn no_page_keeps_anybody_out_in_english() {
    look_at_all("english", ENGLISH, "en");
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn no_page_keeps_anybody_out_in_french() {
    look_at_all("french", FRENCH, "fr");
}
