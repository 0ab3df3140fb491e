//! An update through the web pages and through the console's menu, of the real image.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::blocking::Response;

use super::bad_packages::{self, Bad, GOES_ON, REFUSED};
use super::browser::Browser;
use super::unattended::PASSWORD;
use super::update::{Appliance, NEXT, Package, RESTART, image_package};
use super::{HTTPS, scenario};
use crate::context::Context;
use crate::step::Step;
use crate::vm::dialog::{Dialog, keys};

/// A question on the console.
const QUESTION: Duration = Duration::from_secs(120);
/// Bytes in which a package's head is complete.
const HEAD: usize = 65536;
/// A server notices that a connection is gone: it gives a slow one half a minute.
const NOTICED: Duration = Duration::from_secs(60);
/// Applying a package.
const APPLYING: Duration = Duration::from_secs(600);

pub(super) fn step() -> Step {
    scenario(
        "update-doors",
        "a package is uploaded in pieces, installed and taken back by the web, and installed by the console's menu; both refuse wrong ones",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let bytes = fs::read(&package.path)?;
    let bad = bad_packages::make(ctx, &package.path)?;
    let appliance = Appliance::boot(ctx)?;
    let port = appliance.up.vm.host_port(HTTPS)?;
    appliance.up.blame(strangers(port))?;
    let browser = Browser::logged_in(port, PASSWORD)?;
    let before = appliance.says("vigie-update status")?;
    appliance.up.blame(refusals(&appliance, &browser, &bad))?;
    appliance
        .up
        .blame(refused_by_the_console(&appliance, &bad))?;
    let after = appliance.says("vigie-update status")?;
    ensure!(before == after, "refusals changed\n{before}\ninto\n{after}");
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

/// What is not to be taken is refused, most of it after its head, and nothing of it is kept.
fn refusals(appliance: &Appliance<'_>, browser: &Browser, bad: &[Bad]) -> Result<()> {
    let same = fs::read(image_package(appliance.ctx)?)?;
    refused(browser, &same, (REFUSED, "a newer version is needed")).context("the same version")?;
    for bad in bad {
        refused(browser, &fs::read(&bad.path)?, bad.row.web).with_context(|| bad.name())?;
    }
    let list = appliance.says("vigie-update list --json")?;
    ensure!(list.is_empty(), "refused, and still there: {list}");
    Ok(())
}

/// `status` answers the head; where that is taken, the rest is refused.
fn refused(browser: &Browser, bytes: &[u8], (status, words): (u16, &str)) -> Result<()> {
    let total = bytes.len();
    let path = browser.begin(total)?;
    let head = HEAD.min(total);
    let mut answer = browser.send(&path, bytes, (0, head), (None, head))?;
    ensure!(answer.status() == status, "its head: {}", answer.status());
    if status == GOES_ON {
        let tag = tag(&answer)?;
        answer = browser.send(&path, bytes, (head, total), (Some(&tag), total))?;
    }
    let (status, told) = (answer.status(), answer.text()?);
    ensure!(
        status == REFUSED && told.contains(words),
        "expected {words}: {status} {told}"
    );
    Ok(())
}

fn tag(answer: &Response) -> Result<String> {
    let tag = answer.headers().get("ETag").context("no ETag")?;
    Ok(tag.to_str()?.to_owned())
}

/// The menu numbers only what is ready by its head. That one is refused when it is chosen, and the
/// others cannot be.
fn refused_by_the_console(appliance: &Appliance<'_>, bad: &[Bad]) -> Result<()> {
    const FOLDER: &str = "/var/lib/vigie/service/update";
    for bad in bad {
        let put = format!("cat > {FOLDER}/{}", bad.name());
        appliance.pipe(&bad.path, &put)?;
    }
    // What was written to just now may still be coming.
    appliance.says(&format!("touch -d '1 hour ago' {FOLDER}/*"))?;
    let mut person = Dialog::from_the_beginning(&appliance.up.vm, QUESTION);
    person.press(keys::ENTER)?;
    person.answer("Number, or Enter to refresh:", "3")?;
    let asked = person.mark();
    person.answer("Number of the package to install", "1")?;
    numbered_as_listed(&person.lines_since(asked), bad)?;
    person.answer("Password of root:", PASSWORD)?;
    person.expect("refused: the package is damaged in chunk")?;
    person.answer("Enter to go back:", "")?;
    appliance.says(&format!("find {FOLDER} -type f -delete"))?;
    Ok(())
}

/// A number stands before what is ready, and a dash before all else.
fn numbered_as_listed(menu: &str, bad: &[Bad]) -> Result<()> {
    let lines: Vec<&str> = menu.lines().collect();
    for bad in bad {
        let name = bad.name();
        let at = lines.iter().position(|line| line.contains(&*name));
        let above = at.and_then(|at| lines.get(at.checked_sub(1)?));
        let above = above.with_context(|| format!("{name} is not in {menu}"))?;
        let mark = match bad.row.listed {
            "ready" => "  1 ",
            _ => "  - ",
        };
        ensure!(above.starts_with(mark), "{name}: {menu}");
    }
    Ok(())
}

/// Its head, half of it over a connection that breaks, and the rest.
fn upload(browser: &Browser, bytes: &[u8]) -> Result<()> {
    let path = browser.begin(bytes.len())?;
    let head = browser.send(&path, bytes, (0, HEAD), (None, HEAD))?;
    ensure!(head.status() == GOES_ON, "its head: {}", head.status());
    let tag = tag(&head)?;
    let half = bytes.len() / 2;
    let broken = browser.send(&path, bytes, (HEAD, bytes.len()), (Some(&tag), half));
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
    ensure!(
        (HEAD + 1..=half).contains(&offset),
        "{offset} bytes have come"
    );
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
