//! An update through the web pages and through the console's menu, of the real image.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::browser::Browser;
use super::unattended::PASSWORD;
use super::update::{Appliance, NEXT, Package, RESTART, image_package};
use super::{HTTPS, scenario};
use crate::context::Context;
use crate::step::Step;
use crate::vm::dialog::{Dialog, keys};

/// A question on the console.
const QUESTION: Duration = Duration::from_secs(120);
/// A server notices that a connection is gone: it gives a slow one half a minute.
const NOTICED: Duration = Duration::from_secs(60);
/// Applying a package.
const APPLYING: Duration = Duration::from_secs(600);

pub(super) fn step() -> Step {
    scenario(
        "update-doors",
        "a package is uploaded in pieces, installed and taken back by the web, and installed by the console's menu",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let bytes = fs::read(&package.path)?;
    let appliance = Appliance::boot(ctx)?;
    let port = appliance.up.vm.host_port(HTTPS)?;
    appliance.up.blame(strangers(port))?;
    let browser = Browser::logged_in(port, PASSWORD)?;
    appliance.up.blame(refusals(ctx, &browser, &bytes))?;
    appliance.up.blame(upload(&browser, &bytes))?;
    appliance.up.blame(install(ctx, &browser))?;
    take_back(&appliance, &browser)?;
    appliance.up.blame(by_the_console(&appliance))?;
    appliance.wait_for("b", NEXT)?;
    appliance.expect_history(&["cancelled", "installed", "good"])?;
    // Sessions end with the system; the result is for who comes back.
    let page = Browser::logged_in(port, PASSWORD)?.page("/update")?;
    ensure!(page.contains("has come up well"), "after it: {page}");
    appliance.up.vm.kill()
}

/// Who is not logged in sees nothing and does nothing.
fn strangers(port: u16) -> Result<()> {
    let stranger = Browser::new(port)?;
    let page = stranger.get("/update")?.status();
    ensure!(page == 303, "the page answered {page}");
    let job = stranger.get("/update/job")?.status();
    ensure!(job == 401, "the job answered {job}");
    let wrong = Browser::logged_in(port, "dix lames").err();
    let wrong = wrong.context("a wrong password opens")?.to_string();
    ensure!(wrong.contains("401"), "a wrong password: {wrong}");
    Ok(())
}

/// What is not to be taken is refused after its head.
fn refusals(ctx: &Context, browser: &Browser, good: &[u8]) -> Result<()> {
    let same = fs::read(image_package(ctx)?)?;
    let mut unsigned = good.to_vec();
    // A digit of the signature's key id.
    unsigned[40] = if unsigned[40] == b'0' { b'1' } else { b'0' };
    let foreign = vec![b'x'; 1 << 20];
    for (bytes, words) in [
        (&same, "a newer version is needed"),
        (&unsigned, "is not known here"),
        (&foreign, "this is no update package"),
    ] {
        let path = browser.begin(bytes.len())?;
        let head = (0, 65536.min(bytes.len()));
        let answer = browser.send(&path, bytes, head, (None, head.1))?;
        let status = answer.status();
        let told = answer.text()?;
        ensure!(
            status == 422 && told.contains(words),
            "{words}: {status} {told}"
        );
    }
    Ok(())
}

/// Its head, half of it over a connection that breaks, and the rest.
fn upload(browser: &Browser, bytes: &[u8]) -> Result<()> {
    let path = browser.begin(bytes.len())?;
    let head = browser.send(&path, bytes, (0, 65536), (None, 65536))?;
    ensure!(head.status() == 202, "its head: {}", head.status());
    let tag = head
        .headers()
        .get("ETag")
        .context("no ETag")?
        .to_str()?
        .to_owned();
    let half = bytes.len() / 2;
    let broken = browser.send(&path, bytes, (65536, bytes.len()), (Some(&tag), half));
    ensure!(broken.is_err(), "half of it was taken as the whole");
    // Until the server has noticed, nobody else may write. A byte of no named package, which is
    // never taken, asks for that.
    let begun = Instant::now();
    while browser.send(&path, bytes, (1, 2), (None, 2))?.status() == 409 {
        ensure!(
            begun.elapsed() < NOTICED,
            "the broken connection still writes"
        );
    }
    let offset = browser.offset(&path)?;
    ensure!((65537..=half).contains(&offset), "{offset} bytes have come");
    let total = bytes.len();
    let rest = browser.send(&path, bytes, (offset, total), (Some(&tag), total))?;
    ensure!(
        rest.status() == 201,
        "the rest: {} {}",
        rest.status(),
        rest.text()?
    );
    Ok(())
}

fn install(ctx: &Context, browser: &Browser) -> Result<()> {
    let page = browser.page("/update")?;
    let id = page
        .split_once("name=\"id\" value=\"")
        .context("nothing to install")?;
    let id = id.1.split('"').next().unwrap_or_default();
    let pressed = browser.press("/update/install", Some(("id", id)))?;
    ensure!(pressed.status() == 303, "install: {}", pressed.status());
    let begun = Instant::now();
    let mut seen = Vec::new();
    let mut job = browser.job(None)?;
    while job["running"] == true {
        let percent = job["percent"].as_u64().unwrap_or_default();
        if seen.last() != Some(&percent) {
            seen.push(percent);
        }
        ensure!(begun.elapsed() < APPLYING, "still under way: {job}");
        job = browser.job(Some(&job))?;
    }
    ctx.note(format!("percents seen by the web: {seen:?}"));
    let page = browser.page("/update")?;
    ensure!(
        page.contains("/update/restart"),
        "no restart offered: {page}"
    );
    Ok(())
}

fn take_back(appliance: &Appliance<'_>, browser: &Browser) -> Result<()> {
    let pressed = browser.press("/update/rollback", None)?;
    ensure!(pressed.status() == 303, "taking back: {}", pressed.status());
    appliance.expect_history(&["installed", "cancelled"])
}

/// What was uploaded is offered on the console, too.
fn by_the_console(appliance: &Appliance<'_>) -> Result<()> {
    let mut person = Dialog::from_the_beginning(&appliance.up.vm, QUESTION);
    person.press(keys::ENTER)?;
    person.answer("Number, or Enter to refresh:", "3")?;
    person.expect(NEXT)?;
    person.answer("Number of the package to install", "1")?;
    person.answer("Password of root:", PASSWORD)?;
    let mut person = person.patience(APPLYING);
    person.answer("Type yes to go on", "yes")?;
    let words = "starting the system takes too long";
    person
        .patience(RESTART)
        .expect("vigie: console ready (installed)")
        .context(words)?;
    Ok(())
}
