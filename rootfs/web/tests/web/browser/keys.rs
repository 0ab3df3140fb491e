//! The pages of administration by the keyboard alone, in French.

use test_browser::{ENTER, SPACE, TAB};

use super::desk::{FRENCH, House, SOON};
use crate::support::PASSWORD;

#[ignore = "needs Chromium: cargo ci browser"]
#[test]
fn the_appliance_is_set_up_and_administrated_by_keys_alone() {
    let house = House::new("keyboard", FRENCH);
    let (desk, broker) = (&house.desk, &house.broker);
    let writes = |text: &str| desk.browser.press(text.chars()).unwrap();
    let goes_to = |css: &str| desk.browser.tab_to(css).unwrap();
    desk.open("/setup");
    // The first field has the focus.
    writes(&broker.code().unwrap());
    goes_to("#user");
    writes("anne");
    goes_to("#password");
    writes(PASSWORD);
    goes_to("#password-again");
    writes(PASSWORD);
    writes(&ENTER.to_string());
    desk.sees(".corner", "anne");
    // The first thing on a page leads past what is on all of them.
    goes_to("nav [href='/settings']");
    writes(&ENTER.to_string());
    desk.sees("h2", "Réglages");
    writes(&TAB.to_string());
    desk.sees(".skip", "Aller au contenu");
    desk.picture("skip");
    writes(&ENTER.to_string());
    let is_there = "document.activeElement.id === 'main'";
    desk.browser.wait(is_there, SOON).unwrap();
    // What has the focus is replaced by what is typed.
    goes_to("#system-hostname");
    writes("vigie-cle");
    writes(&ENTER.to_string());
    desk.sees(".verdict.ok", "Enregistré, et en vigueur");
    assert_eq!(broker.settings().system.hostname.as_str(), "vigie-cle");
    goes_to("nav [href='/users']");
    writes(&ENTER.to_string());
    desk.sees("h2", "Utilisateurs");
    goes_to("summary");
    writes(&ENTER.to_string());
    goes_to("#language-1");
    desk.picture("users");
    goes_to("nav [href='/logs']");
    writes(&ENTER.to_string());
    desk.sees("h2", "Journaux");
    goes_to("#follow");
    writes(&SPACE.to_string());
    desk.sees("#follow[aria-pressed=true]", "Arrêter");
    goes_to("nav [href='/power']");
    writes(&ENTER.to_string());
    desk.sees("h2", "Alimentation");
    goes_to("#restart-sure");
    writes(&SPACE.to_string());
    goes_to("[action='/power/restart'] button");
    desk.picture("restart");
    writes(&ENTER.to_string());
    desk.sees(".verdict.ok", "L’appareil redémarre");
    assert!(broker.waits_for("systemctl --no-block reboot", SOON));
    desk.console_is_silent(&[]);
}
