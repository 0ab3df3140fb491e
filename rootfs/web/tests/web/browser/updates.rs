//! Updates: a package is sent, over lines that break, and installed.

use test_browser::{ENTER, Person, SPACE};
use vigie_update::Slot;
use vigie_update::Version;
use vigie_update::history::{Door, Outcome, Record};

use super::desk::{Desk, ENGLISH, FRENCH, SOON};
use crate::support::{PASSWORD, Web, package};

/// Bytes of a package whose sending can be watched.
const LONG: usize = 48 << 20;
/// Bytes of another one.
const SHORT: usize = 3_000_000;
/// The name of a package's file.
const NEXT: &str = "vigie-2.0.0.0-upd.tgz";

fn has_come_up() -> Record {
    Record {
        door: Some(Door::Web),
        to: Some(Version([2, 0, 0, 0])),
        slot: Some(Slot::B),
        ..Record::now(Outcome::Good, Version([1, 0, 0, 0]))
    }
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn c63_a_package_is_sent_over_a_line_that_breaks_and_installed() {
    let desk = Desk::new("mouse", ENGLISH);
    // Who is not logged in comes to the log-in page.
    desk.open("/update");
    desk.picture("login");
    desk.browser.type_into("#user", "anne").unwrap();
    desk.browser.type_into("#password", "dix lames").unwrap();
    desk.browser.click("main button").unwrap();
    desk.sees("[role=alert]", "wrong");
    desk.picture("wrong");
    desk.console_is_silent(&["status of 401"]);
    desk.web.waits_are_over();
    desk.log_in();
    desk.sees("main", "None. Send one below");
    desk.picture("nothing");
    send_over_a_broken_line(&desk);
    install(&desk);
    desk.console_is_silent(&["net::ERR_", "status of 401"]);
}

fn send_over_a_broken_line(desk: &Desk) {
    desk.line.hold_after(LONG / 4);
    desk.sends(NEXT, &package(2, LONG));
    let percent = "Number((/Sending: (\\d+) %/.exec(document.getElementById('upload-text').textContent) || [0, 0])[1])";
    let moved = format!("({percent} > 1 && {percent} < 100) && {percent}");
    desk.browser.wait(&moved, SOON).unwrap();
    desk.picture("sending");
    desk.line.cut();
    desk.sees("#upload-text", "The connection broke; going on");
    desk.picture("broken");
    desk.line.mend();
    desk.sees(".actions button", "Install 2.0.0.0");
    // Not from the beginning again.
    assert!(desk.line.sent() < LONG, "{}", desk.line.sent());
    desk.picture("sent");
}

fn install(desk: &Desk) {
    let go_on = desk.web.holds_what_comes();
    desk.browser.click(".actions button").unwrap();
    desk.sees("#job-text", "Writing the other slot: ");
    desk.browser
        .wait("document.getElementById('job-bar').value > 0", SOON)
        .unwrap();
    desk.picture("installing");
    go_on.send(()).unwrap();
    desk.sees(".verdict.ok", "Version 2.0.0.0 is installed");
    desk.picture("installed");
    desk.browser
        .click("[action='/update/restart'] button")
        .unwrap();
    desk.sees(".verdict.ok", "The appliance restarts");
    desk.picture("restarting");
    assert_eq!(desk.web.done().last().unwrap(), "restart");
    // The line is gone, and then another server is there, which knows nobody.
    desk.line.cut();
    let up = Web::start();
    desk.line.lead_to(up.secure);
    desk.line.mend();
    // Sooner than a page without scripts asks again.
    desk.browser.wait_for("h2", "Log in", SOON / 2).unwrap();
    desk.browser.type_into("#user", "anne").unwrap();
    up.world.lock().unwrap().history.push(has_come_up());
    desk.browser.type_into("#password", PASSWORD).unwrap();
    desk.browser.click("main button").unwrap();
    desk.sees(
        ".verdict.ok",
        "Version 2.0.0.0 was installed and has come up well",
    );
    desk.picture("good");
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn all_is_done_by_keys_alone_in_french() {
    let desk = Desk::new("keys", FRENCH);
    desk.open("/update");
    desk.sees("h2", "Se connecter");
    // The field of the name has the focus.
    desk.browser.press("anne".chars()).unwrap();
    desk.browser.tab_to("#password").unwrap();
    desk.browser.press(PASSWORD.chars().chain([ENTER])).unwrap();
    desk.sees("h2", "Mise à jour");
    desk.picture("nothing");
    // Choosing a file opens a window of the system's, which is not the page's.
    desk.browser.tab_to("#file").unwrap();
    desk.chooses(NEXT, &package(2, SHORT));
    desk.browser.tab_to("#upload button").unwrap();
    desk.browser.press([ENTER]).unwrap();
    desk.sees(".actions button", "Installer 2.0.0.0");
    desk.browser
        .tab_to(".actions [action='/update/install'] button")
        .unwrap();
    desk.picture("focus");
    desk.browser.press([SPACE]).unwrap();
    desk.sees(".verdict.ok", "La version 2.0.0.0 est installée.");
    desk.picture("installed");
    desk.browser
        .tab_to("[action='/update/restart'] button")
        .unwrap();
    desk.browser.press([ENTER]).unwrap();
    desk.sees(".verdict.ok", "L’appareil redémarre");
    desk.console_is_silent(&[]);
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn a_wrong_file_is_refused_at_once_and_another_one_can_be_sent() {
    let desk = Desk::new("refused", ENGLISH);
    desk.log_in();
    desk.sends("holiday.tgz", &vec![b'x'; LONG]);
    desk.sees("#upload-text.bad", "This is no update package");
    desk.picture("wrong");
    assert!(desk.line.sent() < LONG / 2, "{}", desk.line.sent());
    desk.sends(NEXT, &package(2, SHORT));
    desk.sees(".actions button", "Install 2.0.0.0");
    desk.console_is_silent(&["status of 422"]);
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn without_scripts_all_works() {
    let desk = Desk::new(
        "plain",
        Person {
            languages: "en",
            scripts: false,
        },
    );
    desk.log_in();
    desk.sees(
        "main",
        "Without JavaScript the page says nothing until all is sent",
    );
    desk.sends_plainly("holiday.tgz", &vec![b'x'; SHORT]);
    desk.sees(".verdict.degraded", "This is no update package");
    desk.picture("wrong");
    desk.sends_plainly(NEXT, &package(2, SHORT));
    desk.sees(".actions button", "Install 2.0.0.0");
    desk.picture("ready");
    let go_on = desk.web.holds_what_comes();
    desk.browser
        .click(".actions [action='/update/install'] button")
        .unwrap();
    desk.sees("#job-text", "Writing the other slot");
    desk.picture("installing");
    go_on.send(()).unwrap();
    desk.sees(".verdict.ok", "Version 2.0.0.0 is installed");
    desk.console_is_silent(&["status of 422"]);
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn c63_a_line_that_is_down_or_dead_is_gone_on_with() {
    let desk = Desk::new("dead", ENGLISH);
    desk.log_in();
    desk.line.cut();
    desk.sends(NEXT, &package(2, LONG));
    desk.sees("#upload-text", "The connection broke; going on");
    desk.line.mend();
    desk.line.hold_after(LONG / 4);
    desk.sees("#upload-text", "Sending: ");
    // Nothing breaks, and nothing arrives any more.
    let patience = 3 * SOON;
    let words = "The connection broke; going on";
    desk.browser
        .wait_for("#upload-text", words, patience)
        .unwrap();
    // What was on its way through the dead line is lost with it, and does not come after all.
    desk.line.cut();
    desk.line.mend();
    desk.sees(".actions button", "Install 2.0.0.0");
    assert!(desk.line.sent() < LONG, "{}", desk.line.sent());
}

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn what_a_server_answers_is_shown_once_it_has() {
    let desk = Desk::new("server", ENGLISH);
    desk.log_in();
    let go_on = desk.web.holds_what_comes();
    desk.click("[action='/update/ask'] button");
    desk.sees("#asking", "being asked");
    desk.picture("asking");
    go_on.send(()).unwrap();
    desk.sees("main", "The server offers version 2.5.0.0");
    desk.console_is_silent(&[]);
}
