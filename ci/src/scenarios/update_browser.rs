//! An update of the real image in a real browser: sent, installed, started, and its result seen.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use test_browser::{Browser, Person};

use super::unattended::PASSWORD;
use super::update::{Appliance, NEXT, Package};
use super::{HTTPS, scenario};
use crate::context::Context;
use crate::programs;
use crate::step::Step;

/// A page that is asked for.
const PAGE: Duration = Duration::from_secs(120);
/// Sending a package and checking it, or installing it.
const WORK: Duration = Duration::from_secs(600);

pub(super) fn step() -> Step {
    scenario(
        "update-browser",
        "in Chromium a package is sent, installed and started, and the page comes back with the result",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let chromium = programs::browser()?;
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let appliance = Appliance::boot(ctx)?;
    let anne = Anne {
        browser: Browser::start(&chromium, PERSON, &ctx.folder().join("chromium.log"))?,
        base: format!("https://127.0.0.1:{}", appliance.up.vm.host_port(HTTPS)?),
        folder: ctx.folder(),
    };
    appliance.up.blame(anne.comes_in())?;
    appliance.up.blame(anne.sends(&package.path))?;
    appliance.up.blame(anne.installs())?;
    anne.presses("[action='/update/restart'] button")?;
    anne.sees(".verdict.ok", "The appliance restarts", PAGE)?;
    appliance.wait_for("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    appliance.up.blame(anne.sees_the_result())?;
    appliance.up.vm.kill()
}

const PERSON: Person<'_> = Person {
    languages: "en",
    scripts: true,
};

/// Somebody at a browser.
struct Anne<'a> {
    browser: Browser,
    base: String,
    folder: &'a Path,
}

impl Anne<'_> {
    /// Waits for words, and keeps a picture of the page that shows them.
    fn sees(&self, css: &str, words: &str, patience: Duration) -> Result<()> {
        self.browser.wait_for(css, words, patience)?;
        let name: String = words.chars().filter(char::is_ascii_alphanumeric).collect();
        self.browser
            .picture(&self.folder.join(format!("{name}.png")))
    }

    fn presses(&self, css: &str) -> Result<()> {
        self.browser.click(css)
    }

    /// The update page sends her to the log-in page, and that one back.
    fn comes_in(&self) -> Result<()> {
        self.browser.open(&format!("{}/update", self.base))?;
        self.gives("dix lames")?;
        self.sees("[role=alert]", "wrong", PAGE)?;
        // That was meant; whatever the console gets from here on was not.
        self.browser.console()?;
        self.gives(PASSWORD)?;
        self.sees("h2", "Send a package", PAGE)
    }

    fn gives(&self, password: &str) -> Result<()> {
        self.browser.wait_for("h2", "Log in", PAGE)?;
        self.browser.type_into("#password", password)?;
        self.presses("main button")
    }

    fn sends(&self, package: &Path) -> Result<()> {
        let path = package.canonicalize()?;
        self.browser
            .type_into("#file", &path.display().to_string())?;
        self.presses("#upload button")?;
        let button = ".actions [action='/update/install'] button";
        self.sees(button, &format!("Install {NEXT}"), WORK)
    }

    fn installs(&self) -> Result<()> {
        self.presses(".actions [action='/update/install'] button")?;
        self.sees("#job-text", "Writing the other slot", PAGE)?;
        self.sees(".verdict.ok", &format!("Version {NEXT} is installed"), WORK)?;
        let said = self.browser.console()?;
        ensure!(said.is_empty(), "the browser's console: {said:#?}");
        Ok(())
    }

    /// The page waits for the appliance by itself; the sessions of before are gone.
    fn sees_the_result(&self) -> Result<()> {
        self.gives(PASSWORD)?;
        self.sees(".verdict.ok", "has come up well", PAGE)
    }
}
